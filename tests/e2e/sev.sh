#!/bin/sh
# Injected secrets of SEV by the agent, unmodified, in the emulator: see tests/tee/secret.py.
# time-limit: 900
set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
exec "$top/tests/tee/secret.py" "${CACAO_BIN_DIR:-$top/build}/aa-cli"
