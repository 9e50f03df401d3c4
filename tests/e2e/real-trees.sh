#!/bin/sh
# Trees as images have them, packed by many archivers: pulled flat, they are what umoci makes of them.
# time-limit: 300
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

# What differs on purpose: tree, what is not compared or another peer, why.
cat >"$work/intended" <<'END'
many-xattrs --no-xattr=user.none umoci drops attributes whose value is empty, GNU tar and we keep them
many-xattrs --no-xattr=user.key0. the same
database-sparse-gnu tar umoci does not know the old GNU form of sparse files
END

# intended NAME: the options of the comparison
intended() {
	while read -r tree option _; do
		[ "$tree" != "$1" ] && [ "$tree" != all ] || echo "$option"
	done <"$work/intended"
}

# unpack_by_peer NAME: to NAME/peer; $peer says who did it
unpack_by_peer() {
	if intended "$1" | grep -qx tar; then
		peer=tar
		mkdir "$work/$1/peer"
		run tar -C "$work/$1/peer" -xpf "$work/$1/0.tar"
	else
		peer=umoci
		# shellcheck disable=SC2086 # nothing, as root
		run umoci raw unpack $rootless --image "$work/$1/peers:x" "$work/$1/peer"
	fi
}

rootless=$(is_root || echo --rootless)
is_root || echo "all --no-xattr=user.rootlesscontainers umoci notes there the owners that it cannot give" >>"$work/intended"
kinds='gzip=1 zstd=3 gzip=none zstd=19'
python3 "$e2e/realtrees.py" list >"$work/list"
while read -r name who; do
	[ "$who" != root ] || need_root "$name" || continue
	mkdir "$work/$name"
	if ! python3 "$e2e/realtrees.py" make "$name" "$work/$name" >"$work/tars" 2>"$work/err"; then
		not_ok "$name: made"
		diag_file "$work/err"
		continue
	fi
	# one compression for the peer, which has no zstd; all of them for us
	set --
	layers=
	for tar in $(cat "$work/tars"); do
		kind=${kinds%% *}
		kinds="${kinds#* } $kind"
		set -- "$@" "tar=$tar,$kind"
		layers="$layers tar=$tar,gzip=1"
	done
	mkimage build "$work/$name/ours:x" "$@" >/dev/null
	# shellcheck disable=SC2086 # a list
	mkimage build "$work/$name/peers:x" $layers >/dev/null
	pulled "$name" "oci:$work/$name/ours:x"
	unpack_by_peer "$name"
	if [ "$rc" -ne 0 ]; then
		not_ok "$name: $peer unpacks it"
		diag_file "$work/err"
		continue
	fi
	# shellcheck disable=SC2046 # a list
	check "$name: as $peer unpacks it" same_trees "$work/$name/peer" "$bundle/rootfs" \
		$(intended "$name" | grep -v '^tar$')
	chmod -R u+rwX "$work/$name"
	rm -rf "${work:?}/$name"
done <"$work/list"

plan
