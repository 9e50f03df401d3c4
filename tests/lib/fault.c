/*
 * fault.c: the table of lib/sys.h with one call in it made to fail.
 */
#include "lib/base.h"
#include "tests/lib/fault.h"

#include <malloc.h>

#include "lib/sys.h"

enum { RUNS_MAX = 100000 };

static struct {
	enum fault_kind	kind;
	int		errno_value;
	size_t		calls;		/* of the kind, in this run */
	size_t		fail_at;	/* the call to fail, from 1 */
	bool		injected;
} plan;

static int64_t live;	/* may sink while a run frees what was there before */

size_t
fault_live_bytes(void)
{
	return live > 0 ? (size_t)live : 0;
}

/* Is this call the one to fail? */
static bool
hit(enum fault_kind kind)
{
	if (plan.kind != kind || ++plan.calls != plan.fail_at)
		return false;
	plan.injected = true;
	errno = kind == FAULT_ALLOC ? ENOMEM : plan.errno_value;
	return true;
}

static void *
fault_realloc(void *p, size_t size)
{
	size_t before = p != NULL ? malloc_usable_size(p) : 0;
	void *q;

	if (size > 0 && hit(FAULT_ALLOC))
		return NULL;
	q = sys_real.realloc(p, size);
	if (q != NULL || size == 0)
		live -= (int64_t)before;
	if (q != NULL)
		live += (int64_t)malloc_usable_size(q);
	return q;
}

static int
fault_random(void *out, size_t size)
{
	return hit(FAULT_IO) ? -1 : sys_real.random(out, size);
}

static int
fault_openat(int dir, const char *name, int flags, mode_t mode)
{
	return hit(FAULT_IO) ? -1 : sys_real.openat(dir, name, flags, mode);
}

static int
fault_openat2(int dir, const char *name, int flags, mode_t mode,
    uint64_t resolve)
{
	return hit(FAULT_IO) ? -1 :
	    sys_real.openat2(dir, name, flags, mode, resolve);
}

static size_t
moved(size_t size)
{
	return plan.kind == FAULT_SHORT ? MIN(size, (size_t)1) : size;
}

static ssize_t
fault_read(int fd, void *out, size_t size)
{
	return hit(FAULT_IO) ? -1 : sys_real.read(fd, out, moved(size));
}

static ssize_t
fault_write(int fd, const void *bytes, size_t size)
{
	return hit(FAULT_IO) ? -1 : sys_real.write(fd, bytes, moved(size));
}

static int
fault_renameat2(int from_dir, const char *from, int to_dir, const char *to,
    unsigned flags)
{
	return hit(FAULT_IO) ? -1 :
	    sys_real.renameat2(from_dir, from, to_dir, to, flags);
}

static int
fault_fstatfs(int fd, struct statfs *out)
{
	return hit(FAULT_IO) ? -1 : sys_real.fstatfs(fd, out);
}

static int
fault_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	return hit(FAULT_IO) ? -1 : sys_real.connect(fd, address, size);
}

static ssize_t
fault_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return hit(FAULT_IO) ? -1 : sys_real.sendmsg(fd, msg, flags);
}

static ssize_t
fault_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return hit(FAULT_IO) ? -1 : sys_real.recvmsg(fd, msg, flags);
}

static pid_t
fault_spawn(int image, char *const argv[], const int *fds, size_t nfds,
    unsigned flags)
{
	return hit(FAULT_IO) ? -1 :
	    sys_real.spawn(image, argv, fds, nfds, flags);
}

static const struct sys_ops faulty = {
	.random = fault_random,
	.realloc = fault_realloc,
	.openat = fault_openat,
	.openat2 = fault_openat2,
	.read = fault_read,
	.write = fault_write,
	.renameat2 = fault_renameat2,
	.fstatfs = fault_fstatfs,
	.connect = fault_connect,
	.sendmsg = fault_sendmsg,
	.recvmsg = fault_recvmsg,
	.spawn = fault_spawn,
};

/* NULL if the run did what the plan asks of it, else what it did. */
static const char *
judge(int rc, const struct err *e, bool may_survive, int64_t leaked)
{
	if (rc > 0 || (rc < 0 && ((int)e->code != -rc || e->msg[0] == '\0')))
		return "returned a number that is not the error reported";
	if (rc < 0 && !plan.injected)
		return "failed although nothing was made to fail";
	if (rc == 0 && plan.injected && !may_survive)
		return "returned 0 although a call failed";
	if (leaked > 0)
		return "left memory behind";
	return NULL;
}

/* One run with the table exchanged; false after a diagnosis. */
static bool
run_once(size_t fail_at, bool may_survive,
    int (*run)(void *arg, struct err *), void *arg)
{
	const struct sys_ops *before = sys;
	struct sys_ops table = faulty;
	struct err e = { 0 };
	int64_t was_live = live;
	const char *wrong;
	int rc;

	table.now_ms = before->now_ms;
	table.wall_s = before->wall_s;
	plan.calls = 0;
	plan.fail_at = fail_at;
	plan.injected = false;
	sys = &table;
	rc = run(arg, &e);
	sys = before;
	wrong = judge(rc, &e, may_survive, live - was_live);
	if (wrong != NULL)
		printf("# fault: call %zu failing: %d (%s: %s): %s\n", fail_at,
		    rc, err_name(e.code), e.msg, wrong);
	return wrong == NULL;
}

int
fault_each(enum fault_kind kind, int errno_value, bool may_survive,
    int (*run)(void *arg, struct err *), void *arg)
{
	plan.kind = kind;
	plan.errno_value = errno_value;
	if (kind == FAULT_SHORT)
		return run_once(0, false, run, arg) ? 0 : -1;
	for (int n = 1; n <= RUNS_MAX; n++) {
		if (!run_once((size_t)n, may_survive, run, arg))
			return -1;
		if (!plan.injected)
			return n - 1;
	}
	printf("# fault: no end after %d runs\n", RUNS_MAX);
	return -1;
}
