#!/bin/sh
# What cacao is for, in one minute: a signed and encrypted image lies in a registry that nobody has to trust; it opens
# where the key is, and nowhere else, and nothing else runs in its place. Everything is made anew in each run and removed at its end.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/../e2e/lib.sh"

start=$(now)
step_count=0
step() {	# what is done now
	step_count=$((step_count + 1))
	printf '\n%d. %s\n' "$step_count" "$1"
}

say() {
	printf '   %s\n' "$*"
}

stop() {	# the demonstration did not show what it should
	printf '\nFAILED in step %d: %s\n' "$step_count" "$*"
	[ ! -s "$work/err" ] || sed 's/^/   | /' "$work/err"
	exit 1
}

random_hex() {	# bytes
	od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'
}

search() {	# WORD PATH…: number of hits
	python3 "$top/tests/demo/search.py" "$@" 2>"$work/places"
}

tag=v$(random_hex 4)
word=canary-$(random_hex 12)
seed=0x$(random_hex 6)
seed=$((seed))
kid=default/key/demo-$(random_hex 4)
img=$work/img

echo "cacao: a signed and encrypted image, from making it to running it"

step "A registry, on this machine only. It stands for one that belongs to somebody else."
registry_start demo
ref=docker://$registry/demo/secret:$tag
say "docker-registry listens on $registry; the image will be called $ref"

step "An image with a secret in it: a random word, which we shall look for later."
say "The word is: $word"
cat >"$work/tell" <<END
#!/bin/busybox sh
echo "This runs from the image. The word is: $word"
echo "Files in it: \$(busybox find /data -type f | busybox wc -l)"
END
echo "the word again: $word" >"$work/note"
busybox=$(command -v busybox) || stop "the program busybox is missing (package busybox-static)"
mkimage build --config '{"Entrypoint":["/bin/tell"],"Env":["PATH=/bin"]}' "$img:$tag" \
	"gzip=none,put=$busybox:bin/busybox" "gzip=none,put=$work/tell:bin/tell" \
	"files=5000,size=104m,seed=$seed" "put=$work/note:etc/note:600" >"$work/digest"
say "$(mkimage layers "$img:$tag" | wc -l) layers, the largest with 5,000 files of random content:"
mkimage layers "$img:$tag" | while read -r digest size; do
	say "  $digest  $size bytes"
done
hits=$(search "$word" "$img")
[ "$hits" -gt 0 ] || stop "the word cannot be found even in the plain image: the search is wrong"
say "Searching the plain image finds the word ($hits hits), so the search below would find it too."

step "A key, random, and the image encrypted with it."
mkdir "$work/broker" "$work/nobody" "$work/stranger"
printf '{"%s": "%s"}\n' "$kid" "$(head -c 32 /dev/urandom | base64)" \
	>"$work/broker/aa-offline_fs_kbc-keys.json"
key=$(sed 's/.*": "\(.*\)".*/\1/' "$work/broker/aa-offline_fs_kbc-keys.json")
printf '{}\n' >"$work/nobody/aa-offline_fs_kbc-keys.json"
say "\$ aa-cli encrypt oci:…:$tag oci:…:encrypted --recipient provider:attestation-agent:kbs:///$kid"
run "$aa" encrypt "oci:$img:$tag" "oci:$work/enc:encrypted" \
	--recipient "provider:attestation-agent:kbs:///$kid" --aa-kbc-params "offline_fs_kbc::$work/broker"
[ "$rc" -eq 0 ] || stop "encrypt ended with $rc"
cp "$work/err" "$work/encrypt.log"
say "Each layer has a key of its own; these are wrapped by the key named $kid."

step "What can be seen of it without any key."
say "\$ aa-cli inspect oci:…:encrypted"
run "$aa" inspect "oci:$work/enc:encrypted"
[ "$rc" -eq 0 ] || stop "inspect ended with $rc"
cp "$work/out" "$work/inspect.log"
sed -e "s|$work|…|" -e 's/^/   | /' "$work/out"
grep -q "key kbs:///$kid" "$work/out" || stop "it does not tell the key's name"

step "The encrypted image goes to the registry, by the ordinary tool."
say "\$ skopeo copy --dest-tls-verify=false oci:…:encrypted $ref"
run skopeo --insecure-policy copy --dest-tls-verify=false "oci:$work/enc:encrypted" "$ref"
[ "$rc" -eq 0 ] || stop "skopeo ended with $rc"
say "The registry now holds $(du -sh "$registry_dir/storage" | cut -f1) of it."

step "Its maker signs it, in the layout of cosign; a policy asks for that signature, and for encryption."
digest=$(mkimage digest "$work/enc:encrypted")
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/maker.key" 2>/dev/null
openssl pkey -in "$work/maker.key" -pubout -out "$work/maker.pub"
run python3 "$e2e/signer.py" cosign "http://$registry/demo/secret" "$digest" "$work/maker.key"
[ "$rc" -eq 0 ] || stop "signing ended with $rc"
accept_policy=$work/policy.json
cat >"$accept_policy" <<END
{"default": [{"type": "reject"}],
 "transports": {"docker": {"$registry/demo": [
  {"type": "sigstoreSigned", "keyPath": "$work/maker.pub", "signedIdentity": {"type": "matchRepository"}},
  {"type": "cacao.layersEncrypted"}]}}}
END
sed -e "s|$work|…|" -e 's/^/   | /' "$accept_policy"

step "Somebody puts another image, not signed, under a name in that place: it is refused, and one is told why."
mkimage build "$img:swapped" --config '{"Entrypoint":["/bin/evil"]}' files=1 >/dev/null
mkimage push "$img:swapped" "http://$registry/demo/secret:swapped" >/dev/null
say "\$ aa-cli policy explain policy.json docker://$registry/demo/secret:swapped"
run "$aa" policy explain --tls-verify=false "$accept_policy" "docker://$registry/demo/secret:swapped"
[ "$rc" -eq 11 ] || stop "the policy answered with $rc, not with 11 (refused)"
sed -e "s|$work|…|g" -e 's/^/   | /' "$work/out"
grep -q 'there is no signature' "$work/out" || stop "it is not told that the signature is missing"

step "Somebody without the key pulls it, then with a key of his own: both must fail, and leave nothing."
mkdir "$work/thief"
thief_pulls() {	# NAME-OF-BROKER
	say "\$ aa-cli pull … --aa-kbc-params offline_fs_kbc::/$1 $ref /thief/bundle"
	run "$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false \
		--aa-kbc-params "offline_fs_kbc::$work/$1" "$ref" "$work/thief/bundle"
	cat "$work/err" >>"$work/thief.log"
	sed 's/^/   | /' "$work/err"
	[ "$rc" -eq 13 ] || stop "the pull ended with $rc, not with 13 (key)"
	is_empty "$work/thief" || stop "files were left: $(find "$work/thief" -mindepth 1 | head -n 3)"
}
thief_pulls nobody
printf '{"%s": "%s"}\n' "$kid" "$(head -c 32 /dev/urandom | base64)" \
	>"$work/stranger/aa-offline_fs_kbc-keys.json"
thief_pulls stranger
say "Exit status 13 (key). The target folder is empty: no layer, no half image, no temporary file."

step "Who has the key pulls it: the bundle appears, whole and checked."
fresh_target
say "\$ aa-cli pull … --aa-kbc-params offline_fs_kbc::/broker $ref /target/bundle"
pull_start=$(now)
pull_http --aa-kbc-params "offline_fs_kbc::$work/broker" "$ref"
took=$(($(now) - pull_start))
cp "$work/err" "$work/owner.log"
cp "$work/out" "$work/owner.out"
[ "$rc" -eq 0 ] || stop "the pull ended with $rc"
say "$(cat "$work/out")"
say "$(find "$bundle/rootfs" -type f | wc -l) files, $(du -sm "$bundle/rootfs" | cut -f1) MiB, in $took ms. Fetched, checked, decrypted and unpacked in one stream."

step "Its program runs and tells the word."
chroot=$(command -v chroot)
command=$(python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["process"]["args"][0])' "$bundle/config.json")
if is_root; then
	run env -i PATH=/bin "$chroot" "$bundle/rootfs" "$command"
else
	run env -i PATH=/bin /usr/bin/unshare -r "$chroot" "$bundle/rootfs" "$command"
fi
sed 's/^/   | /' "$work/out"
grep -qF "$word" "$work/out" || stop "it did not tell the word"
grep -qx 'Files in it: 5000' "$work/out" || stop "files are missing"

step "Where else is the word? The registry's storage, every log, what the thief got:"
hits=$(search "$word" "$registry_dir" "$work/enc" "$work/thief" "$work/encrypt.log" "$work/thief.log" \
	"$work/owner.log" "$work/owner.out" "$bundle/config.json")
[ "$hits" -eq 0 ] || stop "found: $(cat "$work/places")"
key_hits=$(grep -rlF -- "$key" "$registry_dir" "$work/enc" "$work/thief" "$work"/*.log "$work/owner.out" | wc -l)
[ "$key_hits" -eq 0 ] || stop "the key was found in $key_hits files"
say "(as it is, as hexadecimal digits and in base64; for the key as well)"
echo "canary found outside the bundle: $hits hits"

took=$(($(now) - start))
printf '\nDone in %d.%d s; the registry is stopped and all files are removed.\n' $((took / 1000)) $((took % 1000 / 100))
