#!/bin/sh
# build.sh DIR: builds DIR/bin/peer-go and DIR/bin/peer-rust, ttrpc clients that are not ours, from Debian's packages of
# their libraries and compilers, without a network. All of it stays below DIR. Exit status 77: the packages are not here.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$1/bin" "$1/rust"
dir=$(CDPATH='' cd -- "$1" && pwd)
PATH=/usr/bin:/bin # Debian's compilers, whatever others there are
crates=/usr/share/cargo/registry
[ -d /usr/share/gocode/src/github.com/containerd/ttrpc ] && command -v go >/dev/null || exit 77
ls -d "$crates"/ttrpc-0.* >/dev/null 2>&1 && command -v cargo >/dev/null || exit 77

GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$dir/go GOFLAGS=-trimpath CGO_ENABLED=0 HOME=$dir \
	go build -o "$dir/bin/peer-go" "$here/peer.go"

cp -R "$here/rust/." "$dir/rust/"
mkdir -p "$dir/cargo"
printf '[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "%s"\n' "$crates" >"$dir/cargo/config.toml"
cd "$dir/rust"
CARGO_HOME=$dir/cargo HOME=$dir cargo build --offline --quiet --target-dir "$dir/target"
cp "$dir/target/debug/peer" "$dir/bin/peer-rust"
