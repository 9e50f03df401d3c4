#!/bin/sh
# Runs the fuzzers one after the other. usage: fuzz.sh SECONDS NAME...
# What is found lies in build/fuzz/found; the grown corpus in build/fuzz/corpus. The committed corpus is
# only read: `build/fuzz/tests/fuzz_NAME -merge=1 tests/fuzz/corpus/NAME build/fuzz/corpus/NAME` adds to it.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

seconds=$1
shift
[ $# -gt 0 ] || die 'there is no fuzz target'
export ASAN_OPTIONS="${ASAN_OPTIONS-detect_leaks=1:strict_string_checks=1}"
failed=
for name; do
	grown=build/fuzz/corpus/$name
	found=build/fuzz/found/$name
	seeds=tests/fuzz/corpus/$name
	log=build/fuzz/$name.log
	mkdir -p "$grown" "$found"
	set -- -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$found/" "$grown"
	[ ! -d "$seeds" ] || set -- "$@" "$seeds"
	[ ! -f "tests/fuzz/$name.dict" ] || set -- "-dict=tests/fuzz/$name.dict" "$@"
	if "build/fuzz/tests/fuzz_$name" "$@" >"$log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		say "ok    fuzz $name: $runs inputs in $seconds s, nothing found"
	else
		say "FAIL  fuzz $name: see $log and $found"
		tail -n 40 "$log"
		failed="$failed $name"
	fi
done
[ -z "$failed" ] || die "found something in:$failed"
