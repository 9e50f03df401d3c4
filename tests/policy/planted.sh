#!/bin/sh
# Shows that the unit tests would notice mistakes in the code that decides about images: plants them one by one in a
# copy of the tree, and wants some test to fail each time. usage: planted.sh [NAME...]; prints TAP.
# plants/NAME.sed is one mistake; its first line is "# FILE: what is wrong".
# time-limit: 600
set -eu
umask 022
LC_ALL=C
export LC_ALL
unset MAKEFLAGS MFLAGS MAKELEVEL

cd "$(dirname "$0")/../.."
tests='policy policy_check simple_signing gpg cosign gpgme gpgframe lookaside signatures policy_setup'
plants=tests/policy/plants
[ $# -gt 0 ] || for sed in "$plants"/*.sed; do
	set -- "$@" "$(basename "$sed" .sed)"
done

work=$(mktemp -d "${TMPDIR:-/tmp}/planted.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Also what is not committed yet, but nothing that git ignores.
mkdir "$work/tree"
git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - 2>/dev/null |
	tar -x -C "$work/tree"
cd "$work/tree"

programs=
for test in $tests; do
	programs="$programs build/dev/tests/test_$test"
done

build() {
	# shellcheck disable=SC2086 # several words
	make JOBS=2 $programs >"$work/log" 2>&1
}

all_pass() {
	for program in $programs; do
		"$program" >"$work/log" 2>&1 || return 1
	done
}

failed=0
result() {	# NUMBER NAME FAULT: "" when it was found
	if [ -z "$3" ]; then
		echo "ok $1 - $2 is noticed: $what"
	else
		echo "not ok $1 - $2 $3"
		tail -n 5 "$work/log" | sed 's/^/# /'
		failed=$((failed + 1))
	fi
}

build && all_pass || {
	tail -n 20 "$work/log" >&2
	exit 1
}
echo "1..$#"
number=0
for name; do
	number=$((number + 1))
	sed=$plants/$name.sed
	file=$(sed -n '1s/^# \([a-z0-9_/]*\.c\): .*/\1/p' "$sed")
	what=$(sed -n '1s/^# [^:]*: //p' "$sed")
	cp -p "$file" "$work/file"
	fault=
	sed -f "$sed" "$work/file" >"$file"
	if cmp -s "$file" "$work/file"; then
		fault='does not apply any more'
	elif ! build; then
		fault='does not compile'
	elif all_pass; then
		fault="is not noticed: $what"
	fi
	result "$number" "$name" "$fault"
	cp "$work/file" "$file"
done
echo "# $((number - failed)) of $number noticed"
[ "$failed" = 0 ]
