/*
 * test_ocicrypt.c: known answers, positive and negative; every field of the
 * options missing, short, long and of the wrong type; the stages; the choice
 * among wrapped keys.
 */
#include "lib/base.h"
#include "image/ocicrypt.h"

#include <fcntl.h>

#include "lib/codec.h"
#include "lib/fs.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define KAT	"tests/vectors/image/ocicrypt/kat/"
#define KEY	"\"symkey\":\"L1BSyf0VsZoYxYTQE2NWgZhhPww06EQJ73k4cJoVnsI=\""
#define NONCE	"\"cipheroptions\":{\"nonce\":\"hyHWZO9gCWqlWeGqbHLK8Q==\"}"
#define CIPHER	"\"cipher\":\"AES_256_CTR_HMAC_SHA256\""
#define HMAC	"\"hmac\":\"RtZZy8tiJEYuINF+Vq1uP7AZdfA9d8fKJWlZd0BjdHM=\""

static struct err e;

static void
read_file(const char *name, struct buf *out)
{
	if (fs_read_file(AT_FDCWD, name, out, &e) < 0) {
		printf("Bail out! %s: %s\n", name, e.msg);
		exit(1);
	}
}

/* Reads all of a stage in odd pieces, then asks for its verdict. */
static int
read_all(struct stream *s, struct buf *out, struct err *err)
{
	uint8_t piece[1021];
	ssize_t n;
	int rc;

	while ((n = stream_read(s, piece, sizeof(piece), err)) > 0)
		if ((rc = buf_add(out, piece, (size_t)n, err)) < 0)
			return rc;
	return n < 0 ? (int)n : stream_finish(s, err);
}

static int
decrypt(struct span cipher, const struct ocicrypt_private *priv, const struct ocicrypt_public *pub,
    struct buf *out, struct err *err)
{
	struct stream src, s;
	int rc;

	if ((rc = stream_span(&src, cipher, err)) < 0)
		return rc;
	if ((rc = stream_decrypt(&s, &src, priv, pub, err)) < 0) {
		stream_close(&src);
		return rc;
	}
	rc = read_all(&s, out, err);
	stream_close(&s);
	return rc;
}

static int
encrypt(struct span plain, const struct ocicrypt_private *priv, struct ocicrypt_public *pub,
    struct buf *out, struct err *err)
{
	struct stream src, s;
	int rc;

	if ((rc = stream_span(&src, plain, err)) < 0)
		return rc;
	if ((rc = stream_encrypt(&s, &src, priv, err)) < 0) {
		stream_close(&src);
		return rc;
	}
	rc = read_all(&s, out, err);
	if (rc == 0)
		stream_encrypt_hmac(&s, pub->hmac);
	stream_close(&s);
	return rc;
}

struct kat {
	struct buf		plain, cipher;
	struct ocicrypt_private	priv;
	struct ocicrypt_public	pub;
};

static void
kat_load(struct json_val v, struct kat *k)
{
	char name[32], path[128];

	works(json_cstr(json_get(v, "name"), "name", name, sizeof(name), &e), "name");
	k->plain = k->cipher = (struct buf)BUF(1 << 20);
	snprintf(path, sizeof(path), KAT "%s.plain", name);
	read_file(path, &k->plain);
	snprintf(path, sizeof(path), KAT "%s.cipher", name);
	read_file(path, &k->cipher);
	works(ocicrypt_private_parse(json_raw(json_get(v, "privopts")), &k->priv, &e), "%s: private", name);
	works(ocicrypt_public_parse(json_raw(json_get(v, "pubopts")), &k->pub, &e), "%s: public", name);
}

static void
kat_fini(struct kat *k)
{
	buf_free(&k->plain);
	buf_free(&k->cipher);
}

static void
test_positive(struct json_val cases)
{
	struct json_iter it = json_iter(cases);

	while (json_next(&it)) {
		autobuf opened = BUF(1 << 20), sealed = BUF(1 << 20);
		struct ocicrypt_public pub;
		struct kat k;

		kat_load(it.val, &k);
		works(decrypt(buf_span(&k.cipher), &k.priv, &k.pub, &opened, &e), "decrypts");
		ok(span_eq(buf_span(&opened), buf_span(&k.plain)), "to the plain text");
		works(encrypt(buf_span(&k.plain), &k.priv, &pub, &sealed, &e), "encrypts");
		ok(span_eq(buf_span(&sealed), buf_span(&k.cipher)), "to the cipher text");
		ok(memcmp(pub.hmac, k.pub.hmac, 32) == 0, "with the same MAC");
		kat_fini(&k);
	}
}

/* The negative cases about data; those about options are in the tables below. */
static void
test_negative(struct json_val cases)
{
	struct json_iter it = json_iter(cases);
	autobuf out = BUF(1 << 20);
	struct kat k = { .plain = { .max = 0 } };
	struct span cipher;

	while (json_next(&it) && !json_str_eq(json_get(it.val, "name"), "unaligned"))
		;
	kat_load(it.val, &k);
	cipher = buf_span(&k.cipher);
	works(decrypt(cipher, &k.priv, &k.pub, &out, &e), "base case");
	for (size_t bit = 0; bit < 256; bit += 31) {
		k.pub.hmac[bit / 8] ^= (uint8_t)(1u << bit % 8);
		fails(decrypt(cipher, &k.priv, &k.pub, &out, &e), ERR_MAC, "MAC bit %zu flipped", bit);
		k.pub.hmac[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	is_str(e.msg, "the MAC of the encrypted layer does not fit", "no MAC is shown");
	fails(decrypt((struct span){ cipher.p, cipher.len - 1 }, &k.priv, &k.pub, &out, &e), ERR_MAC, "truncated");
	fails(decrypt((struct span){ cipher.p, 0 }, &k.priv, &k.pub, &out, &e), ERR_MAC, "empty");
	/* There is a NUL behind the bytes of a buf. */
	fails(decrypt((struct span){ cipher.p, cipher.len + 1 }, &k.priv, &k.pub, &out, &e), ERR_MAC, "appended");
	k.cipher.data[cipher.len / 2] ^= 1;
	fails(decrypt(cipher, &k.priv, &k.pub, &out, &e), ERR_MAC, "bit of the text flipped");
	k.cipher.data[cipher.len / 2] ^= 1;
	k.priv.key[31] ^= 1;
	fails(decrypt(cipher, &k.priv, &k.pub, &out, &e), ERR_MAC, "another key");
	k.priv.key[31] ^= 1;
	works(decrypt(cipher, &k.priv, &k.pub, &out, &e), "base case again");
	kat_fini(&k);
}

/* A stage above that ends early must not hide what comes behind. */
static void
test_early_end(void)
{
	static const uint8_t text[100000] = { 1 };
	struct ocicrypt_private priv = { .key = { 1 } };
	struct ocicrypt_public pub;
	autobuf sealed = BUF(1 << 20);
	struct stream src, s;
	uint8_t some[10];

	works(encrypt((struct span){ text, sizeof(text) }, &priv, &pub, &sealed, &e), "encrypt");
	works(stream_span(&src, buf_span(&sealed), &e), "source");
	works(stream_decrypt(&s, &src, &priv, &pub, &e), "stage");
	is_int(stream_read(&s, some, sizeof(some), &e), 10, "ten bytes");
	works(stream_finish(&s, &e), "the MAC covers what was not read");
	stream_close(&s);
	sealed.data[99999] ^= 1;
	works(stream_span(&src, buf_span(&sealed), &e), "source");
	works(stream_decrypt(&s, &src, &priv, &pub, &e), "stage");
	is_int(stream_read(&s, some, sizeof(some), &e), 10, "ten bytes");
	fails(stream_finish(&s, &e), ERR_MAC, "the last byte counts");
	stream_close(&s);
	works(stream_fd(&src, -1, "blob", &e), "bad source");
	works(stream_decrypt(&s, &src, &priv, &pub, &e), "stage");
	fails((int)stream_read(&s, some, 1, &e), ERR_SYS, "its failure comes through");
	stream_close(&s);
	works(stream_fd(&src, -1, "blob", &e), "bad source");
	works(stream_encrypt(&s, &src, &priv, &e), "stage");
	fails((int)stream_read(&s, some, 1, &e), ERR_SYS, "here too");
	stream_close(&s);
}

static void
test_public(void)
{
	static const char *const good[] = {
		"{" CIPHER "," HMAC ",\"cipheroptions\":{}}", "{" CIPHER "," HMAC "}",
		"{" CIPHER "," HMAC ",\"cipheroptions\":null}",
		"{" CIPHER "," HMAC ",\"cipheroptions\":{\"other\":\"x\"},\"more\":1}",
	};
	static const char *const bad[] = {
		"", "[]", "{}", "null", "{" CIPHER "}", "{" HMAC "}", "{" CIPHER "," HMAC ",}",
		"{" CIPHER "," HMAC ",\"cipheroptions\":{\"nonce\":\"hyHWZO9gCWqlWeGqbHLK8Q==\"}}",
		"{" CIPHER "," HMAC ",\"cipheroptions\":{\"nonce\":\"\"}}",
		"{" CIPHER "," HMAC ",\"cipheroptions\":{\"nonce\":null}}",
		"{" CIPHER "," HMAC ",\"cipheroptions\":{\"\\u006eonce\":\"x\"}}",
		"{" CIPHER "," HMAC ",\"cipheroptions\":[]}", "{" CIPHER "," HMAC ",\"cipheroptions\":\"nonce\"}",
		"{\"cipher\":\"\"," HMAC "}", "{\"cipher\":null," HMAC "}", "{\"cipher\":\"AES_256_GCM\"," HMAC "}",
		"{\"cipher\":\"aes_256_ctr_hmac_sha256\"," HMAC "}", "{\"cipher\":\"AES_256_CTR_HMAC_SHA256 \"," HMAC "}",
		"{" CIPHER ",\"hmac\":\"\"}", "{" CIPHER ",\"hmac\":null}", "{" CIPHER ",\"hmac\":32}",
		"{" CIPHER ",\"hmac\":\"RtZZy8tiJEYuINF+Vq1uP7AZdfA9d8fKJWlZd0BjdA==\"}",
		"{" CIPHER ",\"hmac\":\"RtZZy8tiJEYuINF+Vq1uP7AZdfA9d8fKJWlZd0BjdHMA\"}",
		"{" CIPHER ",\"hmac\":\"RtZZy8tiJEYuINF+Vq1uP7AZdfA9d8fKJWlZd0BjdHM\"}",
		"{" CIPHER ",\"hmac\":\"RtZZy8tiJEYuINF-Vq1uP7AZdfA9d8fKJWlZd0BjdHM=\"}",
		"{" CIPHER "," HMAC "," HMAC "}",
	};
	struct ocicrypt_public pub;
	autobuf text = BUF(1024);

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		works(ocicrypt_public_parse(span_str(good[i]), &pub, &e), "public: %s", good[i]);
		ok(pub.hmac[0] == 0x46 && pub.hmac[31] == 0x73, "its MAC");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(&pub, 7, sizeof(pub));
		fails(ocicrypt_public_parse(span_str(bad[i]), &pub, &e), ERR_IMAGE, "public: %s", bad[i]);
		ok(pub.hmac[0] == 7 && pub.hmac[31] == 7, "output untouched");
	}
	works(ocicrypt_public_parse(span_str(good[0]), &pub, &e), "parse");
	works(ocicrypt_public_format(&pub, &text, &e), "format");
	is_str(buf_str(&text), good[0], "the text that others write");
}

static void
test_private(void)
{
	static const char *const good[] = {
		"{" KEY ",\"digest\":\"sha256:00\"," NONCE "}", "{" KEY ",\"digest\":\"\"," NONCE "}", "{" KEY "," NONCE "}",
		"{" KEY ",\"digest\":7," NONCE ",\"more\":{}}",
		"{" KEY ",\"cipheroptions\":{\"x\":1,\"nonce\":\"hyHWZO9gCWqlWeGqbHLK8Q==\"}}",
	};
	static const char *const bad[] = {
		"", "[]", "{}", "{" KEY "}", "{" NONCE "}", "{" KEY ",\"cipheroptions\":{}}", "{" KEY ",\"cipheroptions\":null}",
		"{" KEY ",\"nonce\":\"hyHWZO9gCWqlWeGqbHLK8Q==\"}", "{" KEY ",\"cipheroptions\":{\"nonce\":\"\"}}",
		"{" KEY ",\"cipheroptions\":{\"nonce\":\"hyHWZO9gCWqlWeGq\"}}", "{" KEY ",\"cipheroptions\":{\"nonce\":null}}",
		"{" KEY ",\"cipheroptions\":{\"nonce\":\"hyHWZO9gCWqlWeGqbHLK8QA=\"}}",
		"{" KEY ",\"cipheroptions\":{\"Nonce\":\"hyHWZO9gCWqlWeGqbHLK8Q==\"}}",
		"{" KEY ",\"cipheroptions\":[\"hyHWZO9gCWqlWeGqbHLK8Q==\"]}",
		"{\"symkey\":\"\"," NONCE "}", "{\"symkey\":null," NONCE "}",
		"{\"symkey\":\"L1BSyf0VsZoYxYTQE2NWgQ==\"," NONCE "}",
		"{\"symkey\":\"L1BSyf0VsZoYxYTQE2NWgZhhPww06EQJ73k4cJoVngA=A\"," NONCE "}",
		"{\"symkey\":\"L1BSyf0VsZoYxYTQE2NWgZhhPww06EQJ73k4cJoVnsIA\"," NONCE "}",
		"{" KEY "," KEY "," NONCE "}", "{" KEY "," NONCE "}x",
	};
	struct ocicrypt_private priv;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		works(ocicrypt_private_parse(span_str(good[i]), &priv, &e), "private: %s", good[i]);
		ok(priv.key[0] == 0x2f && priv.key[31] == 0xc2 && priv.nonce[0] == 0x87 &&
		    priv.nonce[15] == 0xf1, "key and nonce");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(&priv, 7, sizeof(priv));
		fails(ocicrypt_private_parse(span_str(bad[i]), &priv, &e), ERR_DECRYPT, "private: %s", bad[i]);
		ok(priv.key[0] == 7 && priv.nonce[15] == 7, "output untouched");
		ok(strstr(e.msg, "L1BS") == NULL && strstr(e.msg, "hyHW") == NULL, "nothing is quoted: %s", e.msg);
	}
}

static void
test_private_format(void)
{
	static const char want[] = "{" KEY ",\"digest\":\"\"," NONCE "}";
	static const char digest[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	struct ocicrypt_private priv, again;
	autobuf text = BUF_SECRET(1024), open = BUF(1024), small = BUF_SECRET(100);

	works(ocicrypt_private_parse(SPAN_LIT(want), &priv, &e), "parse");
	works(ocicrypt_private_format(&priv, "", &text, &e), "format");
	is_str(buf_str(&text), want, "the text");
	buf_reset(&text);
	works(ocicrypt_private_format(&priv, digest, &text, &e), "with a digest");
	ok(strstr(buf_str(&text), digest) != NULL, "which is in it");
	works(ocicrypt_private_parse(buf_span(&text), &again, &e), "parse again");
	ok(memcmp(&priv, &again, sizeof(priv)) == 0, "the same");
	fails(ocicrypt_private_format(&priv, "x\",\"", &text, &e), ERR_BUG, "no digest");
	fails(ocicrypt_private_format(&priv, "", &open, &e), ERR_BUG, "into ordinary memory");
	fails(ocicrypt_private_format(&priv, "", &small, &e), ERR_LIMIT, "no room");
	is_int(small.len, 0, "nothing was written");
}

/* A layer with these annotations; the caller frees the document. */
static struct layer
layer(const char *annotations, struct json **doc)
{
	*doc = NULL;
	works(json_parse(span_str(annotations), doc, &e), "annotations");
	return (struct layer){ .encrypted = true, .desc.annotations = json_root(*doc) };
}

#define P	OCICRYPT_KEYS_PROVIDER
#define E	OCICRYPT_ANNOTATION_PREFIX

static void
test_wrapped_keys(void)
{
	static const struct { const char *annotations, *want; int code; } cases[] = {
		{ "{\"" P "mine\":\"QQ==\",\"" P "attestation-agent\":\"Qg==\"}", "QQ==||", 0 },
		{ "{\"" P "other\":\"QQ==\",\"" P "attestation-agent\":\"Qg==\"}", "Qg==||", 0 },
		{ "{\"" E "keys.jwe\":\"QQ==\",\"" P "other\":\"Qg==,Qw==\",\"" P "third\":\"RA==\"}",
		    "Qg==,Qw==|QQ==|", 0 },
		{ "{\"" E "keys.jwe\":\"QQ==\",\"" E "keys.pgp\":\"\"}", "|QQ==|", 0 },
		{ "{\"" E "keys.pkcs7\":\"QQ==,Qg==\",\"" E "keys.other\":5}", "||QQ==,Qg==", 0 },
		{ "{\"" E "keys.pkcs11\":\"QQ==\"}", "wrapped by pkcs11 only", ERR_UNSUPPORTED },
		{ "{\"" E "keys.pkcs11\":\"QQ==\",\"" E "keys.pgp\":\"QQ==\",\"x\":\"y\"}",
		    "wrapped by pkcs11, pgp only", ERR_UNSUPPORTED },
		{ "{\"" E "pubopts\":\"QQ==\"}", "without a wrapped key", ERR_IMAGE },
		{ "{}", "without a wrapped key", ERR_IMAGE },
		{ "{\"" P "mine\":\"\"}", "empty", ERR_IMAGE }, { "{\"" P "mine\":null}", "string", ERR_IMAGE },
		{ "{\"" E "keys.jwe\":\"\"}", "empty", ERR_IMAGE },
		{ "{\"" P "mine\":\"QQ==\",\"" E "keys.pkcs7\":[]}", "string", ERR_IMAGE },
		{ "{\"x" P "other\":\"QQ==\"}", "without a wrapped key", ERR_IMAGE },
	};
	struct layer none = { .encrypted = true };
	struct ocicrypt_wrapped unused_out = { 0 };
	char longname[400];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ocicrypt_wrapped w = { 0 };
		autobuf all = BUF(64);
		autojson doc = NULL;
		struct layer l = layer(cases[i].annotations, &doc);
		int rc = ocicrypt_wrapped_keys(&l, "mine", &w, &e);

		if (!ok(rc == -cases[i].code, "%s", cases[i].annotations))
			printf("# %d %s\n", rc, e.msg);
		works(buf_addf(&all, &e, "%s|%s|%s", buf_str(&w.value[SCHEME_PROVIDER]),
		    buf_str(&w.value[SCHEME_JWE]), buf_str(&w.value[SCHEME_PKCS7])), "all of them");
		if (rc == 0)
			is_str(buf_str(&all), cases[i].want, "the right ones");
		else
			ok(strstr(e.msg, cases[i].want) != NULL && all.len == 2, "says why: %s", e.msg);
		ocicrypt_wrapped_fini(&w);
	}
	fails(ocicrypt_wrapped_keys(&none, "mine", &unused_out, &e), ERR_IMAGE, "no annotations");
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	fails(ocicrypt_wrapped_keys(&none, longname, &unused_out, &e), ERR_LIMIT, "long name of a provider");
	is_str(ocicrypt_scheme_name(SCHEME_PKCS7), "pkcs7", "a scheme's name");
}

/* All schemes share one limit. */
static void
test_wrapped_limit(void)
{
	static const struct { size_t provider, jwe; int code; } cases[] = {
		{ LIMIT_ANNOTATION, 0, 0 }, { LIMIT_ANNOTATION + 1, 0, ERR_IMAGE },
		{ LIMIT_ANNOTATION - 5, 5, 0 }, { LIMIT_ANNOTATION - 5, 6, ERR_IMAGE },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf text = BUF(2 * LIMIT_ANNOTATION);
		struct ocicrypt_wrapped w = { 0 };
		autojson doc = NULL;
		struct layer l;

		works(buf_addf(&text, &e, "{\"" P "x\":\"%0*d\"", (int)cases[i].provider, 0), "a long one");
		if (cases[i].jwe > 0)
			works(buf_addf(&text, &e, ",\"" E "keys.jwe\":\"%0*d\"", (int)cases[i].jwe, 0), "a second");
		works(buf_add_str(&text, "}", &e), "end");
		l = layer(buf_str(&text), &doc);
		is_int(ocicrypt_wrapped_keys(&l, "x", &w, &e), -cases[i].code, "%zu and %zu bytes",
		    cases[i].provider, cases[i].jwe);
		ocicrypt_wrapped_fini(&w);
	}
}

static void
test_parts(void)
{
	struct span joined = SPAN_LIT("QQ==,QkM=,RA==");
	autobuf out = BUF(16), small = BUF(2);

	is_int(ocicrypt_next_wrapped(&joined, &out, &e), 1, "first");
	is_str(buf_str(&out), "A", "decoded");
	buf_reset(&out);
	is_int(ocicrypt_next_wrapped(&joined, &out, &e), 1, "second");
	is_str(buf_str(&out), "BC", "decoded");
	is_int(ocicrypt_next_wrapped(&joined, &out, &e), 1, "third");
	is_str(buf_str(&out), "BCD", "appended");
	is_int(ocicrypt_next_wrapped(&joined, &out, &e), 0, "no more");
	is_int(ocicrypt_next_wrapped(&joined, &out, &e), 0, "still no more");
	joined = SPAN_LIT(",QQ==");
	fails(ocicrypt_next_wrapped(&joined, &out, &e), ERR_IMAGE, "empty part");
	joined = SPAN_LIT("QQ=,QQ==");
	fails(ocicrypt_next_wrapped(&joined, &out, &e), ERR_IMAGE, "no base64");
	joined = SPAN_LIT("QUJD");
	fails(ocicrypt_next_wrapped(&joined, &small, &e), ERR_IMAGE, "too long");
	is_int(small.len, 0, "nothing was added");
}

static void
test_layer_public(void)
{
	/* The base64 of { CIPHER, HMAC, "cipheroptions": {} } */
	static const char good[] = "{\"" OCICRYPT_PUBOPTS "\":\"eyJjaXBoZXIiOiJBRVNfMjU2X0NUUl9ITUFDX1NIQTI1NiIs"
	    "ImhtYWMiOiJPQnVhcWIvOE1iWXZzUVZDcjBYS0QrYjhMLzl2QVJOT3A4OUErWFkyaGtBPSIsImNpcGhlcm9wdGlvbnMiOnt9fQ==\"}";
	static const char *const bad[] = {
		"{}", "{\"" OCICRYPT_PUBOPTS "\":null}", "{\"" OCICRYPT_PUBOPTS "\":\"\"}",
		"{\"" OCICRYPT_PUBOPTS "\":\"e30=\"}", "{\"" OCICRYPT_PUBOPTS "\":\"e30\"}", "{\"" OCICRYPT_PUBOPTS "\":\"{}\"}",
	};
	struct ocicrypt_public pub;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		autojson doc = NULL;
		struct layer l = layer(bad[i], &doc);

		fails(ocicrypt_layer_public(&l, &pub, &e), ERR_IMAGE, "%s", bad[i]);
	}
	{
		autojson doc = NULL;
		struct layer l = layer(good, &doc);

		works(ocicrypt_layer_public(&l, &pub, &e), "public options of a layer");
		ok(pub.hmac[0] == 0x38 && pub.hmac[31] == 0x40, "its MAC");
	}
}

static void
try_private(struct span text, maybe_unused void *arg)
{
	struct ocicrypt_private priv;
	int rc = ocicrypt_private_parse(text, &priv, &e);

	assert(rc == 0 || rc == -ERR_DECRYPT);
}

static void
try_public(struct span text, maybe_unused void *arg)
{
	struct ocicrypt_public pub;
	int rc = ocicrypt_public_parse(text, &pub, &e);

	assert(rc == 0 || rc == -ERR_IMAGE);
}

static int
run_all(maybe_unused void *arg, struct err *err)
{
	autobuf text = BUF_SECRET(1024), sealed = BUF(1024), opened = BUF(1024), options = BUF(1024);
	struct ocicrypt_private priv;
	struct ocicrypt_public pub, read;
	int rc;

	if ((rc = ocicrypt_private_parse(SPAN_LIT("{" KEY "," NONCE "}"), &priv, err)) < 0 ||
	    (rc = ocicrypt_private_format(&priv, "", &text, err)) < 0 ||
	    (rc = encrypt(SPAN_LIT("text"), &priv, &pub, &sealed, err)) < 0 ||
	    (rc = ocicrypt_public_format(&pub, &options, err)) < 0 ||
	    (rc = ocicrypt_public_parse(buf_span(&options), &read, err)) < 0)
		return rc;
	return decrypt(buf_span(&sealed), &priv, &read, &opened, err);
}

int
main(void)
{
	static const char private[] = "{" KEY ",\"digest\":\"sha256:00\"," NONCE "}";
	static const char public[] = "{" CIPHER "," HMAC ",\"cipheroptions\":{}}";
	autobuf text = BUF(1 << 20);
	autojson doc = NULL;

	works(crypto_init(&e), "crypto");
	read_file(KAT "kat.json", &text);
	works(json_parse(buf_span(&text), &doc, &e), "kat.json");
	is_int(json_count(json_get(json_root(doc), "positive")), 7, "positive cases");
	test_positive(json_get(json_root(doc), "positive"));
	test_negative(json_get(json_root(doc), "positive"));
	test_early_end();
	test_public();
	test_private();
	test_private_format();
	test_wrapped_keys();
	test_wrapped_limit();
	test_parts();
	test_layer_public();
	ok(mutate(SPAN_LIT(private), sizeof(private), try_private, NULL) > 1000, "private mutants");
	ok(mutate(SPAN_LIT(public), sizeof(public), try_public, NULL) > 1000, "public mutants");
	ok(fault_each(FAULT_ALLOC, 0, false, run_all, NULL) > 10, "every allocation fails once");
	ok(fault_each(FAULT_IO, EIO, false, run_all, NULL) > 0, "no random numbers");
	is_int(fault_live_bytes(), 0, "nothing leaks");
	is_int(secret_in_use(), 0, "no secret is left");
	return tap_done();
}
