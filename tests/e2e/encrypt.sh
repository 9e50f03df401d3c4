#!/bin/sh
# What `aa-cli encrypt` writes, checked by a second implementation and by skopeo.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
params=offline_fs_kbc::$work/keys
recipient=provider:attestation-agent:kbs:///$kid
mkimage build "$img:plain" --config '{"Env":["A=b"]}' files=20,size=300k kind=features \
	gzip=none,files=3,top=plain members=10k,size=64k,text,top=members empty size=1 >/dev/null
mkimage build "$img:docker" --docker files=3,size=30k gzip=none,kind=features >/dev/null

check "the second implementation knows the known answers" \
	python3 "$e2e/ocicrypt.py" kat "$vectors/image/ocicrypt/kat"

# the second implementation refuses what is wrong
ocicrypt encrypt --hmac-of-plain "$img:plain" "$img:bad" "$keys" $kid >/dev/null
check "the second implementation sees a wrong HMAC" \
	sh -c "! python3 '$e2e/ocicrypt.py' check '$img:bad' '$img:plain' '$keys' $kid"

encrypts() {	# NAME SRC DST [options]
	encrypts_name=$1
	encrypts_from=$2
	encrypts_to=$3
	shift 3
	expect_exit "$encrypts_name" 0 "$aa" encrypt "oci:$encrypts_from" "oci:$encrypts_to" \
		--recipient "$recipient" --aa-kbc-params "$params" "$@"
	cp "$work/out" "$work/encrypt.out"
	check "$encrypts_name: packets, HMAC and cipher are right" \
		ocicrypt check "$encrypts_to" "$encrypts_from" "$keys" $kid
}

encrypts "docker schema 2" "$img:docker" "$work/fromdocker:x"
own=$work/new:own
encrypts "into a new layout" "$img:plain" "$own"
check "prints the digest of what it made" grep -qx "$(mkimage digest "$own")" "$work/encrypt.out"
encrypts "again" "$img:plain" "$work/again:own"
check "each time with fresh keys" [ "$(mkimage digest "$own")" != "$(mkimage digest "$work/again:own")" ]
before=$(mkimage digest "$img:plain")
encrypts "into a layout that is there" "$img:plain" "$img:own"
check "the image that was there is there still" [ "$(mkimage digest "$img:plain")" = "$before" ]
encrypts "under a tag that is there" "$img:plain" "$img:own"
check "nothing else is left in the layout" [ "$(cd "$img" && echo .[!.]* *)" = '.[!.]* blobs index.json oci-layout' ]
expect_exit "the same as --name=value" 0 "$aa" encrypt --recipient="$recipient" --aa-kbc-params="$params" \
	"oci:$img:plain" "oci:$work/equals:own"
check "no plain layer in the new layout" python3 - "$img" "$work/new" <<'END'
import json, os, sys
new = os.listdir(sys.argv[2] + "/blobs/sha256")
index = json.load(open(sys.argv[1] + "/index.json"))["manifests"]
first = next(m for m in index if m["annotations"]["org.opencontainers.image.ref.name"] == "plain")
doc = json.load(open(sys.argv[1] + "/blobs/sha256/" + first["digest"][7:]))
for layer in doc["layers"]:
    assert layer["digest"][7:] not in new, layer
END

# skopeo decrypts the layers; it knows no key providers, so their keys are wrapped anew for it
rsa=$vectors/image/ocicrypt/keys
ocicrypt to-jwe "$own" "$work/jwe:x" "$keys" $kid "$rsa/rsa.pub.pem"
expect_exit "skopeo decrypts it" 0 skopeo --insecure-policy copy -q --decryption-key "$rsa/rsa.pem" \
	"oci:$work/jwe:x" "oci:$work/opened:x"
check "skopeo finds the same layers" \
	[ "$(mkimage layers "$work/opened:x")" = "$(mkimage layers "$img:plain")" ]

# refusals
expect_exit "unknown key id" 13 "$aa" encrypt "oci:$img:plain" "oci:$work/r1:x" \
	--recipient provider:attestation-agent:kbs:///default/key/none --aa-kbc-params "$params"
check "unknown key id: no image under the name" \
	sh -c "! python3 '$e2e/mkimage.py' digest '$work/r1:x'"
mkdir "$work/folder"
echo mine >"$work/folder/file"
expect_exit "a folder that is no layout and not empty" 15 "$aa" encrypt "oci:$img:plain" "oci:$work/folder:x" \
	--recipient "$recipient" --aa-kbc-params "$params"
check "its file is untouched" [ "$(cat "$work/folder/"*)" = mine ]
expect_exit "no such image" "1|22" "$aa" encrypt "oci:$work/nowhere:x" "oci:$work/r2:x" \
	--recipient "$recipient" --aa-kbc-params "$params"
expect_exit "no recipient" 2 "$aa" encrypt "oci:$img:plain" "oci:$work/r3:x" --aa-kbc-params "$params"
expect_exit "another provider" "1|2|10" "$aa" encrypt "oci:$img:plain" "oci:$work/r4:x" \
	--recipient "provider:somebody:kbs:///$kid" --aa-kbc-params "$params"
expect_exit "an image that is encrypted already" "1|2|10|22" "$aa" encrypt "oci:$own" "oci:$work/r5:x" \
	--recipient "$recipient" --aa-kbc-params "$params"
cp -R "$img" "$work/damaged"
layer=$(mkimage layers "$work/damaged:plain" | head -n 1 | cut -d' ' -f1)
printf x >>"$work/damaged/blobs/sha256/${layer#sha256:}"
expect_exit "a damaged layer" 14 "$aa" encrypt "oci:$work/damaged:plain" "oci:$work/r6:x" \
	--recipient "$recipient" --aa-kbc-params "$params"

plan
