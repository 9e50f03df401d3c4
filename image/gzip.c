/*
 * gzip.c: the gzip stage: member headers are read here, the deflate data and the
 * trailer behind it by ISA-L, or by zlib where that is not built in. Nothing may
 * follow the last member but NULs, and no member may be cut.
 */
#include "lib/base.h"

#include "image/gzip.h"

#include "lib/sys.h"

/* The build may say 0; without a word ISA-L is taken where it can be. */
#ifndef HAVE_ISAL
#if defined(__x86_64__) && __has_include(<isa-l/igzip_lib.h>)
#define HAVE_ISAL 1
#else
#define HAVE_ISAL 0
#endif
#endif

#if HAVE_ISAL
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif

enum { INPUT = 128 << 10 };

/* Where in the stream we are. */
enum place { AT_MEMBER, IN_MEMBER, BEHIND };

struct gzip {
	enum place	place;
	bool		any;		/* a member was complete */
	size_t		pos, len;	/* what of input is not yet used */
#if HAVE_ISAL
	struct inflate_state engine;
#else
	z_stream	engine;
	bool		engine_set;
#endif
	uint8_t		input[INPUT];
};

/*
 * The engines. start: a member's deflate data begins; run: from input to out, 1 when the member is
 * complete and its CRC and length are right, 0 when it goes on, -1 when it is bad.
 */
#if HAVE_ISAL

static int
engine_start(struct gzip *g, maybe_unused struct err *e)
{
	isal_inflate_init(&g->engine);
	g->engine.crc_flag = ISAL_GZIP_NO_HDR_VER;
	return 0;
}

static int
engine_run(struct gzip *g, uint8_t *out, size_t n, size_t *made)
{
	struct inflate_state *s = &g->engine;
	int rc;

	s->next_in = g->input + g->pos;
	s->avail_in = (uint32_t)(g->len - g->pos);
	s->next_out = out;
	s->avail_out = (uint32_t)n;
	rc = isal_inflate(s);
	g->pos = g->len - s->avail_in;
	*made = n - s->avail_out;
	if (rc != ISAL_DECOMP_OK)
		return -1;
	return s->block_state == ISAL_BLOCK_FINISH;
}

static void
engine_free(maybe_unused struct gzip *g)
{
}

#else

static void *
engine_alloc(maybe_unused void *arg, unsigned n, unsigned size)
{
	size_t total;

	return __builtin_mul_overflow((size_t)n, (size_t)size, &total) ? NULL : sys_alloc(total);
}

static void
engine_release(maybe_unused void *arg, void *p)
{
	sys_free(p);
}

/* zlib checks trailers only when it has seen a header: it gets a plain one. */
static int
engine_start(struct gzip *g, struct err *e)
{
	uint8_t header[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff }, nothing;
	z_stream *s = &g->engine;

	s->zalloc = engine_alloc;
	s->zfree = engine_release;
	if ((g->engine_set ? inflateReset(s) : inflateInit2(s, 15 + 16)) != Z_OK)
		return err_set(e, ERR_NOMEM, "gzip: out of memory");
	g->engine_set = true;
	s->next_in = header;
	s->avail_in = sizeof(header);
	s->next_out = &nothing;
	s->avail_out = 1;
	return inflate(s, Z_NO_FLUSH) == Z_OK && s->avail_in == 0 ? 0 :
	    err_set(e, ERR_BUG, "gzip: zlib does not take a header");
}

static int
engine_run(struct gzip *g, uint8_t *out, size_t n, size_t *made)
{
	z_stream *s = &g->engine;
	int rc;

	s->next_in = g->input + g->pos;
	s->avail_in = (unsigned)(g->len - g->pos);
	s->next_out = out;
	s->avail_out = (unsigned)n;
	rc = inflate(s, Z_NO_FLUSH);
	g->pos = g->len - s->avail_in;
	*made = n - s->avail_out;
	if (rc == Z_STREAM_END)
		return 1;
	/* BUF_ERROR only says that more input is needed. */
	return rc == Z_OK || rc == Z_BUF_ERROR ? 0 : -1;
}

static void
engine_free(struct gzip *g)
{
	if (g->engine_set)
		(void)inflateEnd(&g->engine);
}

#endif

static int
bad(struct err *e, const char *why)
{
	return err_set(e, ERR_LAYER, "gzip: %s", why);
}

/* 1 when at least one byte is there, 0 at the end. */
static int
refill(struct gzip *g, struct stream *from, struct err *e)
{
	ssize_t got;

	if (g->pos < g->len)
		return 1;
	got = stream_read(from, g->input, INPUT, e);
	if (got < 0)
		return (int)got;
	g->pos = 0;
	g->len = (size_t)got;
	return got > 0;
}

/*
 * Member header (RFC 1952, 2.3), byte by byte: it may be cut by any buffer's end.
 */

static int
next_byte(struct gzip *g, struct stream *from, uint8_t *out, struct err *e)
{
	int rc = refill(g, from, e);

	if (rc <= 0)
		return rc < 0 ? rc : bad(e, "cut inside a header");
	*out = g->input[g->pos++];
	return 0;
}

/* CRC-32 of the header, for FHCRC; bit by bit, since headers are short. */
static void
add_crc(uint32_t *crc, uint8_t byte)
{
	*crc ^= byte;
	for (unsigned i = 0; i < 8; i++)
		*crc = *crc >> 1 ^ (*crc & 1 ? 0xedb88320 : 0);
}

struct header {
	struct gzip	*g;
	struct stream	*from;
	uint32_t	 crc;
};

static int
take(struct header *h, uint8_t *out, struct err *e)
{
	int rc = next_byte(h->g, h->from, out, e);

	if (rc == 0)
		add_crc(&h->crc, *out);
	return rc;
}

static int
skip_text(struct header *h, struct err *e)
{
	uint8_t byte = 1;
	int rc = 0;

	/* A name or comment; no sane one is longer. */
	for (unsigned i = 0; byte != 0 && rc == 0; i++) {
		if (i > 65535)
			return bad(e, "name or comment without an end");
		rc = take(h, &byte, e);
	}
	return rc;
}

static int
skip_extra(struct header *h, struct err *e)
{
	uint8_t low = 0, high = 0, ignored;
	int rc;

	if ((rc = take(h, &low, e)) < 0 || (rc = take(h, &high, e)) < 0)
		return rc;
	for (unsigned left = low | (unsigned)high << 8; left > 0 && rc == 0; left--)
		rc = take(h, &ignored, e);
	return rc;
}

static int
check_header_crc(struct header *h, struct err *e)
{
	uint16_t want = (uint16_t)~h->crc;
	uint8_t low = 0, high = 0;
	int rc;

	if ((rc = take(h, &low, e)) < 0 || (rc = take(h, &high, e)) < 0)
		return rc;
	return want == (low | high << 8) ? 0 : bad(e, "wrong header CRC");
}

static int
read_header(struct gzip *g, struct stream *from, struct err *e)
{
	enum { FHCRC = 2, FEXTRA = 4, FNAME = 8, FCOMMENT = 16, RESERVED = 0xe0 };
	struct header h = { .g = g, .from = from, .crc = UINT32_MAX };
	uint8_t fixed[10] = { 0 }, flags;
	int rc;

	for (size_t i = 0; i < sizeof(fixed); i++)
		if ((rc = take(&h, &fixed[i], e)) < 0)
			return rc;
	flags = fixed[3];
	if (fixed[0] != 0x1f || fixed[1] != 0x8b)
		return bad(e, g->any ? "something follows the data" : "not gzip data");
	if (fixed[2] != 8 || flags & RESERVED)
		return bad(e, "unknown method or flags");
	if ((flags & FEXTRA && (rc = skip_extra(&h, e)) < 0) ||
	    (flags & FNAME && (rc = skip_text(&h, e)) < 0) ||
	    (flags & FCOMMENT && (rc = skip_text(&h, e)) < 0) ||
	    (flags & FHCRC && (rc = check_header_crc(&h, e)) < 0))
		return rc;
	return engine_start(g, e);
}

/* Behind a member: another one, or NULs to the end. 1 when there is another one. */
static int
find_member(struct gzip *g, struct stream *from, struct err *e)
{
	int rc = refill(g, from, e);

	if (rc <= 0)
		return rc;
	if (g->any && g->input[g->pos] == 0) {
		while ((rc = refill(g, from, e)) > 0)
			if (g->input[g->pos++] != 0)
				return bad(e, "something follows the padding");
		return rc;
	}
	rc = read_header(g, from, e);
	return rc < 0 ? rc : 1;
}

/* Until the engine gives something, or the member ends. */
static ssize_t
inflate_some(struct gzip *g, struct stream *from, uint8_t *out, size_t n, struct err *e)
{
	for (;;) {
		size_t before = g->len - g->pos, made = 0;
		int rc = engine_run(g, out, n, &made);

		if (rc < 0)
			return bad(e, "damaged data");
		if (rc == 1) {
			g->place = AT_MEMBER;
			g->any = true;
		}
		if (rc == 1 || made > 0)
			return (ssize_t)made;
		if (g->pos < g->len && before == g->len - g->pos)
			return bad(e, "damaged data");	/* no way on: never for ever */
		if ((rc = refill(g, from, e)) < 0)
			return rc;
		if (rc == 0)
			return bad(e, "cut inside the data");
	}
}

static ssize_t
gzip_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct gzip *g = s->state;
	ssize_t got = 0;
	int rc;

	n = MIN(n, (size_t)INT32_MAX);
	while (got == 0 && g->place != BEHIND) {
		if (g->place == IN_MEMBER) {
			got = inflate_some(g, s->from, p, n, e);
			continue;
		}
		if ((rc = find_member(g, s->from, e)) < 0)
			return rc;
		if (rc == 0 && !g->any)
			return bad(e, "no data at all");
		g->place = rc == 0 ? BEHIND : IN_MEMBER;
	}
	return got;
}

static void
gzip_close(struct stream *s)
{
	struct gzip *g = s->state;

	engine_free(g);
	sys_free(g);
}

static const struct stream_ops gzip_ops = {
	.name	= "gzip",
	.read	= gzip_read,
	.close	= gzip_close,
};

int
stream_gzip(struct stream *s, struct stream *from, struct err *e)
{
	struct gzip *g = sys_alloc(sizeof(*g));

	if (g == NULL)
		return err_set(e, ERR_NOMEM, "gzip: out of memory");
	*s = (struct stream){ .ops = &gzip_ops, .from = from, .state = g };
	return 0;
}
