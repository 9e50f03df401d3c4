#!/bin/sh
# Coverage of the tests given (KIND:FILE as for tests/run.sh): a table by file, and the floor of
# mk/cover-floor (percent of lines, percent of branches), which only ever rises.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

find build/cov -name '*.gcda' -delete
# A test that fails still covers; make check is where it matters.
tests/run.sh --label cover --slow 3 --skips allowed --bin build/cov/bin "$@" || warn 'some tests failed'
# It compiles the other half of image/gzip.c: the same functions on other lines, which gcovr cannot merge.
rm -f build/cov/obj/tests/unit/test_gzip_zlib.gc*
read -r lines branches <mk/cover-floor
gcovr --root . --object-directory build/cov -j "$(nproc)" --exclude 'tests/' --exclude-throw-branches \
	--print-summary --fail-under-line "$lines" --fail-under-branch "$branches" \
	--xml build/cov/coverage.xml --txt build/cov/coverage.txt build/cov/obj || {
	cat build/cov/coverage.txt
	die "coverage is below the floor of $lines % of lines, $branches % of branches"
}
cat build/cov/coverage.txt
