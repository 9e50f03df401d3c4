#!/bin/sh
# Prints "VERSION EPOCH": the date of the last commit, or of SOURCE_DATE_EPOCH, never that of the build.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

date=${SOURCE_DATE_EPOCH-}
if [ -z "$date" ] && [ -e .git ]; then
	date=$(git log -1 --format=%ct 2>/dev/null || :)
fi
case $date in
'' | *[!0-9]*) date=1767225600 ;; # not in a repository: 2026-01-01
esac
say "$1 $date"
