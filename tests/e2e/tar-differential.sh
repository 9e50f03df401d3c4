#!/bin/sh
# Generated archives with odd features: aa-cli, GNU tar and umoci make the same tree, or all refuse; what
# differs on purpose is listed with its reason.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

name='the same tree as GNU tar and umoci, or all refuse'
if ! is_root; then
	skip "$name" 'owners and devices need root'
elif ! command -v umoci >/dev/null; then
	skip "$name" 'umoci is missing'
else
	count=$((1000 * ${CHECK_EFFORT:-1}))
	if python3 "$e2e/tar_differential.py" "$aa" "$work" "$count" >"$work/out" 2>&1; then
		ok "$name"
	else
		not_ok "$name"
	fi
	echo "# $count archives"
	sed -n '/^#/p' "$work/out"
fi
plan
