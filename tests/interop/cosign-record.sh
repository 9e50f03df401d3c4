#!/bin/sh
# cosign-record.sh COSIGN DIR: lets cosign sign an image on a registry of this machine, in its layout of today and as a bundle, has
# us verify it, and keeps what cosign has written in DIR, if all went well.
set -eu
cosign=$1
kept=$2
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/../e2e/lib.sh"

new=$work/new
mkdir "$new" "$work/home"
registry_start cosign
# The same bytes everywhere: nothing in it is compressed.
mkimage build "$work/img:one" --config '{"Cmd":["/bin/true"]}' gzip=none,files=2,size=1k >/dev/null
digest=$(mkimage digest "$work/img:one")
HOME=$work/home
COSIGN_PASSWORD=
export HOME COSIGN_PASSWORD

# fetch URL FILE
fetch() {
	curl -sSf -H 'Accept: application/vnd.oci.image.manifest.v1+json' -H 'Accept: application/vnd.oci.image.index.v1+json' \
		"http://$registry/v2/$1" -o "$2"
}
# keep CASE TAG: a manifest or index and all it names
keep() {
	fetch "t/$1/manifests/$2" "$new/$1/$2"
	for keep_blob in $(jq -r '.config.digest // empty, .layers[]?.digest' "$new/$1/$2"); do
		fetch "t/$1/blobs/$keep_blob" "$new/$1/${keep_blob#sha256:}"
	done
}
for name in ecdsa rsa bundle; do
	mkimage push "$work/img:one" "http://$registry/t/$name:v1" >/dev/null
	mkdir "$new/$name"
	if [ $name = rsa ]; then
		openssl genrsa -traditional -out "$work/rsa.pem" 2048 2>/dev/null
		expect_exit "cosign takes an RSA key" 0 "$cosign" import-key-pair --key "$work/rsa.pem" --output-key-prefix "$work/$name"
	else
		expect_exit "cosign makes a key" 0 "$cosign" generate-key-pair --output-key-prefix "$work/$name"
	fi
	cp "$work/$name.pub" "$new/$name/cosign.pub"
	echo "$registry/t/$name" >"$new/$name/repository"
	form=false
	[ $name != bundle ] || form=true
	expect_exit "$name: cosign signs" 0 "$cosign" sign --key "$work/$name.key" --tlog-upload=false --new-bundle-format=$form \
		--allow-insecure-registry -y "$registry/t/$name@$digest"
	if [ $name = bundle ]; then
		keep $name "sha256-${digest#sha256:}"
		for one in $(jq -r '.manifests[].digest' "$new/$name/sha256-${digest#sha256:}"); do
			keep $name "$one"
		done
	else
		keep $name "sha256-${digest#sha256:}.sig"
	fi
done
echo "$digest" >"$new/digest"
"$cosign" version 2>&1 | sed -n 's/^GitVersion: */cosign /p' >"$new/versions"
echo "recorded $(date -u +%Y-%m-%d)" >>"$new/versions"
if [ "$test_failed" -eq 0 ]; then
	rm -rf "$kept"
	cp -r "$new" "$kept"
	diag "kept in $kept"
fi
plan
