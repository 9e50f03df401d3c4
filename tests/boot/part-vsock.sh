# shellcheck shell=sh disable=SC2154
# The agent listens by vsock, where the host calls: it may do what its list says and nothing else, whatever number the caller
# has. Callers are the guest itself, by its loopback.

vsock_frames() {
	PYTHONPATH=$e2e /usr/bin/python3 - "$tree/vsock" <<'END'
import sys
import agents

CALLS = {
    "resource": agents.get_resource("kbs:///default/key/1"), "unwrap": agents.unwrap(agents.PACKET),
    "pull": agents.pull("127.0.0.1:1/nobody/nothing:1", "/run/kata-containers/one"), "status": agents.STATUS,
    "evidence": ("attestation_agent.AttestationAgentService", "GetEvidence", b""),
}
for name, (service, method, message) in CALLS.items():
    with open(f"{sys.argv[1]}/{name}", "wb") as f:
        f.write(agents.frame(1, agents.providers.ttrpc_request(method, message, 10, service, raw=True)))
with open(sys.argv[1] + "/cut", "wb") as f:
    f.write(b"\xff\xff\xff\xff\0\0\0\1\1\0junk")
agents.offline_files(sys.argv[1] + "/keys")
END
}

vsock_prepare() {
	mkdir -p "$tree/vsock"
	gcc -std=gnu17 -O2 -static -s -o "$tree/vsock/call" "$boot/vsock_call.c" || bail "vsock_call.c does not build"
	for name in attestation-agent confidential-data-hub; do
		ln -s aa-cli "$tree/usr/bin/$name"
	done
	vsock_frames || bail "no frames"
	for list in '' '"pull"'; do
		printf 'format = 1\n\n[kbc]\nparams = "offline_fs_kbc::/vsock/keys"\n\n[vsock]\nhost_methods = [%s]\n' "$list" \
			>"$tree/vsock/settings${list:+-pull}"
	done
	module vsock_loopback
}

vsock_says() {	# NAME CALL TEXT: what was answered to it
	check "$1" grep -q "^vsock $2 .*$3" "$work/result"
	grep "^vsock $2 " "$work/result" | sed 's/^/# /' || :
}

vsock_check() {
	has "it listens by vsock" "vsock listens"
	for caller in list-1 list-2; do
		for call in resource unwrap status; do
			vsock_says "vsock, a list with pull: $call by CID ${caller#*-} is refused" "$caller $call" 'not for callers by vsock'
		done
		vsock_says "vsock, a list with pull: a pull by CID ${caller#*-} is taken" "$caller pull" 'Image Pull error'
		vsock_says "vsock: a length of 4 GiB by CID ${caller#*-} is refused" "$caller cut" 'too large'
	done
	for call in resource unwrap pull; do
		vsock_says "vsock, an empty list: $call is refused" "empty-1 $call" 'not for callers by vsock'
	done
	vsock_says "vsock, a list with pull: evidence is refused at its own port" "evidence-1 evidence" 'not for callers by vsock'
	has "the same call by the guest's own socket is answered" "vsock own a resource"
	check "no secret goes by vsock" sh -c "! grep '^vsock [el]' '$work/result' | grep -q 'the resource of a guest'"
}
