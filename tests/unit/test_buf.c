/*
 * test_buf.c: limits, growth, wiping, and the consumers of spans.
 */
#include "lib/base.h"
#include "lib/buf.h"

#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;

static void
test_limit(void)
{
	autobuf b = BUF(5);

	ok(b.data == NULL && *buf_str(&b) == '\0', "nothing added: no data");
	works(buf_add(&b, NULL, 0, &e), "adding nothing");
	works(buf_reserve(&b, 0, &e), "reserving nothing");
	ok(b.data == NULL, "still no data");
	works(buf_add_str(&b, "abc", &e), "add a text");
	fails(buf_add_str(&b, "def", &e), ERR_LIMIT, "past the limit");
	is_str(buf_str(&b), "abc", "nothing changed");
	fails(buf_addf(&b, &e, "%03d", 7), ERR_LIMIT, "addf past the limit");
	fails(buf_reserve(&b, 3, &e), ERR_LIMIT, "reserve past the limit");
	fails(buf_reserve(&b, SIZE_MAX, &e), ERR_LIMIT, "reserve SIZE_MAX");
	works(buf_add_str(&b, "de", &e), "up to the limit");
	is_str(buf_str(&b), "abcde", "all of it");
	fails(buf_add_u8(&b, 1, &e), ERR_LIMIT, "one byte more");
	ok(b.cap <= 6, "not more memory than the limit asks for");
}

static void
test_no_limit(void)
{
	autobuf b = BUF(SIZE_MAX), none = BUF(0);

	works(buf_add_str(&b, "x", &e), "a limit of SIZE_MAX");
	fails(buf_reserve(&b, SIZE_MAX - 1, &e), ERR_LIMIT,
	    "the NUL would overflow");
	is_str(buf_str(&b), "x", "nothing changed");
	fails(buf_add_u8(&none, 0, &e), ERR_LIMIT, "a limit of 0");
}

static void
test_growth(void)
{
	autobuf b = BUF(10000);
	bool good = true;

	for (int i = 0; i < 10000; i++) {
		good &= buf_add_u8(&b, (uint8_t)i, &e) == 0;
		good &= b.data[b.len] == '\0' && b.cap > b.len;
	}
	for (size_t i = 0; i < b.len; i++)
		good &= b.data[i] == (uint8_t)i;
	ok(good && b.len == 10000, "10000 single bytes, always NUL behind");
	buf_reset(&b);
	ok(b.len == 0 && *buf_str(&b) == '\0' && b.cap > 0,
	    "reset keeps the memory");
	works(buf_reserve(&b, 100, &e), "reserve after reset");
	good = true;
	for (size_t i = 0; i <= 100; i++)
		good &= b.data[i] == 0;
	ok(good, "reserved bytes are zero");
	buf_free(&b);
	buf_free(&b);
	ok(b.data == NULL && b.len == 0 && b.max == 10000, "freed twice");
	buf_reset(&b);
	buf_free(NULL);
}

static void
test_adders(void)
{
	autobuf b = BUF(100);
	static const uint8_t want[] = {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	};

	works(buf_add_u8(&b, 1, &e), "u8");
	works(buf_add_be16(&b, 0x0203, &e), "be16");
	works(buf_add_be32(&b, 0x04050607, &e), "be32");
	works(buf_add_be64(&b, 0x08090a0b0c0d0e0f, &e), "be64");
	ok(span_eq(buf_span(&b), (struct span){ want, sizeof(want) }),
	    "big-endian");
	buf_reset(&b);
	works(buf_addf(&b, &e, "%s-%d", "x", 5), "addf");
	works(buf_addf(&b, &e, "%s", ""), "addf of nothing");
	works(buf_add_span(&b, SPAN_LIT("\0z"), &e), "add a span");
	ok(span_eq(buf_span(&b), SPAN_LIT("x-5\0z")), "contents");
}

static void
test_secret(void)
{
	size_t before = secret_in_use();
	autobuf b = BUF_SECRET(5000), c = BUF(10);
	uint8_t *first;

	works(buf_add_str(&b, "key", &e), "add to a secret buffer");
	ok(secret_in_use() > before, "its bytes lie in the arena");
	first = b.data;
	works(buf_reserve(&b, 4000, &e), "grow");
	ok(b.data != first && strcmp(buf_str(&b), "key") == 0, "moved");
	buf_reset(&b);
	ok(memcmp(b.data, "\0\0\0", 3) == 0, "reset wipes");
	works(buf_add_str(&b, "key", &e), "add again");
	works(buf_add_str(&c, "old", &e), "another buffer");
	buf_move(&c, &b);
	ok(c.secret && c.max == 5000 && strcmp(buf_str(&c), "key") == 0,
	    "bytes, kind and limit move together");
	ok(b.data == NULL && b.len == 0 && b.secret && b.max == 5000,
	    "what they moved from is empty and keeps kind and limit");
	buf_move(&c, &c);
	is_str(buf_str(&c), "key", "a move onto itself");
	buf_free(&c);
	is_int(secret_in_use(), before, "nothing is left in the arena");
	c = (struct buf)BUF_SECRET(SIZE_MAX);
	fails(buf_reserve(&c, 2 << 20, &e), ERR_NOMEM, "more than the arena");
}

static int
run_adders(void *arg, struct err *err)
{
	autobuf b = BUF(4096);
	int rc = 0;

	(void)arg;
	for (int i = 0; i < 100 && rc == 0; i++)
		rc = buf_addf(&b, err, "number %d ", i);
	return rc;
}

static void
test_faults(void)
{
	is_int(fault_each(FAULT_ALLOC, 0, false, run_adders, NULL), 5,
	    "each growth made to fail");
	is_int(fault_live_bytes(), 0, "no memory left behind");
}

static void
test_span(void)
{
	struct span s = SPAN_LIT("abc"), out = { 0 }, none = { 0 };

	ok(span_eq(none, SPAN_LIT("")) && !span_eq(s, none), "span_eq");
	ok(span_eq_str(s, "abc") && !span_eq_str(s, "abd") &&
	    !span_eq_str(s, "ab") && !span_eq_str(s, "abcd"), "span_eq_str");
	ok(span_starts(s, "") && span_starts(s, "ab") &&
	    span_starts(s, "abc") && !span_starts(s, "abcd") &&
	    !span_starts(s, "b") && !span_starts(none, "a"), "span_starts");
	ok(span_has_nul(SPAN_LIT("a\0b")) && !span_has_nul(s) &&
	    !span_has_nul(none), "span_has_nul");
	ok(!span_take(&s, 4, &out) && s.len == 3 && out.p == NULL,
	    "take too much: nothing happens");
	ok(span_take(&s, 2, &out) && span_eq_str(out, "ab") &&
	    span_eq_str(s, "c"), "take two");
	ok(span_take(&s, 1, &out) && span_eq_str(out, "c") && s.len == 0,
	    "take the last");
	ok(span_take(&s, 0, &out) && out.len == 0 && !span_take(&s, 1, &out),
	    "take from nothing");
	ok(span_take(&none, 0, &out), "take nothing of a null span");
}

static void
test_numbers(void)
{
	struct span s = SPAN_LIT("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"
	    "\x0b\x0c\x0d\x0e\x0f\xff");
	uint8_t u8 = 0;
	uint16_t u16 = 0;
	uint32_t u32 = 0;
	uint64_t u64 = 0;

	ok(span_u8(&s, &u8) && u8 == 1, "u8");
	ok(span_be16(&s, &u16) && u16 == 0x0203, "be16");
	ok(span_be32(&s, &u32) && u32 == 0x04050607, "be32");
	ok(span_be64(&s, &u64) && u64 == 0x08090a0b0c0d0e0f, "be64");
	ok(!span_be16(&s, &u16) && !span_be32(&s, &u32) &&
	    !span_be64(&s, &u64) && s.len == 1 && u16 == 0x0203,
	    "too short: nothing happens");
	ok(span_u8(&s, &u8) && u8 == 0xff && !span_u8(&s, &u8), "the last");
}

static void
test_split(void)
{
	struct span s = SPAN_LIT("a,,b,"), out;

	ok(span_split(&s, ',', &out) && span_eq_str(out, "a"), "first piece");
	ok(span_split(&s, ',', &out) && out.len == 0, "empty piece");
	ok(span_split(&s, ',', &out) && span_eq_str(out, "b"), "third piece");
	ok(!span_split(&s, ',', &out) && span_eq_str(out, "b"),
	    "nothing behind the last separator");
	s = SPAN_LIT("rest");
	ok(span_split(&s, ',', &out) && span_eq_str(out, "rest") &&
	    s.len == 0, "no separator: the rest");
	s = SPAN_LIT(",");
	ok(span_split(&s, ',', &out) && out.len == 0 && s.len == 0,
	    "a lone separator");
}

static void
test_decimal(void)
{
	static const char *const bad[] = {
		"", "00", "01", "+1", "-1", " 1", "1 ", "1a", "a", "0x1",
		"18446744073709551616", "99999999999999999999999",
	};
	uint64_t n = 77;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(!span_decimal(span_str(bad[i]), UINT64_MAX, &n) && n == 77,
		    "not a number: '%s'", bad[i]);
	ok(span_decimal(SPAN_LIT("0"), 0, &n) && n == 0, "0");
	ok(span_decimal(SPAN_LIT("18446744073709551615"), UINT64_MAX, &n) &&
	    n == UINT64_MAX, "the largest");
	ok(span_decimal(SPAN_LIT("65535"), 65535, &n) && n == 65535,
	    "up to max");
	ok(!span_decimal(SPAN_LIT("65536"), 65535, &n) && n == 65535,
	    "above max");
	ok(!span_decimal(SPAN_LIT("1\0"), 65535, &n), "a NUL is no digit");
}

static void
test_cstr(void)
{
	char out[4] = "zzz";

	ok(!span_to_cstr(SPAN_LIT("abcd"), out, sizeof(out)) &&
	    !span_to_cstr(SPAN_LIT("a\0"), out, sizeof(out)) &&
	    strcmp(out, "zzz") == 0, "too long, or with a NUL: untouched");
	ok(span_to_cstr(SPAN_LIT("abc"), out, sizeof(out)) &&
	    strcmp(out, "abc") == 0, "just fits");
	ok(span_to_cstr((struct span){ 0 }, out, sizeof(out)) &&
	    *out == '\0', "empty");
	ok(!span_to_cstr((struct span){ 0 }, out, 0), "no room at all");
}

int
main(void)
{
	test_limit();
	test_no_limit();
	test_growth();
	test_adders();
	test_secret();
	test_faults();
	test_span();
	test_numbers();
	test_split();
	test_decimal();
	test_cstr();
	return tap_done();
}
