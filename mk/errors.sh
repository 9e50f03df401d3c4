#!/bin/sh
# Prints docs/errors.md out of lib/err.def: mk/errors.sh >docs/errors.md
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

blank='[[:space:]]*'
rows=$(sed -n "s/^ERR_DEF(\([A-Z_]*\),$blank\([0-9]*\),$blank\([A-Z_]*\),$blank\([01]\),$blank\"\(.*\)\")$/| \1 | \2 | \3 | \4 | \5 |/p" \
	lib/err.def | sed 's/| 0 | \([^|]*\)|$/| no | \1|/; s/| 1 | \([^|]*\)|$/| yes | \1|/; s/|  |$/| |/')
[ "$(say "$rows" | grep -c .)" -eq "$(grep -c '^ERR_DEF' lib/err.def)" ] || die "lib/err.def has a line of another form"

cat <<'END'
# Errors

Made by `mk/errors.sh` out of `lib/err.def`; do not edit.

A command that fails prints one line `PROGRAM: COMMAND: what failed (NAME)`, then a hint where there is one, and
ends with the exit status of the name. Names and statuses are stable. "Retry" says whether the same call may succeed
later without any change.

| Name | Exit status | RPC status | Retry | Hint |
|---|---|---|---|---|
END
say "$rows"
