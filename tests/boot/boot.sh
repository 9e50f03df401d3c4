#!/bin/sh
# One boot of a guest whose initrd holds a shell, the program and nothing else: it pulls an encrypted image over the
# network. The emulator runs without hardware virtualisation, so it works wherever it is installed.
# time-limit: 240
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/../e2e/lib.sh"

cache=$top/build/cache/kernel
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] ||
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/cacao/kernel
for tool in qemu-system-x86_64 cpio xz busybox docker-registry; do
	command -v "$tool" >/dev/null || bail "no $tool"
done
is_static "$aa" || bail "the guest holds no libraries: give a static program (CACAO_BIN_DIR)"
sh "$top/tests/boot/fetch-kernel.sh" "$cache" >"$work/kernel" || bail "no kernel"
kernel=$(sed -n 1p "$work/kernel")
modules=$(sed -n 2p "$work/kernel")
version=${kernel##*/vmlinuz-}
diag "kernel $version"

# --- the image, encrypted, in a registry on this machine ------------------------

random_hex() {
	od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'
}
word=word-$(random_hex 12)
mark=mark-$(random_hex 8)
told=told-$(random_hex 12)
kid=default/key/guest
ocicrypt keys "$work/keys" $kid
echo "$told" >"$work/motd"
seed=0x$(random_hex 4)
mkimage build "$work/img:plain" "gzip=none,put=$(command -v busybox):bin/busybox" \
	"files=200,size=8m,seed=$((seed))" "put=$work/motd:etc/motd:644" >/dev/null
run "$aa" encrypt "oci:$work/img:plain" "oci:$work/enc:enc" \
	--recipient "provider:attestation-agent:kbs:///$kid" --aa-kbc-params "offline_fs_kbc::$work/keys"
[ "$rc" -eq 0 ] || bail "encrypt: $(cat "$work/err")"
registry_start guest
mkimage push "$work/enc:enc" "http://$registry/guest/image:enc" >/dev/null
wanted=$(umoci raw unpack --rootless --image "$work/img:plain" "$work/tree" >/dev/null 2>&1 &&
	sha256sum <"$work/tree/data/000001" | cut -d' ' -f1)

# --- the initrd -------------------------------------------------------------------

tree=$work/initrd
mkdir -p "$tree/bin" "$tree/usr/bin" "$tree/etc/cacao" "$tree/modules"
cp "$(command -v busybox)" "$tree/bin/busybox"
cp -L "$aa" "$tree/usr/bin/aa-cli"
install -m 755 "$top/tests/boot/init" "$tree/init"
cp "$accept_policy" "$tree/etc/cacao/policy.json"
cp "$work/keys/aa-offline_fs_kbc-keys.json" "$tree/etc/"
echo '127.0.0.1 localhost' >"$tree/etc/hosts"
echo 'hosts: files dns' >"$tree/etc/nsswitch.conf"
number=10
: >"$work/chosen"
for module in virtio_pci virtio_net; do
	/sbin/modprobe -d "$modules" -S "$version" --show-depends $module |
		sed -n 's/^insmod \([^ ]*\).*/\1/p' >"$work/insmod"
	while read -r file; do
		name=$(basename "$file" .xz)
		! grep -qxF "$name" "$work/chosen" || continue
		echo "$name" >>"$work/chosen"
		case $file in
		*.xz) xz -dc "$file" >"$tree/modules/$number-$name" ;;
		*) cp "$file" "$tree/modules/$number-$name" ;;
		esac
		number=$((number + 1))
	done <"$work/insmod"
done
(cd "$tree" && find . -mindepth 1 -printf '%P\0' | sort -z |
	cpio -0 -o -H newc -R 0:0 --quiet | gzip -1) >"$work/initrd.gz"
diag "initrd of $(($(stat -c %s "$work/initrd.gz") / 1024)) KiB"

# --- the guest ---------------------------------------------------------------------

start=$(now)
timeout 90 qemu-system-x86_64 -accel tcg -machine q35 -cpu max -m 512 -smp 1 \
	-nodefaults -no-user-config -display none -serial stdio -no-reboot \
	-kernel "$kernel" -initrd "$work/initrd.gz" \
	-append "console=ttyS0 panic=-1 reboot=t quiet cacao.word=$word cacao.mark=$mark cacao.image=docker://10.0.2.2:$registry_port/guest/image:enc" \
	-netdev user,id=n0 -device virtio-net-pci,netdev=n0,romfile= \
	</dev/null >"$work/console" 2>"$work/qemu.err" || diag "qemu ended with $?"
diag "the guest ran for $(($(now) - start)) ms"
tr -d '\r' <"$work/console" | sed -n "s/.*$mark //p" >"$work/result"

has() {	# NAME LINE: a line of the result, exactly
	if grep -qxF -- "$2" "$work/result"; then
		ok "$1"
	else
		not_ok "$1"
		diag "wanted: $2"
		diag "there is: $(grep "^${2%% *} " "$work/result" | head -n 1)"
	fi
}

has "the guest reaches its end" end
has "the pull succeeds" "exit 0"
has "a file of the image is right" "file $wanted"
has "a program of the image runs" "program $told"
has "it is this guest" "word $word"
has "nothing is left beside the bundle" "left 0"
check "Landlock is in this kernel" grep -q '^lsm .*landlock' "$work/result"
for role in net key crypt pull unpack; do
	has "the sandbox of $role holds in the guest" "sandbox $role good"
	has "Landlock is active for $role" "landlock $role missed 0"
done
check "processes of the pull were seen" grep -q '^seen cacao: ' "$work/result"
check "each of them under seccomp, without new privileges" \
	sh -c "! grep '^seen cacao: ' '$work/result' | grep -v 'NoNewPrivs: *1 *Seccomp: *2'"
sed -n 's/^seen /# /p' "$work/result"
if [ "$test_failed" -gt 0 ]; then
	diag "console:"
	tr -d '\r' <"$work/console" | sed 's/\x1b[^a-zA-Z]*[a-zA-Z]//g' | tail -n 60 | sed 's/^/#   /'
	diag_file "$work/qemu.err"
fi

plan
