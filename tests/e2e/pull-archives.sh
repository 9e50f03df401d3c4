#!/bin/sh
# Images in files: oci-archive: and docker-archive:, by skopeo, umoci, GNU tar and as docker save writes them; refusals;
# policies as skopeo decides them.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

archives() {
	python3 "$e2e/archives.py" "$@"
}

img=$work/img
mkimage build "$img:v1" files=20,size=200k kind=features kind=over files=3,size=30k,top=more empty >/dev/null
mkimage build "$img:v2" files=2,size=20k,seed=7 >/dev/null
want=$(mkimage digest "$img:v1")
pulled "the layout" "oci:$img:v1"
mv "$bundle" "$work/v1"
pulled "another image of the layout" "oci:$img:v2"
mv "$bundle" "$work/v2"

same_as() {	# v1|v2 NAME IMAGE [options]
	same_want=$work/$1
	same_name=$2
	same_image=$3
	shift 3
	pulled "$same_name" "$@" "$same_image"
	check "$same_name: the same bundle" same_bundles "$same_want" "$bundle"
}

printed() {
	check "$1" test "$(cat "$work/out")" = "$2"
}

# --- oci-archive -------------------------------------------------------------
oci=$work/oci.tar
skopeo --insecure-policy copy -q "oci:$img:v1" "oci-archive:$oci:docker.io/library/app:v1"
same_as v1 "oci-archive by skopeo" "oci-archive:$oci"
printed "its digest is that of the layout" "$want"
same_as v1 "by the name in it" "oci-archive:$oci:docker.io/library/app:v1"
same_as v1 "by its place" "oci-archive:$oci:@0"
refused "another name" 22 --policy "$accept_policy" "oci-archive:$oci:v2"
refused "a place behind the last" 22 --policy "$accept_policy" "oci-archive:$oci:@1"

tar -C "$img" -cf "$work/two.tar" .
same_as v2 "a layout packed by tar, of two images the second" "oci-archive:$work/two.tar:v2"
same_as v1 "by its place, the first" "oci-archive:$work/two.tar:@0"
refused "no name for two images" 22 --policy "$accept_policy" "oci-archive:$work/two.tar"
tar -C "$img" -cf "$work/gnu.tar" --format=gnu oci-layout blobs index.json
same_as v2 "index.json behind the blobs" "oci-archive:$work/gnu.tar:v2"
bsdtar -C "$img" -cf "$work/pax.tar" --format=pax .
same_as v2 "packed by bsdtar" "oci-archive:$work/pax.tar:v2"
umoci init --layout "$work/umoci" && umoci new --image "$work/umoci:v3" && umoci unpack --rootless --image \
	"$work/umoci:v3" "$work/umoci.bundle" 2>/dev/null && echo hello >"$work/umoci.bundle/rootfs/hello" &&
	umoci repack --image "$work/umoci:v3" "$work/umoci.bundle" 2>/dev/null
tar -C "$work/umoci" -cf "$work/umoci.tar" .
pulled "a layout by umoci" "oci-archive:$work/umoci.tar:v3"
check "what was put into it" grep -qx hello "$bundle/rootfs/hello"

for how in "gzip:-1" "zstd:-q"; do
	program=${how%%:*}
	"$program" "${how#*:}" -c "$work/two.tar" >"$work/two.$program"
	same_as v1 "compressed by $program" "oci-archive:$work/two.$program:v1"
	"$program" "${how#*:}" -c "$work/two.$program" >"$work/twice"
	refused "compressed by $program twice" 22 --policy "$accept_policy" "oci-archive:$work/twice:v1"
	head -c 20000 "$work/two.$program" >"$work/cut"
	refused "compressed by $program, cut" 22 --policy "$accept_policy" "oci-archive:$work/cut:v1"
done
gzip -1c "$work/two.zstd" >"$work/mixed"
refused "zstd in gzip" 22 --policy "$accept_policy" "oci-archive:$work/mixed:v1"
bzip2 -c "$work/two.tar" >"$work/bzip2"
refused "bzip2" 22 --policy "$accept_policy" "oci-archive:$work/bzip2:v1"
(cd "$img" && find . | bsdcpio -o -H newc 2>/dev/null >"$work/cpio")
refused "cpio" 22 --policy "$accept_policy" "oci-archive:$work/cpio:v1"

# Whoever passes over this by reading is not done in time.
archives far "$work/far.tar" "$img"
fresh_target
run timeout -k 2 60 "$aa" pull "$snapshot" --policy "$accept_policy" "oci-archive:$work/far.tar:v2" "$bundle"
check "1000 GiB in front of the image are passed over" [ "$rc" = 0 ]
rm "$work/far.tar"

# --- docker-archive ----------------------------------------------------------
skopeo --insecure-policy copy -q "oci:$img:v2" "docker-archive:$work/skopeo.tar:example.org/app/two:v2" 2>/dev/null
same_as v2 "docker-archive by skopeo" "docker-archive:$work/skopeo.tar"
cp "$work/out" "$work/digest"
same_as v2 "by its name" "docker-archive:$work/skopeo.tar:example.org/app/two:v2"
printed "the same made manifest again" "$(cat "$work/digest")"
for kind in legacy oci packed renamed hardlinks; do
	archives docker $kind "$work/$kind.tar" "$img:v1=example.org/one:v1,busybox:latest" "$img:v2=example.org/two:v2"
	same_as v1 "$kind: the first image" "docker-archive:$work/$kind.tar:example.org/one:v1"
	same_as v2 "$kind: the second" "docker-archive:$work/$kind.tar:example.org/two:v2"
	gzip -1c "$work/$kind.tar" >"$work/$kind.gz"
	same_as v1 "$kind: compressed, by a short name" "docker-archive:$work/$kind.gz:busybox"
	refused "$kind: which of two?" 22 --policy "$accept_policy" "docker-archive:$work/$kind.tar"
	check "$kind: both are named" sh -c "grep -q 'one:v1.*two:v2' '$work/err'"
done
archives docker oci "$work/both.tar" "$img:v2="
same_as v2 "without a name" "docker-archive:$work/both.tar"
same_as v2 "the same as an image layout" "oci-archive:$work/both.tar"
archives docker legacy "$work/alike.tar" "$img:v1=a.test/x:v1" "$img:v2=a.test/x:v1"
refused "two images of one name" 22 --policy "$accept_policy" "docker-archive:$work/alike.tar:a.test/x:v1"
same_as v2 "by its place" "docker-archive:$work/alike.tar:@1"

# --- encrypted ---------------------------------------------------------------
kid=default/key/one
ocicrypt keys "$work/keys" $kid
ocicrypt encrypt "$img:v1" "$work/enc:enc" "$work/keys/aa-offline_fs_kbc-keys.json" $kid >/dev/null
tar -C "$work/enc" -cf "$work/enc.tar" .
pulled "encrypted oci-archive" --aa-kbc-params "offline_fs_kbc::$work/keys" "oci-archive:$work/enc.tar:enc"
check "encrypted oci-archive: the same tree" same_trees "$work/v1/rootfs" "$bundle/rootfs"
refused "encrypted, no broker" 10 --policy "$accept_policy" "oci-archive:$work/enc.tar:enc"

# --- more layers at once than are served at once ------------------------------
layers=
for n in $(seq 20); do
	layers="$layers files=2,size=2m,seed=$n,top=d$n"
done
# shellcheck disable=SC2086 # several words
mkimage build "$work/many:v1" $layers >/dev/null
pulled "the layout of twenty layers" "oci:$work/many:v1"
mv "$bundle" "$work/many-layers"
tar -C "$work/many" -cf "$work/many.tar" .
gzip -1 -c "$work/many.tar" >"$work/many.gz"
archives docker legacy "$work/many-docker.tar" "$work/many:v1="
for image in "oci-archive:$work/many.tar" "oci-archive:$work/many.gz" "docker-archive:$work/many-docker.tar"; do
	same_as many-layers "twenty layers, ${image##*/}" "$image" --layers-at-once 16
done
rm -rf "$work/many" "$work/many.tar" "$work/many.gz" "$work/many-docker.tar"

# --- what is wrong -----------------------------------------------------------
spoilt() {	# HOW CODES: both kinds of archive
	archives spoil "$1" "$work/two.tar" "$work/bad.tar"
	refused "oci-archive: $1" "$2" --policy "$accept_policy" "oci-archive:$work/bad.tar:v1"
	archives spoil "$1" "$work/legacy.tar" "$work/bad.tar"
	refused "docker-archive: $1" "$2" --policy "$accept_policy" "docker-archive:$work/bad.tar:busybox"
}

spoilt layer 14
spoilt longer "14|22"
spoilt shorter "14|15"
spoilt no-layer "14|22"
spoilt twice 22
spoilt config "14|22"
spoilt out 22
spoilt absolute 22
spoilt cut 22
spoilt members 1
spoilt fifo 22
spoilt link-out 22
archives spoil index "$work/two.tar" "$work/bad.tar"
refused "index.json that is cut" "1|22" --policy "$accept_policy" "oci-archive:$work/bad.tar:v1"
archives spoil manifest "$work/legacy.tar" "$work/bad.tar"
refused "manifest.json that is cut" 22 --policy "$accept_policy" "docker-archive:$work/bad.tar:busybox"
refused "an image layout is no docker-archive" 22 --policy "$accept_policy" "docker-archive:$work/two.tar"
refused "and the other way round" 22 --policy "$accept_policy" "oci-archive:$work/legacy.tar"
: >"$work/empty"
refused "an empty file" 22 --policy "$accept_policy" "oci-archive:$work/empty"
refused "a directory" 22 --policy "$accept_policy" "oci-archive:$img"
mkfifo "$work/fifo"
refused "a FIFO" 22 --policy "$accept_policy" "docker-archive:$work/fifo"
refused "no file" 22 --policy "$accept_policy" "docker-archive:$work/nowhere"

# --- whose file it is --------------------------------------------------------
if need_root "an archive that only root can read"; then
	mkdir -m 700 "$work/private"
	cp "$work/two.tar" "$work/private/two.tar"
	chmod 600 "$work/private/two.tar"
	same_as v2 "an archive that only root can read" "oci-archive:$work/private/two.tar:v2"
	cp -R "$img" "$work/private/img"
	chmod -R go-rwx "$work/private/img"
	same_as v2 "a layout that only root can read" "oci:$work/private/img:v2"
	blob=$(find "$work/private/img/blobs" -type f -size +100k)
	cp "$blob" "$work/elsewhere"
	ln -sf "$work/elsewhere" "$blob"
	refused "a blob that is a link out of the layout" 22 --policy "$accept_policy" "oci:$work/private/img:v1"
	rm "$blob"
	mkfifo "$blob"
	refused "a blob that is a FIFO" 22 --policy "$accept_policy" "oci:$work/private/img:v1"
fi

# --- policies: the verdicts of skopeo -----------------------------------------
mkdir -p "$work/real/sub"
ln -s real "$work/link"
cp "$work/two.tar" "$work/real/sub/x.tar"
cp "$work/skopeo.tar" "$work/real/sub/d.tar"

verdicts() {	# POLICY: the same as skopeo's for each image
	echo "$1" | sed "s!YES![{\"type\":\"insecureAcceptAnything\"}]!g; s!NO![{\"type\":\"reject\"}]!g; s!WORK!$work!g" \
		>"$work/policy.json"
	for image in "oci-archive:$work/link/sub/x.tar:v2" "docker-archive:$work/link/sub/d.tar" "oci:$img:v2"; do
		rm -rf "$work/copy"
		skopeo_says=11
		skopeo copy -q --policy "$work/policy.json" "$image" "dir:$work/copy" 2>"$work/skopeo.err" && skopeo_says=0
		fresh_target
		expect_exit "$(cat "$work/policy.json" | cut -c 1-90)… ${image%%:*}: $skopeo_says" "$skopeo_says" \
			"$aa" pull "$snapshot" --policy "$work/policy.json" "$image" "$bundle"
	done
}

verdicts '{"default":NO,"transports":{"oci-archive":{"WORK/real/sub/x.tar":YES},"oci":{"WORK":YES}}}'
verdicts '{"default":NO,"transports":{"oci-archive":{"WORK/real":YES},"docker-archive":{"":YES}}}'
verdicts '{"default":NO,"transports":{"oci-archive":{"WORK/link":YES}}}'
verdicts '{"default":YES,"transports":{"oci-archive":{"WORK/real":NO,"WORK/real/sub":YES},"oci":{"":NO}}}'
verdicts '{"default":YES,"transports":{"docker-archive":{"":NO}}}'
verdicts '{"default":YES,"transports":{"docker-archive":{"WORK/real":YES}}}'
verdicts '{"default":YES,"transports":{"oci-archive":{"/":YES}}}'
verdicts '{"default":YES,"transports":{"oci-archive":{"WORK/real/":YES}}}'
verdicts '{"default":YES,"transports":{"oci-archive":{"real":YES}}}'

cd "$work/real"
same_as v2 "a relative path" "oci-archive:sub/x.tar:v2"

plan
