/*
 * selftest.c: the deeds. Every role gets the test's directory where unpack and pull get theirs, so that the
 * others can be seen to be unable to use it. What is expected is written down for each role by hand: a table
 * derived from the words would agree with any mistake in them.
 */
#include "lib/base.h"

#include "agent/selftest.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <netinet/in.h>

#include "agent/roles.h"

/* Each deed: true if it worked. */

static bool
do_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && munmap(p, 4096) == 0;
}

static bool
do_poll_read_write(void)
{
	struct pollfd p = { .fd = FD_CONTROL, .events = POLLIN };
	uint8_t byte;

	/* The other end has put one byte there. */
	return poll(&p, 1, 1000) == 1 && read(FD_CONTROL, &byte, 1) == 1 && write(1, "", 0) == 0;
}

static bool
do_pass_descriptor(void)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { control, 1 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
	    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	int fd = FD_CONTROL;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(FD_CONTROL, &h, MSG_NOSIGNAL) == 1;
}

static void *
thread_main(void *arg)
{
	return arg;
}

static bool
do_thread(void)
{
	static char word[] = "hello";
	pthread_t t;
	void *result;

	return pthread_create(&t, NULL, thread_main, word) == 0 &&
	    pthread_join(t, &result) == 0 && result == word;
}

static bool
do_stat_root(void)
{
	struct stat st;

	return fstatat(UNPACK_FD_ROOTFS, "probe", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool
do_read_in_root(void)
{
	autoclose int fd = openat(UNPACK_FD_ROOTFS, "probe", O_RDONLY | O_CLOEXEC);
	uint8_t byte;

	return fd >= 0 && read(fd, &byte, 1) == 1;
}

/* One of everything that unpacking does. */
static bool
do_write_in_root(void)
{
	const int root = UNPACK_FD_ROOTFS;
	autoclose int fd = openat(root, "new", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0 && ftruncate(fd, 10) == 0 && fchmod(fd, 0640) == 0 &&
	    fchown(fd, (uid_t)-1, (gid_t)-1) == 0 && flistxattr(fd, NULL, 0) >= 0 &&
	    fchownat(root, "new", (uid_t)-1, (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (fsetxattr(fd, "user.x", "1", 1, 0) == 0 || errno == ENOTSUP) &&
	    (fremovexattr(fd, "user.x") == 0 || errno == ENOTSUP) &&
	    symlinkat("new", root, "link") == 0 && linkat(root, "link", root, "link2", 0) == 0 &&
	    mkdirat(root, "dir", 0700) == 0 && fchmodat(root, "dir", 0755, 0) == 0 &&
	    mknodat(root, "fifo", S_IFIFO | 0600, 0) == 0 &&
	    utimensat(root, "fifo", NULL, AT_SYMLINK_NOFOLLOW) == 0 &&
	    unlinkat(root, "fifo", 0) == 0 && unlinkat(root, "dir", AT_REMOVEDIR) == 0 &&
	    unlinkat(root, "link", 0) == 0 && unlinkat(root, "link2", 0) == 0 &&
	    unlinkat(root, "new", 0) == 0;
}

static bool
do_read_outside(void)
{
	autoclose int fd = openat(UNPACK_FD_ROOTFS, "../outside", O_RDONLY | O_CLOEXEC);

	return fd >= 0;
}

static bool
do_write_outside(void)
{
	autoclose int fd = openat(UNPACK_FD_ROOTFS, "../new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0;
}

static bool
do_read_resolver(void)
{
	static const char *const files[] = { "/etc/resolv.conf", "/etc/hosts" };
	bool none = true;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		autoclose int fd = open(files[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			return true;
		none &= errno == ENOENT;
	}
	return none;	/* there is nothing to read, and that could be seen */
}

static bool
do_connect_tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(1) };
	autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return false;
	/* Nobody listens there: a refusal by the other side is as good. */
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == ECONNREFUSED;
}

/* There is no listening socket here: the kernel gets as far as seeing that. (musl's accept4 would then try accept.) */
static bool
do_accept(void)
{
	autoclose int fd = (int)syscall(SYS_accept4, FD_CONTROL, NULL, NULL, SOCK_CLOEXEC);

	return fd >= 0 || errno == EINVAL || errno == EOPNOTSUPP;
}

/* No device is needed: the kernel gets as far as seeing that this is none. */
static bool
do_ask_device(void)
{
	uint8_t nothing[32] = { 0 };

	return syscall(SYS_ioctl, FD_CONTROL, 0xc0205300UL, nothing) < 0 && errno != ENOSYS;
}

/* To push a character into one: no device of a platform has that. */
static bool
do_control_terminal(void)
{
	return syscall(SYS_ioctl, FD_CONTROL, 0x5412UL, "") == 0 || errno != ENOSYS;
}

static bool
do_vsock(void)
{
	autoclose int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 || errno == EAFNOSUPPORT;
}

static bool
do_unix_socket(void)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0;
}

static bool
do_exec(void)
{
	char *argv[] = { "x", NULL };

	execve("/", argv, argv + 1);
	return errno == EACCES || errno == ENOENT;	/* the kernel got as far as looking */
}

static bool
do_fork(void)
{
	long pid = syscall(SYS_clone, 17 /* SIGCHLD */, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool
do_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, 0, 0) == 0;
}

static bool
do_mount(void)
{
	return mount("none", "/", "tmpfs", 0, "") == 0 || errno == EPERM || errno == EACCES;
}

static bool
do_new_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool
do_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool
do_signal_parent(void)
{
	return syscall(SYS_kill, getppid(), 0) == 0;
}

#define R(role)	(1u << ROLE_##role)
#define ALL	((1u << ROLE_COUNT) - 1)

static const struct {
	const char	*name;
	bool		(*deed)(void);
	unsigned	 allowed;	/* to these roles */
	bool		 landlock;	/* refused by Landlock alone */
} probes[] = {
	{ "take and give memory", do_memory, ALL, false },
	{ "poll, read, write", do_poll_read_write, ALL, false },
	{ "pass a descriptor", do_pass_descriptor, ALL, false },
	{ "start a thread", do_thread, R(UNPACK) | R(GPG), false },
	{ "read what the resolver reads", do_read_resolver, R(NET), false },
	{ "connect by TCP", do_connect_tcp, R(NET), false },
	{ "look at a file of its directory", do_stat_root, R(PULL) | R(UNPACK) | R(NET) | R(GPG), false },
	{ "read a file of its directory", do_read_in_root, R(PULL) | R(UNPACK) | R(GPG), true },
	{ "write in its directory", do_write_in_root, R(UNPACK) | R(GPG), false },
	{ "read a file outside of its directory", do_read_outside, 0, true },
	{ "write outside of its directory", do_write_outside, 0, true },
	{ "take a connection", do_accept, R(RPC), false },
	{ "ask a device of the platform", do_ask_device, R(TEE), false },
	{ "control a terminal", do_control_terminal, 0, false },
	{ "reach the host by vsock", do_vsock, R(TEE), false },
	{ "make a unix socket", do_unix_socket, 0, false },
	{ "run a program", do_exec, R(GPG), false },
	{ "start a process", do_fork, R(GPG), false },
	{ "trace a process", do_ptrace, 0, false },
	{ "mount a file system", do_mount, 0, false },
	{ "make a namespace", do_new_namespace, 0, false },
	{ "map executable memory", do_executable_memory, R(GPG), false },
	{ "signal the monitor", do_signal_parent, 0, false },
};

size_t
selftest_count(void)
{
	return ARRAY_LEN(probes);
}

const char *
selftest_name(size_t probe)
{
	return probes[probe].name;
}

bool
selftest_expected(size_t probe, enum role role)
{
	return probes[probe].allowed >> role & 1;
}

bool
selftest_by_landlock(size_t probe)
{
	return probes[probe].landlock;
}

int
selftest_probe(int probe)
{
	return (size_t)probe < ARRAY_LEN(probes) && probes[probe].deed() ? 0 : 1;
}
