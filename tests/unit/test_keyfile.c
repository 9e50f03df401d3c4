/*
 * test_keyfile.c: key files in all their forms, and the operations with the keys: known answers, bad padding, points
 * beside the curve; memory of OpenSSL that is wiped.
 */
#include "lib/base.h"
#include "keyprovider/keyfile.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "keyprovider/cek.h"
#include "lib/codec.h"
#include "lib/crypto.h"
#include "lib/secret.h"
#include "lib/sys.h"
#include "tests/lib/keys.h"
#include "tests/lib/mutate.h"

static struct err e;

static int
parse(struct span text, const char *password, struct keyfile *f)
{
	int rc;

	*f = (struct keyfile){ .key.evp = NULL };
	rc = keyfile_parse(text, span_str(password), f, &e);
	return rc == 0 || f->key.evp == NULL ? rc : -(int)ERR_BUG;
}

static void
test_vectors(void)
{
	static const struct { const char *name, *password; enum pkey_kind kind; } cases[] = {
		{ "keys/rsa.pem", "", PKEY_RSA }, { "keys/rsa.der", "", PKEY_RSA },
		{ "keys/rsa.pkcs8.pem", "", PKEY_RSA }, { "keys/rsa.pkcs8.pem", "not needed", PKEY_RSA },
		{ "keys/rsa.pkcs8.pass-secret.pem", "secret", PKEY_RSA },
		{ "keys/ec.pkcs8.pem", "", PKEY_P256 }, { "keys/ec.sec1.pem", "", PKEY_P256 },
		{ "jwe/p384.pem", "", PKEY_P384 }, { "jwe/p521.pem", "", PKEY_P521 },
		{ "jwe/rsa.jwk", "", PKEY_RSA }, { "jwe/p256.jwk", "", PKEY_P256 }, { "jwe/p521.jwk", "", PKEY_P521 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf text = BUF_SECRET(LIMIT_KEY_FILE);
		struct keyfile f;

		read_vector(cases[i].name, &text);
		works(parse(buf_span(&text), cases[i].password, &f), "%s", cases[i].name);
		ok(f.key.evp != NULL && f.key.kind == cases[i].kind, "its kind");
		keyfile_fini(&f);
	}
}

static void
test_certificate(void)
{
	autobuf text = BUF(LIMIT_KEY_FILE), both = BUF(LIMIT_KEY_FILE);
	struct keyfile f;

	read_vector("keys/p7.crt.pem", &text);
	works(parse(buf_span(&text), "", &f), "a certificate");
	ok(f.key.evp == NULL && f.cert_id.len == 15 + 22, "is no key, and has issuer and serial number");
	ok(f.cert_id.len > 17 && f.cert_id.data[0] == 0x30 && f.cert_id.data[15] == 2, "in this order");
	keyfile_fini(&f);
	works(buf_add_str(&both, "0 some text\r\n", &e), "text that begins like DER");
	works(buf_add_span(&both, buf_span(&text), &e), "certificate");
	read_vector("keys/p7.key.pem", &both);
	read_vector("pkcs7/other.crt.pem", &both);
	works(parse(buf_span(&both), "", &f), "a certificate, its key and another certificate");
	ok(f.key.evp != NULL && f.cert_id.len == 15 + 22, "both are there, the first certificate counts");
	keyfile_fini(&f);
	read_vector("keys/rsa.pem", &both);
	fails(parse(buf_span(&both), "", &f), ERR_PARSE, "a second key");
}

#define P(label, body)	"-----BEGIN " label "-----\n" body "\n-----END " label "-----\n"

static void
test_refused(void)
{
	static const struct { const char *text; enum err_code code; const char *word; } cases[] = {
		{ "", ERR_PARSE, "neither" }, { "hello\n", ERR_PARSE, "neither" },
		{ P("PUBLIC KEY", "AAAA"), ERR_UNSUPPORTED, "PUBLIC KEY" },
		{ P("OPENSSH PRIVATE KEY", "AAAA"), ERR_UNSUPPORTED, "OPENSSH" },
		{ P("PRIVATE KEY", "AAAA"), ERR_PARSE, "not a private key" },
		{ P("PRIVATE KEY", "A*AA"), ERR_PARSE, "" },
		{ P("PRIVATE KEY", ""), ERR_PARSE, "not a private key" },
		{ P("EC PARAMETERS", "AAAA"), ERR_PARSE, "neither" },
		{ P("CERTIFICATE", "MAMCAQA="), ERR_PARSE, "not a certificate" },
		{ P("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: DES,00\n\nAAAA"), ERR_UNSUPPORTED, "topk8" },
		{ P("ENCRYPTED PRIVATE KEY", "AAAA"), ERR_CONFIG, "password is needed" },
		{ "-----BEGIN PRIVATE KEY-----\nAAAA\n", ERR_PARSE, "END is missing" },
		{ "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", ERR_PARSE, "do not match" },
		{ "-----BEGIN PRIVATE KEY-----\nAAAA\n-----BEGIN PRIVATE KEY-----\n", ERR_PARSE, "" },
		{ P("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAA"), ERR_PARSE, "too long" },
		{ "\x30\x03\x02\x01\x01", ERR_PARSE, "not a private key" },
		{ P("PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"), ERR_UNSUPPORTED,
		    "neither RSA nor EC" },		/* Ed25519, RFC 8410 */
		{ "{", ERR_PARSE, "JWK" }, { "{}", ERR_PARSE, "no key" }, { "{\"kty\":7}", ERR_PARSE, "no key" },
		{ "{\"kty\":\"oct\",\"k\":\"AAAA\"}", ERR_UNSUPPORTED, "neither RSA nor EC" },
		{ "{\"kty\":\"RSA\",\"oth\":[]}", ERR_UNSUPPORTED, "two primes" },
		{ "{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}", ERR_PARSE, "d " },
		{ "{\"kty\":\"RSA\",\"n\":\"\"}", ERR_PARSE, "n is empty" },
		{ "{\"kty\":\"EC\",\"crv\":\"P-224\"}", ERR_UNSUPPORTED, "curve" },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\",\"d\":\"AAAA\"}", ERR_PARSE, "length" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct keyfile f;

		fails(parse(span_str(cases[i].text), "", &f), cases[i].code, "%.50s", cases[i].text);
		ok(strstr(e.msg, cases[i].word) != NULL, "says why: %s", e.msg);
	}
}

static void
test_passwords(void)
{
	autobuf text = BUF(LIMIT_KEY_FILE), large = BUF(2 * LIMIT_KEY_FILE), der = BUF(LIMIT_KEY_FILE);
	struct keyfile f;

	read_vector("keys/rsa.pkcs8.pass-secret.pem", &text);
	fails(parse(buf_span(&text), "Secret", &f), ERR_CONFIG, "a wrong password");
	ok(strstr(e.msg, "Secret") == NULL, "is not repeated");
	fails(parse(buf_span(&text), "", &f), ERR_CONFIG, "none");
	works(buf_add_str(&large, "x", &e), "a byte");
	works(buf_reserve(&large, LIMIT_KEY_FILE, &e), "more");
	large.len += LIMIT_KEY_FILE;
	fails(parse(buf_span(&large), "", &f), ERR_LIMIT, "a file that is too long");
	/* Binary forms are told apart by their first elements. */
	works(buf_add(&der, "\x30\x06\x30\x02\x06\x00\x04\x00", 8, &e), "an encrypted key, perhaps");
	fails(parse(buf_span(&der), "", &f), ERR_CONFIG, "wants a password");
	fails(parse(buf_span(&der), "x", &f), ERR_PARSE, "and then is found to be none");
	buf_reset(&der);
	read_vector("keys/rsa.der", &der);
	works(buf_add_u8(&der, 0, &e), "a byte behind");
	fails(pkey_from_der(buf_span(&der), &f.key, &e), ERR_PARSE, "is refused");
	fails(pkey_from_encrypted(buf_span(&der), SPAN_LIT("x"), &f.key, &e), ERR_PARSE, "in both forms");
}

/* Encrypts with the public half, as a sender would. */
static void
seal(const struct pkey *k, int padding, const void *in, size_t n, uint8_t *out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->evp, NULL);
	size_t len = 256;

	assert(ctx != NULL && EVP_PKEY_encrypt_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding) > 0 &&
	    EVP_PKEY_encrypt(ctx, out, &len, in, n) > 0 && len == 256);
	EVP_PKEY_CTX_free(ctx);
}

/* Was the key found? Else there must be as many other bytes. */
static bool
opened(const struct pkey *k, const uint8_t *block, size_t size, const void *want)
{
	autobuf key = BUF_SECRET(64);

	if (pkey_rsa_v15(k, (struct span){ block, 256 }, size, &key, &e) < 0 || key.len != size)
		ok(false, "size %zu: %s", size, e.msg);
	return memcmp(key.data, want, size) == 0;
}

static void
test_v15(const struct pkey *k)
{
	static const char want[] = "0123456789abcdef0123456789abcdef";
	uint8_t em[256], block[256];
	autobuf key = BUF_SECRET(64);

	seal(k, RSA_PKCS1_PADDING, want, 16, block);
	ok(opened(k, block, 16, want), "a key of 16 bytes");
	ok(!opened(k, block, 32, want), "is none of 32 bytes");
	seal(k, RSA_PKCS1_PADDING, want, 32, block);
	ok(opened(k, block, 32, want) && !opened(k, block, 16, want), "and the other way round");
	memset(em, 0xa5, sizeof(em));
	memcpy(em, "\0\2", 2);
	em[256 - 17] = 0;
	memcpy(em + 240, want, 16);
	seal(k, RSA_NO_PADDING, em, 256, block);
	ok(opened(k, block, 16, want), "padding by hand");
	for (size_t i = 0; i <= 239; i++) {
		uint8_t was = em[i];

		em[i] = i == 0 || i == 1 || i == 239 ? 1 : 0;
		seal(k, RSA_NO_PADDING, em, 256, block);
		if (opened(k, block, 16, want))
			ok(false, "byte %zu of the padding is not looked at", i);
		em[i] = was;
	}
	works(pkey_rsa_v15(k, (struct span){ block, 255 }, 16, &key, &e), "a block that is too short");
	is_int((long long)key.len, 16, "gives some key");
	memset(block, 0xff, sizeof(block));
	ok(!opened(k, block, 16, want), "a number greater than the modulus");
}

static void
test_rsa(void)
{
	static const char want[] = "0123456789abcdef";
	struct keyset keys = { .n = 0 };
	autobuf a = BUF_SECRET(64), b = BUF_SECRET(64);
	uint8_t block[256];

	add_key(&keys, "keys/rsa.pem");
	add_key(&keys, "keys/ec.pkcs8.pem");
	add_key(&keys, "keys/other.pem");
	test_v15(&keys.file[0].key);
	seal(&keys.file[0].key, RSA_PKCS1_OAEP_PADDING, want, 16, block);
	works(pkey_rsa_oaep(&keys.file[0].key, false, (struct span){ block, 256 }, 16, &a, &e), "OAEP");
	is_str(buf_str(&a), want, "the key");
	buf_reset(&a);
	works(pkey_rsa_oaep(&keys.file[2].key, false, (struct span){ block, 256 }, 16, &a, &e), "another key");
	works(pkey_rsa_oaep(&keys.file[2].key, false, (struct span){ block, 256 }, 16, &b, &e), "and once more");
	ok(a.len == 16 && b.len == 16 && memcmp(a.data, b.data, 16) != 0, "random keys");
	buf_reset(&a);
	works(pkey_rsa_oaep(&keys.file[0].key, true, (struct span){ block, 256 }, 16, &a, &e), "another hash");
	ok(memcmp(a.data, want, 16) != 0, "a random key");
	buf_reset(&a);
	works(pkey_rsa_oaep(&keys.file[0].key, false, (struct span){ block, 256 }, 32, &a, &e), "another size");
	ok(a.len == 32 && memcmp(a.data, want, 16) != 0, "a random key");
	fails(pkey_rsa_oaep(&keys.file[1].key, false, (struct span){ block, 256 }, 16, &a, &e), ERR_BUG, "an EC key");
	fails(pkey_rsa_v15(&keys.file[1].key, (struct span){ block, 256 }, 16, &a, &e), ERR_BUG, "an EC key");
	keyset_fini(&keys);
}

static void
test_ecdh(void)
{
	static const uint8_t x[] = { 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4,
	    0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96 };
	uint8_t y[] = { 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f,
	    0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5 };
	const struct span xs = { x, sizeof(x) }, ys = { y, sizeof(y) };
	struct keyset keys = { .n = 0 };
	autobuf z = BUF_SECRET(128);

	add_key(&keys, "keys/ec.pkcs8.pem");
	add_key(&keys, "keys/rsa.pem");
	works(pkey_ecdh(&keys.file[0].key, xs, ys, &z, &e), "the generator as a peer");
	is_int((long long)z.len, 32, "gives a secret");
	fails(pkey_ecdh(&keys.file[1].key, xs, ys, &z, &e), ERR_BUG, "an RSA key");
	fails(pkey_ecdh(&keys.file[0].key, xs, (struct span){ y, 31 }, &z, &e), ERR_DECRYPT, "short y");
	fails(pkey_ecdh(&keys.file[0].key, (struct span){ x, 31 }, ys, &z, &e), ERR_DECRYPT, "short x");
	for (size_t i = 0; i < sizeof(y); i++) {
		y[i] ^= 1;
		if (pkey_ecdh(&keys.file[0].key, xs, ys, &z, &e) != -ERR_DECRYPT)
			ok(false, "a point beside the curve, byte %zu", i);
		y[i] ^= 1;
	}
	is_int((long long)z.len, 32, "points beside the curve add nothing");
	keyset_fini(&keys);
}

/* RFC 3394, 4.6; RFC 7518, appendix C. */
static void
test_cek(void)
{
	static const uint8_t other[] = "\0\0\0\7A128GCM\0\0\0\5Alice\0\0\0\3Bob\0\0\0\x80";
	uint8_t kek[32], wrapped[40], plain[32], z[32], aead[32] = { 0 };
	autobuf key = BUF_SECRET(128), derived = BUF_SECRET(64), text = BUF(64);
	const struct span none = { NULL, 0 };

	ok(hex_decode(SPAN_LIT("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), kek, 32) &&
	    hex_decode(SPAN_LIT("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"),
	    wrapped, 40) && hex_decode(SPAN_LIT("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"),
	    plain, 32), "known answer");
	works(cek_unwrap((struct span){ kek, 32 }, (struct span){ wrapped, 40 }, &key, &e), "key wrap");
	ok(key.len == 32 && memcmp(key.data, plain, 32) == 0, "the key");
	wrapped[39] ^= 1;
	fails(cek_unwrap((struct span){ kek, 32 }, (struct span){ wrapped, 40 }, &key, &e), ERR_DECRYPT, "changed");
	fails(cek_unwrap((struct span){ kek, 32 }, (struct span){ wrapped, 39 }, &key, &e), ERR_DECRYPT, "cut");
	fails(cek_unwrap((struct span){ kek, 32 }, (struct span){ wrapped, 16 }, &key, &e), ERR_DECRYPT, "too short");
	fails(cek_unwrap((struct span){ kek, 31 }, (struct span){ wrapped, 40 }, &key, &e), ERR_BUG, "key of 31 bytes");
	is_int((long long)key.len, 32, "nothing is added then");
	ok(hex_decode(SPAN_LIT("9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4"), z, 32), "secret");
	works(cek_derive((struct span){ z, 32 }, (struct span){ other, sizeof(other) - 1 }, 16, &derived, &e), "derive");
	works(base64url_encode(buf_span(&derived), &text, &e), "as text");
	is_str(buf_str(&text), "VqqN6vgjbSBcIijNcacQGg", "the known answer");
	fails(cek_derive((struct span){ z, 32 }, none, 33, &derived, &e), ERR_BUG, "more than one round");
	fails(cek_open((struct span){ kek, 32 }, (struct span){ aead, 11 }, none, none, (struct span){ aead, 16 },
	    &key, &e), ERR_DECRYPT, "iv of 11 bytes");
	fails(cek_open((struct span){ kek, 32 }, (struct span){ aead, 12 }, none, none, (struct span){ aead, 12 },
	    &key, &e), ERR_DECRYPT, "tag of 12 bytes");
	fails(cek_open((struct span){ kek, 32 }, (struct span){ aead, 12 }, none, none, (struct span){ aead, 16 },
	    &text, &e), ERR_BUG, "into ordinary memory");
}

/* ---- what OpenSSL frees */
static size_t dirty, freed;

static void *
watch(void *p, size_t n)
{
	/* Blocks of this size class hold a size and then the bytes, which must be zero when they come back. */
	if (n == 0 && p != NULL) {
		const uint8_t *bytes = (uint8_t *)p + _Alignof(max_align_t);
		size_t size;

		memcpy(&size, p, sizeof(size));
		for (size_t i = 0; i < size; i++)
			dirty += bytes[i] != 0;
		freed++;
	}
	return sys_real.realloc(p, n);
}

static void
test_wiping(void)
{
	struct sys_ops ops = sys_real;
	uint8_t *p;

	ops.realloc = watch;
	works(pkey_wipe_openssl(&e), "before OpenSSL is used");
	sys = &ops;
	p = OPENSSL_malloc(100);
	assert(p != NULL);
	memset(p, 0xee, 100);
	p = OPENSSL_realloc(p, 300);
	assert(p != NULL && p[99] == 0xee);
	memset(p, 0xee, 300);
	p = OPENSSL_realloc(p, 50);
	assert(p != NULL && p[49] == 0xee);
	OPENSSL_free(p);
	is_int((long long)freed, 3, "three blocks were freed");
	is_int((long long)dirty, 0, "all of them wiped");
	ok(OPENSSL_malloc(0) == NULL, "nothing for nothing");
	p = OPENSSL_realloc(NULL, 5);
	ok(p != NULL && OPENSSL_realloc(p, 0) == NULL, "from NULL, and to nothing");
	sys = &sys_real;
	works(crypto_init(&e), "start");
}

static void
try_mutant(struct span text, void *arg)
{
	struct keyfile f;
	size_t *odd = arg;
	int rc = parse(text, "", &f);

	*odd += rc != 0 && rc != -ERR_PARSE && rc != -ERR_UNSUPPORTED && rc != -ERR_CONFIG;
	if (rc == 0)
		keyfile_fini(&f);
}

static void
test_mutants(void)
{
	static const char *const names[] = { "keys/ec.sec1.pem", "keys/p7.crt.pem", "jwe/p256.jwk" };
	size_t odd = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		autobuf text = BUF(LIMIT_KEY_FILE);

		read_vector(names[i], &text);
		ok(mutate(buf_span(&text), 400, try_mutant, &odd) > 200, "mutants of %s", names[i]);
	}
	is_int((long long)odd, 0, "fail in an ordinary way, if at all");
}

int
main(void)
{
	test_wiping();
	test_vectors();
	test_certificate();
	test_refused();
	test_passwords();
	test_rsa();
	test_ecdh();
	test_cek();
	test_mutants();
	is_int((long long)secret_in_use(), 0, "no secret is left");
	return tap_done();
}
