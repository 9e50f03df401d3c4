/*
 * exchange.h: one GET from a registry, however many requests it takes: challenge, token, redirects, further
 * attempts, other places. The body goes to a descriptor as it arrives, each byte once.
 * image/registry.h knows what answers mean. Only the net role links this.
 */
#ifndef AGENT_EXCHANGE_H
#define AGENT_EXCHANGE_H

#include "agent/client.h"
#include "agent/roles.h"
#include "image/registry.h"

#define EXCHANGE_SIZE_UNKNOWN	UINT64_MAX
#define EXCHANGE_WANTED		2560	/* URLs of signatures: lookaside.c has the limits of their parts */

struct exchange_events {
	/* The good answer's header, before the first body byte. */
	void	(*head)(void *arg, uint32_t id, const struct http_head *);
	/* Body bytes written so far, at most ten times a second. */
	void	(*progress)(void *arg, uint32_t id, uint64_t bytes);
	/* The end; failed NULL: all of the body was written. The exchange is gone after it. */
	void	(*done)(void *arg, uint32_t id, const struct err *failed);
	void	*arg;
};

struct exchange_request {
	uint32_t		id;
	struct image_ref	ref;
	enum get_what		what;
	char			wanted[EXCHANGE_WANTED];	/* tag, digest text or URL */
	uint64_t		max;	/* body bytes; one more ends it with LIMIT */
	uint64_t		size;	/* what the body should have, or EXCHANGE_SIZE_UNKNOWN: less is asked for again */
	int			fd;	/* where the body goes; taken over in any case */
};
/* events must outlive it. Errors of a start that cannot be are reported by events->done, too. */
void exchange_start(struct client *, const struct exchange_request *, const struct exchange_events *);
void exchange_end_all(struct client *);	/* without a word */

#endif
