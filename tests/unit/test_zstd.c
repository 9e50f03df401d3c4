/*
 * test_zstd.c: the zstd stage: frames of every kind, in pieces of every size; windows; all
 * that may be wrong with a frame.
 */
#include "lib/base.h"

#include <zstd.h>

#include "image/zstd.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/pieces.h"
#include "tests/lib/tap.h"

static struct err e;

enum { CHECKSUM = 1, SIZE = 2, TEXT = 3000000 };

/* A frame, appended; window 0: what the level chooses. */
static void
frame(struct buf *out, const void *data, size_t n, int flags, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(n);
	ZSTD_outBuffer to = { NULL, room, 0 };
	ZSTD_inBuffer from = { data, n, 0 };

	assert(c != NULL);
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, (flags & CHECKSUM) != 0);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, (flags & SIZE) != 0);
	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
	if (flags & SIZE)
		ZSTD_CCtx_setPledgedSrcSize(c, n);
	if (buf_reserve(out, room, &e) < 0)
		abort();
	to.dst = out->data + out->len;
	/* In two steps: else the library knows the size, and takes no larger window. */
	if (ZSTD_isError(ZSTD_compressStream2(c, &to, &from, ZSTD_e_continue)) ||
	    ZSTD_compressStream2(c, &to, &from, ZSTD_e_end) != 0)
		abort();
	out->len += to.pos;
	ZSTD_freeCCtx(c);
}

static void
skippable(struct buf *out, uint8_t kind, uint8_t n)
{
	uint8_t head[8] = { (uint8_t)(0x50 | kind), 0x2a, 0x4d, 0x18, n, 0, 0, 0 };
	int rc = buf_add(out, head, sizeof(head), &e);

	for (; n > 0 && rc == 0; n--)
		rc = buf_add_u8(out, n, &e);
	if (rc < 0)
		abort();
}

static int
expand(struct span in, unsigned window_log, size_t in_step, size_t out_step, struct buf *out,
    struct err *err)
{
	struct pieces pieces = { in, in_step };
	struct stream source = pieces_source(&pieces), zstd;
	int rc = stream_zstd(&zstd, &source, window_log, err);

	return rc < 0 ? rc : read_in_pieces(&zstd, out_step, out, err);
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
		works(expand(buf_span(in), WINDOW_LOG_DEFAULT, steps[i][0], steps[i][1], &out, &e),
		    "%s, %zu in, %zu out", name, steps[i][0], steps[i][1]);
		ok(out.len == n && (n == 0 || memcmp(out.data, want, n) == 0), "%s: bytes", name);
	}
}

static void
refused(struct span in, const char *message, const char *name)
{
	static const size_t steps[] = { 1 << 20, 1, 7 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		autobuf out = BUF(1 << 26);

		fails(expand(in, WINDOW_LOG_DEFAULT, steps[i], 65536, &out, &e), ERR_LAYER,
		    "refused: %s, in pieces of %zu", name, steps[i]);
		ok(strstr(e.msg, message) != NULL, "and says '%s': %s", message, e.msg);
	}
}

static uint8_t *
some_text(void)
{
	uint8_t *text = malloc(TEXT);
	uint32_t x = 1;

	assert(text != NULL);
	for (size_t i = 0; i < TEXT; i++) {
		x = x * 1103515245 + 12345;
		text[i] = (uint8_t)("etaoin shrdlu\n0"[x >> 16 & 15 & (i % 1000 < 500 ? 15 : 3)]);
	}
	return text;
}

static void
test_frames(const uint8_t *text)
{
	autobuf in = BUF(1 << 26);

	for (int flags = 0; flags < 4; flags++) {
		frame(&in, text, 1000, flags, 0);
		gives(&in, text, 1000, "one frame");
		buf_reset(&in);
		frame(&in, text, TEXT, flags, 0);
		gives(&in, text, TEXT, "a large frame");
		buf_reset(&in);
	}
	frame(&in, text, 0, 0, 0);
	gives(&in, text, 0, "an empty frame");
	frame(&in, text, 1000, CHECKSUM, 0);
	skippable(&in, 0, 0);
	frame(&in, text, 0, CHECKSUM | SIZE, 0);
	frame(&in, text + 1000, 200000, SIZE, 0);
	skippable(&in, 15, 255);
	gives(&in, text, 201000, "frames of every kind, one after the other");
	buf_reset(&in);
	skippable(&in, 7, 9);
	gives(&in, text, 0, "nothing but a skippable frame");
	for (unsigned i = 0; i < 1000; i++)
		frame(&in, text + i, 1, CHECKSUM, 0);
	gives(&in, text, 1000, "a thousand frames of a byte");
}

/* The last bytes wait in the engine when its input is all used: they must come without more input. */
static void
test_pending(void)
{
	enum { SIZE_OF_ZEROS = 1 << 20 };
	uint8_t *zeros = calloc(1, SIZE_OF_ZEROS);
	autobuf in = BUF(1 << 22), out = BUF(1 << 22);

	assert(zeros != NULL);
	frame(&in, zeros, SIZE_OF_ZEROS, 0, 0);
	ok(in.len < 200, "a megabyte in %zu bytes", in.len);
	works(expand(buf_span(&in), WINDOW_LOG_DEFAULT, 1 << 20, 1000, &out, &e), "in pieces");
	is_int(out.len, SIZE_OF_ZEROS, "all of them");
	in.len--;
	refused(buf_span(&in), "cut", "cut");
	free(zeros);
}

static void
test_windows(const uint8_t *text)
{
	static const struct {
		int		frame;
		unsigned	allowed;
		int		rc;
	} rows[] = {
		{ 10, 10, 0 }, { 11, 10, -ERR_LIMIT }, { 23, 23, 0 }, { 24, 23, -ERR_LIMIT },
		{ 24, 24, 0 }, { 27, 26, -ERR_LIMIT }, { 27, 27, 0 }, { 28, 27, -ERR_LIMIT },
		{ 31, 27, -ERR_LIMIT }, { 31, 23, -ERR_LIMIT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		autobuf in = BUF(1 << 26), out = BUF(1 << 26);
		struct err err = { 0 };

		/* Made by hand: a compressor would take the window's memory itself. */
		if (buf_add(&in, "\x28\xb5\x2f\xfd\x00", 5, &e) < 0 ||
		    buf_add_u8(&in, (uint8_t)((rows[i].frame - 10) << 3), &e) < 0 ||
		    buf_add(&in, "\x19\x00\x00" "abc", 6, &e) < 0)
			abort();
		is_int(expand(buf_span(&in), rows[i].allowed, 100, 100, &out, &err), rows[i].rc,
		    "a window of 2^%d, 2^%u allowed", rows[i].frame, rows[i].allowed);
		ok(rows[i].rc < 0 ? strstr(err.msg, "--zstd-window-log") != NULL :
		    out.len == 3 && memcmp(out.data, "abc", 3) == 0, "what it says: %s", err.msg);
	}
	{
		autobuf in = BUF(1 << 26), out = BUF(1 << 26);

		frame(&in, text, 100, 0, 0);
		frame(&in, text, 1000000, 0, 24);
		fails(expand(buf_span(&in), 23, 1000, 1000, &out, &e), ERR_LIMIT, "window of the second frame");
		is_int(out.len, 100, "what came before it");
		fails(expand(buf_span(&in), 9, 1000, 1000, &out, &e), ERR_BUG, "no such limit: 9");
		fails(expand(buf_span(&in), 28, 1000, 1000, &out, &e), ERR_BUG, "no such limit: 28");
	}
}

static void
test_refusals(const uint8_t *text)
{
	static const char *const behind[] = { "xxxxxxxx", "\x1f\x8b\x08xxxxx", "\x28\xb5\x2f\xfcxxxx" };
	autobuf good = BUF(1 << 20);

	refused(span_str("plain text"), "not zstd data", "no frame");
	refused((struct span){ NULL, 0 }, "no data at all", "nothing");
	frame(&good, text, 300, CHECKSUM, 0);
	for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
		autobuf in = BUF(1 << 20);

		if (buf_add_span(&in, buf_span(&good), &e) < 0 || buf_add_str(&in, behind[i], &e) < 0)
			abort();
		refused(buf_span(&in), "something follows the data", "something behind the frame");
	}
	for (uint8_t n = 1; n < 20; n++) {
		autobuf in = BUF(1 << 20);

		if (buf_add_span(&in, buf_span(&good), &e) < 0)
			abort();
		for (uint8_t i = 0; i < n; i++)
			if (buf_add_u8(&in, 0, &e) < 0)
				abort();
		refused(buf_span(&in), "zstd: ", "NULs behind the frame");
	}
	for (size_t n = 1; n < good.len; n++)
		refused((struct span){ good.data, n }, n < 5 ? "zstd: " : "cut inside the data", "cut");
	gives(&good, text, 300, "and all is well again");
	refused(span_str("\x28\xb5\x2f\xfd\x01\x58\x07\x01"), "ictionary", "wants a dictionary");
	buf_reset(&good);
	skippable(&good, 3, 200);
	refused((struct span){ good.data, 100 }, "cut", "cut inside a skippable frame");
}

/* No bit of a frame with a checksum can be wrong unseen, but those that say nothing. */
static void
test_bits(const uint8_t *text)
{
	autobuf good = BUF(1 << 16);
	unsigned seen = 0, harmless = 0;

	frame(&good, text, 500, CHECKSUM | SIZE, 0);
	for (size_t i = 0; i < good.len * 8; i++) {
		autobuf out = BUF(1 << 20);
		int rc;

		good.data[i / 8] ^= (uint8_t)(1u << i % 8);
		rc = expand(buf_span(&good), WINDOW_LOG_DEFAULT, 100, 4096, &out, &e);
		if (rc < 0)
			seen++;
		else if (out.len == 500 && memcmp(out.data, text, 500) == 0)
			harmless++;
		good.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	is_int(seen + harmless, good.len * 8, "no wrong byte comes out for any bit");
	ok(harmless < 8, "%u bits of %zu say nothing", harmless, good.len * 8);
}

static void
try_mutant(struct span bytes, maybe_unused void *arg)
{
	autobuf out = BUF(1 << 20);
	struct err err;

	if (expand(bytes, WINDOW_LOG_DEFAULT, 100, 4096, &out, &err) > 0)
		abort();
}

static int
expand_once(void *arg, struct err *err)
{
	autobuf out = BUF(1 << 20);

	return expand(buf_span(arg), WINDOW_LOG_DEFAULT, 1 << 16, 4096, &out, err);
}

static void
test_robust(const uint8_t *text)
{
	autobuf in = BUF(1 << 16);
	size_t before;

	frame(&in, text, 200, CHECKSUM, 0);
	skippable(&in, 0, 3);
	frame(&in, text, 50, 0, 0);
	ok(mutate(buf_span(&in), 200, try_mutant, NULL) > 1000, "mutants");
	before = fault_live_bytes();
	ok(fault_each(FAULT_ALLOC, 0, false, expand_once, &in) >= 3, "every allocation fails in turn");
	is_int(fault_live_bytes(), before, "no leak");
}

static void
test_option(void)
{
	static const char *const wrong[] = { "", "9", "09", "28", "99", "-1", "+9", "1", "x", "2 ", " 23", "023", "23x", "1e1" };
	unsigned n = 0;

	works(window_log_parse(NULL, &n, &e), "not given");
	is_int(n, 23, "8 MiB");
	works(window_log_parse("10", &n, &e), "the least");
	is_int(n, 10, "is 10");
	works(window_log_parse("27", &n, &e), "the most");
	is_int(n, 27, "is 27");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		fails(window_log_parse(wrong[i], &n, &e), ERR_USAGE, "not '%s'", wrong[i]);
	is_int(n, 27, "untouched");
}

int
main(void)
{
	uint8_t *text = some_text();

	test_frames(text);
	test_pending();
	test_windows(text);
	test_refusals(text);
	test_bits(text);
	test_robust(text);
	test_option();
	free(text);
	return tap_done();
}
