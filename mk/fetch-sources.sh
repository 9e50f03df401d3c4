#!/bin/sh
# Brings the source packages of mk/sources.lock (or CACAO_LOCK) into the source cache and checks every hash.
# usage: fetch-sources.sh RESULT      RESULT receives the lines of the versions really used.
# With every file in the cache no network is used. A version that the archive no longer has is replaced
# by the newest of the same upstream series, with a warning and a line in RESULT that differs.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=mk/apt-private.sh
. "$top/mk/apt-private.sh"

result=$1
lock=${CACAO_LOCK:-$top/mk/sources.lock}
sources=$(abs_dir "${CACAO_SOURCES:-build/cache/sources}") || die "cannot make the source cache"
replaced=$sources/replaced.lock # "locked-version package version sha256 file"
# One at a time: the libraries and gpg may be wanted at once, and share the cache and the private apt.
exec 8>"$sources/lock"
flock 8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
updated=no

update_once() {
	[ "$updated" = yes ] || apt_update
	updated=yes
}

# have FILE: every "package version sha256 file" line of FILE is in the cache with that hash
have() {
	[ -s "$1" ] || return 1
	awk '{ print $3 "  " $4 }' "$1" | (cd "$sources" && sha256sum -c --status --strict -) 2>/dev/null
}

# "1:7.88.1+dfsg-10+deb12u14" -> "7.88"
series() { printf '%s\n' "$1" | sed 's/^[0-9]*://; s/-[^-]*$//; s/[+~].*//' | awk -F. '{ print $1 "." $2 }'; }

# The hash is checked by apt against the signed index first, and then here against the lock.
get() { # PACKAGE VERSION LINES
	say "fetching $1 $2"
	(cd "$sources" && apt_download "$1" "$2") || return 1
	have "$3" || die "$1 $2: a file fetched does not have the locked SHA-256; nothing is built from it"
}

replace() { # PACKAGE LOCKED-VERSION LINES
	want=$(series "$2")
	for version in $(apt_versions "$1"); do
		[ "$version" != "$2" ] && [ "$(series "$version")" = "$want" ] || continue
		apt_showsrc "$1" | awk -v p="$1" -v v="$version" '$1 == v { print p, v, $2, $3 }' >"$3"
		if get "$1" "$version" "$3"; then
			warn "$1: $version stands in for the locked $2, which cannot be fetched (make update-lock renews)"
			sed "s/^/$2 /" "$3" >>"$replaced"
			return 0
		fi
	done
	die "$1: neither $2 nor another version of the series $want can be fetched"
}

: >"$work/all"
for package in $(awk '!/^#/ && NF { if (!seen[$1]++) print $1 }' "$lock"); do
	awk -v p="$package" '!/^#/ && $1 == p && NF == 4' "$lock" >"$work/lines"
	[ -s "$work/lines" ] || die "$package: mk/sources.lock has no version for it: run make update-lock"
	locked=$(awk '{ print $2; exit }' "$work/lines")
	if ! have "$work/lines"; then
		[ ! -f "$replaced" ] || awk -v p="$package" -v l="$locked" \
			'$1 == l && $2 == p { print $2, $3, $4, $5 }' "$replaced" >"$work/other"
		if [ -s "$work/other" ] && have "$work/other"; then
			warn "$package: $(awk '{ print $2; exit }' "$work/other") stands in for the locked $locked"
			mv "$work/other" "$work/lines"
		else
			update_once
			get "$package" "$locked" "$work/lines" || replace "$package" "$locked" "$work/lines"
		fi
	fi
	cat "$work/lines" >>"$work/all"
	rm -f "$work/other"
done
mkdir -p "$(dirname "$result")"
mv "$work/all" "$result"
