#!/bin/sh
# Renews a lock file (mk/sources.lock unless another is named): for every package named in it, the newest version of the archive of this
# Debian release. A new library is added by a line with its source package name alone.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=mk/apt-private.sh
. "$top/mk/apt-private.sh"

lock=$top/${1-mk/sources.lock}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/sources"
apt_update
sed -n '/^#/p' "$lock" >"$work/new"
for package in $(awk '!/^#/ && NF { if (!seen[$1]++) print $1 }' "$lock"); do
	found=
	for version in $(apt_versions "$package"); do
		# An index may be ahead of the files: lock only what can be fetched.
		if (cd "$work/sources" && apt_download "$package" "$version") 2>"$work/why"; then
			found=$version
			break
		fi
		warn "$package: $version is in the index but cannot be fetched"
	done
	[ -n "$found" ] || die "$package: no source package can be fetched"
	apt_showsrc "$package" | awk -v p="$package" -v v="$found" '$1 == v { print p, v, $2, $3 }' |
		sort -k4 >>"$work/new"
	say "$package $found"
done
move_if_changed "$work/new" "$lock"
