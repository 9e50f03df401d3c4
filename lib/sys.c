/*
 * sys.c: the real world behind the table of sys.h. Thin: a call here does what
 * the kernel does, and nothing is decided that a test would want to see.
 */
#include "lib/base.h"
#include "lib/sys.h"

#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <signal.h>

/* Openat2 under a concurrent rename gives EAGAIN; nobody renames for ever. */
enum { OPENAT2_TRIES = 8 };

static int64_t
real_now_ms(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t
real_wall_s(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec;
}

static int
real_random(void *out, size_t size)
{
	uint8_t *p = out;

	while (size > 0) {
		ssize_t n = getrandom(p, size, 0);

		if (n == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static void *
real_realloc(void *p, size_t size)
{
	if (size == 0) {
		free(p);
		return NULL;
	}
	return realloc(p, size);
}

static int
real_openat(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

/* As struct open_how, which musl has no header for. */
struct how {
	uint64_t	flags, mode, resolve;
};

static int
real_openat2(int dir, const char *name, int flags, mode_t mode,
    uint64_t resolve)
{
	struct how how = {
		.flags = (uint64_t)(unsigned)flags,
		.mode = mode,
		.resolve = resolve,
	};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static int
real_renameat2(int from_dir, const char *from, int to_dir, const char *to,
    unsigned flags)
{
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

/*
 * From here to real_spawn: the child between fork and exec. Only system calls,
 * for the parent may have had threads; every failure ends the child.
 */

/* Ignored signals and the mask would survive exec. */
static void
reset_signals(void)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* The C library and the kernel refuse a few numbers: not ours to reset. */
	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &act, NULL);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) == -1)
		_exit(127);
}

static void
die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		_exit(127);
	/* It may have died before the call; nobody would send the signal. */
	if (getppid() != parent)
		_exit(127);
}

static int
dup_above(int fd, int lowest)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, lowest);

	if (high == -1)
		_exit(127);
	return high;
}

static int
empty_input_above(int lowest)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		_exit(127);
	(void)close(ends[1]);
	return dup_above(ends[0], lowest);
}

/*
 * Puts fds at 0.. and image right behind them, closes the rest; returns where
 * image is. All are first copied above the numbers wanted, so that none is
 * overwritten before its turn.
 */
static int
arrange(int image, const int *fds, size_t nfds)
{
	int count = (int)MAX(nfds, (size_t)3), high[SYS_SPAWN_FDS];

	for (int i = 0; i < count; i++) {
		int fd = (size_t)i < nfds ? fds[i] : -1;

		high[i] = fd >= 0 ? dup_above(fd, count + 1) :
		    i < 3 ? empty_input_above(count + 1) : -1;
	}
	image = dup_above(image, count + 1);
	for (int i = 0; i < count; i++) {
		if (high[i] == -1)
			(void)close(i);
		else if (dup2(high[i], i) == -1)
			_exit(127);
	}
	if (dup3(image, count, O_CLOEXEC) == -1 ||
	    syscall(SYS_close_range, (unsigned)count + 1, ~0U, 0) == -1)
		_exit(127);
	return count;
}

static pid_t
real_spawn(int image, char *const argv[], const int *fds, size_t nfds,
    unsigned flags)
{
	char *const no_environment[] = { NULL };
	pid_t parent = getpid(), pid;
	sigset_t all, before;

	if (nfds > SYS_SPAWN_FDS) {
		errno = EINVAL;
		return -1;
	}
	/* No handler of the parent's may run in the child. */
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &before) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		reset_signals();
		if (flags & SYS_SPAWN_DIE_WITH_PARENT)
			die_with(parent);
		image = arrange(image, fds, nfds);
		(void)syscall(SYS_execveat, image, "", argv, no_environment,
		    AT_EMPTY_PATH);
		_exit(127);
	}
	/* Fails only for a bad argument; keeps fork's errno. */
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

const struct sys_ops sys_real = {
	.now_ms = real_now_ms,
	.wall_s = real_wall_s,
	.random = real_random,
	.realloc = real_realloc,
	.openat = real_openat,
	.openat2 = real_openat2,
	.read = read,
	.write = write,
	.renameat2 = real_renameat2,
	.fstatfs = fstatfs,
	.connect = connect,
	.sendmsg = sendmsg,
	.recvmsg = recvmsg,
	.spawn = real_spawn,
};

const struct sys_ops *sys = &sys_real;

int64_t
sys_now_ms(void)
{
	return sys->now_ms();
}

int64_t
sys_wall_s(void)
{
	return sys->wall_s();
}

int
sys_random(void *out, size_t size)
{
	return sys->random(out, size);
}

void *
sys_alloc(size_t size)
{
	void *p = sys_realloc(NULL, size);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void *
sys_realloc(void *p, size_t size)
{
	return sys->realloc(p, MAX(size, (size_t)1));
}

void
sys_free(void *p)
{
	if (p != NULL)
		(void)sys->realloc(p, 0);
}

int
sys_openat(int dir, const char *name, int flags, mode_t mode)
{
	return sys->openat(dir, name, flags, mode);
}

int
sys_openat2(int dir, const char *name, int flags, mode_t mode,
    uint64_t resolve)
{
	int fd = -1;

	for (int i = 0; i < OPENAT2_TRIES; i++) {
		fd = sys->openat2(dir, name, flags, mode, resolve);
		if (fd != -1 || errno != EAGAIN)
			break;
	}
	return fd;
}

ssize_t
sys_read(int fd, void *out, size_t size)
{
	ssize_t n;

	do {
		n = sys->read(fd, out, size);
	} while (n == -1 && errno == EINTR);
	return n;
}

ssize_t
sys_write(int fd, const void *bytes, size_t size)
{
	ssize_t n;

	do {
		n = sys->write(fd, bytes, size);
	} while (n == -1 && errno == EINTR);
	return n;
}

int
sys_write_all(int fd, const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	while (size > 0) {
		ssize_t n = sys_write(fd, p, size);

		if (n == -1)
			return -1;
		if (n == 0) {
			errno = EIO;
			return -1;
		}
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int
sys_renameat2(int from_dir, const char *from, int to_dir, const char *to,
    unsigned flags)
{
	return sys->renameat2(from_dir, from, to_dir, to, flags);
}

int
sys_fstatfs(int fd, struct statfs *out)
{
	int rc;

	do
		rc = sys->fstatfs(fd, out);
	while (rc == -1 && errno == EINTR);
	return rc;
}

int
sys_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	return sys->connect(fd, address, size);
}

ssize_t
sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t n;

	do {
		n = sys->sendmsg(fd, msg, flags);
	} while (n == -1 && errno == EINTR);
	return n;
}

ssize_t
sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n;

	do {
		n = sys->recvmsg(fd, msg, flags);
	} while (n == -1 && errno == EINTR);
	return n;
}

pid_t
sys_spawn(int image, char *const argv[], const int *fds, size_t nfds,
    unsigned flags)
{
	return sys->spawn(image, argv, fds, nfds, flags);
}
