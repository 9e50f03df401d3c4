#!/bin/sh
# aa-cli at a running agent: status, resources, evidence, tokens, pulls; what the agent cannot be told; agents that are not there,
# do not answer, or lie. Exit statuses are those of the same work without an agent.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

canary='canary 93b1f0'
run_dir=$agent_dir
sock=$run_dir/agent.sock
mkdir -m 0700 "$work/run"
mkdir "$work/kbs" "$work/bundles"
printf '{"default/key/canary":"%s"}' "$(printf %s "$canary" | base64)" >"$work/kbs/aa-offline_fs_kbc-resources.json"
: >"$work/cmdline"

registry_start client
mkimage build "$work/img:one" files=3,size=2k >/dev/null
mkimage push "$work/img:one" "http://$registry/test/image:one" >/dev/null
cat >"$work/policy.json" <<END
{"default": [{"type": "insecureAcceptAnything"}],
 "transports": {"docker": {"$registry/test/forbidden": [{"type": "reject"}]}}}
END

settings() { # EVIDENCE-FOR-CALLERS
	cat <<END
format = 1
[kbc]
params = "offline_fs_kbc::$work/kbs"
[attester]
allow_sample = true
[evidence]
tee = "sample"
for_callers = "$1"
[image]
policy = "$work/policy.json"
store = "$work/store"
snapshot = "flat"
[registry]
insecure = ["$registry"]
[pull]
bundles = ["$work/bundles"]
END
}

start_agent() { # EVIDENCE-FOR-CALLERS
	settings "$1" >"$work/agent.toml"
	start_name attestation-agent --own-config "$work/agent.toml" -a "unix://$work/run/aa.sock"
	agent_pid=$name_pid
}
said() { # NAME TEXT: the last error says it
	check "$1" grep -q -e "$2" "$work/err"
}
role() { # NAME: its pid
	"$aa" status --socket "$sock" --json | jq -r ".roles[] | select(.name == \"$1\") | .pid"
}
# wait_connections TEST NUMBER: until there are so many at the agent's own socket (it was bound beside its name). Who connects
# then is served after all of these.
wait_connections() {
	comes_true 30 connections "$@"
}
connections() {
	test "$(grep -c " 0001 03 *[0-9]* $run_dir/\.$agent_pid\$" /proc/net/unix)" "$@"
}
resource=kbs:///default/key/canary

# --- nobody there
expect_exit 'status without an agent' 20 "$aa" status --run-dir "$run_dir"
said 'says where it looked' "$sock"
expect_exit 'a resource of an agent that is not there' 20 "$aa" get-resource --socket "$sock" "$resource"
expect_exit 'no token either' 20 "$aa" token --socket "$sock" kbs
expect_exit 'nor a pull' 20 "$aa" pull --socket "$sock" "docker://$registry/test/image:one" "$work/bundles/a"

# --- how it is
start_agent raw
start_name confidential-data-hub -s "unix://$work/run/cdh.sock"
expect_exit 'status' 0 "$aa" status --run-dir "$run_dir"
for word in attestation-agent confidential-data-hub "unix://$work/run/cdh.sock" rpc key tee 'pulls: none'; do
	check "shows $(basename "$word")" grep -q -e "$word" "$work/out"
done
expect_exit 'status as JSON' 0 "$aa" status --socket "$sock" --json
check 'is one object, with both names' jq -e '[.names[].name] == ["attestation-agent", "confidential-data-hub"]' "$work/out"
expect_exit 'two places' 2 "$aa" status --socket "$sock" --run-dir "$run_dir"
expect_exit 'a path that is no socket' 20 "$aa" status --socket "$work/cmdline"
expect_exit 'no time at all' 2 "$aa" status --socket "$sock" --timeout 0

# --- resources
expect_exit 'a resource' 0 "$aa" get-resource --socket "$sock" "$resource"
check 'is what the broker has' test "$(cat "$work/out")" = "$canary"
expect_exit 'into a file' 0 "$aa" get-resource --run-dir "$run_dir" --output "$work/file" "$resource"
check 'for its owner alone' test "$(stat -c %a "$work/file")" = 600
check 'with the same bytes' test "$(cat "$work/file")" = "$canary"
expect_exit 'one that is not there' 13 "$aa" get-resource --socket "$sock" --output "$work/none" kbs:///default/key/none
said 'in the words of the broker' 'get-resource: the agent: '
check 'leaves no file' test ! -e "$work/none"
expect_exit 'a name that is none' 1 "$aa" get-resource --socket "$sock" default/key/canary
expect_exit 'another broker than its own' 2 "$aa" get-resource --socket "$sock" --aa-kbc-params offline_fs_kbc::null "$resource"
said 'and what to do' --standalone
expect_exit 'alone' 0 "$aa" get-resource --standalone --aa-kbc-params "offline_fs_kbc::$work/kbs" "$resource"
check 'the same' test "$(cat "$work/out")" = "$canary"
expect_exit 'alone and not' 2 "$aa" get-resource --standalone --socket "$sock" "$resource"
# shellcheck disable=SC2016 # python's
expect_exit 'not to a terminal' 0 python3 -c '
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b""
try:
    while data := os.read(fd, 4096):
        said += data
except OSError:
    pass
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2 and b"terminal" in said and sys.argv[-2].encode() not in said' \
	"$aa" get-resource --socket "$sock" --timeout 10 "$resource"

# --- evidence, tokens
expect_exit 'evidence' 0 "$aa" evidence get --socket "$sock" --report-data 616263
check 'over the data' jq -e '.report_data == "YWJj"' "$work/out"
expect_exit 'with its platform' 0 "$aa" evidence get --socket "$sock" --json
check 'which is named' jq -e '.tee == "sample" and (.evidence | type) == "object"' "$work/out"
for option in --form=raw --tee=tdx --allow-sample; do
	expect_exit "evidence $option is not the agent's" 2 "$aa" evidence get --socket "$sock" "$option"
done
expect_exit 'events go past the agent' 2 "$aa" evidence extend --socket "$sock" a b c
expect_exit 'a token' 1 "$aa" token --socket "$sock" kbs
said 'of which there is none yet' 'this version has no tokens (UNSUPPORTED)'
expect_exit 'a token that nobody knows' 2 "$aa" token --socket "$sock" KBS

# --- pulls
image=docker://$registry/test/image
expect_exit 'a pull' 0 "$aa" pull --socket "$sock" "$image:one" "$work/bundles/one"
check 'prints the digest' grep -Eqx 'sha256:[0-9a-f]{64}' "$work/out"
check 'and makes the bundle' test -f "$work/bundles/one/config.json" -a -d "$work/bundles/one/rootfs"
expect_exit 'as JSON' 0 "$aa" pull --socket "$sock" --json "$image:one" "$work/bundles/two"
check 'one line of it' jq -e '.event == "done" and (.manifest | startswith("sha256:"))' "$work/out"
expect_exit 'an image that is not there' 22 "$aa" pull --socket "$sock" "$image:none" "$work/bundles/three"
expect_exit 'one that the policy forbids' 11 "$aa" pull --socket "$sock" "docker://$registry/test/forbidden:one" "$work/bundles/three"
said 'in its words' 'pull: the agent: Image policy rejected: Denied by policy'
expect_exit 'a bundle elsewhere' 15 "$aa" pull --socket "$sock" "$image:one" "$work/elsewhere"
expect_exit 'a policy of our own' 2 "$aa" pull --socket "$sock" --policy "$work/policy.json" "$image:one" "$work/bundles/three"
expect_exit 'not even without TLS' 2 "$aa" pull --socket "$sock" --tls-verify=false "$image:one" "$work/bundles/three"
check 'nothing is left of them' test "$(ls "$work/bundles")" = "$(printf 'one\ntwo')"

# --- agents that do not answer
key=$(role key)
kill -STOP "$key"
expect_exit 'a time that is over' 40 "$aa" get-resource --socket "$sock" --timeout 1 "$resource"
kill -CONT "$key"
expect_exit 'then it answers again' 0 "$aa" get-resource --socket "$sock" "$resource"
rpc=$(role rpc)
wait_connections -eq 0
kill -STOP "$key"
cut_connection() { # while key holds the answer back; rpc has read the request when it has answered a later one
	wait_connections -ge 1 && "$aa" status --socket "$sock" && kill -KILL "$rpc" && kill -CONT "$key"
}
cut_connection >"$work/cut" 2>&1 &
expect_exit 'a connection that is cut' 20 "$aa" get-resource --socket "$sock" "$resource"
said 'is told as that' 'the agent: '
kill "$agent_pid"
check 'it ends' gone "$agent_pid"
expect_exit 'and is not found any more' 20 "$aa" status --socket "$sock"

start_agent off
expect_exit 'evidence where it is off' 12 "$aa" evidence get --socket "$sock"
said 'says so' '(DENIED)'
kill "$agent_pid"

# --- one that lies
lying() { # PYTHON, of what its answer's message has: an agent for one call
	rm -f "$work/liar" "$work/lies"
	python3 - "$work/liar" "$work/lies" "$1" <<'END' &
import os, socket, sys
sys.path.insert(0, os.environ["LIARS"])
from providers import field, frame
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
open(sys.argv[2], "w").write("yes")
asked = b""
while not asked:    # who only looks whether somebody is there says nothing
    c = s.accept()[0]
    asked = c.recv(65536)
c.sendall(frame(1, field(2, field(1, eval(sys.argv[3]))), 2))
c.recv(1)
END
	pids="$! $pids"
	wait_file "$work/lies"
}
LIARS=$e2e
export LIARS
lying 'b"{\"version\":\"\\u001b[2J\\u202e\",\"names\":[7,[1],{\"a\":{}}],\"pulls\":{}}"'
expect_exit 'a status for the terminal' 0 "$aa" status --socket "$work/liar"
check 'is escaped' sh -c '! grep -q "$(printf "\\033")" "$1" && grep -q "x1b.2J" "$1"' sh "$work/out"
lying 'b"{\"version\":1,\"version\":2}"'
expect_exit 'a status that is no JSON' 1 "$aa" status --socket "$work/liar"
lying 'b"[]"'
expect_exit 'one that is no object' 1 "$aa" status --socket "$work/liar" --json
check 'is not shown' sh -c '! grep -q "^\[" "$1"' sh "$work/out"
lying 'b"\x1b[2J"'
expect_exit 'evidence that is no JSON' 1 "$aa" evidence get --socket "$work/liar"
check 'is not shown either' test ! -s "$work/out"
lying 'b"x" * 300000'
expect_exit 'a resource that is too large' 1 "$aa" get-resource --socket "$work/liar" --output "$work/none" "$resource"
check 'leaves no file behind' test ! -e "$work/none"

check 'nothing secret in the log' sh -c '! grep -q -e "$1" "$2"' sh "$canary" "$work/agent.log"
[ "$test_failed" -eq 0 ] || diag_file "$work/agent.log"
plan
