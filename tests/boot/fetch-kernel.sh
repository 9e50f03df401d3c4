#!/bin/sh
# Fetches a guest kernel from the distribution's archive and unpacks it into a folder of its own; nothing is installed.
# usage: sh fetch-kernel.sh CACHE    prints KERNEL, MODULES (folder with lib/modules/VERSION) and HEADERS, one a line
# HEADERS, to build modules with, is empty for a kernel too old to have configfs-tsm, and where its packages are gone.
# The name of the package is found through the meta package, since it changes with each security update.
set -eu

cache=$1
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)

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

name=
for meta in linux-image-6.12-cloud-amd64 linux-image-cloud-amd64; do
	name=$(concrete $meta)
	[ -z "$name" ] || break
done
if [ -z "$name" ]; then
	# no package lists on this machine: whatever was fetched before
	name=$(cd "$cache" && for old in linux-image-*; do [ ! -e "$old/done" ] || echo "$old"; done | tail -n 1)
	[ -n "$name" ] || {
		echo "fetch-kernel.sh: no kernel package known; run apt-get update" >&2
		exit 1
	}
fi

place=$cache/$name
if [ ! -e "$place/done" ]; then
	rm -rf "$place"
	download "$name" || exit 1
	mkdir -p "$place"
	dpkg-deb --fsys-tarfile "$cache/download/"linux-image-*.deb |
		tar -x -C "$place" --no-same-owner ./boot ./lib/modules
	rm -rf "$cache/download"
	version=$(cd "$place/lib/modules" && echo *)
	/sbin/depmod -b "$place" "$version"
	touch "$place/done"
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
*) [ -e "$place/headers/done" ] || fetch_headers || headers= ;;
esac
echo "$place/boot/vmlinuz-$version"
echo "$place"
echo "$headers"
