/*
 * test_cosign.c: public keys in every form that is taken and many that are not; signatures of each kind, made here and
 * in the vectors; the signature image and its layers, good and bad ones side by side.
 */
#include "lib/base.h"
#include "image/cosign.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "image/reference.h"
#include "lib/codec.h"
#include "lib/fs.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define DIR	"tests/vectors/image/cosign/"
#define HEX64	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"
#define OCI_M	"application/vnd.oci.image.manifest.v1+json"
#define PAYLOAD	"application/vnd.dev.cosign.simplesigning.v1+json"

static struct err e;

static void
read_file(const char *name, struct buf *out)
{
	if (fs_read_file(AT_FDCWD, name, out, &e) < 0) {
		printf("Bail out! %s: %s\n", name, e.msg);
		exit(1);
	}
}

static int
key_of_file(const char *name, struct cosign_key **out)
{
	autobuf pem = BUF(KIB(64));
	char path[256];

	snprintf(path, sizeof(path), DIR "%s", name);
	read_file(path, &pem);
	return cosign_key_parse(buf_span(&pem), out, &e);
}

static int
parse_key(const char *pem)
{
	cleanup(cosign_key_freep) struct cosign_key *key = NULL;
	int rc = cosign_key_parse(span_str(pem), &key, &e);

	if ((rc == 0) != (key != NULL))
		abort();
	return rc;
}

#define P256	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErPTc44bkcio/1c/Pj9h+hvfdl66xC4ufWS2a4w3crybk1UAHXNRTF6qbPCTF8JayBcVAWcPxOB4qsuc4BGHNcw=="
#define BEGIN	"-----BEGIN PUBLIC KEY-----"
#define END	"-----END PUBLIC KEY-----"

static void
test_keys(void)
{
	static const char *const good[] = {
		"keys/p256.pub", "keys/p384.pub", "keys/p521.pub", "keys/ed25519.pub", "keys/rsa2048.pub",
		"keys/rsa4096.pub", "keys/p256-nonl.pub", "keys/p256-oneline.pub", "keys/other-p256.pub",
	};
	static const struct {
		const char *pem;
		enum err_code code;
		const char *says;
	} bad[] = {
		{ "", ERR_PARSE, "not a public key" },
		{ P256, ERR_PARSE, "not a public key" },
		{ BEGIN, ERR_PARSE, "does not end" },
		{ BEGIN END, ERR_PARSE, "empty" },
		{ BEGIN "\n" P256, ERR_PARSE, "does not end" },
		{ BEGIN "\n" P256 "\n-----END PUBLIC KEY----", ERR_PARSE, "does not end" },
		{ BEGIN "\n" P256 "\n-----END RSA PUBLIC KEY-----", ERR_PARSE, "does not end" },
		{ "x" BEGIN "\n" P256 "\n" END, ERR_PARSE, "not a public key" },
		{ BEGIN "\n" P256 "\n" END "\nx", ERR_PARSE, "does not end" },
		{ BEGIN "\n" P256 "\n" END "\n" BEGIN "\n" P256 "\n" END, ERR_PARSE, "of several" },
		{ BEGIN "\n" P256 " \n" END, ERR_PARSE, "base64" },
		{ BEGIN "\n!" P256 "\n" END, ERR_PARSE, "base64" },
		{ BEGIN "\n" "AAAA" P256 "\n" END, ERR_PARSE, "SubjectPublicKeyInfo" },
		{ BEGIN "\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErPTc44bkcio/1c/Pj9h+hvfdl66xC4ufWS2a4w3crybk1UAHXNRTF6qb"
		  "PCTF8JayBcVAWcPxOB4qsuc4BGHNcwA=\n" END, ERR_PARSE, "SubjectPublicKeyInfo" },	/* a byte behind it */
		{ BEGIN "\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErPTc44bkcio/1c/Pj9h+hvfdl66xC4ufWS2a4w3crybk1UAHXNRTF6qb"
		  "PCTF8JayBcVAWcPxOB4qsuc4BGHNdA==\n" END, ERR_PARSE, NULL },	/* a point that is not on the curve */
		{ "-----BEGIN PRIVATE KEY-----\nAAAA\n", ERR_UNSUPPORTED, "private" },
		{ "-----BEGIN EC PRIVATE KEY-----\nAAAA\n", ERR_UNSUPPORTED, "private" },
		{ "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n", ERR_UNSUPPORTED, "private" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n", ERR_UNSUPPORTED, "certificate" },
		{ "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", ERR_UNSUPPORTED, "OpenPGP" },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup(cosign_key_freep) struct cosign_key *key = NULL;

		works(key_of_file(good[i], &key), "%s is a key", good[i]);
	}
	works(parse_key("\r\n " BEGIN "\r\n" P256 "\r\n" END "\r\n\t "), "white space around, CR at the ends of lines");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		fails(parse_key(bad[i].pem), bad[i].code, "bad key %zu", i);
		ok(bad[i].says == NULL || strstr(e.msg, bad[i].says) != NULL, "bad key %zu: %s", i, e.msg);
	}
	cleanup(cosign_key_freep) struct cosign_key *key = NULL;
	fails(key_of_file("keys/rsa2048.pkcs1.pub", &key), ERR_UNSUPPORTED, "PKCS #1");
	ok(strstr(e.msg, "-RSAPublicKey_in") != NULL, "it is told how to convert it");
}

/* SubjectPublicKeyInfo of a new key, as PEM. */
static EVP_PKEY *
make_key(EVP_PKEY *key, struct buf *pem)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	if (len <= 0 || buf_addf(pem, &e, "%s\n", BEGIN) < 0 ||
	    base64_encode((struct span){ der, (size_t)len }, pem, &e) < 0 || buf_addf(pem, &e, "\n%s\n", END) < 0)
		abort();
	OPENSSL_free(der);
	return key;
}

static void
test_weak_keys(void)
{
	autobuf small = BUF(4096), other = BUF(4096), x = BUF(4096);

	EVP_PKEY_free(make_key(EVP_RSA_gen(1024), &small));
	fails(parse_key(buf_str(&small)), ERR_UNSUPPORTED, "RSA of 1024 bits");
	EVP_PKEY_free(make_key(EVP_EC_gen("secp256k1"), &other));
	fails(parse_key(buf_str(&other)), ERR_UNSUPPORTED, "another curve");
	EVP_PKEY_free(make_key(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), &x));
	fails(parse_key(buf_str(&x)), ERR_UNSUPPORTED, "a key that cannot sign");
}

static EVP_PKEY *
private_key(const char *name)
{
	char path[256];
	FILE *f;
	EVP_PKEY *key;

	snprintf(path, sizeof(path), DIR "keys/%s.key.pem", name);
	f = fopen(path, "r");
	if (f == NULL)
		abort();
	key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	if (key == NULL)
		abort();
	return key;
}

/* How cosign signs, and how it does not. */
static void
sign(const char *name, const char *hash, int padding, struct span payload, struct buf *base64)
{
	EVP_PKEY *key = private_key(name);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	uint8_t out[1024];
	size_t len = sizeof(out);

	if (EVP_DigestSignInit_ex(ctx, &pctx, hash, NULL, NULL, key, NULL) != 1 ||
	    (padding != 0 && EVP_PKEY_CTX_set_rsa_padding(pctx, padding) != 1) ||
	    EVP_DigestSign(ctx, out, &len, payload.p, payload.len) != 1 ||
	    base64_encode((struct span){ out, len }, base64, &e) < 0)
		abort();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

static void
test_verify(void)
{
	static const struct {
		const char *name, *hash;
		int padding;
		bool good;
	} cases[] = {
		{ "p256", "SHA2-256", 0, true }, { "p384", "SHA2-256", 0, true }, { "p521", "SHA2-256", 0, true },
		{ "ed25519", NULL, 0, true }, { "rsa2048", "SHA2-256", RSA_PKCS1_PADDING, true },
		{ "rsa4096", "SHA2-256", RSA_PKCS1_PADDING, true }, { "rsa2048", "SHA2-256", RSA_PKCS1_PSS_PADDING, true },
		{ "p256", "SHA1", 0, false }, { "p384", "SHA2-384", 0, false }, { "rsa2048", "SHA2-512", RSA_PKCS1_PADDING, false },
		{ "rsa2048", "SHA1", RSA_PKCS1_PADDING, false }, { "rsa2048", "SHA2-512", RSA_PKCS1_PSS_PADDING, false },
	};
	const struct span payload = SPAN_LIT("{\"critical\":1}"), changed = SPAN_LIT("{\"critical\":2}");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(cosign_key_freep) struct cosign_key *key = NULL, *other = NULL;
		autobuf text = BUF(4096);
		char name[64];

		snprintf(name, sizeof(name), "keys/%s.pub", cases[i].name);
		works(key_of_file(name, &key), "key %s", name);
		works(key_of_file("keys/other-p256.pub", &other), "another key");
		sign(cases[i].name, cases[i].hash, cases[i].padding, payload, &text);
		if (!cases[i].good) {
			fails(cosign_verify(key, payload, buf_span(&text), &e), ERR_POLICY, "%s with %s", name, cases[i].hash);
			continue;
		}
		works(cosign_verify(key, payload, buf_span(&text), &e), "%s signed it", name);
		fails(cosign_verify(key, changed, buf_span(&text), &e), ERR_POLICY, "%s did not sign this", name);
		fails(cosign_verify(other, payload, buf_span(&text), &e), ERR_POLICY, "another did not sign it");
		fails(cosign_verify(key, (struct span){ payload.p, 0 }, buf_span(&text), &e), ERR_POLICY, "nothing was not signed");
	}
}

static void
test_signature_text(void)
{
	cleanup(cosign_key_freep) struct cosign_key *key = NULL;
	static const char *const bad[] = { "", "\n", "!", "MEUCIBcS", "MEU=", " MEUCIBcS", "MEUCIBcSqg", "AAAA====", "AB==" };
	const struct span payload = SPAN_LIT("payload");
	autobuf text = BUF(8192), broken = BUF(8192);

	works(key_of_file("keys/p256.pub", &key), "key");
	sign("p256", "SHA2-256", 0, payload, &text);
	for (size_t i = 0; i < text.len; i++)
		if (buf_addf(&broken, &e, "%c%s", text.data[i], i % 10 == 9 ? "\r\n" : "") < 0)
			abort();
	works(cosign_verify(key, payload, buf_span(&broken), &e), "CR and LF inside");
	broken.data[5] = ' ';
	fails(cosign_verify(key, payload, buf_span(&broken), &e), ERR_PARSE, "a blank inside");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(cosign_verify(key, payload, span_str(bad[i]), &e) < 0, "signature \"%s\"", bad[i]);
	buf_reset(&text);
	if (buf_reserve(&text, LIMIT_SIGNATURE_TEXT + 4, &e) < 0)
		abort();
	memset(text.data, 'A', LIMIT_SIGNATURE_TEXT + 4);
	fails(cosign_verify(key, payload, (struct span){ text.data, LIMIT_SIGNATURE_TEXT + 4 }, &e), ERR_PARSE, "much too long");
	ok(strstr(e.msg, "4100") != NULL, "it is said how long it is: %s", e.msg);
}

static void
test_tags(void)
{
	char tag[COSIGN_TAG];
	struct digest d, long_one;

	works(digest_parse(SPAN_LIT("sha256:" HEX64), &d, &e), "digest");
	cosign_tag(&d, tag);
	is_str(tag, "sha256-" HEX64 ".sig", "where signatures are");
	ok(image_ref_tag_ok(span_str(tag)), "it is a tag");
	cosign_referrers_tag(&d, tag);
	is_str(tag, "sha256-" HEX64, "where referrers are");
	works(digest_parse(SPAN_LIT("sha512:" HEX64 HEX64), &long_one, &e), "digest");
	cosign_tag(&long_one, tag);
	is_int(strlen(tag), 7 + 128 + 4, "all of a long digest");
}

#define SIGNED(type, size, more) "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX64 "\",\"size\":" size more "}"
#define NOTE(value) ",\"annotations\":{\"dev.cosignproject.cosign/signature\":" value "}"
#define IMAGE(layers) "{\"schemaVersion\":2,\"config\":{},\"layers\":" layers "}"

static int
one_signature(const char *text, size_t number, struct buf *out)
{
	cleanup(cosign_image_fini) struct cosign_image image = { 0 };
	struct descriptor d;
	int rc = cosign_image_parse(span_str(text), OCI_M, &image, &e);

	if (rc < 0)
		abort();
	rc = cosign_image_signature(&image, number, &d, out, &e);
	return rc;
}

static void
test_image(void)
{
	static const struct {
		const char *layer;
		enum err_code code;
	} bad[] = {
		{ SIGNED(PAYLOAD, "7", ""), ERR_NOTFOUND },
		{ SIGNED(PAYLOAD, "7", ",\"annotations\":{}"), ERR_NOTFOUND },
		{ SIGNED(PAYLOAD, "7", ",\"annotations\":{\"dev.sigstore.cosign/bundle\":\"\"}"), ERR_NOTFOUND },
		{ SIGNED(PAYLOAD, "7", NOTE("7")), ERR_PARSE },
		{ SIGNED(PAYLOAD, "4194305", NOTE("\"AA==\"")), ERR_LIMIT },
		{ SIGNED("application/octet-stream", "7", NOTE("\"AA==\"")), ERR_UNSUPPORTED },
		{ SIGNED(PAYLOAD "x", "7", NOTE("\"AA==\"")), ERR_UNSUPPORTED },
		{ "{\"mediaType\":\"" PAYLOAD "\",\"size\":7" NOTE("\"AA==\"") "}", ERR_PARSE },
		{ "{\"mediaType\":\"" PAYLOAD "\",\"digest\":\"sha256:00\",\"size\":7" NOTE("\"AA==\"") "}", ERR_PARSE },
		{ "null", ERR_PARSE }, { "[]", ERR_PARSE },
	};
	static const struct {
		const char *text;
		enum err_code code;
	} images[] = {
		{ "", ERR_IMAGE }, { "[]", ERR_IMAGE }, { "{}", ERR_IMAGE }, { IMAGE("{}"), ERR_IMAGE }, { IMAGE("null"), ERR_IMAGE },
		{ "{\"schemaVersion\":2,\"manifests\":[]}", ERR_IMAGE }, { IMAGE("[") , ERR_IMAGE },
		{ "{\"schemaVersion\":2,\"config\":{},\"layers\":[],\"layers\":[]}", ERR_IMAGE },
	};
	struct cosign_image image = { 0 };
	autobuf out = BUF(KIB(64)), text = BUF(KIB(64)), many = BUF(MIB(1));

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		buf_reset(&text);
		if (buf_addf(&text, &e, IMAGE("[%s,%s]"), bad[i].layer, SIGNED(PAYLOAD, "7", NOTE("\"QUI=\""))) < 0)
			abort();
		fails(one_signature(buf_str(&text), 0, &out), bad[i].code, "bad layer %zu", i);
		is_int(out.len, 0, "bad layer %zu gives nothing", i);
		works(one_signature(buf_str(&text), 1, &out), "the one beside it is good");
		is_str(buf_str(&out), "QUI=", "and its signature is this");
		buf_reset(&out);
	}
	for (size_t i = 0; i < ARRAY_LEN(images); i++)
		fails(cosign_image_parse(span_str(images[i].text), "", &image, &e), images[i].code, "bad image %zu", i);
	fails(one_signature(IMAGE("[]"), 0, &out), ERR_PARSE, "beyond the last");
	if (buf_add_str(&many, "{\"schemaVersion\":2,\"config\":{},\"layers\":[0", &e) < 0)
		abort();
	for (int i = 0; i < 10000; i++)
		if (buf_add_str(&many, ",0", &e) < 0)
			abort();
	works(buf_add_str(&many, "]}", &e), "10,001 layers");
	works(cosign_image_parse(buf_span(&many), OCI_M, &image, &e), "can be read");
	is_int(image.n, LIMIT_SIGNATURES, "but not all are looked at");
	cosign_image_fini(&image);
}

static void
test_long_signature(void)
{
	autobuf text = BUF(MIB(1)), out = BUF(MIB(1));
	int rc = buf_add_str(&text, "{\"schemaVersion\":2,\"config\":{},\"layers\":[{\"mediaType\":\"" PAYLOAD "\",\"digest\":"
	    "\"sha256:" HEX64 "\",\"size\":7,\"annotations\":{\"dev.cosignproject.cosign/signature\":\"", &e);

	for (size_t i = 0; i < LIMIT_SIGNATURE_TEXT && rc == 0; i++)
		rc = buf_add_u8(&text, 'A', &e);
	if (rc < 0 || buf_add_str(&text, "\"}}]}", &e) < 0)
		abort();
	fails(one_signature(buf_str(&text), 0, &out), ERR_LIMIT, "a signature without end");
}

static void
test_bundles(void)
{
	struct digest d;

#define ENTRY(type) "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" OCI_M "\",\"artifactType\":" type "}]}"
	ok(cosign_lists_bundle(SPAN_LIT(ENTRY("\"application/vnd.dev.sigstore.bundle.v0.3+json\""))), "a bundle");
	ok(!cosign_lists_bundle(SPAN_LIT(ENTRY("\"application/spdx+json\""))), "something else");
	ok(!cosign_lists_bundle(SPAN_LIT(ENTRY("7"))), "a number");
	ok(!cosign_lists_bundle(SPAN_LIT("{\"manifests\":{}}")), "no list");
	ok(!cosign_lists_bundle(SPAN_LIT("")), "nothing");
	ok(cosign_is_bundle(SPAN_LIT("{\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}")), "a bundle itself");
	ok(!cosign_is_bundle(SPAN_LIT("{\"artifactType\":\"application/spdx+json\"}")), "something else itself");
	ok(!cosign_is_bundle(SPAN_LIT("{}")) && !cosign_is_bundle(SPAN_LIT("[")), "nothing itself");
	ok(cosign_referrer(SPAN_LIT("{\"manifests\":[0," SIGNED("x/y", "7", "") "]}"), 1, &d), "the second of a list");
	is_str(d.text, "sha256:" HEX64, "its digest");
	ok(!cosign_referrer(SPAN_LIT("{\"manifests\":[0]}"), 0, &d), "none that can be read");
	ok(!cosign_referrer(SPAN_LIT("{\"manifests\":[]}"), 0, &d) && !cosign_referrer(SPAN_LIT("x"), 0, &d), "none at all");
}

/* Every case of the vectors as far as keys and bytes go; what the payload says is simple_signing's. */
static bool
any_signature(const char *name, struct cosign_key *key)
{
	cleanup(cosign_image_fini) struct cosign_image image = { 0 };
	autobuf manifest = BUF(MIB(1));
	bool found = false;
	char path[256];

	snprintf(path, sizeof(path), DIR "%s/manifest.json", name);
	read_file(path, &manifest);
	works(cosign_image_parse(buf_span(&manifest), OCI_M, &image, &e), "%s: manifest", name);
	for (size_t i = 0; i < image.n; i++) {
		autobuf payload = BUF(MIB(1)), signature = BUF(KIB(8));
		struct descriptor d;

		if (cosign_image_signature(&image, i, &d, &signature, &e) < 0)
			continue;
		snprintf(path, sizeof(path), DIR "%s/payload-%zu.json", name, i);
		read_file(path, &payload);
		if (payload.len == d.size && digest_check(&d.digest, buf_span(&payload), "payload", &e) == 0 &&
		    cosign_verify(key, buf_span(&payload), buf_span(&signature), &e) == 0)
			found = true;
	}
	return found;
}

static void
test_vectors(void)
{
	/* Signed well, but over something else. */
	static const char *const signed_well[] = { "wrong-digest", "wrong-type" };
	autobuf text = BUF(MIB(1));
	autojson doc = NULL;
	struct json_iter it;
	size_t n = 0;

	read_file(DIR "expect.json", &text);
	if (json_parse(buf_span(&text), &doc, &e) < 0)
		abort();
	it = json_iter(json_get(json_root(doc), "cases"));
	while (json_next(&it)) {
		cleanup(cosign_key_freep) struct cosign_key *key = NULL;
		bool want = json_str_eq(json_get(it.val, "expect"), "accept");
		char name[64], file[64];

		if (json_cstr(it.key, "name", name, sizeof(name), &e) < 0 ||
		    json_cstr(json_get(it.val, "key"), "key", file, sizeof(file), &e) < 0)
			abort();
		n++;
		for (size_t i = 0; i < ARRAY_LEN(signed_well); i++)
			want = want || strcmp(name, signed_well[i]) == 0;
		if (json_str_eq(json_get(it.val, "expect"), "either")) {
			ok(key_of_file(file, &key) < 0, "%s: refused with its key", name);
			continue;
		}
		works(key_of_file(file, &key), "%s: key", name);
		ok(any_signature(name, key) == want, "%s: %s", name, want ? "signed" : "not signed");
	}
	is_int(n, 19, "cases");
}

static void
mutant_key(struct span pem, maybe_unused void *arg)
{
	cleanup(cosign_key_freep) struct cosign_key *key = NULL;
	struct err ignored;
	int rc = cosign_key_parse(pem, &key, &ignored);

	if ((rc == 0) != (key != NULL))
		abort();
}

static void
mutant_image(struct span text, maybe_unused void *arg)
{
	cleanup(cosign_image_fini) struct cosign_image image = { 0 };
	struct err ignored;

	if (cosign_image_parse(text, "", &image, &ignored) < 0)
		return;
	for (size_t i = 0; i < image.n; i++) {
		autobuf out = BUF(KIB(8));
		struct descriptor d;

		(void)(cosign_image_signature(&image, i, &d, &out, &ignored) < 0);
	}
}

/* No bit of a signature, of a payload or of an annotation can be changed. */
static void
test_mutants(void)
{
	cleanup(cosign_key_freep) struct cosign_key *key = NULL;
	autobuf pem = BUF(KIB(4)), manifest = BUF(KIB(8)), text = BUF(KIB(8)), raw = BUF(KIB(8));
	struct span payload = SPAN_LIT("payload");
	size_t good = 0;

	read_file(DIR "keys/p256.pub", &pem);
	read_file(DIR "good-p256/manifest.json", &manifest);
	ok(mutate(buf_span(&pem), pem.len, mutant_key, NULL) > 1000, "mutants of a key");
	ok(mutate(buf_span(&manifest), manifest.len, mutant_image, NULL) > 1000, "mutants of a signature image");
	works(key_of_file("keys/p256.pub", &key), "key");
	sign("p256", "SHA2-256", 0, payload, &text);
	works(base64_decode(buf_span(&text), &raw, &e), "signature");
	for (size_t i = 0; i < raw.len * 8; i++) {
		autobuf again = BUF(KIB(8));

		raw.data[i / 8] ^= (uint8_t)(1 << i % 8);
		if (base64_encode(buf_span(&raw), &again, &e) < 0)
			abort();
		raw.data[i / 8] ^= (uint8_t)(1 << i % 8);
		good += cosign_verify(key, payload, buf_span(&again), &e) == 0;
	}
	is_int(good, 0, "no signature with a bit turned over is good");
}

static int
run_all(void *arg, struct err *err)
{
	const struct buf *files = arg;
	cleanup(cosign_key_freep) struct cosign_key *key = NULL;
	cleanup(cosign_image_fini) struct cosign_image image = { 0 };
	autobuf signature = BUF(KIB(8));
	struct descriptor d;
	int rc = cosign_key_parse(buf_span(&files[0]), &key, err);

	if (rc == 0)
		rc = cosign_image_parse(buf_span(&files[1]), OCI_M, &image, err);
	if (rc == 0)
		rc = cosign_image_signature(&image, 0, &d, &signature, err);
	return rc < 0 ? rc : cosign_verify(key, buf_span(&files[2]), buf_span(&signature), err);
}

static void
test_faults(void)
{
	struct buf files[] = { BUF(KIB(4)), BUF(KIB(8)), BUF(KIB(8)) };

	read_file(DIR "keys/p256.pub", &files[0]);
	read_file(DIR "good-p256/manifest.json", &files[1]);
	read_file(DIR "good-p256/payload-0.json", &files[2]);
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, run_all, files) > 3, "each allocation fails in turn");
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		buf_free(&files[i]);
}

int
main(void)
{
	if (crypto_init(&e) < 0)
		return 1;
	test_keys();
	test_weak_keys();
	test_verify();
	test_signature_text();
	test_tags();
	test_image();
	test_long_signature();
	test_bundles();
	test_vectors();
	test_mutants();
	test_faults();
	return tap_done();
}
