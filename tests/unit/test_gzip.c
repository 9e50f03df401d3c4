/*
 * test_gzip.c: the gzip stage. test_gzip_zlib.c runs the same over zlib.
 */
#include "lib/base.h"

#include <zlib.h>

#include "image/gzip.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/pieces.h"
#include "tests/lib/tap.h"

static struct err e;

enum { FHCRC = 2, FEXTRA = 4, FNAME = 8, FCOMMENT = 16 };

/* A member with these header flags, appended. */
static void
member(struct buf *out, const void *data, size_t n, unsigned flags)
{
	z_stream z = { .next_in = (void *)(uintptr_t)data, .avail_in = (unsigned)n };
	uint8_t header[10] = { 0x1f, 0x8b, 8, (uint8_t)flags, 0, 0, 0, 0, 0, 3 };
	size_t at = out->len, room = n + n / 1000 + 200;
	unsigned long crc = crc32(0, data, (unsigned)n);
	int rc = buf_add(out, header, sizeof(header), &e);

	if (flags & FEXTRA)
		rc |= buf_add(out, "\x05\x00hello", 7, &e);
	if (flags & FNAME)
		rc |= buf_add(out, "name", 5, &e);
	if (flags & FCOMMENT)
		rc |= buf_add(out, "a comment", 10, &e);
	if (flags & FHCRC) {
		unsigned long h = crc32(0, out->data + at, (unsigned)(out->len - at));

		rc |= buf_add_u8(out, (uint8_t)h, &e) | buf_add_u8(out, (uint8_t)(h >> 8), &e);
	}
	rc |= buf_reserve(out, room, &e);
	if (rc != 0 || deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	z.next_out = out->data + out->len;
	z.avail_out = (unsigned)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	out->len += z.total_out;
	deflateEnd(&z);
	for (unsigned i = 0; i < 8; i++)
		if (buf_add_u8(out, (uint8_t)((i < 4 ? crc : n) >> i % 4 * 8), &e) < 0)
			abort();
}

static int
inflate_all(struct span in, size_t in_step, size_t out_step, struct buf *out, struct err *err)
{
	struct pieces pieces = { in, in_step };
	struct stream source = pieces_source(&pieces), gzip;
	int rc = stream_gzip(&gzip, &source, err);

	return rc < 0 ? rc : read_in_pieces(&gzip, out_step, out, err);
}

static void
gives(const struct buf *in, const void *want, size_t n, const char *name)
{
	static const size_t steps[][2] = {
		{ 1 << 20, 1 << 20 }, { 1, 1 << 16 }, { 1 << 20, 1 }, { 3, 7 }, { 65536, 262144 },
	};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		autobuf out = BUF(1 << 26);

		if (n > 300000 && (steps[i][0] < 100 || steps[i][1] < 100))
			continue;
		works(inflate_all(buf_span(in), steps[i][0], steps[i][1], &out, &e),
		    "%s, %zu in, %zu out", name, steps[i][0], steps[i][1]);
		ok(out.len == n && (n == 0 || memcmp(out.data, want, n) == 0), "%s: bytes", name);
	}
}

static void
refused(const struct buf *in, const char *name)
{
	static const size_t steps[] = { 1 << 20, 1, 7 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		autobuf out = BUF(1 << 26);

		fails(inflate_all(buf_span(in), steps[i], 65536, &out, &e), ERR_LAYER,
		    "refused: %s, in pieces of %zu", name, steps[i]);
	}
}

static uint8_t *
some_text(size_t n)
{
	uint8_t *text = malloc(n);
	uint32_t x = 1;

	assert(text != NULL);
	for (size_t i = 0; i < n; i++) {
		x = x * 1103515245 + 12345;
		text[i] = (uint8_t)("etaoin shrdlu\n0"[x >> 16 & 15 & (i % 1000 < 500 ? 15 : 3)]);
	}
	return text;
}

static void
test_members(void)
{
	enum { BIG = 3000000 };
	uint8_t *text = some_text(BIG);

	for (unsigned flags = 0; flags < 32; flags += 2) {
		autobuf in = BUF(1 << 26);

		member(&in, text, 1000, flags);
		gives(&in, text, 1000, "header flags");
	}
	{
		autobuf in = BUF(1 << 26);
		member(&in, text, 0, 0);
		gives(&in, text, 0, "empty member");
		member(&in, text, 1000, FNAME);
		member(&in, text, 0, FEXTRA | FHCRC);
		member(&in, text + 1000, 200000, 0);
		gives(&in, text, 201000, "four members");
		for (unsigned i = 0; i < 1000; i++)
			if (buf_add_u8(&in, 0, &e) < 0)
				abort();
		gives(&in, text, 201000, "padding");
		if (buf_add_u8(&in, 1, &e) < 0)
			abort();
		refused(&in, "something behind the padding");
	}
	{
		autobuf in = BUF(1 << 26);
		member(&in, text, BIG, 0);
		gives(&in, text, BIG, "big");
	}
	{
		/* All window wraps and stored blocks. */
		autobuf in = BUF(1 << 26);
		for (size_t i = 0; i < BIG; i++)
			text[i] = (uint8_t)(i * i >> 7 ^ i * 2654435761u >> 13);
		member(&in, text, BIG, 0);
		gives(&in, text, BIG, "hardly compressible");
	}
	free(text);
}

static void
test_refusals(void)
{
	static const char *const behind[] = { "x", "\x1f", "\x1f\x8b", "PK\x03\x04", "\x1f\x8cxxxxxxxx" };
	uint8_t *text = some_text(5000);
	autobuf good = BUF(1 << 20);
	size_t trailer;

	member(&good, text, 5000, FNAME | FHCRC | FEXTRA | FCOMMENT);
	trailer = good.len - 8;
	for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
		autobuf in = BUF(1 << 20);

		if (buf_add_span(&in, buf_span(&good), &e) < 0 || buf_add_str(&in, behind[i], &e) < 0)
			abort();
		refused(&in, "something behind the data");
	}
	for (size_t i = 0; i < 8; i++) {
		good.data[trailer + i] ^= 0x10;
		refused(&good, i < 4 ? "wrong CRC" : "wrong length");
		good.data[trailer + i] ^= 0x10;
	}
	for (size_t i = 0; i < 10 + 7 + 5 + 10 + 2; i++) {
		if (i >= 4 && i < 10)
			continue;	/* time and the like: only the CRC tells */
		good.data[i] ^= 0x40;
		refused(&good, "damaged header");
		good.data[i] ^= 0x40;
	}
	for (size_t n = 0; n < good.len; n += n < 100 || n > good.len - 20 ? 1 : 97) {
		struct buf cut = good;

		cut.len = n;
		refused(&cut, "cut");
	}
	for (size_t i = 40; i < trailer; i += 11) {
		good.data[i] ^= 4;
		refused(&good, "damaged data");
		good.data[i] ^= 4;
	}
	gives(&good, text, 5000, "and all is well again");
	{
		/* The second member counts as well. */
		autobuf in = BUF(1 << 20);
		member(&in, text, 10, 0);
		member(&in, text, 10, 0);
		in.data[in.len - 5] ^= 1;
		refused(&in, "wrong CRC of the second member");
		in.data[in.len - 5] ^= 1;
		in.len--;
		refused(&in, "second member cut");
	}
	{
		/* 70000 bytes of name: more than anybody writes. */
		autobuf in = BUF(1 << 20);
		if (buf_add(&in, "\x1f\x8b\x08\x08\0\0\0\0\0\x03", 10, &e) < 0)
			abort();
		for (unsigned i = 0; i < 70000; i++)
			if (buf_add_u8(&in, 'n', &e) < 0)
				abort();
		refused(&in, "name without an end");
	}
	free(text);
}

static void
try_mutant(struct span bytes, maybe_unused void *arg)
{
	autobuf out = BUF(1 << 20);
	struct err err;

	if (inflate_all(bytes, 100, 4096, &out, &err) > 0)
		abort();
}

static int
inflate_once(void *arg, struct err *err)
{
	autobuf out = BUF(1 << 16);

	return inflate_all(buf_span(arg), 1 << 16, 100, &out, err);
}

static void
test_robust(void)
{
	autobuf in = BUF(1 << 16);
	size_t before;

	member(&in, "some content, some content", 26, FNAME | FHCRC);
	member(&in, "more", 4, FEXTRA | FCOMMENT);
	ok(mutate(buf_span(&in), 200, try_mutant, NULL) > 1000, "mutants");
	before = fault_live_bytes();
	ok(fault_each(FAULT_ALLOC, 0, false, inflate_once, &in) >= 2, "every allocation fails in turn");
	is_int(fault_live_bytes(), before, "no leak");
}

int
main(void)
{
	test_members();
	test_refusals();
	test_robust();
	return tap_done();
}
