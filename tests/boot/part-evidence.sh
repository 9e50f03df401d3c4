# shellcheck shell=sh disable=SC2034,SC2154
# Evidence from devices of the kernel's own kind: nodes by CUSE, configfs-tsm by the kernel's core with a provider of
# ours. Answers come from the emulator of tests/tee on this side (devices.py); verify.py judges what comes out.

evidence_nodes='snp snp-busy snp-refuses snp-public csv csv-refuses csv-event
	tdx tdx-alone tdx-event tdx-public qgs'
evidence_tsm='tsm tsm-busy tsm-late'
evidence_log=$vectors/evidence/ccel/CCEL_data_tdshim
evidence_log_at=0x10000000
evidence_report=$vectors/evidence/snp/test-report.bin
evidence_quote=$vectors/evidence/tdx/tdx_quote_4.dat

# The module must fit the kernel exactly, so it is built each time.
evidence_module() {
	cp -r "$boot/module" "$work/module"
	make -s -C "$headers" M="$work/module" CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_MODULE_SIG_ALL= \
		modules >"$work/module.log" 2>&1 || bail "module: $(tail -n 5 "$work/module.log")"
	cp "$work/module/tsm_relay.ko" "$tree/evidence/"
	module tsm
}

# The table says where the log is: its kind, 64 KiB, the address. The kernel must not use that memory for itself.
evidence_firmware_log() {
	printf '\002\000\000\000\000\000\001\000\000\000\000\000\000\000\000\020\000\000\000\000' >"$work/ccel.table"
	qemu="$qemu -acpitable sig=CCEL,rev=1,data=$work/ccel.table"
	qemu="$qemu -device loader,file=$evidence_log,addr=$evidence_log_at,force-raw=on"
	words="$words memmap=64K\$$evidence_log_at"
}

evidence_bytes() {	# OFFSET FILE: the report data that it binds
	od -An -v -tx1 -j "$1" -N 64 "$2" | tr -d ' \n'
}

# Each has a controller to itself: one for all loses the word that a port is open when there are more than it has buffers for.
evidence_port() {	# NAME CHARDEV
	qemu="$qemu -chardev $2,id=$1 -device virtio-serial-pci,id=on-$1,max_ports=2"
	qemu="$qemu -device virtserialport,bus=on-$1.0,chardev=$1,name=$1"
}

evidence_prepare() {
	mkdir -p "$tree/evidence" "$work/sockets" "$work/evidence"
	gcc -std=gnu17 -O2 -static -s -I"$top" -o "$tree/evidence/relay" "$boot/relay.c" ||
		bail "relay.c does not build"
	module cuse
	module virtio_console
	module configfs
	module vsock_loopback
	[ -z "$headers" ] || evidence_module
	evidence_firmware_log

	"$boot/devices.py" "$work/roots" "$work/sockets" >"$work/devices" 2>"$work/devices.err" &
	pids="$pids $!"
	until [ -s "$work/devices" ]; do
		kill -0 $! 2>/dev/null || bail "devices.py: $(cat "$work/devices.err")"
		sleep 0.1
	done
	evidence_port evidence "file,path=$work/evidence.tar"
	for name in $evidence_nodes $evidence_tsm; do
		evidence_port "$name" "socket,path=$work/sockets/$name"
	done
	report_data=$(random_hex 64)
	words="$words cacao.data=$report_data"
	words="$words cacao.snp=$(evidence_bytes 80 "$evidence_report") cacao.tdx=$(evidence_bytes 568 "$evidence_quote")"
}

evidence_good() {	# TEE NAME WHAT: a file that came out, believed by the verifier
	case $1 in
	tdx) set -- "$@" --root "$work/roots/tdx-root.pem" ;;
	snp) set -- "$@" --root "$work/roots/snp-ark.pem" ;;
	csv) set -- "$@" --root "$work/roots/csv-hrk.cert" --certs "$work/roots/csv-hsk-cek.cert" ;;
	esac
	good_tee=$1 good_name=$2 good_what=$3 good_before=$test_failed
	shift 3
	check "$good_what" "$top/tests/tee/verify.py" "$good_tee" "$work/evidence/$good_name" "$@" \
		--report-data "$report_data"
	[ "$test_failed" -eq "$good_before" ] || sed 's/^/#   /' "$work/evidence/$good_name.err" 2>/dev/null || :
}

evidence_event() {	# TEE REGISTER: of the file TEE-event
	evidence_good "$1" "$1-event" "$1 by CUSE: evidence after an event, verified"
	cp "$work/check.out" "$work/claims"
	check "$1 by CUSE: the event is in log and register" "$boot/events.py" "$1" "$work/evidence/$1-event" \
		"$work/claims" "$2" "example.org/boot Load some thing"
}

evidence_refused() {	# NAME ERROR TEXT WHAT: an error and nothing else
	if [ ! -s "$work/evidence/$1" ] && grep -q "($2)" "$work/evidence/$1.err" 2>/dev/null &&
		grep -q -- "$3" "$work/evidence/$1.err"; then
		ok "$4"
	else
		not_ok "$4"
		diag "says: $(cat "$work/evidence/$1.err" 2>&1)"
	fi
}

evidence_has_log() {	# which ends in a mark instead of zeros
	jq -r .cc_eventlog "$work/evidence/tdx" | base64 -d >"$work/log" &&
		[ "$(stat -c %s "$work/log")" -eq "$(stat -c %s "$evidence_log")" ] &&
		cmp -n "$(($(stat -c %s "$evidence_log") - 8))" "$work/log" "$evidence_log"
}

evidence_check() {
	tar -x -C "$work/evidence" -f "$work/evidence.tar" --no-same-owner 2>"$work/err" || diag "$(cat "$work/err")"
	evidence_refused nothing NO_TEE 'looked for' "no device: an error that tells what was looked for"
	evidence_good snp snp "SNP by CUSE: report and certificates, verified"
	evidence_good csv csv "CSV by CUSE: extended report, verified"
	evidence_good tdx tdx "TDX by CUSE: quote, verified"
	evidence_refused snp-busy TIMEOUT 'host error 2' "SNP by CUSE: the host's error comes with the errno"
	evidence_refused snp-refuses EVIDENCE 'firmware error 22' "SNP by CUSE: the firmware's error, too"
	evidence_refused csv-refuses EVIDENCE csv-guest "CSV by CUSE: EIO"
	evidence_refused tdx-alone EVIDENCE configfs-tsm "TDX by CUSE: the driver has no quotes (ENOTTY)"
	evidence_good tdx qgs "TDX by CUSE and vsock: the quote comes from the host, verified"
	evidence_refused qgs-gone EVIDENCE 'connect to the host' "TDX by CUSE and vsock: nobody listens there"
	check "SNP by CUSE: a report of real hardware, unchanged" \
		cmp -n 1184 "$work/evidence/snp-public" "$evidence_report"
	check "TDX by CUSE: a quote of real hardware, unchanged" \
		cmp -n 4936 "$work/evidence/tdx-public" "$evidence_quote"
	case $version in
	6.1.*) skip "the log of the firmware is attached" "Linux $version does not show it" ;;
	*) check "the log of the firmware is attached" evidence_has_log ;;
	esac
	evidence_event csv 4
	evidence_event tdx 3
	has "the nodes are character devices, gone with their server" "nodes good"
	has "the process that asks is under seccomp, without new privileges" "tee cacao: tee NoNewPrivs: 1 Seccomp: 2 "
	has "the sandbox of tee holds in the guest" "sandbox tee good"
	has "Landlock is active for tee" "landlock tee missed 0"
	if [ -n "$headers" ]; then
		evidence_tsm_check
	else
		skip "configfs-tsm of the kernel" "no headers of $version to build its provider with"
	fi
}

evidence_tsm_check() {
	evidence_refused tsm-none NO_TEE 'looked for' "configfs-tsm without a provider is no platform"
	evidence_good tdx tsm-tdx "TDX by the kernel's configfs-tsm: quote, verified"
	evidence_good snp tsm-snp "SNP by the kernel's configfs-tsm: report and auxblob, verified"
	evidence_good tdx tsm-busy "TDX by the kernel's configfs-tsm: a host that is busy twice"
	evidence_refused tsm-late TIMEOUT outblob "TDX by the kernel's configfs-tsm: a host that does not answer"
	evidence_refused tsm-other NO_TEE 'snp: there is no' "the kernel's configfs-tsm with the provider of another platform"
	has "nothing is left in configfs-tsm" "tsm left 0"
}
