#!/bin/sh
# `aa-cli inspect`: every source, plain and encrypted; who can open it; nothing of an image steers a terminal.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
mkimage build "$img:plain" files=3,size=30k gzip=none,kind=features >/dev/null
mkimage build "$img:docker" --docker gzip=none,files=3,size=30k gzip=none,kind=features >/dev/null
mkimage build "$img:index" --platform linux/arm64/v8 --platform linux/amd64 files=2 >/dev/null
ocicrypt encrypt "$img:plain" "$img:enc" "$keys" $kid >/dev/null
ocicrypt encrypt "$img:plain" "$img:mixed" "$keys" $kid --layer 1 >/dev/null

# facts NAME FILTER WANTED options: the filter of jq gives this of --json
facts() {
	facts_name=$1
	facts_filter=$2
	facts_wanted=$3
	shift 3
	run "$aa" inspect --json "$@"
	facts_got=$(jq -c "$facts_filter" "$work/out" 2>/dev/null || :)
	if [ "$rc" -eq 0 ] && [ "$facts_got" = "$facts_wanted" ]; then
		ok "$facts_name"
	else
		not_ok "$facts_name"
		diag "exit $rc, got $facts_got, wanted $facts_wanted"
		diag_file "$work/err"
	fi
}
shows() {	# NAME PATTERN options: a line of the text for people
	shows_name=$1
	shows_pattern=$2
	shift 2
	run "$aa" inspect "$@"
	check "$shows_name" grep -Eqx -- "$shows_pattern" "$work/out"
}

registry_start plain
for tag in plain docker index enc; do
	mkimage push "$img:$tag" "http://$registry/a/b:$tag" >/dev/null
done
tar -C "$img" -cf "$work/oci.tar" .
python3 "$e2e/archives.py" docker legacy "$work/legacy.tar" "$img:docker=a.test/x:v1"

digest=$(mkimage digest "$img:plain")
key='{"scheme":"provider","provider":"attestation-agent","kid":"kbs:///'$kid'","algorithm":"A256GCM","readable":true}'
for source in "oci:$img:plain" "oci-archive:$work/oci.tar:plain" "docker://$registry/a/b:plain" "docker://$registry/a/b@$digest"; do
	facts "${source%%:*}: a plain image" '[.digest,.platform,.encryptedLayers,([.layers[].encrypted]|any)]' \
		"[\"$digest\",\"linux/amd64\",0,false]" --tls-verify=false "$source"
done
facts "docker-archive: its types" '[.layers[].mediaType]|unique' '["application/vnd.docker.image.rootfs.diff.tar"]' \
	"docker-archive:$work/legacy.tar"
facts "docker schema 2 in a registry" .mediaType '"application/vnd.docker.distribution.manifest.v2+json"' \
	--tls-verify=false "docker://$registry/a/b:docker"
for source in "oci:$img:enc" "oci-archive:$work/oci.tar:enc" "docker://$registry/a/b:enc"; do
	facts "${source%%:*}: an encrypted image" '[.encryptedLayers,.layers[1].cipher,.layers[1].keys]' \
		"[2,\"AES_256_CTR_HMAC_SHA256\",[$key]]" --tls-verify=false "$source"
done
facts "numbers, digests and sizes of layers" '[.layers[]|"\(.number) \(.digest) \(.size)"]|join("\n")' \
	"\"$(mkimage layers "$img:plain" | awk '{ printf("%s%d %s", (NR > 1 ? "\\n" : ""), NR - 1, $0) }')\"" "oci:$img:plain"
facts "some layers" '[.layers[].encrypted]' '[false,true]' "oci:$img:mixed"
shows "for people: the digest" "Digest: +$digest" "oci:$img:plain"
shows "for people: how many" 'Layers: +2, 1 of them encrypted' "oci:$img:mixed"
shows "for people: the key" " +provider attestation-agent, key kbs:///$kid, A256GCM" "oci:$img:enc"
shows "for people: no policy was asked" 'Policy: .*not asked.*' "oci:$img:enc"

# an index, and one of its images
facts "an index lists its platforms" '[.platforms[].platform]' '["linux/arm64/v8","linux/amd64"]' "oci:$img:index"
facts "in a registry, too" '[.platforms[].platform]' '["linux/arm64/v8","linux/amd64"]' \
	--tls-verify=false "docker://$registry/a/b:index"
facts "one of them" '[.platform,.index,(.layers|length)]' "[\"linux/arm64/v8\",\"$(mkimage digest "$img:index")\",2]" \
	--platform linux/arm64 "oci:$img:index"
expect_exit "one that is not there" 22 "$aa" inspect --platform linux/s390x "oci:$img:index"

# other schemes
pem=$vectors/image/ocicrypt/keys
skopeo --insecure-policy copy -q --encryption-key "jwe:$pem/rsa.pub.pem" --encryption-key "jwe:$pem/ec.pub.pem" \
	--encryption-key "pkcs7:$pem/p7.crt.pem" "oci:$img:plain" "oci:$work/skopeo:x"
facts "by skopeo for three" '.layers[0].keys|map(.scheme+" "+(.algorithm//""))|sort' \
	'["jwe ECDH-ES+A256KW","jwe RSA-OAEP","pkcs7 "]' "oci:$work/skopeo:x"
expect_exit "by us for two" 0 "$aa" encrypt --recipient "jwe:$pem/ec.pub.pem" \
	--recipient "provider:attestation-agent:kbs:///$kid" --aa-kbc-params "offline_fs_kbc::$work/keys" \
	"oci:$img:plain" "oci:$work/own:x"
facts "both are seen" '.layers[0].keys|map(.scheme+" "+.algorithm)|sort' \
	'["jwe ECDH-ES+A256KW","provider A256GCM"]' "oci:$work/own:x"

# signatures beside the image
facts "no signature" '.signatures|[.cosign,.lookedAt]' "[\"absent\",\"sha256-${digest#sha256:}.sig\"]" "oci:$img:plain"
facts "nor in the registry" .signatures.cosign '"absent"' --tls-verify=false "docker://$registry/a/b:plain"
facts "an archive is not asked" .signatures.cosign '"not asked"' "oci-archive:$work/oci.tar:plain"
mkimage push "$img:plain" "http://$registry/a/b:sha256-${digest#sha256:}.sig" >/dev/null
facts "one in the registry" .signatures.cosign '"present"' --tls-verify=false "docker://$registry/a/b:plain"
echo '{}' >"$work/sig"
mkimage add "$img:sha256-${digest#sha256:}.sig" "$work/sig" application/vnd.oci.image.manifest.v1+json
facts "one in the layout" .signatures.cosign '"present"' "oci:$img:plain"

# an image that would like to write on the terminal
python3 - "$img" <<'END'
import base64, json, sys
sys.path.insert(0, "tests/e2e")
from mkimage import Layout, dump
layout = Layout(sys.argv[1])
doc = layout.manifest("enc")
config = json.loads(layout.read(doc["config"]["digest"]))
config["created"] = "\x1b[2J\x9bm\u202e\r\nDigest: sha256:0"
data = dump(config)
doc["config"].update(digest=layout.add(data), size=len(data))
packet = dump({"kid": "\x1b]0;title\x07", "wrap_type": "\x1b[1m", "iv": "", "wrapped_data": ""})
doc["layers"][0]["annotations"]["org.opencontainers.image.enc.keys.provider.\x1b[31m"] = base64.b64encode(packet).decode()
data = dump(doc)
layout.tag("evil", {"mediaType": doc["mediaType"], "digest": layout.add(data), "size": len(data)})
END
for form in "" --json; do
	# shellcheck disable=SC2086 # none or one word
	run "$aa" inspect $form "oci:$img:evil"
	check "control characters are shown, not sent ${form:-for people}" sh -c \
		"grep -Eq '(x|u00)1b[[]2J' '$work/out' && [ -z \"\$(LC_ALL=C tr -d '\\n\\040-\\176' <'$work/out')\" ]"
done
check "nor does it write lines of its own" [ "$("$aa" inspect "oci:$img:evil" | grep -c ^Digest:)" = 1 ]

# refusals
expect_exit "no such image" 22 "$aa" inspect "oci:$img:nothing"
expect_exit "no such registry" 20 "$aa" inspect --tls-verify=false "docker://127.0.0.1:$(free_port)/a/b"
expect_exit "no platform" 2 "$aa" inspect --platform x "oci:$img:plain"
expect_exit "no image" 2 "$aa" inspect
run "$aa" inspect --json "oci:$img:nothing"
check "--json: errors, too" [ "$(jq -r .code "$work/out")" = IMAGE_NOTFOUND ]
cp -R "$img" "$work/damaged"
blob=$(jq -r .config.digest "$work/damaged/blobs/sha256/${digest#sha256:}")
printf x >>"$work/damaged/blobs/sha256/${blob#sha256:}"
expect_exit "a damaged configuration" 14 "$aa" inspect "oci:$work/damaged:plain"

plan
