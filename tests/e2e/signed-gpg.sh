#!/bin/sh
# Images that the policy wants signed by GPG keys: signatures in directories and on servers, good and bad ones, keys that
# have expired or were revoked, a gpg that is not there, and a root that holds nothing but our program and gpg.
# time-limit: 600
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

static_gpg=$top/build/gpg
debian_gpg=/usr/bin/gpg
scratch=$work/gnupg # short enough for the agent's socket
mkdir -m 700 "$scratch"

gpg() {
	"$debian_gpg" --homedir "$scratch" --batch --quiet --no-tty --pinentry-mode loopback --passphrase '' "$@" 2>>"$work/gpg.log" ||
		bail "gpg $*: $(tail -n 1 "$work/gpg.log")"
}
# Its agent must not outlive us.
stop_agent() {
	gpgconf --homedir "$scratch" --kill gpg-agent 2>/dev/null || :
}

# The homes of gpg that there are, also those of others who verify something just now.
homes() {
	ls -d /run/cacao-gpg-* /tmp/cacao-gpg-* 2>/dev/null || :
}
homes_before=$(homes)
# homes_go: those that have come since then go again, others' in a moment; one that nobody removes would stay
homes_go() {
	for home in $(homes); do
		case $homes_before in *"$home"*) continue ;; esac
		comes_true 60 test ! -e "$home" || {
			echo "left: $home"
			return 1
		}
	done
}

img=$work/img
mkimage build "$img:one" --config '{"Cmd":["/bin/true"]}' files=5,size=10k >/dev/null
mkimage build "$img:two" --config '{"Cmd":["/bin/false"]}' files=6,size=10k >/dev/null
registry_start gpg
push() {	# LAYOUT-NAME NAME; the digest
	mkimage push "$img:$1" "http://$registry/$2" >/dev/null
	curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		"http://$registry/v2/${2%%:*}/manifests/${2##*:}" | sed -n 's/^Docker-Content-Digest: *//Ip' | tr -d '\r'
}
one=$(push one t/one:v1)
two=$(push two t/two:v1)

for name in good other revoked; do
	gpg --quick-generate-key "$name@example.test" ed25519 sign never
done
gpg --quick-generate-key rsa@example.test rsa2048 sign never
gpg --quick-generate-key sub@example.test ed25519 cert never
sub=$(gpg --with-colons --list-keys sub@example.test | awk -F: '$1 == "fpr" { print $10; exit }')
gpg --quick-add-key "$sub" ed25519 sign never
gpg --faked-system-time 20200101T000000 --quick-generate-key old@example.test ed25519 sign 1y
for name in good other rsa sub old revoked; do
	gpg --export "$name@example.test" >"$work/$name.gpg"
done
gpg --armor --export good@example.test >"$work/good.asc"

sigs=$work/sigs
# sign KEY NAME REPOSITORY DIGEST N [gpg options]: signature N of that digest, by KEY, for NAME
sign() {
	sign_dir=$sigs/$3@sha256=${4#sha256:}
	sign_key=$1 sign_name=$2 sign_digest=$4 sign_number=$5
	shift 5
	mkdir -p "$sign_dir"
	python3 "$e2e/signer.py" payload "$sign_name" "$sign_digest" >"$work/payload"
	gpg "$@" --local-user "$sign_key@example.test" --yes --output "$sign_dir/signature-$sign_number" --sign "$work/payload"
}
wipe() {
	rm -rf "$sigs"
	mkdir "$sigs"
}
wipe
cat >"$work/sigstore.yaml" <<END
docker:
  $registry:
    sigstore: file://$sigs
END
policy() {	# KEY-MEMBERS [IDENTITY]
	cat >"$work/policy.json" <<-END
	{"default":[{"type":"reject"}],"transports":{"docker":{"$registry":[
	{"type":"signedBy","keyType":"GPGKeys",$1${2:+,\"signedIdentity\":$2}}]}}}
	END
}
key() {
	echo "\"keyPath\":\"$work/$1\""
}
gpg_program=$debian_gpg
jail=
# shellcheck disable=SC2086 # $jail: several words or none
verify() {	# IMAGE [options]
	verify_image=$1
	shift
	run $jail "$aa" verify --tls-verify=false --gpg "$gpg_program" --policy "$work/policy.json" \
		--sigstore-config "$work/sigstore.yaml" "$@" "docker://$registry/$verify_image"
}
accepted() {	# NAME IMAGE [options]
	accepted_name=$1
	shift
	verify "$@"
	check "$accepted_name" [ "$rc" -eq 0 ]
	[ "$rc" -eq 0 ] || diag_file "$work/err"
}
rejected() {	# NAME IMAGE WORDS [options]: refused, and the message says WORDS
	rejected_name=$1 rejected_image=$2 rejected_words=$3
	shift 3
	verify "$rejected_image" "$@"
	if [ "$rc" -ne 0 ] && [ "$rc" -lt 50 ] && grep -Fq -- "$rejected_words" "$work/err"; then
		ok "$rejected_name"
		diag "$(head -n 1 "$work/err")"
	else
		not_ok "$rejected_name"
		diag "exit $rc, wanted a refusal and the words: $rejected_words"
		diag_file "$work/err"
	fi
}

signatures() {
	wipe
	policy "$(key good.gpg)"
	rejected "no signature" t/one:v1 "there is no signature; looked in file://$sigs/t/one@"
	sign good "$registry/t/one:v1" t/one "$one" 1
	accepted "a good signature" t/one:v1
	policy "$(key good.asc)"
	accepted "an armoured key ring" t/one:v1
	policy "\"keyData\":\"$(base64 -w0 "$work/good.gpg")\""
	accepted "a key ring in the policy" t/one:v1
	policy "$(key other.gpg)"
	rejected "another key wanted" t/one:v1 "not among those of the policy"
	policy "\"keyPaths\":[\"$work/other.gpg\",\"$work/good.gpg\"]"
	accepted "one of several rings" t/one:v1
	policy "$(key sigstore.yaml)"
	rejected "a ring that is none" t/one:v1 "no OpenPGP key"
	policy "$(key good.gpg)"
	accepted "by digest: the tag's signature will do" "t/one@$one"
	policy "$(key good.gpg)" '{"type":"matchExact"}'
	rejected "by digest, matchExact: it will not" "t/one@$one" "matchExact"
	policy "$(key good.gpg)"
	sign good "$registry/t/two:v1" t/two "$one" 1
	cp -r "$sigs/t/one@sha256=${one#sha256:}" "$sigs/t/two@sha256=${two#sha256:}"
	rejected "a good signature of another image" t/two:v1 "for another image"
	sign rsa "$registry/t/two:v1" t/two "$two" 1
	sign good "$registry/t/other:v1" t/two "$two" 2
	sign good "$registry/t/two:v1" t/two "$two" 3 --digest-algo SHA1
	sign good "$registry/t/two:v1" t/two "$two" 4 --armor
	sign good "$registry/t/two:v1" t/two "$two" 5 --detach-sign
	head -c 300 /dev/urandom >"$sigs/t/two@sha256=${two#sha256:}/signature-6"
	rejected "all that is no good" t/two:v1 "6 signatures found, none counts"
	sign good "$registry/t/two:v1" t/two "$two" 7
	accepted "a seventh, which is good" t/two:v1
	for name in rsa sub; do
		wipe
		sign $name "$registry/t/one:v1" t/one "$one" 1
		policy "$(key $name.gpg)"
		accepted "signed by $name" t/one:v1
	done
	wipe
	sign old "$registry/t/one:v1" t/one "$one" 1 --faked-system-time 20200601T000000
	policy "$(key old.gpg)"
	rejected "a key that has expired" t/one:v1 "expired"
	wipe
	sign revoked "$registry/t/one:v1" t/one "$one" 1
	policy "$(key revoked.gpg)"
	accepted "before the key was revoked" t/one:v1
	policy "$(key gone.gpg)"
	rejected "after it" t/one:v1 "revoked"
	wipe
	sign good "$registry/t/one:v1" t/one "$one" 1 --local-user other@example.test
	policy "\"keyPaths\":[\"$work/other.gpg\",\"$work/good.gpg\"]"
	rejected "two signatures in one message" t/one:v1 "2 signatures in one message"
	wipe
	sign good "$registry/t/one:v1" t/one "$one" 1
	cat "$sigs/t/one@sha256=${one#sha256:}/signature-1" >>"$sigs/t/one@sha256=${one#sha256:}/signature-1.new"
	cat "$sigs/t/one@sha256=${one#sha256:}/signature-1" >>"$sigs/t/one@sha256=${one#sha256:}/signature-1.new"
	mv "$sigs/t/one@sha256=${one#sha256:}/signature-1.new" "$sigs/t/one@sha256=${one#sha256:}/signature-1"
	policy "$(key good.gpg)"
	rejected "the same message twice in one file" t/one:v1 "behind the message"
}

revocation=$(grep -l revoked@example.test "$scratch"/openpgp-revocs.d/*.rev)
cp "$work/revoked.gpg" "$work/before.gpg"
sed 's/^:---/---/' "$revocation" >"$work/revocation.asc"
mkdir -m 700 "$work/g2"
"$debian_gpg" --homedir "$work/g2" --batch --quiet --no-autostart --import "$work/before.gpg" "$work/revocation.asc" 2>>"$work/gpg.log"
"$debian_gpg" --homedir "$work/g2" --batch --quiet --no-autostart --export >"$work/gone.gpg"

signatures
if [ -x "$static_gpg" ]; then
	diag "once more with the static gpg"
	gpg_program=$static_gpg
	signatures
else
	skip "the static gpg" "make gpg has not built it"
fi

# --- other places
wipe
sign good "$registry/t/one:v1" t/one "$one" 1
policy "$(key good.gpg)"
gpg_program=/nowhere/gpg
rejected "gpg is not there" t/one:v1 "--gpg FILE"
gpg_program=$work/good.gpg
rejected "gpg is no program" t/one:v1 "good.gpg"
gpg_program=$debian_gpg
port=$(free_port)
python3 -m http.server --bind 127.0.0.1 --directory "$sigs" "$port" >"$work/http.log" 2>&1 &
pids="$pids $!"
python3 - "$port" <<'END'
import socket, sys, time
for _ in range(500):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        break
    except OSError:
        time.sleep(0.02)
END
sed -i "s#file://.*#http://127.0.0.1:$port/#" "$work/sigstore.yaml"
rejected "plain http of a server that nobody marked" t/one:v1 "plain http"
make_tls
cat >"$work/https.py" <<'END'
import http.server, ssl, sys, functools
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[2])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3], sys.argv[4])
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(sys.argv[1], "w") as f:
    f.write(str(server.server_port))
server.serve_forever()
END
python3 "$work/https.py" "$work/https.port" "$sigs" "$tls/server.crt" "$tls/server.key" >"$work/https.log" 2>&1 &
pids="$pids $!"
wait_file "$work/https.port" || bail "no https server"
sed -i "s#http://.*#https://127.0.0.1:$(cat "$work/https.port")/#" "$work/sigstore.yaml"
accepted "a server with TLS" t/one:v1 --ca-file "$tls/ca.crt"
rejected "another CA" t/one:v1 "certificate" --ca-file "$tls/other-ca.crt"
rejected "nothing for that image there" t/two:v1 "there is no signature" --ca-file "$tls/ca.crt"
mkdir "$work/registries.d"
printf 'docker:\n%s:\n  sigstore: file:///x\n' "$registry" >"$work/sigstore.yaml"
rejected "a configuration whose scope is at the margin" t/one:v1 "only default-docker and docker stand at the margin"
run "$aa" verify --tls-verify=false --policy "$accept_policy" --sigstore-config "$work/sigstore.yaml" "docker://$registry/t/one:v1"
check "that matters to nobody who needs no GPG signature" [ "$rc" -eq 0 ]
printf 'docker:\n  %s:\n    lookaside: file://%s\n' "$registry" "$sigs" >"$work/registries.d/b.yaml"
printf 'default-docker:\n  lookaside: file:///nowhere\n' >"$work/registries.d/a.yaml"
echo 'not: [read' >"$work/registries.d/c.yml"
run "$aa" verify --tls-verify=false --policy "$work/policy.json" --sigstore-config "$work/registries.d" "docker://$registry/t/one:v1"
check "a directory of configurations" [ "$rc" -eq 0 ]

fresh_target
run "$aa" pull "$snapshot" --tls-verify=false --policy "$work/policy.json" --sigstore-config "$work/registries.d" \
	"docker://$registry/t/one:v1" "$bundle"
check "a signed image is pulled" [ "$rc" -eq 0 ]
refused "an unsigned one is not" 11 --tls-verify=false --policy "$work/policy.json" \
	--sigstore-config "$work/registries.d" "docker://$registry/t/two:v1"
check "no home of gpg is left" homes_go

# --- a root with nothing but our program, gpg, /dev/null and a tmpfs; signatures at the built-in place
minimal() {
	root=$work/root
	mkdir -p "$root/dev" "$root/tmp" "$root/out" "$root/usr/bin" "$root/var/lib/containers"
	cp -L "$aa" "$root/aa-cli"
	cp "$static_gpg" "$root/usr/bin/gpg"
	cp "$work/good.gpg" "$root/ring.gpg"
	mknod -m 666 "$root/dev/null" c 1 3
	mount -t tmpfs none "$root/tmp"
	cp -r "$sigs" "$root/var/lib/containers/sigstore"
	policy '"keyPath":"/ring.gpg"'
	cp "$work/policy.json" "$root/policy.json"
	run env -i "$(command -v chroot)" "$root" /aa-cli pull --snapshot=flat --policy /policy.json --tls-verify=false \
		"docker://$registry/t/one:v1" /out/one
	check "the minimal root: a signed image" [ "$rc" -eq 0 ]
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	run env -i "$(command -v chroot)" "$root" /aa-cli pull --snapshot=flat --policy /policy.json --tls-verify=false \
		"docker://$registry/t/two:v1" /out/two
	check "the minimal root: an unsigned one" [ "$rc" -eq 11 ]
	check "the minimal root: gpg left nothing" [ -z "$(ls -A "$root/tmp")" ]
	diag "everything once more in that root, which sees the test's own folder, too"
	mkdir -p "$root$work"
	mount --bind "$work" "$root$work"
	cat >"$work/sigstore.yaml" <<-END
	docker:
	  $registry:
	    sigstore: file://$sigs
	END
	jail="env -i $(command -v chroot) $root" aa=/aa-cli gpg_program=/usr/bin/gpg
	signatures
	umount -l "$root$work"
}
if ! is_static "$aa"; then
	skip "the minimal root" "the program is not static"
elif [ ! -x "$static_gpg" ]; then
	skip "the minimal root" "make gpg has not built gpg"
elif need_root "the minimal root: a signed image" "the minimal root: an unsigned one" \
	"the minimal root: gpg left nothing"; then
	minimal
fi

stop_agent
plan
