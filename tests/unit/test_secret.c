/*
 * test_secret.c: the arena: its edges, what is left after a free, in a fork
 * and in the kernel's view of the mapping.
 */
#include "lib/base.h"
#include "lib/secret.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <signal.h>

#include "lib/buf.h"
#include "tests/lib/tap.h"

enum { ARENA = 1 << 20 };

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
enum { SANITIZED = __has_feature(address_sanitizer) };
#else
enum { SANITIZED = 0 };
#endif

/* Runs in a child; its exit status, or 1000 and the signal. */
static int
in_child(int (*run)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		/* Reports of the sanitizers would only disturb. */
		fclose(stderr);
		_exit(run());
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    1000 + WTERMSIG(status);
}

static bool
died(int status)
{
	return status >= 1000 || (status > 0 && status != 77);
}

static bool
is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != 0)
			return false;
	}
	return true;
}

static void
test_alloc(void)
{
	uint8_t *a = secret_alloc(1), *b = secret_alloc(64);
	uint8_t *c = secret_alloc(65), *d = secret_alloc(10);

	ok(a != NULL && b == a + 64 && c == b + 64 && d == c + 128,
	    "granules of 64 bytes");
	is_int((uintptr_t)a % 64, 0, "aligned");
	is_int(secret_in_use(), 1 + 64 + 65 + 10, "bytes in use");
	ok(is_zero(a, 1) && is_zero(c, 65), "zeroed");
	memset(c, 0x5a, 65);
	secret_free(c, 65);
	ok(secret_alloc(129) == d + 64, "a hole too small is passed by");
	secret_free(d + 64, 129);
	c = secret_alloc(128);
	ok(c == b + 64, "the first hole that fits is taken");
	ok(is_zero(c, 128), "and was wiped when it was freed");
	secret_free(a, 1);
	secret_free(b, 64);
	secret_free(c, 128);
	secret_free(d, 10);
	secret_free(NULL, 10);
	is_int(secret_in_use(), 0, "nothing in use");
}

static void
test_full(void)
{
	uint8_t *all, *p;
	size_t n = 0;

	ok(secret_alloc(0) == NULL, "no bytes");
	ok(secret_alloc(ARENA + 1) == NULL, "more than the arena");
	ok(secret_alloc(SIZE_MAX) == NULL, "SIZE_MAX");
	all = secret_alloc(ARENA);
	ok(all != NULL && secret_alloc(1) == NULL, "all of it, then nothing");
	memset(all, 1, ARENA);
	secret_free(all, ARENA);
	while ((p = secret_alloc(64)) != NULL)
		n += is_zero(p, 64) && p == all + 64 * n;
	is_int(n, ARENA / 64, "all of it in granules, wiped");
	while (n-- > 0)
		secret_free(all + 64 * n, 64);
	is_int(secret_in_use(), 0, "and free again");
}

static uint8_t *block;

static int
touch_before(void)
{
	block[-1] = 1;
	return 77;
}

static int
touch_behind(void)
{
	block[ARENA] = 1;
	return 77;
}

static int
touch_tail(void)
{
	uint8_t *p = secret_alloc(10);

	p[10] = 1;
	return 77;
}

static int
free_twice(void)
{
	uint8_t *p = secret_alloc(100);

	secret_free(p, 100);
	secret_free(p, 100);
	return 77;
}

static int
free_inside(void)
{
	uint8_t *p = secret_alloc(100);

	secret_free(p + 1, 10);
	return 77;
}

static int
free_too_much(void)
{
	uint8_t *p = secret_alloc(100);

	(void)!secret_alloc(300);
	secret_free(p, 1000);
	return 77;
}

static int
free_foreign(void)
{
	uint8_t *p = secret_alloc(100);
	static uint8_t other[100];

	(void)p;
	secret_free(other, 100);
	return 77;
}

static int
free_zero(void)
{
	secret_free(secret_alloc(100), 0);
	return 77;
}

static void
test_guards(void)
{
	block = secret_alloc(ARENA);
	ok(died(in_child(touch_before)), "guard page before");
	ok(died(in_child(touch_behind)), "guard page behind");
	secret_free(block, ARENA);
	if (SANITIZED)
		ok(died(in_child(touch_tail)), "one byte behind a block");
	ok(died(in_child(free_twice)), "freed twice");
	ok(died(in_child(free_inside)), "freed from the middle");
	ok(died(in_child(free_too_much)), "freed with a size too large");
	ok(died(in_child(free_foreign)), "freed memory of others");
	ok(died(in_child(free_zero)), "freed with size 0");
}

static int
sees_zeros(void)
{
	return is_zero(block, 100) ? 0 : 1;
}

static void
test_fork(void)
{
	block = secret_alloc(100);
	memset(block, 0x5a, 100);
	is_int(in_child(sees_zeros), 0, "a child sees zeros");
	ok(block[99] == 0x5a, "the parent keeps its secret");
	secret_free(block, 100);
}

/* The flags of the mapping of p, from /proc/self/smaps; "" without. */
static const char *
flags_of(const void *p)
{
	static char line[512];
	FILE *maps = fopen("/proc/self/smaps", "r");
	bool here = false;
	char *end;

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t from = strtoul(line, &end, 16);

		if (end > line + 6 && *end == '-')
			here = from <= (uintptr_t)p &&
			    (uintptr_t)p < strtoul(end + 1, NULL, 16);
		if (here && strncmp(line, "VmFlags:", 8) == 0) {
			fclose(maps);
			return line;
		}
	}
	if (maps != NULL)
		fclose(maps);
	return "";
}

static void
test_flags(void)
{
	void *p = secret_alloc(1);
	const char *flags = flags_of(p);

	ok(strstr(flags, " dd") != NULL, "left out of core files");
	ok(strstr(flags, " wf") != NULL || strstr(flags, " dc") != NULL,
	    "left out of forks");
	secret_free(p, 1);
}

static int
lock_all(void)
{
	struct rlimit core;
	bool arena = false, all;

	signal(SIGALRM, SIG_DFL);
	all = secret_lock_process(&arena);
	if (prctl(PR_GET_DUMPABLE) != 0 ||
	    getrlimit(RLIMIT_CORE, &core) == -1 || core.rlim_max != 0)
		return 1;
	return all && !arena ? 2 : 0;
}

/* Under a limit of one page, as a user who cannot lift it. */
static int
lock_little(void)
{
	const struct rlimit lim = { 4096, 4096 };
	bool arena = true, all;
	uint8_t *p;

	if (setrlimit(RLIMIT_MEMLOCK, &lim) == -1 ||
	    setresuid(65534, 65534, 65534) == -1)
		return 77;
	all = secret_lock_process(&arena);
	p = secret_alloc(1000);
	if (p == NULL || !is_zero(p, 1000))
		return 2;
	secret_free(p, 1000);
	return all || arena ? 3 : 0;
}

/* The limit holds the arena, but not all: later allocations must work. */
static int
lock_arena(void)
{
	const struct rlimit lim = { 2 << 20, 2 << 20 };
	bool arena = false, all;
	char *p;

	if (setrlimit(RLIMIT_MEMLOCK, &lim) == -1 ||
	    setresuid(65534, 65534, 65534) == -1)
		return 77;
	all = secret_lock_process(&arena);
	p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 2;
	p[0] = 1;
	return all || !arena ? 3 : 0;
}

static int
lock_fresh(void)
{
	bool arena = false;

	(void)secret_lock_process(&arena);
	return secret_in_use() == 0 ? 0 : 1;
}

static void
test_limited(int (*run)(void), const char *name)
{
	int rc = in_child(run);

	if (rc == 77)
		skip("needs root", "%s", name);
	else
		is_int(rc, 0, "%s", name);
}

static void
test_lock(void)
{
	is_int(in_child(lock_fresh), 0, "locking before any allocation");
	is_int(in_child(lock_all), 0, "undumpable, no core");
	/* The sanitizer makes mlock a success that does nothing. */
	if (SANITIZED)
		return;
	test_limited(lock_little, "a small limit: told, and works");
	test_limited(lock_arena, "a middle limit: the arena alone");
}

static void
test_wipe(void)
{
	uint8_t bytes[100];

	memset(bytes, 1, sizeof(bytes));
	secret_wipe(bytes, 99);
	ok(is_zero(bytes, 99) && bytes[99] == 1, "wipe");
	secret_wipe(NULL, 0);
}

int
main(void)
{
	/* First: nothing may have touched the arena yet. */
	test_lock();
	test_alloc();
	test_full();
	test_guards();
	test_fork();
	test_flags();
	test_wipe();
	return tap_done();
}
