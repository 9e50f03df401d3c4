/*
 * token.h: what has opened a repository, kept for the next request, so that the exchanges of a
 * pull need not be challenged one by one. Nothing here is used for another repository.
 */
#ifndef AGENT_TOKEN_H
#define AGENT_TOKEN_H

#include "image/reference.h"
#include "lib/buf.h"

#define TOKENS_MAX	16	/* when there are more, the one that ends first makes room */

struct tokens {
	struct token {
		struct buf	repository;	/* "host/path" */
		struct buf	url;		/* where it came from: realm, service, scope; "" for others */
		struct buf	value;		/* secret: of Authorization; "" in a free slot */
		int64_t		ends;		/* sys_now_ms() */
	} list[TOKENS_MAX];
};

/* The value for a repository that ends last; with url only one from there. NULL when none is good now. */
const struct buf *tokens_find(const struct tokens *, const struct image_ref *, const char *url);
/* Good for so many seconds. */
int tokens_keep(struct tokens *, const struct image_ref *, const char *url, const struct buf *value,
    uint64_t seconds, struct err *) must_check;
/* A value that was refused. */
void tokens_forget(struct tokens *, const struct buf *value);
void tokens_free(struct tokens *);

#endif
