#!/bin/sh
# How long a pull takes beside the ordinary tools (skopeo copy, then umoci unpack), from a registry on this
# machine, in turns, medians of three. A run whose trees differ is no result. BENCH_SIZE scales the images.
set -eu

# the disk is not what is measured: memory, if there is enough of it
if [ -w /dev/shm ] && [ "$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')" -gt 6000 ]; then
	export TMPDIR=/dev/shm
fi
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/../e2e/lib.sh"

measure() {
	python3 "$top/tests/bench/measure.py" "$@"
}

scale=${BENCH_SIZE:-1}
kid=default/key/bench
img=$work/img
rsa=$vectors/image/ocicrypt/keys
ocicrypt keys "$work/keys" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
registry_start bench

# --- images: each plain and encrypted, with the same blobs for both sides -----------

push() {	# TAG
	mkimage push "$img:$1" "http://$registry/bench/image:$1" >/dev/null
}

build() {	# TAG LAYER
	build_tag=$1
	mkimage build "$img:$1" "$2" >/dev/null
	push "$build_tag"
	skopeo --insecure-policy copy -q --encryption-key "jwe:$rsa/rsa.pub.pem" \
		"oci:$img:$build_tag" "oci:$img:$build_tag-jwe"
	ocicrypt from-jwe "$img:$build_tag-jwe" "$img:$build_tag-enc" "$keys" $kid "$rsa/rsa.pem"
	push "$build_tag-jwe"
	push "$build_tag-enc"
}

# libraries, programs, documents of this machine until there are 150 MB
mkdir "$work/tree"
sum=0
for part in /usr/lib/python3* /usr/share/perl /usr/share/zoneinfo /usr/lib/x86_64-linux-gnu/perl* \
	/usr/sbin /usr/lib/systemd /usr/share/locale /usr/share/doc /usr/lib/git-core /usr/bin; do
	[ -d "$part" ] || continue
	mkdir -p "$work/tree${part%/*}"
	cp -a "$part" "$work/tree$part"
	sum=$(du -sm "$work/tree" | cut -f1)
	[ "$sum" -lt $((150 * scale)) ] || break
done
echo "images: a tree of $sum MB from /usr, $((30000 * scale)) small files, one file of $((400 * scale)) MB"
build distribution "tree=$work/tree,gzip=6"
build small-files "files=$((30000 * scale)),size=$((60 * scale))m,text,gzip=6"
build one-file "files=1,size=$((400 * scale))m,text,gzip=1"
rm -rf "$work/tree"

# --- one pull, by us and by them ------------------------------------------------------

cat >"$work/peer.sh" <<'END'
set -eu
image=$1 to=$2 key=$3 rootless=$4
skopeo --insecure-policy copy -q --src-tls-verify=false ${key:+--decryption-key "$key"} "$image" "oci:$to/oci:x"
umoci raw unpack ${rootless:+"$rootless"} --image "$to/oci:x" "$to/tree"
END
rootless=
owners=
is_root || rootless=--rootless owners=--no-owner

ours() {	# time|memory TAG
	rm -rf "$target"
	mkdir "$target"
	case $2 in
	*-enc) set -- "$1" "$2" --aa-kbc-params "offline_fs_kbc::$work/keys" ;;
	*) set -- "$1" "$2" ;;
	esac
	ours_tag=$2
	ours_how=$1
	shift 2
	measure "$ours_how" "$aa" pull --policy "$accept_policy" --tls-verify=false "$@" \
		"docker://$registry/bench/image:$ours_tag" "$bundle" 2>"$work/err"
}

theirs() {	# time|memory TAG
	rm -rf "$work/peer"
	mkdir "$work/peer"
	case $2 in
	*-jwe) theirs_key=$rsa/rsa.pem ;;
	*) theirs_key= ;;
	esac
	measure "$1" sh "$work/peer.sh" "docker://$registry/bench/image:$2" "$work/peer" \
		"$theirs_key" "$rootless" 2>"$work/err"
}

median() {	# FIELD FILE
	cut -d' ' -f"$1" "$2" | sort -n | sed -n 2p
}

failed=0
printf '\n%-24s %8s %8s %7s   %8s %8s %7s   %10s %10s\n' '' 'ours s' 'peer s' ratio 'ours CPU' 'peer CPU' ratio \
	'ours KiB' 'peer KiB'
row() {	# NAME TAG-OF-OURS TAG-OF-THEIRS
	: >"$work/ours.times"
	: >"$work/theirs.times"
	for _ in 1 2 3; do
		ours time "$2" >>"$work/ours.times" || failed=1
		theirs time "$3" >>"$work/theirs.times" || failed=1
	done
	if ! same_trees "$bundle/rootfs" "$work/peer/tree" ${owners:+"$owners"} \
		--no-xattr user.rootlesscontainers >"$work/diff" 2>&1; then
		failed=1
		printf '%-24s FAILED: the trees differ: %s\n' "$1" "$(head -n 1 "$work/diff")"
		sed -n 1,5p "$work/err"
		return 0
	fi
	ours_memory=$(ours memory "$2")
	theirs_memory=$(theirs memory "$3")
	awk -v name="$1" -v a="$(median 1 "$work/ours.times")" -v b="$(median 1 "$work/theirs.times")" \
		-v c="$(median 2 "$work/ours.times")" -v d="$(median 2 "$work/theirs.times")" \
		-v m="$ours_memory" -v n="$theirs_memory" 'BEGIN {
		printf "%-24s %8.2f %8.2f %6.1fx   %8.2f %8.2f %6.1fx   %10s %10s\n",
			name, a, b, b / a, c, d, d / c, m, n }'
}

for image in distribution small-files one-file; do
	row "$image" $image $image
	row "$image, encrypted" $image-enc $image-jwe
done
cat <<'END'

Wall and CPU seconds: medians of three, in turns. Memory: the highest sum of proportional set sizes of all
processes, in a run of its own ("-": not to be read without root). Trees were compared after each row.
END
[ "$failed" -eq 0 ] || bail "a run failed or its tree differs"
