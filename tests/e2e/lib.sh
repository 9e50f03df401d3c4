# shellcheck shell=sh disable=SC2034
# Common ground of the scenarios: TAP, a private folder, registries, pulls.
# Sourced after `set -eu`. CACAO_BIN_DIR holds the programs under test.

top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
e2e=$top/tests/e2e
vectors=$top/tests/vectors
bin=${CACAO_BIN_DIR:-$top/build}
aa=$bin/aa-cli
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
PATH=$PATH:/usr/sbin:/sbin # chroot, for users
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY 2>/dev/null || :

# As root pulls leave mounts: in a mount namespace of our own they end with us.
if [ "$(id -u)" -eq 0 ] && [ "${CACAO_TEST_MOUNTS:-}" != private ]; then
	CACAO_TEST_MOUNTS=private
	export CACAO_TEST_MOUNTS
	exec unshare --mount -- "$0" "$@"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/cacao-test.XXXXXX")
pids=
test_count=0
test_failed=0

# runs PID: this child of ours has not ended; its number alone may be a stranger's by then
runs() {
	grep -q "^PPid:[[:blank:]]*$$\$" "/proc/$1/status" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

cleanup() {
	status=$?
	trap - EXIT
	for pid in $pids; do
		! runs "$pid" || kill "$pid" 2>/dev/null || :
	done
	for pid in $pids; do
		wait "$pid" 2>/dev/null || :
	done
	unmount_below "$work"
	chmod -R u+rwX "$work" 2>/dev/null || :
	rm -rf "$work" || :
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

# --- TAP -------------------------------------------------------------------

ok() {
	test_count=$((test_count + 1))
	echo "ok $test_count - $1"
}

not_ok() {
	test_count=$((test_count + 1))
	test_failed=$((test_failed + 1))
	echo "not ok $test_count - $1"
}

skip() {	# name, reason
	test_count=$((test_count + 1))
	echo "ok $test_count - $1 # SKIP $2"
}

diag() {
	echo "# $*"
}

diag_file() {
	sed -n '1,12s/^/#   /p' "$1"
}

plan() {
	echo "1..$test_count"
	[ "$test_failed" -eq 0 ] || exit 1
}

bail() {
	echo "Bail out! $*"
	exit 1
}

# check NAME COMMAND…: passes when the command does
check() {
	check_name=$1
	shift
	if "$@" >"$work/check.out" 2>&1; then
		ok "$check_name"
	else
		not_ok "$check_name"
		diag "failed: $*"
		diag_file "$work/check.out"
	fi
}

is_root() {
	[ "$(id -u)" -eq 0 ]
}

# need_root NAME…: true as root; otherwise the named tests are skipped
need_root() {
	is_root && return 0
	for need_name in "$@"; do
		skip "$need_name" "needs root"
	done
	return 1
}

is_static() {
	! ldd "$1" 2>/dev/null | grep -q '=>'
}

# builds for sanitizers and coverage have no sandbox, and say so; they are slow, too
has_sandbox() {
	run "$aa" selftest-sandbox net
	[ "$rc" -ne 1 ] || ! grep -q UNSUPPORTED "$work/err"
}

# nothing to be seen there
skip_without_sandbox() {
	if ! has_sandbox; then
		echo "1..0 # SKIP this build has no sandbox"
		exit 0
	fi
}

# --- running the program ----------------------------------------------------

# run COMMAND…: never fails; $rc, $work/out and $work/err tell what happened
run() {
	rc=0
	"$@" >"$work/out" 2>"$work/err" || rc=$?
}

# start_name NAME OPTIONS…: one of the names that kata-agent starts, ready, in $agent_dir; its process is $name_pid, its
# log $work/agent.log
agent_dir=$work/run/cacao
start_name() {
	start_name=$1
	shift
	[ -e "$work/cmdline" ] || : >"$work/cmdline"
	rm -f "$work/ready"
	"$bin/$start_name" --run-dir "$agent_dir" --cmdline "$work/cmdline" --log-level debug --ready-fd 3 "$@" \
		3>"$work/ready" 2>>"$work/agent.log" &
	name_pid=$!
	pids="$name_pid $pids"
	wait_file "$work/ready" || {
		diag_file "$work/agent.log"
		bail "$start_name does not start"
	}
}

# expect_exit NAME WANTED COMMAND…; WANTED may be a list "20|21"
expect_exit() {
	expect_name=$1
	expect_codes=$2
	shift 2
	run "$@"
	if exit_is "$expect_codes"; then
		ok "$expect_name"
	else
		not_ok "$expect_name"
		diag "exit $rc, wanted $expect_codes: $*"
		diag_file "$work/err"
	fi
}

exit_is() {
	case "|$1|" in
	*"|$rc|"*) return 0 ;;
	esac
	return 1
}

# A pull puts its bundle into this folder, which is empty before.
target=$work/target
bundle=$target/bundle

unmount_below() {
	is_root || return 0
	while read -r _ mount_point _; do
		case $mount_point in
		"$1"/*) umount -l "$mount_point" ;;
		esac
	done </proc/self/mounts
}

fresh_target() {
	unmount_below "$target"
	chmod -R u+rwX "$target" 2>/dev/null || :
	rm -rf "$target"
	mkdir "$target"
}

is_empty() {
	[ -d "$1" ] && [ -z "$(find "$1" -mindepth 1 -print -quit)" ]
}

# an error is one line of its own form, and a hint where there is one
well_told() {
	grep -q '^aa-cli: pull: .* ([A-Z_]*)$' "$work/err"
}

# Nothing is mounted, nothing kept in a store, unless a scenario is about that and sets this.
snapshot=--snapshot=flat

accept_policy=$work/accept.json
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$accept_policy"

pull() {	# [options] IMAGE; into $bundle
	run "$aa" pull "$snapshot" --policy "$accept_policy" "$@" "$bundle"
}

pull_http() {
	pull --tls-verify=false "$@"
}

# pulled NAME [options] IMAGE: the pull works, prints the digest, leaves the bundle alone
pulled() {
	pulled_name=$1
	shift
	fresh_target
	pull_http "$@"
	pulled_fault=
	[ "$rc" -eq 0 ] || pulled_fault="exit $rc"
	grep -Eqx 'sha256:[0-9a-f]{64}' "$work/out" || pulled_fault="$pulled_fault, no digest on stdout"
	[ -d "$bundle/rootfs" ] && [ -f "$bundle/config.json" ] ||
		pulled_fault="$pulled_fault, bundle not complete"
	[ "$(find "$target" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ] ||
		pulled_fault="$pulled_fault, something beside the bundle"
	if [ -z "$pulled_fault" ]; then
		ok "$pulled_name"
	else
		not_ok "$pulled_name"
		diag "$pulled_fault"
		diag_file "$work/err"
		return 0
	fi
}

# refused NAME CODES [options] IMAGE: the pull ends with one of the codes and leaves nothing at all
refused() {
	refused_name=$1
	refused_codes=$2
	shift 2
	fresh_target
	run timeout -k 2 60 "$aa" pull "$snapshot" "$@" "$bundle"
	refused_report
}

refused_report() {
	refused_fault=
	exit_is "$refused_codes" || refused_fault="exit $rc, wanted $refused_codes"
	is_empty "$target" ||
		refused_fault="$refused_fault; left: $(find "$target" -mindepth 1 | head -n 5 | tr '\n' ' ')"
	well_told || refused_fault="$refused_fault; no line 'aa-cli: pull: … (CODE)'"
	[ ! -s "$work/out" ] || refused_fault="$refused_fault; output on stdout"
	if [ -z "$refused_fault" ]; then
		ok "$refused_name"
		diag "$(grep '^aa-cli: pull: ' "$work/err" | head -n 1)"
	else
		not_ok "$refused_name"
		diag "$refused_fault"
		diag_file "$work/err"
	fi
}

# --- helpers ----------------------------------------------------------------

mkimage() {
	python3 "$e2e/mkimage.py" "$@"
}

ocicrypt() {
	python3 "$e2e/ocicrypt.py" "$@"
}

same_trees() {
	python3 "$e2e/compare_tree.py" trees "$@"
}

same_bundles() {
	same_trees "$1/rootfs" "$2/rootfs" && cmp "$1/config.json" "$2/config.json"
}

# milliseconds, for differences
now() {
	date +%s%3N
}

# a port that nobody has and nobody else will get while this scenario runs, another one each time
free_port() {
	python3 "$e2e/ports.py" free $$
}

# comes_true SECONDS COMMAND...: runs it until it succeeds, so long at most
comes_true() {
	true_turns=$(($1 * 50))
	shift
	until "$@"; do
		true_turns=$((true_turns - 1))
		[ "$true_turns" -ge 0 ] || return 1
		sleep 0.02
	done
}

# wait_file FILE: until it is there, a minute at most
wait_file() {
	comes_true 60 test -s "$1"
}

has_ended() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# gone PID: until the process has ended, a minute at most
gone() {
	comes_true 60 has_ended "$1"
}

# A CA of our own and a certificate for 127.0.0.1 and localhost: $work/tls/{ca,server}.{crt,key}
make_tls() {
	tls=$work/tls
	[ ! -d "$tls" ] || return 0
	mkdir "$tls"
	(
		cd "$tls" || exit
		for name in ca other-ca; do
			openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
				-keyout $name.key -out $name.crt -days 2 -subj "/CN=test $name" \
				-addext basicConstraints=critical,CA:TRUE \
				-addext keyUsage=critical,keyCertSign,cRLSign
		done
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
			-keyout server.key -out server.csr -subj "/CN=127.0.0.1"
		echo 'subjectAltName=IP:127.0.0.1,DNS:localhost' >server.ext
		openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
			-days 2 -extfile server.ext -out server.crt
		echo 'subjectAltName=IP:127.0.0.9,DNS:elsewhere.test' >wrong.ext
		openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
			-days 2 -extfile wrong.ext -out wrong-name.crt
	) >"$work/openssl.log" 2>&1
}

registry_config() {	# port, storage, [certificate]
	cat <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $2}, delete: {enabled: true}}
http:
  addr: 127.0.0.1:$1
END
	[ -z "${3:-}" ] || echo "  tls: {certificate: $3, key: $work/tls/server.key}"
	[ -z "${registry_users:-}" ] || echo "auth: {htpasswd: {realm: test, path: $registry_users}}"
}

# private_registry NAME USER WORD OCI_IMAGE NAME:TAG: a docker-registry that knows one user, and an image in it
private_registry() {
	python3 -W ignore - "$3" >"$work/htpasswd" <<'END'
import crypt, sys
print("user:" + crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))
END
	sed -i "s/^user:/$2:/" "$work/htpasswd"
	registry_users=$work/htpasswd
	registry_start "$1"
	registry_users=
	skopeo --insecure-policy copy -q --dest-tls-verify=false --dest-creds "$2:$3" "oci:$4" "docker://$registry/$5"
}

# registry_start NAME [CERTIFICATE]: a docker-registry; sets $registry (host:port) and $registry_dir
registry_start() {
	registry_dir=$work/registry-$1
	mkdir "$registry_dir"
	for registry_try in 1 2 3 4 5; do
		registry_port=$(free_port)
		registry=127.0.0.1:$registry_port
		registry_config "$registry_port" "$registry_dir/storage" "${2:-}" >"$registry_dir/config.yml"
		docker-registry serve "$registry_dir/config.yml" >"$registry_dir/log" 2>&1 &
		registry_pid=$!
		if python3 "$e2e/ports.py" wait "$registry_port" "$registry_pid"; then
			pids="$pids $registry_pid"
			return 0
		fi
		kill "$registry_pid" 2>/dev/null || :
		wait "$registry_pid" 2>/dev/null || :
		diag "registry did not start, try $registry_try"
	done
	bail "docker-registry does not start: $(tail -n 1 "$registry_dir/log")"
}

# blob_file DIGEST: where the registry started last keeps a blob
blob_file() {
	blob_hex=${1#sha256:}
	echo "$registry_dir/storage/docker/registry/v2/blobs/sha256/$(echo "$blob_hex" | cut -c1-2)/$blob_hex/data"
}

# slow_line PORT RATE: sets $slow (host:port) to a slow way to 127.0.0.1:PORT, and $slow_pid
slow_line() {
	rm -f "$work/slow.port"
	python3 "$e2e/proxy.py" "$work/slow.port" "$1" "$2" >"$work/slow.log" 2>&1 &
	slow_pid=$!
	pids="$pids $slow_pid"
	wait_file "$work/slow.port" || bail "proxy.py does not start"
	slow=127.0.0.1:$(cat "$work/slow.port")
}

# bad_registry LAYOUT [CERTIFICATE]: sets $bad (host:port) and $bad_log
bad_registry() {
	bad_log=$work/bad.log
	rm -f "$work/bad.port"
	python3 "$e2e/badregistry.py" "$work/bad.port" "$bad_log" "$1" ${2:+"$2" "$tls/server.key"} \
		>"$work/bad.out" 2>&1 &
	pids="$pids $!"
	wait_file "$work/bad.port" || bail "badregistry.py does not start"
	bad=127.0.0.1:$(cat "$work/bad.port")
}

# adopt COMMAND…: takes over the lines "ok NAME", "not ok NAME", "skip NAME # WHY", "# …" it prints
adopt() {
	"$@" >"$work/adopt" 2>&1 || echo "not ok $*" >>"$work/adopt"
	while IFS= read -r adopt_line; do
		case $adopt_line in
		"ok "*) ok "${adopt_line#ok }" ;;
		"not ok "*) not_ok "${adopt_line#not ok }" ;;
		"skip "*)
			adopt_line=${adopt_line#skip }
			skip "${adopt_line%% \#*}" "${adopt_line##*\# }"
			;;
		*) echo "# ${adopt_line#\# }" ;;
		esac
	done <"$work/adopt"
}

# start_pull [options] IMAGE: a pull in the background, in a session of its own: $aa_pid
start_pull() {
	setsid "$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false "$@" "$bundle" \
		>"$work/out" 2>"$work/err" &
	aa_pid=$!
	pids="$pids $aa_pid"
}

# finish_pull SECONDS: waits for it; $rc is its status, "late" when it took longer and was killed
finish_pull() {
	finish_left=$(($1 * 50))
	while runs "$aa_pid"; do
		finish_left=$((finish_left - 1))
		if [ "$finish_left" -le 0 ]; then
			kill -s KILL -- "-$aa_pid" 2>/dev/null || :
			wait "$aa_pid" 2>/dev/null || :
			rc=late
			return 0
		fi
		sleep 0.02
	done
	rc=0
	wait "$aa_pid" 2>/dev/null || rc=$?
}

procs() {
	python3 "$e2e/procs.py" "$@"
}

[ -x "$aa" ] || bail "no program $aa (set CACAO_BIN_DIR)"
