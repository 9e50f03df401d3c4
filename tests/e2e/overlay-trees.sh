#!/bin/sh
# Layers mounted one above the other show what the same layers show on one root; what has no such form
# goes to one root by itself. Whiteouts in all orders: tests/unit/test_overlay.c.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

if ! is_root; then
	mkimage build "$work/img:one" files=3 >/dev/null
	refused "only root can mount" 15 --policy "$accept_policy" --snapshot=overlay --store="$work/store" \
		"oci:$work/img:one"
	snapshot=--snapshot=auto
	pulled "by default a flat root" --store="$work/store" "oci:$work/img:one"
	plan
	exit
fi
mount -t tmpfs tmpfs "$work" # as in a guest; and TMPDIR may be on an overlay itself
trap 'umount -l "$work"; cleanup' EXIT
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$accept_policy"
mkdir "$target"
: >"$work/before"
img=$work/img
flat=$work/flat
merged=$work/merged

discard() {	# a bundle
	umount "$1/rootfs" 2>/dev/null || :
	rm -rf "$1"
}

# Folders that no layer has an entry for have the time at which they were made.
same_times() {
	find "$1/rootfs" -type d -newer "$work/before" -exec touch -d @0 {} +
}

is_merged() {
	[ "$(stat -f -c %T "$1/rootfs")" = overlayfs ]
}

pull_to() {	# BUNDLE [options] IMAGE
	pull_bundle=$1
	shift
	discard "$pull_bundle"
	run "$aa" pull --policy "$accept_policy" --store "$work/store" "$@" "$pull_bundle"
}

# both NAME merged|flat IMAGE: the same tree both ways, and by default the second way as said
both() {
	both_name=$1
	both_fault=
	: >"$work/differ"
	pull_to "$flat" --snapshot=flat "$3"
	both_rc=$rc
	pull_to "$merged" "$3"
	if [ "$rc" -ne 0 ] || [ "$both_rc" -ne 0 ]; then
		both_fault="exit $rc, flat $both_rc"
	else
		same_times "$flat"
		same_times "$merged"
		same_bundles "$flat" "$merged" >"$work/differ" 2>&1 || both_fault="differ"
		case $2 in
		merged) is_merged "$merged" || both_fault="$both_fault, not merged" ;;
		flat) ! is_merged "$merged" || both_fault="$both_fault, merged" ;;
		esac
	fi
	if [ -z "$both_fault" ]; then
		ok "$both_name"
	else
		not_ok "$both_name"
		diag "$both_fault"
		diag_file "$work/differ"
		diag_file "$work/err"
	fi
}

# --- whole images ---------------------------------------------------------------------------------

mkimage build "$img:one" files=20,size=200k >/dev/null
both "one layer" merged "oci:$img:one"
mkimage build "$img:twelve" files=9 files=9,seed=2,top=b files=9,seed=3 files=9,seed=4,top=d files=9,seed=5 \
	files=9,seed=6,top=f files=9,seed=7 files=9,seed=8,top=h files=9,seed=9 files=9,seed=10,top=j \
	files=9,seed=11 empty >/dev/null
both "twelve layers" merged "oci:$img:twelve"
mkimage build "$img:again" files=9 files=9,seed=2 files=9 >/dev/null
both "a layer that comes twice" merged "oci:$img:again"
mkimage build "$img:none" >/dev/null
both "no layer" flat "oci:$img:none"
mkimage build "$img:features" kind=features >/dev/null
both "all sorts of entries" any "oci:$img:features"
mkimage build "$img:over" kind=features kind=over >/dev/null
both "whiteouts, and a write through a link of a lower layer" any "oci:$img:over"

# --- what has no form for overlayfs -----------------------------------------------------------------

python3 - "$work" <<'END'
import io, sys, tarfile
def tar(name, *entries):
    with tarfile.open(f"{sys.argv[1]}/{name}.tar", "w") as t:
        for path, kind, value in entries:
            i = tarfile.TarInfo(path)
            i.type, i.mtime = kind, 1600000000
            if kind == tarfile.DIRTYPE:
                i.mode = value
                t.addfile(i)
            elif kind == tarfile.REGTYPE:
                i.size = len(value)
                t.addfile(i, io.BytesIO(value))
            else:
                i.linkname = value
                t.addfile(i)
D, F, H, S = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE
tar("base", ("etc", D, 0o711), ("etc/passwd", F, b"p"), ("etc/old", F, b"o"), ("usr", D, 0o755),
    ("usr/lib", D, 0o750), ("usr/lib/a", F, b"a"), ("lib", S, "usr/lib"))
tar("hardlink", ("etc", D, 0o711), ("etc/p", H, "etc/passwd"))
tar("implied", ("etc/new", F, b"n"))
tar("link", ("lib/b", F, b"b"))
tar("opaque-root", (".wh..wh..opq", F, b""), ("only", F, b"o"))
tar("root", ("./", D, 0o1751), ("f", F, b"f"))
tar("whiteouts", ("etc", D, 0o751), ("etc/.wh.old", F, b""), ("etc/.wh.passwd", F, b""),
    ("etc/passwd", F, b"new"), (".wh.usr", F, b""), ("usr", D, 0o755), ("usr/x", F, b"x"))
END
for name in hardlink implied link opaque-root; do
	mkimage build "$img:$name" "tar=$work/base.tar" "tar=$work/$name.tar" >/dev/null
	both "$name: to one root" flat "oci:$img:$name"
	pull_to "$merged" "oci:$img:$name"
	check "$name: the same with layers in the store" sh -c "[ $rc -eq 0 ] && ! mountpoint -q '$merged/rootfs'"
done

mkimage build "$img:lowest" "tar=$work/implied.tar" "tar=$work/root.tar" >/dev/null
both "implied folders in the lowest layer" any "oci:$img:lowest"
check "can be mounted" is_merged "$merged"
mkimage build "$img:higher" "tar=$work/base.tar" "tar=$work/implied.tar" >/dev/null
both "the same layer, from the store, higher up" flat "oci:$img:higher"
mkimage build "$img:root" "tar=$work/base.tar" "tar=$work/root.tar" "tar=$work/whiteouts.tar" >/dev/null
both "the root's mode, and whiteouts" merged "oci:$img:root"
check "the root has the mode of the layer that says so" [ "$(stat -c %a "$merged/rootfs")" = 1751 ]

# --- the bundle in use --------------------------------------------------------------------------------

pull_to "$merged" --snapshot=overlay "oci:$img:root"
check "layers from the store" [ "$rc" -eq 0 ]
echo changed >"$merged/rootfs/f"
rm "$merged/rootfs/usr/x"
check "what a container writes does not reach the store" \
	sh -c "! grep -rq changed '$work/store' && [ -n \"\$(find '$work/store' -name x)\" ]"
mv "$merged" "$work/moved"
check "a bundle can be renamed" grep -q changed "$work/moved/rootfs/f"
check "nothing is left in the making" sh -c "! find '$work' -name .cacao-staging -not -path '*/registry*' | grep ."
discard "$work/moved"
discard "$merged"
discard "$flat"
check "no mount is left" sh -c "! grep ' - overlay ' /proc/self/mountinfo | grep -F '$work'"
plan
