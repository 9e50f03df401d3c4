#!/bin/sh
# The agent as its callers see it: each method of the table through the doors of the names, in five ways; nothing secret in the log.
# time-limit: 400
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

canary="canary-5ec2e7"
run=$work/run
mkdir -m 0700 "$run"
mkdir -p "$work/kbs" "$work/bundles"

# --- a broker with a resource, the key of layers, and a policy under its oldest name
python3 - "$work/kbs" "$canary" <<'END'
import base64, json, os, sys
text = lambda b: base64.b64encode(b).decode()
where, canary = sys.argv[1:3]
json.dump({"default/key/1": text(os.urandom(32))}, open(where + "/aa-offline_fs_kbc-keys.json", "w"))
json.dump({"default/key/canary": text(canary.encode()), "default/security-policy/test": text(b"policy")},
          open(where + "/aa-offline_fs_kbc-resources.json", "w"))
END
chmod 0600 "$work"/kbs/*
echo "offline_fs_kbc::$work/kbs" >"$work/broker"
: >"$work/cmdline"

# --- an image, and a registry that takes connections and says nothing
registry_start services
mkimage build "$work/img:one" files=3,size=2k >/dev/null
mkimage push "$work/img:one" "http://$registry/test/image:one" >/dev/null
python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1], "w").write(str(s.getsockname()[1]))
time.sleep(600)' "$work/hole" &
pids="$pids $!"
wait_file "$work/hole"
hole=127.0.0.1:$(cat "$work/hole")

cat >"$work/agent.toml" <<END
format = 1
[kbc]
params = "offline_fs_kbc::$work/kbs"
[attester]
allow_sample = true
[evidence]
tee = "sample"
for_callers = "raw"
[image]
policy = "$accept_policy"
store = "$work/store"
snapshot = "flat"
[registry]
insecure = ["$registry", "$hole"]
[pull]
bundles = ["$work/bundles"]
END

agent_dir=$run/cacao

start_name attestation-agent --own-config "$work/agent.toml" -a "unix://$run/aa.sock" -k "unix://$run/keyprovider.sock" \
	-g "unix://$run/getresource.sock"
agent_pid=$name_pid
start_name confidential-data-hub -s "unix://$run/cdh.sock"

rpc() { # its pid
	"$aa" status --run-dir "$run/cacao" --json | jq '.roles[] | select(.name == "rpc") | .pid'
}
rpc_pid=$(rpc)
callers() { # PROGRAM [ARGUMENTS]: /usr/bin/python3 is the one that has Debian's grpcio
	callers_program=$1
	shift
	adopt timeout -k 5 200 /usr/bin/python3 "$e2e/$callers_program" "$run/cacao/agent.sock" "$run/aa.sock" \
		"$run/cdh.sock" "$run/keyprovider.sock" "$run/getresource.sock" "docker://$registry/test/image:one" \
		"$work/bundles" "docker://$hole" "$top/agent/services.c" "$@"
}
callers services.py

# --- and callers that others have written
for peer in peer-go peer-rust; do
	if [ -x "$top/build/peers/bin/$peer" ]; then
		callers peers.py "$top/build/peers/bin/$peer"
	else
		skip "$peer" "not built: make peers"
	fi
done
port() {
	echo "127.0.0.1:$(free_port)"
}
grpc_aa=$(port) grpc_hub=$(port) grpc_keys=$(port) grpc_resource=$(port)
start_name attestation-agent --own-config "$work/agent.toml" -a "$grpc_aa" -k "$grpc_keys" -g "$grpc_resource"
start_name confidential-data-hub -s "$grpc_hub"
callers peers.py grpc "$grpc_aa" "$grpc_hub" "$grpc_keys" "$grpc_resource"

# --- frames that were cut, changed or never end, at the agent
for test in calls many cuts flips odd reader; do
	adopt timeout -k 5 100 /usr/bin/python3 "$e2e/providers.py" "$test" "ttrpc:unix://$run/keyprovider.sock"
done
for test in calls cuts flips reader; do
	adopt timeout -k 5 100 /usr/bin/python3 "$e2e/providers.py" "$test" "grpc:$grpc_keys"
done
check 'its callers have not cost a process' test "$rpc_pid" = "$(rpc)"

check 'the agent has survived' kill -0 "$agent_pid"
check 'a line for each call' grep -Eq \
	'api.GetResourceService/GetResource for uid [0-9]+: OK, [0-9]+ ms$' "$work/agent.log"
check 'and for one that is refused' grep -Eq 'api.SecureMountService/SecureMount for uid [0-9]+: UNAVAILABLE, ' "$work/agent.log"
check 'nothing secret in it' sh -c '! grep -e "$1" -e symkeyopts -e "$(printf %s "$1" | base64)" "$2"' sh "$canary" \
	"$work/agent.log"
kill "$agent_pid"
check 'it ends' gone "$agent_pid"
[ "$test_failed" -eq 0 ] || diag_file "$work/agent.log"

plan
