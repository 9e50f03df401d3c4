# shellcheck shell=sh disable=SC2034,SC2154
# An encrypted image, pulled over the network by the program, which finds policy and keys where a guest has them.

pull_prepare() {
	word=word-$(random_hex 12)
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

	mkdir -p "$tree/etc/cacao"
	cp "$accept_policy" "$tree/etc/cacao/policy.json"
	cp "$work/keys/aa-offline_fs_kbc-keys.json" "$tree/etc/"
	echo '127.0.0.1 localhost' >"$tree/etc/hosts"
	echo 'hosts: files dns' >"$tree/etc/nsswitch.conf"
	module virtio_pci
	module virtio_net
	words="$words cacao.word=$word cacao.image=docker://10.0.2.2:$registry_port/guest/image:enc"
}

pull_check() {
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
}
