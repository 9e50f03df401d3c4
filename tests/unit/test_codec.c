/*
 * test_codec.c: one text for each value, one value for each text.
 */
#include "lib/base.h"
#include "lib/codec.h"

#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

static void
test_hex(void)
{
	static const char *const bad[] = {
		"", "0", "000", "0g", "g0", "0G", "0A", "F0", " 0", "0 ", "-1",
		"0/", "0:", "0`", "@0", "\xff\x30", "0000",
	};
	uint8_t all[256], back[256], one = 0x55;
	char text[513];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	hex_encode(all, sizeof(all), text);
	ok(strlen(text) == 512 && strncmp(text, "000102", 6) == 0 &&
	    strcmp(text + 506, "fdfeff") == 0, "encode all bytes");
	ok(hex_decode(span_str(text), back, sizeof(back)) &&
	    memcmp(all, back, sizeof(all)) == 0, "decode them");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(!hex_decode(span_str(bad[i]), &one, 1) && one == 0x55,
		    "refused: '%s'", bad[i]);
	ok(hex_decode(SPAN_LIT("a9"), &one, 1) && one == 0xa9, "one byte");
	ok(!hex_decode(SPAN_LIT("0\0"), &one, 1), "NUL is no digit");
	hex_encode(NULL, 0, text);
	ok(*text == '\0' && hex_decode(SPAN_LIT(""), NULL, 0), "nothing");
}

/* Every byte in every place: 16 digits are good, 240 are not. */
static void
test_hex_alphabet(void)
{
	uint8_t text[2] = { '0', '0' }, out;
	int good = 0;

	for (int at = 0; at < 2; at++) {
		for (unsigned c = 0; c < 256; c++) {
			text[at] = (uint8_t)c;
			if (hex_decode((struct span){ text, 2 }, &out, 1)) {
				char again[3];

				hex_encode(&out, 1, again);
				good += memcmp(again, text, 2) == 0;
			}
		}
		text[at] = '0';
	}
	is_int(good, 32, "16 digits in both places, and they come back");
}

static bool
base64_pair(const char *bytes, const char *text, const char *url)
{
	autobuf enc = BUF(100), enc_url = BUF(100);
	autobuf dec = BUF(100), dec_url = BUF(100);

	return base64_encode(span_str(bytes), &enc, &e) == 0 &&
	    base64url_encode(span_str(bytes), &enc_url, &e) == 0 &&
	    base64_decode(span_str(text), &dec, &e) == 0 &&
	    base64url_decode(span_str(url), &dec_url, &e) == 0 &&
	    strcmp(buf_str(&enc), text) == 0 &&
	    strcmp(buf_str(&enc_url), url) == 0 &&
	    strcmp(buf_str(&dec), bytes) == 0 &&
	    strcmp(buf_str(&dec_url), bytes) == 0;
}

static void
test_base64(void)
{
	/* RFC 4648 section 10, and the two letters that differ. */
	static const char *const pairs[][3] = {
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/", "-_-_" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		ok(base64_pair(pairs[i][0], pairs[i][1], pairs[i][2]),
		    "pair '%s'", pairs[i][1]);
}

static void
test_base64_bad(void)
{
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg===", "=", "==", "===", "====", "A===",
		"Zh==", "Zm9=", "Zm8", "Zm9v=", "Zm9v====", "=Zm9", "Z=g=",
		"Zg==Zg==", "Zg= ", " Zg=", "Zm9v\n", "Zm9v\r\n", "Zm 9v",
		"Zm9-", "Zm9_", "Zm9.", "Zm9\x80", "Zm9v ", "-_-_", "Zg=A",
	};
	static const char *const bad_url[] = {
		"Z", "Zg==", "Zh", "Zm9", "Zm8=", "+/+/", "Zm9vY", "Zm9v\n",
		"Zm9v=", "Z+", "Z/", "\xc3\xa9",
	};
	autobuf b = BUF(100);

	works(buf_add_str(&b, "kept", &e), "something before");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e.msg[0] = '\0';
		fails(base64_decode(span_str(bad[i]), &b, &e), ERR_PARSE,
		    "refused: '%s'", bad[i]);
		ok(strcmp(buf_str(&b), "kept") == 0 &&
		    strstr(e.msg, "Z") == NULL, "nothing changed, nothing told");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_url); i++)
		fails(base64url_decode(span_str(bad_url[i]), &b, &e), ERR_PARSE,
		    "refused (url): '%s'", bad_url[i]);
	fails(base64_decode(SPAN_LIT("Zg=\0"), &b, &e), ERR_PARSE,
	    "NUL is no padding");
	is_str(buf_str(&b), "kept", "nothing changed");
	works(base64_decode(SPAN_LIT("Zg=="), &b, &e), "a good one");
	is_str(buf_str(&b), "keptf", "is appended");
}

/* Every length up to 100 both ways; every byte in every place of a group. */
static void
test_base64_all(void)
{
	uint8_t bytes[100];
	bool good = true;
	int accepted = 0;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 89 + 7);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		autobuf text = BUF(200), back = BUF(200);
		struct span s = { bytes, n };

		good &= base64_encode(s, &text, &e) == 0 &&
		    base64_decode(buf_span(&text), &back, &e) == 0 &&
		    span_eq(buf_span(&back), s);
		buf_reset(&text);
		buf_reset(&back);
		good &= base64url_encode(s, &text, &e) == 0 &&
		    base64url_decode(buf_span(&text), &back, &e) == 0 &&
		    span_eq(buf_span(&back), s);
	}
	ok(good, "all lengths come back");
	for (size_t at = 0; at < 4; at++) {
		uint8_t text[4] = { 'A', 'A', 'A', 'A' };

		for (unsigned c = 0; c < 256; c++) {
			autobuf back = BUF(3);

			text[at] = (uint8_t)c;
			accepted += base64_decode((struct span){ text, 4 },
			    &back, &e) == 0;
		}
	}
	is_int(accepted, 4 * 64 + 1, "64 letters in each place, and AAA=");
}

static void
try_all(struct span s, void *arg)
{
	bool *canonical = arg;

	for (int url = 0; url < 2; url++) {
		autobuf bytes = BUF(1000), text = BUF(1000);
		int rc = url ? base64url_decode(s, &bytes, &e) :
		    base64_decode(s, &bytes, &e);

		if (rc < 0)
			continue;
		rc = url ? base64url_encode(buf_span(&bytes), &text, &e) :
		    base64_encode(buf_span(&bytes), &text, &e);
		*canonical &= rc == 0 && span_eq(buf_span(&text), s);
	}
}

static void
test_mutants(void)
{
	bool canonical = true;
	size_t n = mutate(SPAN_LIT("cGFzc3BocmFzZXdoaWNobmVlZHN0b2JlMzI/eXRl"
	    "cyE+Pw=="), 100, try_all, &canonical);

	ok(canonical && n > 500, "no mutant decodes but to its own text");
}

static int
run_codec(void *arg, struct err *err)
{
	autobuf text = BUF(1000), back = BUF(1000);
	int rc = base64_encode(SPAN_LIT("0123456789"), &text, err);

	(void)arg;
	if (rc == 0)
		rc = base64_decode(buf_span(&text), &back, err);
	return rc;
}

static void
test_limits(void)
{
	autobuf b = BUF(3), secret = BUF_SECRET(100);
	size_t before = secret_in_use();

	fails(base64_decode(SPAN_LIT("Zm9vYg=="), &b, &e), ERR_LIMIT,
	    "decode past the limit");
	fails(base64_encode(SPAN_LIT("f"), &b, &e), ERR_LIMIT,
	    "encode past the limit");
	fails(base64_decode(SPAN_LIT("Zg*="), &b, &e), ERR_PARSE,
	    "bad, and would fit");
	works(base64_decode(SPAN_LIT("Zm9v"), &b, &e), "just fits");
	works(base64_decode(SPAN_LIT("Zm9v"), &secret, &e), "into a secret");
	ok(secret_in_use() > before, "stays in the arena");
	is_int(fault_each(FAULT_ALLOC, 0, false, run_codec, NULL), 2,
	    "each allocation made to fail");
}

int
main(void)
{
	test_hex();
	test_hex_alphabet();
	test_base64();
	test_base64_bad();
	test_base64_all();
	test_mutants();
	test_limits();
	return tap_done();
}
