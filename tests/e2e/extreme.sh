#!/bin/sh
# Images that are extreme in one way: many layers, many entries, a file that is mostly hole, one layer far
# larger than the memory there is.
# CHECK_EFFORT: so many times the entries, and the bytes of the large layer (which is 1 GiB as root).
# time-limit: 900
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

effort=${CHECK_EFFORT:-1}
img=$work/img
flat=
if "$aa" pull --help | grep -q -e --snapshot; then
	flat=--snapshot=flat
fi
# What takes long is larger as root than as another user, so that both together do not take twice as long.
if is_root; then
	entries=$((500000 * effort)) mib=$((1024 * effort))
else
	entries=$((50000 * effort)) mib=$((256 * effort))
fi

big_image() {	# TAG ARGUMENTS of bigtar.py
	big_tag=$1
	shift
	python3 "$e2e/bigtar.py" "$@" | mkimage build "$img:$big_tag" tar=/dev/stdin >/dev/null
}

took() {	# what it was since $start
	diag "$1: $(($(now) - start)) ms"
}

timed_pull() {	# [options] IMAGE
	fresh_target
	start=$(now)
	# shellcheck disable=SC2086 # an option or nothing
	pull $flat "$@"
	took pull
	[ "$rc" -eq 0 ] || diag_file "$work/err"
}

# --- many layers ---------------------------------------------------------------------

# Each has a file of its own and one that the next replaces; the last but one removes a file.
layers=300
set --
i=0
while [ "$i" -lt "$layers" ]; do
	mkdir "$work/tree"
	echo "$i" >"$work/tree/last"
	echo "$i" >"$work/tree/layer$i"
	[ "$i" -ne $((layers - 2)) ] || : >"$work/tree/.wh.layer7"
	tar -C "$work/tree" --owner=0 --group=0 --mtime=@1600000000 -cf "$work/layer$i.tar" .
	rm -r "$work/tree"
	set -- "$@" "tar=$work/layer$i.tar"
	i=$((i + 1))
done
mkimage build "$img:layers" "$@" >/dev/null
rm "$work"/layer*.tar
timed_pull "oci:$img:layers"
check "300 layers: pulled" [ "$rc" -eq 0 ]
check "300 layers: the last one won" [ "$(cat "$bundle/rootfs/last")" = 299 ]
check "300 layers: all but the removed are there" \
	[ "$(find "$bundle/rootfs" -name 'layer*' | wc -l)" -eq 299 -a ! -e "$bundle/rootfs/layer7" ]
check "300 layers: in the right order" sh -c 'cd "$1" && for f in layer*; do
	[ "layer$(cat "$f")" = "$f" ] || exit 1; done' - "$bundle/rootfs"

# --- many entries --------------------------------------------------------------------

start=$(now)
big_image entries entries "$entries"
took making
timed_pull "oci:$img:entries"
check "very many entries: pulled" [ "$rc" -eq 0 ]
check "very many entries: all are there" \
	[ "$(find "$bundle/rootfs" -type f -empty -perm 644 | wc -l)" -eq "$entries" ]
check "very many entries: with their times" [ -z "$(find "$bundle/rootfs" -type f ! -newermt @1599999999 -print -quit)" -a \
	-z "$(find "$bundle/rootfs" -type f -newermt @1600000000 -print -quit)" ]

# --- mostly hole ---------------------------------------------------------------------

big_image sparse sparse 10
timed_pull "oci:$img:sparse"
check "10 GiB of hole: pulled" [ "$rc" -eq 0 ]
check "10 GiB of hole: right, and still a hole" python3 "$e2e/bigtar.py" check-sparse "$bundle/rootfs/sparse" 10
check "10 GiB of hole: the file behind it" [ "$(cat "$bundle/rootfs/behind")" = x ]

# --- larger than memory --------------------------------------------------------------

limit=$((64 << 20))
has_sandbox || limit=$((512 << 20)) # sanitizers need some of their own

# A control group of our own with so little memory, of version 2 or 1: $group, or nothing.
make_group() {
	group=
	for base in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/memory; do
		[ -d "$base" ] || continue
		[ ! -f "$base/cgroup.subtree_control" ] ||
			(echo +memory >"$base/cgroup.subtree_control") 2>/dev/null || :
		mkdir "$base/cacao-test-$$" 2>/dev/null || continue
		for file in memory.max memory.limit_in_bytes; do
			if [ -f "$base/cacao-test-$$/$file" ] &&
				(echo "$limit" >"$base/cacao-test-$$/$file") 2>/dev/null &&
				sh -c 'echo $$ >"$1/cgroup.procs"' - "$base/cacao-test-$$" 2>/dev/null; then
				group=$base/cacao-test-$$
				(echo 0 >"$group/memory.swap.max") 2>/dev/null || :
				return 0
			fi
		done
		rmdir "$base/cacao-test-$$" 2>/dev/null || :
	done
}

# Otherwise: the most that any process of the pull ever had in memory, its libraries included.
cat >"$work/largest.py" <<'END'
import resource, subprocess, sys
rc = subprocess.call(sys.argv[2:])
kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(sys.argv[1], "w") as f:
    print(kib, file=f)
sys.exit(rc)
END

killed_in_group() {
	cat "$group/memory.events" "$group/memory.oom_control" 2>/dev/null | awk '$1 == "oom_kill" { print $2 }'
}

mkdir -p "$target"
file_system=$(stat -f -c %T "$target")
group=
! is_root || [ "$file_system" = tmpfs ] || make_group
big_image fill fill "$mib"
fresh_target
start=$(now)
if [ -n "$group" ]; then
	# shellcheck disable=SC2086 # an option or nothing
	run sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' - "$group" "$aa" pull $flat \
		--policy "$accept_policy" "oci:$img:fill" "$bundle"
	kills=$(killed_in_group)
	diag "$mib MiB in a control group of $((limit >> 20)) MiB: $group"
	rmdir "$group" || :
	check "larger than memory: nobody was killed" [ "$kills" = 0 ]
else
	# shellcheck disable=SC2086 # an option or nothing
	run python3 "$work/largest.py" "$work/kib" "$aa" pull $flat --policy "$accept_policy" \
		"oci:$img:fill" "$bundle"
	diag "$mib MiB; no control group (as $(id -un), on $file_system); the largest process: $(cat "$work/kib") KiB"
	check "larger than memory: nobody was killed" [ "$(cat "$work/kib")" -le $((limit >> 10)) ]
fi
took pull
[ "$rc" -eq 0 ] || diag_file "$work/err"
check "larger than memory: pulled" [ "$rc" -eq 0 ]
check "larger than memory: all of it" [ "$(stat -c %s "$bundle/rootfs/fill")" -eq $((mib << 20)) ]

plan
