#!/bin/sh
# Each role's sandbox, tried from inside: what it needs works, all else fails; without any one of its
# words the role's own work fails, so that no word is there for nothing.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

skip_without_sandbox

for role in net archive key crypt pull copy unpack rpc gpg tee config; do
	expect_exit "$role: all as expected" 0 timeout -k 2 30 "$aa" selftest-sandbox "$role"
	sed 's/^/#   /' "$work/out"
	words=$(sed -n 's/^words:* *//p' "$work/out" | head -n 1)
	if [ -z "$words" ]; then
		not_ok "$role: the table lists its words"
		continue
	fi
	ok "$role: the table lists its words"
	for word in $words; do
		run timeout -k 2 30 "$aa" selftest-sandbox "$role" --without "$word"
		if [ "$rc" -ne 0 ] && [ "$rc" -ne 2 ] && [ "$rc" -lt 124 ]; then
			ok "$role: without $word its work fails"
		else
			not_ok "$role: without $word its work fails"
			diag "exit $rc"
			diag_file "$work/out"
			diag_file "$work/err"
		fi
	done
	expect_exit "$role: without a word it does not have" 2 "$aa" selftest-sandbox "$role" --without nothing
done

plan
