#!/bin/sh
# Sudden death: of all processes at many points of a pull, of each single role, of the registry.
# Never an image under its name that is not whole, never anything left for good.
# CHECK_EFFORT: 25 points for each unit.
# time-limit: 300
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
params=offline_fs_kbc::$work/keys
mkimage build "$img:plain" files=400,size=12m files=400,size=12m,seed=2,top=second >/dev/null
ocicrypt encrypt "$img:plain" "$img:enc" "$keys" $kid >/dev/null
registry_start plain
mkimage push "$img:enc" "http://$registry/test/image:enc" >/dev/null
ref=docker://$registry/test/image:enc
key=--aa-kbc-params=$params

whole() {	# is the bundle complete?
	[ -f "$bundle/config.json" ] && [ "$(find "$bundle/rootfs" -type f | wc -l)" -eq 800 ]
}

start=$(now)
pulled "an undisturbed pull" "$key" "$ref"
full=$(($(now) - start))
check "it is whole" whole
diag "takes $full ms"

# --- kill -9 of everything ------------------------------------------------------

points=$((25 * ${CHECK_EFFORT:-1}))
fresh_target
half=0
survivors=0
early=0
n=0
while [ "$n" -lt "$points" ]; do
	n=$((n + 1))
	rm -rf "$bundle"
	start_pull "$key" "$ref"
	sleep "$(awk -v n="$n" -v points="$points" -v ms="$full" 'BEGIN {
		srand(n); printf "%.3f", ms * (n - rand()) / points / 1000 }')"
	kill -KILL -- "-$aa_pid" 2>/dev/null || :
	wait "$aa_pid" 2>/dev/null || :
	procs none "$aa_pid" 5 >"$work/survivors" || survivors=$((survivors + 1))
	[ ! -e "$bundle" ] || whole || half=$((half + 1))
	[ -e "$bundle" ] || early=$((early + 1))
done
check "killed at $points points: never half an image under its name" [ "$half" -eq 0 ]
check "killed at $points points: no process survives" [ "$survivors" -eq 0 ]
diag "$early of $points died before the image was there"
rm -rf "$bundle"
start_pull "$key" "$ref"
finish_pull 60
check "a pull after them works" [ "$rc" = 0 ]
check "and is whole" whole
check "and left nothing of theirs" [ "$(find "$target" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
diag "$(cd "$target" && find . -mindepth 1 -maxdepth 2 | tr '\n' ' ')"

# --- kill -9 of one --------------------------------------------------------------

slow_line "$registry_port" 8000000
slow_ref=docker://$slow/test/image:enc

start_slow() {	# ROLE: a slow pull until this role is there: $role_pid
	fresh_target
	start_pull "$key" "$slow_ref"
	procs wait "$aa_pid" "$1" unpack >"$work/procs" || :
	sleep 0.3
	role_pid=$(sed -n "s/ $1\$//p" "$work/procs" | head -n 1)
}

for role in net key pull crypt unpack; do
	start_slow $role
	if [ -z "$role_pid" ]; then
		not_ok "kill -9 of $role"
		diag "no such process; there are: $(tr '\n' ' ' <"$work/procs")"
		finish_pull 20
		continue
	fi
	kill -KILL "$role_pid" 2>/dev/null || :
	start=$(now)
	finish_pull 15
	took=$(($(now) - start))
	case $rc in
	0 | late) not_ok "kill -9 of $role: the pull fails, soon" ;;
	*) ok "kill -9 of $role: the pull fails, soon" ;;
	esac
	diag "exit $rc after $took ms: $(grep '^aa-cli: pull' "$work/err" | head -n 1)"
	check "kill -9 of $role: no process is left" procs none "$aa_pid" 5
	check "kill -9 of $role: no file is left" is_empty "$target"
	diag "$(find "$target" -mindepth 1 | head -n 3 | tr '\n' ' ')"
done

start_slow net
kill -KILL "$aa_pid"
wait "$aa_pid" 2>/dev/null || :
check "kill -9 of the monitor: all roles go" procs none "$aa_pid" 5
check "kill -9 of the monitor: no image under its name" [ ! -e "$bundle" ]
start_pull "$key" "$ref"
finish_pull 60
check "the next pull works" [ "$rc" = 0 ]
check "and tidies up" [ "$(find "$target" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]

for signal in TERM INT; do
	start_slow net
	kill -$signal "$aa_pid"
	finish_pull 10
	case $rc in
	0 | late) not_ok "SIG$signal ends a pull" ;;
	*) ok "SIG$signal ends a pull" ;;
	esac
	diag "exit $rc"
	check "SIG$signal: no process is left" procs none "$aa_pid" 5
	check "SIG$signal: no file is left" is_empty "$target"
done

# a pull that finds another one at work in the same folder leaves its files alone
start_slow net
run "$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false "$key" "$ref" "$target/second"
check "a second pull beside a running one works" [ "$rc" -eq 0 ]
check "the first one still runs" kill -0 "$aa_pid"
finish_pull 60
check "the first one works too" [ "$rc" = 0 ]
check "it is whole too" whole
check "nothing beside the two" [ "$(find "$target" -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 ]

start_slow net
kill "$slow_pid"
finish_pull 60
check "the registry goes away: the pull fails" [ "$rc" = 20 -o "$rc" = 22 -o "$rc" = 14 ]
diag "exit $rc: $(grep '^aa-cli: pull' "$work/err" | head -n 1)"
check "the registry goes away: nothing is left" is_empty "$target"

plan
