/*
 * exchange.h: one GET from a registry, however many requests it takes: challenge, token,
 * redirects. The body goes to a descriptor as it arrives. libcurl does HTTP and TLS, lib/loop
 * waits, image/registry.h knows what answers mean. Only the net role links this.
 */
#ifndef AGENT_EXCHANGE_H
#define AGENT_EXCHANGE_H

#include "image/registry.h"
#include "lib/loop.h"

struct http;		/* curl multi handle bound to a loop, and what all exchanges share */

struct http_options {
	struct loop	*loop;
	struct span	 ca;		/* PEM text; empty: no TLS server is trusted */
	struct span	 authfile;	/* secret; empty: anonymous */
	const char	*plain_http;	/* host:port names, "," between, that are spoken to without TLS */
};
/* Spans and text must outlive it. */
int http_new(const struct http_options *, struct http **out, struct err *) must_check;
void http_free(struct http *);	/* ends all exchanges without a word */

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
	bool			blob;	/* else manifest */
	char			wanted[160];	/* tag or digest text */
	uint64_t		max;	/* body bytes; one more ends it with LIMIT */
	int			fd;	/* where the body goes; taken over in any case */
};
/* events must outlive it. Errors of a start that cannot be are reported by events->done, too. */
void exchange_start(struct http *, const struct exchange_request *, const struct exchange_events *);

#endif
