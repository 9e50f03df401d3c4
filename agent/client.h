/*
 * client.h: what all that is said to registries has in common: connections, tokens, credentials, places. Only the
 * net role links this.
 */
#ifndef AGENT_CLIENT_H
#define AGENT_CLIENT_H

#include "agent/http.h"
#include "agent/login.h"
#include "image/registries.h"

struct client_options {
	struct http_options	 http;
	struct span		 authfiles[4];	/* secret; the first with an entry counts; empty ones at the end */
	const char		*plain_http;	/* host:port names, "," between, that are spoken to without TLS */
	const struct registries	*registries;	/* NULL: every image is where its name says */
	int64_t			 timeout_ms;	/* from client_new on, for everything; 0: none */
};

struct exchange;

struct client {
	struct client_options	 opt;
	struct http		*http;
	struct keyring		 keys;
	struct exchange		*list;		/* of exchange.c */
	int64_t			 deadline;	/* sys_now_ms(); -1: none */
	char			 found[LIMIT_REFERENCE + 1];	/* the image whose manifest came… */
	size_t			 found_at;			/* … from this place */
};

/* Spans and texts must outlive it. */
int client_new(const struct client_options *, struct client **out, struct err *) must_check;
void client_free(struct client *);	/* ends all exchanges without a word; no upload may be left */

/* Is this place spoken to without TLS? */
bool client_is_plain(const struct client *, const struct registry_place *);

/* After deadline: that it is past, and before: what an earlier failure said (its code may be NONE). */
void client_too_late(const struct client *, const char *domain, const struct err *before, struct err *out);

#endif
