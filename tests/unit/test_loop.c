/* test_loop.c: watches and timers, added and removed while they are served. */
#include "lib/base.h"

#include "lib/loop.h"

#include <poll.h>

#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;
static struct loop *loop;
static int calls, order;

static void
on_readable(void *arg, int fd, short revents)
{
	char byte;
	int *seen = arg;

	*seen = revents;
	calls++;
	if (read(fd, &byte, 1) != 1 || byte == 'q')
		loop_stop(loop);
}

static void
on_once(void *arg, int fd, maybe_unused short revents)
{
	calls++;
	loop_unwatch(loop, fd);
	loop_unwatch(loop, fd);
	if (arg != NULL)
		loop_stop(arg);
}

static void
on_timer(void *arg)
{
	*(int *)arg = ++order;
}

static void
on_end(maybe_unused void *arg)
{
	loop_stop(loop);
}

static void
test_watches(void)
{
	int p[2], seen = 0;

	works(loop_new(&loop, &e), "new");
	ok(pipe(p) == 0 && write(p[1], "xyq", 3) == 3, "a pipe with bytes");
	works(loop_watch(loop, p[0], POLLIN, on_readable, &seen, &e), "watch");
	works(loop_run(loop, &e), "run until told to stop");
	is_int(calls, 3, "a call for each byte");
	ok(seen & POLLIN, "with what happened");
	calls = 0;
	works(loop_watch(loop, p[0], POLLIN, on_once, loop, &e), "another callback for the same descriptor");
	ok(write(p[1], "ab", 2) == 2, "two bytes");
	works(loop_run(loop, &e), "run");
	is_int(calls, 1, "it took itself away");
	works(loop_timer(loop, 20, on_end, NULL, &e), "an end");
	works(loop_run(loop, &e), "run");
	is_int(calls, 1, "and is not called again");
	for (int i = 0; i < 40; i++) {
		int fd = dup(p[1]);

		if (loop_watch(loop, fd, POLLOUT, on_once, NULL, &e) < 0)
			ok(false, "many watches");
	}
	works(loop_timer(loop, 20, on_end, NULL, &e), "an end");
	works(loop_run(loop, &e), "run many");
	is_int(calls, 41, "each of them once");
	close(p[0]);
	close(p[1]);
	loop_free(loop);
}

static int64_t stopped;

static int64_t
stopped_now(void)
{
	return stopped;
}

/* Times are set while the clock stands still: their order must not hang on how long this takes. */
static void
stop_clock(struct sys_ops *ops)
{
	*ops = sys_real;
	ops->now_ms = stopped_now;
	stopped = sys_real.now_ms();
	sys = ops;
}

static void
test_timers(void)
{
	int first = 0, second = 0, never = 0;
	struct sys_ops ops;
	int64_t start;

	stop_clock(&ops);
	start = stopped;
	works(loop_new(&loop, &e), "new");
	works(loop_timer(loop, 30, on_timer, &second, &e), "later");
	works(loop_timer(loop, 10, on_timer, &first, &e), "sooner");
	works(loop_timer(loop, 5, on_timer, &never, &e), "taken back");
	works(loop_timer(loop, -1, on_timer, &never, &e), "in time");
	works(loop_timer(loop, -1, on_timer, &start, &e), "one that was never set");
	works(loop_timer(loop, 1, on_end, NULL, &e), "an end");
	works(loop_timer(loop, 60, on_end, NULL, &e), "moved");
	sys = &sys_real;
	works(loop_run(loop, &e), "run");
	ok(first == 1 && second == 2, "in order");
	is_int(never, 0, "not the one taken back");
	ok(sys_now_ms() - start >= 60, "not before its time");
	loop_free(loop);
	loop_free(NULL);
}

static int64_t
late_now(void)
{
	return sys_real.now_ms() + 1000;
}

/* A process that did not run for a while finds them all due. */
static void
test_late(void)
{
	int first = 0, second = 0, third = 0;
	struct sys_ops ops;

	order = 0;
	stop_clock(&ops);
	works(loop_new(&loop, &e), "new");
	works(loop_timer(loop, 30, on_timer, &third, &e), "last");
	works(loop_timer(loop, 40, on_end, NULL, &e), "an end");
	works(loop_timer(loop, 10, on_timer, &first, &e), "first");
	works(loop_timer(loop, 20, on_timer, &second, &e), "second");
	ops.now_ms = late_now;
	works(loop_run(loop, &e), "run");
	sys = &sys_real;
	ok(first == 1 && second == 2 && third == 3, "in order, although they are late");
	loop_free(loop);
}

static int
once(maybe_unused void *arg, struct err *why)
{
	struct loop *l;
	int x, rc = loop_new(&l, why);

	if (rc < 0)
		return rc;
	rc = loop_watch(l, 0, 0, on_once, NULL, why);
	if (rc == 0)
		rc = loop_timer(l, 1, on_timer, &x, why);
	loop_free(l);
	return rc;
}

int
main(void)
{
	test_watches();
	test_timers();
	test_late();
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, once, NULL) > 0, "no memory at any point");
	is_int((long long)fault_live_bytes(), 0, "and nothing is lost");
	return tap_done();
}
