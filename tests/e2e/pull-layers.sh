#!/bin/sh
# Layers of every kind: each compression, each media type, plain and encrypted, by several writers; and
# what is none of them.
# time-limit: 300
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

oci=application/vnd.oci.image.layer
docker=application/vnd.docker.image.rootfs
kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
params=offline_fs_kbc::$work/keys

# --- one content, packed in every way ------------------------------------------

mkimage build "$img:base" kind=features kind=over files=30,size=300k,text,top=more gzip=none,empty >/dev/null
pulled "the image that the others are compared with" "oci:$img:base"
rm -rf "$work/base"
mv "$bundle" "$work/base"

# alike NAME IMAGE [options]
alike() {
	alike_name=$1
	alike_image=$2
	shift 2
	pulled "$alike_name" "$@" "$alike_image"
	check "$alike_name: the same tree" same_trees "$work/base/rootfs" "$bundle/rootfs"
}

# packed TAG SPEC [options of build]: the same four layers, packed so
packed() {
	packed_tag=$1
	packed_spec=$2
	shift 2
	mkimage build "$@" "$img:$packed_tag" "kind=features,$packed_spec" "kind=over,$packed_spec" \
		"files=30,size=300k,text,top=more,$packed_spec" "empty,$packed_spec" >/dev/null
}

packed none gzip=none
packed gzip gzip=9
packed gzip-members gzip=1,members=1k
packed zstd zstd=3
packed zstd-best zstd=19
packed zstd-frames zstd=1,members=4k,skippable
packed docker-none gzip=none --docker
packed docker-gzip gzip=1 --docker
packed docker-zstd zstd=3 --docker
packed foreign gzip=none,type=$oci.nondistributable.v1.tar,urls=http://127.0.0.1:9/layer
packed foreign-gzip gzip=1,type=$oci.nondistributable.v1.tar+gzip,urls=http://127.0.0.1:9/layer
packed foreign-zstd zstd=1,type=$oci.nondistributable.v1.tar+zstd,urls=http://127.0.0.1:9/layer
packed docker-foreign gzip=none,type=$docker.foreign.diff.tar --docker
packed docker-foreign-gzip gzip=1,type=$docker.foreign.diff.tar.gzip --docker
for tag in none gzip gzip-members zstd zstd-best zstd-frames docker-none docker-gzip docker-zstd \
	foreign foreign-gzip foreign-zstd docker-foreign docker-foreign-gzip; do
	alike "$tag" "oci:$img:$tag"
	check "$tag: nothing to tell" sh -c "! grep -q compressed '$work/err'"
done

# the media type says one thing, the first bytes another
mislabelled() {	# TAG SPEC
	packed "$1" "$2"
	alike "mislabelled: $1" "oci:$img:$1"
	check "mislabelled: $1: it is told" grep -q 'compressed otherwise than its media type says' "$work/err"
}
mislabelled gzip-as-tar gzip=1,type=$oci.v1.tar
mislabelled gzip-as-zstd gzip=1,type=$oci.v1.tar+zstd
mislabelled zstd-as-gzip zstd=1,type=$docker.diff.tar.gzip
mislabelled zstd-as-tar zstd=1,skippable,type=$oci.v1.tar
mislabelled tar-as-gzip gzip=none,type=$oci.v1.tar+gzip
mislabelled tar-as-zstd gzip=none,type=$oci.v1.tar+zstd

# --- encrypted ------------------------------------------------------------------

for tag in none gzip zstd zstd-frames foreign foreign-gzip foreign-zstd; do
	ocicrypt encrypt "$img:$tag" "$img:$tag-enc" "$keys" $kid >/dev/null
	alike "$tag, encrypted" "oci:$img:$tag-enc" --aa-kbc-params "$params"
done
ocicrypt encrypt "$img:zstd-as-gzip" "$img:x" "$keys" $kid >/dev/null
refused "docker types have no encrypted form" "1|22" --policy "$accept_policy" --aa-kbc-params "$params" "oci:$img:x"
ocicrypt encrypt "$img:gzip-as-zstd" "$img:gzip-as-zstd-enc" "$keys" $kid >/dev/null
alike "mislabelled below encryption" "oci:$img:gzip-as-zstd-enc" --aa-kbc-params "$params"
check "mislabelled below encryption: it is told" grep -q 'compressed otherwise' "$work/err"

# encrypt does not care what it encrypts
for tag in none zstd foreign-zstd; do
	check "encrypt: $tag" "$aa" encrypt "oci:$img:$tag" "oci:$work/own:$tag" \
		--recipient "provider:attestation-agent:kbs:///$kid" --aa-kbc-params "$params"
	check "encrypt: $tag: as the other implementation reads it" \
		ocicrypt check "$work/own:$tag" "$img:$tag" "$keys" $kid
	alike "encrypt: $tag: pulled" "oci:$work/own:$tag" --aa-kbc-params "$params"
done

# plain layers among encrypted ones
for n in 0 3; do
	ocicrypt encrypt --layer $n "$img:zstd" "$img:mixed" "$keys" $kid >/dev/null
	refused "layer $n alone is encrypted" 11 --policy "$accept_policy" --aa-kbc-params "$params" "oci:$img:mixed"
	check "layer $n alone is encrypted: the way out is named" grep -q -- --allow-mixed-layers "$work/err"
	alike "layer $n alone is encrypted, allowed" "oci:$img:mixed" --aa-kbc-params "$params" --allow-mixed-layers
done
ocicrypt encrypt --layer 1 --layer 2 "$img:docker-zstd" "$img:mixed" "$keys" $kid >/dev/null
refused "mixed, docker types" "1|11|22" --policy "$accept_policy" --aa-kbc-params "$params" "oci:$img:mixed"

# --- by other writers, through a registry ------------------------------------------

registry_start plain
ref=docker://$registry/test/layers
by_skopeo() {	# TAG TYPE OPTIONS: as a layout, then in the registry; all layers but the plain one of TYPE
	skopeo_tag=$1
	skopeo_type=$2
	window=${skopeo_tag#*-window-}
	shift 2
	skopeo --insecure-policy copy -q "$@" "oci:$img:base" "oci:$work/skopeo:$skopeo_tag" 2>"$work/err" ||
		diag_file "$work/err"
	mkimage push "$work/skopeo:$skopeo_tag" "http://$registry/test/layers:$skopeo_tag" >/dev/null
	alike "skopeo: $skopeo_tag" "$ref:$skopeo_tag" --zstd-window-log="$window"
	skopeo inspect --raw --tls-verify=false "$ref:$skopeo_tag" >"$work/manifest"
	check "skopeo: $skopeo_tag: its type" grep -q "\"$skopeo_type\"" "$work/manifest"
}
by_skopeo same-window-10 $oci.v1.tar+gzip
by_skopeo zstd-window-23 $oci.v1.tar+zstd --dest-compress-format zstd
# Its best level asks for 32 MiB, even for an empty layer.
by_skopeo zstd-best-window-25 $oci.v1.tar+zstd --dest-compress-format zstd --dest-compress-level 20
refused "skopeo: zstd-best: not by default" 1 --policy "$accept_policy" --tls-verify=false "$ref:zstd-best-window-25"
check "skopeo: zstd-best: the way out is named" grep -q -- --zstd-window-log "$work/err"
skopeo --insecure-policy copy -q --dest-tls-verify=false --format v2s2 "oci:$img:base" "$ref:docker" 2>"$work/err"
alike "skopeo: docker types" "$ref:docker"
openssl genrsa -out "$work/rsa.pem" 2048 2>"$work/openssl.err"
openssl rsa -in "$work/rsa.pem" -pubout -out "$work/rsa.pub" 2>>"$work/openssl.err"
ocicrypt_by_skopeo() {	# NAME OPTIONS: encrypted by skopeo for an RSA key, its layer keys wrapped anew for us
	skopeo_name=$1
	shift
	rm -rf "$work/jwe"
	skopeo --insecure-policy copy -q "$@" --encryption-key "jwe:$work/rsa.pub" "oci:$img:base" "oci:$work/jwe:x" \
		2>"$work/err"
	ocicrypt from-jwe "$work/jwe:x" "$work/rewrapped:x" "$keys" $kid "$work/rsa.pem" >/dev/null
	alike "skopeo, encrypted: $skopeo_name" "oci:$work/rewrapped:x" --aa-kbc-params "$params"
}
ocicrypt_by_skopeo gzip
ocicrypt_by_skopeo zstd --dest-compress-format zstd
skopeo --insecure-policy copy -q --dest-decompress "oci:$img:base" "dir:$work/decompressed" 2>"$work/err"
skopeo --insecure-policy copy -q --dest-tls-verify=false "dir:$work/decompressed" "$ref:decompressed" 2>"$work/err"
alike "skopeo: decompressed" "$ref:decompressed"
skopeo --insecure-policy copy -q --dest-decompress "oci:$img:base" "oci:$work/plain-layout:x" 2>"$work/err"
alike "skopeo: a layout, decompressed" "oci:$work/plain-layout:x"

# the tree by another unpacker
if need_root "umoci reads the same tree"; then
	umoci raw unpack --image "$img:gzip" "$work/by-umoci" >"$work/umoci.log" 2>&1
	check "umoci reads the same tree" same_trees "$work/by-umoci" "$work/base/rootfs"
fi
umoci_image=$work/umoci
skopeo --insecure-policy copy -q "oci:$img:base" "oci:$umoci_image:x" 2>"$work/err"
rootless=$(is_root || echo --rootless)
umoci unpack $rootless --image "$umoci_image:x" "$work/edited" >"$work/umoci.log" 2>&1
echo added >"$work/edited/rootfs/added"
rm "$work/edited/rootfs/etc/passwd"
umoci repack --image "$umoci_image:x" "$work/edited" >"$work/umoci.log" 2>&1
chmod -R a+rX "$umoci_image" # it gives nobody else its files; the role that reads them is somebody else
pulled "umoci: a layer repacked" "oci:$umoci_image:x"
check "umoci: what was added" grep -qx added "$bundle/rootfs/added"
check "umoci: what was removed" [ ! -e "$bundle/rootfs/etc/passwd" ]
# Its "insert" writes archives without the padding of the last file and without an end: no archive for
# GNU tar, and none here.
umoci insert $rootless --image "$umoci_image:x" "$accept_policy" /inserted >"$work/umoci.log" 2>&1
chmod -R a+rX "$umoci_image"
refused "umoci: a layer inserted, its archive cut" 15 --policy "$accept_policy" "oci:$umoci_image:x"

# --- a nondistributable layer that the registry has not got ------------------------

mkimage push "$img:docker-foreign" "http://$registry/test/layers:foreign" >/dev/null
alike "nondistributable, from a registry" "$ref:foreign"
for tag in foreign docker-foreign-gzip; do
	rm -rf "$work/without"
	cp -r "$img" "$work/without"
	rm "$work/without/blobs/sha256/$(mkimage layers "$img:$tag" | sed -n '2s/sha256:\([^ ]*\).*/\1/p')"
	refused "$tag, and one layer is elsewhere" 22 --policy "$accept_policy" "oci:$work/without:$tag"
	check "$tag: why its urls do not help" grep -q 'urls are not followed' "$work/err"
done

# --- images of odd layers -------------------------------------------------------------

mkimage build "$img:no-layers" >/dev/null
pulled "no layers" "oci:$img:no-layers"
check "no layers: an empty root" is_empty "$bundle/rootfs"
mkimage build "$img:nothing" tar=/dev/null,gzip=none tar=/dev/null,gzip=1 tar=/dev/null,zstd=3 >/dev/null
pulled "layers of no byte" "oci:$img:nothing"
check "layers of no byte: an empty root" is_empty "$bundle/rootfs"
check "layers of no byte: one is of size 0" sh -c "python3 '$e2e/mkimage.py' layers '$img:nothing' | grep -q ' 0$'"
mkimage build "$img:twice" files=3,seed=1,zstd=3 put="$accept_policy:data/000001:600" files=3,seed=1,zstd=3 >/dev/null
check "the same layer twice: one blob" \
	[ "$(mkimage layers "$img:twice" | sort -u | wc -l)" -eq 2 ]
pulled "the same layer twice, with another between" "oci:$img:twice"
mkimage build "$img:once" files=3,seed=1 >/dev/null
mv "$bundle" "$work/twice"
pulled "the same layer once" "oci:$img:once"
check "the second time it covers the one between" same_trees "$work/twice/rootfs" "$bundle/rootfs"
set --
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
	set -- "$@" "files=1,seed=$n,top=top$n,zstd=1"
done
mkimage build "$img:many" "$@" >/dev/null
pulled "sixteen zstd layers" "oci:$img:many"
check "sixteen zstd layers: all there" [ "$(find "$bundle/rootfs" -type f | wc -l)" -eq 16 ]

# --- refusals -----------------------------------------------------------------------

layer_refused() {	# NAME CODES WORD SPEC…: the message holds WORD
	layer_name=$1
	layer_codes=$2
	layer_word=$3
	shift 3
	mkimage build "$img:bad" "$@" >/dev/null
	refused "$layer_name" "$layer_codes" --policy "$accept_policy" "oci:$img:bad"
	check "$layer_name: said" grep -q -- "$layer_word" "$work/err"
}
layer_refused "an unknown media type" "1|22" 'v1.tar+bzip2' files=1,type=$oci.v1.tar+bzip2
layer_refused "an unknown docker type" "1|22" 'diff.tar.xz' files=1,type=$docker.diff.tar.xz
layer_refused "a nydus layer" "1|22" 'nydus' files=1 files=1,type=$oci.nydus.blob.v1
layer_refused "a wasm layer" "1|22" 'wasm' files=1,type=application/vnd.wasm.content.layer.v1+wasm
layer_refused "a diff_id too few" 22 'diff_ids' --lose-diff-id 1 files=1 files=1,seed=2
layer_refused "a wrong diff_id, zstd" 14 'diff_id' --wrong-diff-id 0 files=1,zstd=3

mkdir "$work/odd"
echo content >"$work/odd/file"
tar -C "$work/odd" -cf "$work/odd.tar" file
gzip -k "$work/odd.tar"
zstd -q "$work/odd.tar"
(cd "$work/odd" && echo file | cpio -o -H newc --quiet >"$work/odd.cpio")
python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[2], "w").write(sys.argv[1], "file")' "$work/odd/file" "$work/odd.zip"
printf '7z\274\257\047\034\0\004........................' >"$work/odd.7z"
bzip2 -k "$work/odd.tar"
xz -k "$work/odd.tar"
bsdtar -C "$work/odd" -cf "$work/odd.mtree" --format mtree file
for kind in cpio zip 7z tar.bz2 tar.xz mtree; do
	layer_refused "$kind" 15 'LAYER' "tar=$work/odd.$kind,gzip=none"
	layer_refused "$kind, gzipped" 15 'LAYER' "tar=$work/odd.$kind,gzip=1"
	layer_refused "$kind, in zstd" 15 'LAYER' "tar=$work/odd.$kind,zstd=1"
done
layer_refused "gzip in gzip" 15 'LAYER' "tar=$work/odd.tar.gz,gzip=1"
layer_refused "zstd in zstd" 15 'LAYER' "tar=$work/odd.tar.zst,zstd=1"
layer_refused "zstd in gzip" 15 'LAYER' "tar=$work/odd.tar.zst,gzip=1"

# the window
layer_refused "a window of 128 MiB" 1 '--zstd-window-log' files=1,size=64k,zstd=1,window=27
alike_window() {	# NAME WANTED OPTIONS
	window_name=$1
	shift
	fresh_target
	pull "$@" "oci:$img:bad"
	check "$window_name" [ "$rc" -eq 0 ]
}
alike_window "a window of 128 MiB, allowed" --zstd-window-log 27
fresh_target
pull --zstd-window-log 26 "oci:$img:bad"
check "a window of 128 MiB, 64 allowed" [ "$rc" -eq 1 ]
mkimage build "$img:bad" files=1,size=64k,zstd=1,window=23 >/dev/null
alike_window "a window of 8 MiB"
layer_refused "a window of 2 GiB" 1 'LIMIT' files=1,size=64k,zstd=1,window=31
fresh_target
pull --zstd-window-log=27 "oci:$img:bad"
check "a window of 2 GiB is never given" [ "$rc" -eq 1 ]
for file in "$work/odd.tar.zst" "$work/odd.tar.gz" "$work/odd.tar"; do
	rm -rf "$work/unpacked"
	expect_exit "unpack: ${file##*/}" 0 "$aa" unpack --rootfs "$work/unpacked" "$file"
	check "unpack: its file" cmp -s "$work/odd/file" "$work/unpacked/file"
done
dd if="$work/odd.tar.zst" of="$work/cut.zst" bs=1 count=$(($(wc -c <"$work/odd.tar.zst") - 4)) 2>/dev/null
expect_exit "unpack: zstd without its checksum" 15 "$aa" unpack --rootfs "$work/cut" "$work/cut.zst"
{ cat "$work/odd.tar.zst"; echo more; } >"$work/more.zst"
expect_exit "unpack: zstd with something behind" 15 "$aa" unpack --rootfs "$work/more" "$work/more.zst"

# --- the vectors of other tools -----------------------------------------------------

vector=$vectors/image/ocicrypt/images
cp -r "$vector/plain" "$work/vector"
chmod -R u+w "$work/vector"
echo 'Directory Transport Version: 1.1' >"$work/vector/version"
skopeo --insecure-policy copy -q "dir:$work/vector" "oci:$work/vectors:plain" 2>"$work/err"
pulled "vector: plain" "oci:$work/vectors:plain"

plan
