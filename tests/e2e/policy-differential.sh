#!/bin/sh
# Generated policies, names and signatures: GPG against skopeo, cosign against an evaluator of our own in Python.
# time-limit: 900
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

agree() {	# NAME SCRIPT CASES
	mkdir "$work/$2"
	if python3 "$e2e/$2.py" "$aa" "$work/$2" "$3" >"$work/out" 2>&1; then
		ok "$1"
	else
		not_ok "$1"
		diag_file "$work/out"
	fi
	sed -n '/^#/p' "$work/out" | tail -n 40
}

name='as skopeo decides'
if ! command -v skopeo >/dev/null || ! command -v gpg >/dev/null; then
	skip "$name" 'skopeo or gpg is missing'
elif ! skopeo --version | grep -q ' 1\.9\.3'; then
	skip "$name" 'another skopeo than 1.9.3, whose decisions are known'
else
	agree "$name" policy_differential $((1000 * ${CHECK_EFFORT:-1}))
fi
agree 'as the evaluator decides' policy_cosign $((500 * ${CHECK_EFFORT:-1}))
plan
