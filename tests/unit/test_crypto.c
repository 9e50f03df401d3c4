/*
 * test_crypto.c: published known answers, behaviour at the edges, and that no
 * file is opened once crypto_init() has run.
 */
#include "lib/base.h"
#include "lib/crypto.h"

#include <sys/resource.h>

#include "lib/codec.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;

/* Bytes of a hex literal, in an array of the caller. */
static struct span
unhex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	assert(hex_decode(span_str(hex), out, n));
	return (struct span){ out, n };
}

static bool
is_hex(const void *p, size_t n, const char *want)
{
	char got[2 * 256 + 1];

	assert(n <= 256);
	hex_encode(p, n, got);
	if (strcmp(got, want) == 0)
		return true;
	printf("# got %s\n", got);
	return false;
}

static void
test_before_init(void)
{
	uint8_t out[HASH_MAX], zero[32] = { 0 };
	struct span key = { zero, 32 };
	struct hash *h;
	struct hmac *m;
	struct ctr *c;
	autobuf b = BUF(64);

	fails(hash_new(HASH_SHA256, &h, &e), ERR_BUG, "hash before crypto_init");
	fails(hash_once(HASH_SHA256, key, out, &e), ERR_BUG, "hash_once before crypto_init");
	fails(hmac_new(key, &m, &e), ERR_BUG, "HMAC before crypto_init");
	fails(ctr_new(key, (struct span){ zero, 16 }, &c, &e), ERR_BUG, "CTR before crypto_init");
	fails(gcm_seal(key, (struct span){ zero, 12 }, key, &b, &e), ERR_BUG,
	    "seal before crypto_init");
	fails(gcm_open(key, (struct span){ zero, 12 }, key, &b, &e), ERR_BUG,
	    "open before crypto_init");
	works(crypto_init(&e), "crypto_init");
	works(crypto_init(&e), "crypto_init again");
}

/* FIPS 180-4 examples. */
static void
test_hash(void)
{
	static const struct { enum hash_alg alg; const char *text, *want; } cases[] = {
		{ HASH_SHA256, "abc",
		  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ HASH_SHA256, "",
		  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ HASH_SHA384, "abc",
		  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
		  "8086072ba1e7cc2358baeca134c825a7" },
		{ HASH_SHA512, "abc",
		  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
		/* GB/T 32905, example 1. */
		{ HASH_SM3, "abc",
		  "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span text = span_str(cases[i].text);
		uint8_t out[HASH_MAX];
		struct hash *h = NULL;

		is_int(hash_size(cases[i].alg), strlen(cases[i].want) / 2, "size of digest");
		works(hash_once(cases[i].alg, text, out, &e), "hash_once");
		ok(is_hex(out, hash_size(cases[i].alg), cases[i].want), "known answer %zu", i);
		memset(out, 0, sizeof(out));
		works(hash_new(cases[i].alg, &h, &e), "hash_new");
		for (size_t k = 0; k < text.len; k++)
			works(hash_update(h, text.p + k, 1, &e), "byte by byte");
		works(hash_final(h, out, &e), "hash_final");
		ok(is_hex(out, hash_size(cases[i].alg), cases[i].want), "the same in pieces");
		hash_free(h);
	}
	works(hash_once(HASH_SHA256, (struct span){ NULL, 0 }, (uint8_t[HASH_MAX]){ 0 }, &e),
	    "nothing at all");
	hash_free(NULL);
}

/* RFC 4231. */
static void
test_hmac(void)
{
	static const struct { const char *key, *text, *want; } cases[] = {
		{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There",
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ "4a656665", "what do ya want for nothing?",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span text = span_str(cases[i].text);
		uint8_t key[32], out[32];
		struct hmac *m = NULL;

		works(hmac_new(unhex(cases[i].key, key), &m, &e), "hmac_new");
		works(hmac_update(m, text.p, text.len / 2, &e), "first half");
		works(hmac_update(m, text.p + text.len / 2, text.len - text.len / 2, &e), "rest");
		works(hmac_final(m, out, &e), "hmac_final");
		ok(is_hex(out, 32, cases[i].want), "known answer %zu", i);
		hmac_free(m);
	}
	{
		struct hmac *m = NULL;
		uint8_t out[32];

		works(hmac_new((struct span){ NULL, 0 }, &m, &e), "no key at all");
		works(hmac_final(m, out, &e), "hmac_final");
		ok(is_hex(out, 32, cases[2].want), "is the empty key, not one used before");
		hmac_free(m);
	}
	hmac_free(NULL);
}

/* NIST SP 800-38A F.5.5 */
static void
test_ctr(void)
{
	uint8_t k[32], iv[16], plain[64], out[64];
	const char *want = "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
	    "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6";
	struct span key = unhex("603deb1015ca71be2b73aef0857d7781"
	    "1f352c073b6108d72d9810a30914dff4", k);
	struct span counter = unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", iv);
	struct ctr *c = NULL;

	unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710", plain);
	works(ctr_new(key, counter, &c, &e), "ctr_new");
	works(ctr_update(c, plain, out, 5, &e), "five bytes");
	works(ctr_update(c, plain + 5, out + 5, 0, &e), "no bytes");
	works(ctr_update(c, plain + 5, out + 5, 59, &e), "the rest");
	ok(is_hex(out, 64, want), "known answer in unaligned pieces");
	ctr_free(c);
	works(ctr_new(key, counter, &c, &e), "ctr_new");
	works(ctr_update(c, plain, plain, 64, &e), "in place");
	ok(is_hex(plain, 64, want), "known answer in place");
	ctr_free(c);
	/* All 128 bits count: after ff…ff comes 00…00. */
	memset(iv, 0xff, 16);
	works(ctr_new(key, counter, &c, &e), "ctr_new");
	memset(plain, 0, 64);
	works(ctr_update(c, plain, out, 32, &e), "over the end of the counter");
	ctr_free(c);
	memset(iv, 0, 16);
	works(ctr_new(key, counter, &c, &e), "ctr_new");
	works(ctr_update(c, plain, plain, 16, &e), "counter 0");
	ok(memcmp(out + 16, plain, 16) == 0, "the counter wraps to zero");
	ctr_free(c);
	ctr_free(NULL);
	fails(ctr_new((struct span){ k, 16 }, counter, &c, &e), ERR_BUG, "short key");
	fails(ctr_new(key, (struct span){ iv, 12 }, &c, &e), ERR_BUG, "short counter");
}

/* Cases 13 and 14 of the GCM specification: AES-256 without additional data. */
static void
test_gcm_known(void)
{
	uint8_t zero[32] = { 0 }, sealed[32];
	struct span key = { zero, 32 }, iv = { zero, 12 };
	autobuf a = BUF(64), b = BUF(64), c = BUF_SECRET(64);

	works(gcm_seal(key, iv, (struct span){ NULL, 0 }, &a, &e), "seal nothing");
	ok(is_hex(a.data, a.len, "530f8afbc74536b9a963b4f1c4cb738b"), "case 13");
	works(gcm_seal(key, iv, (struct span){ zero, 16 }, &b, &e), "seal a block");
	ok(is_hex(b.data, b.len, "cea7403d4d606b6e074ec5d3baf39d18"
	    "d0d1c8a799996bf0265b98b5d48ab919"), "case 14");
	works(gcm_open(key, iv, buf_span(&a), &c, &e), "open nothing");
	is_int(c.len, 0, "nothing came out");
	works(gcm_open(key, iv, buf_span(&b), &c, &e), "open a block");
	ok(c.len == 16 && memcmp(c.data, zero, 16) == 0, "the block came out");
	works(gcm_open(key, iv, buf_span(&b), &c, &e), "open it again");
	is_int(c.len, 32, "output is appended");
	memcpy(sealed, b.data, 32);
	for (size_t bit = 0; bit < 256; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (gcm_open(key, iv, (struct span){ sealed, 32 }, &c, &e) != -ERR_DECRYPT ||
		    c.len != 32 || c.data[32] != '\0')
			ok(false, "bit %zu flipped", bit);
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	is_str(e.msg, "decryption failed", "no reason is given");
	for (size_t n = 0; n < 32; n++)
		if (gcm_open(key, iv, (struct span){ sealed, n }, &c, &e) != -ERR_DECRYPT)
			ok(false, "cut to %zu bytes", n);
	is_int(c.len, 32, "failures left the output alone");
}

static void
test_gcm_lengths(void)
{
	uint8_t zero[48] = { 0 };
	struct span key = { zero, 32 }, iv = { zero, 12 }, text = { zero, 16 };
	autobuf sealed = BUF(64), small = BUF(20), none = BUF(8);

	works(gcm_seal(key, iv, text, &sealed, &e), "seal");
	fails(gcm_seal((struct span){ zero, 31 }, iv, text, &small, &e), ERR_BUG, "seal: short key");
	fails(gcm_seal(key, (struct span){ zero, 16 }, text, &small, &e), ERR_BUG, "seal: long iv");
	fails(gcm_seal(key, iv, text, &small, &e), ERR_LIMIT, "seal: no room");
	is_int(small.len, 0, "nothing was written");
	fails(gcm_open((struct span){ zero, 33 }, iv, buf_span(&sealed), &small, &e), ERR_DECRYPT,
	    "open: long key");
	fails(gcm_open(key, (struct span){ zero, 11 }, buf_span(&sealed), &small, &e), ERR_DECRYPT,
	    "open: short iv");
	fails(gcm_open(key, iv, buf_span(&sealed), &none, &e), ERR_LIMIT, "open: no room");
}

static void
test_equal_random(void)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	works(crypto_random(a, sizeof(a), &e), "random");
	works(crypto_random(b, sizeof(b), &e), "random again");
	ok(memcmp(a, b, 32) != 0, "two draws differ");
	memcpy(b, a, 32);
	ok(crypto_equal((struct span){ a, 32 }, (struct span){ b, 32 }), "equal");
	b[31] ^= 1;
	ok(!crypto_equal((struct span){ a, 32 }, (struct span){ b, 32 }), "last bit");
	ok(!crypto_equal((struct span){ a, 32 }, (struct span){ a, 31 }), "lengths");
	ok(crypto_equal((struct span){ NULL, 0 }, (struct span){ a, 0 }), "both empty");
}

/* Everything that allocates through the seam. */
static int
run_all(maybe_unused void *arg, struct err *err)
{
	const uint8_t zero[32] = { 0 };
	const struct span key = { zero, 32 };
	autobuf sealed = BUF(64), opened = BUF(64);
	uint8_t iv[12];
	struct hash *h;
	struct hmac *m;
	struct ctr *c;
	int rc;

	if ((rc = hash_new(HASH_SHA256, &h, err)) < 0)
		return rc;
	hash_free(h);
	if ((rc = hmac_new(key, &m, err)) < 0)
		return rc;
	hmac_free(m);
	if ((rc = ctr_new(key, (struct span){ zero, 16 }, &c, err)) < 0)
		return rc;
	ctr_free(c);
	if ((rc = crypto_random(iv, sizeof(iv), err)) < 0 ||
	    (rc = gcm_seal(key, (struct span){ iv, 12 }, key, &sealed, err)) < 0)
		return rc;
	return gcm_open(key, (struct span){ iv, 12 }, buf_span(&sealed), &opened, err);
}

int
main(void)
{
	struct rlimit usual, none;

	test_before_init();
	/* From here on no descriptor can be opened. */
	assert(getrlimit(RLIMIT_NOFILE, &usual) == 0);
	none = (struct rlimit){ 0, usual.rlim_max };
	assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
	test_hash();
	test_hmac();
	test_ctr();
	test_gcm_known();
	test_gcm_lengths();
	test_equal_random();
	ok(fault_each(FAULT_ALLOC, 0, false, run_all, NULL) > 4, "every allocation fails once");
	is_int(fault_each(FAULT_IO, EIO, false, run_all, NULL), 1, "no random numbers");
	is_int(fault_live_bytes(), 0, "nothing leaks");
	assert(setrlimit(RLIMIT_NOFILE, &usual) == 0);
	return tap_done();
}
