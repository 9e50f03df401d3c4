#!/bin/sh
# A pull of the daemon, as a process of its own that has its settings from the monitor: job.py plays that one.
# time-limit: 240
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

# The event log of measured pulls shall not be that of this machine.
! is_root || mount -t tmpfs pull-job /run

agent=$bin/attestation-agent
kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
kbc=offline_fs_kbc::$work/keys
mkimage build "$img:plain" files=20,size=100k files=3,seed=2 >/dev/null
ocicrypt encrypt "$img:plain" "$img:enc" "$keys" $kid >/dev/null
registry_start plain
mkimage push "$img:plain" "http://$registry/test/image:plain" >/dev/null
mkimage push "$img:enc" "http://$registry/test/image:enc" >/dev/null
ref=$registry/test/image
plain_registry=$registry plain_port=$registry_port
private_registry private user word "$img:plain" test/private:plain
private=$registry registry=$plain_registry

b64() {
	base64 -w0 "$1"
}

job() {	# [SETTING=VALUE]… [options] IMAGE
	run python3 "$e2e/job.py" "$agent" "IMAGE_STORE=$work/store" "REGISTRY_INSECURE=$insecure" "PULL_LINGER=1" "$@" \
		"$bundle"
}
insecure="127.0.0.9:1
$registry
$private"

pulled_by_job() {	# NAME [SETTING=VALUE]… IMAGE
	pulled_by_name=$1
	shift
	fresh_target
	mkdir "$bundle" # as kata-agent does
	job "$@"
	check "$pulled_by_name: works" [ "$rc" -eq 0 ]
	diag_file "$work/err"
	check "$pulled_by_name: tells the digest" grep -Eqx 'sha256:[0-9a-f]{64}' "$work/out"
	check "$pulled_by_name: the bundle is whole, and alone" sh -c "test -f '$bundle/config.json' && test -d '$bundle/rootfs' &&
		test \$(find '$target' -mindepth 1 -maxdepth 1 | wc -l) -eq 1"
	check "$pulled_by_name: the tree is right" same_trees "$reference" "$bundle/rootfs"
}

refused_by_job() {	# NAME CODE TEXT [SETTING=VALUE]… IMAGE
	refused_by_name=$1 refused_by_code=$2 refused_by_text=$3
	shift 3
	fresh_target
	job "$@"
	check "$refused_by_name: refused" [ "$rc" -eq 1 ]
	check "$refused_by_name: $refused_by_code" grep -q "^$refused_by_code " "$work/err"
	check "$refused_by_name: $refused_by_text" grep -Fq -e "$refused_by_text" "$work/err"
	diag_file "$work/err"
	check "$refused_by_name: nothing is left" is_empty "$target"
}

is_mounted() {
	cut -d ' ' -f 5 /proc/self/mountinfo | grep -qx "$bundle/rootfs"
}

accept='IMAGE_POLICY_TEXT={"default":[{"type":"insecureAcceptAnything"}]}'
pulled "by aa-cli" "docker://$ref:plain"
reference=$work/reference
mv "$bundle/rootfs" "$reference"

# --- settings --------------------------------------------------------------------------------

pulled_by_job "policy as a text" "$accept" "$ref:plain"
! is_root || check "the root is a mount point" is_mounted
pulled_by_job "policy as a file" "IMAGE_POLICY=$accept_policy" "IMAGE_AT_ONCE=1" "docker://$ref:plain"
pulled_by_job "a flat root" "$accept" IMAGE_SNAPSHOT=flat "$ref:plain"
if is_root; then
	check "a flat root is a mount point, too" is_mounted
	check "which can be unmounted" umount "$bundle/rootfs"
	check "and is whole then" same_trees "$reference" "$bundle/rootfs"
fi
pulled_by_job "encrypted" "$accept" "KBC=$kbc" "$ref:enc"
pulled_by_job "encrypted, by a broker that the host chose" "$accept" "KBC=$kbc" --host-chose-broker "$ref:enc"
refused_by_job "no policy" POLICY_INVALID policy "IMAGE_POLICY=$work/none" "$ref:plain"
refused_by_job "a policy that rejects" POLICY reject 'IMAGE_POLICY_TEXT={"default":[{"type":"reject"}]}' "$ref:plain"
refused_by_job "a file of this machine" PARSE "registries" "$accept" "oci:$img:plain"
allowed=$insecure
insecure=127.0.0.9:1
refused_by_job "plain http that nobody allowed" TLS "https://$registry" "$accept" "$ref:plain"
insecure=$allowed

pulled_by_job "measured where that can be" "$accept" MEASURE_PULL=on "$ref:plain"
refused_by_job "measured, which it cannot be" "\(NO_TEE\|STORAGE\)" measure "$accept" MEASURE_PULL=required "$ref:plain"

# What an initrd may lack. Mounts are in another name space then, so the root is flat.
without_proc() {
	unshare --mount sh -c 'umount -l /proc && [ ! -e /proc/self ] && "$@"' sh python3 "$e2e/job.py" "$agent" \
		"REGISTRY_INSECURE=$insecure" "$accept" IMAGE_SNAPSHOT=flat "$ref:plain" "$bundle"
}
if need_root "without /proc"; then
	fresh_target
	run without_proc
	check "without /proc" [ "$rc" -eq 0 ]
	diag_file "$work/err"
	check "without /proc: the tree is right" same_trees "$reference" "$bundle/rootfs"
fi

# --- of the broker -----------------------------------------------------------------------------

policy_uri=kbs:///default/security-policy/test
cat >"$work/keys/aa-offline_fs_kbc-resources.json" <<END
{"default/security-policy/test":"$(b64 "$accept_policy")",
 "default/credential/test":"$(printf '{"auths":{"%s":{"auth":"%s"}}}' "$private" "$(printf user:word | base64)" | base64 -w0)",
 "default/registry-configuration/test":"$(printf '[[registry]]\nprefix = "nowhere.test/x"\nlocation = "%s/test"\ninsecure = true\n' \
	"$registry" | base64 -w0)"}
END
pulled_by_job "a policy of the broker" "IMAGE_POLICY=$policy_uri" "KBC=$kbc" "$ref:plain"
refused_by_job "a policy of a broker that the host chose" CONFIG "decide what is accepted" "IMAGE_POLICY=$policy_uri" "KBC=$kbc" \
	--host-chose-broker "$ref:plain"
refused_by_job "a policy without broker" CONFIG "no key broker" "IMAGE_POLICY=$policy_uri" "$ref:plain"
refused_by_job "no credentials" AUTH "$private" "$accept" "$private/test/private:plain"
pulled_by_job "credentials of the broker" "$accept" IMAGE_AUTH=kbs:///default/credential/test "KBC=$kbc" "$private/test/private:plain"
refused_by_job "credentials that it does not have" KEY_NOTFOUND default/credential/none "$accept" \
	IMAGE_AUTH=kbs:///default/credential/none "KBC=$kbc" "$ref:plain"
refused_by_job "a key instead of credentials" CONFIG "of these types only" "$accept" "IMAGE_AUTH=kbs:///$kid" "KBC=$kbc" "$ref:plain"
refused_by_job "credentials without broker" CONFIG "no key broker" "$accept" IMAGE_AUTH=kbs:///default/credential/test "$ref:plain"
pulled_by_job "mirrors of the broker" "$accept" IMAGE_REGISTRIES=kbs:///default/registry-configuration/test "KBC=$kbc" \
	nowhere.test/x/image:plain
refused_by_job "mirrors of a broker that the host chose" CONFIG "where images are from" "$accept" "KBC=$kbc" --host-chose-broker \
	IMAGE_REGISTRIES=kbs:///default/registry-configuration/test nowhere.test/x/image:plain
pulled_by_job "credentials of a broker that the host chose" "$accept" IMAGE_AUTH=kbs:///default/credential/test "KBC=$kbc" \
	--host-chose-broker "$private/test/private:plain"
pulled_by_job "mirrors as a text" "$accept" "IMAGE_REGISTRIES_TEXT=[[registry]]
prefix = \"nowhere.test/x\"
location = \"$registry/test\"
insecure = true
" nowhere.test/x/image:plain

# --- the bundle ----------------------------------------------------------------------------------

fresh_target
mkdir "$target/real"
ln -s real "$target/link"
whole_bundle=$bundle
bundle=$target/link/bundle
job "$accept" "$ref:plain"
check "a link on the way: refused" grep -q '^STORAGE .*link' "$work/err"
check "a link on the way: nothing is there" is_empty "$target/real"
bundle=$target/link
job "$accept" "$ref:plain"
check "a link as the bundle: refused" grep -q '^STORAGE ' "$work/err"
bundle=$whole_bundle
fresh_target
mkdir "$bundle"
: >"$bundle/file"
job "$accept" "$ref:plain"
check "a bundle that is not empty: refused" grep -q '^STORAGE .*not empty' "$work/err"
check "its file is still there" [ -f "$bundle/file" ]

# --- its end ----------------------------------------------------------------------------------------

# So slow that the image is far away for as long as this takes, be the machine slow or fast.
slow_line "$plain_port" 5000
insecure=$slow
start_job() {	# a pull in the background that is unpacking: $job_pid, and $player_pid, whose child it is
	rm -rf "$work/store" "$work/pid"
	fresh_target
	python3 "$e2e/job.py" "$agent" "IMAGE_STORE=$work/store" "REGISTRY_INSECURE=$insecure" "$accept" --pid "$work/pid" \
		"$slow/test/image:plain" "$bundle" >"$work/out" 2>"$work/err" &
	player_pid=$!
	pids="$pids $player_pid"
	wait_file "$work/pid" || bail "job.py does not start"
	job_pid=$(cat "$work/pid")
	procs wait "$job_pid" unpack >"$work/procs" || bail "no layer is unpacked: $(head -n 1 "$work/err")"
}

start_job
start_time=$(now)
kill -TERM "$job_pid"
wait "$player_pid" || :
took=$(($(now) - start_time))
check "asked to end: cancelled" grep -q '^CANCELLED ' "$work/err"
check "asked to end: soon" [ "$took" -lt 5000 ]
diag "$took ms"
check "asked to end: nothing is left" is_empty "$target"

start_job
kill -KILL "$job_pid"
check "killed: all its processes go" procs none "$job_pid" 30
check "killed: something is left" [ -e "$target/.cacao-staging" ]
check "killed: and removed by a sweep" python3 "$e2e/job.py" "$agent" "IMAGE_STORE=$work/store" --sweep "$bundle"
check "killed: nothing is left then" is_empty "$target"
check "killed: nor in the store" [ ! -e "$work/store/.cacao-staging" ]
check "a sweep where nothing is" python3 "$e2e/job.py" "$agent" "IMAGE_STORE=$work/store" --sweep "$target/none/bundle"
plan
