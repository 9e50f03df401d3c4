/* flights.c: see flights.h. */
#include "lib/base.h"

#include "agent/flights.h"

static void
clear(struct flight *f)
{
	*f = (struct flight){ .state = FLIGHT_FREE, .until = -1 };
}

/* --- callers */

static void
drop_caller(struct flight *f, size_t i)
{
	f->callers[i] = f->callers[--f->ncallers];
}

/* Where the call is in f: its index, or ncallers. */
static size_t
find_caller(const struct flight *f, uint32_t call)
{
	size_t i = 0;

	while (i < f->ncallers && f->callers[i].call != call)
		i++;
	return i;
}

size_t
flight_callers(const struct flight *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->ncallers; i++)
		n += !f->callers[i].late;
	return n;
}

/* Numbers of calls come again; what is known of an old one is of no use then. */
static void
forget_late(struct flights *s, uint32_t call)
{
	for (size_t i = 0; i < FLIGHTS_MAX; i++) {
		struct flight *f = &s->flight[i];
		size_t at = find_caller(f, call);

		if (at < f->ncallers && f->callers[at].late)
			drop_caller(f, at);
	}
}

/* A late one makes room where all places are taken. */
static bool
add_caller(struct flight *f, uint32_t call)
{
	for (size_t i = 0; i < f->ncallers && f->ncallers == FLIGHT_CALLERS; i++)
		if (f->callers[i].late)
			drop_caller(f, i);
	if (f->ncallers == FLIGHT_CALLERS)
		return false;
	f->callers[f->ncallers++] = (struct flight_caller){ .call = call };
	return true;
}

static void
refuse(struct flights *s, uint32_t call, enum err_code code, const char *why)
{
	struct err e = { 0 };

	err_set(&e, code, "%s", why);
	s->ops->answer(s->arg, call, NULL, &e);
}

/* Everybody in time hears it; nobody is left then. Returns how many these were. */
static size_t
answer_all(struct flights *s, struct flight *f, const char *digest, const struct err *failed)
{
	size_t n = 0;

	for (size_t i = 0; i < f->ncallers; i++) {
		if (f->callers[i].late)
			continue;
		s->ops->answer(s->arg, f->callers[i].call, digest, failed);
		n++;
	}
	return n;
}

/* --- the life of one */

static void
start(struct flights *s, struct flight *f)
{
	struct err e = { 0 };

	f->state = FLIGHT_RUNNING;
	f->until = -1;
	if (s->ops->start(s->arg, (size_t)(f - s->flight), &e) == 0)
		return;
	answer_all(s, f, NULL, &e);
	clear(f);
}

static void
end(struct flights *s, struct flight *f, int64_t now)
{
	f->state = FLIGHT_ENDING;
	f->ncallers = 0;
	f->until = now + FLIGHT_END_MS;
	s->ops->end(s->arg, (size_t)(f - s->flight), false);
}

static void
keep(struct flights *s, struct flight *f, const char *digest, const struct err *failed, int64_t now)
{
	f->state = FLIGHT_KEPT;
	if (f->until < 0)
		f->until = now + s->linger_ms;
	snprintf(f->digest, sizeof(f->digest), "%s", digest != NULL ? digest : "");
	if (digest == NULL)
		f->failed = *failed;
}

/* The result, once; false: it is of no use any more. */
static bool
give_kept(struct flights *s, struct flight *f, uint32_t call)
{
	bool good = f->digest[0] != '\0';

	if (good && !s->ops->is_there(s->arg, f->bundle))
		return false;
	s->ops->answer(s->arg, call, good ? f->digest : NULL, good ? NULL : &f->failed);
	return true;
}

/* --- events */

static struct flight *
find(struct flights *s, const char *bundle)
{
	for (size_t i = 0; i < FLIGHTS_MAX; i++)
		if (s->flight[i].state != FLIGHT_FREE && strcmp(s->flight[i].bundle, bundle) == 0)
			return &s->flight[i];
	return NULL;
}

/* A free one, or else the oldest of those that only keep a result. */
static struct flight *
find_room(struct flights *s)
{
	struct flight *oldest = NULL;

	for (size_t i = 0; i < FLIGHTS_MAX; i++) {
		struct flight *f = &s->flight[i];

		if (f->state == FLIGHT_FREE)
			return f;
		if (f->state == FLIGHT_KEPT && (oldest == NULL || f->until < oldest->until))
			oldest = f;
	}
	return oldest;
}

static void
join(struct flights *s, struct flight *f, uint32_t call)
{
	if (!add_caller(f, call))
		refuse(s, call, ERR_LIMIT, "too many callers wait for this pull");
	else if (f->state == FLIGHT_RUNNING)
		f->until = -1;
}

static void
begin(struct flights *s, uint32_t call, const char *image, const char *bundle)
{
	struct flight *f = find_room(s);

	if (f == NULL) {
		refuse(s, call, ERR_LIMIT, "too many pulls are under way");
		return;
	}
	clear(f);
	snprintf(f->image, sizeof(f->image), "%s", image);
	snprintf(f->bundle, sizeof(f->bundle), "%s", bundle);
	f->callers[f->ncallers++] = (struct flight_caller){ .call = call };
	start(s, f);
}

void
flights_ask(struct flights *s, uint32_t call, const char *image, const char *bundle, int64_t now)
{
	struct flight *f;
	bool same;

	flights_tick(s, now);
	forget_late(s, call);
	f = find(s, bundle);
	same = f != NULL && strcmp(f->image, image) == 0;
	if (f != NULL && f->state == FLIGHT_KEPT) {
		bool given = same && give_kept(s, f, call);

		clear(f);
		if (!given)
			begin(s, call, image, bundle);
	} else if (f == NULL) {
		begin(s, call, image, bundle);
	} else if (same) {
		join(s, f, call);
	} else {
		refuse(s, call, ERR_STORAGE, "another image is being pulled into this bundle");
	}
}

/* A caller of f has gone: is it worth going on? */
static void
look_after(struct flights *s, struct flight *f, int64_t now)
{
	if (f->state == FLIGHT_KEPT && f->ncallers == 0)
		clear(f);
	if (f->state != FLIGHT_RUNNING || flight_callers(f) > 0)
		return;
	if (f->ncallers == 0 || s->linger_ms <= 0)
		end(s, f, now);
	else if (f->until < 0)
		f->until = now + s->linger_ms;
}

void
flights_left(struct flights *s, uint32_t call, bool closed, int64_t now)
{
	for (size_t i = 0; i < FLIGHTS_MAX; i++) {
		struct flight *f = &s->flight[i];
		size_t at = find_caller(f, call);

		if (at == f->ncallers)
			continue;
		/* Who waits for the end of another one has no pull that could go on. */
		if (closed || f->state == FLIGHT_ENDING)
			drop_caller(f, at);
		else
			f->callers[at].late = true;
		look_after(s, f, now);
	}
}

void
flights_left_all(struct flights *s, int64_t now)
{
	for (size_t i = 0; i < FLIGHTS_MAX; i++) {
		s->flight[i].ncallers = 0;
		look_after(s, &s->flight[i], now);
	}
}

void
flights_over(struct flights *s, size_t slot, const char *digest, const struct err *failed, int64_t now)
{
	struct flight *f = &s->flight[slot];

	if (f->state == FLIGHT_ENDING && digest == NULL) {
		if (f->ncallers > 0)
			start(s, f);
		else
			clear(f);
		return;
	}
	if (f->state == FLIGHT_ENDING)	/* it was faster: the bundle is there */
		f->until = -1;
	if (answer_all(s, f, digest, failed) > 0)
		clear(f);
	else
		keep(s, f, digest, failed, now);
}

void
flights_tick(struct flights *s, int64_t now)
{
	for (size_t i = 0; i < FLIGHTS_MAX; i++) {
		struct flight *f = &s->flight[i];

		if (f->until < 0 || f->until > now)
			continue;
		if (f->state == FLIGHT_RUNNING) {
			end(s, f, now);
		} else if (f->state == FLIGHT_ENDING) {
			f->until = -1;
			s->ops->end(s->arg, i, true);
		} else {
			clear(f);
		}
	}
}

int64_t
flights_next(const struct flights *s)
{
	int64_t next = -1;

	for (size_t i = 0; i < FLIGHTS_MAX; i++) {
		const struct flight *f = &s->flight[i];

		if (f->state != FLIGHT_FREE && f->until >= 0 && (next < 0 || f->until < next))
			next = f->until;
	}
	return next;
}
