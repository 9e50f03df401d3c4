/*
 * test_decompress.c: which stage a layer gets, by its media type and its first bytes.
 */
#include "lib/base.h"

#include <zlib.h>

#include "image/decompress.h"
#include "image/zstd.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;

/* One member: "content". */
static void
gzip(struct buf *out)
{
	z_stream z = { .next_in = (void *)(uintptr_t)"content", .avail_in = 7 };

	if (buf_reserve(out, 100, &e) < 0 ||
	    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	z.next_out = out->data;
	z.avail_out = 100;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	out->len = z.total_out;
	deflateEnd(&z);
}

/* One frame, one raw block: "content". */
#define ZSTD		"\x28\xb5\x2f\xfd\x20\x07\x39\x00\x00" "content"
#define ZSTD_LEN	16
#define SKIP0		"\x50\x2a\x4d\x18\x00\x00\x00\x00"
#define SKIP15		"\x5f\x2a\x4d\x18\x00\x00\x00\x00"

static void
test_choice(void)
{
	static const struct {
		const char	*head;
		size_t		 n;
		enum compression said, found;
	} rows[] = {
		{ "plain text", 10, COMPRESSION_NONE, COMPRESSION_NONE },
		{ "plain text", 10, COMPRESSION_GZIP, COMPRESSION_NONE },
		{ "plain text", 10, COMPRESSION_ZSTD, COMPRESSION_NONE },
		{ "x", 1, COMPRESSION_NONE, COMPRESSION_NONE },
		{ "", 0, COMPRESSION_NONE, COMPRESSION_NONE },
		{ "\x1f", 1, COMPRESSION_NONE, COMPRESSION_NONE },
		{ NULL, 0, COMPRESSION_GZIP, COMPRESSION_GZIP },
		{ NULL, 0, COMPRESSION_NONE, COMPRESSION_GZIP },
		{ ZSTD, ZSTD_LEN, COMPRESSION_ZSTD, COMPRESSION_ZSTD },
		{ ZSTD, ZSTD_LEN, COMPRESSION_GZIP, COMPRESSION_ZSTD },
		{ SKIP0 ZSTD, 8 + ZSTD_LEN, COMPRESSION_ZSTD, COMPRESSION_ZSTD },
		{ SKIP15 ZSTD, 8 + ZSTD_LEN, COMPRESSION_NONE, COMPRESSION_ZSTD },
		{ "\x60\x2a\x4d\x18....", 8, COMPRESSION_NONE, COMPRESSION_NONE },
		{ "\x28\xb5\x2f", 3, COMPRESSION_NONE, COMPRESSION_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stream source, stages[2], *top = NULL;
		autobuf in = BUF(1 << 16);
		uint8_t got[64];
		bool sniffed = false;
		int rc;

		if (rows[i].head == NULL)
			gzip(&in);
		else if (buf_add(&in, rows[i].head, rows[i].n, &e) < 0)
			abort();
		works(stream_span(&source, buf_span(&in), &e), "choice %zu: source", i);
		rc = stream_decompress(stages, &source, rows[i].said, 23, &top, &sniffed, &e);
		is_int(rc, 0, "choice %zu", i);
		ok(sniffed == (rows[i].said != rows[i].found), "choice %zu: sniffed", i);
		rc = (int)stream_read_full(top, got, sizeof(got), &e);
		if (rows[i].found != COMPRESSION_NONE)
			ok(rc == 7 && memcmp(got, "content", 7) == 0, "choice %zu: decompressed", i);
		else
			ok(rc == (int)rows[i].n && memcmp(got, rows[i].head, rows[i].n) == 0,
			    "choice %zu: as it is", i);
		works(stream_finish(top, &e), "choice %zu: end", i);
		stream_close(top);
	}
}

/* The first bytes of what is taken for neither are passed on untouched: the archive reader refuses them. */
static void
test_no_other(void)
{
	static const char *const heads[] = {
		"BZh91AY&SY", "\xfd\x37zXZ", "7z\xbc\xaf\x27\x1c", "PK\x03\x04", "070701", "\x04\x22\x4d\x18",
		"\x1f\x9d", "\x5d\x00\x00\x80", "Rar!\x1a", "#mtree", "!<arch>", "\x22\xb5\x2f\xfd", "\x27\xb5\x2f\xfd",
	};

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct stream source, stages[2], *top = NULL;
		bool sniffed = false;

		works(stream_span(&source, span_str(heads[i]), &e), "other %zu: source", i);
		works(stream_decompress(stages, &source, COMPRESSION_GZIP, 23, &top, &sniffed, &e), "other %zu", i);
		ok(top == &stages[0] && sniffed, "other %zu: taken as it is, and told", i);
		stream_close(top);
	}
}

static int
choose(void *arg, struct err *err)
{
	struct stream source, stages[2], *top = &source;
	uint8_t got[100];
	bool sniffed;
	ssize_t n;
	int rc;

	if ((rc = stream_span(&source, *(struct span *)arg, err)) < 0)
		return rc;
	rc = stream_decompress(stages, &source, COMPRESSION_GZIP, 23, &top, &sniffed, err);
	if (rc == 0) {
		n = stream_read_full(top, got, sizeof(got), err);
		rc = (int)MIN(n, 0);
	}
	stream_close(top);
	return rc;
}

static void
test_faults(void)
{
	struct span zstd = { (const uint8_t *)ZSTD, ZSTD_LEN };
	struct stream source, stages[2], *top = &source;
	size_t before = fault_live_bytes();
	autobuf gz = BUF(1 << 10);
	struct span gz_span;
	bool sniffed;

	gzip(&gz);
	gz_span = buf_span(&gz);
	ok(fault_each(FAULT_ALLOC, 0, false, choose, &gz_span) >= 3, "gzip: every allocation fails in turn");
	ok(fault_each(FAULT_ALLOC, 0, false, choose, &zstd) >= 4, "zstd: every allocation fails in turn");
	is_int(fault_live_bytes(), before, "no leak");
	works(stream_span(&source, zstd, &e), "source");
	fails(stream_decompress(stages, &source, COMPRESSION_ZSTD, 99, &top, &sniffed, &e), ERR_BUG, "no such window");
	ok(top == &source, "the top is what it was");
	stream_close(top);
}

int
main(void)
{
	test_choice();
	test_no_other();
	test_faults();
	return tap_done();
}
