#!/bin/sh
# Shows that each fuzzer would find an overflow: plants one in the parser it is for, in a copy of the tree,
# and lets it search, from its corpus. usage: planted.sh SECONDS NAME...; prints TAP.
# plants/NAME.sed is one mistake that a programmer could make; its first line is "# FILE: what is wrong".
# A plant counts as found when a sanitizer reports an access out of bounds, and the input that leads there is
# harmless without the plant. A plant that changes nothing has to be written anew: that is a failure, too.
set -eu
umask 022
LC_ALL=C
export LC_ALL
unset MAKEFLAGS MFLAGS MAKELEVEL

cd "$(dirname "$0")/../.."
seconds=$1
shift
[ $# -gt 0 ] || {
	echo 'planted.sh: there is no fuzz target' >&2
	exit 1
}
export ASAN_OPTIONS="${ASAN_OPTIONS-detect_leaks=1:strict_string_checks=1}"
out_of_bounds='AddressSanitizer: [a-z-]*buffer-(over|under)flow|runtime error: (index .* out of bounds|addition of unsigned offset)'

work=$(mktemp -d "${TMPDIR:-/tmp}/planted.XXXXXX")
running=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	# shellcheck disable=SC2086 # several numbers
	[ -z "$running" ] || kill $running 2>/dev/null || :
	wait
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# Also what is not committed yet, but nothing that git ignores.
mkdir "$work/tree" "$work/log"
git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - 2>/dev/null |
	tar -x -C "$work/tree"
cd "$work/tree"

build() { # NAME...: the fuzzers
	for target; do
		set -- "$@" "build/fuzz/tests/fuzz_$target"
		shift
	done
	make JOBS=2 "$@"
}

# Plants the fault of $1 and builds its fuzzer as build/planted_$1. The file and its object are put back,
# so that the next one compiles one file only. Says why not, if so.
plant() {
	sed=tests/fuzz/plants/$1.sed
	[ -f "$sed" ] || {
		echo 'has no plant'
		return
	}
	file=$(sed -n '1s/^# \([a-z0-9_/]*\.c\): .*/\1/p' "$sed")
	[ -f "$file" ] || {
		echo 'has a plant for a file that is not there'
		return
	}
	object=build/fuzz/obj/${file%.c}.o
	program=build/fuzz/tests/fuzz_$1
	cp "$file" "$work/file"
	cp "$object" "$work/object"
	cp "$program" "build/good_$1"
	if ! sed -f "$sed" "$work/file" >"$file" 2>"$work/log/$1.sed"; then
		echo 'has a plant that is no sed script'
	elif cmp -s "$file" "$work/file"; then
		echo 'has a plant that does not apply any more'
	elif ! build "$1" >"$work/log/$1.build" 2>&1; then
		echo 'has a plant that does not compile'
	else
		mv "$program" "build/planted_$1"
	fi
	cp "$work/file" "$file"
	cp "$work/object" "$object"
}

# Runs the fuzzer of $1, and its input without the plant; the line of TAP, $2 its number, goes to a file.
hunt() {
	log=$work/log/$1 found=$work/found_$1- start=$(date +%s)
	set -- "$1" "$2" -seed=1 -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
		-artifact_prefix="$found" "$work/corpus_$1"
	[ ! -f "tests/fuzz/$1.dict" ] || set -- "$@" "-dict=tests/fuzz/$1.dict"
	mkdir "$work/corpus_$1"
	[ ! -d "tests/fuzz/corpus/$1" ] || set -- "$@" "tests/fuzz/corpus/$1"
	name=$1 number=$2
	shift 2
	"build/planted_$name" "$@" >"$log" 2>&1 || :
	took=$(($(date +%s) - start))
	how=
	# Before INITED there were only the inputs of the corpus.
	grep -q INITED "$log" || how=', by its corpus'
	if ! grep -Eq "$out_of_bounds" "$log"; then
		echo "not ok $number - fuzz_$name does not find its planted fault ($took s)"
	elif ! "build/good_$name" "$found"crash-* >"$log.good" 2>&1; then
		echo "not ok $number - fuzz_$name finds a fault that was not planted"
	else
		echo "ok $number - fuzz_$name finds its planted fault ($took s$how)"
	fi >"$work/tap_$number"
}

failed=0
show() { # NUMBER NAME: what came out, and the log if it is bad
	cat "$work/tap_$1"
	if grep -q '^not' "$work/tap_$1"; then
		failed=$((failed + 1))
		cat "$work/log/$2"* 2>/dev/null | tail -n 20 | sed 's/^/# /'
	fi
}

build "$@" >"$work/log/build" 2>&1 || {
	tail -n 20 "$work/log/build" >&2
	exit 1
}
echo "1..$#"
n=0
waiting=
# One runs while the next is built and started: never more than two at a time.
for name; do
	n=$((n + 1))
	why=$(plant "$name")
	if [ -n "$why" ]; then
		echo "not ok $n - fuzz_$name $why" >"$work/tap_$n"
		job=
	else
		hunt "$name" "$n" &
		job=$!
	fi
	if [ -n "$waiting" ]; then
		[ -z "$running" ] || wait "$running" || :
		show "$((n - 1))" "$waiting"
	fi
	waiting=$name running=$job
done
[ -z "$running" ] || wait "$running" || :
running=
show "$n" "$waiting"
echo "fuzz-planted: $((n - failed)) of $n found"
[ "$failed" = 0 ]
