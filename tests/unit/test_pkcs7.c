/*
 * test_pkcs7.c: what skopeo wrote, opened with the right and the wrong keys and certificates; every element changed;
 * the one answer to bad padding, bad key and bad tag.
 */
#include "lib/base.h"
#include "keyprovider/pkcs7.h"

#include "lib/codec.h"
#include "lib/crypto.h"
#include "lib/json.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/keys.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define ANNOTATION	"org.opencontainers.image.enc.keys.pkcs7"

static struct err e;
static struct keyset all;
static struct buf message = BUF(LIMIT_PACKET);	/* of the first layer */

static int
unwrap(struct span text, const struct keyset *keys)
{
	autobuf out = BUF_SECRET(KIB(8));
	int rc = pkcs7_unwrap(text, keys, &out, &e);

	if (rc < 0)
		return out.len == 0 ? rc : -(int)ERR_BUG;
	return strstr(buf_str(&out), "\"symkey\"") != NULL ? 0 : -(int)ERR_BUG;
}

static void
test_skopeo(void)
{
	autobuf manifest = BUF(KIB(64));
	autojson doc = NULL;
	struct json_iter it;

	read_vector("images/pkcs7/manifest.json", &manifest);
	works(json_parse(buf_span(&manifest), &doc, &e), "manifest");
	it = json_iter(json_get(json_root(doc), "layers"));
	while (json_next(&it)) {
		autobuf base64 = BUF(LIMIT_PACKET), text = BUF(LIMIT_PACKET);

		works(json_str(json_get(json_get(it.val, "annotations"), ANNOTATION), "pkcs7", &base64, &e), "annotation");
		works(base64_decode(buf_span(&base64), &text, &e), "base64");
		works(unwrap(buf_span(&text), &all), "opens");
		if (message.len == 0)
			buf_move(&message, &text);
	}
}

static void
test_keys(void)
{
	static const struct { const char *files[3]; enum err_code code; const char *word; } cases[] = {
		{ { "keys/p7.key.pem", "keys/p7.crt.pem" }, ERR_NONE, "" },
		{ { "keys/p7.crt.pem", "keys/p7.key.pem" }, ERR_NONE, "" },
		{ { "keys/other.pem", "keys/p7.crt.pem", "keys/p7.key.pem" }, ERR_NONE, "" },
		{ { "keys/p7.key.pem" }, ERR_CONFIG, "no certificate" },
		{ { "keys/p7.crt.pem" }, ERR_CONFIG, "no RSA private key" },
		{ { "keys/p7.crt.pem", "keys/ec.pkcs8.pem" }, ERR_CONFIG, "no RSA private key" },
		{ { NULL }, ERR_CONFIG, "no RSA private key" },
		{ { "keys/p7.crt.pem", "keys/other.pem" }, ERR_DECRYPT, "none of the certificates" },
		{ { "keys/p7.key.pem", "pkcs7/other.crt.pem" }, ERR_DECRYPT, "none of the certificates" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct keyset keys = { .n = 0 };

		for (size_t n = 0; n < 3 && cases[i].files[n] != NULL; n++)
			add_key(&keys, cases[i].files[n]);
		is_int(unwrap(buf_span(&message), &keys), -(int)cases[i].code, "case %zu", i);
		if (cases[i].code != ERR_NONE)
			ok(strstr(e.msg, cases[i].word) != NULL, "says why: %s", e.msg);
		keyset_fini(&keys);
	}
}

/* The place of some bytes in the message. */
static size_t
find(const void *bytes, size_t n, size_t from)
{
	uint8_t *at = memmem(message.data + from, message.len - from, bytes, n);

	assert(at != NULL);
	return (size_t)(at - message.data);
}

/* A changed byte, and what it must give. */
static void
changed(size_t at, uint8_t to, enum err_code code, const char *what)
{
	uint8_t was = message.data[at];

	assert(was != to);
	message.data[at] = to;
	fails(unwrap(buf_span(&message), &all), code, "%s", what);
	message.data[at] = was;
}

static void
test_elements(void)
{
	static const uint8_t enveloped[] = { 0x01, 0x07, 0x03 }, data[] = { 0x01, 0x07, 0x01 };
	static const uint8_t rsa[] = { 0x0d, 0x01, 0x01, 0x01 }, gcm[] = { 0x03, 0x04, 0x01, 0x06 };
	static const uint8_t parameters[] = { 0x10, 0x13, 0x30, 0x11, 0x84, 0x0c }, icv[] = { 0x02, 0x01, 0x10 };
	static const uint8_t versions[] = { 0x02, 0x01, 0x00 };
	size_t at, second;

	changed(0, 0x31, ERR_PARSE, "no sequence outside");
	changed(find(enveloped, 3, 0) + 2, 0x02, ERR_PARSE, "signed data");
	at = find(versions, 3, 0);
	changed(at + 2, 0x02, ERR_PARSE, "another version");
	second = find(versions, 3, at + 3);
	changed(second + 2, 0x02, ERR_PARSE, "another version of a recipient");
	changed(find(rsa, 4, 0) + 3, 0x07, ERR_UNSUPPORTED, "a recipient with OAEP");
	changed(find("p7", 2, 0), 'q', ERR_DECRYPT, "another issuer");
	changed(find("p7", 2, 0) + 6, 0xaa, ERR_DECRYPT, "another serial number");
	changed(find(data, 3, 0) + 2, 0x02, ERR_PARSE, "content that is not data");
	at = find(gcm, 4, 0);
	changed(at + 3, 0x02, ERR_UNSUPPORTED, "AES-CBC");
	ok(strstr(e.msg, "AES-GCM") != NULL, "says what would do: %s", e.msg);
	changed(at + 3, 0x2e, ERR_DECRYPT, "a longer key");
	at = find(parameters, 6, 0);
	changed(at, 0x30, ERR_PARSE, "parameters as they should be, which nobody writes");
	changed(at + 4, 0x04, ERR_PARSE, "nonce with another tag");
	changed(at + 6, (uint8_t)(message.data[at + 6] ^ 1), ERR_DECRYPT, "another nonce");
	changed(find(icv, 3, at) + 2, 0x0c, ERR_PARSE, "a shorter tag");
	changed(message.len - 1, (uint8_t)(message.data[message.len - 1] ^ 1), ERR_DECRYPT, "another tag");
	changed(message.len - 17, (uint8_t)(message.data[message.len - 17] ^ 1), ERR_DECRYPT, "other content");
	works(unwrap(buf_span(&message), &all), "unchanged it opens");
}

/* What could be told apart is an oracle. */
static void
test_uniform(void)
{
	static const uint8_t octets[] = { 0x04, 0x82, 0x01, 0x00 };
	size_t wrapped = find(octets, 4, 0) + 4;
	struct err first = { 0 };

	for (size_t i = 0; i < 256; i++) {
		int rc;

		message.data[wrapped + i] ^= 0x10;
		rc = unwrap(buf_span(&message), &all);
		message.data[wrapped + i] ^= 0x10;
		if (i == 0)
			first = e;
		if (rc != -ERR_DECRYPT || strcmp(first.msg, e.msg) != 0)
			ok(false, "byte %zu: %d %s", i, rc, e.msg);
	}
	is_str(first.msg, "none of the certificates and private keys opens it", "one message for all");
	fails(unwrap((struct span){ message.data, message.len - 1 }, &all), ERR_PARSE, "a byte less");
}

struct flips {
	size_t	opened, odd;
};

static void
try_mutant(struct span text, void *arg)
{
	struct flips *f = arg;
	int rc;

	if (span_eq(text, buf_span(&message)))
		return;
	rc = unwrap(text, &all);
	f->opened += rc == 0;
	f->odd += rc != 0 && rc != -ERR_PARSE && rc != -ERR_DECRYPT && rc != -ERR_UNSUPPORTED;
}

static void
test_mutants(void)
{
	struct flips f = { 0 };
	size_t n = mutate(buf_span(&message), 140, try_mutant, &f);

	for (size_t i = 300; i < message.len; i++) {
		message.data[i] ^= 0x20;
		if (unwrap(buf_span(&message), &all) == 0)
			f.opened++;
		message.data[i] ^= 0x20;
	}
	is_int((long long)f.opened, 0, "of %zu mutants none opens", n);
	is_int((long long)f.odd, 0, "and all fail in an ordinary way");
}

static void
test_limits(void)
{
	autobuf ordinary = BUF(KIB(8)), lots = BUF(2 * LIMIT_PACKET);

	fails(pkcs7_unwrap(buf_span(&message), &all, &ordinary, &e), ERR_BUG, "into ordinary memory");
	works(buf_reserve(&lots, LIMIT_PACKET + 1, &e), "room");
	lots.len = LIMIT_PACKET + 1;
	fails(unwrap(buf_span(&lots), &all), ERR_LIMIT, "too long");
	fails(unwrap(SPAN_LIT(""), &all), ERR_PARSE, "nothing");
}

/* The recipient of the message, as often as wanted, and an empty list. */
static void
test_recipients(void)
{
	static const size_t counts[] = { 0, 2, PKCS7_RECIPIENTS, PKCS7_RECIPIENTS + 1 };
	static const uint8_t set[] = { 0x31, 0x82, 0x01, 0x3f };
	const size_t at = find(set, 4, 0), one = 0x13f, rest = at + 4 + one;

	for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
		autobuf body = BUF(LIMIT_PACKET), text = BUF(LIMIT_PACKET);
		size_t n = counts[c], size = n * one, inner, middle;

		works(buf_add(&body, "\x02\x01\x00\x31\x82", 5, &e), "version, list");
		works(buf_add_be16(&body, (uint16_t)size, &e), "length");
		for (size_t i = 0; i < n; i++)
			works(buf_add(&body, message.data + at + 4, one, &e), "recipient");
		works(buf_add(&body, message.data + rest, message.len - rest, &e), "content");
		inner = body.len;
		middle = inner + 4;
		works(buf_add(&text, "\x30\x82", 2, &e), "outside");
		works(buf_add_be16(&text, (uint16_t)(11 + 4 + middle), &e), "length");
		works(buf_add(&text, message.data + 4, 11, &e), "type");
		works(buf_add(&text, "\xa0\x82", 2, &e), "[0]");
		works(buf_add_be16(&text, (uint16_t)middle, &e), "length");
		works(buf_add(&text, "\x30\x82", 2, &e), "enveloped data");
		works(buf_add_be16(&text, (uint16_t)inner, &e), "length");
		works(buf_add_span(&text, buf_span(&body), &e), "body");
		if (n == 0)	/* and a length that could be shorter */
			fails(unwrap(buf_span(&text), &all), ERR_PARSE, "no recipient");
		else if (n > PKCS7_RECIPIENTS)
			fails(unwrap(buf_span(&text), &all), ERR_LIMIT, "%zu recipients", n);
		else
			works(unwrap(buf_span(&text), &all), "%zu recipients", n);
	}
}

static int
unwrap_once(maybe_unused void *arg, struct err *err)
{
	autobuf out = BUF_SECRET(KIB(8));

	return pkcs7_unwrap(buf_span(&message), &all, &out, err);
}

int
main(void)
{
	works(crypto_init(&e), "start");
	add_key(&all, "keys/p7.key.pem");
	add_key(&all, "keys/p7.crt.pem");
	add_key(&all, "keys/ec.pkcs8.pem");
	test_skopeo();
	if (message.data == NULL)
		return tap_done();
	test_keys();
	test_elements();
	test_uniform();
	test_recipients();
	test_limits();
	test_mutants();
	ok(fault_each(FAULT_ALLOC, 0, false, unwrap_once, NULL) >= 0, "every allocation fails once");
	buf_free(&message);
	keyset_fini(&all);
	is_int((long long)secret_in_use(), 0, "no secret is left");
	return tap_done();
}
