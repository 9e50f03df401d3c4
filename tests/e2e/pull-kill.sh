#!/bin/sh
# Sudden death: of all processes at many points of a pull, of each single role, of the registry.
# Never an image under its name, or a layer in the store, that is not whole; never anything left for good.
# On a flat root and, as root, with layers mounted. CHECK_EFFORT: 24 points for each unit.
# time-limit: 600
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

store=$work/store
modes=flat
! is_root || modes="flat overlay"
points=$((24 * ${CHECK_EFFORT:-1} / $(echo "$modes" | wc -w)))

discard() {	# a bundle
	umount "$1/rootfs" 2>/dev/null || :
	rm -rf "$1"
}

clear_all() {
	discard "$bundle"
	discard "$target/second"
	fresh_target
	rm -rf "$store"
}

start() {	# IMAGE [option]
	start_pull --store="$store" "$key" "$@"
}

whole() {	# BUNDLE: is it complete?
	[ -f "$1/config.json" ] && [ "$(find "$1/rootfs" -type f | wc -l)" -eq 800 ]
}

whole_layers() {	# is what the store has complete?
	for layer in "$store"/layers/*; do
		[ ! -d "$layer" ] || [ "$(find "$layer" -type f | wc -l)" -eq 400 ] || return 1
	done
}

# Beneath our folder, but for the root of the bundle.
no_mounts() {
	! cut -d ' ' -f 5 /proc/self/mountinfo | grep -F "$work" | grep -vx "$bundle/rootfs"
}

no_remains() {	# where pulls made something
	no_mounts && [ ! -e "$target/.cacao-staging" ] && [ ! -e "$store/.cacao-staging" ] && whole_layers
}

# A pull that failed by itself takes along what it made; whole layers may stay.
check_gone() {	# NAME
	check "$1: no process is left" procs none "$aa_pid" 30
	check "$1: no file is left" is_empty "$target"
	diag "$(find "$target" -mindepth 1 | head -n 3 | tr '\n' ' ')"
	check "$1: no mount, and nothing but whole layers in the store" no_remains
}

check_failed() {	# NAME
	case $rc in
	0 | late) not_ok "$1" ;;
	*) ok "$1" ;;
	esac
}

check_next() {	# NAME: the next pull is right, and tidies up
	discard "$bundle"
	start "$ref"
	finish_pull 60
	check "$1: the next pull works" [ "$rc" = 0 ]
	check "$1: its tree is right" same_bundles "$reference" "$bundle"
	check "$1: it left nothing of the killed ones" no_remains
	check "$1: nothing is beside the bundle" [ "$(find "$target" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
}

reference=$work/reference
clear_all
start_time=$(now)
pulled "an undisturbed pull" "$key" "$ref"
undisturbed=$(echo "$start_time $(now)" | awk '{ printf "%.3f", ($2 - $1) / 1000 }')
check "it is whole" whole "$bundle"
mv "$bundle" "$reference"
diag "takes $undisturbed s"

# --- kill -9 of everything ------------------------------------------------------

kill_at() {	# SECONDS after the start; $full is how long a pull takes, as far as is known
	discard "$bundle"
	rm -rf "$store/layers"	# or the next pull would have little to do
	start "$ref"
	until [ "$(cut -d ' ' -f 6 "/proc/$aa_pid/stat")" = "$aa_pid" ]; do :; done # it leads its session, which is what is killed
	sleep "$1"
	kill -s KILL -- "-$aa_pid" 2>/dev/null || :
	wait "$aa_pid" 2>/dev/null || :
	procs none "$aa_pid" 30 >"$work/survivors" || survivors=$((survivors + 1))
	whole_layers || partial=$((partial + 1))
	if [ ! -e "$bundle" ]; then
		early=$((early + 1))
	elif ! whole "$bundle"; then
		half=$((half + 1))
	else
		full=$1 # it takes no longer than that
	fi
}

kill_everywhere() {
	half=0 survivors=0 early=0 partial=0 n=0 full=$undisturbed
	clear_all
	while [ "$n" -lt "$points" ]; do
		n=$((n + 1))
		kill_at "$(awk -v n="$n" -v points="$points" -v full="$full" 'BEGIN {
			srand(n); printf "%.3f", full * (n - rand()) / points }')"
	done
	check "$mode: killed at $points points: never half an image under its name" [ "$half" -eq 0 ]
	check "$mode: killed at $points points: never half a layer in the store" [ "$partial" -eq 0 ]
	check "$mode: killed at $points points: no process survives" [ "$survivors" -eq 0 ]
	check "$mode: many of them died before the image was there" [ "$early" -ge $((points / 4)) ]
	diag "$early of $points"
	check_next "$mode: after $points kills"
}

# --- kill -9 of one, and signals ---------------------------------------------------

# So slow that half a minute is left when a role is found, and fast again for pulls that shall come to their end.
start_slow() {	# ROLE [option]: a slow pull until this role is there: $role_pid
	clear_all
	[ -z "${slow_pid:-}" ] || kill "$slow_pid" 2>/dev/null || :
	slow_line "$registry_port" 600000
	slow_ref=docker://$slow/test/image:enc
	start "$slow_ref" ${2+"$2"}
	procs wait "$aa_pid" "$1" unpack >"$work/procs" || :
	sleep 0.3
	role_pid=$(sed -n "s/ $1\$//p" "$work/procs" | head -n 1)
}

kill_role() {	# ROLE
	start_slow "$1" --layers-at-once=1	# or the key process has done its work already
	if [ -z "$role_pid" ]; then
		not_ok "$mode: kill -9 of $1"
		diag "no such process; there are: $(tr '\n' ' ' <"$work/procs")"
		finish_pull 60
		return 0
	fi
	kill -KILL "$role_pid" 2>/dev/null || :
	start_time=$(now)
	kill -USR1 "$slow_pid" # key's end is noticed by the next layer
	finish_pull 30
	took=$(($(now) - start_time))
	check_failed "$mode: kill -9 of $1: the pull fails, soon"
	diag "exit $rc after $took ms: $(grep '^aa-cli: pull' "$work/err" | head -n 1)"
	check_gone "$mode: kill -9 of $1"
}

kill_monitor() {
	start_slow net
	kill -KILL "$aa_pid"
	wait "$aa_pid" 2>/dev/null || :
	check "$mode: kill -9 of the monitor: all roles go" procs none "$aa_pid" 30
	check "$mode: kill -9 of the monitor: no image under its name" [ ! -e "$bundle" ]
	check_next "$mode: kill -9 of the monitor"
}

end_by_signal() {	# TERM or INT
	start_slow net
	kill "-$1" "$aa_pid"
	finish_pull 30
	check_failed "$mode: SIG$1 ends a pull"
	diag "exit $rc"
	check_gone "$mode: SIG$1"
}

# A pull that finds another one at work in the same folder, and in the same store, leaves its files alone.
two_at_once() {
	start_slow net
	run "$aa" pull "$snapshot" --store="$store" --policy "$accept_policy" --tls-verify=false "$key" "$ref" \
		"$target/second"
	check "$mode: a second pull beside a running one works" [ "$rc" -eq 0 ]
	kill -USR1 "$slow_pid"
	finish_pull 60
	check "$mode: the first one works too" [ "$rc" = 0 ]
	check "$mode: both are whole" same_bundles "$bundle" "$target/second"
	check "$mode: nothing beside the two" [ "$(find "$target" -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 ]
	discard "$target/second"
	check "$mode: nothing is left of both" no_remains
}

for mode in $modes; do
	snapshot=--snapshot=$mode
	kill_everywhere
	for role in net key pull crypt unpack; do
		kill_role $role
	done
	kill_monitor
	end_by_signal TERM
	end_by_signal INT
	two_at_once
done

start_slow net
kill "$slow_pid"
finish_pull 60
check "the registry goes away: the pull fails" [ "$rc" = 20 -o "$rc" = 22 -o "$rc" = 14 ]
diag "exit $rc: $(grep '^aa-cli: pull' "$work/err" | head -n 1)"
check_gone "the registry goes away"
clear_all
plan
