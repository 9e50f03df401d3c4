#!/bin/sh
# Builds one library as a static archive with musl. Called by mk/deps.mk.
# usage: build-lib.sh PACKAGE WORK SOURCES EFFECTIVE-LOCK
#        build-lib.sh tools WORK           makes the compiler wrapper and the links to kernel headers
# The result goes to WORK/stage/cacao; configured with the prefix /cacao, so that no path of the build
# gets into it. Every step stops the script when it fails; the log is WORK/log/PACKAGE.log.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

package=$1
work=$2
sources=${3-}
lock=${4-}
prefix=/cacao
stage=$work/stage
P=$stage$prefix
log=$work/log/$package.log
arch=$(uname -m)

unset CFLAGS CPPFLAGS CXXFLAGS LDFLAGS LIBS DESTDIR CMAKE_PREFIX_PATH PKG_CONFIG_PATH
export PATH="$work/bin:$PATH"
export CC=cacao-cc
# -Os; the decompressors are compiled with -O2: with -Os a pull of zstd layers takes a third longer. Nobody unwinds a stack in
# the product: without the tables for that it is a tenth smaller.
small='-Os -fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections -fstack-protector-strong -fstack-clash-protection -fcf-protection'
fast="-O2${small#-Os}"
export PKG_CONFIG_LIBDIR="$P/lib/pkgconfig"
export PKG_CONFIG_SYSROOT_DIR="$stage"
export SOURCE_DATE_EPOCH=1577836800
inc="-I$P/include"
lib="-static -L$P/lib"

autoconf() {
	./configure --prefix="$prefix" --host="$arch-linux-gnu" --build="$arch-linux-gnu" \
		--disable-shared --enable-static "$@"
}

# The make generator shares the job slots of the calling make.
cmake_here() {
	mkdir -p obj
	cmake -S . -B obj -G 'Unix Makefiles' -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
		-DCMAKE_C_COMPILER=cacao-cc -DCMAKE_C_FLAGS="$small $inc" -DCMAKE_EXE_LINKER_FLAGS="$lib" \
		-DCMAKE_FIND_ROOT_PATH="$P" -DBUILD_SHARED_LIBS=OFF -DCMAKE_POLICY_DEFAULT_CMP0074=NEW "$@"
}

put() { # FILES: archives to the prefix
	mkdir -p "$P/lib" "$P/include"
	cp "$@" "$P/lib/"
}

build_zlib() {
	CFLAGS="$fast" ./configure --static --prefix="$prefix"
	make libz.a
	put libz.a
	cp zlib.h zconf.h "$P/include/"
}

build_libzstd() {
	make -C lib libzstd.a CFLAGS="$fast" ZSTD_LIB_COMPRESSION=0 ZSTD_LIB_DICTBUILDER=0 \
		ZSTD_LIB_DEPRECATED=0 ZSTD_LEGACY_SUPPORT=0
	put lib/libzstd.a
	cp lib/zstd.h lib/zstd_errors.h "$P/include/"
}

build_json_c() {
	cmake_here -DBUILD_TESTING=OFF -DDISABLE_WERROR=ON -DCMAKE_BUILD_TYPE=None -DBUILD_APPS=OFF
	make -C obj
	make -C obj install DESTDIR="$stage"
}

build_libseccomp() {
	autoconf CFLAGS="$small"
	make -C include install DESTDIR="$stage"
	make -C src libseccomp.la
	make -C src install-libLTLIBRARIES DESTDIR="$stage"
}

build_libisal() {
	# The unit igzip holds inflate and what it needs; crc brings crc32_gzip_refl and its kin.
	make -f Makefile.unx lib units='igzip crc' CC=cacao-cc AS='nasm' CFLAGS_="$fast"
	cp bin/isa-l.a bin/libisal.a
	put bin/libisal.a
	mkdir -p "$P/include/isa-l"
	cp include/igzip_lib.h include/crc.h include/crc64.h "$P/include/isa-l/"
}

build_openssl() {
	# SM2, SM3 and SM4 stay (evidence of Hygon CSV), and so do the error texts.
	./Configure "linux-$arch" --prefix="$prefix" --openssldir=/etc/ssl --libdir=lib \
		no-shared no-tests no-engine no-dso no-module no-legacy no-async no-afalgeng no-ui-console \
		no-ssl3 no-tls1 no-tls1_1 no-dtls no-srp no-psk no-comp no-srtp no-nextprotoneg no-sctp \
		no-ec2m no-gost no-idea no-camellia no-seed no-aria no-bf no-cast no-des no-rc2 no-rc4 \
		no-md4 no-mdc2 no-rmd160 no-whirlpool no-blake2 no-siphash no-scrypt no-dsa no-cmp no-ts \
		no-ct no-rfc3779 no-autoload-config no-filenames no-makedepend CFLAGS="$small"
	make build_libs
	make install_dev DESTDIR="$stage"
}

build_c_ares() {
	cmake_here -DCARES_STATIC=ON -DCARES_SHARED=OFF -DCARES_BUILD_TOOLS=OFF -DCARES_BUILD_TESTS=OFF \
		-DCMAKE_BUILD_TYPE=None
	make -C obj
	make -C obj install DESTDIR="$stage"
}

build_nghttp2() {
	cmake_here -DENABLE_LIB_ONLY=ON -DENABLE_STATIC_LIB=ON -DENABLE_SHARED_LIB=OFF -DCMAKE_BUILD_TYPE=None
	make -C obj
	make -C obj install DESTDIR="$stage"
}

build_protobuf_c() {
	# The library is one file; the compiler of .proto files is the machine's own protoc-c.
	cacao-cc $small -I. -c protobuf-c/protobuf-c.c -o protobuf-c.o
	ar rcD libprotobuf-c.a protobuf-c.o
	put libprotobuf-c.a
	mkdir -p "$P/include/protobuf-c"
	cp protobuf-c/protobuf-c.h "$P/include/protobuf-c/"
}

build_curl() {
	# Name look-ups by c-ares: asynchronous, with time limits and a TCP fallback, no thread, no signal.
	# No content encodings: a blob of a registry must come back byte for byte.
	autoconf CFLAGS="$small" CPPFLAGS="$inc" LDFLAGS="$lib" LIBS='-lssl -lcrypto -lpthread' \
		--with-openssl="$P" --with-nghttp2="$P" --enable-ares="$P" \
		--without-zlib --without-zstd --without-brotli --without-libpsl --without-libidn2 \
		--without-librtmp --without-libssh2 --without-gssapi --without-ngtcp2 --without-nghttp3 \
		--without-ca-bundle --without-ca-path \
		--disable-ldap --disable-ldaps --disable-ftp --disable-file --disable-dict --disable-telnet \
		--disable-tftp --disable-pop3 --disable-imap --disable-smb --disable-smtp --disable-gopher \
		--disable-mqtt --disable-rtsp --disable-manual --disable-libcurl-option --disable-ntlm \
		--disable-ntlm-wb --disable-tls-srp --disable-alt-svc --disable-hsts --disable-netrc \
		--disable-doh --disable-aws --disable-negotiate-auth --disable-kerberos-auth \
		--disable-dateparse --disable-progress-meter --disable-mime --disable-threaded-resolver \
		--enable-proxy --enable-cookies --enable-ipv6 --enable-http-auth --disable-dependency-tracking
	grep -q '^#define USE_ARES 1' lib/curl_config.h || die 'curl: configured without c-ares'
	grep -q '^#define USE_NGHTTP2 1' lib/curl_config.h || die 'curl: configured without nghttp2'
	make -C lib
	make -C lib install DESTDIR="$stage"
	make -C include install DESTDIR="$stage"
	make install-pkgconfigDATA DESTDIR="$stage"
}

build_libarchive() {
	# cmake and not autotools: Debian's tree was generated with another libtool.
	set --
	for off in MBEDTLS NETTLE OPENSSL LIBB2 LZ4 LZO LZMA BZip2 LIBXML2 EXPAT PCREPOSIX LIBGCC CNG TAR \
		CPIO CAT TEST ICONV ACL WERROR INSTALL; do
		set -- "$@" "-DENABLE_$off=OFF"
	done
	# The build type must be one of the four known names.
	cmake_here -DCMAKE_BUILD_TYPE=MinSizeRel -DCMAKE_C_FLAGS_MINSIZEREL= "$@" \
		-DENABLE_XATTR=ON -DENABLE_ZLIB=ON -DENABLE_ZSTD=ON \
		-DZLIB_LIBRARY="$P/lib/libz.a" -DZLIB_INCLUDE_DIR="$P/include" \
		-DZSTD_LIBRARY="$P/lib/libzstd.a" -DZSTD_INCLUDE_DIR="$P/include"
	make -C obj archive_static
	put obj/libarchive/libarchive.a
	cp libarchive/archive.h libarchive/archive_entry.h "$P/include/"
}

build_libyaml() {
	# Of the reader alone; a checkout has no configure, and nothing to find out.
	for part in api reader scanner parser; do
		cacao-cc $small -Iinclude '-DYAML_VERSION_STRING="0.2.5"' -DYAML_VERSION_MAJOR=0 \
			-DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 -c "src/$part.c"
	done
	ar rcD libyaml.a api.o reader.o scanner.o parser.o
	put libyaml.a
	cp include/yaml.h "$P/include/"
}

# The three of gpgme ask a program for the flags of those they need: it names the prefix, which is not there yet.
gnupg_here() {
	autoconf CFLAGS="$small" CPPFLAGS="$inc" LDFLAGS="$lib" --with-libgpg-error-prefix="$P" \
		--disable-dependency-tracking --disable-doc "$@"
}

build_libgpg_error() {
	gnupg_here --disable-tests --disable-nls --disable-languages --disable-threads --enable-install-gpg-error-config
	make -C src
	make -C src install DESTDIR="$stage"
	rm -f "$P/lib/libgpg-error.la" # names the prefix, too
}

build_libassuan() {
	gnupg_here
	make -C src
	make -C src install DESTDIR="$stage"
	rm -f "$P/lib/libassuan.la"
}

build_gpgme1_0() {
	# For OpenPGP alone: gpg is started, no server is ever spoken to.
	gnupg_here --with-libassuan-prefix="$P" --enable-languages= --disable-glibtest --disable-gpgconf-test \
		--disable-gpg-test --disable-gpgsm-test --disable-g13-test --disable-fd-passing
	make -C src libgpgme.la
	put src/.libs/libgpgme.a
	cp src/gpgme.h "$P/include/"
}

run() {
	dsc=$(awk -v p="$package" '$1 == p && $4 ~ /\.dsc$/ { print $4 }' "$lock")
	[ -n "$dsc" ] || die "$package: no .dsc in $lock"
	rm -rf "$work/src/$package"
	mkdir -p "$work/src"
	# --no-check skips the uploader's signature only: apt and the lock have vouched for the files.
	dpkg-source --no-check --no-copy -x "$sources/$dsc" "$work/src/$package"
	cd "$work/src/$package" || die "cannot unpack"
	mkdir -p "$P/licenses"
	cp debian/copyright "$P/licenses/$package"
	"build_$(printf '%s' "$package" | tr -c 'a-z0-9' '_')"
}

tools() {
	# musl-gcc sees no kernel headers; all of /usr/include would mix two C libraries.
	mkdir -p "$work/bin" "$P/kernel"
	ln -sfn /usr/include/linux "$P/kernel/linux"
	ln -sfn /usr/include/asm-generic "$P/kernel/asm-generic"
	ln -sfn "/usr/include/$(gcc -print-multiarch)/asm" "$P/kernel/asm"
	# The terms of musl, unless this system leaves out documentation.
	mkdir -p "$P/licenses"
	cp /usr/share/doc/musl-dev/copyright "$P/licenses/musl" || :
	# The flags with paths of the build are in this wrapper, so that no library records them.
	cat >"$work/bin/cacao-cc" <<-END
		#!/bin/sh
		exec musl-gcc "\$@" -idirafter '$P/kernel' \\
			-ffile-prefix-map='$work/src'=/usr/src -ffile-prefix-map='$stage'=
	END
	chmod +x "$work/bin/cacao-cc"
}

if [ "$package" = tools ]; then
	tools
	exit 0
fi

# In a shell of its own, not as a condition: set -e holds inside of it.
mkdir -p "$work/log"
start=$(date +%s)
status=0
case ${5-} in
'')
	sh "$0" "$package" "$work" "$sources" "$lock" run >"$log" 2>&1 || status=$?
	if [ "$status" -ne 0 ]; then
		tail -n 40 "$log" >&2
		die "$package: building failed; the log is $log"
	fi
	say "  built $package in $(($(date +%s) - start)) s"
	;;
run) run ;;
esac
