#!/bin/sh
# cosign-build.sh DIR: builds DIR/bin/cosign with this machine's Go; that takes many minutes. All of it stays below DIR. Exit
# status 77: there is no Go here, or nobody answers it.
set -u
module=github.com/sigstore/cosign/v2@v2.6.1
command -v go >/dev/null || exit 77
mkdir -p "$1/bin" || exit 1
dir=$(CDPATH='' cd -- "$1" && pwd)
[ ! -x "$dir/bin/cosign" ] || exit 0
export GOPATH="$dir/go" GOCACHE="$dir/cache" GOFLAGS='-mod=mod -modcacherw' GOTOOLCHAIN=local CGO_ENABLED=0
timeout 600 go mod download "$module" >"$dir/cosign-get.log" 2>&1 || exit 77
GOBIN=$dir/bin go install -p 1 -trimpath -ldflags='-s -w' "${module%@*}/cmd/cosign@${module#*@}" >"$dir/cosign-build.log" 2>&1
