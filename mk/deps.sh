#!/bin/sh
# Makes build/deps/current: a prefix with the static libraries of mk/sources.lock, built with musl.
# The prefix is named by a hash over the lock, the recipes and the compilers; it is built once, kept in
# CACAO_DEPS_CACHE (default: the user's cache folder) if that can be written, and taken from there by
# other clones. Nothing of that is required: without it the sources are fetched and built.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

if [ -n "${CACAO_DEPS_CACHE-}" ]; then
	cache=$CACAO_DEPS_CACHE
else
	cache=${XDG_CACHE_HOME:-${HOME-}/.cache}/cacao
	[ -n "${XDG_CACHE_HOME-}${HOME-}" ] || cache=/dev/null/none # no home, no cache
fi
deps=$top/build/deps
mkdir -p "$deps"

# hash LOCKFILE: everything that decides what the archives contain
hash() {
	{
		grep -v '^#' "$1" | awk 'NF'
		cat mk/build-lib.sh mk/deps.mk
		gcc --version | head -n 1
		ld --version | head -n 1
		nasm --version
		dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' musl-dev
	} | sha256sum | cut -c 1-16
}

# good DIR: complete, and every archive is the one that was built
good() { [ -f "$1/MANIFEST" ] && (cd "$1" && sha256sum -c --status --strict MANIFEST); }

use() { # HASH: point current at it
	[ "$(readlink "$deps/current" 2>/dev/null)" = "$1" ] || {
		ln -sfn "$1" "$deps/current.new"
		mv -fT "$deps/current.new" "$deps/current"
	}
}

have() { # HASH
	if [ -f "$deps/$1/MANIFEST" ]; then
		use "$1"
		return 0
	fi
	# Only a cache of one's own is trusted.
	if [ -O "$cache/deps/$1" ] && good "$cache/deps/$1"; then
		rm -rf "$deps/$1.new"
		cp -a "$cache/deps/$1" "$deps/$1.new"
		rm -rf "${deps:?}/$1"
		mv -T "$deps/$1.new" "$deps/$1"
		say "libraries: taken from the cache ($1)"
		use "$1"
		return 0
	fi
	return 1
}

for tool in musl-gcc dpkg-source cmake nasm gperf; do
	command -v "$tool" >/dev/null || die "$tool is missing: run make setup"
done

if have "$(hash mk/sources.lock)"; then exit 0; fi

exec 9>"$deps/lock"
flock 9
mk/fetch-sources.sh "$deps/effective.lock"
id=$(hash "$deps/effective.lock")
if have "$id"; then exit 0; fi

work=$deps/work
rm -rf "$work"
mkdir -p "$work/done"

say "building the static libraries ($id); logs in build/deps/work/log"
start=$(date +%s)
sources=$(abs_dir "${CACAO_SOURCES:-build/cache/sources}")
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory -f mk/deps.mk -j "$(nproc)" \
	WORK="$work" SOURCES="$sources" EFFECTIVE="$deps/effective.lock"

out=$work/stage/cacao
awk '{ if (!seen[$1]++) print $1, $2 }' "$deps/effective.lock" >"$out/versions"
(cd "$out" && find . -name '*.a' -o -name '*.h' -o -name versions | LC_ALL=C sort | xargs sha256sum >MANIFEST.new &&
	mv MANIFEST.new MANIFEST)
rm -rf "${deps:?}/$id"
mv -T "$out" "$deps/$id"
use "$id"
if mkdir -p "$cache/deps" 2>/dev/null && [ -w "$cache/deps" ] && [ ! -e "$cache/deps/$id" ]; then
	cp -a "$deps/$id" "$cache/deps/$id.$$" && mv -T "$cache/deps/$id.$$" "$cache/deps/$id" ||
		rm -rf "$cache/deps/$id.$$"
fi
rm -rf "$work/src" "$work/stage"
say "libraries: built in $(($(date +%s) - start)) s"
