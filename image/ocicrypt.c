/*
 * ocicrypt.c: the options of layer encryption: what stands in the annotations
 * and what is wrapped. Anything missing is an error: other readers invent a
 * nonce or let the public options override the wrapped one.
 */
#include "lib/base.h"
#include "image/ocicrypt.h"

#include "lib/codec.h"
#include "lib/json.h"

#define CIPHER	"AES_256_CTR_HMAC_SHA256"
#define KEYS	OCICRYPT_ANNOTATION_PREFIX "keys."

enum {
	KEY = 32, NONCE = 16, HMAC = 32,
	OPTIONS_MAX = 4096,	/* either kind of options is some 200 bytes */
	NAME_MAX_LEN = 256,	/* of an annotation */
};

/*
 * Faults of the text get the code that the caller's caller acts on; failures
 * of this machine keep theirs.
 */
static int
refuse_as(struct err *e, enum err_code code, const char *where)
{
	if (e->code != ERR_PARSE && e->code != ERR_LIMIT)
		return err_wrap(e, "%s", where);
	return err_set(e, code, "%s: %s", where, e->msg);
}

/* A base64 string of exactly size bytes. The text passes secret memory only. */
static int
read_bytes(struct json_val v, const char *what, size_t size, struct buf *out, struct err *e)
{
	autobuf text = BUF_SECRET(OPTIONS_MAX);
	int rc;

	if ((rc = json_str(v, what, &text, e)) < 0)
		return rc;
	if (base64_decode(buf_span(&text), out, e) < 0)
		return err_wrap(e, "%s", what);
	if (out->len != size)
		return err_set(e, ERR_PARSE, "%s has %zu bytes, not %zu", what, out->len, size);
	return 0;
}

/* hmac comes empty. */
static int
public_read(struct json_val root, struct buf *hmac, struct err *e)
{
	struct json_val cipher = json_get(root, "cipher");
	struct json_val options = json_get(root, "cipheroptions");
	struct span raw = json_ok(cipher) ? json_raw(cipher) : SPAN_LIT("(none)");

	if (!json_is(root, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "not an object");
	if (!json_str_eq(cipher, CIPHER))
		return err_set(e, ERR_PARSE, "cipher is %.*s, not " CIPHER,
		    (int)MIN(raw.len, (size_t)80), (const char *)raw.p);
	if (json_ok(options) && !json_is(options, JSON_OBJECT) && !json_is(options, JSON_NULL))
		return err_set(e, ERR_PARSE, "cipheroptions must be an object");
	/* It would override the wrapped one, and the MAC would still fit. */
	if (json_ok(json_get(options, "nonce")))
		return err_set(e, ERR_PARSE, "a nonce among the public options");
	return read_bytes(json_get(root, "hmac"), "hmac", HMAC, hmac, e);
}

int
ocicrypt_public_parse(struct span text, struct ocicrypt_public *out, struct err *e)
{
	autobuf hmac = BUF(OPTIONS_MAX);
	autojson doc = NULL;

	if (json_parse(text, &doc, e) < 0 || public_read(json_root(doc), &hmac, e) < 0)
		return refuse_as(e, ERR_IMAGE, "public encryption options");
	memcpy(out->hmac, hmac.data, HMAC);
	return 0;
}

int
ocicrypt_public_format(const struct ocicrypt_public *options, struct buf *out, struct err *e)
{
	autobuf hmac = BUF(64);
	int rc;

	if ((rc = base64_encode((struct span){ options->hmac, sizeof(options->hmac) }, &hmac, e)) < 0)
		return rc;
	return buf_addf(out, e, "{\"cipher\":\"" CIPHER "\",\"hmac\":\"%s\",\"cipheroptions\":{}}",
	    buf_str(&hmac));
}

/*
 * Members not known here are skipped: "digest" is that of the blob which the
 * encrypting tool read, not always of the one it wrote.
 */
static int
private_read(struct json_val root, struct buf *key, struct buf *nonce, struct err *e)
{
	struct json_val options = json_get(root, "cipheroptions");
	int rc;

	if (!json_is(root, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "not an object");
	if ((rc = read_bytes(json_get(root, "symkey"), "symkey", KEY, key, e)) < 0)
		return rc;
	return read_bytes(json_get(options, "nonce"), "nonce", NONCE, nonce, e);
}

int
ocicrypt_private_parse(struct span text, struct ocicrypt_private *out, struct err *e)
{
	autobuf key = BUF_SECRET(OPTIONS_MAX), nonce = BUF_SECRET(OPTIONS_MAX);
	autojson doc = NULL;

	if (json_parse(text, &doc, e) < 0 || private_read(json_root(doc), &key, &nonce, e) < 0)
		return refuse_as(e, ERR_DECRYPT, "unwrapped encryption options");
	memcpy(out->key, key.data, KEY);
	memcpy(out->nonce, nonce.data, NONCE);
	return 0;
}

int
ocicrypt_private_format(const struct ocicrypt_private *options, const char *digest, struct buf *out,
    struct err *e)
{
	autobuf key = BUF_SECRET(64), nonce = BUF_SECRET(64);
	struct digest unread;
	int rc;

	if (!out->secret || (*digest != '\0' && digest_parse(span_str(digest), &unread, e) < 0))
		return err_set(e, ERR_BUG, "encryption options: digest or buffer");
	if ((rc = base64_encode((struct span){ options->key, sizeof(options->key) }, &key, e)) < 0 ||
	    (rc = base64_encode((struct span){ options->nonce, sizeof(options->nonce) }, &nonce, e)) < 0)
		return rc;
	return buf_addf(out, e, "{\"symkey\":\"%s\",\"digest\":\"%s\",\"cipheroptions\":{\"nonce\":\"%s\"}}",
	    buf_str(&key), digest, buf_str(&nonce));
}

static const char *const scheme_names[SCHEME_COUNT] = {
	[SCHEME_PROVIDER] = "key provider",
	[SCHEME_JWE]	  = "jwe",
	[SCHEME_PKCS7]	  = "pkcs7",
};

const char *
ocicrypt_scheme_name(enum ocicrypt_scheme scheme)
{
	return scheme_names[scheme];
}

/* The first annotation of any key provider. */
static struct json_val
first_provider(struct json_val annotations)
{
	struct json_iter it = json_iter(annotations);

	while (json_next(&it)) {
		char name[NAME_MAX_LEN];
		struct err unread;

		if (json_cstr(it.key, "annotation", name, sizeof(name), &unread) == 0 &&
		    span_starts(span_str(name), OCICRYPT_KEYS_PROVIDER))
			return it.val;
	}
	return (struct json_val){ NULL, 0 };
}

/* Nothing here can unwrap the key: names what has wrapped it. */
static int
refuse_schemes(struct json_val annotations, struct err *e)
{
	struct json_iter it = json_iter(annotations);
	autobuf names = BUF(256);
	struct err unread;

	while (json_next(&it)) {
		char name[NAME_MAX_LEN];

		if (json_cstr(it.key, "annotation", name, sizeof(name), &unread) < 0 ||
		    !span_starts(span_str(name), KEYS))
			continue;
		if (buf_addf(&names, &unread, "%s%s", names.len > 0 ? ", " : "",
		    name + strlen(KEYS)) < 0)
			break;
	}
	if (names.len == 0)
		return err_set(e, ERR_IMAGE, "encrypted layer without a wrapped key");
	return err_set(e, ERR_UNSUPPORTED, "the layer's key is wrapped by %s only (pgp needs a key ring, "
	    "pkcs11 a token): it must be wrapped by jwe, pkcs7 or a key provider, too", buf_str(&names));
}

/* Exact name, our own name, any name. */
static int
find_provider(struct json_val annotations, const char *provider, struct json_val *out, struct err *e)
{
	char name[NAME_MAX_LEN];
	int n = snprintf(name, sizeof(name), OCICRYPT_KEYS_PROVIDER "%s", provider);

	if (n < 0 || (size_t)n >= sizeof(name))
		return err_set(e, ERR_LIMIT, "the name of the key provider is too long");
	*out = json_get(annotations, name);
	if (!json_ok(*out))
		*out = json_get(annotations, OCICRYPT_KEYS_PROVIDER OCICRYPT_PROVIDER);
	if (!json_ok(*out))
		*out = first_provider(annotations);
	return 0;
}

/* *room is what all schemes together may still take. */
static int
read_wrapped(struct json_val v, size_t *room, struct buf *out, struct err *e)
{
	if (!json_ok(v))
		return 0;
	if (json_str_eq(v, ""))
		return err_set(e, ERR_IMAGE, "encrypted layer with an empty wrapped key");
	*out = (struct buf)BUF(*room);
	if (json_str(v, "wrapped key", out, e) < 0)
		return refuse_as(e, ERR_IMAGE, "encrypted layer");
	*room -= out->len;
	return 0;
}

int
ocicrypt_wrapped_keys(const struct layer *layer, const char *provider, struct ocicrypt_wrapped *out, struct err *e)
{
	struct json_val annotations = layer->desc.annotations, v[SCHEME_COUNT];
	cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped w = { 0 };
	size_t room = LIMIT_ANNOTATION;
	int rc = find_provider(annotations, provider, &v[SCHEME_PROVIDER], e);

	v[SCHEME_JWE] = json_get(annotations, KEYS "jwe");
	v[SCHEME_PKCS7] = json_get(annotations, KEYS "pkcs7");
	for (int i = 0; i < SCHEME_COUNT && rc == 0; i++)
		rc = read_wrapped(v[i], &room, &w.value[i], e);
	if (rc == 0 && room == LIMIT_ANNOTATION)
		rc = refuse_schemes(annotations, e);
	if (rc < 0)
		return rc;
	for (int i = 0; i < SCHEME_COUNT; i++)
		buf_move(&out->value[i], &w.value[i]);
	return 0;
}

void
ocicrypt_wrapped_fini(struct ocicrypt_wrapped *w)
{
	for (int i = 0; i < SCHEME_COUNT; i++)
		buf_free(&w->value[i]);
}

int
ocicrypt_next_wrapped(struct span *joined, struct buf *out, struct err *e)
{
	struct span part;

	if (!span_split(joined, ',', &part))
		return 0;
	if (part.len == 0)
		return err_set(e, ERR_IMAGE, "encrypted layer: empty wrapped key");
	if (base64_decode(part, out, e) < 0)
		return refuse_as(e, ERR_IMAGE, "encrypted layer: wrapped key");
	return 1;
}

int
ocicrypt_layer_public(const struct layer *layer, struct ocicrypt_public *out, struct err *e)
{
	autobuf text = BUF(OPTIONS_MAX), options = BUF(OPTIONS_MAX);
	struct json_val v = json_get(layer->desc.annotations, OCICRYPT_PUBOPTS);

	if (json_str(v, OCICRYPT_PUBOPTS, &text, e) < 0)
		return refuse_as(e, ERR_IMAGE, "encrypted layer");
	if (base64_decode(buf_span(&text), &options, e) < 0)
		return refuse_as(e, ERR_IMAGE, "public encryption options");
	return ocicrypt_public_parse(buf_span(&options), out, e);
}
