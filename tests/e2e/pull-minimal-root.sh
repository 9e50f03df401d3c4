#!/bin/sh
# A pull in a root that holds one program, a policy, keys and a folder: no /proc, /dev, /etc, /tmp.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

if ! is_static "$aa"; then
	echo "1..0 # SKIP the program is not static; only the shipped one must do without libraries"
	exit 0
fi

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
mkimage build "$img:plain" --config '{"Cmd":["/bin/su"],"User":"app"}' files=10,size=1m kind=features kind=over >/dev/null
ocicrypt encrypt "$img:plain" "$img:enc" "$keys" $kid >/dev/null
registry_start plain
mkimage push "$img:plain" "http://$registry/test/image:plain" >/dev/null
mkimage push "$img:enc" "http://$registry/test/image:enc" >/dev/null

pulled "outside" "docker://$registry/test/image:plain"

root=$work/root
mkdir "$root" "$root/keys" "$root/out"
cp -L "$aa" "$root/aa-cli"
cp "$accept_policy" "$root/policy.json"
cp "$keys" "$root/keys/"

chroot=$(command -v chroot)
in_root() {
	if is_root; then
		run env -i "$chroot" "$root" "$@"
	else
		run env -i unshare -r "$chroot" "$root" "$@"
	fi
}

# A user alone in a name space of his own is root there, but owns nothing else.
pull_in_root() {	# NAME TAG [options]
	name=$1
	tag=$2
	shift 2
	in_root /aa-cli pull --snapshot=flat --policy /policy.json --tls-verify=false "$@" \
		"docker://$registry/test/image:$tag" "/out/$tag"
	check "$name" [ "$rc" -eq 0 ]
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	check "$name: the same tree as outside" same_bundles "$bundle" "$root/out/$tag"
}

in_root /aa-cli version
check "version" [ "$rc" -eq 0 ]
pull_in_root "a plain image" plain
pull_in_root "an encrypted image" enc --aa-kbc-params offline_fs_kbc::/keys
in_root /aa-cli pull --snapshot=flat --policy /nowhere.json --tls-verify=false \
	"docker://$registry/test/image:plain" /out/refused
check "no policy: refused" [ "$rc" -eq 11 -a ! -e "$root/out/refused" ]
check "the root is as it was" [ "$(cd "$root" && find . -maxdepth 2 | sort | tr '\n' ' ')" = \
	". ./aa-cli ./keys ./keys/aa-offline_fs_kbc-keys.json ./out ./out/enc ./out/plain ./policy.json " ]

plan
