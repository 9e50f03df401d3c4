#!/bin/sh
# Links a static PIE with musl. usage: link-static.sh OUTPUT LIBDIR OBJECTS-AND-LIBRARIES...
# Writes OUTPUT and OUTPUT.map.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

out=$1
libdir=$2
shift 2
musl=/usr/lib/$(uname -m)-linux-musl
gcc_file() { gcc -print-file-name="$1"; }

for file in "$musl/rcrt1.o" "$musl/libc.a" "$(gcc_file crtbeginS.o)" "$(gcc_file libgcc.a)"; do
	[ -f "$file" ] || die "$file is missing: run make setup"
done
# Every library must come from the prefix: the system's own would be glibc's.
for word in "$@"; do
	case $word in
	-lpthread) ;; # part of libc.a
	-l*) [ -f "$libdir/lib${word#-l}.a" ] || die "$libdir/lib${word#-l}.a is missing: run make deps" ;;
	esac
done

exec gcc -nostdlib -nostartfiles -static-pie -o "$out" \
	"$musl/rcrt1.o" "$musl/crti.o" "$(gcc_file crtbeginS.o)" \
	-L"$libdir" -L"$musl" \
	-Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--build-id=none,-Map="$out.map" \
	"$@" \
	-Wl,--start-group "$(gcc_file libgcc.a)" "$(gcc_file libgcc_eh.a)" "$musl/libc.a" -Wl,--end-group \
	"$(gcc_file crtendS.o)" "$musl/crtn.o"
