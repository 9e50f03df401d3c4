/*
 * retry.h: whether, and when, to try again. Pure but for the jitter: many guests that start at
 * once shall not come back at once.
 */
#ifndef AGENT_RETRY_H
#define AGENT_RETRY_H

#include "lib/base.h"

#define RETRY_TRIES		5		/* in a row without progress */
#define RETRY_PROGRESS		(1 << 20)	/* bytes that count as progress */
#define RETRY_FIRST_MS		1000		/* then twice as long each time */
#define RETRY_MAX_MS		30000
#define RETRY_ASKED_MAX_S	300		/* who wants to be left alone for longer is left alone */

struct retry {
	unsigned	attempts;	/* that failed, in all */
	unsigned	in_row;		/* without progress */
	uint64_t	mark;		/* bytes at the last failure */
};

/* Answers that may be others a little later. */
bool retry_status(unsigned status);

/*
 * Notes that an attempt failed with so many bytes received in all. Milliseconds until the next one, or -1: no
 * more. broken: a connection was lost, so the first attempt after progress comes at once. asked:
 * what the server asked for (NULL: nothing).
 */
int64_t retry_after(struct retry *, uint64_t bytes, bool broken, const uint64_t *asked_s);

#endif
