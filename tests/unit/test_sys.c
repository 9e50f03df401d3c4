/*
 * test_sys.c: the wrappers over a table of fakes, and what a spawned program
 * finds. The program is this one: started with arguments it reports on itself.
 */
#include "lib/base.h"
#include "lib/sys.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>

#include "tests/lib/tap.h"

extern char **environ;

static int self;	/* this program, open */
static unsigned calls;

static ssize_t
interrupted_read(int fd, void *out, size_t size)
{
	if (++calls < 3) {
		errno = EINTR;
		return -1;
	}
	return sys_real.read(fd, out, size);
}

static ssize_t
interrupted_write(int fd, const void *p, size_t size)
{
	if (++calls % 2 == 1) {
		errno = EINTR;
		return -1;
	}
	return sys_real.write(fd, p, MIN(size, (size_t)1));
}

static ssize_t
write_nothing(int fd, const void *p, size_t size)
{
	(void)fd, (void)p, (void)size;
	return 0;
}

static ssize_t
interrupted_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (++calls < 3) {
		errno = EINTR;
		return -1;
	}
	return sys_real.sendmsg(fd, msg, flags);
}

static ssize_t
interrupted_recvmsg(int fd, struct msghdr *msg, int flags)
{
	if (++calls < 3) {
		errno = EINTR;
		return -1;
	}
	return sys_real.recvmsg(fd, msg, flags);
}

static int
racing_openat2(int dir, const char *name, int flags, mode_t mode,
    uint64_t resolve)
{
	(void)dir, (void)name, (void)flags, (void)mode, (void)resolve;
	calls++;
	errno = EAGAIN;
	return -1;
}

static int
dead_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	(void)fd, (void)address, (void)size;
	errno = ECONNREFUSED;
	return -1;
}

static void
test_interrupts(struct sys_ops *table)
{
	int fds[2];
	char got[8] = "";

	if (pipe(fds) == -1)
		return;
	table->write = interrupted_write;
	calls = 0;
	is_int(sys_write_all(fds[1], "abc", 3), 0, "write_all");
	is_int(calls, 6, "went on after EINTR and after short writes");
	table->read = interrupted_read;
	calls = 0;
	is_int(sys_read(fds[0], got, sizeof(got)), 3, "read");
	is_str(got, "abc", "all bytes arrived");
	is_int(calls, 3, "went on after EINTR");
	table->write = write_nothing;
	errno = 0;
	ok(sys_write_all(fds[1], "x", 1) == -1 && errno == EIO,
	    "a write of nothing does not go on for ever");
	table->write = sys_real.write;
	ok(sys_write_all(-1, "x", 1) == -1 && errno == EBADF,
	    "other errors are told");
	is_int(sys_write_all(-1, "", 0), 0, "nothing to write");
	close(fds[0]);
	close(fds[1]);
}

static void
test_messages(struct sys_ops *table)
{
	char byte = 'x', got = 0;
	struct iovec out = { &byte, 1 }, in = { &got, 1 };
	struct msghdr to = { .msg_iov = &out, .msg_iovlen = 1 };
	struct msghdr from = { .msg_iov = &in, .msg_iovlen = 1 };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		return;
	table->sendmsg = interrupted_sendmsg;
	table->recvmsg = interrupted_recvmsg;
	calls = 0;
	ok(sys_sendmsg(fds[0], &to, 0) == 1 && calls == 3, "sendmsg");
	calls = 0;
	ok(sys_recvmsg(fds[1], &from, 0) == 1 && calls == 3 && got == 'x',
	    "recvmsg");
	table->connect = dead_connect;
	ok(sys_connect(fds[0], NULL, 0) == -1 && errno == ECONNREFUSED,
	    "connect goes through the table");
	close(fds[0]);
	close(fds[1]);
}

static void
test_files(void)
{
	char path[] = "/tmp/test_sys.XXXXXX";
	autoclose int fd = -1, dir = -1;

	if (mkdtemp(path) == NULL)
		return;
	dir = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	fd = sys_openat(dir, "a", O_WRONLY | O_CREAT, 0600);
	ok(dir >= 0 && fd >= 0, "openat");
	is_int(sys_renameat2(dir, "a", dir, "b", 0), 0, "renameat2");
	ok(sys_renameat2(dir, "a", dir, "c", 0) == -1 && errno == ENOENT,
	    "it is gone from its old name");
	ok(unlinkat(dir, "b", 0) == 0 && rmdir(path) == 0, "clean up");
}

static void
test_openat2(struct sys_ops *table)
{
	autoclose int fd = sys_openat2(AT_FDCWD, "tests", O_RDONLY | O_CLOEXEC,
	    0, 0x08);

	ok(fd >= 0, "openat2");
	ok(sys_openat2(AT_FDCWD, "../x", O_RDONLY, 0, 0x08) == -1 &&
	    errno == EXDEV, "it resolves beneath");
	table->openat2 = racing_openat2;
	calls = 0;
	ok(sys_openat2(AT_FDCWD, "x", O_RDONLY, 0, 0) == -1 &&
	    errno == EAGAIN, "EAGAIN is told in the end");
	is_int(calls, 8, "after eight tries");
}

static void
test_wrappers(void)
{
	struct sys_ops table = sys_real;

	sys = &table;
	test_interrupts(&table);
	test_messages(&table);
	test_files();
	test_openat2(&table);
	sys = &sys_real;
}

static void
test_memory(void)
{
	uint8_t *p = sys_alloc(1000), *q = sys_alloc(0);
	bool zero = p != NULL;

	ok(zero && q != NULL, "memory, and of no bytes too");
	if (p == NULL)
		return;
	for (size_t i = 0; i < 1000; i++)
		zero &= p[i] == 0;
	ok(zero, "memory is zeroed");
	p[0] = 7;
	p = sys_realloc(p, 5000);
	ok(p != NULL && p[0] == 7, "realloc keeps the bytes");
	p = sys_realloc(p, 0);
	ok(p != NULL, "realloc never frees");
	sys_free(p);
	sys_free(q);
	sys_free(NULL);
}

static void
test_world(void)
{
	static uint8_t a[1000], b[1000];
	int64_t before = sys_now_ms();

	ok(before > 0 && sys_now_ms() >= before, "the clock goes on");
	ok(sys_wall_s() > 1600000000, "the time of day");
	ok(sys_random(a, sizeof(a)) == 0 && sys_random(b, sizeof(b)) == 0 &&
	    memcmp(a, b, sizeof(a)) != 0 && memcmp(a + 992, "\0\0\0\0\0\0\0",
	    8) != 0, "random numbers");
	is_int(sys_random(a, 0), 0, "no random numbers");
}

/*
 * The child's report on descriptor 3: one line each for what it found.
 */
static void
report_fd(FILE *to, int fd)
{
	struct stat st;
	char byte;

	if (fstat(fd, &st) == -1) {
		fprintf(to, "%d closed\n", fd);
		return;
	}
	if (!S_ISFIFO(st.st_mode)) {
		fprintf(to, "%d other\n", fd);
		return;
	}
	fprintf(to, "%d %s\n", fd, read(fd, &byte, 1) == 0 &&
	    write(fd, "x", 1) == -1 && errno == EBADF ? "empty" : "pipe");
}

static void
report_signals(FILE *to)
{
	sigset_t mask;
	int ignored = 0, blocked = 0, die = 0;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int i = 1; i < 32; i++) {
		struct sigaction act;

		if (sigaction(i, NULL, &act) == 0)
			ignored += act.sa_handler == SIG_IGN;
		blocked += sigismember(&mask, i) == 1;
	}
	prctl(PR_GET_PDEATHSIG, &die);
	fprintf(to, "ignored %d blocked %d die %d\n", ignored, blocked, die);
}

static int
report(int argc, char **argv)
{
	FILE *to = fdopen(3, "w");

	if (to == NULL)
		return 9;
	for (int i = 0; i < argc; i++)
		fprintf(to, "[%s]", argv[i]);
	fprintf(to, "\nenvironment %s\n", environ[0] == NULL ? "empty" : "full");
	report_signals(to);
	for (int fd = 0; fd < 3; fd++)
		report_fd(to, fd);
	for (int fd = 4; fd < 64; fd++) {
		if (fcntl(fd, F_GETFD) != -1)
			report_fd(to, fd);
	}
	fclose(to);
	return 42;
}

static int
status_of(pid_t pid)
{
	int status = -1;

	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    1000 + WTERMSIG(status);
}

/* Starts the report with fds[3] set to the pipe it writes into. */
static const char *
spawned(int *fds, size_t nfds, unsigned flags, int want)
{
	static char text[4096];
	char *argv[] = { "child", "report", "a b", NULL };
	size_t len = 0;
	ssize_t n = 1;
	int ends[2];
	pid_t pid;

	text[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) == -1)
		return text;
	fds[3] = ends[1];
	pid = sys_spawn(self, argv, fds, nfds, flags);
	close(ends[1]);
	while (n > 0) {
		n = read(ends[0], text + len, sizeof(text) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	close(ends[0]);
	is_int(status_of(pid), want, "exit status of the child");
	return text;
}

#define HEAD "[child][report][a b]\nenvironment empty\n"

static void
test_spawn(void)
{
	int null = open("/dev/null", O_RDWR);
	int empty[4] = { -1, -1, -1, -1 };
	int kept[7] = { null, null, null, -1, null, -1, null };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	sigset_t some, was, now;

	is_str(spawned(empty, 4, 0, 42), HEAD "ignored 0 blocked 0 die 0\n"
	    "0 empty\n1 empty\n2 empty\n",
	    "0 to 2 are never closed, all others are");
	is_str(spawned(kept, 7, SYS_SPAWN_DIE_WITH_PARENT, 42),
	    HEAD "ignored 0 blocked 0 die 9\n"
	    "0 other\n1 other\n2 other\n4 other\n6 other\n",
	    "descriptors repeat, -1 leaves a hole, the parent is watched");
	sigaction(SIGPIPE, &ignore, &before);
	sigemptyset(&some);
	sigaddset(&some, SIGTERM);
	sigprocmask(SIG_BLOCK, &some, &was);
	is_str(spawned(empty, 4, 0, 42), HEAD "ignored 0 blocked 0 die 0\n"
	    "0 empty\n1 empty\n2 empty\n", "signals are reset");
	sigprocmask(SIG_SETMASK, NULL, &now);
	ok(sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGINT) == 0,
	    "the parent's mask is as it was");
	sigprocmask(SIG_SETMASK, &was, NULL);
	sigaction(SIGPIPE, &before, NULL);
	close(null);
}

/* Numbers that overlap with those wanted, in every order of three. */
static void
test_spawn_overlap(void)
{
	static const char *const names[] = { "zero", "one", "two" };
	static const int orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
		{ 2, 0, 1 }, { 2, 1, 0 },
	};

	for (size_t o = 0; o < ARRAY_LEN(orders); o++) {
		/* In a child, whose descriptors 4 to 6 may be overwritten. */
		pid_t pid = fork();

		if (pid == 0) {
			int fds[7] = { -1, -1, -1, -1, -1, -1, -1 };
			char *argv[] = { "child", "names", NULL, NULL, NULL,
			    NULL };

			for (int i = 0; i < 3; i++) {
				int p[2];

				if (pipe(p) == -1 || write(p[1], names[i],
				    strlen(names[i])) == -1)
					_exit(99);
				if (dup2(p[0], 20 + i) == -1)
					_exit(99);
			}
			/* Image at 3, where the first entry must come. */
			if (dup2(self, 30) == -1 || dup2(30, 3) == -1)
				_exit(99);
			for (int i = 0; i < 3; i++) {
				if (dup2(20 + i, 4 + i) == -1)
					_exit(99);
				fds[4 + i] = 4 + orders[o][i];
				argv[2 + i] = (char *)(uintptr_t)
				    names[orders[o][i]];
			}
			_exit(status_of(sys_spawn(3, argv, fds, 7, 0)));
		}
		is_int(status_of(pid), 43, "overlapping numbers, order %zu", o);
	}
}

/* Descriptors 4 to 6 must hold what argv says. */
static int
check_names(char **argv)
{
	for (int i = 0; i < 3; i++) {
		char text[8] = "";

		if (read(4 + i, text, sizeof(text) - 1) == -1 ||
		    strcmp(text, argv[2 + i]) != 0)
			return 1;
	}
	return fcntl(3, F_GETFD) == -1 && fcntl(7, F_GETFD) == -1 ? 43 : 2;
}

static void
test_spawn_fails(void)
{
	char *argv[] = { "child", NULL };
	int fds[SYS_SPAWN_FDS + 1] = { 0 };
	autoclose int text = open("lib/sys.c", O_RDONLY | O_CLOEXEC);

	ok(sys_spawn(self, argv, fds, SYS_SPAWN_FDS + 1, 0) == -1 &&
	    errno == EINVAL, "too many descriptors");
	is_int(status_of(sys_spawn(-1, argv, NULL, 0, 0)), 127, "no image");
	is_int(status_of(sys_spawn(text, argv, NULL, 0, 0)), 127,
	    "not a program");
	fds[0] = 999;
	is_int(status_of(sys_spawn(self, argv, fds, 1, 0)), 127,
	    "a descriptor that is not open");
}

/* A parent that ends takes its child along. */
static void
test_die_with_parent(void)
{
	char *argv[] = { "child", "wait", NULL };
	int ends[2];
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return;
	pid = fork();
	if (pid == 0) {
		int fds[4] = { -1, -1, -1, ends[1] };

		if (sys_spawn(self, argv, fds, 4,
		    SYS_SPAWN_DIE_WITH_PARENT) == -1)
			_exit(1);
		/* The child says that it runs; then its parent is gone. */
		_exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(ends[1]);
	is_int(status_of(pid), 0, "the parent saw its child run");
	is_int(read(ends[0], &byte, 1), 0, "and did not leave it behind");
	close(ends[0]);
}

static int
wait_for_ever(void)
{
	if (write(3, "x", 1) != 1)
		return 1;
	for (;;)
		pause();
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "report") == 0)
		return report(argc, argv);
	if (argc > 1 && strcmp(argv[1], "names") == 0)
		return check_names(argv);
	if (argc > 1 && strcmp(argv[1], "wait") == 0)
		return wait_for_ever();
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self == -1)
		return 1;
	test_wrappers();
	test_memory();
	test_world();
	test_spawn();
	test_spawn_overlap();
	test_spawn_fails();
	test_die_with_parent();
	return tap_done();
}
