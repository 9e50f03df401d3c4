#!/bin/sh
# Key provider and encrypted images against the Go library ocicrypt, which skopeo, podman and containerd use: what it
# made and said when it was recorded (tests/interop) is decrypted and said again.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kept=$vectors/interop
images=$kept/images
calls=$kept/calls
pem=$vectors/image/ocicrypt/keys
params=offline_fs_kbc::$kept/keys
plain=$(mkimage layers "$images/plain:x")
diag "note: replayed what was $(tail -n 1 "$kept/versions") with $(head -n -1 "$kept/versions" | tr '\n' ' ')"

opens() { # IMAGE [options]
	opens_image=$1
	shift
	rm -rf "$work/opened"
	expect_exit "$opens_image is decrypted" 0 "$aa" decrypt "$@" "oci:$images/$opens_image:x" "oci:$work/opened:x"
	check "$opens_image: the layers are right" [ "$(mkimage layers "$work/opened:x")" = "$plain" ]
}
opens peer-jwe --decryption-key "$pem/rsa.pem"
opens peer-pkcs7 --decryption-key "$pem/p7.key.pem" --decryption-key "$pem/p7.crt.pem"
opens own-jwe --decryption-key "$pem/rsa.pem"
for image in peer-cmd peer-grpc own-provider; do
	opens $image --aa-kbc-params "$params"
done
expect_exit "skopeo decrypts what the peer and we made" 0 skopeo --insecure-policy copy -q \
	--decryption-key "$pem/rsa.pem" "oci:$images/own-jwe:x" "oci:$work/skopeo:x"
check "and finds the same layers" [ "$(mkimage layers "$work/skopeo:x")" = "$plain" ]

command() { # REQUEST ANSWER
	"$bin/aa-keyprovider" --cmd --aa-kbc-params "$params" <"$1" >"$2"
}
data() {
	python3 "$top/tests/interop/calls.py" data "$1"
}
# answered NAME REQUEST ANSWER: what the peer asked for is what it gets: unwrapped the same, wrapped what can be unwrapped
answered() {
	case $1 in
	*unwrap*) check "$1: the answer" [ "$(data "$3")" = "$(data "$calls/cmd-unwrap.reply.json")" ] ;;
	*)
		python3 "$top/tests/interop/calls.py" unwrap "$3" >"$work/back"
		check "$1: and back" command "$work/back" "$work/again"
		check "$1: the same" [ "$(data "$work/again")" = "$(data "$2")" ]
		;;
	esac
}
for op in wrap unwrap; do
	check "cmd: $op" command "$calls/cmd-$op.request.json" "$work/answer"
	answered "cmd: $op" "$calls/cmd-$op.request.json" "$work/answer"
done

port=$(free_port)
"$bin/aa-keyprovider" --listen "grpc:127.0.0.1:$port" --aa-kbc-params "$params" --ready-fd 3 \
	3>"$work/ready" 2>"$work/provider.log" &
pids="$pids $!"
wait_file "$work/ready" || bail "aa-keyprovider does not start: $(cat "$work/provider.log")"
wire() { # OUT words…
	wire_out=$1
	shift
	python3 "$top/tests/interop/wire.py" "$@" >"$wire_out"
}
for op in wrap unwrap; do
	check "gRPC: $op: what the peer said" wire "$work/asked" show "$calls/grpc-$op.said"
	check "gRPC: $op: said again" wire "$work/answer" say "$port" "$calls/grpc-$op.said"
	if [ $op = wrap ]; then
		answered "gRPC: wrap" "$work/asked" "$work/answer"
	else
		python3 "$top/tests/interop/calls.py" data "$work/answer" >/dev/null
		command "$work/asked" "$work/again"
		check "gRPC: unwrap: as the command does" [ "$(data "$work/answer")" = "$(data "$work/again")" ]
	fi
done

plan
