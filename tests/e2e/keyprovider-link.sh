#!/bin/sh
# Another key provider is asked (--keyprovider): gRPC and ttrpc, over TCP and unix sockets, and a command; an image
# encrypted through each is decrypted through the others. Providers that are absent, slow, or answer nonsense.
# time-limit: 240
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

provider=$bin/aa-keyprovider
keys=$work/keys
umask 077
mkdir -p "$keys/default/key" "$work/run"
head -c 32 /dev/urandom >"$keys/default/key/1"
umask 022
port=$(free_port)
ttrpc_port=$(free_port)
kid=provider:attestation-agent:keyid=kbs:///default/key/1

mkimage build "$work/plain:v1" files=5,size=20k >/dev/null
"$provider" --keys "$keys" --ready-fd 3 --listen "ttrpc:unix://$work/run/t.sock" --listen "grpc:unix://$work/run/g.sock" \
	--listen "grpc:127.0.0.1:$port" --listen "ttrpc:127.0.0.1:$ttrpc_port" 3>"$work/ready" 2>"$work/provider.err" &
provider_pid=$!
pids="$pids $provider_pid"
wait_file "$work/ready" || bail "aa-keyprovider does not start"
cat >"$work/run/command" <<END
#!/bin/sh
exec "$provider" --keys "$keys" --cmd
END
chmod +x "$work/run/command"

n=0
for address in "grpc:127.0.0.1:$port" "grpc:localhost:$port" "ttrpc:127.0.0.1:$ttrpc_port" \
	"ttrpc:unix://$work/run/t.sock" "grpc:unix://$work/run/g.sock" "cmd:$work/run/command"; do
	n=$((n + 1))
	name=$(echo "$address" | sed "s|$work||; s|[0-9]*\$||")
	expect_exit "encrypt through $name" 0 "$aa" encrypt --recipient "$kid" --keyprovider "$address" \
		"oci:$work/plain:v1" "oci:$work/secret$n:v1"
	expect_exit "decrypt through $name" 0 "$aa" decrypt --keyprovider "$address" "oci:$work/secret1:v1" "oci:$work/open$n:v1"
	expect_exit "what went through $name is decrypted with the key itself" 0 "$aa" decrypt --keys "$keys" \
		"oci:$work/secret$n:v1" "oci:$work/direct$n:v1"
done

# --- what goes wrong: an error, quickly, and nothing left
fails_with() {	# name, codes, address
	rm -rf "$work/bad"
	expect_exit "$1" "$2" timeout -k 2 100 "$aa" encrypt --recipient "$kid" --keyprovider "$3" "oci:$work/plain:v1" "oci:$work/bad:v1"
	diag "$(head -n 1 "$work/err" | sed "s|$work||g")"
	check "$1: nothing is left" test ! -e "$work/bad/index.json"
}
fails_with 'nobody at the port' 20 "grpc:127.0.0.1:$(free_port)"
fails_with 'no such name' 20 grpc:no-such-host.invalid:50000
fails_with 'no such socket' 20 "ttrpc:unix://$work/run/none"
fails_with 'no such command' 10 "cmd:$work/run/none"
printf '#!/bin/sh\nexit 1\n' >"$work/run/fails"
printf '#!/bin/sh\ncat >/dev/null\necho nonsense\n' >"$work/run/nonsense"
printf '#!/bin/sh\nhead -c 1000000 /dev/zero\n' >"$work/run/much"
chmod +x "$work/run/fails" "$work/run/nonsense" "$work/run/much"
fails_with 'a command that fails' '13|20' "cmd:$work/run/fails"
fails_with 'a command that answers nonsense' '1|13' "cmd:$work/run/nonsense"
fails_with 'a command that says too much' '1|20' "cmd:$work/run/much"
fails_with 'the other protocol' '1|13|20' "ttrpc:127.0.0.1:$port"
fails_with 'the other protocol, too' '1|13|20' "grpc:127.0.0.1:$ttrpc_port"
expect_exit 'a key that the provider does not have' '1|13' "$aa" encrypt \
	--recipient provider:attestation-agent:keyid=kbs:///default/key/none --keyprovider "grpc:127.0.0.1:$port" \
	"oci:$work/plain:v1" "oci:$work/bad:v1"
diag "$(head -n 1 "$work/err")"
expect_exit 'an address that is none' 2 "$aa" encrypt --recipient "$kid" --keyprovider nowhere "oci:$work/plain:v1" "oci:$work/bad:v1"
check 'the provider has survived all of it' kill -0 "$provider_pid"
plan
