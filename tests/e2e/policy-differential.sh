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

# The full number once, as root, of the build that is shipped.
skopeo_cases=$((150 * ${CHECK_EFFORT:-1})) cosign_cases=$((100 * ${CHECK_EFFORT:-1}))
if is_root && has_sandbox; then
	skopeo_cases=$((1000 * ${CHECK_EFFORT:-1})) cosign_cases=$((500 * ${CHECK_EFFORT:-1}))
fi

name='as skopeo decides'
if ! command -v skopeo >/dev/null || ! command -v gpg >/dev/null; then
	skip "$name" 'skopeo or gpg is missing'
elif ! skopeo --version | grep -q ' 1\.9\.3'; then
	skip "$name" 'another skopeo than 1.9.3, whose decisions are known'
else
	agree "$name" policy_differential "$skopeo_cases"
fi
agree 'as the evaluator decides' policy_cosign "$cosign_cases"
plan
