#!/bin/sh
# The death of each process of the agent: which calls fail, which recover, and what is left (docs/daemon.md's table).
# time-limit: 120
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

python=/usr/bin/python3	# the one that has Debian's grpcio

for test in key tee rpc starters signals pull; do
	adopt timeout -k 5 100 "$python" "$e2e/kata_names.py" "$test"
done

plan
