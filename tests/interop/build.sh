#!/bin/sh
# build.sh BUILD_DIR: builds ocicopy with the newest libraries that the machine's Go can get. Everything stays below
# BUILD_DIR. Exit status 77: there is no Go here, or nothing answers it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
command -v go >/dev/null || exit 77
mkdir -p "$dir/src" "$dir/bin"
dir=$(cd "$dir" && pwd)
export GOPATH="$dir/go" GOCACHE="$dir/cache" GOFLAGS='-mod=mod -modcacherw' GOTOOLCHAIN=local CGO_ENABLED=0
cp "$here/ocicopy.go" "$dir/src/" && cd "$dir/src" || exit 1
if [ ! -e go.mod ]; then
	go mod init ocicopy >/dev/null 2>&1
	timeout 300 go get go.podman.io/image/v5@latest github.com/containers/ocicrypt@latest >"$dir/get.log" 2>&1 || {
		rm -f go.mod
		exit 77
	}
fi
go build -p 1 -trimpath -tags 'containers_image_openpgp containers_image_docker_daemon_stub containers_image_storage_stub' \
    -o "$dir/bin/ocicopy" . >"$dir/build.log" 2>&1
