/*
 * fuzz_httphead.c: the lines of heads; texts end, counts stay within their limits.
 */
#include "lib/base.h"

#include "image/httphead.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const struct http_head *h)
{
	uint64_t wait;

	if (h->bytes > LIMIT_HEADER_BYTES || h->nheaders > LIMIT_HEADERS ||
	    h->challenges.len > LIMIT_HEADER_BYTES || (h->status != 0 && h->status < 100) ||
	    memchr(h->content_type, 0, sizeof(h->content_type)) == NULL ||
	    memchr(h->content_digest, 0, sizeof(h->content_digest)) == NULL ||
	    memchr(h->content_encoding, 0, sizeof(h->content_encoding)) == NULL ||
	    memchr(h->location, 0, sizeof(h->location)) == NULL ||
	    h->range_first > h->range_last)
		abort();
	if (h->has_range && h->range_total > 0 && h->range_last >= h->range_total)
		abort();
	if (http_head_wait(h, &wait) && wait > INT64_MAX)
		abort();
	for (const char *c = h->location; *c != '\0'; c++)
		if (*c == '\r' || *c == '\n')
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(http_head_fini) struct http_head h;
	struct err e;

	http_head_init(&h);
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t n = end != NULL ? (size_t)(end - data) + 1 : size;

		if (http_head_line(&h, (struct span){ data, n }, &e) < 0)
			break;
		check(&h);
		data += n;
		size -= n;
	}
	return 0;
}
