#!/bin/sh
# Full file systems, at every stage of a pull and an unpack: the message says which one is full, and
# nothing is left. File systems of others (FUSE): nothing is written there unless they are trusted.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

small=$work/small
img=$work/img
mkdir "$small"
flat=
if "$aa" pull --help | grep -q -e --snapshot; then
	flat=--snapshot=flat # else the bundle is a mount, and its content elsewhere
fi
devices=
is_root || devices=--device-nodes=skip

# inside COMMAND…: with a mount of its own name space on $small, as whoever runs this test; what is left goes
# to $small.left
cat >"$work/mounted.sh" <<'END'
set -eu
small=$1 options=$2
shift 2
mount -t tmpfs -o "$options,mode=777" cacao-small "$small"
rc=0
"$@" || rc=$?
find "$small" -mindepth 1 ! -path "$small/filler" >"$small.left"
umount -l "$small"
exit "$rc"
END
inside() {	# OPTIONS COMMAND…
	inside_options=$1
	shift
	if is_root; then
		run unshare -m sh "$work/mounted.sh" "$small" "$inside_options" "$@"
	else
		run unshare -rm sh "$work/mounted.sh" "$small" "$inside_options" \
			unshare -U --map-user="$(id -u)" --map-group="$(id -g)" "$@"
	fi
}

full() {	# NAME: it ended as it must
	full_fault=
	[ "$rc" -eq 15 ] || full_fault="exit $rc"
	grep -q '(NOSPACE)$' "$work/err" || full_fault="$full_fault; not NOSPACE"
	[ ! -s "$small.left" ] || full_fault="$full_fault; left: $(head -n 3 "$small.left" | tr '\n' ' ')"
	if [ -z "$full_fault" ]; then
		ok "$1"
	else
		not_ok "$1"
		diag "$full_fault"
		diag_file "$work/err"
	fi
}

# --- unpack: what is said -----------------------------------------------------------

python3 - "$work/big.tar" <<'END'
import io, random, sys, tarfile
with tarfile.open(sys.argv[1], "w") as tar:
    for i in range(40):
        info = tarfile.TarInfo("data/%d" % i)
        info.size = 1 << 20
        tar.addfile(info, io.BytesIO(random.Random(i).randbytes(info.size)))
END
gzip -1 -k "$work/big.tar"
for layer in big.tar big.tar.gz; do
	# shellcheck disable=SC2086 # an option or nothing
	inside size=16m "$aa" unpack $devices --rootfs "$small/root" "$work/$layer"
	full "unpack $layer where 16 MiB are"
	check "the file system is named by its mount point" grep -q "file system $small (tmpfs, " "$work/err"
	check "how much was written is told" grep -q 'no room after 1[0-9] MiB of the layer' "$work/err"
	check "so is the file" grep -q "$layer" "$work/err"
	diag "$(head -n 1 "$work/err")"
done

# --- every stage --------------------------------------------------------------------

# A small image: with n entries, or 4n KiB, more and more of it fits, at last all. On the way each run
# ends as it must, be it in the staging area, a layer or config.json.
mkimage build "$img:few" files=4,size=20000,text files=2,size=9000,text,top=more >/dev/null
stages() {	# NAME OPTION UNIT MOST
	stages_failed=0 stages_bad=0 stages_named=0 stages_n=1
	while [ "$stages_n" -le "$4" ]; do
		# shellcheck disable=SC2086 # an option or nothing
		inside "$2=$((stages_n * $3))" "$aa" pull $flat $devices --policy "$accept_policy" \
			"oci:$img:few" "$small/bundle"
		[ "$rc" -ne 0 ] || break
		stages_failed=$((stages_failed + 1))
		! grep -q "file system $small (tmpfs, " "$work/err" || stages_named=$((stages_named + 1))
		if [ "$rc" -ne 15 ] || [ -s "$small.left" ] || ! grep -q '(NOSPACE)$' "$work/err"; then
			stages_bad=$((stages_bad + 1))
			diag "$stages_n: exit $rc, left: $(head -n 3 "$small.left" | tr '\n' ' ')"
			diag_file "$work/err"
		fi
		stages_n=$((stages_n + 1))
	done
	check "$1: it works at last" [ "$rc" -eq 0 ]
	check "$1: it failed at many places before" [ "$stages_failed" -ge 8 ]
	check "$1: each time as it must" [ "$stages_bad" -eq 0 ]
	check "$1: a full layer's error names the file system" [ "$stages_named" -ge 3 ]
	diag "$stages_failed places, $stages_named of them in a layer"
}
stages "entries" nr_inodes 1 60
stages "pages" size 4096 60

# --- what belongs to others ---------------------------------------------------------

fuse_names="FUSE: refused
FUSE: nothing is left
FUSE: the message says what to do
FUSE: a trusted folder beside it does not help
FUSE: a trusted folder: it works"
skip_fuse() {
	echo "$fuse_names" | while IFS= read -r name; do echo "skip $name # $1"; done >"$work/skips"
	adopt cat "$work/skips"
}
mkdir "$work/below" "$work/fuse" "$work/beside"
chmod 755 "$work"
cat >"$work/fuse.sh" <<'END'
set -eu
below=$1 fuse=$2
shift 2
bindfs "$below" "$fuse" || exit 77
rc=0
"$@" || rc=$?
umount -l "$fuse"
exit "$rc"
END
on_fuse() {
	run unshare -m sh "$work/fuse.sh" "$work/below" "$work/fuse" "$@"
}
printf x >"$work/one"
tar -C "$work" -cf "$work/one.tar" one
if ! is_root; then
	skip_fuse "needs root"
elif on_fuse true && [ "$rc" -eq 77 ]; then
	skip_fuse "bindfs cannot mount here"
else
	on_fuse "$aa" unpack --rootfs "$work/fuse/root" "$work/one.tar"
	check "FUSE: refused" [ "$rc" -eq 15 ]
	diag "$(head -n 1 "$work/err")"
	check "FUSE: nothing is left" is_empty "$work/below"
	check "FUSE: the message says what to do" grep -q "lies on FUSE.*--trusted-storage" "$work/err"
	on_fuse "$aa" unpack --trusted-storage "$work/beside" --rootfs "$work/fuse/root" "$work/one.tar"
	check "FUSE: a trusted folder beside it does not help" [ "$rc" -eq 15 ]
	on_fuse "$aa" unpack --trusted-storage "$work/beside:$work/fuse" --rootfs "$work/fuse/root" "$work/one.tar"
	check "FUSE: a trusted folder: it works" [ "$rc" -eq 0 -a -f "$work/below/root/one" ]
	[ "$rc" -eq 0 ] || diag_file "$work/err"
fi

plan
