#!/bin/sh
# Images that the policy wants signed as cosign signs them: every kind of key, signatures good and bad beside each other,
# another name, another image, keys by file and by the broker, an index, a bundle that is not read, a hostile registry.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

signer() {
	python3 "$e2e/signer.py" "$@" || bail "signer.py $*"
}

img=$work/img
mkimage build "$img:one" --config '{"Cmd":["/bin/true"]}' files=5,size=10k >/dev/null
mkimage build "$img:two" --config '{"Cmd":["/bin/false"]}' files=6,size=10k >/dev/null
registry_start cosign
push() {	# LAYOUT-NAME NAME; the digest
	mkimage push "$img:$1" "http://$registry/$2" >/dev/null
	curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		"http://$registry/v2/${2%%:*}/manifests/${2##*:}" | sed -n 's/^Docker-Content-Digest: *//Ip' | tr -d '\r'
}
one=$(push one t/one:v1)
two=$(push two t/two:v1)
[ -n "$one" ] && [ -n "$two" ] || bail "no digest"

for curve in P-256 P-384 P-521; do
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:$curve -out "$work/$curve.key" 2>/dev/null
done
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/rsa.key" 2>/dev/null
openssl genpkey -algorithm ED25519 -out "$work/ed25519.key" 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/other.key" 2>/dev/null
for key in "$work"/*.key; do
	openssl pkey -in "$key" -pubout -out "${key%.key}.pub"
done

# policy KEY-MEMBERS [IDENTITY]: what is at this registry must be signed so
policy() {
	cat >"$work/policy.json" <<-END
	{"default":[{"type":"reject"}],"transports":{"docker":{"$registry":[
	{"type":"sigstoreSigned",$1,"signedIdentity":${2-{\"type\":\"matchRepository\"\}}}]}}}
	END
}
key() {	# NAME: the members for a key file
	echo "\"keyPath\":\"$work/$1.pub\""
}
accepted() {	# NAME IMAGE [options]
	accepted_name=$1
	accepted_image=$2
	shift 2
	expect_exit "$accepted_name" 0 "$aa" verify --tls-verify=false --policy "$work/policy.json" "$@" "docker://$registry/$accepted_image"
}
rejected() {	# NAME IMAGE WORDS [options]: refused, and the message says WORDS
	rejected_name=$1
	rejected_image=$2
	rejected_words=$3
	shift 3
	run "$aa" verify --tls-verify=false --policy "$work/policy.json" "$@" "docker://$registry/$rejected_image"
	if [ "$rc" -eq 11 ] && grep -Fq -- "$rejected_words" "$work/err"; then
		ok "$rejected_name"
		diag "$(head -n 1 "$work/err")"
	else
		not_ok "$rejected_name"
		diag "exit $rc, wanted 11 and the words: $rejected_words"
		diag_file "$work/err"
	fi
}

policy "$(key P-256)"
rejected "no signature" t/one:v1 "there is no signature; looked in $registry/t/one:sha256-"

for kind in P-256 P-384 P-521 rsa ed25519; do
	name=t/$(echo $kind | tr 'A-Z' 'a-z')
	digest=$(push one "$name:v1")
	signer cosign "http://$registry/$name" "$digest" "$work/$kind.key"
	policy "$(key $kind)"
	accepted "signed with $kind" "$name:v1"
	policy "$(key other)"
	rejected "signed with $kind, another key wanted" "$name:v1" "was not made with this key"
done
digest=$(push one t/pss:v1)
signer cosign "http://$registry/t/pss" "$digest" "$work/rsa.key" pss=1
policy "$(key rsa)"
accepted "RSA PSS" t/pss:v1

policy "$(key P-256)"
signer cosign "http://$registry/t/one" "$one" "$work/other.key"
rejected "a stranger's signature alone" t/one:v1 "layer 1"
signer cosign "http://$registry/t/one" "$one" "$work/P-256.key" "digest=$two"
rejected "a signature for another image" t/one:v1 "for another image"
signer cosign "http://$registry/t/one" "$one" "$work/P-256.key" type=x
signer cosign "http://$registry/t/one" "$one" "$work/P-256.key" tamper=1
signer cosign "http://$registry/t/one" "$one" "$work/P-256.key" media=application/octet-stream
signer cosign "http://$registry/t/one" "$one" "$work/P-256.key" "name=$registry/t/two"
rejected "another name, another type, a payload that was changed" t/one:v1 "6 signatures found, none counts"
signer cosign "http://$registry/t/one" "$one" "$work/P-256.key" lines=1
accepted "one good signature among seven" t/one:v1
accepted "by digest" "t/one@$one"
policy "$(key P-256)" '{"type":"matchRepoDigestOrExact"}'
rejected "the default rule: cosign signs no tag" t/p-256:v1 "which matchRepoDigestOrExact does not accept"
policy "$(key P-256)" "{\"type\":\"exactRepository\",\"dockerRepository\":\"$registry/t/two\"}"
accepted "exactRepository, which that other signature names" t/one:v1
policy "\"keyPaths\":[\"$work/other.pub\",\"$work/P-256.pub\"]"
accepted "one of several keys" t/one:v1
policy "\"keyData\":\"$(base64 -w0 "$work/P-256.pub")\""
accepted "a key in the policy" t/one:v1

# --- the same signatures, another image under the name that was signed
mkimage push "$img:two" "http://$registry/t/one:v1" >/dev/null
policy "$(key P-256)"
rejected "the tag leads elsewhere now" t/one:v1 "there is no signature"
accepted "the image that was signed is still there" "t/one@$one"
signer cosign "http://$registry/t/one" "$one" "$work/P-256.key" "for=$two"
rejected "a good signature put beside another image" t/one:v1 "for another image"

# --- what keeps a key from being used
policy '"keyPath":"/nowhere/cosign.pub"'
rejected_code() {
	run "$aa" verify --tls-verify=false --policy "$work/policy.json" "docker://$registry/t/one@$one"
	check "$1" [ "$rc" -ne 0 ]
	check "$1: it is told" grep -Fq "$2" "$work/err"
}
rejected_code "a key that is not there" "there is no such file"
policy "\"keyPath\":\"$work/P-256.key\""
chmod o+r "$work/P-256.key"
rejected_code "a private key" "a private key"
if need_root "a key that only root can read"; then
	cp "$work/P-256.pub" "$work/root.pub"
	chmod 600 "$work/root.pub"
	policy "$(key root)"
	rejected_code "a key that only root can read" "readable for everybody"
fi
ln -s P-256.pub "$work/link.pub"
policy "$(key link)"
rejected_code "a link" "link.pub"
policy '"keyPath":"/proc/self/environ"'
rejected_code "a file of /proc" "not a path that a policy may name"
policy '"keyPath":"kbs:///default/cosign-public-key/test"'
rejected_code "a resource without a broker" "no key broker"
policy '"keyPath":"kbs:///default/key/one"'
rejected_code "a resource that is not public" "of these types only"

# --- the broker has policy and key
mkdir "$work/keys"
policy '"keyPath":"kbs:///default/cosign-public-key/test"'
printf '{"default/cosign-public-key/test":"%s","default/security-policy/test":"%s"}\n' \
	"$(base64 -w0 "$work/P-256.pub")" "$(base64 -w0 "$work/policy.json")" >"$work/keys/aa-offline_fs_kbc-resources.json"
echo '{}' >"$work/keys/aa-offline_fs_kbc-keys.json"
broker=offline_fs_kbc::$work/keys
accepted "a key of the broker" "t/one@$one" --aa-kbc-params "$broker"
expect_exit "policy and key of the broker" 0 "$aa" verify --tls-verify=false --aa-kbc-params "$broker" \
	--policy kbs:///default/security-policy/test "docker://$registry/t/one@$one"
run "$aa" verify --tls-verify=false --aa-kbc-params "$broker" --policy kbs:///default/security-policy/other \
	"docker://$registry/t/one@$one"
check "a policy that the broker does not have" [ "$rc" -ne 0 ]
policy '"keyPath":"kbs:///default/cosign-public-key/other"'
rejected_code "a key that the broker does not have" "kbs:///"
if [ ! -e /run/image-security ]; then
	policy '"keyPath":"/run/image-security/cosign/cosign.pub"'
	accepted "the old place of the key: the broker has it" "t/one@$one" --aa-kbc-params "$broker"
fi

# --- bundles
digest=$(push one t/bundle:v1)
signer bundle "http://$registry/t/bundle" "$digest"
policy "$(key P-256)"
rejected "a bundle is named" t/bundle:v1 "sigstore bundle"

# --- a pull does the same
policy "$(key P-256)"
fresh_target
run "$aa" pull "$snapshot" --tls-verify=false --policy "$work/policy.json" "docker://$registry/t/one@$one" "$bundle"
check "a signed image is pulled" [ "$rc" -eq 0 ]
digest=$(push two t/unsigned:v1)
refused "an unsigned one is not" 11 --tls-verify=false --policy "$work/policy.json" "docker://$registry/t/unsigned:v1"

plan
