/* test_der.c: elements of DER: lengths in every form, tags, ends. */
#include "lib/base.h"
#include "keyprovider/der.h"

#include "tests/lib/tap.h"

static bool
next(const char *bytes, size_t n, struct der *d, size_t *left)
{
	struct span in = { (const uint8_t *)bytes, n };
	bool good = der_next(&in, d);

	*left = in.len;
	return good;
}
#define NEXT(s)	next((s), sizeof(s) - 1, &d, &left)

static void
test_lengths(void)
{
	static char large[4 + 0x10000] = "\x04\x83\x01\x00";
	struct der d;
	size_t left;

	ok(NEXT("\x04\x01\xaa""rest") && d.tag == 4 && d.value.len == 1 && d.value.p[0] == 0xaa &&
	    d.whole.len == 3 && left == 4, "short form");
	ok(NEXT("\x05\x00") && d.value.len == 0 && left == 0, "empty");
	ok(!NEXT("") && !NEXT("\x04") && !NEXT("\x04\x01") && left == 2, "cut off, and nothing consumed");
	ok(!NEXT("\x30\x80\x00\x00"), "indefinite");
	ok(!NEXT("\x04\x81\x7f"), "one byte more than needed");
	ok(!NEXT("\x04\x82\x00\x80"), "zeros in front");
	ok(!NEXT("\x04\x81") && !NEXT("\x04\x82\x01"), "the length is cut off");
	ok(!NEXT("\x04\x84\x00\x00\x00\x01\x00") && !NEXT("\x04\xff"), "longer than anything here");
	ok(!NEXT("\x04\x83\xff\xff\xff"), "longer than what is there");
	ok(!NEXT("\x1f\x01\x00") && !NEXT("\xbf\x01\x00"), "tags of more than one byte");
	ok(!NEXT("\x04\x83\x01\x00\x00"), "three bytes of length, and nothing behind");
	ok(next(large, 4 + 0x10000 - 1, &d, &left) == false, "one byte less than that");
	large[4] = 0;
	ok(next(large, sizeof(large), &d, &left) == false, "a length of 0x0100xx past the end");
}

static void
test_take(void)
{
	struct span in = SPAN_LIT("\x02\x01\x05\x04\x00"), v;
	uint8_t long_one[2 + 1 + 0x80] = { 4, 0x81, 0x80 };
	struct span l = { long_one, sizeof(long_one) };

	is_int(der_peek(in), DER_INTEGER, "the tag that follows");
	ok(!der_take(&in, DER_OCTETS, &v) && in.len == 5, "another tag: nothing consumed");
	ok(der_take(&in, DER_INTEGER, &v) && v.len == 1 && v.p[0] == 5, "the right one");
	ok(der_take(&in, DER_OCTETS, &v) && v.len == 0 && in.len == 0, "the next");
	is_int(der_peek(in), 0, "the end");
	ok(!der_take(&in, DER_OCTETS, &v), "nothing behind it");
	ok(der_take(&l, DER_OCTETS, &v) && v.len == 0x80 && l.len == 0, "long form");
}

int
main(void)
{
	test_lengths();
	test_take();
	return tap_done();
}
