/*
 * jwe.c: JSON Web Encryption. The text is taken apart completely before a key is touched; then every recipient is
 * tried with every key of its kind, and whatever fails there looks the same from outside.
 */
#include "lib/base.h"
#include "keyprovider/jwe.h"

#include "keyprovider/cek.h"
#include "lib/codec.h"
#include "lib/json.h"

enum { IV = 12, TAG = 16, PARTY_MAX = 256, COMPACT_PARTS = 5, SHOWN = 80 };

struct alg {
	const char	*name;
	bool		 rsa, sha256;	/* RSA-OAEP, with which hash */
	size_t		 kek_size;	/* ECDH-ES+AnnnKW */
};

static const struct alg algs[] = {
	{ "RSA-OAEP",		true,  false, 0 },
	{ "RSA-OAEP-256",	true,  true,  0 },
	{ "ECDH-ES+A128KW",	false, false, 16 },
	{ "ECDH-ES+A192KW",	false, false, 24 },
	{ "ECDH-ES+A256KW",	false, false, 32 },
};

static const struct {
	const char	*name;
	size_t		 key_size;
} encs[] = {
	{ "A128GCM", 16 }, { "A192GCM", 24 }, { "A256GCM", 32 },
};

static const struct {
	const char	*crv;
	enum pkey_kind	 kind;
} curves[] = {
	{ "P-256", PKEY_P256 }, { "P-384", PKEY_P384 }, { "P-521", PKEY_P521 },
};

/*
 * What a header may say, wherever it stands. Names that are not here, "zip" and "crit" among them, change what the
 * message means.
 */
static const char *const header_names[] = {
	"alg", "enc", "epk", "apu", "apv", "kid", "typ", "cty", NULL
};

struct recipient {
	const struct alg	*alg;		/* NULL: one that is not known here */
	struct buf		 wrapped;	/* encrypted_key */
	enum pkey_kind		 curve;		/* of the ephemeral key */
	struct buf		 x, y;
	struct buf		 other_info;	/* of the key derivation */
};

struct jwe {
	struct buf		 aad;		/* the protected header as it stands in the text */
	struct buf		 header_text;
	struct json		*header;	/* of header_text */
	struct buf		 iv, sealed, tag;
	size_t			 key_size;	/* of the content's cipher */
	struct recipient	 recipients[JWE_RECIPIENTS];
	size_t			 n;
	struct err		 unknown;	/* the first algorithm that is not known */
};

static void
jwe_init(struct jwe *j)
{
	*j = (struct jwe){
		.aad = BUF(LIMIT_PACKET), .header_text = BUF(LIMIT_PACKET),
		.iv = BUF(IV), .sealed = BUF(LIMIT_PACKET), .tag = BUF(TAG),
	};
}

static void
jwe_fini(struct jwe *j)
{
	for (size_t i = 0; i < j->n; i++) {
		buf_free(&j->recipients[i].wrapped);
		buf_free(&j->recipients[i].x);
		buf_free(&j->recipients[i].y);
		buf_free(&j->recipients[i].other_info);
	}
	json_free(j->header);
	buf_free(&j->header_text);
	buf_free(&j->aad);
	buf_free(&j->iv);
	buf_free(&j->sealed);
	buf_free(&j->tag);
}

static int
unsupported(struct err *e, const char *what, struct json_val v)
{
	struct span raw = json_raw(v);

	return err_set(e, ERR_UNSUPPORTED, "%s %.*s is not supported", what,
	    (int)MIN(raw.len, (size_t)SHOWN), (const char *)raw.p);
}

static int
decode(struct span text, const char *what, struct buf *out, struct err *e)
{
	return base64url_decode(text, out, e) < 0 ? err_wrap(e, "%s", what) : 0;
}

static int
decode_member(struct json_val obj, const char *name, struct buf *out, struct err *e)
{
	autobuf text = BUF(LIMIT_PACKET);
	int rc = json_str(json_get(obj, name), name, &text, e);

	return rc < 0 ? rc : decode(buf_span(&text), name, out, e);
}

/* A parameter stands in the protected header or in the recipient's own, never in both: add_recipient() checks. */
static struct json_val
parameter(const struct jwe *j, struct json_val own, const char *name)
{
	struct json_val v = json_get(json_root(j->header), name);

	return json_ok(v) ? v : json_get(own, name);
}

/* apu or apv: its length and its bytes; mostly it is not there. */
static int
add_party(const struct jwe *j, struct json_val own, const char *name, struct buf *info, struct err *e)
{
	struct json_val v = parameter(j, own, name);
	autobuf text = BUF(PARTY_MAX), party = BUF(PARTY_MAX);
	int rc = 0;

	if (json_ok(v))
		rc = json_str(v, name, &text, e);
	if (rc == 0)
		rc = decode(buf_span(&text), name, &party, e);
	if (rc == 0)
		rc = buf_add_be32(info, (uint32_t)party.len, e);
	return rc < 0 ? rc : buf_add_span(info, buf_span(&party), e);
}

/* OtherInfo of RFC 7518, 4.6.2: algorithm, both parties, size of the key in bits. */
static int
make_other_info(const struct jwe *j, struct json_val own, struct recipient *r, struct err *e)
{
	struct span name = span_str(r->alg->name);
	int rc;

	if ((rc = buf_add_be32(&r->other_info, (uint32_t)name.len, e)) < 0 ||
	    (rc = buf_add_span(&r->other_info, name, e)) < 0 ||
	    (rc = add_party(j, own, "apu", &r->other_info, e)) < 0 ||
	    (rc = add_party(j, own, "apv", &r->other_info, e)) < 0)
		return rc;
	return buf_add_be32(&r->other_info, (uint32_t)(8 * r->alg->kek_size), e);
}

/* Coordinates have the full length of the curve, zeros in front included. */
static int
read_ephemeral(struct json_val epk, struct recipient *r, struct err *e)
{
	static const char *const names[] = { "kty", "crv", "x", "y", NULL };
	struct json_val crv = json_get(epk, "crv");
	size_t size, i = 0;
	int rc = 0;

	if (!json_is(epk, JSON_OBJECT) || !json_str_eq(json_get(epk, "kty"), "EC") || !json_is(crv, JSON_STRING))
		return err_set(e, ERR_PARSE, "epk is missing or no EC key");
	while (i < ARRAY_LEN(curves) && !json_str_eq(crv, curves[i].crv))
		i++;
	if (i == ARRAY_LEN(curves))
		return unsupported(e, "curve", crv);
	r->curve = curves[i].kind;
	size = pkey_coordinate_size(r->curve);
	if ((rc = json_only(epk, "epk", names, e)) < 0 ||
	    (rc = decode_member(epk, "x", &r->x, e)) < 0 ||
	    (rc = decode_member(epk, "y", &r->y, e)) < 0)
		return rc;
	return r->x.len == size && r->y.len == size ? 0 : err_set(e, ERR_PARSE, "epk: length of x or y");
}

static int
check_own_header(const struct jwe *j, struct json_val own, struct err *e)
{
	int rc;

	if (!json_ok(own))
		return 0;
	if (!json_is(own, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "header is no object");
	rc = json_only(own, "header", header_names, e);
	if (rc < 0)
		return err_set(e, ERR_UNSUPPORTED, "%s", e->msg);
	for (size_t i = 0; header_names[i] != NULL; i++)
		if (json_ok(json_get(own, header_names[i])) &&
		    json_ok(json_get(json_root(j->header), header_names[i])))
			return err_set(e, ERR_PARSE, "%s stands in two headers", header_names[i]);
	return 0;
}

/* Other recipients count for nothing less when one has an algorithm that is not known. */
static int
find_alg(struct jwe *j, struct json_val own, struct recipient *r, struct err *e)
{
	struct json_val v = parameter(j, own, "alg");

	if (!json_is(v, JSON_STRING))
		return err_set(e, ERR_PARSE, "alg is missing or no string");
	for (size_t i = 0; i < ARRAY_LEN(algs); i++)
		if (json_str_eq(v, algs[i].name))
			r->alg = &algs[i];
	if (r->alg == NULL && j->unknown.code == ERR_NONE)
		unsupported(&j->unknown, "alg", v);
	return 0;
}

/* key: the text of encrypted_key; algorithms that are not known here may do without. */
static int
add_recipient(struct jwe *j, struct json_val own, struct span key, struct err *e)
{
	struct recipient *r;
	int rc;

	if (j->n == JWE_RECIPIENTS)
		return err_set(e, ERR_LIMIT, "more than %d recipients", JWE_RECIPIENTS);
	r = &j->recipients[j->n++];
	*r = (struct recipient){
		.wrapped = BUF(LIMIT_PACKET), .other_info = BUF(KIB(1)),
		.x = BUF(PKEY_MAX_COORDINATE), .y = BUF(PKEY_MAX_COORDINATE),
	};
	if ((rc = check_own_header(j, own, e)) < 0 || (rc = find_alg(j, own, r, e)) < 0 || r->alg == NULL)
		return rc;
	if (key.len == 0)
		return err_set(e, ERR_PARSE, "encrypted_key is missing or empty");
	rc = decode(key, "encrypted_key", &r->wrapped, e);
	if (rc < 0 || r->alg->rsa)
		return rc;
	rc = read_ephemeral(parameter(j, own, "epk"), r, e);
	return rc < 0 ? rc : make_other_info(j, own, r, e);
}

static int
read_header(struct jwe *j, struct err *e)
{
	struct json_val root, enc;
	int rc;

	if ((rc = decode(buf_span(&j->aad), "protected", &j->header_text, e)) < 0 ||
	    (rc = json_parse(buf_span(&j->header_text), &j->header, e)) < 0)
		return err_wrap(e, "protected header");
	root = json_root(j->header);
	if (!json_is(root, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "protected header is no object");
	if (json_only(root, "protected header", header_names, e) < 0)
		return err_set(e, ERR_UNSUPPORTED, "%s", e->msg);
	enc = json_get(root, "enc");
	if (!json_is(enc, JSON_STRING))
		return err_set(e, ERR_PARSE, "enc is missing or no string");
	for (size_t i = 0; i < ARRAY_LEN(encs); i++)
		if (json_str_eq(enc, encs[i].name))
			j->key_size = encs[i].key_size;
	return j->key_size > 0 ? 0 : unsupported(e, "enc", enc);
}

static int
check_lengths(const struct jwe *j, struct err *e)
{
	if (j->iv.len != IV || j->tag.len != TAG)
		return err_set(e, ERR_PARSE, "iv of %zu bytes, tag of %zu", j->iv.len, j->tag.len);
	return 0;
}

static int
read_recipient(struct jwe *j, struct json_val of, struct err *e)
{
	autobuf key = BUF(LIMIT_PACKET);
	struct json_val v = json_get(of, "encrypted_key");
	int rc = json_ok(v) ? json_str(v, "encrypted_key", &key, e) : 0;

	return rc < 0 ? rc : add_recipient(j, json_get(of, "header"), buf_span(&key), e);
}

static int
read_recipients(struct jwe *j, struct json_val list, struct err *e)
{
	static const char *const names[] = { "header", "encrypted_key", NULL };
	struct json_iter it = json_iter(list);

	if (!json_is(list, JSON_ARRAY) || json_count(list) == 0)
		return err_set(e, ERR_PARSE, "recipients is no list, or empty");
	while (json_next(&it)) {
		int rc = json_only(it.val, "recipient", names, e);

		if (rc == 0)
			rc = read_recipient(j, it.val, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* General and flattened form. */
static int
parse_json(struct span text, struct jwe *j, struct err *e)
{
	static const char *const names[] = {
		"protected", "header", "recipients", "encrypted_key", "iv", "ciphertext", "tag", NULL
	};
	autojson doc = NULL;
	struct json_val root, list;
	int rc = json_parse(text, &doc, e);

	if (rc < 0)
		return rc;
	root = json_root(doc);
	if (json_only(root, "message", names, e) < 0)
		return err_set(e, ERR_UNSUPPORTED, "%s", e->msg);
	if ((rc = json_str(json_get(root, "protected"), "protected", &j->aad, e)) < 0 ||
	    (rc = read_header(j, e)) < 0 ||
	    (rc = decode_member(root, "iv", &j->iv, e)) < 0 ||
	    (rc = decode_member(root, "ciphertext", &j->sealed, e)) < 0 ||
	    (rc = decode_member(root, "tag", &j->tag, e)) < 0 ||
	    (rc = check_lengths(j, e)) < 0)
		return rc;
	list = json_get(root, "recipients");
	if (!json_ok(list))
		return read_recipient(j, root, e);
	/* ocicrypt also writes the first recipient's encrypted_key outside: it is not looked at. */
	if (json_ok(json_get(root, "header")))
		return err_set(e, ERR_PARSE, "header beside recipients");
	return read_recipients(j, list, e);
}

/* protected.encrypted_key.iv.ciphertext.tag */
static int
parse_compact(struct span text, struct jwe *j, struct err *e)
{
	const struct json_val none = { NULL, 0 };
	struct span part[COMPACT_PARTS];
	size_t n = 0;
	int rc;

	for (bool more = true; more; n++) {
		const uint8_t *dot = text.len > 0 ? memchr(text.p, '.', text.len) : NULL;
		size_t len = dot != NULL ? (size_t)(dot - text.p) : text.len;

		if (n == COMPACT_PARTS || !span_take(&text, len, &part[n]))
			return err_set(e, ERR_PARSE, "neither JSON nor five parts");
		more = dot != NULL && span_take(&text, 1, &(struct span){ NULL, 0 });
	}
	if (n != COMPACT_PARTS)
		return err_set(e, ERR_PARSE, "neither JSON nor five parts");
	if ((rc = buf_add_span(&j->aad, part[0], e)) < 0 || (rc = read_header(j, e)) < 0 ||
	    (rc = decode(part[2], "iv", &j->iv, e)) < 0 ||
	    (rc = decode(part[3], "ciphertext", &j->sealed, e)) < 0 ||
	    (rc = decode(part[4], "tag", &j->tag, e)) < 0 ||
	    (rc = check_lengths(j, e)) < 0)
		return rc;
	return add_recipient(j, none, part[1], e);
}

/* The key wrap says by itself whether the key is right: no padding, nothing that answers could be asked out of. */
static int
unwrap_ecdh(const struct recipient *r, const struct pkey *k, size_t size, struct buf *key, struct err *e)
{
	autobuf shared = BUF_SECRET(PKEY_MAX_COORDINATE), kek = BUF_SECRET(PKEY_MAX_CONTENT);
	int rc = pkey_ecdh(k, buf_span(&r->x), buf_span(&r->y), &shared, e);

	if (rc == 0)
		rc = cek_derive(buf_span(&shared), buf_span(&r->other_info), r->alg->kek_size, &kek, e);
	if (rc == 0)
		rc = cek_unwrap(buf_span(&kek), buf_span(&r->wrapped), key, e);
	if (rc == 0 && key->len != size)
		rc = err_set(e, ERR_DECRYPT, "decryption failed");
	return rc;
}

static int
open_with(const struct jwe *j, const struct recipient *r, const struct pkey *k, struct buf *out, struct err *e)
{
	autobuf key = BUF_SECRET(LIMIT_PACKET);
	int rc;

	if (r->alg->rsa)
		rc = pkey_rsa_oaep(k, r->alg->sha256, buf_span(&r->wrapped), j->key_size, &key, e);
	else
		rc = unwrap_ecdh(r, k, j->key_size, &key, e);
	if (rc < 0)
		return rc;
	return cek_open(buf_span(&key), buf_span(&j->iv), buf_span(&j->aad), buf_span(&j->sealed),
	    buf_span(&j->tag), out, e);
}

static bool
fits(const struct recipient *r, const struct pkey *k)
{
	return k->evp != NULL && r->alg != NULL &&
	    (r->alg->rsa ? k->kind == PKEY_RSA : k->kind == r->curve);
}

static int
open_any(const struct jwe *j, const struct keyset *keys, struct buf *out, struct err *e)
{
	bool known = false;

	for (size_t i = 0; i < j->n; i++) {
		const struct recipient *r = &j->recipients[i];

		known |= r->alg != NULL;
		for (size_t n = 0; n < keys->n; n++) {
			int rc;

			if (!fits(r, &keys->file[n].key))
				continue;
			rc = open_with(j, r, &keys->file[n].key, out, e);
			if (rc != -ERR_DECRYPT)
				return rc;
		}
	}
	if (!known) {
		*e = j->unknown;
		return -(int)e->code;
	}
	return err_set(e, ERR_DECRYPT, "none of the private keys opens it");
}

static bool
has_key(const struct keyset *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		if (keys->file[i].key.evp != NULL)
			return true;
	return false;
}

int
jwe_unwrap(struct span text, const struct keyset *keys, struct buf *out, struct err *e)
{
	cleanup(jwe_fini) struct jwe j;
	int rc;

	jwe_init(&j);
	if (!out->secret)
		return err_set(e, ERR_BUG, "a key must go to secret memory");
	if (!has_key(keys))
		return err_set(e, ERR_CONFIG, "no private key was given (--decryption-key FILE)");
	if (text.len > LIMIT_PACKET)
		return err_set(e, ERR_LIMIT, "more than %zu bytes", LIMIT_PACKET);
	rc = span_starts(text, "{") ? parse_json(text, &j, e) : parse_compact(text, &j, e);
	return rc < 0 ? rc : open_any(&j, keys, out, e);
}
