#!/bin/sh
# What settings do at the start of a running agent: files of kbc.credentials, the hub's own socket, the log's level, and a store
# that was filled before this boot.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
ocicrypt keys "$work/keys" $kid
printf '{"default/credential/one":"%s","default/credential/two":"%s"}' "$(printf 'first file' | base64)" \
	"$(printf 'second file' | base64)" >"$work/keys/aa-offline_fs_kbc-resources.json"
hub=$work/hub.sock
named=$work/named.sock
run_dir=$work/run
: >"$work/cmdline"

start_hub() {	# settings of the hub, as TOML
	printf '%s\n' "$1" >"$work/hub.toml"
	setsid "$bin/confidential-data-hub" -s "unix://$hub" -c "$work/hub.toml" --own-config "$work/agent.toml" \
		--run-dir "$run_dir" --cmdline "$work/cmdline" >"$work/agent.out" 2>"$work/agent.log" &
	agent=$!
	pids="$pids $agent"
	wait_for "$hub" "$agent" || bail "the agent does not listen: $(tail -n 3 "$work/agent.log")"
}

wait_for() {	# FILE [PROCESS]: until it is there, or the process has ended
	wait_turns=0
	while [ ! -e "$1" ]; do
		wait_turns=$((wait_turns + 1))
		[ "$wait_turns" -le 1500 ] || return 1
		[ -z "${2:-}" ] || kill -0 "$2" 2>/dev/null || return 1
		sleep 0.02
	done
}

wait_log() {	# TEXT: what a job says comes by way of the agent, and after what it does
	comes_true 30 grep -q "$1" "$work/agent.log"
}

stop_hub() {
	kill "$agent" 2>/dev/null || :
	wait "$agent" 2>/dev/null || :
}

resource() {	# SOCKET
	run python3 "$e2e/callers.py" resource "$1" "kbs:///default/credential/one"
}

cat >"$work/agent.toml" <<END
format = 1
[kbc]
params = "offline_fs_kbc::$work/keys"
END

# --- the hub's socket, and the log's level -------------------------------------------------------------------

start_hub "socket = \"unix://$named\"
[kbc]
name = \"offline_fs_kbc\"
url = \"$work/keys\"
[log]
level = \"debug\""
check "a socket that the hub's settings name" wait_for "$named" "$agent"
diag_file "$work/agent.log"
check "and the one it was started with" [ -S "$hub" ]
for socket in "$hub" "$named"; do
	run "$aa" get-resource --socket "$socket" kbs:///default/credential/one
	check "both answer" [ "$(cat "$work/out")" = "first file" ]
	diag_file "$work/err"
done
stop_hub
check "both are gone with the agent" [ ! -e "$hub" -a ! -e "$named" ]

start_hub "[log]
level = \"error\""
run "$aa" get-resource --socket "$hub" kbs:///default/credential/one
check "a call" [ "$rc" -eq 0 ]
stop_hub
check "is not logged where only errors are" [ ! -s "$work/agent.log" ]
diag_file "$work/agent.log"

# --- credentials ---------------------------------------------------------------------------------------------

dir=/run/confidential-containers/cdh
if is_root; then
	mkdir -p /run/confidential-containers
	mount -t tmpfs tmpfs /run/confidential-containers
	printf 'kbc.name = "offline_fs_kbc"\nkbc.url = "%s"\n' "$work/keys" >"$work/head"
	start_hub "$(cat "$work/head")
[[credentials]]
path = \"$dir/kbs/one\"
resource_uri = \"kbs:///default/credential/one\"
[[credentials]]
path = \"$dir/kbs/none\"
resource_uri = \"kbs:///default/credential/none\"
[[credentials]]
path = \"$dir/kbs/deep/two\"
resource_uri = \"kbs:///default/credential/two\""
	check "files of kbc.credentials" wait_for $dir/kbs/one "$agent"
	diag_file "$work/agent.log"
	check "one behind another that cannot be had" wait_for $dir/kbs/deep/two "$agent"
	check "they are what the broker has" [ "$(cat $dir/kbs/one $dir/kbs/deep/two 2>&1)" = "first filesecond file" ]
	check "for root alone" [ "$(stat -c '%a %u' $dir/kbs/one)" = "600 0" ]
	check "nothing else is there" [ "$(find $dir/kbs -type f | wc -l)" -eq 2 ]
	check "what cannot be had is in the log" wait_log 'default/credential/none'
	stop_hub
	rm -r $dir/kbs
	ln -s "$work" $dir/kbs
	start_hub "$(cat "$work/head")
[[credentials]]
path = \"$dir/kbs/one\"
resource_uri = \"kbs:///default/credential/one\""
	wait_log 'not all files' || :
	check "no link is followed" [ ! -e "$work/one" ]
	check "and the log says why" grep -q 'not all files' "$work/agent.log"
	stop_hub
else
	skip "files of kbc.credentials" "only root writes below /run"
fi

# --- a store of another boot ---------------------------------------------------------------------------------

cp "$accept_policy" "$work/policy.json"
mkimage build "$work/img:one" files=5 >/dev/null
registry_start plain
mkimage push "$work/img:one" "http://$registry/test/image:one" >/dev/null
mkdir "$work/bundles"
cat >"$work/agent.toml" <<END
format = 1
[image]
policy = "$work/policy.json"
store = "$work/store"
[registry]
insecure = ["$registry"]
[pull]
bundles = ["$work/bundles"]
END
start_hub ''
pull() {
	run "$aa" pull --socket "$hub" "$registry/test/image:one" "$work/bundles/$1"
	check "$1" [ "$rc" -eq 0 ]
	diag_file "$work/err"
}
pull first
touch "$work/store/layers/old-0"
pull second
check "in one boot what is in the store stays" [ -e "$work/store/layers/old-0" ]
echo another >"$work/store/boot"
pull third
check "what another boot has left is gone" [ ! -e "$work/store/layers/old-0" ]
stop_hub

plan
