#!/bin/sh
# The three names of the agent: in any order, all at once, twice, with other settings, over what a killed one left.
# time-limit: 120
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

python=/usr/bin/python3	# the one that has Debian's grpcio

for test in orders race meanwhile replaced again settings stale ready; do
	adopt timeout -k 5 100 "$python" "$e2e/kata_names.py" "$test"
done
if is_root; then
	adopt timeout -k 5 100 "$python" "$e2e/kata_names.py" strangers
fi

plan
