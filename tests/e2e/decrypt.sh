#!/bin/sh
# `aa-cli decrypt`: what was encrypted by us, by a second implementation and by skopeo comes out as it was, or not at all.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
ocicrypt keys "$work/other" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
params=offline_fs_kbc::$work/keys
pem=$vectors/image/ocicrypt/keys
mkimage build "$img:plain" --config '{"Env":["A=b"]}' files=20,size=300k kind=features \
	gzip=none,files=3,top=plain zstd=3,files=2 empty >/dev/null
ocicrypt encrypt "$img:plain" "$img:enc" "$keys" $kid >/dev/null
ocicrypt encrypt "$img:plain" "$img:mixed" "$keys" $kid --layer 1 --layer 4 >/dev/null

# decrypted NAME PLAIN options SOURCE: the same layers, types and configuration as PLAIN, and no trace of a key
decrypted() {
	decrypted_name=$1
	decrypted_plain=$2
	shift 2
	count=$((${count:-0} + 1))
	opened=$work/out$count:x
	expect_exit "$decrypted_name" 0 "$aa" decrypt "$@" "oci:$opened"
	check "$decrypted_name: prints the digest" grep -qx "$(mkimage digest "$opened")" "$work/out"
	check "$decrypted_name: as it was" python3 - "$opened" "$decrypted_plain" <<'END'
import sys
sys.path.insert(0, "tests/e2e")
from mkimage import Layout, split_ref
(a, a_tag), (b, b_tag) = map(split_ref, sys.argv[1:])
a, b = Layout(a), Layout(b)
left, right = a.manifest(a_tag), b.manifest(b_tag)
assert left["config"] == right["config"], left["config"]
assert len(left["layers"]) == len(right["layers"])
for x, y in zip(left["layers"], right["layers"]):
    assert x == y, (x, y)
    assert a.read(x["digest"]) == b.read(y["digest"])
END
}

decrypted "of a layout" "$img:plain" --aa-kbc-params "$params" "oci:$img:enc"
decrypted "by --decryption-key provider:" "$img:plain" --decryption-key "provider:attestation-agent:$params" "oci:$img:enc"
decrypted "only some layers were encrypted" "$img:plain" --aa-kbc-params "$params" "oci:$img:mixed"
pulled "and it is pulled" --device-nodes skip "oci:$opened"
check "not encrypted any more, for inspect" [ "$("$aa" inspect --json "oci:$opened" | jq .encryptedLayers)" = 0 ]
before=$(mkimage digest "$img:plain")
expect_exit "into a layout that is there" 0 "$aa" decrypt --aa-kbc-params "$params" "oci:$img:enc" "oci:$img:dec"
check "its other images are there still" [ "$(mkimage digest "$img:plain")" = "$before" ]
check "the new one, too" [ "$(mkimage layers "$img:dec")" = "$(mkimage layers "$img:plain")" ]

skopeo --insecure-policy copy -q "oci:$img:enc" "oci-archive:$work/enc.tar:x"
decrypted "of an oci-archive" "$img:plain" --aa-kbc-params "$params" "oci-archive:$work/enc.tar"
registry_start plain
mkimage push "$img:enc" "http://$registry/a/b:enc" >/dev/null
decrypted "of a registry" "$img:plain" --tls-verify=false --aa-kbc-params "$params" "docker://$registry/a/b:enc"
expect_exit "of a registry into a registry" 0 "$aa" decrypt --tls-verify=false --aa-kbc-params "$params" \
	"docker://$registry/a/b:enc" "docker://$registry/a/b:dec"
check "skopeo finds the same layers there" [ "$(skopeo inspect --tls-verify=false "docker://$registry/a/b:dec" |
	jq -r '.Layers[]')" = "$(mkimage layers "$img:plain" | cut -d' ' -f1)" ]
expect_exit "into an oci-archive" 0 "$aa" decrypt --aa-kbc-params "$params" "oci:$img:enc" "oci-archive:$work/dec.tar:x"
pulled "which is pulled" --device-nodes skip "oci-archive:$work/dec.tar"

# by skopeo, and for skopeo's keys by us
mkimage build "$img:gzip" files=20,size=300k kind=features >/dev/null
for kind in rsa:rsa.pem ec:ec.pkcs8.pem; do
	name=${kind%%:*}
	private=$pem/${kind#*:}
	skopeo --insecure-policy copy -q --encryption-key "jwe:$pem/$name.pub.pem" "oci:$img:gzip" "oci:$work/skopeo-$name:x"
	decrypted "encrypted by skopeo, $name" "$img:gzip" --decryption-key "$private" "oci:$work/skopeo-$name:x"
	expect_exit "encrypted by us, $name" 0 "$aa" encrypt --recipient "jwe:$pem/$name.pub.pem" \
		"oci:$img:gzip" "oci:$work/own-$name:x"
	decrypted "decrypted by us, $name" "$img:gzip" --decryption-key "$private" "oci:$work/own-$name:x"
done

# refusals: nothing is left, not even of the layers that were good
no() {	# NAME CODES options
	no_name=$1
	no_codes=$2
	shift 2
	expect_exit "$no_name" "$no_codes" "$aa" decrypt "$@" "oci:$work/no:x"
	check "$no_name: nothing is left" [ ! -e "$work/no" ]
	check "$no_name: it is told" grep -q '^aa-cli: decrypt: .* ([A-Z_]*)$' "$work/err"
}
no "no key is given" 2 "oci:$img:enc"
no "another key" 13 --aa-kbc-params "offline_fs_kbc::$work/other" "oci:$img:enc"
no "no such key" 13 --aa-kbc-params offline_fs_kbc::/nowhere "oci:$img:enc"
no "another private key" 13 --decryption-key "$pem/other.pem" "oci:$work/skopeo-rsa:x"
no "a plain image" 22 --aa-kbc-params "$params" "oci:$img:plain"
check "a plain image: the reason is told" grep -q 'no layer of this image is encrypted' "$work/err"
no "no such image" 22 --aa-kbc-params "$params" "oci:$img:nothing"
ocicrypt encrypt --hmac-of-plain "$img:plain" "$img:badmac" "$keys" $kid >/dev/null
no "a wrong MAC" 14 --aa-kbc-params "$params" "oci:$img:badmac"
cp -R "$img" "$work/damaged"
last=$(mkimage layers "$work/damaged:enc" | tail -n 1 | cut -d' ' -f1)
printf x >>"$work/damaged/blobs/sha256/${last#sha256:}"
no "a damaged layer, the last" 14 --aa-kbc-params "$params" "oci:$work/damaged:enc"
expect_exit "DST is a file" 15 "$aa" decrypt --aa-kbc-params "$params" "oci:$img:enc" "oci:$keys:x"
check "no staging is left" [ -z "$(find "$work" -name .cacao-staging -exec find {} -mindepth 1 \;)" ]

plan
