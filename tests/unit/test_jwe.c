/*
 * test_jwe.c: messages made by jwcrypto and by skopeo, opened with the right and the wrong keys; every rule of what
 * is refused; one error for everything that has to do with keys.
 */
#include "lib/base.h"
#include "keyprovider/jwe.h"

#include "lib/codec.h"
#include "lib/crypto.h"
#include "lib/json.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/keys.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;
static struct keyset all, wrong;

static int
unwrap(struct span text, const struct keyset *keys)
{
	autobuf out = BUF_SECRET(KIB(8)), want = BUF(KIB(8));
	int rc = jwe_unwrap(text, keys, &out, &e);

	read_vector("jwe/plain.json", &want);
	if (rc < 0)
		return out.len == 0 ? rc : -(int)ERR_BUG;
	return span_eq(buf_span(&out), buf_span(&want)) ? 0 : -(int)ERR_BUG;
}

static const struct { const char *name, *key; } good[] = {
	{ "rsa-oaep",		"keys/rsa.pem" },
	{ "rsa-oaep-compact",	"keys/rsa.der" },
	{ "rsa-oaep-256",	"keys/rsa.pkcs8.pem" },
	{ "p256-a256kw",	"keys/ec.pkcs8.pem" },
	{ "p256-compact",	"keys/ec.sec1.pem" },
	{ "p256-a128kw",	"jwe/p256.jwk" },
	{ "p256-parties",	"keys/ec.pkcs8.pem" },
	{ "p384-a192kw",	"jwe/p384.pem" },
	{ "p521-a256kw",	"jwe/p521.pem" },
	{ "several",		"keys/rsa.pem" },
	{ "several",		"keys/ec.pkcs8.pem" },
	{ "several",		"jwe/p384.pem" },
	{ "several-and-one-outside", "keys/ec.pkcs8.pem" },
};

static void
test_good(void)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct keyset one = { .n = 0 };
		autobuf text = BUF(LIMIT_PACKET);
		char name[64];

		snprintf(name, sizeof(name), "jwe/good/%s", good[i].name);
		read_vector(name, &text);
		add_key(&one, good[i].key);
		works(unwrap(buf_span(&text), &one), "%s opens with %s", good[i].name, good[i].key);
		works(unwrap(buf_span(&text), &all), "and among other keys");
		fails(unwrap(buf_span(&text), &wrong), ERR_DECRYPT, "but not with others");
		is_str(e.msg, "none of the private keys opens it", "which looks like everything else");
		keyset_fini(&one);
	}
}

/* What skopeo wrote: the annotations of the images. */
static void
test_skopeo(void)
{
	static const char *const images[] = { "images/jwe-rsa/manifest.json", "images/jwe-ec/manifest.json" };

	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		autobuf manifest = BUF(KIB(64));
		autojson doc = NULL;
		struct json_iter it;

		read_vector(images[i], &manifest);
		works(json_parse(buf_span(&manifest), &doc, &e), "%s", images[i]);
		it = json_iter(json_get(json_root(doc), "layers"));
		while (json_next(&it)) {
			autobuf base64 = BUF(LIMIT_PACKET), text = BUF(LIMIT_PACKET), out = BUF_SECRET(KIB(8));

			works(json_str(json_get(json_get(it.val, "annotations"),
			    "org.opencontainers.image.enc.keys.jwe"), "jwe", &base64, &e), "its annotation");
			works(base64_decode(buf_span(&base64), &text, &e), "base64");
			works(jwe_unwrap(buf_span(&text), &all, &out, &e), "opens");
			ok(strstr(buf_str(&out), "\"symkey\"") != NULL, "to private options");
		}
	}
}

static void
test_refused_vectors(void)
{
	static const struct { const char *name, *word; } cases[] = {
		{ "rsa1_5", "RSA1_5" }, { "direct", "ECDH-ES" }, { "cbc", "A256CBC-HS512" }, { "zip", "zip" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf text = BUF(LIMIT_PACKET);
		char name[64];

		snprintf(name, sizeof(name), "jwe/refused/%s", cases[i].name);
		read_vector(name, &text);
		fails(unwrap(buf_span(&text), &all), ERR_UNSUPPORTED, "%s is refused", cases[i].name);
		ok(strstr(e.msg, cases[i].word) != NULL, "by name: %s", e.msg);
	}
}

#define IV	"\"iv\":\"AAAAAAAAAAAAAAAA\""
#define TAG	"\"tag\":\"AAAAAAAAAAAAAAAAAAAAAA\""
#define BODY	IV ",\"ciphertext\":\"AAAA\"," TAG
#define RSA	"{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\"}"
#define ENC	"{\"enc\":\"A256GCM\"}"
#define KEY	"\"encrypted_key\":\"AAAA\""
#define X256	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define EC(epk)	"{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"epk\":" epk "}"

/* A protected header, the members beside it, the verdict and a word of it. */
static const struct { const char *header, *rest; enum err_code code; const char *word; } refused[] = {
	{ RSA, KEY "," BODY, ERR_DECRYPT, "none" },
	{ RSA, BODY, ERR_PARSE, "encrypted_key" },
	{ RSA, KEY ",\"ciphertext\":\"AAAA\"," TAG, ERR_PARSE, "iv" },
	{ RSA, KEY "," IV "," TAG, ERR_PARSE, "ciphertext" },
	{ RSA, KEY "," IV ",\"ciphertext\":\"AAAA\"", ERR_PARSE, "tag" },
	{ RSA, KEY ",\"iv\":\"AAAA\",\"ciphertext\":\"AAAA\"," TAG, ERR_PARSE, "iv of 3" },
	{ RSA, KEY "," IV ",\"ciphertext\":\"AAAA\",\"tag\":\"AAAA\"", ERR_PARSE, "tag of 3" },
	{ RSA, KEY "," IV ",\"ciphertext\":\"AAA=\"," TAG, ERR_PARSE, "ciphertext" },
	{ RSA, KEY "," IV ",\"ciphertext\":\"AA+A\"," TAG, ERR_PARSE, "ciphertext" },
	{ RSA, "\"encrypted_key\":\"A\"," BODY, ERR_PARSE, "encrypted_key" },
	{ RSA, "\"encrypted_key\":\"\"," BODY, ERR_PARSE, "encrypted_key" },
	{ RSA, "\"encrypted_key\":7," BODY, ERR_PARSE, "encrypted_key" },
	{ RSA, "\"unprotected\":{}," KEY "," BODY, ERR_UNSUPPORTED, "unprotected" },
	{ RSA, "\"aad\":\"AAAA\"," KEY "," BODY, ERR_UNSUPPORTED, "aad" },
	{ RSA, KEY "," KEY "," BODY, ERR_PARSE, "" },
	{ RSA, "\"header\":7," KEY "," BODY, ERR_PARSE, "header" },
	{ RSA, "\"header\":{\"alg\":\"RSA-OAEP\"}," KEY "," BODY, ERR_PARSE, "alg stands in two" },
	{ RSA, "\"header\":{\"zip\":\"DEF\"}," KEY "," BODY, ERR_UNSUPPORTED, "zip" },
	{ RSA, "\"header\":{},\"recipients\":[{" KEY "}]," BODY, ERR_PARSE, "header beside" },
	{ RSA, "\"recipients\":[]," BODY, ERR_PARSE, "recipients" },
	{ RSA, "\"recipients\":7," BODY, ERR_PARSE, "recipients" },
	{ RSA, "\"recipients\":[7]," BODY, ERR_PARSE, "recipient" },
	{ RSA, "\"recipients\":[{" KEY ",\"x\":1}]," BODY, ERR_PARSE, "x" },
	{ RSA, "\"recipients\":[{" KEY "},{}]," BODY, ERR_PARSE, "encrypted_key" },
	{ ENC, KEY "," BODY, ERR_PARSE, "alg is missing" },
	{ ENC, "\"header\":{\"alg\":\"none\"}," KEY "," BODY, ERR_UNSUPPORTED, "none" },
	{ "{\"alg\":\"RSA-OAEP\"}", "\"header\":{\"enc\":\"A256GCM\"}," KEY "," BODY, ERR_PARSE, "enc is missing" },
	{ "{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\",\"alg\":\"RSA-OAEP\"}", KEY "," BODY, ERR_PARSE, "header" },
	{ "{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\",\"crit\":[\"exp\"]}", KEY "," BODY, ERR_UNSUPPORTED, "crit" },
	{ "{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\",\"jku\":\"http://x\"}", KEY "," BODY, ERR_UNSUPPORTED, "jku" },
	{ "{\"alg\":\"RSA-OAEP\",\"enc\":\"none\"}", KEY "," BODY, ERR_UNSUPPORTED, "enc" },
	{ "{\"alg\":[],\"enc\":\"A256GCM\"}", KEY "," BODY, ERR_PARSE, "alg" },
	{ "[]", KEY "," BODY, ERR_PARSE, "no object" },
	{ "{", KEY "," BODY, ERR_PARSE, "protected header" },
	{ EC("7"), KEY "," BODY, ERR_PARSE, "epk" },
	{ EC("{\"kty\":\"RSA\",\"crv\":\"P-256\"}"), KEY "," BODY, ERR_PARSE, "epk" },
	{ EC("{\"kty\":\"EC\",\"crv\":\"secp256k1\"}"), KEY "," BODY, ERR_UNSUPPORTED, "secp256k1" },
	{ EC("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"" X256 "\"}"), KEY "," BODY, ERR_PARSE, "length of x" },
	{ EC("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"AAAA\"}"), KEY "," BODY, ERR_PARSE, "length of x or y" },
	{ EC("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\"}"), KEY "," BODY, ERR_PARSE, "y" },
	{ EC("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" X256 "\",\"d\":\"AA\"}"), KEY "," BODY, ERR_PARSE, "d" },
	/* (0, 0) is on no curve, and stands for the point at infinity in some programs. */
	{ EC("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" X256 "\"}"), KEY "," BODY, ERR_DECRYPT, "none" },
};

static void
test_refused(void)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		autobuf text = BUF(LIMIT_PACKET), header = BUF(LIMIT_PACKET);

		works(base64url_encode(span_str(refused[i].header), &header, &e), "header");
		works(buf_addf(&text, &e, "{\"protected\":\"%s\",%s}", buf_str(&header), refused[i].rest), "text");
		fails(unwrap(buf_span(&text), &all), refused[i].code, "%s %s", refused[i].header, refused[i].rest);
		ok(strstr(e.msg, refused[i].word) != NULL, "says why: %s", e.msg);
	}
	fails(unwrap(SPAN_LIT("{}"), &all), ERR_PARSE, "an empty object");
	fails(unwrap(SPAN_LIT("{\"protected\":\"\"," KEY "," BODY "}"), &all), ERR_PARSE, "an empty header");
	fails(unwrap(SPAN_LIT(""), &all), ERR_PARSE, "nothing");
	fails(unwrap(SPAN_LIT("a.b.c.d"), &all), ERR_PARSE, "four parts");
	fails(unwrap(SPAN_LIT("e30.b.c.d.e.f"), &all), ERR_PARSE, "six parts");
	fails(unwrap(SPAN_LIT("...."), &all), ERR_PARSE, "five empty parts");
}

static void
test_limits(void)
{
	struct keyset none = { .n = 0 };
	autobuf ordinary = BUF(KIB(8)), text = BUF(2 * LIMIT_PACKET);

	for (int n = JWE_RECIPIENTS; n <= JWE_RECIPIENTS + 1; n++) {
		buf_reset(&text);
		works(buf_add_str(&text, "{\"protected\":\"eyJlbmMiOiJBMjU2R0NNIn0\"," BODY ",\"recipients\":[", &e), "begin");
		for (int i = 0; i < n; i++)
			works(buf_addf(&text, &e, "%s{\"header\":{\"alg\":\"RSA-OAEP\"}," KEY "}", i > 0 ? "," : ""), "add");
		works(buf_add_str(&text, "]}", &e), "end");
		fails(unwrap(buf_span(&text), &all), n > JWE_RECIPIENTS ? ERR_LIMIT : ERR_DECRYPT, "%d recipients", n);
	}
	buf_reset(&text);
	works(buf_addf(&text, &e, "{%*s", (int)LIMIT_PACKET, "}"), "a long one");
	fails(unwrap(buf_span(&text), &all), ERR_LIMIT, "too long");
	fails(unwrap(SPAN_LIT("{}"), &none), ERR_CONFIG, "no key");
	fails(jwe_unwrap(SPAN_LIT("{}"), &all, &ordinary, &e), ERR_BUG, "into ordinary memory");
}

struct flips {
	struct span		whole;	/* mutants that are the same again do not count */
	size_t			 opened, odd;
};

static void
try_mutant(struct span text, void *arg)
{
	struct flips *f = arg;
	autobuf out = BUF_SECRET(KIB(8));
	int rc;

	if (span_eq(text, f->whole))
		return;
	rc = jwe_unwrap(text, &all, &out, &e);
	f->opened += rc == 0;
	f->odd += rc != 0 && (out.len > 0 || (rc != -ERR_PARSE && rc != -ERR_DECRYPT && rc != -ERR_UNSUPPORTED &&
	    rc != -ERR_LIMIT));
}

/* Nothing in a message for one recipient may be changed. */
static void
test_mutants(void)
{
	static const struct { const char *name; size_t flip; } cases[] = {
		{ "jwe/good/p256-a256kw", SIZE_MAX }, { "jwe/good/p256-compact", SIZE_MAX }, { "jwe/good/rsa-oaep", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf text = BUF(LIMIT_PACKET);
		struct flips f = { .opened = 0 };
		size_t n;

		read_vector(cases[i].name, &text);
		f.whole = buf_span(&text);
		n = mutate(buf_span(&text), cases[i].flip, try_mutant, &f);
		is_int((long long)f.opened, 0, "%s: of %zu mutants none opens", cases[i].name, n);
		is_int((long long)f.odd, 0, "and all fail in an ordinary way");
	}
}

/* Each part of an RSA message changed by one bit. */
static void
test_rsa_flips(void)
{
	autobuf text = BUF(LIMIT_PACKET);

	read_vector("jwe/good/rsa-oaep", &text);
	for (size_t i = 0; i < text.len; i++) {
		struct flips f = { .opened = 0 };

		text.data[i] ^= 1;
		try_mutant(buf_span(&text), &f);
		text.data[i] ^= 1;
		if (f.opened > 0 || f.odd > 0)
			ok(false, "byte %zu changed: %s", i, e.msg);
	}
	works(unwrap(buf_span(&text), &all), "every other was refused");
}

static int
unwrap_once(void *arg, struct err *err)
{
	autobuf out = BUF_SECRET(KIB(8));

	return jwe_unwrap(buf_span(arg), &all, &out, err);
}

int
main(void)
{
	autobuf text = BUF(LIMIT_PACKET);
	size_t before;

	works(crypto_init(&e), "start");
	add_key(&all, "keys/rsa.pem");
	add_key(&all, "keys/ec.pkcs8.pem");
	add_key(&all, "jwe/p384.pem");
	add_key(&all, "jwe/p521.pem");
	add_key(&all, "keys/p7.crt.pem");
	add_key(&wrong, "keys/other.pem");
	add_key(&wrong, "keys/p7.key.pem");
	before = secret_in_use();
	test_good();
	test_skopeo();
	test_refused_vectors();
	test_refused();
	test_limits();
	test_mutants();
	test_rsa_flips();
	read_vector("jwe/good/several", &text);
	ok(fault_each(FAULT_ALLOC, 0, false, unwrap_once, &text) > 5, "every allocation fails once");
	is_int((long long)secret_in_use(), (long long)before, "no secret is left");
	keyset_fini(&all);
	keyset_fini(&wrong);
	return tap_done();
}
