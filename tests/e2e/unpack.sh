#!/bin/sh
# The archives of tests/vectors/image/tar through `aa-cli unpack`: the right tree, or a refusal;
# and never a change outside.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

tars=$vectors/image/tar
expect=$tars/expect.json
tree() {
	python3 "$e2e/compare_tree.py" "$@"
}

# canaries around the root: what archives that climb would hit
mkdir -p "$work/outside/a/b" "$work/outside/etc"
echo keep >"$work/outside/a/b/f"
echo keep >"$work/outside/etc/p"
echo keep >"$work/escape"
ln -s / "$work/outside/root"
canary=$(tree canary "$work/outside")

root=$work/outside/a/b/rootfs
fresh_root() {
	chmod -R u+rwX "$root" 2>/dev/null || :
	rm -rf "$root"
	mkdir "$root"
}

# the root itself is part of the canary tree's folder; it is taken away before comparing
outside_untouched() {
	fresh_root
	rmdir "$root"
	touch -d @1600000000 "$work/outside/a/b"
	[ "$(tree canary "$work/outside")" = "$canary" ] && [ "$(cat "$work/escape")" = keep ] &&
		[ ! -e "$work/b" ] && [ ! -e "$work/outside/a/b/b" ] && [ ! -e /tmp/escape ]
}
touch -d @1600000000 "$work/outside/a/b"
canary=$(tree canary "$work/outside")

verdicts() {	# name accept has-overlay, one a line
	python3 - "$expect" <<'END'
import json, sys
for name, v in json.load(open(sys.argv[1])).items():
    # its path is longer than PATH_MAX: to refuse it is as good
    accept = "either" if name == "name-deep" else v["accept"]
    print(name, accept, "overlay" if "overlay" in v else "-")
END
}

unpack_one() {	# NAME ARCHIVE
	fresh_root
	set -- "$1" "$2" "$(is_root || echo --device-nodes=skip)"
	# shellcheck disable=SC2086 # the third is an option or nothing
	run timeout -k 2 60 "$aa" unpack $3 --rootfs "$root" "$2"
}

verdicts >"$work/verdicts"
while read -r name accept overlay <&3; do
	unpack_one "$name" "$tars/$name.tar"
	fault=
	case $accept,$rc in
	True,0 | either,0)
		tree expect "$expect" "$name" "$root" >"$work/diff" || fault="tree differs"
		;;
	False,15 | either,15 | False,1 | either,1) ;;	# 1: larger than a limit
	*) fault="exit $rc, accept is $accept" ;;
	esac
	outside_untouched || fault="$fault; something outside was changed"
	if [ -z "$fault" ]; then
		ok "tar/$name"
		[ "$rc" -eq 0 ] || diag "$(head -n 1 "$work/err")"
	else
		not_ok "tar/$name"
		diag "$fault"
		cat "$work/diff" "$work/err" 2>/dev/null | sed -n '1,8s/^/#   /p'
	fi
	: >"$work/diff"

	# gzipped it is the same
	gzip -c "$tars/$name.tar" >"$work/layer.gz"
	plain_rc=$rc
	unpack_one "$name" "$work/layer.gz"
	[ "$rc" -eq "$plain_rc" ] || {
		not_ok "tar/$name: gzipped the same verdict"
		diag "exit $rc gzipped, $plain_rc plain"
		diag_file "$work/err"
	}

	[ "$overlay" = overlay ] || continue
	tree lower "$expect" "$name" "$work/lower.tar"
	fresh_root
	run "$aa" unpack --rootfs "$root" "$work/lower.tar" "$tars/$name.tar"
	if [ "$rc" -eq 0 ] && tree overlay "$expect" "$name" "$root" >"$work/diff"; then
		ok "tar/$name upon a lower layer"
	else
		not_ok "tar/$name upon a lower layer"
		cat "$work/diff" "$work/err" | sed -n '1,8s/^/#   /p'
	fi
	: >"$work/diff"
done 3<"$work/verdicts"

# what is no archive at all
refuses() {	# NAME FILE
	fresh_root
	run timeout -k 2 60 "$aa" unpack --rootfs "$root" "$2"
	check "$1" [ "$rc" -eq 15 ]
	[ "$rc" -eq 15 ] || diag "exit $rc: $(head -n 1 "$work/err")"
}
head -c 4096 /dev/zero | tr '\0' x >"$work/text"
refuses "text" "$work/text"
gzip -c "$tars/basic-ustar.tar" | head -c 100 >"$work/cut.gz"
refuses "gzip cut off" "$work/cut.gz"
gzip -c "$tars/basic-ustar.tar" | gzip -c >"$work/twice.gz"
refuses "gzip within gzip" "$work/twice.gz"
{ gzip -c "$tars/basic-ustar.tar"; printf junk; } >"$work/junk.gz"
refuses "junk after the gzip stream" "$work/junk.gz"
gzip -c "$tars/basic-ustar.tar" >"$work/crc.gz"
python3 - "$work/crc.gz" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(-8, 2)
    f.write(b"\0\0\0\0")
END
refuses "a wrong checksum of the gzip stream" "$work/crc.gz"
(cd "$work" && echo escape | cpio -o --quiet) >"$work/archive.cpio"
refuses "a cpio archive" "$work/archive.cpio"

fresh_root
expect_exit "no such file" "1|2|15" "$aa" unpack --rootfs "$root" "$work/nowhere.tar"
fresh_root
echo mine >"$root/file"
expect_exit "a rootfs that is not empty" 15 "$aa" unpack --rootfs "$root" "$tars/basic-ustar.tar"
check "its file is untouched" [ "$(cat "$root/file")" = mine ]
fresh_root
rmdir "$root"
expect_exit "a rootfs that does not exist is made" 0 "$aa" unpack --rootfs "$root" "$tars/basic-ustar.tar"

# device nodes
mkimage build "$work/dev:x" gzip=none,kind=devices >/dev/null
layer=$work/dev/blobs/sha256/$(mkimage layers "$work/dev:x" | cut -d' ' -f1 | cut -c8-)
fresh_root
expect_exit "device nodes refused" "11|15" "$aa" unpack --device-nodes refuse --rootfs "$root" "$layer"
fresh_root
expect_exit "device nodes skipped" 0 "$aa" unpack --device-nodes=skip --rootfs "$root" "$layer"
check "device nodes skipped: none is there" [ ! -e "$root/dev/null" -a -d "$root/dev" ]
fresh_root
run "$aa" unpack --rootfs "$root" "$layer"
if is_root; then
	check "device nodes made" [ "$rc" -eq 0 -a -c "$root/dev/null" -a -b "$root/dev/loop7" ]
else
	check "device nodes refused where they cannot be made" [ "$rc" -eq 15 ]
fi
if need_root "c 0 0 is always refused"; then
	python3 - "$work/zero.tar" <<'END'
import sys, tarfile
with tarfile.open(sys.argv[1], "w") as t:
    i = tarfile.TarInfo("w")
    i.type = tarfile.CHRTYPE
    t.addfile(i)
END
	fresh_root
	expect_exit "c 0 0 is always refused" 15 "$aa" unpack --rootfs "$root" "$work/zero.tar"
fi
check "in the end nothing outside has changed" outside_untouched

plan
