/*
 * test_retry.c: which answers are asked for again, when, and how often.
 */
#include "lib/base.h"

#include "agent/retry.h"

#include "lib/sys.h"
#include "tests/lib/tap.h"

static uint32_t chance;
static bool no_chance;

static int
fake_random(void *out, size_t size)
{
	memcpy(out, &chance, MIN(size, sizeof(chance)));
	return no_chance ? -1 : 0;
}

static void
test_status(void)
{
	static const unsigned again[] = { 408, 429, 500, 502, 503, 504 };
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(again); i++)
		ok(retry_status(again[i]), "%u is asked again", again[i]);
	for (unsigned i = 100; i < 600; i++)
		n += retry_status(i);
	is_int(n, ARRAY_LEN(again), "and no other");
}

/* The delays of one row of failures, "-" at its end. */
static const char *
delays(bool broken, const uint64_t *asked)
{
	static char text[200];
	struct retry r = { 0 };
	size_t at = 0;

	for (int64_t ms = 0; ms >= 0;) {
		ms = retry_after(&r, 0, broken, asked);
		at += (size_t)snprintf(text + at, sizeof(text) - at, ms < 0 ? "-" : "%" PRId64 " ", ms);
	}
	return text;
}

static void
test_delays(void)
{
	uint64_t asked = 0;

	no_chance = true;
	is_str(delays(true, NULL), "0 1000 2000 4000 -", "a lost connection: at once, then later and later");
	is_str(delays(false, NULL), "1000 2000 4000 8000 -", "a server in trouble is given a second");
	is_str(delays(false, &asked), "0 0 0 0 -", "as soon as it says, but not for ever");
	asked = 7;
	is_str(delays(false, &asked), "7000 7000 7000 7000 -", "when it says");
	asked = RETRY_ASKED_MAX_S + 1;
	is_str(delays(false, &asked), "-", "never where it says much later");
	asked = UINT64_MAX;
	is_str(delays(false, &asked), "-", "nor where it says never");
}

static void
test_jitter(void)
{
	struct retry r = { 0 };

	no_chance = false;
	chance = 0;
	is_int(retry_after(&r, 0, false, NULL), 750, "a quarter less at least");
	r = (struct retry){ 0 };
	chance = 500;
	is_int(retry_after(&r, 0, false, NULL), 1250, "a quarter more at most");
	r = (struct retry){ 0 };
	chance = UINT32_MAX;
	ok(retry_after(&r, 0, false, NULL) <= 1250, "whatever the chance");
}

static void
test_progress(void)
{
	struct retry r = { 0 };

	no_chance = true;
	for (uint64_t i = 1; i <= 20; i++)
		is_int(retry_after(&r, i << 20, true, NULL), 0, "a new MiB each time: at once");
	is_int(r.attempts, 20, "all are counted");
	is_int(retry_after(&r, (20 << 20) + 1000, true, NULL), 1000, "less than that is no progress");
	is_int(retry_after(&r, (20 << 20) + 2000, true, NULL), 2000, "again");
	is_int(retry_after(&r, (20 << 20) + 3000, true, NULL), 4000, "again");
	is_int(retry_after(&r, (20 << 20) + 4000, true, NULL), -1, "and ends it");
}

int
main(void)
{
	struct sys_ops ops = sys_real;

	ops.random = fake_random;
	sys = &ops;
	test_status();
	test_delays();
	test_jitter();
	test_progress();
	return tap_done();
}
