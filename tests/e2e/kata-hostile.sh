#!/bin/sh
# Callers that send anything, too much, or nothing, beside kata-agent's connection, which must not notice.
# CHECK_EFFORT: how long the soak takes, 8 seconds for each unit, and how many random requests there are.
# time-limit: 300
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

python=/usr/bin/python3	# the one that has Debian's grpcio

for test in cuts frames calls connections slow soak; do
	adopt timeout -k 5 250 "$python" "$e2e/kata_hostile.py" "$test"
done

plan
