#!/bin/sh
# aa-keyprovider: WrapKey and UnWrapKey over gRPC (grpcio is the caller), ttrpc and standard input; callers that
# break off, stall, flood and lie; its sockets and its end.
# time-limit: 600
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

provider=$bin/aa-keyprovider
python=/usr/bin/python3	# the one that has Debian's grpcio
keys=$work/keys
umask 077
mkdir -p "$keys/default/key" "$work/run"
head -c 32 /dev/urandom >"$keys/default/key/1"
umask 022
sock=$work/run/kp.sock
port=$(free_port)

# start OPTIONS…: a provider that listens; $provider_pid
start() {
	rm -f "$work/ready"
	"$provider" --keys "$keys" --ready-fd 3 "$@" 3>"$work/ready" 2>"$work/provider.err" &
	provider_pid=$!
	pids="$pids $provider_pid"
	wait_file "$work/ready" || {
		diag_file "$work/provider.err"
		bail "aa-keyprovider does not start"
	}
}

callers() {
	adopt timeout -k 5 300 "$python" "$e2e/providers.py" "$@"
}

expect_exit 'its help' 0 "$provider" --help
check 'names its options' grep -q -e '--listen ADDRESS' "$work/out"

# --- what it refuses to start with
for address in grpc:0.0.0.0:50000 grpc:192.0.2.1:50000 "grpc:[::]:50000" grpc:example.org:50000 ttrpc:10.0.0.1:1; do
	expect_exit "does not listen on $address" 2 "$provider" --keys "$keys" --listen "$address"
done
for address in 127.0.0.1:50000 grpc:127.0.0.1 grpc:127.0.0.1:0 grpc:127.0.0.1:70000 grpc:unix:relative \
	grpc:unix://relative http:127.0.0.1:1 cmd:relative grpc: "grpc:unix:///$(printf '%0120d' 0)"; do
	expect_exit "'$(printf '%.30s' "$address")' is no address" 2 "$provider" --keys "$keys" --listen "$address"
done
expect_exit 'not without keys' 2 "$provider" --listen grpc:127.0.0.1:50000
expect_exit 'not without anything to serve' 2 "$provider" --keys "$keys"
expect_exit 'not both' 2 "$provider" --keys "$keys" --cmd --listen grpc:127.0.0.1:50000
mkdir -m 0777 "$work/open"
chmod 0777 "$work/open"
expect_exit 'not in a directory that others write to' 10 "$provider" --keys "$keys" --listen "ttrpc:unix://$work/open/s"
echo 'not a socket' >"$work/run/file"
expect_exit 'not in place of a file' 10 "$provider" --keys "$keys" --listen "ttrpc:unix://$work/run/file"
check 'which stays' grep -q 'not a socket' "$work/run/file"

# --- its sockets
start --listen "ttrpc:unix://$sock" --listen "grpc:unix://$work/run/grpc.sock" --listen "grpc:127.0.0.1:$port"
check 'says that it listens' grep -q 'listening' "$work/provider.err"
check 'its socket is for its owner alone' test "$(stat -c %a "$sock")" = 600
expect_exit 'a socket that is served is left alone' 10 "$provider" --keys "$keys" --listen "ttrpc:unix://$sock"
expect_exit 'a port that is served is, too' 10 "$provider" --keys "$keys" --listen "ttrpc:127.0.0.1:$port"

# --- callers
for address in "ttrpc:unix://$sock" "grpc:127.0.0.1:$port" "grpc:unix://$work/run/grpc.sock"; do
	diag "$address" | sed "s|$work||"
	callers calls "$address"
	callers many "$address"
done
for address in "ttrpc:unix://$sock" "grpc:127.0.0.1:$port"; do
	for test in connections cuts flips reader; do
		callers "$test" "$address"
	done
done
callers odd "ttrpc:unix://$sock"
callers stalls "ttrpc:unix://$sock"
callers stalls "grpc:127.0.0.1:$port"
check 'it has survived all of them' kill -0 "$provider_pid"

# --- its end
kill -TERM "$provider_pid"
rc=0
wait "$provider_pid" || rc=$?
check 'SIGTERM ends it cleanly' test "$rc" = 0
check 'its sockets go with it' test ! -e "$sock" -a ! -e "$work/run/grpc.sock"
check 'no key in its log' sh -c '! grep -q symkeyopts "$1"' sh "$work/provider.err"

start --listen "ttrpc:unix://$sock"
kill -KILL "$provider_pid"
wait "$provider_pid" 2>/dev/null || :
check 'a killed one leaves its socket' test -S "$sock"
start --listen "ttrpc:unix://$sock" --socket "127.0.0.1:$port"
callers calls "ttrpc:unix://$sock"
rpc=$(pgrep -P "$provider_pid" -f '^cacao: rpc' || :)
[ -z "$rpc" ] || kill -KILL "$rpc"
rc=0
wait "$provider_pid" || rc=$?
check 'without its rpc process it ends, and says so' test "$rc" = 50
check 'and takes its socket along' test ! -e "$sock"

# --- one request on standard input
"$python" - "$e2e" >"$work/wrap.json" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import providers
sys.stdout.buffer.write(providers.wrap_request())
END
expect_exit 'a request on standard input' 0 sh -c '"$1" --keys "$2" --cmd <"$3"' sh "$provider" "$keys" "$work/wrap.json"
check 'is answered on standard output' jq -e .keywrapresults.annotation "$work/out"
expect_exit 'nothing on standard input' 1 sh -c '"$1" --keys "$2" --cmd </dev/null' sh "$provider" "$keys"
check 'gives no answer' test ! -s "$work/out"
expect_exit 'too much on standard input' 1 sh -c 'head -c 100000 /dev/zero | "$1" --keys "$2" --cmd' sh "$provider" "$keys"

plan
