/*
 * test_digest.c: what is a digest and what is not (the list of attacks too),
 * comparison, and digests of data.
 */
#include "lib/base.h"
#include "image/digest.h"

#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define HEX32	"0123456789abcdef0123456789abcdef"
#define HEX64	HEX32 HEX32
#define HEX128	HEX64 HEX64

static struct err e;

static void
test_good(void)
{
	static const char *const texts[] = { "sha256:" HEX64, "sha512:" HEX128 };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct digest d;

		works(digest_parse(span_str(texts[i]), &d, &e), "%s", texts[i]);
		is_str(d.text, texts[i], "its text");
		is_int(d.alg, i == 0 ? HASH_SHA256 : HASH_SHA512, "its algorithm");
		ok(d.value[0] == 0x01 && d.value[7] == 0xef && d.value[hash_size(d.alg) - 1] == 0xef,
		    "its value");
	}
}

#define T(literal) { literal, sizeof(literal) - 1 }

static void
test_bad(void)
{
	static const struct { const char *text; size_t len; } cases[] = {
		T(""), T(":"), T("sha256"), T("sha256:"), T("sha512:"), T(HEX64), T(":" HEX64), T("sha256:" HEX32),
		T("sha256:" HEX32 "0123456789abcdef0123456789abcde"), T("sha256:" HEX64 "0"), T("sha256:" HEX64 "00"),
		T("sha256:" HEX128), T("sha512:" HEX64), T("sha512:" HEX128 "0"), T("sha512:" HEX64 HEX32),
		T("SHA256:" HEX64), T("Sha256:" HEX64), T("sha256:" "0123456789ABCDEF" "0123456789abcdef" HEX32),
		T("sha256-" HEX64), T("sha256:" HEX64 "\n"), T("sha256:" HEX64 " "), T(" sha256:" HEX64),
		T("sha256:" HEX64 "\0"), T("sha256:\0" HEX64), T("sha256\0:" HEX64), T("\0sha256:" HEX64),
		T("sha256::" HEX64), T("sha256:" "0x" "0123456789abcdef0123456789abcd" HEX32),
		T("sha256:../../../../../../../../../../../../../../../../etc/passwd000000"), T("sha256:../x"),
		T("sha256:" "+123456789abcdef0123456789abcdef" HEX32), T("sha256:" "g123456789abcdef0123456789abcdef" HEX32),
		T("sha256:" HEX32 "0123456789abcdef0123456789abcd/."), T("sha256:" HEX32 "0123456789abcdef0123456789abcd\xc3\xa9"),
		T("md5:0123456789abcdef0123456789abcdef"), T("sha1:0123456789abcdef0123456789abcdef01234567"),
		T("sha384:" HEX64 HEX32), T("blake3:" HEX64), T("sha256+b64:" HEX64), T("sha256.x:" HEX64), T("../sha256:" HEX64),
		T("sha256:sha256:" HEX64), T("sha256:" HEX64 "@sha256:" HEX64), T("sha256:" HEX64 "?x"), T("sha256:" HEX64 "/.."),
		T("\xef\xbb\xbfsha256:" HEX64),
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct digest d = { .alg = HASH_SHA384, .text = "untouched" };

		fails(digest_parse((struct span){ (const uint8_t *)cases[i].text, cases[i].len }, &d, &e),
		    ERR_PARSE, "bad %zu: %s", i, cases[i].text);
		ok(d.alg == HASH_SHA384 && strcmp(d.text, "untouched") == 0, "output untouched");
	}
	fails(digest_parse((struct span){ NULL, 0 }, &(struct digest){ 0 }, &e), ERR_PARSE, "no text at all");
}

static void
test_message(void)
{
	struct digest d;
	size_t n = 1 << 20;
	char *huge = malloc(n);

	assert(huge != NULL);
	memset(huge, 'a', n);
	memcpy(huge, "sha256:", 7);
	fails(digest_parse((struct span){ (const uint8_t *)huge, n }, &d, &e), ERR_PARSE, "a MiB");
	ok(strlen(e.msg) < 120, "the message is cut");
	free(huge);
	fails(digest_parse(SPAN_LIT("sha256:\033[31m\n"), &d, &e), ERR_PARSE, "control characters");
	is_str(e.msg, "not a digest: \"sha256:\\x1b[31m\\x0a\"", "are escaped");
}

static void
test_equal(void)
{
	struct digest a, b, c;
	uint8_t value[HASH_MAX] = { 1 };

	digest_set(&a, HASH_SHA256, value);
	value[32] = 9;		/* beyond a SHA-256 */
	digest_set(&b, HASH_SHA256, value);
	digest_set(&c, HASH_SHA512, value);
	ok(digest_equal(&a, &b), "equal");
	ok(!digest_equal(&a, &c) && !digest_equal(&c, &a), "another algorithm");
	value[31] = 1;
	digest_set(&b, HASH_SHA256, value);
	ok(!digest_equal(&a, &b), "last byte");
	value[63] = 1;
	digest_set(&b, HASH_SHA512, value);
	ok(!digest_equal(&b, &c), "last byte of a SHA-512");
	is_int(strlen(c.text), 7 + 128, "text of a SHA-512");
}

static void
test_data(void)
{
	struct digest d, other;

	works(digest_of(HASH_SHA256, SPAN_LIT("abc"), &d, &e), "digest of data");
	is_str(d.text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256");
	works(digest_check(&d, SPAN_LIT("abc"), "config", &e), "check");
	fails(digest_check(&d, SPAN_LIT("abd"), "config", &e), ERR_DIGEST, "check of other data");
	is_str(e.msg, "config: expected "
	    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad, got "
	    "sha256:a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9", "says both");
	works(digest_of(HASH_SHA512, SPAN_LIT(""), &d, &e), "SHA-512");
	works(digest_parse(span_str(d.text), &other, &e), "its text parses");
	ok(digest_equal(&d, &other), "to the same");
}

static void
try_mutant(struct span text, maybe_unused void *arg)
{
	struct digest d;

	/* What is accepted has exactly this text. */
	if (digest_parse(text, &d, &e) == 0)
		assert(span_eq_str(text, d.text));
}

int
main(void)
{
	fails(digest_of(HASH_SHA256, SPAN_LIT("x"), &(struct digest){ 0 }, &e), ERR_BUG, "before crypto_init");
	works(crypto_init(&e), "crypto");
	test_good();
	test_bad();
	test_message();
	test_equal();
	test_data();
	ok(mutate(SPAN_LIT("sha256:" HEX64), 100, try_mutant, NULL) > 900, "mutants");
	return tap_done();
}
