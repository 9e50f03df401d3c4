/*
 * tap.h: the whole test harness of the C programs: TAP on standard output, exit status 1 when
 * anything failed. A program calls checks and ends with `return tap_done();`.
 */
#ifndef TESTS_LIB_TAP_H
#define TESTS_LIB_TAP_H

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/err.h"

static int tap_count, tap_failed;

static inline bool printf_like(4, 5)
tap_check(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!good) {
		tap_failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return good;
}

/* ok(condition, name, …) */
#define ok(cond, ...)	tap_check((cond), __FILE__, __LINE__, __VA_ARGS__)
/* A call that must return 0; on failure its err is shown. `struct err e` must be in scope. */
#define works(call, ...) \
	do { \
		int works_rc = (call); \
		if (!ok(works_rc >= 0, __VA_ARGS__)) \
			printf("# %s: %s\n", err_name(e.code), e.msg); \
	} while (0)
/* A call that must fail with this code. */
#define fails(call, want, ...) \
	do { \
		int fails_rc = (call); \
		if (!ok(fails_rc == -(int)(want), __VA_ARGS__)) \
			printf("# got %d (%s: %s), wanted -%s\n", fails_rc, \
			    err_name(e.code), e.msg, err_name(want)); \
	} while (0)
#define is_int(got, want, ...) \
	do { \
		long long is_got = (long long)(got), is_want = (long long)(want); \
		if (!ok(is_got == is_want, __VA_ARGS__)) \
			printf("# got %lld, wanted %lld\n", is_got, is_want); \
	} while (0)
#define is_str(got, want, ...) \
	do { \
		const char *is_got = (got), *is_want = (want); \
		if (!ok(strcmp(is_got, is_want) == 0, __VA_ARGS__)) \
			printf("# got '%s', wanted '%s'\n", is_got, is_want); \
	} while (0)
#define skip(reason, ...) \
	do { \
		printf("ok %d - ", ++tap_count); \
		printf(__VA_ARGS__); \
		printf(" # SKIP %s\n", reason); \
	} while (0)

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
