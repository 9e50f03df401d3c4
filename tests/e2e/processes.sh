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
slow_line "$registry_port" 300000

# unpacking: until the first entry of a layer is there. Nothing foreign is read before a sandbox is shut, so all of them are.
unpacking() {
	comes_true 60 has_entry || bail "no layer is unpacked: $(head -n 1 "$work/err")"
}
has_entry() {
	[ -n "$(find "$target" -name data 2>/dev/null)" ]
}

fresh_target
start_pull --aa-kbc-params "offline_fs_kbc::$work/keys" "docker://$slow/test/image:enc"
procs wait "$aa_pid" net key pull crypt unpack >"$work/procs" || diag_file "$work/procs"
unpacking
adopt procs check "$aa_pid" "$target" $kid "$work" "$slow"
kill -USR1 "$slow_pid" # it has been slow for long enough
finish_pull 60
check "the slow pull works" [ "$rc" = 0 ]
check "no process is left" procs none "$aa_pid" 30

# The same with an archive instead of a registry; unpack stands still while it is looked at.
mkimage build "$img:large" gzip=none,files=4,size=600m >/dev/null
ocicrypt encrypt "$img:large" "$work/large:enc" "$work/keys/aa-offline_fs_kbc-keys.json" $kid >/dev/null
tar -C "$work/large" -cf "$work/archive.tar" .
fresh_target
start_pull --aa-kbc-params "offline_fs_kbc::$work/keys" "oci-archive:$work/archive.tar"
procs wait "$aa_pid" unpack >"$work/procs" || diag_file "$work/procs"
unpack=$(sed -n 's/ unpack$//p' "$work/procs")
unpacking
kill -STOP "$unpack"
procs wait "$aa_pid" archive key pull crypt unpack >"$work/procs" || diag_file "$work/procs"
adopt procs check "$aa_pid" "$target" $kid "$work/keys"
kill -CONT "$unpack"
finish_pull 60
check "the pull of an archive works" [ "$rc" = 0 ]

plan
