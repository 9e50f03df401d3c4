#!/bin/sh
# One boot of a guest whose initrd holds a shell, the program and what the parts below add. The emulator runs without
# hardware virtualisation, so it works wherever it is installed. README.md says how a part is added.
# time-limit: 900
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/../e2e/lib.sh"

parts='pull evidence vsock'
boot=$top/tests/boot
cache=$top/build/cache/kernel
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] ||
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/cacao/kernel
for tool in qemu-system-x86_64 cpio xz busybox docker-registry; do
	command -v "$tool" >/dev/null || bail "no $tool"
done
is_static "$aa" || bail "the guest holds no libraries: give a static program (CACAO_BIN_DIR)"
sh "$boot/fetch-kernel.sh" "$cache" >"$work/kernel" || bail "no kernel"
kernel=$(sed -n 1p "$work/kernel")
modules=$(sed -n 2p "$work/kernel")
# shellcheck disable=SC2034 # for the parts
headers=$(sed -n 3p "$work/kernel")
version=${kernel##*/vmlinuz-}
diag "kernel $version"

# --- for the parts ----------------------------------------------------------------

tree=$work/initrd	# root of the guest
words=			# cacao.NAME=VALUE: what "word NAME" gives in the guest
qemu=			# more options of the emulator

random_hex() {
	od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'
}

unpack_module() {	# FILE TO
	case $1 in
	*.xz) xz -dc "$1" >"$2" ;;
	*) cp "$1" "$2" ;;
	esac
}

: >"$work/chosen"
module() {	# NAME: of the kernel's package, loaded before any part begins, with what it needs
	/sbin/modprobe -d "$modules" -S "$version" --show-depends "$1" |
		sed -n 's/^insmod \([^ ]*\).*/\1/p' >"$work/insmod"
	while read -r file; do
		file_name=$(basename "$file" .xz)
		! grep -qxF "$file_name" "$work/chosen" || continue
		echo "$file_name" >>"$work/chosen"
		unpack_module "$file" "$tree/modules/$((99 + $(wc -l <"$work/chosen")))-$file_name"
	done <"$work/insmod"
}

has() {	# NAME LINE: a line that was told in the guest, exactly
	if grep -qxF -- "$2" "$work/result"; then
		ok "$1"
	else
		not_ok "$1"
		diag "wanted: $2"
		diag "there is: $(grep "^${2%% *} " "$work/result" | head -n 1)"
	fi
}

# --- the guest ---------------------------------------------------------------------

mkdir -p "$tree/bin" "$tree/usr/bin" "$tree/etc" "$tree/modules" "$tree/parts"
cp "$(command -v busybox)" "$tree/bin/busybox"
cp -L "$aa" "$tree/usr/bin/aa-cli"
install -m 755 "$boot/init" "$tree/init"
for part in $parts; do
	cp "$boot/guest-$part.sh" "$tree/parts/"
	# shellcheck source=/dev/null
	. "$boot/part-$part.sh"
	"${part}_prepare"
done
(cd "$tree" && find . -mindepth 1 -printf '%P\0' | sort -z |
	cpio -0 -o -H newc -R 0:0 --quiet | gzip -1) >"$work/initrd.gz"
diag "initrd of $(($(stat -c %s "$work/initrd.gz") / 1024)) KiB"

: >"$work/told"
start=$(now)
# shellcheck disable=SC2086 # words are words
timeout 600 qemu-system-x86_64 -accel tcg -machine q35 -cpu max -m 512 -smp 1 \
	-nodefaults -no-user-config -display none -serial stdio -serial "file:$work/told" -no-reboot \
	-kernel "$kernel" -initrd "$work/initrd.gz" \
	-append "console=ttyS0 panic=-1 reboot=t quiet cacao.parts=$(echo $parts | tr ' ' ,)$words" \
	-netdev user,id=n0 -device virtio-net-pci,netdev=n0,romfile= $qemu \
	</dev/null >"$work/console" 2>"$work/qemu.err" || diag "qemu ended with $?"
diag "the guest ran for $(($(now) - start)) ms"
tr -d '\r' <"$work/told" >"$work/result"
sed -n 's/^time /# in the guest: /p' "$work/result"

for part in $parts; do
	"${part}_check"
done
has "the guest reaches its end" end
if [ "$test_failed" -gt 0 ]; then
	diag "console:"
	tr -d '\r' <"$work/console" | sed 's/\x1b[^a-zA-Z]*[a-zA-Z]//g' | cut -c 1-300 | tail -n 80 | sed 's/^/#   /'
	diag_file "$work/qemu.err"
fi

plan
