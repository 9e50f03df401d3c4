#!/bin/sh
# The agent's settings by each of their ways; and a secret of its own in each place, which comes out of every door that
# it may, and is seen nowhere else.
# time-limit: 120
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

python=/usr/bin/python3	# the one that has Debian's grpcio

for test in ways canary; do
	adopt timeout -k 5 100 "$python" "$e2e/kata_secrets.py" "$test"
done

plan
