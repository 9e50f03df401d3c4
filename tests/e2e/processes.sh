#!/bin/sh
# What the processes of a pull may do, seen from outside while a slow pull runs.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

skip_without_sandbox

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
mkimage build "$img:plain" files=50,size=3m >/dev/null
ocicrypt encrypt "$img:plain" "$img:enc" "$work/keys/aa-offline_fs_kbc-keys.json" $kid >/dev/null
registry_start plain
mkimage push "$img:enc" "http://$registry/test/image:enc" >/dev/null
slow_line "$registry_port" 1000000

fresh_target
start_pull --aa-kbc-params "offline_fs_kbc::$work/keys" "docker://$slow/test/image:enc"
procs wait "$aa_pid" net key pull crypt unpack >"$work/procs" || diag_file "$work/procs"
sleep 0.3
adopt procs check "$aa_pid" "$target" $kid "$work" "$slow"
finish_pull 60
check "the slow pull works" [ "$rc" = 0 ]
check "no process is left" procs none "$aa_pid" 5

plan
