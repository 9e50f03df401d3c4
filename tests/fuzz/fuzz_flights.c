/*
 * fuzz_flights.c: any sequence of events for pulls that are joined, left, ended and kept. Who asks and stays is answered once, and
 * nobody else; what was started is ended or over; and nothing is left when all of it is.
 */
#include "lib/base.h"

#include "agent/flights.h"

#define CALLS		128
#define LINGER_MS	INT64_C(3000)

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct {
	bool	waits[CALLS];		/* has asked, was not answered and has not left */
	bool	runs[FLIGHTS_MAX], asked_to_end[FLIGHTS_MAX];
	bool	cannot_start;
} world;

static int
on_start(maybe_unused void *arg, size_t slot, struct err *e)
{
	if (slot >= FLIGHTS_MAX || world.runs[slot])
		abort();
	if (world.cannot_start)
		return err_set(e, ERR_NOMEM, "start");
	world.runs[slot] = true;
	world.asked_to_end[slot] = false;
	return 0;
}

static void
on_end(maybe_unused void *arg, size_t slot, bool now)
{
	if (!world.runs[slot] || now != world.asked_to_end[slot])
		abort();
	world.asked_to_end[slot] = true;
}

static void
on_answer(maybe_unused void *arg, uint32_t call, const char *digest, const struct err *failed)
{
	if (call >= CALLS || !world.waits[call] || (digest == NULL && failed->code == ERR_NONE))
		abort();
	world.waits[call] = false;
}

static bool
is_there(maybe_unused void *arg, const char *bundle)
{
	return bundle[0] % 2 == 0;
}

static const struct flights_ops ops = { on_start, on_end, on_answer, is_there };

static void
over(struct flights *s, size_t slot, bool good, int64_t now)
{
	const struct err crash = { .code = ERR_CRASH };

	if (!world.runs[slot])
		return;
	world.runs[slot] = false;
	flights_over(s, slot, good ? "d" : NULL, good ? NULL : &crash, now);
}

/* One event: what, and about which call, bundle or slot. */
static void
event(struct flights *s, uint8_t what, uint8_t which, int64_t *now)
{
	const char bundle[] = { (char)('a' + which % 24), '\0' };
	uint32_t call = which % CALLS;

	switch (what % 8) {
	case 0: case 1: case 2:
		call = (what / 8) * 4 + which / 64;
		if (world.waits[call])
			break;
		world.waits[call] = true;
		flights_ask(s, call, what % 8 == 2 ? "other" : "image", bundle, *now);
		break;
	case 3: case 4:
		world.waits[call] = false;
		flights_left(s, call, what % 8 == 3, *now);
		break;
	case 5:
		over(s, which % FLIGHTS_MAX, which & 16, *now);
		break;
	case 6:
		*now += (int64_t)which * 20;
		flights_tick(s, *now);
		break;
	default:
		world.cannot_start = which % 4 == 0;
		if (which == 255) {
			memset(world.waits, 0, sizeof(world.waits));
			flights_left_all(s, *now);
		}
		break;
	}
}

static void
check(const struct flights *s)
{
	for (size_t i = 0; i < FLIGHTS_MAX; i++) {
		const struct flight *f = &s->flight[i];
		bool runs = f->state == FLIGHT_RUNNING || f->state == FLIGHT_ENDING;

		if (runs != world.runs[i] || f->ncallers > FLIGHT_CALLERS || f->state >= FLIGHT_STATES)
			abort();
		/* Without callers in time there is an end in sight. */
		if (f->state == FLIGHT_RUNNING && flight_callers(f) == 0 && f->until < 0)
			abort();
	}
}

static void
finish(struct flights *s, int64_t now)
{
	world.cannot_start = false;
	for (int turn = 0; turn < 3; turn++)
		for (size_t i = 0; i < FLIGHTS_MAX; i++)
			over(s, i, false, now);
	flights_tick(s, now + 2 * LINGER_MS);
	for (size_t i = 0; i < FLIGHTS_MAX; i++)
		if (s->flight[i].state != FLIGHT_FREE)
			abort();
	for (size_t i = 0; i < CALLS; i++)
		if (world.waits[i])
			abort();
	if (flights_next(s) >= 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct flights s;
	int64_t now = 0;

	memset(&world, 0, sizeof(world));
	memset(&s, 0, sizeof(s));
	s.ops = &ops;
	s.linger_ms = size % 2 == 0 ? LINGER_MS : 0;
	for (size_t i = 0; i < FLIGHTS_MAX; i++)
		s.flight[i].until = -1;
	for (size_t i = 0; i + 1 < size && i < 2000; i += 2) {
		event(&s, data[i], data[i + 1], &now);
		check(&s);
	}
	finish(&s, now);
	return 0;
}
