/* retry.c: see retry.h. */
#include "lib/base.h"

#include "agent/retry.h"

#include "lib/sys.h"

bool
retry_status(unsigned status)
{
	switch (status) {
	case 408:
	case 429:
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return false;
	}
}

/* A quarter more or less. Without random numbers it is the delay itself. */
static int64_t
with_jitter(int64_t ms)
{
	uint32_t r;

	if (sys_random(&r, sizeof(r)) < 0)
		return ms;
	return ms - ms / 4 + (int64_t)(r % (uint32_t)(ms / 2 + 1));
}

int64_t
retry_after(struct retry *r, uint64_t bytes, bool broken, const uint64_t *asked_s)
{
	int64_t ms = RETRY_FIRST_MS;

	r->attempts++;
	if (bytes >= r->mark + RETRY_PROGRESS)
		r->in_row = 0;
	r->mark = bytes;
	if (++r->in_row >= RETRY_TRIES)
		return -1;
	if (asked_s != NULL)
		return *asked_s <= RETRY_ASKED_MAX_S ? (int64_t)*asked_s * 1000 : -1;
	if (broken && r->in_row == 1)
		return 0;
	for (unsigned i = broken ? 2 : 1; i < r->in_row && ms < RETRY_MAX_MS; i++)
		ms *= 2;
	return with_jitter(MIN(ms, RETRY_MAX_MS));
}
