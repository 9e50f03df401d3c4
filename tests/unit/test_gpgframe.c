/*
 * test_gpgframe.c: what may be a signature blob at all, and what stands behind the compressed packet.
 */
#include "lib/base.h"
#include "agent/gpgframe.h"

#include <zlib.h>

#include "lib/limits.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

/* A compressed packet of so many zeros; bits: as deflateInit2 wants them. */
static void
packet(uint8_t algo, int bits, size_t zeros, struct buf *out)
{
	uint8_t *plain = calloc(zeros + 1, 1), *packed = malloc(zeros / 2 + KIB(1));
	z_stream z = { .next_in = plain, .avail_in = (unsigned)zeros };

	z.next_out = packed;
	z.avail_out = (unsigned)(zeros / 2 + KIB(1));
	if (deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) != Z_OK || deflate(&z, Z_FINISH) != Z_STREAM_END ||
	    buf_add_u8(out, 0xa3, &e) < 0 || buf_add_u8(out, algo, &e) < 0 || buf_add(out, packed, z.total_out, &e) < 0)
		abort();
	deflateEnd(&z);
	free(plain);
	free(packed);
}

static void
test_first_byte(void)
{
	static const uint8_t good[] = { 0xa0, 0xa1, 0xa2, 0xc8, 0x90, 0x91, 0x92, 0xc4, 0x88, 0x89, 0x8a, 0x8b, 0xc2 };
	size_t n = 0;

	for (unsigned b = 0; b < 256; b++) {
		uint8_t blob[2] = { (uint8_t)b, 0 };
		bool want = memchr(good, (int)b, sizeof(good)) != NULL;

		if (b != 0xa3 && (gpgframe_check((struct span){ blob, 2 }, &e) == 0) != want)
			n++;
	}
	is_int(n, 0, "all first bytes");
	fails(gpgframe_check((struct span){ NULL, 0 }, &e), ERR_IMAGE, "nothing");
	fails(gpgframe_check(SPAN_LIT("-----BEGIN PGP MESSAGE-----\n"), &e), ERR_IMAGE, "armoured");
	ok(strstr(e.msg, "armoured") != NULL, "%s", e.msg);
}

static void
test_compressed(void)
{
	static const struct {
		uint8_t algo;
		int bits;
		bool good;
	} cases[] = { { 1, -15, true }, { 2, 15, true }, { 1, 15, false }, { 2, -15, false }, { 3, 15, false }, { 0, -15, false } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf blob = BUF(MIB(1));

		packet(cases[i].algo, cases[i].bits, 1000, &blob);
		is_int(gpgframe_check(buf_span(&blob), &e), cases[i].good ? 0 : -ERR_IMAGE, "algorithm %d, %d", cases[i].algo,
		    cases[i].bits);
		if (!cases[i].good)
			continue;
		fails(gpgframe_check((struct span){ blob.data, blob.len - 1 }, &e), ERR_IMAGE, "a byte is missing");
		works(buf_add_u8(&blob, 0, &e), "one more");
		fails(gpgframe_check(buf_span(&blob), &e), ERR_IMAGE, "a byte too many");
		ok(strstr(e.msg, "1 bytes behind") != NULL, "%s", e.msg);
	}
	fails(gpgframe_check(SPAN_LIT("\xa3"), &e), ERR_IMAGE, "no algorithm");
	fails(gpgframe_check(SPAN_LIT("\xa3\x01"), &e), ERR_IMAGE, "no data");
}

static void
test_large(void)
{
	autobuf bomb = BUF(MIB(64)), large = BUF(MIB(8));

	packet(1, -15, MIB(32), &bomb);
	fails(gpgframe_check(buf_span(&bomb), &e), ERR_IMAGE, "a bomb: %zu bytes", bomb.len);
	ok(strstr(e.msg, "unpacks to") != NULL, "%s", e.msg);
	works(buf_reserve(&large, LIMIT_SIGNATURE + 1, &e), "room");
	memset(large.data, 0x90, LIMIT_SIGNATURE + 1);
	works(gpgframe_check((struct span){ large.data, LIMIT_SIGNATURE }, &e), "as large as may be");
	fails(gpgframe_check((struct span){ large.data, LIMIT_SIGNATURE + 1 }, &e), ERR_IMAGE, "too large");
}

static void
mutant(struct span text, maybe_unused void *arg)
{
	struct err err = { 0 };
	int rc = gpgframe_check(text, &err);

	if (rc != 0 && rc != -ERR_IMAGE)
		abort();
}

int
main(void)
{
	autobuf blob = BUF(MIB(1));

	test_first_byte();
	test_compressed();
	test_large();
	packet(1, -15, 1000, &blob);
	ok(mutate(buf_span(&blob), blob.len, mutant, NULL) > 100, "mutants");
	return tap_done();
}
