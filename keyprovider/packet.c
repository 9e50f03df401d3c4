/*
 * packet.c: annotation packets of all generations. Everything in a packet was
 * chosen by whoever made the image: the cipher comes from a list of two, and
 * lengths are checked against it before a key is asked for.
 */
#include "lib/base.h"
#include "keyprovider/packet.h"

#include "keyprovider/json_bytes.h"
#include "lib/codec.h"
#include "lib/crypto.h"

enum { KEK = 32, GCM_IV = 12, GCM_TAG = 16, CTR_IV = 16, SHOWN = 80 };

static const struct {
	const char	*name;
	enum wrap_type	 type;
	size_t		 iv_len, min_len;
} wrap_types[] = {
	{ "A256GCM",	 WRAP_A256GCM, GCM_IV, GCM_TAG },
	{ "A256CTR",	 WRAP_A256CTR, CTR_IV, 1 },
	{ "aes_256_ctr", WRAP_A256CTR, CTR_IV, 1 },
};

static int
unsupported(struct err *e, const char *what, struct json_val v)
{
	struct span raw = json_raw(v);

	return err_set(e, ERR_UNSUPPORTED, "%s %.*s is not supported", what,
	    (int)MIN(raw.len, (size_t)SHOWN), (const char *)raw.p);
}

/* v2: what is absent has its default. */
static int
check_version(struct json_val root, struct err *e)
{
	struct json_val provider = json_get(root, "provider");
	struct json_val version = json_get(root, "version");

	if (json_ok(provider) && !json_str_eq(provider, "kbs"))
		return unsupported(e, "provider", provider);
	if (json_ok(version) && !json_str_eq(version, "0.1.0"))
		return unsupported(e, "version", version);
	return 0;
}

/* v0 of verdictd says "algorithm": "AES", "key_length": 256 and means A256GCM. */
static int
read_algorithm(struct json_val root, struct packet *out, struct err *e)
{
	struct json_val algorithm = json_get(root, "algorithm");
	struct json_val length = json_get(root, "key_length");
	uint64_t bits;

	if (!json_str_eq(algorithm, "AES"))
		return unsupported(e, "algorithm", algorithm);
	if (json_ok(length) && json_u64(length, "key_length", 256, &bits, e) < 0)
		return -(int)e->code;
	if (json_ok(length) && bits != 256)
		return unsupported(e, "key_length", length);
	out->wrap_type = WRAP_A256GCM;
	return 0;
}

static int
read_wrap_type(struct json_val root, struct packet *out, struct err *e)
{
	struct json_val v = json_get(root, "wrap_type");

	if (!json_ok(v) && json_ok(json_get(root, "algorithm")))
		return read_algorithm(root, out, e);
	if (!json_is(v, JSON_STRING))
		return err_set(e, ERR_PARSE, "wrap_type is missing or no string");
	for (size_t i = 0; i < ARRAY_LEN(wrap_types); i++) {
		if (json_str_eq(v, wrap_types[i].name)) {
			out->wrap_type = wrap_types[i].type;
			return 0;
		}
	}
	return unsupported(e, "wrap_type", v);
}

static int
check_lengths(const struct packet *p, size_t iv_len, struct err *e)
{
	size_t i = 0;

	while (wrap_types[i].type != p->wrap_type)
		i++;
	if (iv_len != wrap_types[i].iv_len)
		return err_set(e, ERR_PARSE, "iv of %zu bytes for %s", iv_len, wrap_types[i].name);
	if (p->wrapped.len < wrap_types[i].min_len)
		return err_set(e, ERR_PARSE, "wrapped_data is too short");
	return 0;
}

/* Also one free word without a path, as ids were before 2023. */
static int
read_kid(struct json_val v, struct packet *out, struct err *e)
{
	autobuf text = BUF(LIMIT_URI), uri = BUF(LIMIT_URI);
	int rc;

	if ((rc = json_str(v, "kid", &text, e)) < 0)
		return rc;
	if (text.len == 0 || memchr(text.data, '/', text.len) != NULL)
		return kbs_uri_parse_kid(buf_span(&text), &out->kid, &out->legacy_kid, e);
	/* Any plugin but the usual one allows a path of one part. */
	if ((rc = buf_addf(&uri, e, "kbs+word:///%s", buf_str(&text))) < 0 ||
	    (rc = kbs_uri_parse(buf_span(&uri), &out->kid, e)) < 0)
		return rc;
	if (out->kid.query[0] != '\0')
		return err_set(e, ERR_PARSE, "kid holds a query");
	snprintf(out->kid.plugin, sizeof(out->kid.plugin), "resource");
	out->legacy_kid = true;
	return 0;
}

static int
packet_read(struct json_val root, struct packet *out, struct err *e)
{
	autobuf iv = BUF(LIMIT_PACKET);
	int rc;

	if (!json_is(root, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "not an object");
	if ((rc = check_version(root, e)) < 0 ||
	    (rc = read_kid(json_get(root, "kid"), out, e)) < 0 ||
	    (rc = read_wrap_type(root, out, e)) < 0 ||
	    (rc = json_bytes(json_get(root, "iv"), "iv", &iv, e)) < 0 ||
	    (rc = json_bytes(json_get(root, "wrapped_data"), "wrapped_data", &out->wrapped, e)) < 0 ||
	    (rc = check_lengths(out, iv.len, e)) < 0)
		return rc;
	memcpy(out->iv, iv.data, iv.len);
	out->iv_len = iv.len;
	return 0;
}

int
packet_parse(struct span text, struct packet *out, struct err *e)
{
	cleanup(packet_fini) struct packet p = { .wrapped = BUF(LIMIT_PACKET) };
	autojson doc = NULL;

	if (text.len > LIMIT_PACKET)
		return err_set(e, ERR_LIMIT, "annotation packet: more than %zu bytes", LIMIT_PACKET);
	if (json_parse(text, &doc, e) < 0 || packet_read(json_root(doc), &p, e) < 0)
		return err_wrap(e, "annotation packet");
	*out = p;
	p.wrapped = (struct buf)BUF(LIMIT_PACKET);
	return 0;
}

void
packet_fini(struct packet *p)
{
	buf_free(&p->wrapped);
}

/* None of the letters that a struct kbs_uri may hold needs an escape in JSON. */
static int
add_kid(const struct kbs_uri *kid, struct buf *out, struct err *e)
{
	bool plain = strcmp(kid->plugin, "resource") == 0;

	return buf_addf(out, e, "kbs%s%s://%s/%s%s%s", plain ? "" : "+", plain ? "" : kid->plugin,
	    kid->host, kid->path, kid->query[0] != '\0' ? "?" : "", kid->query);
}

int
packet_format(const struct kbs_uri *kid, struct span iv, struct span wrapped, struct buf *out,
    struct err *e)
{
	autobuf id = BUF(sizeof(*kid) + 16), iv64 = BUF(64), wrapped64 = BUF(LIMIT_PACKET);
	int rc;

	if (iv.len != GCM_IV || wrapped.len < GCM_TAG)
		return err_set(e, ERR_BUG, "annotation packet: length of iv or data");
	if ((rc = add_kid(kid, &id, e)) < 0 || (rc = base64_encode(iv, &iv64, e)) < 0 ||
	    (rc = base64_encode(wrapped, &wrapped64, e)) < 0)
		return rc;
	return buf_addf(out, e, "{\"kid\":\"%s\",\"wrapped_data\":\"%s\",\"iv\":\"%s\","
	    "\"wrap_type\":\"A256GCM\"}", buf_str(&id), buf_str(&wrapped64), buf_str(&iv64));
}

int
packet_wrap(const struct kbs_uri *kid, struct span kek, struct span plain, struct buf *out,
    struct err *e)
{
	autobuf wrapped = BUF(LIMIT_PACKET);
	uint8_t iv[GCM_IV];
	int rc;

	if ((rc = crypto_random(iv, sizeof(iv), e)) < 0 ||
	    (rc = gcm_seal(kek, (struct span){ iv, sizeof(iv) }, plain, &wrapped, e)) < 0)
		return rc;
	return packet_format(kid, (struct span){ iv, sizeof(iv) }, buf_span(&wrapped), out, e);
}

static int
ctr_open(struct span kek, struct span iv, struct span wrapped, struct buf *out, struct err *e)
{
	autobuf plain = BUF_SECRET(wrapped.len);
	struct ctr *ctr = NULL;
	int rc;

	/* Decrypted in place, in memory of its own, so that out changes at once or not at all. */
	if ((rc = buf_add_span(&plain, wrapped, e)) < 0 || (rc = ctr_new(kek, iv, &ctr, e)) < 0)
		return rc;
	rc = ctr_update(ctr, plain.data, plain.data, plain.len, e);
	ctr_free(ctr);
	return rc < 0 ? rc : buf_add_span(out, buf_span(&plain), e);
}

int
packet_unwrap(const struct packet *p, struct span kek, struct buf *out, struct err *e)
{
	const struct span iv = { p->iv, p->iv_len };

	if (!out->secret)
		return err_set(e, ERR_BUG, "annotation packet: a key must go to secret memory");
	if (kek.len != KEK)
		return err_set(e, ERR_DECRYPT, "decryption failed");
	if (p->wrap_type == WRAP_A256CTR)
		return ctr_open(kek, iv, buf_span(&p->wrapped), out, e);
	return gcm_open(kek, iv, buf_span(&p->wrapped), out, e);
}
