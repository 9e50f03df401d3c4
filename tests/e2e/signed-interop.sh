#!/bin/sh
# Signatures that cosign itself has made (tests/interop/cosign-record.sh): recorded on some machine, put into a registry here, and verified.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kept=$vectors/interop/cosign
diag "note: replayed what was $(tail -n 1 "$kept/versions") with $(head -n 1 "$kept/versions")"
mkimage build "$work/img:one" --config '{"Cmd":["/bin/true"]}' gzip=none,files=2,size=1k >/dev/null
digest=$(cat "$kept/digest")
check "the image is the one that was signed" [ "$(mkimage digest "$work/img:one")" = "$digest" ]
registry_start interop

verify() {	# CASE KEY
	cat >"$work/policy.json" <<-END
	{"default":[{"type":"sigstoreSigned","keyPath":"$2","signedIdentity":
	{"type":"exactRepository","dockerRepository":"$(cat "$kept/$1/repository")"}}]}
	END
	run "$aa" verify --tls-verify=false --policy "$work/policy.json" "docker://$registry/t/$1:v1"
}
# Where everybody may read it.
mkdir -m 755 "$work/keys"
for name in ecdsa rsa bundle; do
	cp "$kept/$name/cosign.pub" "$work/keys/$name.pub"
	chmod 644 "$work/keys/$name.pub"
	mkimage push "$work/img:one" "http://$registry/t/$name:v1" >/dev/null
	verify $name "$work/keys/$name.pub"
	check "$name: before its signature is there" [ "$rc" -eq 11 ]
	python3 "$e2e/signer.py" raw "http://$registry/t/$name" "$kept/$name" || bail "signer.py"
done
for name in ecdsa rsa; do
	verify $name "$work/keys/$name.pub"
	check "$name: accepted" [ "$rc" -eq 0 ]
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	verify $name "$work/keys/bundle.pub"
	check "$name: with another key refused" [ "$rc" -eq 11 ]
done
verify bundle "$work/keys/bundle.pub"
check "a bundle is refused" [ "$rc" -eq 11 ]
check "and named" grep -q "sigstore bundle" "$work/err"

plan
