#!/bin/sh
# Images encrypted by skopeo for private keys (jwe, pkcs7), opened with --decryption-key FILE: keys of every form,
# several of them, with passwords; what is refused, and how it is told.
# time-limit: 400
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

made=$vectors/image/ocicrypt
keys=$made/keys
store=$work/layouts

# the images of the vectors, as layouts
for name in plain jwe-rsa jwe-ec jwe-mixed-last pkcs7 pgp; do
	cp -r "$made/images/$name" "$work/dir-$name"
	chmod -R u+w "$work/dir-$name"
	echo 'Directory Transport Version: 1.1' >"$work/dir-$name/version"
	run skopeo --insecure-policy copy -q "dir:$work/dir-$name" "oci:$store:$name"
	[ "$rc" -eq 0 ] || diag_file "$work/err"
done
pulled "the plain image" "oci:$store:plain"
rm -rf "$work/plain"
mv "$bundle" "$work/plain"

decrypted() {	# NAME IMAGE [options]
	decrypted_name=$1
	decrypted_image=$2
	shift 2
	pulled "$decrypted_name" "$@" "$decrypted_image"
	check "$decrypted_name: the same tree" same_trees "$work/plain/rootfs" "$bundle/rootfs"
}

not_opened() {	# NAME CODES WORD IMAGE [options]
	opened_name=$1
	opened_codes=$2
	opened_word=$3
	opened_image=$4
	shift 4
	refused "$opened_name" "$opened_codes" --policy "$accept_policy" "$@" "$opened_image"
	check "$opened_name: says why" grep -q -e "$opened_word" "$work/err"
}

for key in rsa.pem rsa.der rsa.pkcs8.pem; do
	decrypted "jwe: $key" "oci:$store:jwe-rsa" --decryption-key "$keys/$key"
done
for key in ec.pkcs8.pem ec.sec1.pem; do
	decrypted "jwe: $key" "oci:$store:jwe-ec" --decryption-key "$keys/$key"
done
decrypted "jwe: a JWK" "oci:$store:jwe-rsa" --decryption-key "$made/jwe/rsa.jwk"
decrypted "jwe: the last of several keys" "oci:$store:jwe-rsa" --decryption-key "$keys/other.pem" \
	--decryption-key "$keys/ec.pkcs8.pem" --decryption-key "$keys/rsa.pem"
decrypted "jwe: beside a broker that has nothing" "oci:$store:jwe-rsa" --decryption-key "$keys/rsa.pem" \
	--decryption-key provider:attestation-agent:offline_fs_kbc::/nowhere
decrypted "mixed layers, allowed" "oci:$store:jwe-mixed-last" --decryption-key "$keys/rsa.pem" --allow-mixed-layers
not_opened "mixed layers" 11 "1 of 2 layers" "oci:$store:jwe-mixed-last" --decryption-key "$keys/rsa.pem"
decrypted "pkcs7: key and certificate" "oci:$store:pkcs7" --decryption-key "$keys/p7.key.pem" \
	--decryption-key "$keys/p7.crt.pem"
cat "$keys/p7.crt.pem" "$keys/p7.key.pem" >"$work/both.pem"
decrypted "pkcs7: both in one file" "oci:$store:pkcs7" --decryption-key "$work/both.pem"

not_opened "pkcs7: no certificate" 10 "no certificate" "oci:$store:pkcs7" --decryption-key "$keys/p7.key.pem"
not_opened "pkcs7: another key" 13 "pkcs7: none of" "oci:$store:pkcs7" --decryption-key "$keys/other.pem" \
	--decryption-key "$keys/p7.crt.pem"
not_opened "jwe: another key" 13 "jwe: none of" "oci:$store:jwe-rsa" --decryption-key "$keys/other.pem"
not_opened "jwe: a key of another kind" 13 "jwe: none of" "oci:$store:jwe-rsa" --decryption-key "$keys/ec.pkcs8.pem"
not_opened "jwe: no key" 10 "no private key was given" "oci:$store:jwe-rsa"
not_opened "jwe: only a broker" 10 "no private key was given" "oci:$store:jwe-rsa" \
	--aa-kbc-params offline_fs_kbc::/nowhere
not_opened "pgp" 1 "wrapped by pgp only" "oci:$store:pgp" --decryption-key "$keys/rsa.pem"

# passwords
sealed=$keys/rsa.pkcs8.pass-secret.pem
printf 'secret\n' >"$work/password"
printf 'Secr3t-of-someone' >"$work/wrong"
decrypted "a password in a file" "oci:$store:jwe-rsa" --decryption-key "$sealed:file=$work/password"
decrypted "a password from a descriptor" "oci:$store:jwe-rsa" --decryption-key "$sealed:fd=9" 9<"$work/password"
mkfifo "$work/pipe"
{ printf 'secret\n'; sleep 30; } >"$work/pipe" &
pids="$pids $!"
decrypted "a password from a pipe that stays open" "oci:$store:jwe-rsa" --decryption-key "$sealed:fd=9" 9<"$work/pipe"
decrypted "each password for its own key" "oci:$store:jwe-rsa" --decryption-key "$keys/other.pem" \
	--decryption-key "$sealed:file=$work/password" --decryption-key "$keys/ec.pkcs8.pem"
not_opened "a password missing" 10 "password is needed" "oci:$store:jwe-rsa" --decryption-key "$sealed"
not_opened "a wrong password" 10 "does not open it" "oci:$store:jwe-rsa" --decryption-key "$sealed:file=$work/wrong"
check "a wrong password is not repeated" sh -c "! grep -q Secr3t '$work/err'"
for how in pass=Secr3t Secr3t "fd=Secr3t" "fd="; do
	not_opened "a password as $how" 2 "could be read by everybody" "oci:$store:jwe-rsa" \
		--decryption-key "$sealed:$how"
	check "a password as $how: not repeated" sh -c "! grep -q Secr3t '$work/err'"
done
not_opened "a password from a closed descriptor" 10 "fd=77" "oci:$store:jwe-rsa" --decryption-key "$sealed:fd=77"
not_opened "a password in no file" 10 "file with its password" "oci:$store:jwe-rsa" \
	--decryption-key "$sealed:file=$work/nothing"

# files that are no keys
not_opened "no such file" 10 "$work/nothing" "oci:$store:jwe-rsa" --decryption-key "$work/nothing"
not_opened "a directory" 10 "decryption-key $work" "oci:$store:jwe-rsa" --decryption-key "$work"
not_opened "a public key" 10 "PUBLIC KEY" "oci:$store:jwe-rsa" --decryption-key "$keys/rsa.pub.pem"
not_opened "something else" 10 "neither PEM" "oci:$store:jwe-rsa" --decryption-key "$made/jwe/make.py"
head -c 70000 /dev/zero >"$work/large"
not_opened "something large" 10 "65536" "oci:$store:jwe-rsa" --decryption-key "$work/large"
not_opened "another provider" 1 "the only key provider" "oci:$store:jwe-rsa" --decryption-key provider:other:x
many=$(for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do printf -- '--decryption-key\n%s/rsa.pem\n' "$keys"; done)
# shellcheck disable=SC2086 # a list without spaces in it
not_opened "too many" 2 "at most 16" "oci:$store:jwe-rsa" $many

# made now: every size and curve, several recipients, several schemes
img=$work/img
mkimage build "$img:plain" files=20,size=100k gzip=none,files=3,top=plain >/dev/null
pulled "another plain image" "oci:$img:plain"
rm -rf "$work/plain"
mv "$bundle" "$work/plain"
for bits in 2048 3072 4096; do
	openssl genrsa -out "$work/rsa$bits.pem" $bits 2>/dev/null
done
for curve in P-256 P-384 P-521; do
	openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$curve" -out "$work/$curve.pem" 2>/dev/null
done
for key in rsa2048 rsa3072 rsa4096 P-256 P-384 P-521; do
	openssl pkey -in "$work/$key.pem" -pubout -out "$work/$key.pub" 2>/dev/null
done
for bits in 2048 4096; do
	openssl req -x509 -new -key "$work/rsa$bits.pem" -subj "/O=test/CN=$bits" -out "$work/rsa$bits.crt" 2>/dev/null
done

encrypt() {	# TAG RECIPIENT…
	encrypt_tag=$1
	shift
	encrypt_keys=
	for recipient; do
		encrypt_keys="$encrypt_keys --encryption-key $recipient"
	done
	# shellcheck disable=SC2086 # several arguments
	run skopeo --insecure-policy copy -q ${compress:-} $encrypt_keys "oci:$img:plain" "oci:$store:$encrypt_tag"
	[ "$rc" -eq 0 ] || diag_file "$work/err"
}

for key in rsa2048 rsa3072 rsa4096 P-256 P-384 P-521; do
	encrypt "jwe-$key" "jwe:$work/$key.pub"
	decrypted "made now, jwe: $key" "oci:$store:jwe-$key" --decryption-key "$work/$key.pem"
done
not_opened "made now: not with the other curve" 13 "jwe: none of" "oci:$store:jwe-P-256" --decryption-key "$work/P-384.pem"
encrypt two "jwe:$work/rsa2048.pub" "jwe:$work/P-384.pub"
decrypted "two recipients: the first" "oci:$store:two" --decryption-key "$work/rsa2048.pem"
decrypted "two recipients: the second" "oci:$store:two" --decryption-key "$work/P-384.pem"
not_opened "two recipients: neither" 13 "jwe: none of" "oci:$store:two" --decryption-key "$work/P-256.pem" \
	--decryption-key "$work/rsa3072.pem"
for bits in 2048 4096; do
	encrypt "pkcs7-$bits" "pkcs7:$work/rsa$bits.crt"
	decrypted "made now, pkcs7: $bits" "oci:$store:pkcs7-$bits" --decryption-key "$work/rsa$bits.pem" \
		--decryption-key "$work/rsa$bits.crt"
done
encrypt pkcs7-two "pkcs7:$work/rsa2048.crt" "pkcs7:$work/rsa4096.crt"
decrypted "pkcs7, two recipients" "oci:$store:pkcs7-two" --decryption-key "$work/rsa4096.crt" \
	--decryption-key "$work/rsa4096.pem"
encrypt both "jwe:$work/rsa2048.pub" "pkcs7:$work/rsa4096.crt"
decrypted "two schemes: by the first" "oci:$store:both" --decryption-key "$work/rsa2048.pem"
decrypted "two schemes: by the second" "oci:$store:both" --decryption-key "$work/rsa4096.crt" \
	--decryption-key "$work/rsa4096.pem"
not_opened "two schemes: neither" 13 "jwe: none of .*; pkcs7: no certificate" "oci:$store:both" \
	--decryption-key "$work/rsa3072.pem"
compress='--dest-compress-format zstd' encrypt zstd "jwe:$work/P-256.pub"
decrypted "compressed by zstd" "oci:$store:zstd" --decryption-key "$work/P-256.pem"

plan
