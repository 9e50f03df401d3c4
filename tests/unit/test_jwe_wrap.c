/*
 * test_jwe_wrap.c: recipients' keys in every form, and what is wrapped for them: read by our own reader, and in the form that
 * others expect (skopeo: tests/e2e/recipients.sh).
 */
#include "lib/base.h"
#include "keyprovider/jwe_wrap.h"

#include "keyprovider/cek.h"
#include "lib/codec.h"
#include "lib/crypto.h"
#include "lib/json.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/keys.h"
#include "tests/lib/mutate.h"

#define PLAIN	"{\"symkey\":\"what is wrapped\"}"

static struct err e;

/* A private key and forms of its public half. */
static const struct { const char *private, *public[4]; } pairs[] = {
	{ "keys/rsa.pem", { "keys/rsa.pub.pem", "pubkeys/rsa.pkcs1.pem", "pubkeys/rsa.pkcs1.der", "pubkeys/rsa.jwk" } },
	{ "keys/ec.pkcs8.pem", { "keys/ec.pub.pem", "pubkeys/ec.der", "pubkeys/ec.jwk", NULL } },
	{ "keys/p7.key.pem", { "keys/p7.crt.pem", "pubkeys/p7.crt.der", NULL, NULL } },
	{ "jwe/p384.pem", { "pubkeys/p384.pem", "pubkeys/p384.jwk", NULL, NULL } },
	{ "jwe/p521.pem", { "pubkeys/p521.pem", "pubkeys/p521.jwk", NULL, NULL } },
};

static int
read_public(const char *name, struct pkey *out)
{
	autobuf text = BUF(PUBKEY_MAX_FILE);

	read_vector(name, &text);
	return pubkey_parse(buf_span(&text), out, &e);
}

static int
open_with(const char *private, struct span jwe)
{
	cleanup(keyset_fini) struct keyset keys = { .n = 0 };
	autobuf out = BUF_SECRET(LIMIT_PACKET);
	int rc;

	add_key(&keys, private);
	rc = jwe_unwrap(jwe, &keys, &out, &e);
	if (rc == 0 && !span_eq(buf_span(&out), SPAN_LIT(PLAIN)))
		rc = err_set(&e, ERR_BUG, "other text");
	return rc;
}

static void
test_one(void)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		for (size_t n = 0; n < 4 && pairs[i].public[n] != NULL; n++) {
			autobuf jwe = BUF(LIMIT_PACKET), again = BUF(LIMIT_PACKET);
			struct pkey key = { .evp = NULL };
			autojson doc = NULL;

			works(read_public(pairs[i].public[n], &key), "%s", pairs[i].public[n]);
			if (key.evp == NULL)
				continue;
			works(jwe_wrap(&key, 1, SPAN_LIT(PLAIN), &jwe, &e), "wraps");
			works(jwe_wrap(&key, 1, SPAN_LIT(PLAIN), &again, &e), "and again");
			pkey_fini(&key);
			ok(!span_eq(buf_span(&jwe), buf_span(&again)), "differently");
			works(open_with(pairs[i].private, buf_span(&jwe)), "opens");
			fails(open_with("keys/other.pem", buf_span(&jwe)), ERR_DECRYPT, "not with another key");
			works(json_parse(buf_span(&jwe), &doc, &e), "is JSON");
			ok(!json_ok(json_get(json_root(doc), "recipients")) &&
			    json_ok(json_get(json_root(doc), "encrypted_key")), "flattened");
			ok(!json_ok(json_get(json_root(doc), "header")), "all parameters protected");
		}
	}
}

static void
test_several(void)
{
	struct pkey keys[JWE_RECIPIENTS] = { { .evp = NULL } };
	autobuf jwe = BUF(LIMIT_PACKET), flat = BUF(LIMIT_PACKET);
	autojson doc = NULL;
	size_t n = 0;

	for (; n < ARRAY_LEN(pairs); n++)
		works(read_public(pairs[n].public[0], &keys[n]), "%s", pairs[n].public[0]);
	works(jwe_wrap(keys, n, SPAN_LIT(PLAIN), &jwe, &e), "wraps for %zu", n);
	for (size_t i = 0; i < n; i++)
		works(open_with(pairs[i].private, buf_span(&jwe)), "opens with %s", pairs[i].private);
	fails(open_with("keys/other.pem", buf_span(&jwe)), ERR_DECRYPT, "not with another");
	works(json_parse(buf_span(&jwe), &doc, &e), "is JSON");
	is_int(json_count(json_get(json_root(doc), "recipients")), n, "general form");
	ok(!json_ok(json_get(json_root(doc), "encrypted_key")), "and nothing of the other form");
	for (; n < JWE_RECIPIENTS; n++)
		works(read_public(pairs[n % 5].public[0], &keys[n]), "recipient %zu", n);
	works(jwe_wrap(keys, n, SPAN_LIT(PLAIN), &flat, &e), "wraps for %zu", n);
	works(open_with("keys/rsa.pem", buf_span(&flat)), "opens");
	buf_reset(&flat);
	fails(jwe_wrap(keys, JWE_RECIPIENTS + 1, SPAN_LIT(PLAIN), &flat, &e), ERR_BUG, "one too many");
	fails(jwe_wrap(keys, 0, SPAN_LIT(PLAIN), &flat, &e), ERR_BUG, "for nobody");
	is_int(flat.len, 0, "nothing was added");
	for (size_t i = 0; i < n; i++)
		pkey_fini(&keys[i]);
}

static void
test_refused(void)
{
	static const struct { const char *name; enum err_code code; const char *word; } files[] = {
		{ "keys/rsa.pem", ERR_PARSE, "private key" }, { "keys/rsa.pkcs8.pem", ERR_PARSE, "private key" },
		{ "keys/rsa.pkcs8.pass-secret.pem", ERR_PARSE, "private key" }, { "keys/rsa.der", ERR_PARSE, "private key" },
		{ "keys/ec.sec1.pem", ERR_PARSE, "private key" }, { "jwe/rsa.jwk", ERR_PARSE, "private key" },
		{ "jwe/p256.jwk", ERR_PARSE, "private key" }, { "keys/pgp.secret.gpg", ERR_PARSE, "" },
		{ "jwe/plain.json", ERR_PARSE, "JWK" }, { "pubkeys/rsa1024.pem", ERR_UNSUPPORTED, "2048" },
		{ "pubkeys/ed25519.pem", ERR_UNSUPPORTED, "neither RSA nor EC" },
		{ "pubkeys/secp256k1.pem", ERR_UNSUPPORTED, "neither RSA nor EC" },
	};
	static const struct { const char *text; enum err_code code; const char *word; } texts[] = {
		{ "", ERR_PARSE, "" }, { "-----BEGIN PUBLIC KEY-----\n", ERR_PARSE, "END" },
		{ "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ERR_PARSE, "" },
		{ "-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----\n", ERR_PARSE, "PEM" },
		{ "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n", ERR_UNSUPPORTED, "DH PARAMETERS" },
		{ "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", ERR_PARSE, "certificate" },
		{ "-----BEGIN RSA PUBLIC KEY-----\nMAA=\n-----END RSA PUBLIC KEY-----\n", ERR_UNSUPPORTED, "RSA" },
		{ "{\"kty\":\"oct\",\"k\":\"AAAA\"}", ERR_UNSUPPORTED, "neither RSA nor EC" },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}", ERR_PARSE, "length" },
		{ "{\"kty\":\"RSA\",\"n\":\"AAAA\"}", ERR_PARSE, "" }, { "{\"kty\":1}", ERR_PARSE, "no key" },
		{ "\x30\x00", ERR_PARSE, "" }, { "0\x03\x02\x01\x01", ERR_PARSE, "private" },
	};
	uint8_t *large = malloc(PUBKEY_MAX_FILE + 1);
	struct pkey key = { .evp = NULL };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		fails(read_public(files[i].name, &key), files[i].code, "%s", files[i].name);
		ok(strstr(e.msg, files[i].word) != NULL && key.evp == NULL, "%s", e.msg);
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		fails(pubkey_parse(span_str(texts[i].text), &key, &e), texts[i].code, "text %zu", i);
		ok(strstr(e.msg, texts[i].word) != NULL && key.evp == NULL, "%s", e.msg);
	}
	assert(large != NULL);
	memset(large, '\n', PUBKEY_MAX_FILE + 1);
	fails(pubkey_parse((struct span){ large, PUBKEY_MAX_FILE + 1 }, &key, &e), ERR_LIMIT, "a large file");
	free(large);
}

/* RFC 3394, 4.1 and 4.6. */
static void
test_key_wrap(void)
{
	static const struct { const char *kek, *key, *wrapped; size_t nkek, nkey; } cases[] = {
		{ "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
		    "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5", 16, 16 },
		{ "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		    "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
		    "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21", 32, 32 },
	};
	autobuf out = BUF(128), tag = BUF(16);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t kek[32], key[32];
		char hex[128];

		ok(hex_decode(span_str(cases[i].kek), kek, cases[i].nkek), "kek");
		ok(hex_decode(span_str(cases[i].key), key, cases[i].nkey), "key");
		buf_reset(&out);
		works(cek_wrap((struct span){ kek, cases[i].nkek }, (struct span){ key, cases[i].nkey }, &out, &e), "wraps");
		hex_encode(out.data, out.len, hex);
		is_str(hex, cases[i].wrapped, "as the RFC says");
	}
	fails(cek_wrap(SPAN_LIT("0123456789abcdef"), SPAN_LIT("01234567"), &out, &e), ERR_BUG, "8 bytes");
	fails(cek_wrap(SPAN_LIT("0123456789abcdef"), SPAN_LIT("0123456789abcdefg"), &out, &e), ERR_BUG, "17 bytes");
	fails(cek_wrap(SPAN_LIT("short"), SPAN_LIT("0123456789abcdef"), &out, &e), ERR_BUG, "a short kek");
	fails(cek_seal(SPAN_LIT("0123456789abcdef"), SPAN_LIT("iv"), SPAN_LIT(""), SPAN_LIT("x"), &out, &tag, &e),
	    ERR_BUG, "a short iv");
}

static void
parse_any(struct span s, maybe_unused void *arg)
{
	struct pkey key = { .evp = NULL };
	struct err unread;

	if (pubkey_parse(s, &key, &unread) == 0)
		pkey_fini(&key);
}

static void
test_mutants(void)
{
	static const char *const names[] = { "pubkeys/ec.der", "pubkeys/rsa.pkcs1.der", "pubkeys/p7.crt.der", "keys/ec.pub.pem",
	    "pubkeys/ec.jwk" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		autobuf text = BUF(PUBKEY_MAX_FILE);

		read_vector(names[i], &text);
		ok(mutate(buf_span(&text), 40, parse_any, NULL) > 100, "mutants of %s", names[i]);
	}
}

/* Also a key that needs no text around it decoded. */
static int
wrap_for(void *arg, struct err *out)
{
	const struct span *text = arg;
	autobuf jwe = BUF(LIMIT_PACKET);
	struct pkey key = { .evp = NULL };
	int rc = pubkey_parse(*text, &key, out);

	if (rc == 0)
		rc = jwe_wrap(&key, 1, SPAN_LIT(PLAIN), &jwe, out);
	pkey_fini(&key);
	return rc;
}

static void
test_faults(void)
{
	static const char *const names[] = { "keys/ec.pub.pem", "pubkeys/rsa.jwk" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		autobuf text = BUF(PUBKEY_MAX_FILE);
		struct span s;

		read_vector(names[i], &text);
		s = buf_span(&text);
		ok(fault_each(FAULT_ALLOC, 0, false, wrap_for, &s) > 3, "every allocation fails: %s", names[i]);
		ok(fault_each(FAULT_IO, EIO, false, wrap_for, &s) > 0, "no randomness: %s", names[i]);
	}
}

int
main(void)
{
	works(crypto_init(&e), "crypto_init");
	test_one();
	test_several();
	test_refused();
	test_key_wrap();
	test_mutants();
	test_faults();
	is_int(secret_in_use(), 0, "nothing is left in secret memory");
	return tap_done();
}
