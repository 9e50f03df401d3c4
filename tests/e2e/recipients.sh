#!/bin/sh
# For whom layers are encrypted: public keys that skopeo's users have, keys in files and directories; several at once; what is
# refused; and that no key shows anywhere.
# time-limit: 300
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

provider=$bin/aa-keyprovider
img=$work/img
ours=provider:attestation-agent
mkimage build "$img:plain" files=5,size=10k gzip=none,files=3,top=plain >/dev/null
plain_layers=$(mkimage layers "$img:plain")
plain=oci:$img:plain

cd "$work"
openssl genrsa -out rsa.pem 3072 2>/dev/null
openssl genrsa -out other.pem 2048 2>/dev/null
for curve in prime256v1 secp384r1 secp521r1; do
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:$curve -out $curve.pem
done
for key in rsa other prime256v1 secp384r1 secp521r1; do
	openssl pkey -in $key.pem -pubout -out $key.pub
done
openssl rsa -in rsa.pem -RSAPublicKey_out -out rsa.pkcs1 2>/dev/null
openssl pkey -in rsa.pem -pubout -outform DER -out rsa.spki
openssl req -x509 -key rsa.pem -subj /CN=test -days 2 -out rsa.crt 2>/dev/null

# encrypts NAME DST RECIPIENT…, and what encrypt wants besides in $with
with=
encrypts() {
	encrypts_name=$1 encrypts_to=$2
	shift 2
	for encrypts_for; do
		set -- "$@" --recipient "$encrypts_for"
		shift
	done
	# shellcheck disable=SC2086 # several words
	expect_exit "$encrypts_name" 0 "$aa" encrypt $with "$@" "$plain" "oci:$encrypts_to:x"
}

# opens NAME IMAGE KEY: skopeo and we decrypt it to the layers it was made of
opens() {
	rm -rf by-skopeo by-us
	expect_exit "$1: skopeo decrypts it with $3" 0 \
		skopeo --insecure-policy copy -q --decryption-key "$3.pem" "oci:$2:x" oci:by-skopeo:x
	check "$1: to the same layers" [ "$(mkimage layers by-skopeo:x)" = "$plain_layers" ]
	expect_exit "$1: so do we" 0 "$aa" decrypt --decryption-key "$3.pem" "oci:$2:x" oci:by-us:x
	check "$1: to the same" [ "$(mkimage layers by-us:x)" = "$plain_layers" ]
}

keeps_closed() {	# NAME IMAGE [options]
	keeps_name=$1 keeps_image=$2
	shift 2
	rm -rf not-there
	expect_exit "$keeps_name" "10|13" "$aa" decrypt "$@" "oci:$keeps_image:x" oci:not-there:x
	check "$keeps_name: nothing under the name" sh -c "! python3 '$e2e/mkimage.py' digest not-there:x"
}

# --- one public key, in each form
for form in rsa.pub rsa.pkcs1 rsa.spki rsa.crt prime256v1.pub secp384r1.pub secp521r1.pub; do
	encrypts "for $form" "one-$form" "jwe:$form"
	opens "for $form" "one-$form" "${form%.*}"
	keeps_closed "for $form: not with another key" "one-$form" --decryption-key other.pem
done

# --- three
encrypts 'for three' three jwe:rsa.pub jwe:prime256v1.pub jwe:secp521r1.pub
for key in rsa prime256v1 secp521r1; do
	opens 'for three' three $key
done
keeps_closed 'for three: not with another key' three --decryption-key other.pem
check 'inspect tells them' sh -c "'$aa' inspect oci:three:x | grep -c 'jwe, ' | grep -qx 6"

# --- a directory of keys
mkdir keys
with="--keys keys --make-keys"
encrypts 'keys are made' made "$ours:kbs:///default/key/one" "$ours:keyid=/other/key/2::algorithm=A256GCM" jwe:rsa.pub
check 'one for each' [ "$(find keys -type f | sort | tr '\n' ' ')" = 'keys/default/key/one keys/other/key/2 ' ]
check 'of 32 bytes, for their owner alone' \
	[ "$(find keys -type f -size 32c -perm 0600 | wc -l)" -eq 2 ]
check 'in folders for their owner alone' [ "$(find keys -mindepth 1 -type d -perm 0700 | wc -l)" -eq 4 ]
before=$(sha256sum keys/default/key/one)
encrypts 'and taken again' again "$ours:default/key/one"
check 'as they are' [ "$(sha256sum keys/default/key/one)" = "$before" ]
with="--keys keys"
opens 'a public key besides' made rsa
for kept in default/key/one other/key/2; do
	mv keys keys-all
	mkdir -p "keys/${kept%/*}"
	cp keys-all/$kept keys/$kept
	rm -rf by-us
	expect_exit "$kept alone opens it" 0 "$aa" decrypt --keys keys oci:made:x oci:by-us:x
	rm -rf keys
	mv keys-all keys
done
keeps_closed 'no keys at all' made --keys by-us
chmod 0600 keys/default/key/one
head -c 32 /dev/urandom >keys/default/key/one
keeps_closed 'another key of that name' again --keys keys
check 'says that it does not fit' grep -q DECRYPT err

# --- one key in a file
raw=$work/one.raw
head -c 32 /dev/urandom >"$raw"
base64 "$raw" >one.base64
od -An -v -tx1 "$raw" | tr -d ' \n' >one.hex
with="--keys one.raw --kid kbs:///my/own/key"
encrypts 'a key in a file' file "$ours:kbs:///my/own/key"
encrypts 'which need not be named' unnamed "$ours"
for form in raw base64 hex; do
	rm -rf by-us
	expect_exit "the same in $form" 0 "$aa" decrypt --keys one.$form --kid my/own/key oci:unnamed:x oci:by-us:x
done
keeps_closed 'under another name' file --keys one.raw --kid my/own/other
head -c 31 one.raw >one.short
keeps_closed 'a key of 31 bytes' file --keys one.short --kid my/own/key
check 'says so' grep -q 'holds no key' err

# --- refusals
refuses() {	# NAME CODES WORD, then options of encrypt
	refuses_name=$1 refuses_codes=$2 refuses_word=$3
	shift 3
	rm -rf refused
	expect_exit "$refuses_name" "$refuses_codes" "$aa" encrypt "$@" "$plain" oci:refused:x
	check "$refuses_name: says why" grep -qe "$refuses_word" err
	check "$refuses_name: nothing under the name" sh -c "! python3 '$e2e/mkimage.py' digest refused:x"
}
refuses 'pgp' 1 'key ring' --recipient pgp:alice
refuses 'pkcs11' 1 'token' --recipient pkcs11:key.yaml
refuses 'pkcs7' 1 'not written' --recipient pkcs7:rsa.crt
refuses 'another provider' 1 'attestation-agent' --recipient provider:other:x
refuses 'a word' 2 'wants' --recipient alice
refuses 'a private key' 10 'private key' --recipient jwe:rsa.pem
refuses 'a file that is none' 10 'neither' --recipient jwe:one.hex
refuses 'no such file' 10 'nowhere' --recipient jwe:nowhere
refuses 'a folder' 10 'not a file' --recipient jwe:keys
refuses 'one that is bad among good ones' 10 'private key' --recipient jwe:rsa.pub --recipient jwe:rsa.pem
refuses 'a key that is not there' 13 'no key default/key/none' --recipient "$ours:default/key/none" --keys keys
refuses 'no keys' 2 'wants --keys' --recipient "$ours:default/key/one"
refuses 'no key is named' 1 'no key is named' --recipient "$ours" --keys keys
refuses 'a way out' 1 'dot' --recipient "$ours:../../etc" --keys keys
refuses 'a way out of four' 1 'key provider' --recipient "$ours:keyid=/../etc/passwd" --keys keys
refuses 'a path' 10 'no other file is read' --recipient "$ours:keyid=a/b/c::keypath=$work/one.raw" --keys keys
refuses 'CTR' 1 'A256GCM only' --recipient "$ours:default/key/one::algorithm=A256CTR" --keys keys
refuses 'the sample key' 10 'allow-sample' --recipient "$ours:sample=true" --keys keys
refuses '--kid without a file' 2 'kid' --recipient jwe:rsa.pub --kid a/b/c
refuses '--kid of a directory' 2 'kid' --recipient "$ours:a/b/c" --keys keys --kid a/b/c
refuses 'a file without --kid' 2 'kid' --recipient "$ours:a/b/c" --keys one.raw
refuses '--make-keys in a file' 2 'make-keys' --recipient "$ours:a/b/c" --keys one.raw --kid a/b/c --make-keys
refuses 'keys that are not there' 10 'nowhere' --recipient "$ours:a/b/c" --keys nowhere
mkdir -p keys/odd/type keys/a-file/x
ln -s "$work/one.raw" keys/odd/type/link
ln -s ../.. keys/odd/up
mkfifo keys/odd/type/fifo
mkdir keys/odd/type/folder
head -c 33 /dev/urandom >keys/odd/type/long
: >keys/a-file/x/y
refuses 'a link that leads out' 10 'odd/type/link' --recipient "$ours:odd/type/link" --keys keys
refuses 'a link to a folder outside' "10|13" 'odd/up' --recipient "$ours:odd/up/keys" --keys keys
refuses 'a FIFO' 10 'not a regular file' --recipient "$ours:odd/type/fifo" --keys keys
refuses 'a folder in place of a key' 10 'not a regular file' --recipient "$ours:odd/type/folder" --keys keys
refuses 'a key of 33 bytes' 10 'holds no key' --recipient "$ours:odd/type/long" --keys keys --make-keys
refuses 'an empty file' 10 'holds no key' --recipient "$ours:a-file/x/y" --keys keys --make-keys
check 'which stays as it was' [ ! -s keys/a-file/x/y ]
set --
while [ $# -lt 34 ]; do
	set -- "$@" --recipient "jwe:rsa.pub"
done
refuses 'seventeen' 2 'most' "$@"

# --- the same as a key provider: what callers may ask
cat >call.py <<'END'
import base64, json, subprocess, sys
provider, op, param, data = sys.argv[1], sys.argv[2], sys.argv[3], open(sys.argv[4], "rb").read()
b = lambda x: base64.b64encode(x).decode()
q = {"op": op, "keywrapparams": {"ec": None, "optsdata": None}, "keyunwrapparams": {"dc": None, "annotation": None}}
if op == "keywrap":
    q["keywrapparams"] = {"ec": {"Parameters": {"attestation-agent": [b(param.encode())]},
        "DecryptConfig": {"Parameters": None}}, "optsdata": b(data)}
else:
    q["keyunwrapparams"]["annotation"] = b(data)
p = subprocess.run([provider, "--cmd"] + sys.argv[5:], input=json.dumps(q).encode(), capture_output=True)
sys.stderr.buffer.write(p.stderr)
if p.returncode == 0:
    r = json.loads(p.stdout)
    r = r["keywrapresults"]["annotation"] if op == "keywrap" else r["keyunwrapresults"]["optsdata"]
    sys.stdout.buffer.write(bytes(r))
sys.exit(p.returncode)
END
canary=sIlEnTcAnArY0123456789abcdefABCDEF
printf '{"symkey":"%s"}' $canary >secret.json
call() {	# OP PARAMETER FILE [options]
	call_op=$1 call_param=$2 call_file=$3
	shift 3
	run python3 call.py "$provider" "$call_op" "$call_param" "$call_file" --log-level debug "$@"
	cat err >>told
	[ "$rc" -eq 0 ] || cat out >>told
}
calls() {	# NAME, then as call
	calls_name=$1
	shift
	call "$@"
	check "$calls_name" [ "$rc" -eq 0 ]
}
fails() {	# NAME WORD, then as call
	fails_name=$1 fails_word=$2
	shift 2
	call "$@"
	check "$fails_name" [ "$rc" -ne 0 ]
	check "$fails_name: says why" grep -qe "$fails_word" err
}
calls 'WrapKey' keywrap keyid=kbs:///default/key/one secret.json --keys keys
cp out packet
calls 'UnWrapKey' keyunwrap '' packet --keys keys
check 'gives it back' cmp -s out secret.json
calls 'a new key' keywrap keyid=kbs:///called/for/it secret.json --keys keys --make-keys
check 'is made' [ -s keys/called/for/it ]
calls 'the path of the key' keywrap "keyid=/default/key/one::keypath=$work/keys/default/key/one" secret.json --keys "$work/keys"
calls 'the sample key' keywrap sample=true secret.json --keys keys --allow-sample
cp out sample
calls 'and back' keyunwrap '' sample --allow-sample
check 'it is the same' cmp -s out secret.json
fails 'not where it is not allowed' 'no key default/test-key/1' keyunwrap '' sample --keys keys
fails 'no new key without --make-keys' 'no key called/for/nothing' keywrap called/for/nothing secret.json --keys keys
fails 'unwrapping makes no key' 'no key' keyunwrap '' packet --keys by-us --make-keys
fails 'a path' 'no other file is read' keywrap keyid=a/b/c::keypath=/etc/shadow secret.json --keys keys
fails 'a way out' 'AA-KBC key provider failed' keywrap ../../etc/shadow secret.json --keys keys
fails 'not a packet' 'AA-KBC key provider failed' keyunwrap '' secret.json --keys keys
head -c 100 packet >cut-off
fails 'a packet that was cut' 'AA-KBC key provider failed' keyunwrap '' cut-off --keys keys
python3 - <<'END'
import base64, json
p = json.load(open("packet"))
w = bytearray(base64.b64decode(p["wrapped_data"]))
w[5] ^= 1
p["wrapped_data"] = base64.b64encode(bytes(w)).decode()
json.dump(p, open("changed", "w"))
p["wrap_type"], p["iv"] = "A256CTR", base64.b64encode(b"0" * 16).decode()
json.dump(p, open("ctr", "w"))
END
fails 'a packet that was changed' 'decryption failed' keyunwrap '' changed --keys keys
fails 'a packet in CTR' 'A256CTR' keyunwrap '' ctr --keys keys
head -c 70000 /dev/zero >large
fails 'too much' 'LIMIT\|more than\|too' keywrap a/b/c large --keys keys --make-keys

# --- another provider that answers what it should not
answers() {	# what a provider says, whatever it is asked
	printf '#!/bin/sh\ncat >asked\necho '"'%s'"'\n' "$1" >answer
	chmod +x answer
}
b64() {
	printf %s "$1" | base64 -w0
}
packet() {
	answers "{\"keywrapresults\":{\"annotation\":\"$(b64 "$1")\"}}"
}
other="--recipient $ours:keyid=kbs:///a/b/c --keyprovider cmd:$work/answer"
# shellcheck disable=SC2086 # several words
refuses_other() {
	refuses "$1" "$2" "$3" $other
}
packet 'no packet'
refuses_other 'a packet that is no JSON' 1 'annotation packet'
packet '{"wrapped_data":"AAAAAAAAAAAAAAAAAAAAAA==","iv":"AAAAAAAAAAAAAAAA","wrap_type":"A256GCM"}'
refuses_other 'a packet without kid' 1 'kid'
packet '{"kid":"kbs:///a/b/c","iv":"AAAAAAAAAAAAAAAA","wrap_type":"A256GCM"}'
refuses_other 'a packet without data' 1 'wrapped_data'
packet '{"kid":"kbs:///a/b/c","wrapped_data":"AAAA","iv":"AAAAAAAAAAAAAAAA","wrap_type":"A256GCM"}'
refuses_other 'a packet that is too short' 1 'too short'
answers '{"keywrapresults":{"annotation":null}}'
refuses_other 'no packet at all' 1 'annotation'
answers '{"keyunwrapresults":{"optsdata":"e30="}}'
refuses_other 'the answer to another question' 1 'annotation'
packet '{"kid":"84688df7-2c0c","wrapped_data":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],"iv":[1,2,3,4,5,6,7,8,9,10,11,12],"algorithm":"AES","key_length":256}'
expect_exit "verdictd's packets are taken" 0 "$aa" encrypt --recipient "$ours:84688df7-2c0c" --keyprovider "cmd:$work/answer" \
	"$plain" oci:verdictd:x
check 'it was asked as skopeo asks' python3 - asked <<'END'
import base64, json, sys
q = json.load(open(sys.argv[1]))
assert q["op"] == "keywrap" and q["keyunwrapparams"] == {"dc": None, "annotation": None}, q.keys()
assert q["keywrapparams"]["ec"]["Parameters"] == {"attestation-agent": [base64.b64encode(b"84688df7-2c0c").decode()]}
assert q["keywrapparams"]["ec"]["DecryptConfig"] == {"Parameters": None}
o = json.loads(base64.b64decode(q["keywrapparams"]["optsdata"]))
assert len(base64.b64decode(o["symkey"])) == 32 and len(base64.b64decode(o["cipheroptions"]["nonce"])) == 16
END
answers "{\"keyunwrapresults\":{\"optsdata\":\"$(b64 '{"symkey":"AAAA","cipheroptions":{"nonce":"AAAA"}}')\"}}"
keeps_closed 'a layer key of 3 bytes' verdictd --keyprovider "cmd:$work/answer"
check 'says so' grep -q 'symkey has 3 bytes' err
answers "{\"keyunwrapresults\":{\"optsdata\":\"$(b64 '{"symkey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","cipheroptions":{"nonce":"AAAAAAAAAAAAAAAAAAAAAA=="}}')\"}}"
rm -rf not-there
expect_exit 'the wrong layer key' 14 "$aa" decrypt --keyprovider "cmd:$work/answer" oci:verdictd:x oci:not-there:x
check 'nothing under the name' sh -c "! python3 '$e2e/mkimage.py' digest not-there:x"

# --- no key and nothing that was wrapped shows in what was said, in any form
check 'no canary in what was told' python3 - told $canary keys/default/key/one keys/called/for/it one.raw <<'END'
import base64, sys
told = open(sys.argv[1], "rb").read()
assert len(told) > 1000
for secret in [sys.argv[2].encode()] + [open(f, "rb").read() for f in sys.argv[3:]]:
    for form in (secret, secret.hex().encode(), base64.b64encode(secret)[:-4], base64.urlsafe_b64encode(secret)[:-4],
                 str(list(secret))[1:60].replace(" ", "").encode(), str(list(secret))[1:60].encode()):
        assert form not in told, form
END

plan
