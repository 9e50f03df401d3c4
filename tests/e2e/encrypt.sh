#!/bin/sh
# What `aa-cli encrypt` writes, checked by a second implementation and by skopeo.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
params=offline_fs_kbc::$work/keys
recipient=provider:attestation-agent:kbs:///$kid
mkimage build "$img:plain" --config '{"Env":["A=b"]}' files=20,size=300k kind=features \
	gzip=none,files=3,top=plain members=10k,size=64k,text,top=members empty size=1 >/dev/null
mkimage build "$img:docker" --docker files=3,size=30k gzip=none,kind=features >/dev/null

check "the second implementation knows the known answers" \
	python3 "$e2e/ocicrypt.py" kat "$vectors/image/ocicrypt/kat"

# the second implementation refuses what is wrong
ocicrypt encrypt --hmac-of-plain "$img:plain" "$img:bad" "$keys" $kid >/dev/null
check "the second implementation sees a wrong HMAC" \
	sh -c "! python3 '$e2e/ocicrypt.py' check '$img:bad' '$img:plain' '$keys' $kid"

encrypts() {	# NAME SRC DST [options]
	encrypts_name=$1
	encrypts_from=$2
	encrypts_to=$3
	shift 3
	expect_exit "$encrypts_name" 0 "$aa" encrypt "oci:$encrypts_from" "oci:$encrypts_to" \
		--recipient "$recipient" --aa-kbc-params "$params" "$@"
	cp "$work/out" "$work/encrypt.out"
	check "$encrypts_name: packets, HMAC and cipher are right" \
		ocicrypt check "$encrypts_to" "$encrypts_from" "$keys" $kid
}

encrypts "docker schema 2" "$img:docker" "$work/fromdocker:x"
own=$work/new:own
encrypts "into a new layout" "$img:plain" "$own"
check "prints the digest of what it made" grep -qx "$(mkimage digest "$own")" "$work/encrypt.out"
encrypts "again" "$img:plain" "$work/again:own"
check "each time with fresh keys" [ "$(mkimage digest "$own")" != "$(mkimage digest "$work/again:own")" ]
before=$(mkimage digest "$img:plain")
encrypts "into a layout that is there" "$img:plain" "$img:own"
check "the image that was there is there still" [ "$(mkimage digest "$img:plain")" = "$before" ]
encrypts "under a tag that is there" "$img:plain" "$img:own"
check "nothing else is left in the layout" [ "$(cd "$img" && echo .[!.]* *)" = '.[!.]* blobs index.json oci-layout' ]
expect_exit "the same as --name=value" 0 "$aa" encrypt --recipient="$recipient" --aa-kbc-params="$params" \
	"oci:$img:plain" "oci:$work/equals:own"
check "no plain layer in the new layout" python3 - "$img" "$work/new" <<'END'
import json, os, sys
new = os.listdir(sys.argv[2] + "/blobs/sha256")
index = json.load(open(sys.argv[1] + "/index.json"))["manifests"]
first = next(m for m in index if m["annotations"]["org.opencontainers.image.ref.name"] == "plain")
doc = json.load(open(sys.argv[1] + "/blobs/sha256/" + first["digest"][7:]))
for layer in doc["layers"]:
    assert layer["digest"][7:] not in new, layer
END

# skopeo decrypts the layers; it knows no key providers, so their keys are wrapped anew for it
rsa=$vectors/image/ocicrypt/keys
ocicrypt to-jwe "$own" "$work/jwe:x" "$keys" $kid "$rsa/rsa.pub.pem"
expect_exit "skopeo decrypts it" 0 skopeo --insecure-policy copy -q --decryption-key "$rsa/rsa.pem" \
	"oci:$work/jwe:x" "oci:$work/opened:x"
check "skopeo finds the same layers" \
	[ "$(mkimage layers "$work/opened:x")" = "$(mkimage layers "$img:plain")" ]

# --- every source ---------------------------------------------------------------------------------------

archive=$work/plain.tar
tar -C "$img" -cf "$archive" .
registry_start sources
ref=$registry/a/b
mkimage push "$img:plain" "http://$ref:plain" >/dev/null
mkimage push "$img:docker" "http://$ref:docker" >/dev/null
mkimage build "$img:tars" files=3,size=30k,gzip=none gzip=none,kind=features >/dev/null
python3 "$e2e/archives.py" docker legacy "$work/legacy.tar" "$img:tars=a.test/x:v1"
python3 "$e2e/archives.py" docker oci "$work/dockeroci.tar" "$img:plain=a.test/x:v1"
mkimage build "$img:index" --platform linux/arm64 --platform linux/amd64 files=2 >/dev/null

from() {	# NAME SOURCE PLAIN-LAYOUT [options]
	from_name=$1
	from_source=$2
	from_plain=$3
	shift 3
	count=$((${count:-0} + 1))
	expect_exit "$from_name" 0 "$aa" encrypt "$from_source" "oci:$work/from$count:x" --tls-verify=false \
		--recipient "$recipient" --aa-kbc-params "$params" "$@"
	check "$from_name: packets, HMAC and cipher are right" \
		ocicrypt check "$work/from$count:x" "$from_plain" "$keys" $kid
	pulled "$from_name: pulled" --device-nodes skip --aa-kbc-params "$params" "oci:$work/from$count:x"
}

from "of an oci-archive" "oci-archive:$archive:plain" "$img:plain"
from "of a registry" "docker://$ref:plain" "$img:plain"
from "of a registry, by digest" "docker://$ref@$(mkimage digest "$img:plain")" "$img:plain"
from "of a registry, docker schema 2" "docker://$ref:docker" "$img:docker"
from "of docker save" "docker-archive:$work/legacy.tar" "$img:tars"
from "of docker save, with compressed layers" "docker-archive:$work/dockeroci.tar:a.test/x:v1" "$img:plain"
expect_exit "of an index, this machine's platform" 0 "$aa" encrypt "oci:$img:index" "oci:$work/index:x" \
	--platform linux/amd64 --recipient "$recipient" --aa-kbc-params "$params"
expect_exit "of an index, another one" 0 "$aa" encrypt "oci:$img:index" "oci:$work/index:arm" \
	--platform linux/arm64 --recipient "$recipient" --aa-kbc-params "$params"
run "$aa" inspect --json "oci:$work/index:arm"
check "which it is" [ "$(jq -r .platform "$work/out")" = linux/arm64 ]
expect_exit "of an index, one that it has not" 22 "$aa" encrypt "oci:$img:index" "oci:$work/index:none" \
	--platform linux/s390x --recipient "$recipient" --aa-kbc-params "$params"
check "what it has is told" grep -q linux/arm64 "$work/err"

# --- chosen layers ------------------------------------------------------------------------------------

some() {	# NAME "LAYERS", as check wants them, OPTIONS
	some_name=$1
	some_layers=$2
	shift 2
	count=$((count + 1))
	expect_exit "$some_name" 0 "$aa" encrypt "oci:$img:plain" "oci:$work/from$count:x" "$@" \
		--recipient "$recipient" --aa-kbc-params "$params"
	cp "$work/err" "$work/some.err"
	# shellcheck disable=SC2086 # several words
	check "$some_name: those and no others" ocicrypt check "$work/from$count:x" "$img:plain" "$keys" $kid $some_layers
}
some "the lowest layer" "--layer 0" --layer 0
check "a pull that would refuse it is warned of" grep -q 'warning: 1 of 6 layers' "$work/some.err"
some "the lowest and the highest" "--layer 0 --layer 5" --layer 0 --layer=-1
some "a list" "--layer 1 --layer 3" --layer 3,-5
half=$work/from$count:x
refused "a mixed image" 11 --policy "$accept_policy" --aa-kbc-params "$params" "oci:$half"
pulled "a mixed image that is allowed" --allow-mixed-layers --device-nodes skip --aa-kbc-params "$params" "oci:$half"
expect_exit "encrypted layers are not encrypted again" 22 "$aa" encrypt "oci:$half" "oci:$work/no:x" \
	--recipient "$recipient" --aa-kbc-params "$params"
expect_exit "also when they are named" 22 "$aa" encrypt "oci:$half" "oci:$work/no:x" --layer=0,1 \
	--recipient "$recipient" --aa-kbc-params "$params"
check "nothing is left of it" [ ! -e "$work/no" ]
expect_exit "the others are" 0 "$aa" encrypt "oci:$half" "oci:$work/whole:x" --layer 0,2,4,5 \
	--recipient "$recipient" --aa-kbc-params "$params"
check "and all is right" ocicrypt check "$work/whole:x" "$img:plain" "$keys" $kid
for bad in 6 -7 x 1,1 '1,' 1,-5; do
	expect_exit "--layer $bad" 2 "$aa" encrypt "oci:$img:plain" "oci:$work/no:x" --layer "$bad" \
		--recipient "$recipient" --aa-kbc-params "$params"
done
check "nothing is left of them" [ ! -e "$work/no" ]

# --- the plain bytes of a layer may stand in its descriptor, too -----------------------------------------

python3 - "$img" <<'END'
import base64, json, sys
sys.path.insert(0, "tests/e2e")
from mkimage import Layout, dump
layout = Layout(sys.argv[1])
doc = layout.manifest("plain")
small = doc["layers"][3]
small["data"] = base64.b64encode(layout.read(small["digest"])).decode()
small["urls"] = ["https://a.test/plain"]
small["annotations"] = {"a.test/kept": "\u00e4"}
doc["annotations"] = {"a.test/note": "kept, too"}
doc["x-unknown"] = [1.50, None]
data = dump(doc)
layout.tag("embedded", {"mediaType": doc["mediaType"], "digest": layout.add(data), "size": len(data)})
END
expect_exit "a layer that is in the manifest, too" 0 "$aa" encrypt "oci:$img:embedded" "oci:$work/embedded:x" \
	--recipient "$recipient" --aa-kbc-params "$params"
check "is not there any more; what is not known stays" python3 - "$work/embedded" <<'END'
import sys
sys.path.insert(0, "tests/e2e")
from mkimage import Layout
doc = Layout(sys.argv[1]).manifest("x")
layer = doc["layers"][3]
assert "data" not in layer and "urls" not in layer, layer
assert layer["annotations"]["a.test/kept"] == "\u00e4", layer
assert doc["annotations"] == {"a.test/note": "kept, too"} and doc["x-unknown"] == [1.5, None], doc
END

# --- JSON, and destinations that cannot be -----------------------------------------------------------------

run "$aa" encrypt --json "oci:$img:plain" "oci:$work/json:x" --recipient "$recipient" --aa-kbc-params "$params"
check "--json: each line is an object" jq -e .event "$work/out"
check "--json: the last one is the result" [ "$(tail -n 1 "$work/out" | jq -r .manifest)" = "$(mkimage digest "$work/json:x")" ]
run "$aa" encrypt --json "oci:$work/json:x" "oci:$work/json:y" --recipient "$recipient" --aa-kbc-params "$params"
check "--json: errors, too" [ "$(jq -r .code "$work/out")" = IMAGE ]
echo mine >"$work/file"
expect_exit "DST is a file" 15 "$aa" encrypt "oci:$img:plain" "oci:$work/file:x" --recipient "$recipient" --aa-kbc-params "$params"
check "which is as it was" [ "$(cat "$work/file")" = mine ]
expect_exit "DST by its place" 2 "$aa" encrypt "oci:$img:plain" "oci:$work/no:@0" --recipient "$recipient" --aa-kbc-params "$params"
expect_exit "DST is docker-archive" 1 "$aa" encrypt "oci:$img:plain" "docker-archive:$work/no.tar" \
	--recipient "$recipient" --aa-kbc-params "$params"
check "why not is told" grep -q annotations "$work/err"
if is_root; then
	skip "DST in a folder that cannot be written" "root can write everywhere"
else
	mkdir -m 0500 "$work/locked"
	expect_exit "DST in a folder that cannot be written" 15 "$aa" encrypt "oci:$img:plain" "oci:$work/locked/x:x" \
		--recipient "$recipient" --aa-kbc-params "$params"
fi

# --- interrupted, while a key provider is slow ------------------------------------------------------------

printf '#!/bin/sh\necho asked >"%s"\nexec sleep 60\n' "$work/slow.asked" >"$work/slow"
chmod +x "$work/slow"
"$aa" encrypt "oci:$img:plain" "oci:$work/never:x" --recipient "$recipient" --keyprovider "cmd:$work/slow" \
	>"$work/out" 2>"$work/err" &
slow=$!
check "a slow key provider is asked" wait_file "$work/slow.asked"
kill -INT "$slow"
rc=0
wait "$slow" || rc=$?
check "an interrupted command says so" [ "$rc" -eq 41 ]
check "nothing is left of it" [ ! -e "$work/never" ]

# refusals
expect_exit "unknown key id" 13 "$aa" encrypt "oci:$img:plain" "oci:$work/r1:x" \
	--recipient provider:attestation-agent:kbs:///default/key/none --aa-kbc-params "$params"
check "unknown key id: no image under the name" \
	sh -c "! python3 '$e2e/mkimage.py' digest '$work/r1:x'"
mkdir "$work/folder"
echo mine >"$work/folder/file"
expect_exit "a folder that is no layout and not empty" 15 "$aa" encrypt "oci:$img:plain" "oci:$work/folder:x" \
	--recipient "$recipient" --aa-kbc-params "$params"
check "its file is untouched" [ "$(cat "$work/folder/"*)" = mine ]
expect_exit "no such image" "1|22" "$aa" encrypt "oci:$work/nowhere:x" "oci:$work/r2:x" \
	--recipient "$recipient" --aa-kbc-params "$params"
expect_exit "no recipient" 2 "$aa" encrypt "oci:$img:plain" "oci:$work/r3:x" --aa-kbc-params "$params"
expect_exit "another provider" "1|2|10" "$aa" encrypt "oci:$img:plain" "oci:$work/r4:x" \
	--recipient "provider:somebody:kbs:///$kid" --aa-kbc-params "$params"
expect_exit "an image that is encrypted already" "1|2|10|22" "$aa" encrypt "oci:$own" "oci:$work/r5:x" \
	--recipient "$recipient" --aa-kbc-params "$params"
cp -R "$img" "$work/damaged"
layer=$(mkimage layers "$work/damaged:plain" | head -n 1 | cut -d' ' -f1)
printf x >>"$work/damaged/blobs/sha256/${layer#sha256:}"
expect_exit "a damaged layer" 14 "$aa" encrypt "oci:$work/damaged:plain" "oci:$work/r6:x" \
	--recipient "$recipient" --aa-kbc-params "$params"
check "nothing is left of it" [ ! -e "$work/r6" ]
check "no staging is left" [ -z "$(find "$work" -name .cacao-staging -exec find {} -mindepth 1 \;)" ]

plan
