/* test_flights.c: pulls that are joined, left, ended and kept, by a world of letters. */
#include "lib/base.h"

#include "agent/flights.h"
#include "tests/lib/tap.h"

/*
 * What happened since the last look: "+n" started slot n, "-n" asked to end, "!n" killed, "call=digest" and
 * "call:CODE" answers.
 */
static struct buf events = BUF(KIB(8));
static bool refuse_start, bundles_are_there;
static struct flights s;

static void printf_like(1, 2)
note(const char *fmt, ...)
{
	char text[200];
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)(buf_addf(&events, &e, "%s%s", events.len > 0 ? " " : "", text) < 0);
}

static int
on_start(maybe_unused void *arg, size_t slot, struct err *e)
{
	if (refuse_start)
		return err_set(e, ERR_NOMEM, "start");
	note("+%zu", slot);
	return 0;
}

static void
on_end(maybe_unused void *arg, size_t slot, bool now)
{
	note("%c%zu", now ? '!' : '-', slot);
}

static void
on_answer(maybe_unused void *arg, uint32_t call, const char *digest, const struct err *failed)
{
	if (digest != NULL)
		note("%u=%s", call, digest);
	else
		note("%u:%s", call, err_name(failed->code));
}

static bool
is_there(maybe_unused void *arg, maybe_unused const char *bundle)
{
	return bundles_are_there;
}

static const struct flights_ops ops = { on_start, on_end, on_answer, is_there };
static const struct err crash = { .code = ERR_CRASH };

static void
begin(void)
{
	memset(&s, 0, sizeof(s));
	s.ops = &ops;
	s.linger_ms = 5000;
	refuse_start = false;
	bundles_are_there = true;
	buf_reset(&events);
}

/* Everything since the last time. */
#define happens(want, ...) \
	do { \
		is_str(buf_str(&events), (want), __VA_ARGS__); \
		buf_reset(&events); \
	} while (0)

static void
test_one(void)
{
	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	happens("+0", "a call starts a pull");
	is_int(flights_next(&s), -1, "it may last");
	flights_over(&s, 0, "sha256:1", NULL, 10);
	happens("1=sha256:1", "its caller hears the digest");
	is_int(s.flight[0].state, FLIGHT_FREE, "and nothing is left");
	flights_ask(&s, 2, "a", "/b/1", 20);
	flights_over(&s, 0, NULL, &crash, 30);
	happens("+0 2:CRASH", "a crash is one failed call");
	refuse_start = true;
	flights_ask(&s, 3, "a", "/b/1", 40);
	happens("3:NOMEM", "what cannot start is told");
	is_int(s.flight[0].state, FLIGHT_FREE, "and takes no place");
}

static void
test_join(void)
{
	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_ask(&s, 2, "a", "/b/1", 1);
	flights_ask(&s, 3, "a", "/b/2", 1);
	happens("+0 +1", "one pull for two callers; another bundle is another pull");
	flights_ask(&s, 4, "b", "/b/1", 1);
	happens("4:STORAGE", "another image for a bundle in the making is refused");
	flights_left(&s, 1, true, 2);
	happens("", "one of two may go");
	flights_over(&s, 0, "d", NULL, 3);
	happens("2=d", "the other gets the result");
	flights_over(&s, 1, NULL, &crash, 3);
	happens("3:CRASH", "others have their own");
}

static void
test_closed(void)
{
	begin();
	flights_ask(&s, 1, "a", "/b/1", 100);
	flights_left(&s, 1, true, 200);
	happens("+0 -0", "the connection is gone: the pull is asked to end");
	is_int(flights_next(&s), 200 + FLIGHT_END_MS, "it has a second");
	flights_tick(&s, 200 + FLIGHT_END_MS - 1);
	happens("", "not less");
	flights_tick(&s, 200 + FLIGHT_END_MS);
	flights_tick(&s, 900000);
	happens("!0", "then it is killed, once");
	flights_over(&s, 0, NULL, &crash, 900001);
	happens("", "nobody is told");
	is_int(s.flight[0].state, FLIGHT_FREE, "its place is free");
	flights_left(&s, 1, true, 900002);
	flights_left(&s, 77, false, 900002);
	happens("", "calls that nobody knows do nothing");
}

static void
test_again_while_ending(void)
{
	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, true, 0);
	flights_ask(&s, 2, "a", "/b/1", 10);
	flights_ask(&s, 3, "b", "/b/1", 10);
	happens("+0 -0 3:STORAGE", "one that ends has its bundle still");
	flights_over(&s, 0, NULL, &crash, 20);
	happens("+0", "who asks while it ends gets a new one");
	flights_over(&s, 0, "d", NULL, 30);
	happens("2=d", "and its result");

	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, true, 0);
	flights_ask(&s, 2, "a", "/b/1", 10);
	flights_left(&s, 2, false, 20);
	flights_over(&s, 0, NULL, &crash, 30);
	happens("+0 -0", "unless he goes before");
	is_int(s.flight[0].state, FLIGHT_FREE, "nothing is left then");

	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, true, 0);
	flights_over(&s, 0, "d", NULL, 10);
	happens("+0 -0", "it was done before it could end");
	flights_ask(&s, 2, "a", "/b/1", 20);
	happens("2=d", "then the result is not lost");
}

static void
test_linger(void)
{
	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	happens("+0", "late: the pull goes on");
	is_int(flights_next(&s), 6000, "for as long as it may linger");
	flights_ask(&s, 2, "a", "/b/1", 2000);
	is_int(flights_next(&s), -1, "a retry joins and there is no limit");
	flights_over(&s, 0, "d", NULL, 9000);
	happens("2=d", "only who waits is told");
	is_int(s.flight[0].state, FLIGHT_FREE, "it has been told: nothing is kept");

	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	flights_tick(&s, 5999);
	happens("+0", "lingering");
	flights_tick(&s, 6000);
	happens("-0", "not for ever");

	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_ask(&s, 2, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	is_int(flights_next(&s), -1, "one late of two: no limit");
	flights_left(&s, 2, false, 2000);
	is_int(flights_next(&s), 7000, "both late: it lingers");
	flights_left(&s, 1, true, 3000);
	is_int(flights_next(&s), 7000, "one connection closed changes nothing");
	happens("+0", "it goes on");
	flights_left(&s, 2, true, 4000);
	happens("-0", "both closed: it ends");

	begin();
	s.linger_ms = 0;
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	happens("+0 -0", "without lingering late is as good as gone");
}

static void
test_kept(void)
{
	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	flights_over(&s, 0, "d", NULL, 2000);
	happens("+0", "over while nobody waits");
	is_int(flights_next(&s), 6000, "the result is kept");
	flights_ask(&s, 2, "a", "/b/1", 3000);
	happens("2=d", "for who comes back");
	flights_ask(&s, 3, "a", "/b/1", 3000);
	happens("+0", "once");

	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	flights_over(&s, 0, NULL, &crash, 2000);
	flights_ask(&s, 2, "a", "/b/1", 3000);
	happens("+0 2:CRASH", "a failure, too");

	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	flights_over(&s, 0, "d", NULL, 2000);
	bundles_are_there = false;
	flights_ask(&s, 2, "a", "/b/1", 3000);
	happens("+0 +0", "not if the bundle has been removed");

	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	flights_over(&s, 0, "d", NULL, 2000);
	flights_ask(&s, 2, "b", "/b/1", 3000);
	happens("+0 +0", "nor for another image");

	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	flights_over(&s, 0, "d", NULL, 2000);
	flights_left(&s, 1, true, 2500);
	is_int(s.flight[0].state, FLIGHT_FREE, "nor when who wanted it has closed");

	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 1000);
	flights_over(&s, 0, "d", NULL, 2000);
	flights_tick(&s, 6000);
	is_int(s.flight[0].state, FLIGHT_FREE, "nor for ever");
}

static void
test_limits(void)
{
	char bundle[32];

	begin();
	for (uint32_t i = 0; i < FLIGHTS_MAX; i++) {
		snprintf(bundle, sizeof(bundle), "/b/%u", i);
		flights_ask(&s, i, "a", bundle, 0);
	}
	buf_reset(&events);
	flights_ask(&s, 100, "a", "/b/100", 0);
	happens("100:LIMIT", "not more than FLIGHTS_MAX pulls");
	flights_left(&s, 3, false, 10);
	flights_left(&s, 5, false, 5);
	flights_over(&s, 3, "d3", NULL, 20);
	flights_over(&s, 5, "d5", NULL, 20);
	flights_ask(&s, 101, "a", "/b/101", 30);
	happens("+5", "but the oldest kept result gives way");
	flights_ask(&s, 102, "a", "/b/3", 30);
	happens("102=d3", "the younger is still there");

	begin();
	for (uint32_t i = 0; i <= FLIGHT_CALLERS; i++)
		flights_ask(&s, 1000 + i, "a", "/b/1", 0);
	happens("+0 1064:LIMIT", "not more than FLIGHT_CALLERS callers");
	flights_left(&s, 1000, false, 1);
	flights_ask(&s, 2000, "a", "/b/1", 2);
	is_int(s.flight[0].ncallers, FLIGHT_CALLERS, "a late one gives way");
	happens("", "the new one waits");
}

static void
test_all_left(void)
{
	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_ask(&s, 2, "a", "/b/2", 0);
	flights_ask(&s, 3, "a", "/b/3", 0);
	flights_left(&s, 2, false, 10);
	flights_left(&s, 3, false, 10);
	flights_over(&s, 2, "d", NULL, 20);
	flights_left_all(&s, 30);
	happens("+0 +1 +2 -0 -1", "all connections are gone: all end, in time or late");
	is_int(s.flight[2].state, FLIGHT_FREE, "results are for nobody");
}

/* Numbers of calls may come again. */
static void
test_numbers(void)
{
	begin();
	flights_ask(&s, 1, "a", "/b/1", 0);
	flights_left(&s, 1, false, 0);
	flights_ask(&s, 1, "a", "/b/2", 10);
	flights_left(&s, 1, true, 20);
	happens("+0 +1 -1", "a number means its last call");
	is_int(s.flight[0].state, FLIGHT_RUNNING, "the late pull of that number goes on");
	is_int(flights_next(&s), 20 + FLIGHT_END_MS, "the next thing that is due");
}

int
main(void)
{
	test_one();
	test_join();
	test_closed();
	test_again_while_ending();
	test_linger();
	test_kept();
	test_limits();
	test_all_left();
	test_numbers();
	buf_free(&events);
	return tap_done();
}
