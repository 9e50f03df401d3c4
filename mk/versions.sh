#!/bin/sh
# Prints the header versions.h: exact versions of the libraries of a flavour, as Debian names them.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

flavour=$1
locked() { awk '!/^#/ && NF == 4 && !seen[$1]++ { print $1, $2 }' mk/sources.lock; }

exact=0
case $flavour in
static)
	musl=$(dpkg-query -W -f '${source:Version}' musl-dev)
	list="musl $musl
$(cat build/deps/current/versions)"
	[ "$(locked)" != "$(cat build/deps/current/versions)" ] || exact=1
	;;
*)
	dev=$(sed -n '/^# --- libraries/,/^# --- running/s/^\([a-z][^ \t]*-dev\).*/\1/p' mk/packages)
	# shellcheck disable=SC2086 # a list of words
	list=$(dpkg-query -W -f '${source:Package} ${source:Version}\n' libc6-dev $dev | sort -u)
	;;
esac
entries=$(say "$list" | awk 'NF == 2 { lines[++n] = "\tX(\"" $1 "\", \"" $2 "\")" }
	END { for (i = 1; i <= n; i++) print lines[i] (i < n ? " \\" : "") }')
cat <<END
/* Made by mk/versions.sh: the source packages this build is made of. */
#ifndef GEN_VERSIONS_H
#define GEN_VERSIONS_H

/* 1: exactly the versions of mk/sources.lock */
#define CACAO_SOURCES_LOCKED $exact
#define CACAO_FLAVOUR "$flavour"
#define CACAO_COMPILER "$(gcc --version | head -n 1 | tr -d '\\"')"
/* X(source package, version) for each */
#define CACAO_SOURCES(X) \\
$entries

#endif
END
