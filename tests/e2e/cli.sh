#!/bin/sh
# The command line: usage errors, help, version, resources from a broker.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

verbs="pull unpack status token get-resource encrypt decrypt inspect verify policy config version selftest-sandbox"

usage_error() {	# NAME ARGUMENT…: exit 2, said on stderr, nothing on stdout
	usage_name=$1
	shift
	run timeout -k 2 20 "$aa" "$@"
	if [ "$rc" -eq 2 ] && [ -s "$work/err" ] && [ ! -s "$work/out" ]; then
		ok "usage: $usage_name"
	else
		not_ok "usage: $usage_name"
		diag "exit $rc, $(wc -c <"$work/out") bytes on stdout"
		diag_file "$work/err"
	fi
}

shown() {	# NAME ARGUMENT…: exit 0, text on stdout, a screen at most, nothing on stderr
	shown_name=$1
	shift
	run "$aa" "$@"
	lines=$(wc -l <"$work/out")
	if [ "$rc" -eq 0 ] && [ "$lines" -ge 1 ] && [ "$lines" -le 60 ] && [ ! -s "$work/err" ]; then
		ok "$shown_name"
	else
		not_ok "$shown_name"
		diag "exit $rc, $lines lines"
		diag_file "$work/err"
	fi
}

# --- help and version ------------------------------------------------------------

shown "help" help
for verb in $verbs; do
	check "help names $verb" grep -qw -- "$verb" "$work/out"
done
shown "--help" --help
for verb in $verbs; do
	shown "$verb --help" "$verb" --help
done
run "$aa" pull --help
for option in policy tls-verify ca-file authfile decryption-key aa-kbc-params work-dir platform \
	allow-mixed-layers device-nodes zstd-window-log; do
	check "pull --help names --$option" grep -q -- "--$option" "$work/out"
done
check "no line of it is longer than 110 columns" sh -c "! grep -E '.{111}' '$work/out'"
shown "version" version
check "version names the program and a number" grep -Eq '[0-9]+\.[0-9]+' "$work/out"
shown "version --json" version --json
check "version --json is one JSON object" python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
assert isinstance(d, dict) and "version" in d, d' "$work/out"

# --- usage errors ------------------------------------------------------------------

usage_error "no verb"
usage_error "unknown verb" fetch
usage_error "an option before the verb" --policy=x pull
usage_error "pull without anything" pull
usage_error "pull without a bundle" pull docker://h/i:t
usage_error "pull with an argument too many" pull docker://h/i:t a b
usage_error "unknown option" pull --insecure docker://h/i:t b
usage_error "unknown short option" pull -k docker://h/i:t b
usage_error "an option cut short" pull --pol=x docker://h/i:t b
usage_error "an option without its value" pull docker://h/i:t b --policy
usage_error "an empty value" pull --policy= docker://h/i:t b
usage_error "a flag that is neither true nor false" pull --tls-verify=maybe docker://h/i:t b
usage_error "unknown device rule" pull --device-nodes=perhaps docker://h/i:t b
usage_error "a zstd window of 2 GiB" pull --zstd-window-log=31 docker://h/i:t b
usage_error "a zstd window that is no number" unpack --zstd-window-log=big --rootfs "$work/r" "$work/layer.tar"
usage_error "unpack without files" unpack --rootfs "$work/r"
usage_error "unpack without a root" unpack "$work/layer.tar"
usage_error "get-resource without a name" get-resource --aa-kbc-params offline_fs_kbc::null
usage_error "get-resource without a broker" get-resource kbs:///a/b/c
usage_error "encrypt without a target" encrypt oci:x --recipient provider:attestation-agent:a/b/c
usage_error "selftest-sandbox without a role" selftest-sandbox
usage_error "selftest-sandbox of an unknown role" selftest-sandbox judge
check "the error points to --help" grep -q -- --help "$work/err"

bad_argument() {	# NAME CODES ARGUMENT…
	bad_name=$1
	bad_codes=$2
	shift 2
	expect_exit "argument: $bad_name" "$bad_codes" timeout -k 2 20 "$aa" "$@"
}
for name in 'docker://' 'docker://UPPER/Case' 'docker://host/a b' 'docker://host/x:' 'docker://h/x@sha256:12' \
	'docker://h/../x' 'oci:' 'docker-daemon:x:y' 'docker://h/x@md5:0cc175b9c0f1b6a831c399e269772661' \
	'docker://user:word@h/x'; do
	bad_argument "image '$name'" "1|2" pull --policy "$accept_policy" "$name" "$work/b"
done
bad_argument "platform" "1|2" pull --policy "$accept_policy" --platform=amd64 docker://h/i:t "$work/b"
bad_argument "broker without ::" "2|10" pull --policy "$accept_policy" --aa-kbc-params=offline_fs_kbc \
	docker://h/i:t "$work/b"
bad_argument "a decryption key of another kind" "1|2|10" pull --policy "$accept_policy" \
	--decryption-key=/key.pem docker://h/i:t "$work/b"
bad_argument "a decryption key of another provider" "1|2|10" pull --policy "$accept_policy" \
	--decryption-key=provider:other:offline_fs_kbc::null docker://h/i:t "$work/b"
long=$(head -c 9000 /dev/zero | tr '\0' a)
bad_argument "an image name of 9000 letters" "1|2" pull --policy "$accept_policy" "docker://h/$long" "$work/b"
check "none of them made anything" [ ! -e "$work/b" ]

# --- resources ------------------------------------------------------------------------

mkdir "$work/broker"
python3 - "$work/broker/aa-offline_fs_kbc-resources.json" <<'END'
import base64, json, sys
json.dump({"default/policy/one": base64.b64encode(bytes(range(256)) * 16).decode(),
           "default/text/hello": base64.b64encode(b"hello\n").decode(),
           "default/empty/none": ""}, open(sys.argv[1], "w"))
END
ocicrypt keys "$work/broker" default/key/one
params=offline_fs_kbc::$work/broker
bytes=$(python3 -c 'import hashlib; print(hashlib.sha256(bytes(range(256)) * 16).hexdigest())')

resource() {	# NAME ARGUMENT…
	resource_name=$1
	shift
	run "$aa" get-resource "$@"
	check "resource: $resource_name" [ "$rc" -eq 0 -a "$(cat "$work/out")" = hello ]
}
run "$aa" get-resource --aa-kbc-params "$params" kbs:///default/policy/one
check "resource: its very bytes on stdout" [ "$rc $(sha256sum <"$work/out")" = "0 $bytes  -" ]
check "resource: nothing on stderr" [ ! -s "$work/err" ]
resource "as --name=value" --aa-kbc-params="$params" kbs:///default/text/hello
resource "options last" kbs:///default/text/hello --aa-kbc-params "$params"
resource "after --" --aa-kbc-params "$params" -- kbs:///default/text/hello
resource "with a host in its name" --aa-kbc-params "$params" kbs://broker.test:8080/default/text/hello
no_resource() {	# NAME CODES ARGUMENT…
	no_name=$1
	no_codes=$2
	shift 2
	expect_exit "resource: $no_name" "$no_codes" "$aa" get-resource "$@"
	check "resource: $no_name: nothing on stdout" [ ! -s "$work/out" ]
}
no_resource "unknown" 13 --aa-kbc-params "$params" kbs:///default/text/none
no_resource "a key is none" 13 --aa-kbc-params "$params" kbs:///default/key/one
no_resource "a path that climbs" "1|2|13" --aa-kbc-params "$params" kbs:///../../etc
no_resource "two segments" "1|2|13" --aa-kbc-params "$params" kbs:///default/text
no_resource "no kbs name" "1|2" --aa-kbc-params "$params" file:///etc/passwd
no_resource "a folder that is not there" "10|13" --aa-kbc-params offline_fs_kbc::/nowhere kbs:///default/text/hello
no_resource "an unknown broker" "2|10" --aa-kbc-params no_kbc::null kbs:///default/text/hello
check "an unknown broker: the message lists those there are" grep -q offline_fs_kbc "$work/err"
if [ -e /etc/aa-offline_fs_kbc-resources.json ]; then
	skip "resource: the default files are not there" "this machine has them"
else
	no_resource "the default files are not there" "10|13" --aa-kbc-params offline_fs_kbc::null \
		kbs:///default/text/hello
fi
if [ -w /dev/full ]; then
	rc=0
	"$aa" get-resource --aa-kbc-params "$params" kbs:///default/policy/one >/dev/full 2>"$work/err" || rc=$?
	check "resource: a full disk is an error" [ "$rc" -ne 0 ]
	rc=0
	"$aa" version >/dev/full 2>"$work/err" || rc=$?
	check "version: a full disk is an error" [ "$rc" -ne 0 ]
fi

# --- odd surroundings -----------------------------------------------------------------

rc=0
"$aa" get-resource --aa-kbc-params "$params" kbs:///default/text/hello <&- >"$work/out" 2>"$work/err" || rc=$?
check "stdin closed" [ "$rc" -eq 0 -a "$(cat "$work/out")" = hello ]
rc=0
"$aa" get-resource --aa-kbc-params "$params" kbs:///default/text/hello >"$work/out" <&- 2>&- || rc=$?
check "stdin and stderr closed" [ "$rc" -eq 0 -a "$(cat "$work/out")" = hello ]
rc=0
timeout -k 2 20 "$aa" get-resource --aa-kbc-params "$params" kbs:///default/text/hello <&- >&- 2>&- || rc=$?
check "all closed: ends, and does not say that all is well" [ "$rc" -ne 0 -a "$rc" -lt 124 ]
run env -i "$aa" get-resource --aa-kbc-params "$params" kbs:///default/text/hello
check "no environment" [ "$rc" -eq 0 ]
run env http_proxy=http://127.0.0.1:1 LD_PRELOAD=/nowhere.so OPENSSL_CONF=/nowhere SSL_CERT_FILE=/nowhere \
	"$aa" get-resource --aa-kbc-params "$params" kbs:///default/text/hello
check "an odd environment" [ "$rc" -eq 0 ]
run sh -c 'ulimit -n 20; exec "$@"' sh "$aa" get-resource --aa-kbc-params "$params" kbs:///default/text/hello
check "few descriptors: works or fails cleanly" [ "$rc" -eq 0 -o "$rc" -eq 1 -o "$rc" -eq 50 -o "$rc" -eq 15 ]
run sh -c 'cd / && exec "$@"' sh "$aa" get-resource --aa-kbc-params "$params" kbs:///default/text/hello
check "from another folder" [ "$rc" -eq 0 ]
cp -L "$aa" "$work/attestation-agent"
run "$work/attestation-agent" aa-cli version
check "as attestation-agent, with aa-cli as its first word" [ "$rc" -eq 0 ]
run "$work/attestation-agent" version
check "with a command as its first word" [ "$rc" -eq 0 ]
for name in attestation-agent confidential-data-hub api-server-rest; do
	run "$work/attestation-agent" $name --version
	check "with $name as its first word" grep -q "^$name " "$work/out"
done
cp -L "$aa" "$work/aa-cli"
run "$work/aa-cli" get-resource --aa-kbc-params "$params" kbs:///default/text/hello
check "as a copy elsewhere" [ "$rc" -eq 0 ]
run sh -c 'cd "$1" && PATH=$1:$PATH && shift && exec aa-cli "$@"' sh "$work" get-resource \
	--aa-kbc-params "$params" kbs:///default/text/hello
check "found by PATH" [ "$rc" -eq 0 ]
usage_error "both ways to name the broker" pull --aa-kbc-params offline_fs_kbc::null \
	--decryption-key provider:attestation-agent:offline_fs_kbc::null docker://h/i:t b

plan
