/*
 * test_httphead.c: header lines of answers.
 */
#include "lib/base.h"

#include "image/httphead.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

/* Feeds the lines of a head; stops at the first error. */
static int
feed_span(struct http_head *h, struct span text, struct err *err)
{
	int rc = 0;

	while (rc == 0 && text.len > 0) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t n = end != NULL ? (size_t)(end - text.p) + 1 : text.len;

		rc = http_head_line(h, (struct span){ text.p, n }, err);
		text = (struct span){ text.p + n, text.len - n };
	}
	return rc;
}

static int
feed(struct http_head *h, const char *text)
{
	http_head_fini(h);
	http_head_init(h);
	return feed_span(h, span_str(text), &e);
}

static void
test_good(void)
{
	cleanup(http_head_fini) struct http_head h;
	char name[64];

	http_head_init(&h);
	works(feed(&h, "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON ; charset=utf-8\r\n"
	    "CONTENT-LENGTH:  42 \r\ndocker-content-digest: sha256:AB\r\nX-Other: y\r\n"
	    "Content-Encoding: GZip\r\nLocation: https://b.test/X?y=Z\r\nRetry-After: 7\r\n"
	    "WWW-Authenticate: Basic realm=\"a\"\r\nwww-authenticate: Bearer realm=\"b\"\r\n"
	    "Content-Range: bytes 5-46/47\r\n\r\n"), "all that counts");
	is_int(h.status, 200, "status");
	is_str(h.content_type, "application/json", "type without parameters, lower case");
	ok(h.has_length && h.content_length == 42, "length");
	is_str(h.content_digest, "sha256:AB", "digest as sent");
	is_str(h.content_encoding, "gzip", "encoding");
	is_str(h.location, "https://b.test/X?y=Z", "location as sent");
	is_int(h.retry_after, 7, "retry");
	is_str(buf_str(&h.challenges), "Basic realm=\"a\"\nBearer realm=\"b\"\n", "challenges");
	ok(h.has_range && h.range_first == 5 && h.range_last == 46 && h.range_total == 47, "range");
	is_int(h.nheaders, 10, "headers counted");

	works(http_head_line(&h, SPAN_LIT("HTTP/2 404\r\n"), &e), "a second answer");
	ok(h.status == 404 && h.content_type[0] == '\0' && !h.has_length && h.location[0] == '\0' &&
	    h.challenges.len == 0 && h.nheaders == 0 && !h.has_range && h.retry_form == RETRY_UNSAID &&
	    h.content_digest[0] == '\0' && h.content_encoding[0] == '\0' && h.bytes > 300,
	    "starts anew, but for the bytes");
	works(http_head_line(&h, SPAN_LIT("Content-Type: text/plain"), &e), "a line without CRLF");
	is_str(h.content_type, "text/plain", "its value");
	for (size_t i = 0; i < 5; i++) {
		static const char *const lines[] = {
			"HTTP/1.0 100", "HTTP/1.1 599 x y", "HTTP/2 200 ", "HTTP/2.0 307", "HTTP/3 206",
		};

		snprintf(name, sizeof(name), "%s\r\n", lines[i]);
		works(feed(&h, name), "status line %s", lines[i]);
	}
	works(feed(&h, "HTTP/1.1 200\nContent-Length: 5\nContent-Length: 5\nLocation: a\nLocation: a\n"
	    "Content-Type: a/b\nContent-Type: A/B;x\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\n"
	    "Content-Range: bytes 0-0/*\nContent-Range: bytes 0-0/*\nX:\n"),
	    "twice the same, a date, an empty value");
	ok(h.content_length == 5 && h.retry_form == RETRY_DATE && h.range_total == 0, "what they mean");
	works(feed(&h, "HTTP/1.1 416\nContent-Range: bytes */5\n"), "a range of nothing");
	ok(!h.has_range && h.range_total == 5, "is none, but tells how much there is");
	http_head_fini(&h);
	ok(h.challenges.data == NULL, "fini twice");
}

static void
test_bad(void)
{
	static const char *const bad[] = {
		"Content-Type: a/b", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000",
		"HTTP/1.1 099", "HTTP/1.1 600", "HTTP/1.1 2x0", "HTTP/1.1  200", "HTTP/9 200",
		"HTTP/ 200", "HTTP/1.1x 200", "HTTP/1.1\t200",
		"HTTP/2 200\n folded", "HTTP/2 200\n\tfolded", "HTTP/2 200\nno colon",
		"HTTP/2 200\n: no name", "HTTP/2 200\nName : x", "HTTP/2 200\nNa(me: x",
		"HTTP/2 200\nN\x01: x", "HTTP/2 200\nX: a\x01", "HTTP/2 200\nX: a\rb",
		"HTTP/2 200\nX: a\x7f", "HTTP/2 200\nN\xc3\xa4me: x",
		"HTTP/2 200\nContent-Length: 5\nContent-Length: 6",
		"HTTP/2 200\nContent-Length: 5, 5", "HTTP/2 200\nContent-Length: -5",
		"HTTP/2 200\nContent-Length: +5", "HTTP/2 200\nContent-Length: 0x5",
		"HTTP/2 200\nContent-Length:", "HTTP/2 200\nContent-Length: 05",
		"HTTP/2 200\nContent-Length: 9223372036854775808",
		"HTTP/2 200\nContent-Type: a/b\nContent-Type: a/c",
		"HTTP/2 200\nContent-Type: a/b\nContent-Type: a",
		"HTTP/2 200\nLocation: a\nLocation: A",
		"HTTP/2 200\nDocker-Content-Digest: a\nDocker-Content-Digest: ab",
		"HTTP/2 200\nContent-Encoding: gzip\nContent-Encoding: br",
		"HTTP/2 206\nContent-Range: 5-6/7", "HTTP/2 206\nContent-Range: items 5-6/7",
		"HTTP/2 206\nContent-Range: bytes 6-5/7", "HTTP/2 206\nContent-Range: bytes 5/7",
		"HTTP/2 206\nContent-Range: bytes 5-6-7/8", "HTTP/2 206\nContent-Range: bytes -6/7",
		"HTTP/2 206\nContent-Range: bytes", "HTTP/2 206\nContent-Range: bytes ",
		"HTTP/2 206\nContent-Range: bytes 0-1/5\nContent-Range: bytes 0-2/5",
	};
	cleanup(http_head_fini) struct http_head h;

	http_head_init(&h);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(feed(&h, bad[i]), ERR_REGISTRY, "refused: %s", bad[i]);
	works(feed(&h, "HTTP/2 200"), "a head");
	fails(http_head_line(&h, SPAN_LIT("X: a\0b"), &e), ERR_REGISTRY, "a NUL in a value");
	fails(http_head_line(&h, SPAN_LIT("X\0: ab"), &e), ERR_REGISTRY, "a NUL in a name");
}

/* One header with a value of n bytes */
static int
feed_long(struct http_head *h, const char *name, size_t n)
{
	static char line[LIMIT_HEADER_BYTES + 100];
	int rc = feed(h, "HTTP/2 200\n"), at;

	at = snprintf(line, sizeof(line), "%s: ", name);
	memset(line + at, 'x', n);
	line[(size_t)at + n] = '\0';
	return rc < 0 ? rc : http_head_line(h, span_str(line), &e);
}

static void
test_limits(void)
{
	cleanup(http_head_fini) struct http_head h;
	int rc = 0;

	http_head_init(&h);
	works(feed_long(&h, "Content-Type", 127), "the longest type");
	fails(feed_long(&h, "Content-Type", 128), ERR_REGISTRY, "a longer one");
	works(feed_long(&h, "Docker-Content-Digest", 139), "the longest digest");
	fails(feed_long(&h, "Docker-Content-Digest", 140), ERR_REGISTRY, "a longer one");
	works(feed_long(&h, "Content-Encoding", 31), "the longest encoding");
	fails(feed_long(&h, "Content-Encoding", 32), ERR_REGISTRY, "a longer one");
	works(feed_long(&h, "Location", LIMIT_URL - 1), "the longest location");
	fails(feed_long(&h, "Location", LIMIT_URL), ERR_REGISTRY, "a longer one");
	works(feed_long(&h, "X", LIMIT_HEADER_BYTES - 11 - 3), "64 KiB of head");
	fails(http_head_line(&h, SPAN_LIT("\n"), &e), ERR_LIMIT, "one byte more");
	fails(feed_long(&h, "X", LIMIT_HEADER_BYTES - 11 - 2), ERR_LIMIT, "a line too much");

	works(feed(&h, "HTTP/2 200\n"), "a head");
	for (size_t i = 0; i < LIMIT_HEADERS && rc == 0; i++)
		rc = http_head_line(&h, SPAN_LIT("a: b\r\n"), &e);
	works(rc, "as many headers as may be");
	fails(http_head_line(&h, SPAN_LIT("a: b\r\n"), &e), ERR_LIMIT, "one more");

	works(feed(&h, "HTTP/1.1 200\n"), "a head");
	for (rc = 0; rc == 0; )		/* must end: answers are counted together */
		rc = http_head_line(&h, SPAN_LIT("HTTP/1.1 100 Continue\r\n"), &e);
	is_int(rc, -ERR_LIMIT, "answers without end");
}

#define HEAD_TEXT "HTTP/1.1 401 No\r\nContent-Type: a/b;c\r\nContent-Length: 42\r\n" \
	"WWW-Authenticate: Basic realm=\"a\"\r\nContent-Range: bytes 5-46/47\r\n\r\n"

static void
feed_mutant(struct span text, void *arg)
{
	cleanup(http_head_fini) struct http_head h;
	struct err ignored;

	(void)arg;
	http_head_init(&h);
	if (feed_span(&h, text, &ignored) == 0)
		assert(h.status == 0 || (h.status >= 100 && h.status <= 599));
}

static int
feed_once(void *arg, struct err *err)
{
	cleanup(http_head_fini) struct http_head h;

	(void)arg;
	http_head_init(&h);
	return feed_span(&h, SPAN_LIT(HEAD_TEXT), err);
}

static void
test_wait(void)
{
	static const struct {
		const char	*lines;
		int64_t		 want;		/* -1: nothing that can be used */
	} cases[] = {
		{ "", -1 }, { "Retry-After: 0\n", 0 }, { "Retry-After: 120\n", 120 },
		{ "Retry-After: 4294967295\n", 4294967295 }, { "Retry-After: 4294967296\n", -1 },
		{ "Retry-After: -1\n", -1 }, { "Retry-After: 1.5\n", -1 }, { "Retry-After:\n", -1 },
		{ "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\n", 60 },
		{ "Retry-After: Tue, 01 Mar 2016 00:00:00 GMT\nDate: Sun, 28 Feb 2016 23:59:59 GMT\n", 86401 },
		{ "Retry-After: Wed, 01 Mar 2017 00:00:00 GMT\nDate: Tue, 28 Feb 2017 23:59:59 GMT\n", 1 },
		{ "Retry-After: Mon, 01 Mar 2100 00:00:00 GMT\nDate: Sun, 28 Feb 2100 23:59:59 GMT\n", 1 },
		{ "Retry-After: Fri, 01 Jan 1999 00:00:00 GMT\nDate: Thu, 31 Dec 1998 23:59:60 GMT\n", 0 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 08:49:30 GMT\n", 0 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 32 Nov 1994 08:49:30 GMT\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nvm 1994 08:49:30 GMT\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1969 08:49:30 GMT\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 24:49:30 GMT\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 08:60:30 GMT\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 08:50:61 GMT\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 08:50:37\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 08:5x:37 GMT\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Su\n", -1 },
		{ "Date: Sunday, 06-Nov-94 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\n", -1 },
	};
	cleanup(http_head_fini) struct http_head h;

	http_head_init(&h);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t wait = 7;
		char text[200];
		bool said;

		snprintf(text, sizeof(text), "HTTP/1.1 503\n%s", cases[i].lines);
		works(feed(&h, text), "%s", cases[i].lines);
		said = http_head_wait(&h, &wait);
		ok(said == (cases[i].want >= 0) && (!said || wait == (uint64_t)cases[i].want),
		    "to be left alone for %" PRIu64, wait);
	}
	works(feed(&h, "HTTP/1.1 200\nDate: Thu, 29 Feb 2024 12:34:56 GMT\n"), "a date");
	ok(h.date == 1709210096, "in seconds since 1970: %" PRId64, h.date);
}

static void
test_range(void)
{
	static const char *const bad[] = {
		"bytes 0-4/4", "bytes 5-4/9", "bytes 0-4/", "bytes 0-4", "bytes 0-4/x", "bytes 0-4/0",
		"bytes */x", "bytes -/5", "lines 0-4/5", "bytes 0-9223372036854775808/*", "bytes 0-4/5/6",
	};
	cleanup(http_head_fini) struct http_head h;
	char text[100];

	http_head_init(&h);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), "HTTP/1.1 206\nContent-Range: %s\n", bad[i]);
		fails(feed(&h, text), ERR_REGISTRY, "%s", bad[i]);
	}
	fails(feed(&h, "HTTP/1.1 206\nContent-Range: bytes 0-4/5\nContent-Range: bytes 0-4/6\n"), ERR_REGISTRY,
	    "two totals");
	fails(feed(&h, "HTTP/1.1 206\nContent-Range: bytes 0-4/5\nContent-Range: bytes */5\n"), ERR_REGISTRY,
	    "a range and none");
	fails(feed(&h, "HTTP/1.1 206\nContent-Range: bytes */3\nContent-Range: bytes 0-4/5\n"), ERR_REGISTRY,
	    "none and a range");
	fails(feed(&h, "HTTP/1.1 416\nContent-Range: bytes */3\nContent-Range: bytes */5\n"), ERR_REGISTRY,
	    "two totals without a range");
	works(feed(&h, "HTTP/1.1 206\nContent-Range: bytes 0-4/*\n"), "a total not known");
	ok(h.has_range && h.range_last == 4 && h.range_total == 0, "is not");
}

int
main(void)
{
	test_good();
	test_bad();
	test_limits();
	ok(mutate(SPAN_LIT(HEAD_TEXT), 200, feed_mutant, NULL) > 1000, "mutants");
	ok(fault_each(FAULT_ALLOC, 0, false, feed_once, NULL) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	test_wait();
	test_range();
	return tap_done();
}
