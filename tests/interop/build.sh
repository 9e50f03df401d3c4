#!/bin/sh
# build.sh DIR: builds DIR/bin/peer with the newest libraries that this machine's Go can get. All of it stays below
# DIR. Exit status 77: there is no Go here, or nobody answers it.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
command -v go >/dev/null || exit 77
mkdir -p "$1/src" "$1/bin" || exit 1
dir=$(CDPATH='' cd -- "$1" && pwd)
export GOPATH="$dir/go" GOCACHE="$dir/cache" GOFLAGS='-mod=mod -modcacherw' GOTOOLCHAIN=local CGO_ENABLED=0
cp "$here/peer.go" "$dir/src/" && cd "$dir/src" || exit 1
rm -f go.mod go.sum
if ! { go mod init peer && timeout 300 go get github.com/containers/ocicrypt@latest; } >"$dir/get.log" 2>&1; then
	exit 77
fi
go build -p 1 -trimpath -o "$dir/bin/peer" . >"$dir/build.log" 2>&1
