#!/bin/sh
# The same images through the ordinary tools: skopeo copy and umoci unpack give the same trees.
# As root everything counts: content, type, owner, mode, time, xattrs, links, devices.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

img=$work/img
registry_start plain
ref=docker://$registry/test/image

# a tree as distributions make them: programs, libraries, links, documents
mkdir -p "$work/tree/usr"
for part in bin/awk bin/perl sbin/nologin share/zoneinfo/Europe share/common-licenses lib/os-release \
	share/terminfo share/bash-completion/completions; do
	[ ! -e "/usr/$part" ] || {
		mkdir -p "$work/tree/usr/${part%/*}"
		cp -a "/usr/$part" "$work/tree/usr/$part"
	}
done
ln -s usr/bin "$work/tree/bin"
ln "$work/tree/usr/lib/os-release" "$work/tree/usr/hard-link" 2>/dev/null || :

build() {	# TAG [options] LAYER…
	build_tag=$1
	shift
	mkimage build "$img:$build_tag" "$@" >/dev/null
	mkimage push "$img:$build_tag" "http://$registry/test/image:$build_tag" >/dev/null
}
build distribution "tree=$work/tree"
build features kind=features kind=over gzip=none,files=3,top=plain empty
build layers files=30,size=90k,top=a files=30,size=90k,top=b,seed=2,text files=10,top=a,seed=3 \
	members=20k,files=5,size=100k,top=c gzip=9,files=2,top=d gzip=none,files=2,top=e
build many files=4000,size=400k,text
build devices kind=devices files=2

compare() {	# TAG, option of umoci, options of the comparison…
	compare_tag=$1
	compare_umoci=$2
	shift 2
	fresh_target
	pull_http "$ref:$compare_tag"
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	chmod -R u+rwX "$work/peer" 2>/dev/null || :
	rm -rf "$work/oci" "$work/peer"
	run skopeo --insecure-policy copy -q --src-tls-verify=false "$ref:$compare_tag" "oci:$work/oci:x"
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	run umoci raw unpack ${compare_umoci:+"$compare_umoci"} --image "$work/oci:x" "$work/peer"
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	check "$compare_tag: the tree of skopeo and umoci" same_trees "$bundle/rootfs" "$work/peer" "$@"
	diag "$(tail -n 1 "$work/check.out")"
}

for tag in distribution features layers many; do
	if is_root; then
		compare $tag ''
	else
		compare $tag --rootless --no-owner --no-xattr user.rootlesscontainers
	fi
done
if need_root "devices: the tree of skopeo and umoci"; then
	compare devices ''
fi

plan
