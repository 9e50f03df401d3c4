#!/bin/sh
# Events in registers and log by the agent, unmodified, in the emulator: see tests/tee/measure.py.
# time-limit: 900
set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
exec "$top/tests/tee/measure.py" "${CACAO_BIN_DIR:-$top/build}/aa-cli" "$top/tests/e2e/mkimage.py"
