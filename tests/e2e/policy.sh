#!/bin/sh
# Policies on the command line: verify, policy lint, policy explain; the policy is asked on every pull, with the caller's
# name, before the store; every layer encrypted; a policy cut off anywhere.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/prod/one
img=$work/img
ocicrypt keys "$work/keys" $kid default/other/two
keys=$work/keys/aa-offline_fs_kbc-keys.json
params=offline_fs_kbc::$work/keys
mkimage build "$img:plain" files=3 files=2,top=second >/dev/null
ocicrypt encrypt "$img:plain" "$img:enc" "$keys" $kid >/dev/null
ocicrypt encrypt "$img:plain" "$img:other" "$keys" default/other/two >/dev/null

registry_start plain
for tag in plain enc other; do
	mkimage push "$img:$tag" "http://$registry/test/image:$tag" >/dev/null
	mkimage push "$img:$tag" "http://$registry/test/second:$tag" >/dev/null
done
ref=docker://$registry/test/image
second=docker://$registry/test/second

policy() {	# JSON: into $work/policy.json
	printf '%s' "$1" >"$work/policy.json"
}

verify() {	# NAME CODES IMAGE
	expect_exit "verify: $1" "$2" "$aa" verify --policy "$work/policy.json" --tls-verify=false "$3"
}

# --- verify -------------------------------------------------------------------

policy '{"default":[{"type":"insecureAcceptAnything"}]}'
verify "accepted" 0 "$ref:plain"
check "the digest is printed" [ "$(cat "$work/out")" = "$(mkimage digest "$img:plain")" ]
verify "an encrypted one, without its key" 0 "$ref:enc"
verify "a layout" 0 "oci:$img:plain"
verify "one that is not there" 22 "$ref:nowhere"
policy '{"default":[{"type":"reject"}]}'
verify "rejected" 11 "$ref:plain"
check "nothing on standard output" [ ! -s "$work/out" ]
verify "rejected before the network is asked" 11 docker://127.0.0.1:1/test/image
expect_exit "verify: no such policy" 11 "$aa" verify --policy "$work/nowhere.json" "$ref:plain"
policy '{"default":[{"type":"insecureAcceptAnything"}]}'
run "$aa" verify --json --policy "$work/policy.json" --tls-verify=false "$ref:plain"
check "verify --json" jq -e '.accepted == true and .scope == "default" and (.manifest | startswith("sha256:"))' "$work/out"

# --- every layer encrypted ------------------------------------------------------

encrypted='{"type":"cacao.layersEncrypted"}'
policy "{\"default\":[$encrypted]}"
verify "encrypted as it must be" 0 "$ref:enc"
verify "plain under a policy that wants it encrypted" 11 "$ref:plain"
check "says which layer" grep -q 'layer 1 of 2: it is not encrypted' "$work/err"
fresh_target
refused "a plain image in place of an encrypted one" 11 --policy "$work/policy.json" --tls-verify=false "$ref:plain"
policy '{"default":[{"type":"cacao.layersEncrypted","keyIdPrefix":"kbs:///default/prod/"}]}'
verify "by a key with the prefix" 0 "$ref:enc"
verify "by another key" 11 "$ref:other"
check "names the key" grep -q 'kbs:///default/other/two' "$work/err"
refused "pull: by another key" 11 --policy "$work/policy.json" --tls-verify=false --aa-kbc-params "$params" "$ref:other"
fresh_target
run "$aa" pull "$snapshot" --policy "$work/policy.json" --tls-verify=false --aa-kbc-params "$params" "$ref:enc" "$bundle"
check "pull: by a key with the prefix" [ "$rc" -eq 0 ]
check "a warning says that nobody has signed it" grep -q 'neither signature nor digest pin' "$work/err"

# --- asked on every pull, with the caller's name, before the store -----------------

store=$work/store
one_name="{\"default\":[{\"type\":\"reject\"}],\"transports\":{\"docker\":{\"$registry/test/image\":[{\"type\":\"insecureAcceptAnything\"}]}}}"
policy "$one_name"
from_store() {	# pulls to a fresh bundle, by way of a store where layers can be kept
	fresh_target
	run "$aa" pull --store "$store" --work-dir "$target" --policy "$work/policy.json" --tls-verify=false "$@" "$bundle"
}
from_store "$ref:plain"
check "the first pull" [ "$rc" -eq 0 ]
from_store "$second:plain"
check "the same content under a name that is not allowed" [ "$rc" -eq 11 ]
policy '{"default":[{"type":"reject"}]}'
from_store "$ref:plain"
check "the same name when the policy has changed" [ "$rc" -eq 11 ]
policy "$one_name"
from_store "$ref:plain"
check "and when it has changed back" [ "$rc" -eq 0 ]
cat >"$work/registries.toml" <<END
[[registry]]
prefix = "allowed.example.test"
location = "$registry"
insecure = true
END
policy '{"default":[{"type":"reject"}],"transports":{"docker":{"allowed.example.test":[{"type":"insecureAcceptAnything"}]}}}'
expect_exit "a mirror's name takes no part: the caller's is allowed" 0 "$aa" verify --policy "$work/policy.json" \
	--registries "$work/registries.toml" docker://allowed.example.test/test/image:plain
verify "and the mirror's own is not" 11 "$ref:plain"
digest=$(mkimage digest "$img:plain")
policy "{\"default\":[{\"type\":\"reject\"}],\"transports\":{\"docker\":{\"$registry/test/image@$digest\":[{\"type\":\"insecureAcceptAnything\"}]}}}"
verify "name:tag@digest is asked about by its digest" 0 "$ref:enc@$digest"
verify "the tag alone is another name" 11 "$ref:plain"

# --- cut off anywhere ---------------------------------------------------------------

policy "{\"default\":[{\"type\":\"reject\"}],\"transports\":{\"docker\":{\"$registry\":[{\"type\":\"insecureAcceptAnything\"}]}}}"
size=$(wc -c <"$work/policy.json")
cp "$work/policy.json" "$work/whole.json"
verify "the whole policy accepts" 0 "$ref:plain"
accepted=
n=0
step=1
has_sandbox || step=9
while [ "$n" -lt "$size" ]; do
	head -c "$n" "$work/whole.json" >"$work/policy.json"
	run "$aa" verify --policy "$work/policy.json" --tls-verify=false "$ref:plain"
	[ "$rc" -eq 11 ] && grep -q POLICY_INVALID "$work/err" || accepted="$accepted $n"
	n=$((n + step))
done
check "cut off at each of $size bytes it is invalid" [ -z "$accepted" ]

# --- lint ---------------------------------------------------------------------------

cat >"$work/policy.json" <<'END'
{
  "default": [{"type": " insecureAcceptAnything"}],
  "transports": {
    "docker": {
      "docker.io/test/": [
        {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/run/image-security/simple_signing/pubkey.gpg"},
      ]
    }
  }
}
END
expect_exit "lint: the mistakes of a printed example" 11 "$aa" policy lint "$work/policy.json"
check "the space" grep -q '^  write:   "default": \[{"type": "insecureAcceptAnything"}\],$' "$work/out"
check "the slash" grep -q '^  write:       "docker.io/test": \[$' "$work/out"
check "the comma" grep -q 'policy.json:6: error: a comma too many' "$work/out"
sed -i 's/" insecure/"insecure/; s,test/",test",; s/},$/}/' "$work/policy.json"
sed -i 's/\(AcceptAnything"}\]\)$/\1,/' "$work/policy.json"
expect_exit "lint: as corrected" 0 "$aa" policy lint "$work/policy.json"
check "nothing more to say" [ ! -s "$work/out" ]
expect_exit "lint: no such file" "1" "$aa" policy lint "$work/nowhere.json"
expect_exit "lint: which file" 2 "$aa" policy lint
expect_exit "policy: neither lint nor explain" 2 "$aa" policy lend "$work/policy.json"

# --- explain ------------------------------------------------------------------------

policy "{\"default\":[{\"type\":\"reject\"}],\"transports\":{\"docker\":{\"$registry/test\":[{\"type\":\"insecureAcceptAnything\"},$encrypted]}}}"
expect_exit "explain: refused" 11 "$aa" policy explain --tls-verify=false "$work/policy.json" "$ref:plain"
cat >"$work/want" <<END
image:    $ref:plain
policy:   $work/policy.json (sha256:$(sha256sum "$work/policy.json" | cut -d' ' -f1))
manifest: $digest
scope:    docker: $registry/test
requirement 1, insecureAcceptAnything: holds
requirement 2, cacao.layersEncrypted: does not hold: layer 1 of 2: it is not encrypted
refused
END
"$aa" policy explain --tls-verify=false "$work/policy.json" "$ref:plain" >"$work/out" 2>/dev/null || :
check "explain: word for word" diff "$work/want" "$work/out"
expect_exit "explain: accepted" 0 "$aa" policy explain --tls-verify=false "$work/policy.json" "$ref:enc"
check "says so" [ "$(tail -n 1 "$work/out")" = accepted ]
"$aa" policy explain --json --tls-verify=false "$work/policy.json" "$ref:plain" >"$work/out" 2>/dev/null || :
check "explain --json: one object" [ "$(jq -s length "$work/out")" = 1 ]
check "with everything" jq -e '.accepted == false and .error.code == "POLICY" and
	[.requirements[].holds] == [true, false] and .requirements[1].type == "cacao.layersEncrypted"' "$work/out"
expect_exit "explain: a name that is rejected, without network" 11 "$aa" policy explain "$work/policy.json" \
	docker://127.0.0.1:1/x
check "names the scope" grep -q '^scope:    default$' "$work/out"

# --- explain: signatures ------------------------------------------------------------

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/good.key" 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/other.key" 2>/dev/null
openssl pkey -in "$work/good.key" -pubout -out "$work/good.pub"
sign() {	# KEY [member=value]
	sign_key=$1
	shift
	python3 "$e2e/signer.py" cosign "http://$registry/test/image" "$digest" "$work/$sign_key.key" "$@"
}
signed="{\"type\":\"sigstoreSigned\",\"keyPath\":\"$work/good.pub\",\"signedIdentity\":{\"type\":\"matchRepository\"}}"
policy "{\"default\":[$signed]}"
reasons() {	# of the signatures, without where they are
	"$aa" policy explain --json --tls-verify=false "$work/policy.json" "$ref:plain" 2>/dev/null |
		jq -r '.accepted, (.requirements[0] | (.signatures[] | "\(.good) \(.why)"))' >"$work/out" || :
}
expect_exit "explain: not signed" 11 "$aa" policy explain --tls-verify=false "$work/policy.json" "$ref:plain"
check "says where it looked" grep -q "does not hold: there is no signature; looked in .*$registry/test/image:sha256-" "$work/out"
sign other
sign good digest=sha256:0000000000000000000000000000000000000000000000000000000000000000
sign good name=elsewhere.example.test/image
expect_exit "explain: three signatures, none counts" 11 "$aa" policy explain --tls-verify=false "$work/policy.json" "$ref:plain"
check "the error counts them" grep -q '(sigstoreSigned): 3 signatures found, none counts: ' "$work/err"
reasons
cat >"$work/want" <<END
false
false the signature was not made with this key over this payload
false it is for another image, sha256:000000000000…
false it is for the name "elsewhere.example.test/image", which matchRepository does not accept
END
check "each with its reason" diff "$work/want" "$work/out"
sign good
reasons
check "a good one beside them is enough" [ "$(sed -n '1p;$p' "$work/out" | tr '\n' ' ')" = "true true good " ]
verify "and verify accepts" 0 "$ref:plain"
verify "the other image of this name is not signed" 11 "$ref:enc"
plan
