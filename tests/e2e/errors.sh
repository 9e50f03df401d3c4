#!/bin/sh
# Every error of lib/err.def is produced by some test: here by a run of the program, with the exit status, the name
# and the hint of the list; where no run can do it cheaply, by a unit test. The page about them is up to date.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

"$top/mk/errors.sh" >"$work/errors.md"
check "docs/errors.md is what mk/errors.sh prints" cmp "$work/errors.md" "$top/docs/errors.md"

# fact NAME COLUMN of the page: 3 exit status, 6 hint
fact() {
	awk -F' *[|] *' -v name="$1" -v column="$2" '$2 == name { print $column }' "$top/docs/errors.md"
}

produced=
# gives NAME COMMAND…: it fails as the list says
gives() {
	gives_name=$1
	shift
	fresh_target
	run timeout -k 2 30 "$@"
	gives_report
}
gives_report() {
	gives_hint=$(fact "$gives_name" 6)
	gives_fault=
	[ "$rc" = "$(fact "$gives_name" 3)" ] || gives_fault="exit status $rc, not $(fact "$gives_name" 3)"
	grep -q "^aa-cli: .* ($gives_name)\$" "$work/err" || gives_fault="$gives_fault, another name"
	[ "$gives_name" != USAGE ] || gives_hint="see \"aa-cli pull --help\""	# that of the command
	[ -z "$gives_hint" ] || grep -qxF -- "hint: $gives_hint" "$work/err" || gives_fault="$gives_fault, no hint"
	is_empty "$target" || gives_fault="$gives_fault, something is left"
	if [ -z "$gives_fault" ]; then
		ok "$gives_name"
		produced="$produced $gives_name"
	else
		not_ok "$gives_name"
		diag "$gives_fault"
		diag_file "$work/err"
	fi
}
gives_pull() { # NAME [options] IMAGE
	gives_name=$1
	shift
	gives "$gives_name" "$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false "$@" "$bundle"
}

img=$work/img
mkimage build "$img:good" files=3 >/dev/null
mkimage build "$img:other" files=3,seed=2 >/dev/null

gives USAGE "$aa" pull --no-such-option
gives_pull PARSE "docker://NO/Name"
gives_pull UNSUPPORTED --decryption-key provider:other:key "oci:$img:good"
gives_pull CONFIG --authfile "$work/nowhere" docker://127.0.0.1:1/x
echo '{"default":[{"type":"reject"}]}' >"$work/reject.json"
gives POLICY "$aa" pull "$snapshot" --policy "$work/reject.json" "oci:$img:good" "$bundle"
gives POLICY_INVALID "$aa" pull "$snapshot" --policy "$work/nowhere" "oci:$img:good" "$bundle"
gives_pull IMAGE_NOTFOUND "oci:$img:nothing"
echo '{"schemaVersion":2,"config":5}' >"$work/document"
mkimage add "$img:document" "$work/document" application/vnd.oci.image.manifest.v1+json
gives_pull IMAGE "oci:$img:document"
mkimage build "$img:digest" --wrong-diff-id 0 files=3 >/dev/null
gives_pull DIGEST "oci:$img:digest"
head -c 10240 /dev/zero | tr '\0' x >"$work/archive"
mkimage build "$img:layer" "tar=$work/archive" >/dev/null
gives_pull LAYER "oci:$img:layer"
gives STORAGE "$aa" pull "$snapshot" --policy "$accept_policy" "oci:$img:good" "$work/no/such/folder"

# keys
kid=default/key/one
for keys in keys wrong; do
	ocicrypt keys "$work/$keys" $kid
done
ocicrypt keys "$work/without" default/key/other
ocicrypt encrypt "$img:good" "$img:enc" "$work/keys/aa-offline_fs_kbc-keys.json" $kid >/dev/null
ocicrypt encrypt --hmac-of-plain "$img:good" "$img:mac" "$work/keys/aa-offline_fs_kbc-keys.json" $kid >/dev/null
gives_pull DECRYPT --aa-kbc-params "offline_fs_kbc::$work/wrong" "oci:$img:enc"
gives_pull KEY_NOTFOUND --aa-kbc-params "offline_fs_kbc::$work/without" "oci:$img:enc"
gives_pull MAC --aa-kbc-params "offline_fs_kbc::$work/keys" "oci:$img:mac"

# registries
log=$work/front.log
python3 "$e2e/front.py" "$work/front.port" "$log" "$img" >"$work/front.out" 2>&1 &
pids="$pids $!"
wait_file "$work/front.port" || bail "front.py does not start: $(cat "$work/front.out")"
home=127.0.0.1:$(cut -d' ' -f1 "$work/front.port")
gives_pull NET "docker://127.0.0.1:$(free_port)/x"
gives TLS "$aa" pull "$snapshot" --policy "$accept_policy" "docker://$home/good/x" "$bundle"
gives_pull REGISTRY "docker://$home/status/500"
gives_pull AUTH "docker://$home/status/403"
gives_pull LIMIT "docker://$home/headers/200"

# role PID NAME: the process of that role below a pull
role() {
	for role_pid in $(ps -o pid= --ppid "$1" 2>/dev/null); do
		! grep -qz "^cacao: $2" "/proc/$role_pid/cmdline" 2>/dev/null || {
			echo "$role_pid"
			return 0
		}
	done
	return 1
}
# interrupted NAME SIGNAL [ROLE]: a pull that waits for its manifest, and a signal for it or for a role of it
interrupted() {
	fresh_target
	: >"$log"
	"$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false "docker://$home/slow/600" "$bundle" \
		>"$work/out" 2>"$work/err" &
	aa_pid=$!
	pids="$pids $aa_pid"
	wait_file "$log" || :
	if [ -z "${3:-}" ]; then
		kill "-$2" "$aa_pid"
	else
		kill "-$2" "$(role "$aa_pid" "$3")" || :
	fi
	rc=0
	wait "$aa_pid" || rc=$?
	gives_name=$1
	gives_report
}
interrupted CANCELLED TERM
interrupted CRASH KILL pull

# the rest
for name in $(sed -n 's/^ERR_DEF(\([A-Z_]*\),.*/\1/p' "$top/lib/err.def"); do
	case " $produced " in
	*" $name "*) continue ;;
	esac
	# Not where a stand-in raises it, and not in the test of the list itself.
	check "$name: a unit test meets it" sh -c \
		"grep -w 'ERR_$name' '$top'/tests/unit/test_*.c | grep -v -e '/test_err.c:' -e 'err_set('"
done

plan
