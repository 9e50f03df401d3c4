#!/bin/sh
# Pulls that must not succeed: each ends with its own exit status, leaves nothing, says why.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
ocicrypt keys "$work/wrong" $kid
ocicrypt keys "$work/without" default/key/other
keys=$work/keys/aa-offline_fs_kbc-keys.json
params=offline_fs_kbc::$work/keys
mkimage build "$img:good" files=30,size=300k,text files=5,seed=2,size=50k,top=second >/dev/null
mkimage build "$img:other" files=3 >/dev/null
ocicrypt encrypt "$img:good" "$img:enc" "$keys" $kid >/dev/null

registry_start plain
for tag in good other enc; do
	mkimage push "$img:$tag" "http://$registry/test/image:$tag" >/dev/null
done
ref=docker://$registry/test/image

http_refused() {	# NAME CODES [options] IMAGE
	http_name=$1
	http_codes=$2
	shift 2
	refused "$http_name" "$http_codes" --policy "$accept_policy" --tls-verify=false "$@"
}

# --- policy: nothing is accepted without one ---------------------------------

if [ -e /etc/cacao ]; then
	skip "no policy at all" "this machine has /etc/cacao"
else
	refused "no policy at all" 11 --tls-verify=false "$ref:good"
fi
with_policy() {	# NAME CODES TEXT
	printf '%s' "$3" >"$work/policy.json"
	refused "policy: $1" "$2" --policy "$work/policy.json" --tls-verify=false "$ref:good"
}
with_policy "reject" 11 '{"default":[{"type":"reject"}]}'
with_policy "empty file" 11 ''
with_policy "not JSON" 11 'accept everything'
with_policy "an empty object" 11 '{}'
with_policy "a list" 11 '[]'
with_policy "null" 11 'null'
with_policy "cut off" 11 '{"default":[{"type":"insecureAcceptAnyth'
with_policy "trailing text" 11 '{"default":[{"type":"insecureAcceptAnything"}]} x'
with_policy "no requirement" 11 '{"default":[]}'
with_policy "unknown requirement" 11 '{"default":[{"type":"acceptSometimes"}]}'
with_policy "default twice" 11 \
	'{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}'
with_policy "unknown member" 11 '{"default":[{"type":"insecureAcceptAnything"}],"more":1}'
with_policy "a scope that rejects this registry" 11 \
	"{\"default\":[{\"type\":\"insecureAcceptAnything\"}],\"transports\":{\"docker\":{\"$registry\":[{\"type\":\"reject\"}]}}}"
with_policy "another repository is allowed" 11 \
	"{\"default\":[{\"type\":\"reject\"}],\"transports\":{\"docker\":{\"$registry/test/other\":[{\"type\":\"insecureAcceptAnything\"}]}}}"
with_policy "all requirements of a list count" 11 \
	'{"default":[{"type":"insecureAcceptAnything"},{"type":"reject"}]}'
with_policy "a requirement whose key is not there" 10 \
	'{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/nowhere"}]}'
refused "policy: no such file" 11 --policy "$work/nowhere.json" --tls-verify=false "$ref:good"
head -c 5000000 /dev/zero | tr '\0' ' ' >"$work/policy.json"
cat "$accept_policy" >>"$work/policy.json"
refused "policy: five megabytes" 11 --policy "$work/policy.json" --tls-verify=false "$ref:good"
if is_root; then
	skip "policy: not readable" "root reads everything"
else
	cp "$accept_policy" "$work/secret.json"
	chmod 000 "$work/secret.json"
	refused "policy: not readable" 11 --policy "$work/secret.json" --tls-verify=false "$ref:good"
fi
cat >"$work/policy.json" <<END
{"default":[{"type":"reject"}],
 "transports":{"docker":{"$registry/test/image:good":[{"type":"insecureAcceptAnything"}]}}}
END
fresh_target
run "$aa" pull "$snapshot" --policy "$work/policy.json" --tls-verify=false "$ref:good" "$bundle"
check "policy: the scope of this tag accepts it" [ "$rc" -eq 0 ]
refused "policy: the same content under another name" 11 --policy "$work/policy.json" \
	--tls-verify=false "$ref:other"

# --- keys ----------------------------------------------------------------------

http_refused "an encrypted image and no broker" "10|13" "$ref:enc"
http_refused "the wrong key" 13 --aa-kbc-params "offline_fs_kbc::$work/wrong" "$ref:enc"
http_refused "an unknown key id" 13 --aa-kbc-params "offline_fs_kbc::$work/without" "$ref:enc"
http_refused "no key file" "10|13" --aa-kbc-params "offline_fs_kbc::$work/nowhere" "$ref:enc"
http_refused "an unknown broker" "2|10" --aa-kbc-params "some_kbc::x" "$ref:enc"
mkdir "$work/broken"
echo '{"default/key/one":"c2hvcnQ="}' >"$work/broken/aa-offline_fs_kbc-keys.json"
http_refused "a key of five bytes" "10|13" --aa-kbc-params "offline_fs_kbc::$work/broken" "$ref:enc"
echo '{"default/key/one":' >"$work/broken/aa-offline_fs_kbc-keys.json"
http_refused "a key file that is no JSON" "10|13" --aa-kbc-params "offline_fs_kbc::$work/broken" "$ref:enc"
ocicrypt encrypt --hmac-of-plain "$img:good" "$img:hmac" "$keys" $kid >/dev/null
refused "a wrong HMAC" 14 --policy "$accept_policy" --aa-kbc-params "$params" "oci:$img:hmac"

# --- data that is not what the manifest says -----------------------------------

mkimage build "$img:large" gzip=none,files=1,size=100m >/dev/null
ocicrypt encrypt "$img:large" "$img:large-enc" "$keys" $kid >/dev/null
for tag in large large-enc; do
	mkimage push "$img:$tag" "http://$registry/test/image:$tag" >/dev/null
	blob=$(blob_file "$(mkimage layers "$img:$tag" | cut -d' ' -f1)")
	python3 - "$blob" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(-1, 2)
    last = f.read(1)[0]
    f.seek(-1, 2)
    f.write(bytes([last ^ 1]))
END
done
http_refused "one bit of 100 MB, plain" 14 "$ref:large"
http_refused "one bit of 100 MB, encrypted" 14 --aa-kbc-params "$params" "$ref:large-enc"

mkimage build "$img:diff" --wrong-diff-id 1 files=3 files=3,seed=2,top=second >/dev/null
mkimage push "$img:diff" "http://$registry/test/image:diff" >/dev/null
http_refused "a wrong diff_id" 14 "$ref:diff"
ocicrypt encrypt "$img:diff" "$img:diff-enc" "$keys" $kid >/dev/null
refused "a wrong diff_id below encryption" 14 --policy "$accept_policy" --aa-kbc-params "$params" \
	"oci:$img:diff-enc"
mkimage build "$img:longer" --wrong-size 0:1 files=3 >/dev/null
refused "a layer shorter than its size" 14 --policy "$accept_policy" "oci:$img:longer"
mkimage build "$img:shorter" --wrong-size 0:-1 files=3 >/dev/null
refused "a layer longer than its size" 14 --policy "$accept_policy" "oci:$img:shorter"

bad_registry "$img"
lie=docker://$bad
http_refused "a blob that ends early" "14|20|22" "$lie/truncate/x:latest"
http_refused "a blob seven bytes short" "14|22" "$lie/short/x:latest"
http_refused "a blob seven bytes long" "14|22" "$lie/longer/x:latest"
http_refused "a blob seven bytes long, chunked" "14|22" "$lie/longer-chunked/x:latest"
http_refused "a flipped bit" 14 "$lie/flip/x:latest"
http_refused "another manifest than the digest asked for" 14 \
	"$lie/pinned/x@$(mkimage digest "$img:good")"
http_refused "a digest nobody has" "14|22" \
	"$ref@sha256:0000000000000000000000000000000000000000000000000000000000000000"

# --- registries that lie in other ways --------------------------------------------

http_refused "a manifest said to be an index" 22 "$lie/wrongtype/x:latest"
http_refused "a manifest without an end" "1|22" "$lie/endless/x:latest"
http_refused "an empty manifest" "1|14|22" "$lie/empty-manifest/x:latest"
http_refused "redirections for ever" "20|22" "$lie/loop/x:latest"
http_refused "a redirection to a file" "20|22" "$lie/to-file/x:latest"
http_refused "status 500" 22 "$lie/e500/x:latest"
http_refused "status 429" 22 "$lie/e429/x:latest"
http_refused "no answer" "20|22" "$lie/drop/x:latest"
http_refused "an answer that is not HTTP" "20|22" "$lie/garbage/x:latest"
http_refused "5000 header lines" "1|20|22" "$lie/many-headers/x:latest"
http_refused "a manifest with two lengths" "20|22" "$lie/two-lengths/x:latest"
pulled "a blob said to be compressed once more: its bytes as they are count" "$lie/gzip-encoding/x:latest"
http_refused "no credentials" 23 "$lie/auth/x:latest"
echo "{\"auths\":{\"$bad\":{\"auth\":\"$(printf 'user:wrong' | base64)\"}}}" >"$work/auth.json"
http_refused "wrong credentials" 23 --authfile "$work/auth.json" "$lie/auth/x:latest"
echo '{"auths":' >"$work/auth.json"
http_refused "an auth file that is no JSON" 10 --authfile "$work/auth.json" "$lie/auth/x:latest"
http_refused "no such auth file" 10 --authfile "$work/nowhere.json" "$lie/auth/x:latest"
echo "{\"auths\":{\"$bad\":{\"auth\":\"$(printf 'user:word' | base64)\"}}}" >"$work/auth.json"
fresh_target
pull_http --authfile "$work/auth.json" "$lie/auth-away/x:latest"
diag "blobs on another host over http: exit $rc"
check "credentials do not follow a redirection" sh -c "! grep '/v2/.* localhost:.* Basic' '$bad_log'"

# --- names, network, TLS ---------------------------------------------------------------

http_refused "no such tag" 22 "$ref:nowhere"
http_refused "no such repository" 22 "docker://$registry/no/such:tag"
http_refused "nobody listens" 20 "docker://127.0.0.9:1/test/image:good"
http_refused "a name that cannot be resolved" 20 "docker://no-such-host.invalid/test/image:good"
http_refused "no such OCI layout" "1|15|22" "oci:$work/nowhere:x"
http_refused "no such tag in an OCI layout" 22 "oci:$img:nowhere"
asked=$(wc -l <"$bad_log")
refused "http where https is demanded" "20|21" --policy "$accept_policy" "$lie/good/x:latest"
check "and nothing was asked over http" [ "$(wc -l <"$bad_log")" -eq "$asked" ]
make_tls
registry_start tls "$tls/server.crt"
mkimage push --ca "$tls/ca.crt" "$img:good" "https://$registry/test/image:good" >/dev/null
secure=docker://$registry/test/image:good
refused "https by an unknown CA" 21 --policy "$accept_policy" "$secure"
refused "https by another CA than the one given" 21 --policy "$accept_policy" \
	--ca-file "$tls/other-ca.crt" "$secure"
refused "https to a server that speaks https, without" "20|22" --policy "$accept_policy" \
	--tls-verify=false "$secure"
refused "a CA file that is none" "10|21" --policy "$accept_policy" --ca-file "$accept_policy" "$secure"
refused "no such CA file" "10|21" --policy "$accept_policy" --ca-file "$work/nowhere.crt" "$secure"
registry_start wrong-name "$tls/wrong-name.crt"
refused "a certificate for another host" 21 --policy "$accept_policy" --ca-file "$tls/ca.crt" \
	"docker://$registry/test/image:good"

# what a registry behind https may not have us do over http
bad_registry "$img" "$tls/server.crt"
lie=docker://$bad
echo "{\"auths\":{\"$bad\":{\"auth\":\"$(printf 'user:word' | base64)\"}}}" >"$work/auth.json"
tls_refused() {	# NAME CODES IMAGE
	refused "$1" "$2" --policy "$accept_policy" --ca-file "$tls/ca.crt" --authfile "$work/auth.json" "$3"
}
fresh_target
pull --ca-file "$tls/ca.crt" --authfile "$work/auth.json" "$lie/auth/x:latest"
check "https with credentials" [ "$rc" -eq 0 ]
tls_refused "https: a token service over http" "20|21|22|23" "$lie/token-http-away/x:latest"
tls_refused "https: blobs over http on another host" "20|21|22" "$lie/auth-away/x:latest"
check "nothing of it was asked" sh -c "! grep ' localhost:' '$bad_log'"

# --- documents that contradict themselves --------------------------------------------

document() {	# NAME CODES MEDIATYPE TEXT
	printf '%s' "$4" >"$work/document"
	mkimage add "$img:document" "$work/document" "$3"
	http_refused "$1" "$2" "oci:$img:document"
}
manifest=application/vnd.oci.image.manifest.v1+json
index=application/vnd.oci.image.index.v1+json
zero=sha256:0000000000000000000000000000000000000000000000000000000000000000
conf="{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"$zero\",\"size\":2}"
document "manifest and index at once" 22 $manifest \
	"{\"schemaVersion\":2,\"mediaType\":\"$manifest\",\"config\":$conf,\"layers\":[],\"manifests\":[]}"
document "an index called a manifest" 22 $manifest \
	"{\"schemaVersion\":2,\"mediaType\":\"$index\",\"manifests\":[]}"
document "a digest with a path in it" "1|22" $manifest \
	"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:../../../../etc/passwd\",\"size\":2},\"layers\":[]}"
document "a digest in capitals" "1|22" $manifest \
	"{\"schemaVersion\":2,\"config\":$(echo "$conf" | sed 's/sha256:00/sha256:AA/'),\"layers\":[]}"
document "an empty index" 22 $index "{\"schemaVersion\":2,\"mediaType\":\"$index\",\"manifests\":[]}"
document "a member twice" "1|22" $manifest \
	"{\"schemaVersion\":2,\"config\":$conf,\"layers\":[],\"layers\":[]}"
mkimage build "$img:arm" --config-platform linux/arm64 files=1 >/dev/null
http_refused "a configuration of another architecture" 22 "oci:$img:arm"
mkimage build "$img:index" --platform linux/s390x files=1 >/dev/null
http_refused "an index without this platform" 22 "oci:$img:index"
check "the message lists what is offered" grep -q s390x "$work/err"

# --- where the bundle goes -----------------------------------------------------------

fresh_target
mkdir "$bundle"
echo mine >"$bundle/file"
pull_http "$ref:good"
check "a bundle folder that is not empty: 15" [ "$rc" -eq 15 ]
check "its file is untouched" [ "$(cat "$bundle/file")" = mine ]
check "nothing beside it" [ "$(find "$target" -mindepth 1 | wc -l)" -eq 2 ]
fresh_target
echo mine >"$bundle"
pull_http "$ref:good"
check "a file where the bundle goes: 15" [ "$rc" -eq 15 -a "$(cat "$bundle")" = mine ]
fresh_target
mkdir "$work/aim"
ln -s "$work/aim" "$bundle"
pull_http "$ref:good"
check "a link where the bundle goes: not through it" is_empty "$work/aim"
diag "exit $rc"
fresh_target
run "$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false "$ref:good" "$target/no/such/bundle"
check "no folder to put the bundle in" [ "$rc" -ne 0 -a ! -e "$target/no" ]
diag "exit $rc"
if is_root; then
	skip "a folder that may not be written" "root writes everywhere"
else
	fresh_target
	chmod 555 "$target"
	pull_http "$ref:good"
	check "a folder that may not be written" [ "$rc" -eq 15 ]
	chmod 755 "$target"
fi

# a file system with little room: as root a mount, else one in a name space of our own
cat >"$work/nospace.sh" <<'END'
set -eu
small=$1 options=$2
shift 2
mount -t tmpfs -o "$options" cacao-test "$small"
rc=0
"$@" || rc=$?
find "$small" -mindepth 1 >"$small.left"
umount "$small"
exit "$rc"
END
no_room() {	# NAME OPTIONS-OF-MOUNT IMAGE
	mkdir -p "$work/small"
	if is_root; then
		run unshare -m sh "$work/nospace.sh" "$work/small" "$2" "$aa" pull "$snapshot" --policy "$accept_policy" \
			--tls-verify=false "$3" "$work/small/bundle"
	else
		# the program itself runs with the caller's id again
		run unshare -rm sh "$work/nospace.sh" "$work/small" "$2" unshare -U \
			--map-user="$(id -u)" --map-group="$(id -g)" "$aa" pull "$snapshot" --policy "$accept_policy" \
			--tls-verify=false "$3" "$work/small/bundle"
	fi
	check "$1: 15" [ "$rc" -eq 15 ]
	diag_file "$work/err"
	check "$1: nothing is left" [ ! -s "$work/small.left" ]
	check "$1: the message says so" grep -q NOSPACE "$work/err"
}
mkimage build "$img:big" files=40,size=20m >/dev/null
mkimage build "$img:swarm" files=4000,size=4000,text >/dev/null
no_room "no room for the data" size=6m,mode=777 "oci:$img:big"
no_room "no room for the entries" size=64m,nr_inodes=1000,mode=777 "oci:$img:swarm"

plan
