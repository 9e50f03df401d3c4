#!/bin/sh
# kata-agent's launch plans, era by era: unlink, spawn, wait for the socket, connect once, call; and the first moment
# at which a socket can be called.
# time-limit: 120
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

python=/usr/bin/python3	# the one that has Debian's grpcio

kata() {
	adopt timeout -k 5 100 "$python" "$e2e/kata.py" "$@"
}

# As root with its own words, paths and ports and no others, which a namespace makes possible.
if is_root; then
	kata real
else
	kata eras
fi
kata moment
kata first

plan
