/*
 * loop.c: poll over an array of watches. Watches taken away while a round is
 * served are marked and removed after it, so callbacks may do as they like.
 */
#include "lib/base.h"

#include "lib/loop.h"

#include <poll.h>

#include "lib/sys.h"

struct watch {
	loop_fd_fn	 fn;		/* NULL: to be removed */
	void		*arg;
};

struct timer {
	loop_timer_fn	 fn;		/* NULL: free slot */
	void		*arg;
	int64_t		 at;
};

struct loop {
	struct pollfd	*polls;		/* one for each watch */
	struct watch	*watches;
	size_t		 n, cap;
	struct timer	*timers;
	size_t		 ntimers;
	bool		 stop;
};

int
loop_new(struct loop **out, struct err *e)
{
	struct loop *l = sys_alloc(sizeof(*l));

	if (l == NULL)
		return err_set(e, ERR_NOMEM, "loop");
	*out = l;
	return 0;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	sys_free(l->polls);
	sys_free(l->watches);
	sys_free(l->timers);
	sys_free(l);
}

static int
grow(struct loop *l, struct err *e)
{
	size_t cap = l->cap ? l->cap * 2 : 8;
	void *p;

	p = sys_realloc(l->polls, cap * sizeof(*l->polls));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "loop");
	l->polls = p;
	p = sys_realloc(l->watches, cap * sizeof(*l->watches));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "loop");
	l->watches = p;
	l->cap = cap;
	return 0;
}

static bool
find(const struct loop *l, int fd, size_t *at)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->polls[i].fd == fd && l->watches[i].fn != NULL) {
			*at = i;
			return true;
		}
	}
	return false;
}

int
loop_watch(struct loop *l, int fd, short events, loop_fd_fn fn, void *arg,
    struct err *e)
{
	size_t i;

	if (!find(l, fd, &i)) {
		if (l->n == l->cap) {
			int rc = grow(l, e);

			if (rc < 0)
				return rc;
		}
		i = l->n++;
		l->polls[i] = (struct pollfd){ .fd = fd };
	}
	l->polls[i].events = events;
	l->watches[i] = (struct watch){ fn, arg };
	return 0;
}

void
loop_unwatch(struct loop *l, int fd)
{
	size_t i;

	if (find(l, fd, &i)) {
		l->watches[i].fn = NULL;
		l->polls[i].fd = -1;
	}
}

int
loop_timer(struct loop *l, int64_t ms, loop_timer_fn fn, void *arg, struct err *e)
{
	struct timer *slot = NULL, *p;

	for (size_t i = 0; i < l->ntimers; i++) {
		struct timer *t = &l->timers[i];

		if (t->fn == fn && t->arg == arg) {
			slot = t;
			break;
		}
		if (t->fn == NULL)
			slot = t;
	}
	if (ms < 0) {
		if (slot != NULL && slot->fn == fn && slot->arg == arg)
			slot->fn = NULL;
		return 0;
	}
	if (slot == NULL) {
		p = sys_realloc(l->timers, (l->ntimers + 1) * sizeof(*p));
		if (p == NULL)
			return err_set(e, ERR_NOMEM, "loop");
		l->timers = p;
		slot = &p[l->ntimers++];
	}
	*slot = (struct timer){ fn, arg, sys_now_ms() + ms };
	return 0;
}

/* The timer that is due first; NULL: none is set. */
static struct timer *
first_timer(const struct loop *l)
{
	struct timer *first = NULL;

	for (size_t i = 0; i < l->ntimers; i++) {
		struct timer *t = &l->timers[i];

		if (t->fn != NULL && (first == NULL || t->at < first->at))
			first = t;
	}
	return first;
}

/* Milliseconds until the first timer, -1 without one. */
static int
next_timeout(const struct loop *l)
{
	const struct timer *first = first_timer(l);

	return first == NULL ? -1 : (int)MIN(MAX(first->at - sys_now_ms(), 0), INT_MAX);
}

/* What is due, in its order, however late it is; what keeps setting itself anew waits for the next round. */
static void
run_timers(struct loop *l)
{
	int64_t now = sys_now_ms();

	for (size_t n = l->ntimers; n > 0 && !l->stop; n--) {
		struct timer *first = first_timer(l), t;

		if (first == NULL || first->at > now)
			break;
		t = *first;
		first->fn = NULL;
		t.fn(t.arg);
	}
}

/* Drops the watches that were taken away. */
static void
compact(struct loop *l)
{
	size_t to = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->watches[i].fn == NULL)
			continue;
		l->watches[to] = l->watches[i];
		l->polls[to++] = l->polls[i];
	}
	l->n = to;
}

int
loop_run(struct loop *l, struct err *e)
{
	l->stop = false;
	while (!l->stop) {
		size_t n;
		int ready;

		compact(l);
		n = l->n;
		ready = poll(l->polls, (nfds_t)n, next_timeout(l));
		if (ready < 0 && errno != EINTR)
			return err_sys(e, "poll");
		for (size_t i = 0; ready > 0 && i < n && !l->stop; i++) {
			struct watch w = l->watches[i];

			if (l->polls[i].revents != 0 && w.fn != NULL)
				w.fn(w.arg, l->polls[i].fd, l->polls[i].revents);
		}
		run_timers(l);
	}
	return 0;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}
