#!/bin/sh
# Builds the program gpg as one static file for guests that check GPG signatures: build/gpg. GnuPG is fetched as
# mk/gpg.lock says; the libraries that only it needs are Debian's own archives (glibc), which are complete for this.
# It verifies and imports and lists; no agent, no network, no cards.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

work=$top/build/gpg.work
out=$top/build/gpg
effective=$work/effective.lock
stamp=$top/build/gpg.made

id=$({
	cat mk/gpg.lock mk/build-gpg.sh
	gcc --version | head -n 1
	dpkg-query -W -f '${Package} ${Version}\n' libc6-dev libgcrypt20-dev libgpg-error-dev libassuan-dev \
		libksba-dev libnpth0-dev zlib1g-dev
} | sha256sum | cut -c 1-16)
if [ -x "$out" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$id" ]; then exit 0; fi
# Kept as the libraries are (mk/deps.sh): only a cache of one's own is trusted.
cache=${CACAO_DEPS_CACHE:-${XDG_CACHE_HOME:-${HOME-}/.cache}/cacao}/gpg-$id
if [ -O "$cache/gpg" ] && (cd "$cache" && sha256sum -c --status --strict MANIFEST); then
	cp "$cache/gpg" "$out.new" && mv -f "$out.new" "$out"
	printf '%s\n' "$id" >"$stamp"
	say "gpg: taken from the cache ($id)"
	exit 0
fi

mkdir -p "$work"
exec 9>"$work/lock"
flock 9
CACAO_LOCK=$top/mk/gpg.lock mk/fetch-sources.sh "$effective"
dsc=$(awk '$4 ~ /\.dsc$/ { print $4 }' "$effective")
sources=$(abs_dir "${CACAO_SOURCES:-build/cache/sources}")
rm -rf "$work/src"
# --no-check skips the uploader's signature only: apt and the lock have vouched for the files.
dpkg-source --no-check --no-copy -x "$sources/$dsc" "$work/src" >"$work/log" 2>&1 || die "cannot unpack $dsc"
cd "$work/src"

say 'building gpg; the log is build/gpg.work/log'
unset CPPFLAGS CXXFLAGS LIBS DESTDIR
off='gpgsm scdaemon dirmngr doc nls bzip2 card-support ccid-driver gnutls ntbtls sqlite tofu ldap photo-viewers exec
	regex wks-tools gpgtar dependency-tracking'
set --
for word in $off; do
	set -- "$@" "--disable-$word"
done
build() {
	./configure --prefix=/usr --sysconfdir=/etc --localstatedir=/var --without-readline "$@" \
		CFLAGS="-Os -ffunction-sections -fdata-sections -fstack-protector-strong -ffile-prefix-map=$work/src=/usr/src" \
		LDFLAGS='-static -Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack' || return 1
	for part in regexp common kbx; do
		make -C "$part" || return 1
	done
	make -C g10 gpg
}
build "$@" >>"$work/log" 2>&1 || {
	tail -n 30 "$work/log" >&2
	die 'building failed'
}
strip -s -R .comment -o "$out.new" g10/gpg
mv -f "$out.new" "$out"
printf '%s\n' "$id" >"$stamp"
rm -rf "$work/src"
if mkdir -p "$cache" 2>/dev/null && cp "$out" "$cache/gpg"; then
	(cd "$cache" && sha256sum gpg >MANIFEST)
fi
say "built $out ($(wc -c <"$out") bytes)"
