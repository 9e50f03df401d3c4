# shellcheck shell=sh
# In the guest: an agent with a list for the host, one without, and who calls them.

vsock_start() {	# NAME SETTINGS PROGRAM OPTIONS…
	vsock_name=$1 vsock_settings=$2 vsock_program=$3
	shift 3
	"$vsock_program" --run-dir "/run/$vsock_name" --own-config "$vsock_settings" --ready-fd 3 "$@" 3>"/run/$vsock_name.ready" &
	for _ in $(seq 240); do
		[ ! -s "/run/$vsock_name.ready" ] || return 0
		sleep 0.5
	done
	return 1
}

vsock_call() {	# NAME CID PORT CALL
	tell "vsock $1-$2 $4 $(/vsock/call "$2" "$3" <"/vsock/$4" | tr -cd ' -~')"
}

mkdir -p /run/kata-containers/one
vsock_start list /vsock/settings-pull confidential-data-hub -s vsock://-1:4060 &&
	vsock_start list /vsock/settings-pull attestation-agent --attestation_sock vsock://-1:4062 &&
	vsock_start empty /vsock/settings confidential-data-hub -s vsock://-1:4061 &&
	tell "vsock listens"
for cid in 1 2; do
	for call in resource unwrap pull status cut; do
		vsock_call list $cid 4060 $call
	done
done
for call in resource unwrap pull; do
	vsock_call empty 1 4061 $call
done
vsock_call evidence 1 4062 evidence
aa-cli get-resource --socket /run/list/agent.sock kbs:///default/key/1 >/run/vsock.resource &&
	grep -q 'the resource of a guest' /run/vsock.resource && tell "vsock own a resource"
# shellcheck disable=SC2046 # one word for each
kill $(jobs -p) 2>/dev/null
