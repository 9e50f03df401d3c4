/*
 * test_stream.c: reading, the end, failures that stay, and who is asked first
 * when several stages have something to say.
 */
#include "lib/base.h"
#include "lib/stream.h"

#include <fcntl.h>

#include "lib/codec.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;

/* The digest of "abc". */
static const char abc_hex[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static uint8_t abc_digest[32];

/*
 * A stage that passes bytes on, ends or fails after so many, and writes down
 * what it is asked.
 */
struct probe {
	char		 letter;
	size_t		 end_after, fail_after;	/* SIZE_MAX: never */
	size_t		 greedy;		/* claims so many more bytes than asked for */
	int		 verdict;		/* of finish */
	size_t		 passed;
	unsigned	 calls_after_end;
};

static char trace[256];

static void
note(char what, char letter)
{
	size_t n = strlen(trace);

	snprintf(trace + n, sizeof(trace) - n, "%c%c ", what, letter);
}

static ssize_t
probe_read(struct stream *s, void *p, size_t n, struct err *err)
{
	struct probe *pr = s->state;
	ssize_t got;

	if (s->ended || s->failed != ERR_NONE)
		pr->calls_after_end++;
	if (pr->greedy > 0)
		return (ssize_t)(n + pr->greedy);
	if (pr->passed >= pr->fail_after)
		return err_set(err, ERR_LAYER, "probe %c failed", pr->letter);
	n = MIN(n, pr->end_after - pr->passed);
	if (n == 0)
		return 0;
	got = stream_read(s->from, p, n, err);
	if (got > 0)
		pr->passed += (size_t)got;
	return got;
}

static int
probe_finish(struct stream *s, struct err *err)
{
	struct probe *pr = s->state;

	note('f', pr->letter);
	return pr->verdict == 0 ? 0 : err_set(err, (enum err_code)pr->verdict, "verdict of %c", pr->letter);
}

static void
probe_close(struct stream *s)
{
	note('c', ((struct probe *)s->state)->letter);
}

static const struct stream_ops probe_ops = {
	.name	= "probe",
	.read	= probe_read,
	.finish	= probe_finish,
	.close	= probe_close,
};

static struct stream
probe(struct probe *pr, struct stream *from)
{
	return (struct stream){ .ops = &probe_ops, .from = from, .state = pr };
}

#define PROBE(c)	{ .letter = (c), .end_after = SIZE_MAX, .fail_after = SIZE_MAX }

/* A read that is to fail; `fails` takes an int. */
static int
fail_read(struct stream *s, void *p, size_t n)
{
	return (int)stream_read(s, p, n, &e);
}

static void
test_sources(void)
{
	char got[16] = "", path[] = "/tmp/test_stream.XXXXXX";
	struct stream s, bad;
	int fd = mkstemp(path);

	assert(fd >= 0 && unlink(path) == 0 && write(fd, "abcdef", 6) == 6 && lseek(fd, 0, SEEK_SET) == 0);
	works(stream_fd(&s, fd, "blob", &e), "descriptor");
	is_int(stream_read(&s, got, 4, &e), 4, "four bytes");
	is_int(stream_read(&s, got, sizeof(got), &e), 2, "two are left");
	ok(memcmp(got, "ef", 2) == 0, "the right ones");
	is_int(stream_read(&s, got, 1, &e), 0, "the end");
	is_int(stream_read(&s, got, 1, &e), 0, "the end again");
	works(stream_finish(&s, &e), "nothing to say");
	stream_close(&s);
	ok(fcntl(fd, F_GETFD) >= 0, "the descriptor stays the caller's");
	close(fd);
	works(stream_fd(&bad, -1, "blob", &e), "bad descriptor");
	fails(fail_read(&bad, got, 1), ERR_SYS, "cannot be read");
	ok(strstr(e.msg, "blob: read") == e.msg, "it is named: %s", e.msg);
	fails(fail_read(&bad, got, 1), ERR_SYS, "the failure stays");
	is_str(e.msg, "file: failed before", "and says so");
	fails(stream_finish(&bad, &e), ERR_SYS, "no good end");
	stream_close(&bad);
	works(stream_span(&s, SPAN_LIT("abcdef"), &e), "bytes");
	is_int(stream_read_full(&s, got, 4, &e), 4, "four bytes");
	is_int(stream_read_full(&s, got, 4, &e), 2, "two are left");
	is_int(stream_read_full(&s, got, 4, &e), 0, "the end");
	stream_close(&s);
	stream_close(&s);
	ok(s.ops == NULL, "closed twice");
	works(stream_span(&s, (struct span){ NULL, 0 }, &e), "no bytes");
	is_int(stream_read(&s, got, 1, &e), 0, "the end at once");
	stream_close(&s);
}

static void
test_read_rules(void)
{
	struct probe a = PROBE('a'), g = PROBE('g');
	struct stream src, s, greedy;
	char got[16];

	g.greedy = 1;
	a.fail_after = 2;
	works(stream_span(&src, SPAN_LIT("abcdef"), &e), "bytes");
	s = probe(&a, &src);
	fails(fail_read(&s, got, 0), ERR_BUG, "asking for nothing would look like the end");
	fails(fail_read(&s, got, SIZE_MAX), ERR_BUG, "asking for too much");
	is_int(stream_read(&s, got, 2, &e), 2, "two bytes");
	fails(fail_read(&s, got, 2), ERR_LAYER, "failure");
	fails(fail_read(&s, got, 2), ERR_LAYER, "the same code again");
	fails((int)stream_read_full(&s, got, 2, &e), ERR_LAYER, "and here");
	is_int(a.calls_after_end, 0, "the stage was not asked again");
	greedy = probe(&g, &src);
	fails(fail_read(&greedy, got, 4), ERR_BUG, "more than asked for");
	stream_close(&src);
}

/* A chain of source, a, b, c. */
struct chain {
	struct stream	src, s[3];
	struct probe	p[3];
};

static struct stream *
chain(struct chain *c)
{
	*c = (struct chain){ .p = { PROBE('a'), PROBE('b'), PROBE('c') } };
	works(stream_span(&c->src, SPAN_LIT("0123456789"), &e), "source");
	for (size_t i = 0; i < 3; i++)
		c->s[i] = probe(&c->p[i], i == 0 ? &c->src : &c->s[i - 1]);
	trace[0] = '\0';
	return &c->s[2];
}

static void
test_finish(void)
{
	struct stream *top;
	struct chain c;
	char got[4];

	top = chain(&c);
	works(stream_finish(top, &e), "finish");
	is_str(trace, "fa fb fc ", "from the source up");
	is_int(c.p[2].passed, 10, "the top was drained");
	stream_close(top);
	is_str(trace, "fa fb fc cc cb ca ", "closed from the top down");

	top = chain(&c);
	c.p[2].end_after = 2;
	c.p[1].end_after = 5;
	is_int(stream_read(top, got, sizeof(got), &e), 2, "two bytes");
	is_int(stream_read(top, got, sizeof(got), &e), 0, "the top has ended");
	works(stream_finish(top, &e), "finish");
	is_int(c.p[1].passed, 5, "the middle was drained to its own end");
	is_int(c.p[0].passed, 10, "the lowest saw all bytes");
	is_int(c.p[0].calls_after_end + c.p[1].calls_after_end + c.p[2].calls_after_end, 0,
	    "nobody was asked behind its end");
	stream_close(top);

	top = chain(&c);
	c.p[0].verdict = ERR_DIGEST;
	c.p[1].verdict = ERR_MAC;
	fails(stream_finish(top, &e), ERR_DIGEST, "the lowest verdict counts");
	is_str(trace, "fa ", "and nobody else is asked");
	stream_close(top);

	top = chain(&c);
	c.p[1].verdict = ERR_MAC;
	c.p[2].verdict = ERR_DIGEST;
	fails(stream_finish(top, &e), ERR_MAC, "then the next");
	stream_close(top);
}

static void
test_finish_failed(void)
{
	struct stream *top;
	struct chain c;
	char got[4];

	top = chain(&c);
	c.p[2].fail_after = 2;
	c.p[0].verdict = ERR_DIGEST;
	fails(stream_finish(top, &e), ERR_DIGEST, "a wrong digest explains a failure above it");
	is_int(c.p[0].passed, 10, "all bytes came by");
	stream_close(top);

	top = chain(&c);
	c.p[1].fail_after = 0;
	c.p[2].verdict = ERR_DIGEST;
	fails(stream_finish(top, &e), ERR_LAYER, "a failure while draining counts");
	is_str(e.msg, "probe b failed", "by its first words");
	is_str(trace, "fa ", "at its place: below it was asked, above was not");
	stream_close(top);

	top = chain(&c);
	c.p[0].fail_after = 0;
	fails(stream_finish(top, &e), ERR_LAYER, "failure at the bottom");
	is_str(e.msg, "probe a failed", "by its first words");
	is_str(trace, "", "nobody above was asked");
	stream_close(top);

	top = chain(&c);
	c.p[2].fail_after = 0;
	fails(fail_read(top, got, sizeof(got)), ERR_LAYER, "failure before");
	fails(stream_finish(top, &e), ERR_LAYER, "finish cannot succeed after it");
	is_str(trace, "fa fb ", "those below were asked");
	stream_close(top);
}

static void
test_too_long(void)
{
	struct stream s[20];
	struct probe p[20];

	works(stream_span(&s[0], SPAN_LIT("x"), &e), "source");
	for (size_t i = 1; i < ARRAY_LEN(s); i++) {
		p[i] = (struct probe)PROBE('x');
		s[i] = probe(&p[i], &s[i - 1]);
	}
	works(stream_finish(&s[15], &e), "sixteen stages");
	fails(stream_finish(&s[16], &e), ERR_BUG, "seventeen");
	stream_close(&s[19]);
}

/* Passes text through a digest stage; what stream_finish says. */
static int
digest(const char *text, const uint8_t *expected, uint64_t size, struct err *err)
{
	struct stream src, s;
	int rc;

	if ((rc = stream_span(&src, span_str(text), err)) < 0)
		return rc;
	rc = stream_digest(&s, &src, HASH_SHA256, expected, size, "blob", err);
	if (rc < 0) {
		stream_close(&src);
		return rc;
	}
	rc = stream_finish(&s, err);
	if (rc == 0)
		ok(memcmp(stream_digest_value(&s), abc_digest, 32) == 0 &&
		    stream_digest_count(&s) == strlen(text), "value and count");
	stream_close(&s);
	return rc;
}

static void
test_digest(void)
{
	struct stream src, s;
	char got[8];

	works(digest("abc", abc_digest, 3, &e), "digest and size");
	works(digest("abc", abc_digest, UINT64_MAX, &e), "digest alone");
	works(digest("abc", NULL, UINT64_MAX, &e), "only computed");
	works(digest("abc", NULL, 3, &e), "size alone");
	fails(digest("abd", abc_digest, 3, &e), ERR_DIGEST, "other bytes");
	ok(strstr(e.msg, abc_hex) != NULL && strstr(e.msg, "blob: expected sha256:") == e.msg &&
	    strstr(e.msg, "got a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9") != NULL,
	    "both are shown: %s", e.msg);
	fails(digest("ab", abc_digest, 3, &e), ERR_DIGEST, "too short");
	is_str(e.msg, "blob: 2 bytes, expected 3", "which counts before the digest");
	fails(digest("abcd", abc_digest, 3, &e), ERR_DIGEST, "too long");
	fails(digest("", abc_digest, UINT64_MAX, &e), ERR_DIGEST, "empty");
	fails(digest("x", NULL, 0, &e), ERR_DIGEST, "size 0");

	works(stream_span(&src, SPAN_LIT("abcd"), &e), "source");
	works(stream_digest(&s, &src, HASH_SHA512, NULL, 3, "blob", &e), "stage");
	is_int(stream_read(&s, got, 3, &e), 3, "three bytes of three");
	fails(fail_read(&s, got, 1), ERR_DIGEST, "the fourth fails at once");
	ok(strstr(e.msg, "more than the 3 bytes") != NULL, "not first at the end: %s", e.msg);
	stream_close(&s);

	works(stream_fd(&src, -1, "file", &e), "bad source");
	works(stream_digest(&s, &src, HASH_SHA256, NULL, 3, "blob", &e), "stage");
	fails(fail_read(&s, got, 1), ERR_SYS, "its failure comes through");
	stream_close(&s);
}

static int
run_digest(maybe_unused void *arg, struct err *err)
{
	return digest("abc", abc_digest, 3, err);
}

static int
run_file(maybe_unused void *arg, struct err *err)
{
	char got[8192];
	struct stream s;
	ssize_t n;
	int fd = open("LICENSE", O_RDONLY | O_CLOEXEC), rc;

	assert(fd >= 0);
	if ((rc = stream_fd(&s, fd, "file", err)) == 0) {
		n = stream_read_full(&s, got, sizeof(got), err);
		rc = n < 0 ? (int)n : stream_finish(&s, err);
		stream_close(&s);
	}
	close(fd);
	return rc;
}

int
main(void)
{
	assert(hex_decode(span_str(abc_hex), abc_digest, 32));
	works(crypto_init(&e), "crypto");
	test_sources();
	test_read_rules();
	test_finish();
	test_finish_failed();
	test_too_long();
	test_digest();
	ok(fault_each(FAULT_ALLOC, 0, false, run_digest, NULL) > 2, "every allocation fails once");
	ok(fault_each(FAULT_IO, EIO, false, run_file, NULL) > 1, "every read fails once");
	is_int(fault_each(FAULT_SHORT, 0, true, run_file, NULL), 0, "short reads");
	is_int(fault_live_bytes(), 0, "nothing leaks");
	return tap_done();
}
