#!/bin/sh
# The emulator of confidential VMs, without the agent: see tests/tee/scenarios.py.
# time-limit: 900
set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
exec "$top/tests/tee/scenarios.py"
