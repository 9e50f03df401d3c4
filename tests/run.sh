#!/bin/sh
# Runs test programs that print TAP, counts and shows what failed. The last line is
# "N passed, N failed, N skipped".
# usage: run.sh [--label NAME] [--bin DIR] [--slow FACTOR] [--skips allowed] [--modes one] KIND:FILE...
#   unit, fuzz     programs: run once, several at a time (fuzz with its corpus folder)
#   check, boot    scripts: run once
#   e2e            scenarios: run as root and again as an unprivileged user, or once without root; --modes one:
#                  as whoever calls, alone
# As many run side by side as there are processors, of scenarios and scripts CHECK_JOBS.
# Each run has a fresh HOME and TMPDIR, its own process group, and a time limit, which a script may set by
# a line "# time-limit: SECONDS". Logs: build/test-logs/LABEL. A test that was skipped in every mode it ran
# in counts as failed too, since nothing has shown it to work; CHECK_ALLOW_SKIP=1 accepts that.
set -eu
umask 022
LC_ALL=C.UTF-8
export LC_ALL

top=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$top"

# --- one run: "--one LOGS KIND FILE MODE TOP", called by the part below
run_one() {
	logs=$1 kind=$2 file=$3 mode=$4 there=$5
	name=$(basename "$file" .sh)
	base=$logs/$kind-$name-$mode
	limit=$(sed -n 's/^# time-limit: *\([0-9][0-9]*\).*/\1/p' "$file" 2>/dev/null | head -n 1 || :)
	case $kind in
	unit | check) : "${limit:=60}" ;;
	fuzz) : "${limit:=180}" ;;
	boot) : "${limit:=300}" ;;
	*) : "${limit:=180}" ;;
	esac
	limit=$((limit * ${RUN_SLOW:-1}))
	fresh=$(mktemp -d /tmp/cacao.XXXXXX)
	mkdir "$fresh/home" "$fresh/tmp"
	case $mode in
	user-of-root)
		chown -R 65534:65534 "$fresh"
		set -- setpriv --reuid=65534 --regid=65534 --clear-groups
		;;
	*) set -- ;;
	esac
	set -- "$@" "$there/$file"
	[ "$kind" != fuzz ] || set -- "$@" "tests/fuzz/corpus/${name#replay_}"
	# The programs under test know their own sanitizer options (tests/san/options.c).
	case $kind in
	e2e | boot) unset ASAN_OPTIONS UBSAN_OPTIONS ;;
	esac
	start=$(date +%s%N)
	status=0
	(
		cd "$there"
		HOME=$fresh/home TMPDIR=$fresh/tmp CACAO_BIN_DIR=$there/$RUN_BIN
		export HOME TMPDIR CACAO_BIN_DIR
		unset XDG_RUNTIME_DIR XDG_DATA_HOME XDG_CONFIG_HOME XDG_CACHE_HOME MAKEFLAGS MFLAGS MAKELEVEL
		exec timeout -k 5 "$limit" "$@" </dev/null >"$base.tap" 2>"$base.err"
	) &
	group=$! # timeout makes a process group of its own, with this number
	wait "$group" || status=$?
	# What a test left running in its group goes with it.
	kill -KILL -"$group" 2>/dev/null || :
	took=$((($(date +%s%N) - start) / 1000000))
	# A role that was just killed may still be writing: try twice.
	rm -rf --one-file-system "$fresh" 2>/dev/null || { sleep 1 && rm -rf --one-file-system "$fresh" 2>/dev/null; } || :

	# One line per test, "RESULT|key|name": ok, not, skip, or whole (the program skipped all).
	awk -v key="$kind/$name" -v status="$status" -v limit="$limit" '
		function emit(result, what) { gsub(/\|/, "/", what); print result "|" key "|" what }
		{ sub(/\r$/, "") }
		/^(not )?ok([ \t]|$)/ {
			count++
			result = /^not / ? "not" : "ok"
			what = $0
			sub(/^(not )?ok[ \t]*[0-9]*[ \t]*(-[ \t]*)?/, "", what)
			if (result == "ok" && match(what, /#[ \t]*[sS][kK][iI][pP]/)) {
				result = "skip"; what = substr(what, 1, RSTART - 1)
			}
			sub(/[ \t]+$/, "", what)
			if (result == "not") bad++
			emit(result, what == "" ? "test " count : what)
			next
		}
		/^1\.\.0[ \t]*#[ \t]*[sS][kK][iI][pP]/ { emit("whole", "everything"); whole = 1; next }
		/^1\.\.[0-9]+/ { plan = substr($0, 4) + 0; planned = 1; next }
		/^Bail out!/ { emit("not", $0); bad++ }
		END {
			if (status == 124 || status == 137) emit("not", "stopped after its limit of " limit " s")
			else if (status != 0 && !bad) emit("not", "exit status " status)
			else if (planned && plan != count) emit("not", "planned " plan " tests, ran " count + 0)
			else if (!count && !whole) emit("not", "printed no test")
			else if (!planned && !whole) emit("not", "printed no plan: it may have ended early")
		}' "$base.tap" >"$base.result"

	good=$(grep -c '^ok' "$base.result" || :)
	skipped=$(grep -c -e '^skip' -e '^whole' "$base.result" || :)
	label="$kind $name"
	case $mode in once) ;; *) label="$label (as ${mode%-of-root})" ;; esac
	time="$((took / 1000)).$((took % 1000 / 100)) s"
	extra=
	[ "$skipped" -eq 0 ] || extra=", $skipped skipped"
	if grep -q '^not' "$base.result"; then
		{
			printf 'FAIL  %s: %s ok%s, %s\n' "$label" "$good" "$extra" "$time"
			sed -n 's/^not|[^|]*|/      not ok: /p' "$base.result"
			grep -A 12 '^not ok' "$base.tap" | grep '^#' | head -n 40 | sed 's/^/      /' || :
			if [ -s "$base.err" ]; then tail -n 40 "$base.err" | sed 's/^/      | /'; fi
			printf '      logs: %s.tap .err\n' "${base#"$top"/}"
		} >"$base.say"
	else
		printf 'ok    %s: %s ok%s, %s\n' "$label" "$good" "$extra" "$time" >"$base.say"
		sed -n 's/^# note: /      /p' "$base.tap" >>"$base.say"
	fi
	cat "$base.say" # in one piece, since several run at a time
}

if [ "${1-}" = --one ]; then
	shift
	run_one "$@"
	exit 0
fi

label=tests
modes=all
RUN_BIN=build
RUN_SLOW=1
while :; do
	case ${1-} in
	--label) label=$2 ;;
	--bin) RUN_BIN=$2 ;;
	--slow) RUN_SLOW=$2 ;;
	--modes) modes=$2 ;;
	--skips) CHECK_ALLOW_SKIP=$([ "$2" = allowed ] && echo 1 || echo 0) ;;
	-* | '') sed -n '2,/^set/s/^# //p' "$0" >&2 && exit 2 ;;
	*) break ;;
	esac
	shift 2
done
export RUN_BIN RUN_SLOW
export ASAN_OPTIONS="${ASAN_OPTIONS-detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS-print_stacktrace=1:halt_on_error=1}"
# shellcheck disable=SC3045 # dash and bash know it
ulimit -c 0

logs=$top/build/test-logs/$label
rm -rf "$logs"
mkdir -p "$logs"

# An unprivileged user may not be able to read this clone (a home folder of mode 0700): it then gets a
# copy without build results, with the programs in the same place.
there=$top
copy=
cleanup() { [ -z "$copy" ] || rm -rf "$copy"; }
trap cleanup EXIT
trap 'exit 130' INT TERM
as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
scenarios=no
for entry; do case $entry in e2e:*) scenarios=yes ;; esac; done
if [ "$(id -u)" -eq 0 ] && [ "$scenarios" = yes ] && ! as_user test -r "$top/tests/run.sh"; then
	copy=$(mktemp -d /tmp/cacao.XXXXXX)
	chmod 755 "$copy"
	tar -c --exclude=./build --exclude=./.git . | tar -x -C "$copy" --no-same-owner
	mkdir -p "$copy/$RUN_BIN"
	for program in "$RUN_BIN"/*; do
		if [ -L "$program" ] || [ -f "$program" ]; then cp -a "$program" "$copy/$RUN_BIN/"; fi
	done
	chmod -R go+rX "$copy"
	there=$copy
fi

# The jobs as lines "KIND FILE MODE TOP": programs first, then what starts others.
: >"$logs/jobs"
: >"$logs/scripts"
for entry; do
	kind=${entry%%:*}
	file=${entry#*:}
	case $kind in
	unit | fuzz) echo "$kind $file once $top" >>"$logs/jobs" ;;
	e2e)
		if [ "$(id -u)" -eq 0 ]; then
			echo "$kind $file root $top" >>"$logs/scripts"
			[ "$modes" = one ] || echo "$kind $file user-of-root $there" >>"$logs/scripts"
		else
			echo "$kind $file user $top" >>"$logs/scripts"
		fi
		;;
	*) echo "$kind $file once $top" >>"$logs/scripts" ;;
	esac
done
xargs -r -L 1 -P "$(nproc)" "$0" --one "$logs" <"$logs/jobs" || :
xargs -r -L 1 -P "${CHECK_JOBS:-$(nproc)}" "$0" --one "$logs" <"$logs/scripts" || :

# --- the sum
find "$logs" -name '*.result' -exec cat {} + >"$logs/all"
jobs=$(cat "$logs/jobs" "$logs/scripts" | wc -l)
results=$(find "$logs" -name '*.result' | wc -l)
awk -F'|' -v allow="${CHECK_ALLOW_SKIP:-0}" -v lost="$((jobs - results))" '
	# fields: result, program, test
	$1 == "ok" { passed++; ran[$2, $3] = 1; did[$2] = 1 }
	$1 == "not" { failed++; ran[$2, $3] = 1; did[$2] = 1 }
	$1 == "skip" || $1 == "whole" { skipped++; skip[$2 SUBSEP $3] = $1 }
	END {
		for (test in skip) {
			split(test, part, SUBSEP)
			# A program that skipped itself is covered when it ran in another mode.
			covered = skip[test] == "whole" ? part[1] in did : test in ran
			if (covered) continue
			print "skipped in every mode: " part[1] ": " part[2]
			if (allow != 1) failed++
		}
		if (lost > 0) { print lost " programs gave no result"; failed += lost }
		if (passed + failed + skipped == 0) { print "there was no test"; failed++ }
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit failed > 0
	}' "$logs/all"
