/*
 * secret.c: one arena for secrets, handed out in granules by first fit. What
 * lies here is few and short-lived, so the map is searched from the front.
 * A block freed that was never given out ends the process: the map can no
 * longer be trusted.
 */
#include "lib/base.h"
#include "lib/secret.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISON	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON	1
#endif
#endif

#ifdef POISON
#include <sanitizer/asan_interface.h>
#define poison(p, n)	ASAN_POISON_MEMORY_REGION(p, n)
#define unpoison(p, n)	ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define poison(p, n)	((void)(p), (void)(n))
#define unpoison(p, n)	((void)(p), (void)(n))
#endif

enum {
	ARENA_SIZE = 1 << 20,
	GRANULE = 64,
	GRANULES = ARENA_SIZE / GRANULE,
};

static struct {
	uint8_t	*base;			/* NULL: not made yet */
	bool	 locked;
	size_t	 in_use;		/* bytes asked for and not freed */
	uint8_t	 taken[GRANULES / 8];	/* one bit for each granule */
} arena;

static bool
is_taken(size_t i)
{
	return arena.taken[i / 8] >> (i % 8) & 1;
}

static void
flip(size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		arena.taken[i / 8] ^= (uint8_t)(1u << (i % 8));
}

/* Guard pages around memory that neither core files nor forks will hold. */
static uint8_t *
map_arena(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = ARENA_SIZE + 2 * page;
	uint8_t *all = mmap(NULL, size, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *base;

	if (all == MAP_FAILED)
		return NULL;
	base = all + page;
	if (mprotect(base, ARENA_SIZE, PROT_READ | PROT_WRITE) == 0 &&
	    madvise(base, ARENA_SIZE, MADV_DONTDUMP) == 0 &&
	    (madvise(base, ARENA_SIZE, MADV_WIPEONFORK) == 0 ||
	    madvise(base, ARENA_SIZE, MADV_DONTFORK) == 0))
		return base;
	(void)munmap(all, size);
	return NULL;
}

static bool
make_arena(void)
{
	if (arena.base != NULL)
		return true;
	arena.base = map_arena();
	if (arena.base == NULL)
		return false;
	arena.locked = mlock(arena.base, ARENA_SIZE) == 0;
	poison(arena.base, ARENA_SIZE);
	return true;
}

/* The first of `count` free granules in a row, or GRANULES. */
static size_t
find_free(size_t count)
{
	size_t run = 0;

	for (size_t i = 0; i < GRANULES; i++) {
		run = is_taken(i) ? 0 : run + 1;
		if (run == count)
			return i + 1 - count;
	}
	return GRANULES;
}

static size_t
granules(size_t size)
{
	return (size + GRANULE - 1) / GRANULE;
}

void *
secret_alloc(size_t size)
{
	size_t first;

	if (size == 0 || size > ARENA_SIZE || !make_arena())
		return NULL;
	first = find_free(granules(size));
	if (first == GRANULES)
		return NULL;
	flip(first, granules(size));
	arena.in_use += size;
	unpoison(arena.base + first * GRANULE, size);
	return arena.base + first * GRANULE;
}

void
secret_free(void *p, size_t size)
{
	size_t first, count = granules(size);

	if (p == NULL)
		return;
	first = ((uintptr_t)p - (uintptr_t)arena.base) / GRANULE;
	if (size == 0 || size > arena.in_use || first > GRANULES - count ||
	    arena.base + first * GRANULE != p)
		abort();
	for (size_t i = first; i < first + count; i++) {
		if (!is_taken(i))
			abort();
	}
	/* Only what was given out can be dirty: the rest was never written. */
	secret_wipe(p, size);
	poison(p, count * GRANULE);
	flip(first, count);
	arena.in_use -= size;
}

void
secret_wipe(void *p, size_t size)
{
	if (size > 0)
		explicit_bzero(p, size);
}

/* The limit of locked memory, raised as far as we may: is it gone? */
static bool
lift_memlock_limit(void)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &lim) == 0)
		return true;
	if (getrlimit(RLIMIT_MEMLOCK, &lim) == -1)
		return false;
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &lim);
	return false;
}

bool
secret_lock_process(bool *arena_locked)
{
	const struct rlimit no_core = { 0, 0 };
	bool unlimited = lift_memlock_limit();
	bool all;

	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	/*
	 * Under a limit, MCL_FUTURE would let any later allocation fail; pages
	 * are locked when first touched, so as not to fill what is only mapped.
	 */
	all = unlimited &&
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
	if (make_arena() && !arena.locked)
		arena.locked = mlock(arena.base, ARENA_SIZE) == 0;
	*arena_locked = arena.base != NULL && arena.locked;
	return all;
}

size_t
secret_in_use(void)
{
	return arena.in_use;
}
