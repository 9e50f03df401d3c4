#!/bin/sh
# Signed images and a registry that lies: it changes the tag between two requests, says another digest than that of what it sends,
# has an index of which only another platform is signed, keeps signatures that never end; a layer in the store under another name.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/cosign.key" 2>/dev/null
openssl pkey -in "$work/cosign.key" -pubout -out "$work/cosign.pub"
signer() {
	python3 "$e2e/signer.py" "$@" || bail "signer.py $*"
}
policy() {	# HOST
	cat >"$work/policy.json" <<-END
	{"default":[{"type":"reject"}],"transports":{"docker":{"$1":[{"type":"sigstoreSigned",
	"keyPath":"$work/cosign.pub","signedIdentity":{"type":"matchRepository"}}]}}}
	END
}
digest() {	# HOST NAME TAG
	curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' -H 'Accept: application/vnd.oci.image.index.v1+json' \
		"http://$1/v2/$2/manifests/$3" | sed -n 's/^Docker-Content-Digest: *//Ip' | tr -d '\r'
}
verify() {
	run "$aa" verify --tls-verify=false --policy "$work/policy.json" "$@"
}
refuses() {	# NAME CODE WORDS
	if [ "$rc" -eq "$2" ] && grep -Fq -- "$3" "$work/err"; then
		ok "$1"
		diag "$(head -n 1 "$work/err")"
	else
		not_ok "$1"
		diag "exit $rc, wanted $2 and the words: $3"
		diag_file "$work/err"
	fi
}

img=$work/img
mkimage build "$img:multi" --platform linux/amd64 --platform linux/arm64 files=2 >/dev/null
mkimage build "$img:good" --config '{"Cmd":["/bin/true"]}' files=5,size=10k >/dev/null
mkimage build "$img:other" --config '{"Cmd":["/bin/false"]}' files=6,size=10k >/dev/null
registry_start hostile
policy "$registry"

# --- an index
mkimage push "$img:multi" "http://$registry/t/multi:v1" >/dev/null
index=$(digest "$registry" t/multi v1)
of() {	# PLATFORM-ARCHITECTURE: the digest of its manifest
	curl -s -H 'Accept: application/vnd.oci.image.index.v1+json' "http://$registry/v2/t/multi/manifests/v1" |
		jq -r ".manifests[] | select(.platform.architecture == \"$1\") | .digest"
}
signer cosign "http://$registry/t/multi" "$(of arm64)" "$work/cosign.key"
verify --platform linux/arm64 "docker://$registry/t/multi:v1"
check "the platform that is signed" [ "$rc" -eq 0 ]
verify --platform linux/amd64 "docker://$registry/t/multi:v1"
refuses "another platform of the same index" 11 "there is no signature"
signer cosign "http://$registry/t/multi" "$(of arm64)" "$work/cosign.key" "for=$(of amd64)"
verify --platform linux/amd64 "docker://$registry/t/multi:v1"
refuses "the signature of one platform put beside the other" 11 "for another image"
signer cosign "http://$registry/t/multi" "$index" "$work/cosign.key"
verify --platform linux/amd64 "docker://$registry/t/multi:v1"
check "the index is signed: all of its platforms are" [ "$rc" -eq 0 ]
verify --platform linux/amd64 "docker://$registry/t/multi@$(of amd64)"
refuses "by the manifest's own digest nobody knows of the index" 11 "for another image"

# --- what a registry may say; its signatures stand beside those of a good one, so that only it lies
mkimage push "$img:good" "http://$registry/t/good:v1" >/dev/null
good=$(digest "$registry" t/good v1)
cat >"$work/front.py" <<'END'
"""Passes requests on to a registry; lies about manifests by tag. front.py PORTFILE REGISTRY GOOD OTHER"""
import http.server, sys, urllib.error, urllib.request
asked = {}

class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, lie = self.path, None
        for name in ("swap", "lie", "pinned", "endless", "many"):
            if path.startswith("/v2/t/%s/" % name):
                path, lie = path.replace("/t/%s/" % name, "/t/good/", 1), name
        tag = path.rsplit("/", 1)[1]
        if tag == "v1" and lie == "swap":
            asked[lie] = asked.get(lie, 0) + 1
            if asked[lie] > 1:
                path = path.replace("/t/good/manifests/v1", "/t/other/manifests/v1")
        if tag.startswith("sha256:") and "/manifests/" in path and lie == "pinned":
            path = "/v2/t/other/manifests/v1"
        request = urllib.request.Request("http://" + sys.argv[2] + path, headers={"Accept": self.headers.get("Accept") or "*/*"})
        try:
            with urllib.request.urlopen(request) as answer:
                status, data, head = 200, answer.read(), answer.headers
        except urllib.error.HTTPError as e:
            status, data, head = e.code, e.read(), e.headers
        if tag.endswith(".sig") and lie == "endless":
            data += b" " * (5 << 20)
        self.send_response(status)
        for name in ("Content-Type", "Docker-Content-Digest"):
            value = head.get(name)
            if value and name == "Docker-Content-Digest" and lie in ("endless",):
                continue
            if value and name == "Docker-Content-Digest" and lie == "lie" and tag == "v1":
                value = sys.argv[4]
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
with open(sys.argv[1], "w") as f:
    f.write(str(server.server_port))
server.serve_forever()
END
mkimage push "$img:other" "http://$registry/t/other:v1" >/dev/null
other=$(digest "$registry" t/other v1)
python3 "$work/front.py" "$work/front.port" "$registry" "$good" "$other" >"$work/front.log" 2>&1 &
pids="$pids $!"
wait_file "$work/front.port" || bail "front.py does not start"
front=127.0.0.1:$(cat "$work/front.port")
policy "$front"
for name in swap lie pinned endless; do
	signer cosign "http://$registry/t/good" "$good" "$work/cosign.key" "name=$front/t/$name"
done

pull() {	# IMAGE NAME
	run "$aa" pull "$snapshot" --tls-verify=false --policy "$work/policy.json" "docker://$front/t/$1" "$target/$2"
}
fresh_target
pull swap:v1 first
check "the tag leads to the image that is signed" [ "$rc" -eq 0 -a "$(cat "$work/out")" = "$good" ]
pull swap:v1 second
refuses "the tag was changed: what it leads to now is not signed" 11 "there is no signature"
pull "swap@$good" third
check "by digest it is what was signed" [ "$rc" -eq 0 ]
pull lie:v1 lie
refuses "Docker-Content-Digest says another image" 14 "Docker-Content-Digest"
pull "pinned@$good" pinned
refuses "another image than the digest asked for" 14 "expected $good"
pull endless:v1 endless
check "a signature image that does not end: refused" [ "$rc" -ne 0 -a ! -e "$target/endless" ]

# --- a layer that is in the store under another name
if need_root "in the store under another name"; then
	mkdir "$work/fs"
	mount -t tmpfs -o mode=0755 hostile-test "$work/fs"
	mkdir "$work/fs/out"
	policy "$registry"
	signer cosign "http://$registry/t/good" "$good" "$work/cosign.key"
	stored() {	# NAME OUT
		run "$aa" pull --snapshot overlay --store "$work/fs/store" --trusted-storage "$work/fs" --tls-verify=false \
			--policy "$work/policy.json" "docker://$registry/t/$1" "$work/fs/out/$2"
	}
	stored good:v1 a
	check "in the store under its name" [ "$rc" -eq 0 ]
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	mkimage push "$img:good" "http://$registry/t/copy:v1" >/dev/null
	stored copy:v1 b
	refuses "in the store under another name" 11 "there is no signature"
	signer cosign "http://$registry/t/copy" "$good" "$work/cosign.key" "name=$registry/t/good"
	stored copy:v1 c
	refuses "with the signature for the other name" 11 "matchRepository does not accept"
	echo '{"default":[{"type":"reject"}]}' >"$work/policy.json"
	stored good:v1 d
	refuses "the policy was changed" 11 "rejected"
	unmount_below "$work/fs"
	umount -l "$work/fs"
fi

plan
