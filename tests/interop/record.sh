#!/bin/sh
# record.sh PEER DIR: lets the Go library ocicrypt (peer.go) and our programs work on each other's images, live, and
# keeps the images and what crossed the wire in DIR, if all went well.
set -eu
peer=$1
kept=$2
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/../e2e/lib.sh"

here=$top/tests/interop
kid=default/key/one
recipient=provider:attestation-agent:kbs:///$kid
pem=$vectors/image/ocicrypt/keys
new=$work/interop
images=$new/images
calls=$new/calls
mkdir -p "$images" "$calls"
ocicrypt keys "$new/keys" $kid
params=offline_fs_kbc::$new/keys
mkimage build "$images/plain:x" --config '{"Env":["A=b"]}' files=2,size=600 gzip=none,files=1,size=500,top=b >/dev/null
plain=$(mkimage layers "$images/plain:x")

opens() { # NAME IMAGE [options]: our program decrypts it
	opens_name=$1
	opens_image=$2
	shift 2
	rm -rf "$work/opened"
	expect_exit "$opens_name" 0 "$aa" decrypt "$@" "oci:$opens_image:x" "oci:$work/opened:x"
	check "$opens_name: the layers are right" [ "$(mkimage layers "$work/opened:x")" = "$plain" ]
}
peer_opens() { # NAME IMAGE KEY
	rm -rf "$work/opened"
	expect_exit "$1" 0 "$peer" --decryption-key "$3" "$2" "$work/opened"
	check "$1: the layers are right" [ "$(mkimage layers "$work/opened:x")" = "$plain" ]
}
config() { # JSON of the key provider
	printf '{"key-providers":{"attestation-agent":%s}}' "$1" >"$work/config.json"
}
OCICRYPT_KEYPROVIDER_CONFIG=$work/config.json
export OCICRYPT_KEYPROVIDER_CONFIG
config '{}'

# --- private keys
for kind in jwe:rsa.pub.pem pkcs7:p7.crt.pem; do
	scheme=${kind%%:*}
	expect_exit "the peer encrypts: $scheme" 0 "$peer" --encryption-key "$scheme:$pem/${kind#*:}" \
		"$images/plain" "$images/peer-$scheme"
done
opens "we decrypt what the peer made: jwe" "$images/peer-jwe" --decryption-key "$pem/rsa.pem"
opens "we decrypt what the peer made: pkcs7" "$images/peer-pkcs7" --decryption-key "$pem/p7.key.pem" \
	--decryption-key "$pem/p7.crt.pem"
expect_exit "we encrypt: jwe" 0 "$aa" encrypt --recipient "jwe:$pem/rsa.pub.pem" "oci:$images/plain:x" \
	"oci:$images/own-jwe:x"
peer_opens "the peer decrypts what we made: jwe" "$images/own-jwe" "$pem/rsa.pem"
expect_exit "we encrypt: key provider" 0 "$aa" encrypt --recipient "$recipient" --aa-kbc-params "$params" \
	"oci:$images/plain:x" "oci:$images/own-provider:x"

# --- cmd: the command keeps what goes through it
cat >"$work/command" <<END
#!/bin/sh
cat >"$work/asked"
op=wrap
! grep -q '"op":"keyunwrap"' "$work/asked" || op=unwrap
"$bin/aa-keyprovider" --cmd --aa-kbc-params "$params" <"$work/asked" >"$work/answered" || exit
[ -e "$calls/cmd-\$op.request.json" ] || {
	cp "$work/asked" "$calls/cmd-\$op.request.json"
	cp "$work/answered" "$calls/cmd-\$op.reply.json"
}
cat "$work/answered"
END
chmod +x "$work/command"
config "{\"cmd\":{\"path\":\"$work/command\"}}"
expect_exit "the peer encrypts: cmd" 0 "$peer" --encryption-key "$recipient" "$images/plain" "$images/peer-cmd"
opens "we decrypt what the peer made: cmd" "$images/peer-cmd" --aa-kbc-params "$params"
peer_opens "the peer decrypts what it made: cmd" "$images/peer-cmd" provider:attestation-agent
peer_opens "the peer decrypts what we made: cmd" "$images/own-provider" provider:attestation-agent

# --- gRPC: a line in between keeps what the peer says
port=$(free_port)
"$bin/aa-keyprovider" --listen "grpc:127.0.0.1:$port" --aa-kbc-params "$params" --ready-fd 3 \
	3>"$work/ready" 2>"$work/provider.log" &
pids="$pids $!"
wait_file "$work/ready" || bail "aa-keyprovider does not start: $(cat "$work/provider.log")"
through_line() { # FILE
	rm -f "$work/line.port"
	python3 "$here/wire.py" record "$work/line.port" "$port" "$1" >"$work/line.log" 2>&1 &
	pids="$pids $!"
	wait_file "$work/line.port" || bail "wire.py does not start"
	config "{\"grpc\":\"127.0.0.1:$(cat "$work/line.port")\"}"
}
through_line "$calls/grpc-wrap.said"
expect_exit "the peer encrypts: gRPC" 0 "$peer" --encryption-key "$recipient" "$images/plain" "$images/peer-grpc"
opens "we decrypt what the peer made: gRPC" "$images/peer-grpc" --aa-kbc-params "$params"
through_line "$calls/grpc-unwrap.said"
peer_opens "the peer decrypts what it made: gRPC" "$images/peer-grpc" provider:attestation-agent
peer_opens "the peer decrypts what we made: gRPC" "$images/own-provider" provider:attestation-agent

# --- a key that nobody has
config "{\"grpc\":\"127.0.0.1:$port\"}"
expect_exit "an unknown key: the peer says so" 1 "$peer" --encryption-key \
	provider:attestation-agent:kbs:///default/key/none "$images/plain" "$work/none"
check "an unknown key: in our words" grep -q none "$work/err"

"$peer" --version >"$new/versions"
date +'recorded %F' >>"$new/versions"
check "no path of this machine is kept" sh -c "! grep -raF -e '$work' -e '$top' '$new'"
check "it is small" [ "$(du -sk --apparent-size "$new" | cut -f1)" -lt 300 ]
if [ "$test_failed" -eq 0 ]; then
	rm -rf "$kept/images" "$kept/calls" "$kept/keys" "$kept/versions"
	mkdir -p "$kept"
	chmod -R u+rwX,go+rX "$new"
	cp -R "$new/." "$kept/"
	diag "note: recorded anew with $(tr '\n' ' ' <"$kept/versions")"
fi
plan
