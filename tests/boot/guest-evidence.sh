# shellcheck shell=sh disable=SC2154
# In the guest: one device at a time, so that each is found by what the kernel shows, and not by its name.
data=$(word data)
reports=/sys/kernel/config/tsm/report
mkdir /run/evidence
mount -t configfs configfs /sys/kernel/config

get() {	# NAME OPTION...
	name=$1
	shift
	aa-cli evidence get --report-data "$data" "$@" >"/run/evidence/$name" 2>"/run/evidence/$name.err"
	echo "evidence $name: exit $? $(cat "/run/evidence/$name.err")"
}

wait_for() {	# COMMAND...
	tries=600
	while [ $tries -gt 0 ]; do
		! "$@" 2>/dev/null || return 0
		sleep 0.1
		tries=$((tries - 1))
	done
	echo "waited in vain: $*"
	return 1
}

attach() {	# SOURCE PORT NODE
	/evidence/relay "$1" "$(port "$2")" &
	relay=$!
	wait_for test -c "$3"
}

detach() {	# NODE
	kill $relay
	wait $relay 2>/dev/null
	wait_for test ! -e "$1"
}

nodes=good
by_node() {	# NODE NAME...
	node=$1
	shift
	for name in "$@"; do
		attach /dev/cuse "$name" "/dev/$node" || nodes=bad
		get "$name"
		detach "/dev/$node" || nodes=bad
	done
}

sandbox tee
get nothing
by_node sev-guest snp snp-busy snp-refuses
by_node csv-guest csv csv-refuses
by_node tdx_guest tdx tdx-alone
tell "nodes $nodes"

# What real hardware has made binds what its owner asked for.
for tee in snp:sev-guest tdx:tdx_guest; do
	attach /dev/cuse "${tee%:*}-public" "/dev/${tee#*:}"
	data=$(word "${tee%:*}")
	get "${tee%:*}-public" --form raw
	detach "/dev/${tee#*:}"
done
data=$(word data)

# An event goes into a register, and with the evidence.
for tee in csv:csv-guest tdx:tdx_guest; do
	attach /dev/cuse "${tee%:*}-event" "/dev/${tee#*:}"
	aa-cli evidence extend example.org/boot Load 'some thing'
	get "${tee%:*}-event"
	detach "/dev/${tee#*:}"
	rm -r /run/attestation-agent
done

# CID 2, the host, is the guest itself as long as no other transport is loaded.
echo port=4050 >/etc/tdx-attest.conf
attach /dev/cuse tdx-alone /dev/tdx_guest
/evidence/relay vsock:4050 "$(port qgs)" >/run/listening &
service=$!
wait_for test -s /run/listening
get qgs
kill $service
wait $service 2>/dev/null
get qgs-gone
detach /dev/tdx_guest
rm /etc/tdx-attest.conf

# While its device does not answer, who asks can be looked at.
attach /dev/cuse csv /dev/csv-guest
kill -STOP $relay
get stopped &
asks=$!
locked() {	# or it has failed already
	seen tee | grep -q 'Seccomp: 2' || ! kill -0 $asks
}
wait_for locked
tell "tee $(seen tee)"
kill -CONT $relay
wait $asks
detach /dev/csv-guest

# --- the kernel's configfs-tsm

provided() {	# PROVIDER PORT: until "withdrawn"
	insmod /evidence/tsm_relay.ko provider="$1"
	wait_for test -c /dev/tsm_relay
	/evidence/relay /dev/tsm_relay "$(port "$2")" &
	relay=$!
	wait_for mkdir $reports/probe
	rmdir $reports/probe
}

withdrawn() {
	kill $relay
	wait $relay 2>/dev/null
	rmmod tsm_relay
}

if [ -e /evidence/tsm_relay.ko ]; then
	get tsm-none
	provided tdx_guest tsm
	get tsm-tdx
	get tsm-other --tee snp
	withdrawn
	provided sev_guest tsm
	get tsm-snp
	withdrawn
	provided tdx_guest tsm-busy
	get tsm-busy
	withdrawn
	provided tdx_guest tsm-late
	get tsm-late
	tell "tsm left $(find $reports -mindepth 1 -maxdepth 1 | wc -l)"
	withdrawn
fi

tar -c -C /run/evidence . >"$(port evidence)"
