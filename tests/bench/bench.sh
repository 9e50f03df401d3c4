#!/bin/sh
# How long a pull takes beside the ordinary tools; tests/bench/bench.py and docs/performance.md tell more.
set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
PATH=$PATH:/usr/sbin:/sbin
for tool in skopeo umoci buildah docker-registry curl igzip zstd openssl tar; do
	command -v $tool >/dev/null || { echo "bench: $tool is missing: make setup" >&2; exit 1; }
done
exec python3 "$top/tests/bench/bench.py"
