#!/bin/sh
# Proves what the shipped binary must be: a static PIE, hardened, free of build paths, small. Prints TAP.
# usage: check-binary.sh [BINARY [MAP]]
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

binary=${1-build/attestation-agent}
map=${2-build/static/attestation-agent.debug.map}
gate=5767168 # 5.5 MiB
aim=4718592  # 4.5 MiB
number=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ok() { # STATUS NAME
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		say "ok $number - $2"
	else
		say "not ok $number - $2"
		failed=1
	fi
}
has() { if grep -q "$2" "$1"; then say 0; else say 1; fi; }
lacks() { if grep -q "$2" "$1"; then say 1; else say 0; fi; }

[ -f "$binary" ] || die "$binary is not there"
readelf -hW "$binary" >"$work/head"
readelf -lW "$binary" >"$work/segments"
readelf -dW "$binary" >"$work/dynamic"
readelf -SW "$binary" >"$work/sections"

ok "$(has "$work/head" 'Type:.*DYN')" 'position-independent'
ok "$(has "$work/dynamic" 'FLAGS_1.*PIE')" 'marked as an executable, not a library'
ok "$(lacks "$work/segments" INTERP)" 'no interpreter'
ok "$(lacks "$work/dynamic" NEEDED)" 'no shared library'
ok "$(lacks "$work/dynamic" -e RPATH -e RUNPATH)" 'no library search path'
ok "$(has "$work/segments" GNU_RELRO)" 'relocations read-only after start'
ok "$(has "$work/dynamic" BIND_NOW)" 'bound at start'
ok "$(has "$work/segments" 'GNU_STACK.* RW ')" 'stack not executable'
ok "$(lacks "$work/segments" ' RWE ')" 'no segment both writable and executable'
ok "$(lacks "$work/dynamic" TEXTREL)" 'no relocations in code'
ok "$(lacks "$work/sections" -e '\.symtab' -e '\.debug_')" 'stripped'

# Paths of this build, of the home folder and of the caches. One counts where it begins, not inside a
# longer one (/usr/src/ is the name given to the libraries' sources), but -I/path counts.
strings -a -n 6 "$binary" >"$work/strings"
printf '%s\n' /build/deps/ /deps/work/ >"$work/paths"
for path in "$top" "${HOME-}" "${XDG_CACHE_HOME-}" "${CACAO_DEPS_CACHE-}" "${CACAO_SOURCES-}"; do
	case $path in
	/?*) ;;
	*) continue ;;
	esac
	case $path in
	/tmp | /usr | /etc | /var | /run) ;;
	*) printf '%s/\n' "${path%/}" | sed 's/[][\.*^$+?(){}|]/\\&/g; s/^/(^|[^a-z0-9_.])/' >>"$work/paths" ;;
	esac
done
found=0
grep -E -f "$work/paths" "$work/strings" >"$work/found" || found=1
ok $((1 - found)) 'no path of the build inside'
[ ! -s "$work/found" ] || sed 's/^/# /' "$work/found" | head -n 10

size=$(wc -c <"$binary")
ok $((size > gate)) "not larger than $gate bytes"
say "# $size bytes: $((gate - size)) below the gate of $gate, aim $aim $(
	[ "$size" -le "$aim" ] && echo reached || echo missed)"

if [ -f "$map" ]; then
	say '# bytes in memory image by library (from the linker map, without bss):'
	# A line of the map: " .section 0xaddress 0xsize file"; a long section name stands on a line of its own.
	awk '
		function hex(text,  i, value) {
			value = 0; text = tolower(substr(text, 3))
			for (i = 1; i <= length(text); i++)
				value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
			return value
		}
		/^Linker script and memory map/ { on = 1; next }
		!on { next }
		/^ [.A-Za-z_][^ ]*$/ { section = $1; next }
		/^ [.A-Za-z_][^ ]* +0x/ { section = $1; address = $2; size = $3; file = $4 }
		/^ +0x[0-9a-f]+ +0x[0-9a-f]+ [^ ]/ { address = $1; size = $2; file = $3 }
		/^ *0x[0-9a-f]+ +[^0 ]/ || !/ 0x/ { next }
		file == "" || section ~ /^(\.bss|\.tbss|COMMON|\.debug|\.comment)/ || hex(address) == 0 { next }
		{
			if (match(file, /[^\/]*\.a\(/)) name = substr(file, RSTART, RLENGTH - 1)
			else name = "start files"
			if (section ~ /^\.rela/) name = "(relocations)"
			else if (section == ".eh_frame_hdr") name = "(unwind index)"
			else if (file ~ /build\/static\/(obj|libcacao)/) name = "cacao itself"
			total[name] += hex(size); file = ""
		}
		END { for (name in total) printf "# %9d  %s\n", total[name], name }' "$map" | sort -k2,2nr
fi
say "1..$number"
exit $failed
