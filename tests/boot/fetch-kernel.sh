#!/bin/sh
# Fetches a guest kernel from the distribution's archive and unpacks it into a folder of its own; nothing is installed.
# usage: sh fetch-kernel.sh CACHE    prints KERNEL, MODULES (folder with lib/modules/VERSION) and HEADERS, one a line
# HEADERS, to build modules with, is empty for a kernel too old to have configfs-tsm, and where its packages are gone.
# The name of the package is found through the meta package, since it changes with each security update.
set -eu

cache=$1
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)
mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
echo 'Acquire::Retries "10";' >"$cache/apt/conf"
export APT_CONFIG="$cache/apt/conf"

# The lists of the machine may be missing, or older than the archive, which then has other versions.
own_lists() {
	cat >>"$APT_CONFIG" <<-END
		Dir::State::lists "$cache/apt/lists";
		Dir::Cache "$cache/apt/cache";
	END
	apt-get -q update >"$cache/apt/update.log" 2>&1 || cat "$cache/apt/update.log" >&2
}

concrete() {	# META: the newest image package it depends on
	apt-cache depends --important "$1" 2>/dev/null |
		sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

# Packages reach the folder "download" of the cache.
download() {	# PACKAGE...
	rm -rf "$cache/download"
	mkdir -p "$cache/download"
	(cd "$cache/download" && apt-get -q download "$@" >download.log 2>&1) || {
		cat "$cache/download/download.log" >&2
		return 1
	}
}

# fetch_kernel: the newest that the lists know of, in $place
fetch_kernel() {
	name=
	for meta in linux-image-6.12-cloud-amd64 linux-image-cloud-amd64; do
		name=$(concrete $meta)
		[ -z "$name" ] || break
	done
	[ -n "$name" ] || return 1
	place=$cache/$name
	[ ! -e "$place/done" ] || return 0
	download "$name" || return 1
	rm -rf "$place"
	mkdir -p "$place"
	dpkg-deb --fsys-tarfile "$cache/download/"linux-image-*.deb |
		tar -x -C "$place" --no-same-owner ./boot ./lib/modules || return 1
	rm -rf "$cache/download"
	version=$(cd "$place/lib/modules" && echo *)
	/sbin/depmod -b "$place" "$version" && touch "$place/done"
}

if ! fetch_kernel && ! { own_lists && fetch_kernel; }; then
	# whatever was fetched before
	name=$(cd "$cache" && for old in linux-image-*; do [ ! -e "$old/done" ] || echo "$old"; done | tail -n 1)
	[ -n "$name" ] || {
		echo "fetch-kernel.sh: no kernel package known; run apt-get update" >&2
		exit 1
	}
	place=$cache/$name
fi
version=$(cd "$place/lib/modules" && echo *)

# The makefile of the headers names the folder where they would be installed.
headers=$place/headers/usr/src/linux-headers-$version
fetch_headers() {
	rm -rf "$place/headers"
	download "linux-headers-$version" "linux-headers-$series-common" "linux-kbuild-$series" || return 1
	for package in "$cache/download/"*.deb; do
		dpkg-deb -x "$package" "$place/headers" || return 1
	done
	rm -rf "$cache/download" "$headers/vmlinux"
	sed -i "s|include /usr/src/|include $place/headers/usr/src/|" "$headers/Makefile"
	touch "$place/headers/done"
}
series=${version%-cloud-amd64}
case $version in
6.1.*) headers= ;;
*) [ -e "$place/headers/done" ] || fetch_headers || { own_lists && fetch_headers; } || headers= ;;
esac
echo "$place/boot/vmlinuz-$version"
echo "$place"
echo "$headers"
