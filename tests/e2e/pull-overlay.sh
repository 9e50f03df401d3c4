#!/bin/sh
# Layers one above the other: kept, shared, used again only when all is asked again, gone when it fails.
# time-limit: 240
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

if ! is_root; then
	fresh_target
	mkimage build "$work/img:v1" files=3 >/dev/null
	expect_exit "as a user overlay is refused when asked for" 15 \
		"$aa" pull --policy "$accept_policy" --snapshot overlay --store "$work/store" "oci:$work/img:v1" "$bundle"
	expect_exit "and not used when not" 0 \
		"$aa" pull --policy "$accept_policy" --store "$work/store" "oci:$work/img:v1" "$bundle"
	plan
	exit 0
fi

# A file system that overlays can lie on, whatever TMPDIR is.
mkdir "$work/fs"
mount -t tmpfs -o mode=0755 overlay-test "$work/fs"
target=$work/fs/target
bundle=$target/bundle
store=$work/fs/store
img=$work/img

mkimage build "$img:base" files=40,size=100k files=30,size=90k,seed=2 files=20,size=80k,seed=3 >/dev/null
mkimage build "$img:more" files=40,size=100k files=30,size=90k,seed=2 files=20,size=80k,seed=3 \
	files=10,seed=4 >/dev/null
registry_start overlay
for tag in base more; do
	mkimage push "$img:$tag" "http://$registry/test/image:$tag" >/dev/null
done
ref=docker://$registry/test/image

over() {
	pull_http --snapshot overlay --store "$store" "$@"
}

layers() {
	find "$store/layers" -mindepth 1 -maxdepth 1 | wc -l
}

mounted() {
	grep -c "^overlay $target/.* overlay " /proc/self/mounts || :
}

# The registry logs a request when it has answered it, and closes a connection after that: none is open any more.
settled() {
	comes_true 60 awk -v port=":$(printf %04X "$registry_port")\$" '$2 ~ port && ($4 == "01" || $4 == "08") { n++ }
		END { exit n > 0 }' /proc/net/tcp || bail "connections to the registry stay open"
}

fetched() {	# blobs asked for since the registry began
	settled
	grep -c 'GET /v2/test/image/blobs/' "$registry_dir/log" || :
}

fresh_target
over "$ref:base"
check "an image is pulled as an overlay" [ "$rc" -eq 0 ]
check "it is one mount" [ "$(mounted)" -eq 1 ]
check "three layers are kept" [ "$(layers)" -eq 3 ]
check "the store is ours alone" [ "$(stat -c %a "$store")" = 700 ]
flat=$target/flat
check "the same, flat" "$aa" pull --policy "$accept_policy" --tls-verify=false --snapshot flat "$ref:base" "$flat"
check "both trees are the same" same_trees "$bundle/rootfs" "$flat/rootfs"
check "both configurations are the same" cmp "$bundle/config.json" "$flat/config.json"
touch "$bundle/rootfs/new"
check "what is written does not reach the store" [ -z "$(find "$store" -name new)" ]

before=$(fetched)
check "an image with one layer more" "$aa" pull --policy "$accept_policy" --tls-verify=false \
	--snapshot overlay --store "$store" "$ref:more" "$target/more"
check "fetches its configuration and that layer" [ "$(($(fetched) - before))" -eq 2 ]
check "four layers are kept" [ "$(layers)" -eq 4 ]

echo '{"default":[{"type":"reject"}]}' >"$work/reject.json"
fresh_target
run "$aa" pull --policy "$work/reject.json" --tls-verify=false --snapshot overlay --store "$store" \
	"$ref:base" "$bundle"
check "what is kept is not given out against the policy" [ "$rc" -eq 11 ]
check "nothing is left of that" is_empty "$target"

# A damaged last layer: those that were whole stay, the pull leaves nothing.
rm -rf "$store"
last=$(mkimage layers "$img:base" | tail -n 1 | grep -o 'sha256:[0-9a-f]*' | head -n 1)
file=$(blob_file "$last")
cp "$file" "$work/kept"
python3 - "$file" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(300)
    byte = f.read(1)[0]
    f.seek(300)
    f.write(bytes([byte ^ 1]))
END
fresh_target
over --layers-at-once 1 "$ref:base"
check "a damaged layer is refused" [ "$rc" -eq 14 ]
check "nothing is left of the bundle" is_empty "$target"
check "nor a mount" [ "$(mounted)" -eq 0 ]
check "the two layers before it are kept" [ "$(layers)" -eq 2 ]
cp "$work/kept" "$file"
before=$(fetched)
over "$ref:base"
check "the next pull works" [ "$rc" -eq 0 ]
check "and fetches what was missing" [ "$(($(fetched) - before))" -eq 2 ]

# Two at once: each layer is made once.
rm -rf "$store"
fresh_target
before=$(fetched)
slow_line "$registry_port" 3000000
both() {
	"$aa" pull --policy "$accept_policy" --tls-verify=false --snapshot overlay --store "$store" \
		"docker://$slow/test/image:base" "$target/b$1" >"$work/out.$1" 2>"$work/err.$1"
}
both 1 &
other=$!
rc1=0
both 2 || rc1=$?
rc2=0
wait "$other" || rc2=$?
check "two pulls of one image at once" [ "$rc1$rc2" = 00 ]
check "make each layer once" [ "$(($(fetched) - before))" -eq 5 ]
check "and give the same tree" same_trees "$target/b1/rootfs" "$target/b2/rootfs"

# Encrypted: what is kept is for who has the layers' keys.
ocicrypt keys "$work/keys" default/key/one default/key/two
ocicrypt keys "$work/strange" default/key/one
keys=$work/keys/aa-offline_fs_kbc-keys.json
ocicrypt encrypt "$img:base" "$img:enc" "$keys" default/key/one >/dev/null
ocicrypt other-key "$img:enc" "$img:forged" "$keys" default/key/two >/dev/null
for tag in enc forged; do
	mkimage push "$img:$tag" "http://$registry/test/image:$tag" >/dev/null
done
rm -rf "$store"
fresh_target
params=--aa-kbc-params=offline_fs_kbc::$work/keys
over "$params" "$ref:enc"
check "an encrypted image, kept in the store" [ "$rc" -eq 0 -a "$(layers)" -eq 3 ]
again() {	# NAME EXIT FETCHED options
	again_name=$1 again_exit=$2 again_fetched=$3
	shift 3
	fresh_target
	before=$(fetched)
	over "$@"
	check "$again_name: exit $again_exit" [ "$rc" -eq "$again_exit" ]
	diag "exit $rc: $(head -n 1 "$work/err")"
	check "$again_name: blobs fetched" [ "$(($(fetched) - before))" -eq "$again_fetched" ]
	[ "$rc" -eq 0 ] || check "$again_name: nothing is left" is_empty "$target"
}
again "with its key it is used again" 0 1 "$params" "$ref:enc"
again "without a key it is not" 10 1 "$ref:enc"
again "with another key it is not" 13 1 --aa-kbc-params="offline_fs_kbc::$work/strange" "$ref:enc"
fresh_target
before=$(fetched)
over --layers-at-once 1 "$params" "$ref:forged"
check "its layers under a key that is not theirs: refused" [ "$rc" -ne 0 ]
diag "exit $rc: $(head -n 1 "$work/err")"
check "after having been fetched and checked anew" [ "$(($(fetched) - before))" -eq 2 ]
check "nothing is left of that" is_empty "$target"
check "the store has what it had" [ "$(layers)" -eq 3 ]

# JSON
rm -rf "$store"
fresh_target
over --json "$ref:more"
cat >"$work/events.py" <<'END'
import json, sys
events = [json.loads(line) for line in open(sys.argv[1])]
last = events[-1]
assert last["event"] == "done" and last["snapshot"] == "overlay" and last["layers"] == 4, last
done = [e for e in events[:-1] if e["stage"] in ("done", "reused")]
assert sorted(e["layer"] for e in done) == [1, 2, 3, 4], done
assert all(e["event"] == "progress" and e["bytes"] <= e["of"] for e in events[:-1])
END
check "events are JSON, a line each" python3 "$work/events.py" "$work/out"
fresh_target
over --json "$ref:nowhere"
check "errors are events, too" grep -q '^{"event":"error","code":"IMAGE_NOTFOUND","exit":22,' "$work/out"

# A store that others may enter, and one without room
chmod 755 "$store"
fresh_target
over "$ref:base"
check "a store open to others is refused" [ "$rc" -eq 15 ]
chmod 700 "$store"
mkdir "$work/small"
mount -t tmpfs -o size=200k,mode=0700 small "$work/small"
store=$work/small
over "$ref:base"
check "a store without room is refused before anything is fetched" [ "$rc" -eq 15 ]
check "by name" grep -q 'NOSPACE' "$work/err"
check "nothing is left there" [ "$(layers)" -eq 0 ]

# Any number of layers at once
store=$work/fs/store2
fresh_target
for at_once in 1 2 3 4 5 6 7 8; do
	over --layers-at-once "$at_once" "$ref:more"
	[ "$rc" -eq 0 ] || break
	fresh_target
	rm -rf "$store"
done
check "any number of layers at once" [ "$rc" -eq 0 ]

# As many as were asked for, and no more
for at_once in 1 2 3; do
	rm -rf "$store"
	fresh_target
	slow_line "$registry_port" 20000
	start_pull --snapshot overlay --store "$store" --layers-at-once "$at_once" "docker://$slow/test/image:more"
	procs most "$aa_pid" crypt >"$work/most" &
	most_pid=$!
	procs wait "$aa_pid" "crypt=$at_once" >/dev/null || diag "they are not there"
	sleep 1 # for one too many
	kill -USR1 "$slow_pid"
	finish_pull 60
	check "$at_once layers at once: it works" [ "$rc" = 0 ]
	wait "$most_pid"
	check "$at_once layers at once" [ "$(cat "$work/most")" -eq "$at_once" ]
	kill "$slow_pid"
done

# Killed while it works: no mount, and nothing after the next run
rm -rf "$store"
fresh_target
slow_line "$registry_port" 20000
start_pull --snapshot overlay --store "$store" "docker://$slow/test/image:more"
procs wait "$aa_pid" unpack >/dev/null || diag "no layer is unpacked"
kill -KILL "$aa_pid" 2>/dev/null || :
finish_pull 60
check "a killed pull takes its processes along" procs none "$aa_pid" 30
check "a killed pull leaves no mount" [ "$(mounted)" -eq 0 ]
over "$ref:base"
check "the next one works" [ "$rc" -eq 0 ]
check "and sweeps" [ ! -e "$store/.cacao-staging" ]
check "staging beside the bundle, too" [ "$(find "$target" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
plan
