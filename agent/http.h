/*
 * http.h: libcurl on a loop. A transfer is one request and its answer; redirects, challenges and
 * further attempts are its caller's. Only the net role links this.
 */
#ifndef AGENT_HTTP_H
#define AGENT_HTTP_H

#include <curl/curl.h>

#include "image/httphead.h"
#include "lib/loop.h"

struct http;

struct http_options {
	struct loop	*loop;
	struct span	 ca;		/* PEM text; empty: no TLS server is trusted */
	/* URLs of proxies, secret for what may be in them, and who is asked without; "" or NULL for none. */
	const char	*http_proxy, *https_proxy, *no_proxy;
	long		 low_speed_s;	/* for so long below 1 KiB/s: given up; 0: a minute; four times if patient */
};
/* Spans and texts must outlive it. */
int http_new(const struct http_options *, struct http **out, struct err *) must_check;
void http_free(struct http *);	/* after the last transfer was dropped */

struct transfer_request {
	const char		*url;
	bool			 plain;		/* http will do */
	const char		*accept;	/* NULL: anything */
	const struct buf	*authorization;	/* secret; NULL or empty: none */
	const struct buf	*form;		/* secret; NULL: GET, else POST of it */
	const char		*method;	/* another one than these; NULL: none. It is spoken in HTTP/1.1 */
	const char		*content_type;	/* of what is sent with it; NULL: nothing is sent */
	bool			 streamed;	/* t->source gives what is sent; else it is empty */
	uint64_t		 size;		/* of what t->source gives; UINT64_MAX: not known */
	bool			 patient;	/* the server may have much to do before it answers */
	uint64_t		 from;		/* asks for the body from here on */
	bool			 fresh;		/* over a connection that nothing else was said on */
};

/* What a body callback may return besides the number of all bytes given, and source besides that of bytes it gives. */
enum {
	TRANSFER_FAILED = -1,	/* t->err says why */
	TRANSFER_ENOUGH = -2,	/* the rest is not waited for; counts as a whole answer */
	TRANSFER_PAUSE = -3,	/* all was taken; but for what libcurl holds already, no more until transfer_resume;
				 * of source: nothing is there yet, ask after transfer_resume */
};

struct transfer {
	struct http		*http;
	CURL			*easy;		/* NULL: none under way */
	struct curl_slist	*headers;
	struct buf		 url;
	struct http_head	 head;
	bool			 plain, head_done, in_body, enough, paused;
	struct err		 err;		/* found in a callback */
	char			 detail[CURL_ERROR_SIZE];
	ssize_t			(*body)(void *arg, const uint8_t *, size_t);
	ssize_t			(*source)(void *arg, uint8_t *, size_t);	/* 0 at the end; NULL: nothing is sent */
	/* The end; failed NULL: a whole answer. The transfer may be dropped or started again. */
	void			(*ended)(void *arg, const struct err *failed);
	void			*arg;
};
void transfer_init(struct transfer *, struct http *);
/* Drops what was before. Callbacks and arg stand in t. What the request points to is not needed after it. */
int transfer_start(struct transfer *, const struct transfer_request *, struct err *) must_check;
void transfer_resume(struct transfer *);	/* one that was paused; may call body and ended */
void transfer_drop(struct transfer *);

#endif
