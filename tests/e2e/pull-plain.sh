#!/bin/sh
# Pulls of images that are not encrypted: every way to name one, every kind of manifest and layer.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

img=$work/img
config='{"Entrypoint":["/bin/su"],"Cmd":["-c","id"],"Env":["A=b c","PATH=/bin"],"WorkingDir":"/tmp","User":"app"}'
digest=$(mkimage build --config "$config" "$img:multi" files=20,size=200k kind=features kind=over \
	gzip=none,files=3,top=plain members=10k,size=64k,text,top=members empty)
mkimage build --docker "$img:docker" files=5,size=50k,text kind=features gzip=none,top=more >/dev/null
mkimage build "$img:none" >/dev/null
mkimage build --platform linux/arm64/v8 --platform linux/amd64 --platform linux/arm/v7 \
	"$img:index" files=2 >/dev/null
mkimage build "$img:many" files=3000,size=300k,text >/dev/null

registry_start plain
for tag in multi docker index none many; do
	mkimage push "$img:$tag" "http://$registry/test/image:$tag" >/dev/null
done
ref=docker://$registry/test/image

reference_tree() {	# keeps the last pull for comparisons
	rm -rf "$work/reference"
	mv "$bundle" "$work/reference"
}

printed() {	# the digest printed by the last pull
	cat "$work/out"
}

pulled "by tag" "$ref:multi"
check "the digest printed is that of the manifest" [ "$(printed)" = "$digest" ]
check "nothing but the digest on stdout" [ "$(wc -l <"$work/out")" -eq 1 ]
check "a file of the first layer" [ -f "$bundle/rootfs/data/000019" ]
check "a whiteout removed a file" [ ! -e "$bundle/rootfs/etc/motd" ]
check "a whiteout removed a folder" [ ! -e "$bundle/rootfs/removed" ]
check "an opaque folder hides its lower files" [ "$(ls "$bundle/rootfs/opaque")" = new ]
check "no whiteout is left" sh -c "! find '$bundle/rootfs' -name '.wh.*' 2>/dev/null | grep ."
check "a write through a link of a lower layer stays inside" \
	grep -q 'lower layer' "$bundle/rootfs/usr/lib/second"
check "a file replaced a link, its target is untouched" grep -q '^root:' "$bundle/rootfs/etc/passwd"
check "config.json says how to run it" python3 - "$bundle/config.json" <<'END'
import json, sys
c = json.load(open(sys.argv[1]))
p = c["process"]
assert p["args"] == ["/bin/su", "-c", "id"], p["args"]
assert "A=b c" in p["env"] and "PATH=/bin" in p["env"], p["env"]
assert p["cwd"] == "/tmp", p["cwd"]
assert p["user"]["uid"] == 1000 and p["user"]["gid"] == 1001, p["user"]
assert c["root"]["path"] == "rootfs", c["root"]
assert c["ociVersion"].startswith("1."), c["ociVersion"]
END
reference_tree

pulled "by digest" "$ref@$digest"
check "by digest: the same tree" same_bundles "$work/reference" "$bundle"
pulled "by tag and digest" "$ref:multi@$digest"
check "by tag and digest: the digest decides" [ "$(printed)" = "$digest" ]
pulled "a digest with a tag that names another image" "$ref:none@$digest"
check "the image of the digest came" [ "$(printed)" = "$digest" ]
pulled "a bare name" "$registry/test/image:multi"
check "a bare name: the same tree" same_bundles "$work/reference" "$bundle"
pulled "from an OCI layout" "oci:$img:multi"
check "from an OCI layout: the same tree" same_bundles "$work/reference" "$bundle"

pulled "docker schema 2" "$ref:docker"
check "docker schema 2: all layers are there" \
	[ -f "$bundle/rootfs/data/000004" -a -f "$bundle/rootfs/etc/motd" -a -f "$bundle/rootfs/more/000000" ]

pulled "an index: this machine's platform" --platform linux/amd64 "$ref:index"
check "an index: the digest printed is that of the manifest chosen" \
	grep -q "$(printed)" "$img/blobs/sha256/$(mkimage digest "$img:index" | cut -c8-)"
check "an index: its layers" grep -qx linux/amd64 "$bundle/rootfs/platform"
pulled "an index: another platform, with variant" --platform linux/arm/v7 "$ref:index"
check "another platform: its layers" grep -qx linux/arm/v7 "$bundle/rootfs/platform"

pulled "an image without layers" "$ref:none"
check "an image without layers: an empty rootfs" is_empty "$bundle/rootfs"
pulled "3000 small files" "$ref:many"
check "3000 small files: all there" [ "$(find "$bundle/rootfs" -type f | wc -l)" -eq 3000 ]

fresh_target
mkdir "$bundle"
pull_http "$ref:multi"
check "into a bundle folder that exists and is empty" [ "$rc" -eq 0 -a -f "$bundle/config.json" ]
fresh_target
mkdir "$work/elsewhere"
pull_http --work-dir "$work/elsewhere" "$ref:multi"
check "with a work folder of its own" [ "$rc" -eq 0 -a -f "$bundle/config.json" ]
check "the work folder is empty afterwards" is_empty "$work/elsewhere"
fresh_target
run "$aa" pull "$snapshot" --policy="$accept_policy" --tls-verify=false -- "$ref:multi" "$bundle"
check "options as --name=value, and --" [ "$rc" -eq 0 ]
fresh_target
run sh -c 'umask 077; exec "$@"' sh "$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false \
	"$ref:multi" "$bundle"
check "the caller's umask changes nothing" same_bundles "$work/reference" "$bundle"
fresh_target
(
	cd "$target"
	"$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false "$ref:multi" bundle
) >"$work/out" 2>"$work/err" && rc=0 || rc=$?
check "a relative bundle path" [ "$rc" -eq 0 -a -f "$bundle/config.json" ]
[ "$rc" -eq 0 ] || diag_file "$work/err"

# what the ordinary tool pushed
skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$img:multi" "$ref:skopeo" 2>"$work/err"
pulled "pushed by skopeo" "$ref:skopeo"
check "pushed by skopeo: the same tree" same_bundles "$work/reference" "$bundle"

# https
make_tls
registry_start tls "$tls/server.crt"
mkimage push --ca "$tls/ca.crt" "$img:multi" "https://$registry/test/image:multi" >/dev/null
fresh_target
pull --ca-file "$tls/ca.crt" "docker://$registry/test/image:multi"
check "https with the registry's CA" [ "$rc" -eq 0 ]
check "https: the same tree" same_bundles "$work/reference" "$bundle"
fresh_target
pull --ca-file "$tls/ca.crt" --tls-verify=true "docker://localhost:$registry_port/test/image:multi"
check "https by name" [ "$rc" -eq 0 ]

# a mutable tag is asked for once: what was checked is what is unpacked
mkimage build "$work/two:good" files=3 >/dev/null
mkimage build "$work/two:other" files=4,seed=2 >/dev/null
bad_registry "$work/two"
pulled "a tag that changes after it was asked for" "docker://$bad/tagswap/x:latest"
check "the first answer counts" [ "$(printed)" = "$(mkimage digest "$work/two:good")" ]
check "the tag is asked for once" [ "$(grep -c '^GET .*/manifests/latest ' "$bad_log")" -eq 1 ]
echo "{\"auths\":{\"$bad\":{\"auth\":\"$(printf 'user:word' | base64)\"}}}" >"$work/auth.json"
pulled "basic credentials" --authfile "$work/auth.json" "docker://$bad/auth/x:latest"
pulled "a token, anonymous" "docker://$bad/token/x:latest"
pulled "a token, with credentials" --authfile "$work/auth.json" "docker://$bad/token/x:latest"
check "credentials are in no message" sh -c "! grep -q 'word\|token-for' '$work/err' '$work/out'"

# pulls at the same time do not meet
fresh_target
jobs=
for n in 1 2 3; do
	"$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false "oci:$img:many" "$target/b$n" \
		>/dev/null 2>"$work/err.$n" &
	jobs="$jobs $!"
done
together=0
for job in $jobs; do
	wait "$job" || together=1
done
check "three pulls at once, side by side" [ "$together" -eq 0 ]
check "side by side: nothing is left beside the bundles" [ "$(cd "$target" && echo .[!.]* *)" = '.[!.]* b1 b2 b3' ]

plan
