#!/bin/sh
# Pulls of encrypted images: made by the program itself, by a second implementation, by skopeo.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid default/key/two
keys=$work/keys/aa-offline_fs_kbc-keys.json
params=offline_fs_kbc::$work/keys
mkimage build "$img:plain" files=20,size=200k kind=features kind=over gzip=none,files=3,top=plain \
	members=10k,size=64k,text,top=members empty >/dev/null
mkimage build "$img:docker" --docker files=3,size=30k kind=features >/dev/null

registry_start plain
ref=docker://$registry/test/secret
mkimage push "$img:plain" "http://$registry/test/secret:plain" >/dev/null

pulled "the plain image" "$ref:plain"
rm -rf "$work/plain"
mv "$bundle" "$work/plain"

decrypted() {	# NAME IMAGE [options]: pulled, and the same as the plain one
	decrypted_name=$1
	decrypted_image=$2
	shift 2
	pulled "$decrypted_name" --aa-kbc-params "$params" "$@" "$decrypted_image"
	check "$decrypted_name: the same tree" same_trees "$work/plain/rootfs" "$bundle/rootfs"
}

# by the program
own=$work/own:enc
check "encrypt" "$aa" encrypt "oci:$img:plain" "oci:$own" \
	--recipient "provider:attestation-agent:kbs:///$kid" --aa-kbc-params "$params"
skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$own" "$ref:own" 2>"$work/err"
decrypted "encrypted by ourselves" "$ref:own"
decrypted "encrypted by ourselves, in an OCI layout" "oci:$own"
pulled "the key by --decryption-key" --decryption-key "provider:attestation-agent:$params" "$ref:own"
check "the key by --decryption-key: the same tree" same_trees "$work/plain/rootfs" "$bundle/rootfs"

# by the second implementation
ocicrypt encrypt "$img:plain" "$img:second" "$keys" default/key/two >/dev/null
mkimage push "$img:second" "http://$registry/test/secret:second" >/dev/null
decrypted "encrypted by another implementation" "$ref:second"
digest=$(mkimage digest "$img:second")
decrypted "encrypted, pinned by its digest" "$ref@$digest"
cp "$work/err" "$work/pinned.err"
decrypted "encrypted, by its tag" "$ref:second"
check "a warning where neither signature nor digest says who made it" \
	grep -q 'encrypted image.* signature' "$work/err"
check "no such warning when the digest is pinned" \
	sh -c "! grep -q 'encrypted image.* signature' '$work/pinned.err'"

# there is no docker form of encrypted layers
ocicrypt encrypt "$img:docker" "$img:docker-enc" "$keys" $kid >/dev/null
refused "encrypted layers of docker types" "1|22" --policy "$accept_policy" --aa-kbc-params "$params" \
	"oci:$img:docker-enc"

# by skopeo; it knows no key providers, so the layers' keys are wrapped anew for us
rsa=$vectors/image/ocicrypt/keys
skopeo --insecure-policy copy -q --encryption-key "jwe:$rsa/rsa.pub.pem" "oci:$img:plain" \
	"oci:$work/jwe:x" 2>"$work/skopeo.err" || diag_file "$work/skopeo.err"
refused "keys wrapped for a private key that was not given" 10 --policy "$accept_policy" \
	--aa-kbc-params "$params" "oci:$work/jwe:x"
check "the message names the scheme" grep -qi jwe "$work/err"
ocicrypt from-jwe "$work/jwe:x" "$img:skopeo" "$keys" $kid "$rsa/rsa.pem"
mkimage push "$img:skopeo" "http://$registry/test/secret:skopeo" >/dev/null
decrypted "encrypted by skopeo" "$ref:skopeo"

# some layers only
ocicrypt encrypt "$img:plain" "$img:mixed" "$keys" $kid --layer 0 --layer 2 >/dev/null
refused "plain and encrypted layers in one image" "11|22" --policy "$accept_policy" \
	--aa-kbc-params "$params" "oci:$img:mixed"
check "the message names the switch" grep -q allow-mixed-layers "$work/err"
decrypted "plain and encrypted layers, allowed" "oci:$img:mixed" --allow-mixed-layers

# a large one
mkimage build "$img:large" files=5000,size=104m files=40,size=4m,seed=2,text >/dev/null
ocicrypt encrypt "$img:large" "$img:large-enc" "$keys" $kid >/dev/null
mkimage push "$img:large-enc" "http://$registry/test/secret:large" >/dev/null
start=$(now)
pulled "a layer of 104 MB with 5000 files" --aa-kbc-params "$params" "$ref:large"
diag "took $(($(now) - start)) ms"
check "all 5000 files" [ "$(find "$bundle/rootfs/data" -type f | wc -l)" -ge 5000 ]
umoci raw unpack --rootless --image "$img:large" "$work/large" >/dev/null 2>&1
check "the large one is what umoci unpacks from the plain one" \
	same_trees "$work/large" "$bundle/rootfs" --no-owner --no-xattr user.rootlesscontainers

# nothing of the keys in what is written
key=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$keys" $kid)
fresh_target
pull_http --aa-kbc-params "$params" "$ref:own"
check "no key in the output" sh -c "! grep -F -- '$key' '$work/out' '$work/err' '$bundle/config.json'"

plan
