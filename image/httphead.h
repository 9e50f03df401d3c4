/*
 * httphead.h: the header lines of an answer that count, filled line by line as
 * they arrive. Source: RFC 9110, RFC 9112.
 */
#ifndef IMAGE_HTTPHEAD_H
#define IMAGE_HTTPHEAD_H

#include "lib/buf.h"
#include "lib/limits.h"

struct http_head {
	unsigned	status;			/* of the last answer; 0: none yet */
	char		content_type[128];	/* lower case, without parameters */
	char		content_digest[140];	/* Docker-Content-Digest as sent */
	char		content_encoding[32];	/* lower case */
	char		location[LIMIT_URL];
	bool		has_length;
	uint64_t	content_length;
	bool		has_range;		/* Content-Range: bytes first-last/total */
	uint64_t	range_first, range_last;
	uint64_t	range_total;		/* 0: not said; bytes * /total has this alone */
	enum { RETRY_UNSAID, RETRY_SECONDS, RETRY_DATE } retry_form;
	int64_t		retry_after;		/* Retry-After in its form */
	int64_t		date;			/* Date in seconds since 1970; 0: not said */
	struct buf	challenges;		/* WWW-Authenticate values, one a line */
	unsigned	nheaders;		/* of the last answer */
	size_t		bytes;			/* of all answers */
};
void http_head_init(struct http_head *);
void http_head_fini(struct http_head *);
/*
 * One line as received, with or without CRLF; a status line starts anew. A header that
 * counts may come twice only if it says the same. -ERR_REGISTRY, -ERR_LIMIT.
 */
int http_head_line(struct http_head *, struct span line, struct err *) must_check;

/*
 * How long the server wants to be left alone, in seconds. A date counts from the server's own Date,
 * so that no clock of ours is needed; false where it says nothing that can be used.
 */
bool http_head_wait(const struct http_head *, uint64_t *seconds);

#endif
