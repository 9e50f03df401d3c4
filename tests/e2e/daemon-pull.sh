#!/bin/sh
# PullImage of a running agent: who waits, who joins, who goes, what dies, and what kata's tests look for.
# CHECK_EFFORT above 1: a crowd of 50 calls in place of 20.
# time-limit: 300
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid default/key/two
keys=$work/keys/aa-offline_fs_kbc-keys.json
mkdir "$work/other"
mkimage build "$img:plain" files=20,size=100k files=30,size=100k,seed=2 >/dev/null
mkimage build "$img:more" files=20,size=100k files=30,size=100k,seed=2 files=5,seed=3 >/dev/null
mkimage build "$img:third" files=20,size=100k files=3,seed=4 >/dev/null
ocicrypt encrypt "$img:plain" "$img:enc" "$keys" $kid >/dev/null
ocicrypt keys "$work/other" default/key/other
ocicrypt encrypt "$img:plain" "$img:lost" "$work/other/aa-offline_fs_kbc-keys.json" default/key/other >/dev/null
registry_start plain
for tag in plain more third enc lost; do
	mkimage push "$img:$tag" "http://$registry/test/image:$tag" >/dev/null
done
ref=$registry/test/image
plain_registry=$registry plain_port=$registry_port
private_registry private user word "$img:plain" test/private:plain
private=$registry registry=$plain_registry
slow_line "$plain_port" 40000
slow_ref=$slow/test/image

bundles=$work/bundles
mkdir "$bundles"
store=$work/store
run_dir=$work/run
: >"$work/cmdline"
hub=$work/hub.sock

start_agent() {
	cat >"$work/agent.toml" <<END
format = 1
[kbc]
params = "offline_fs_kbc::$work/keys"
[image]
policy = "$work/policy.json"
store = "$store"
[registry]
insecure = ["$registry", "$private", "$slow"]
[pull]
bundles = ["$bundles"]
END
	setsid "$bin/confidential-data-hub" -s "unix://$hub" --own-config "$work/agent.toml" --run-dir "$run_dir" \
		--cmdline "$work/cmdline" >"$work/agent.out" 2>"$work/agent.log" &
	agent=$!
	pids="$pids $agent"
	comes_true 30 test -S "$hub" || bail "the agent does not listen: $(tail -n 3 "$work/agent.log")"
}

call() {	# arguments of callers.py behind the socket
	run python3 "$e2e/callers.py" pull "$hub" "$@"
}

jobs() {	# how many processes are pulls
	procs list "$agent" | grep -c ' job$' || :
}

wait_jobs() {	# NUMBER: until there are so many
	jobs_left=300
	while [ "$(jobs)" -ne "$1" ]; do
		jobs_left=$((jobs_left - 1))
		[ "$jobs_left" -gt 0 ] || return 1
		sleep 0.1
	done
}

clear_bundles() {
	unmount_below "$bundles"
	chmod -R u+rwX "$bundles"
	rm -rf "$bundles" "$store"
	mkdir "$bundles"
}

whole() {	# BUNDLE
	[ -f "$1/config.json" ] && same_trees "$reference" "$1/rootfs"
}

is_mounted() {
	cut -d ' ' -f 5 /proc/self/mountinfo | grep -qx "$1/rootfs"
}

refused() {	# NAME CODE TEXT IMAGE [BUNDLE]
	call "$4" "${5:-$bundles/refused}"
	check "$1: code $2" grep -q "^$2 " "$work/out"
	check "$1: $3" grep -Fq -e "$3" "$work/out"
	diag_file "$work/out"
	check "$1: nothing is left" is_empty "$bundles"
}

cp "$accept_policy" "$work/policy.json"
pulled "by aa-cli" "docker://$ref:plain"
digest=$(cat "$work/out")
reference=$work/reference
mv "$bundle/rootfs" "$reference"
start_agent

# --- one -----------------------------------------------------------------------------------------------

mkdir "$bundles/one"
call "$ref:plain" "$bundles/one"
check "a pull" [ "$rc" -eq 0 ]
check "answers the digest of the manifest" [ "$(cat "$work/out")" = "$digest" ]
diag_file "$work/out"
check "the bundle is there" whole "$bundles/one"
! is_root || check "its root is a mount point" is_mounted "$bundles/one"
check "no process is left of it" wait_jobs 0
call "docker://$ref:enc" "$bundles/two"
check "an encrypted one" whole "$bundles/two"
call "$ref:plain" "$bundles/one"
check "where something is, nothing is pulled" grep -q 'not empty' "$work/out"
check "what is there stays" whole "$bundles/one"
clear_bundles

# --- refused, as kata's tests want to read it ----------------------------------------------------------------

cp "$work/policy.json" "$work/policy.accept"
echo '{"default":[{"type":"reject"}]}' >"$work/policy.json"
refused "a policy that rejects" 7 "[CDH] [ERROR]: Image Pull error: Image policy rejected: Denied by policy" "$ref:plain"
rm "$work/policy.json"
refused "no policy" 9 "Failed to pull image" "$ref:plain"
mv "$work/policy.accept" "$work/policy.json"
refused "a key that the broker does not have" 5 "Failed to decrypt the image layer, please ensure that the decryption key is placed and correct" \
	"$ref:lost"
refused "a registry that wants to know who asks" 16 "Not authorized" "$private/test/private:plain"
refused "an image that is not there" 5 "Failed to pull image" "$ref:none"
refused "a file of this machine" 3 "Failed to pull image" "oci:$img:plain"
refused "a bundle elsewhere" 9 "pull.bundles" "$ref:plain" "$work/elsewhere"
refused "a bundle elsewhere by .." 9 ".." "$ref:plain" "$bundles/../elsewhere"
refused "all bundles" 9 "pull.bundles" "$ref:plain" "$bundles"
mkdir "$work/outside"
ln -s "$work/outside" "$bundles/link"
call "$ref:plain" "$bundles/link/bundle"
check "a link on the way" grep -q '^9 .*link' "$work/out"
rm "$bundles/link"
check "nothing was made behind it" is_empty "$work/outside"

# --- two for one -------------------------------------------------------------------------------------------------

python3 "$e2e/callers.py" pull "$hub" "$slow_ref:plain" "$bundles/one" >"$work/first" 2>&1 &
first=$!
pids="$pids $first"
check "a slow pull" wait_jobs 1
python3 "$e2e/callers.py" pull "$hub" "$slow_ref:plain" "$bundles//one/" >"$work/second" 2>&1 &
second=$!
pids="$pids $second"
call "$slow_ref:more" "$bundles/one"
check "another image for its bundle is refused" grep -q '^9 .*another image' "$work/out"
check "one process for two callers" [ "$(jobs)" -eq 1 ]
check "the first gets the digest" wait "$first"
check "so does the second" wait "$second"
check "the same" cmp "$work/first" "$work/second"
check "the bundle is whole" whole "$bundles/one"
clear_bundles

# --- late ------------------------------------------------------------------------------------------------------------

manifests() {	# how many pulls have read one
	grep -c 'pull: info: policy: manifest' "$work/agent.log" || :
}
manifests=$(manifests)
call --timeout 1 --again 60 "$slow_ref:plain" "$bundles/one"
check "late, then again on the same connection: works" [ "$rc" -eq 0 ]
check "the first answer is DEADLINE_EXCEEDED" [ "$(head -n 1 "$work/out" | cut -d ' ' -f 1)" = 4 ]
check "the second is the digest" [ "$(sed -n 2p "$work/out")" = "$digest" ]
check "it was one pull" [ "$(manifests)" -eq $((manifests + 1)) ]
check "the bundle is whole" whole "$bundles/one"
clear_bundles

manifests=$(manifests)
rm -f "$work/over"
(wait_jobs 1 || :; wait_jobs 0 || :; : >"$work/over") &
call --timeout 1 --after "$work/over" --again 30 "$slow_ref:plain" "$bundles/one"
check "late, and back when it is over: the result was kept" [ "$(sed -n 2p "$work/out")" = "$digest" ]
check "it was one pull, too" [ "$(manifests)" -eq $((manifests + 1)) ]
clear_bundles

# --- gone --------------------------------------------------------------------------------------------------------------

gone_within() {	# NAME: the jobs end within a second, and nothing is left of them
	check "$1: its processes end" procs without "$agent" job 30
	took=$(sed -n 1p "$work/check.out")
	check "$1: within a second" [ "$took" -lt 1500 ]
	diag "$took ms"
	check "$1: nothing is left" comes_true 30 is_empty "$bundles"	# what is killed is swept a moment later
}

call --leave 1 "$slow_ref:plain" "$bundles/one"
gone_within "the caller has gone"
check "nobody else was disturbed" kill -0 "$agent"
call "$ref:plain" "$bundles/one"
check "the next pull works" whole "$bundles/one"
clear_bundles

python3 "$e2e/callers.py" pull "$hub" --leave 1 "$slow_ref:plain" "$bundles/one" &
first=$!
call "$slow_ref:plain" "$bundles/one"
wait "$first"
check "one of two has gone: the other gets his image" [ "$rc" -eq 0 ]
check "whole" whole "$bundles/one"
clear_bundles

# --- killed ----------------------------------------------------------------------------------------------------------

kill_one() {	# ROLE
	clear_bundles
	python3 "$e2e/callers.py" pull "$hub" "$slow_ref:plain" "$bundles/one" >"$work/first" 2>&1 &
	first=$!
	pids="$pids $first"
	wait_jobs 1 || :
	procs wait "$agent" unpack >"$work/procs" || :
	victim=$(procs list "$agent" | sed -n "s/ $1\$//p" | head -n 1)
	kill -KILL "$victim" || :
	status=0
	wait "$first" || status=$?
	check "kill -9 of $1: the call fails" [ "$status" -eq 1 ]
	check "kill -9 of $1: and says so" grep -q '^1[34] .*Failed to pull image' "$work/first"
	diag_file "$work/first"
	check "kill -9 of $1: the agent lives" kill -0 "$agent"
	check "kill -9 of $1: no process is left" wait_jobs 0
	check "kill -9 of $1: nothing is left" comes_true 30 is_empty "$bundles"
	call "$ref:plain" "$bundles/one"
	check "kill -9 of $1: the next pull works" whole "$bundles/one"
}
for role in job unpack net; do
	kill_one $role
done
clear_bundles

python3 "$e2e/callers.py" pull "$hub" "$slow_ref:plain" "$bundles/one" >"$work/first" 2>&1 &
first=$!
pids="$pids $first"
wait_jobs 1 || :
kill -KILL "$(procs list "$agent" | sed -n 's/ rpc$//p')"
gone_within "rpc has died"
wait "$first" 2>/dev/null || :
call "$ref:plain" "$bundles/one"
check "rpc has died: who connects again is served" whole "$bundles/one"
clear_bundles

# --- many --------------------------------------------------------------------------------------------------------------

calls=20
[ "${CHECK_EFFORT:-1}" -le 1 ] || calls=50
start_time=$(now)
run python3 "$e2e/callers.py" crowd "$hub" $calls "$ref:plain" "$ref:more" "$ref:third" "$bundles"
check "$calls calls at once: all get an image" [ "$rc" -eq 0 ]
check "$calls calls at once: three digests" [ "$(sort -u "$work/out" | wc -l)" -eq 3 ]
diag "$(($(now) - start_time)) ms; $(sort "$work/out" | uniq -c | sort -rn | head -n 4 | tr '\n' ' ')"
bad=0
for n in 0 3 6 9 12 15; do
	whole "$bundles/$n" >/dev/null 2>&1 || bad=$((bad + 1))
done
check "$calls calls at once: the bundles are whole" [ "$bad" -eq 0 ]
! is_root || check "$calls calls at once: layers are shared" [ "$(find "$store/layers" -mindepth 1 -maxdepth 1 | wc -l)" -eq 4 ]
check "$calls calls at once: nothing else is there" [ "$(find "$bundles" -mindepth 1 -maxdepth 1 | wc -l)" -eq 16 ]
check "$calls calls at once: no process is left" wait_jobs 0
clear_bundles

# --- the end --------------------------------------------------------------------------------------------------------------

python3 "$e2e/callers.py" pull "$hub" "$slow_ref:plain" "$bundles/one" >"$work/first" 2>&1 &
first=$!
pids="$pids $first"
wait_jobs 1 || :
sleep 0.5
kill -KILL "$agent"
check "the agent is killed: all its processes go" procs none "$agent" 30
wait "$first" 2>/dev/null || :
rm -f "$hub"
start_agent
call "$ref:plain" "$bundles/one"
check "the next agent pulls" whole "$bundles/one"
check "and has removed what was left" [ "$(find "$bundles" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
kill "$agent"
check "SIGTERM ends it" procs none "$agent" 30
plan
