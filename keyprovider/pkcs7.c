/*
 * pkcs7.c: PKCS #7 EnvelopedData. As in jwe.c, everything is taken apart before a key is touched. With RSA PKCS #1
 * v1.5 a difference between bad padding and a bad tag would let anybody decrypt who may ask often enough: a random
 * key stands in for one that does not come out (pkey.h), so that there is but one way to fail, the tag.
 */
#include "lib/base.h"
#include "keyprovider/pkcs7.h"

#include "keyprovider/cek.h"
#include "keyprovider/der.h"

enum {
	IV = 12, TAG = 16,
	GCM_PARAMETERS = 0x10,		/* a SEQUENCE whose writer forgot the bit for "constructed" */
	GCM_NONCE = 0x84,		/* [4], primitive */
	CONTENT_PLAIN = 0x80,		/* [0], primitive: the octets themselves */
};

static const uint8_t oid_enveloped[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03 };
static const uint8_t oid_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01 };
static const uint8_t oid_rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };
static const uint8_t oid_aes[] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01 };	/* and one number */

static const struct {
	uint8_t		number;		/* of oid_aes */
	size_t		key_size;
} ciphers[] = {
	{ 6, 16 }, { 26, 24 }, { 46, 32 },	/* aes128-GCM, aes192-GCM, aes256-GCM */
};

struct recipient {
	struct span	id;		/* issuer and serial number */
	struct span	wrapped;
};

struct enveloped {
	struct recipient	recipients[PKCS7_RECIPIENTS];
	size_t			n;
	size_t			key_size;
	struct span		iv, sealed, tag;
};

#define OID(array)	((struct span){ (array), sizeof(array) })

static int
malformed(struct err *e, const char *what)
{
	return err_set(e, ERR_PARSE, "malformed %s", what);
}

static bool
take_oid(struct span *in, struct span want)
{
	struct span oid;

	return der_take(in, DER_OID, &oid) && span_eq(oid, want);
}

/* A version number. */
static bool
take_zero(struct span *in)
{
	struct span v;

	return der_take(in, DER_INTEGER, &v) && v.len == 1 && v.p[0] == 0;
}

/* rsaEncryption, with or without the parameters NULL. */
static bool
is_rsa(struct span alg)
{
	struct span null = { NULL, 0 };

	if (!take_oid(&alg, OID(oid_rsa)))
		return false;
	return alg.len == 0 || (der_take(&alg, DER_NULL, &null) && null.len == 0 && alg.len == 0);
}

/* RecipientInfo ::= SEQUENCE { version, issuerAndSerialNumber, algorithm, encryptedKey } */
static int
read_recipient(struct span info, struct enveloped *out, struct err *e)
{
	struct recipient r;
	struct span alg;

	if (!take_zero(&info) || !der_take(&info, DER_SEQUENCE, &r.id) ||
	    !der_take(&info, DER_SEQUENCE, &alg) ||
	    !der_take(&info, DER_OCTETS, &r.wrapped) || info.len > 0)
		return malformed(e, "recipient");
	if (!is_rsa(alg))
		return err_set(e, ERR_UNSUPPORTED, "a recipient's key is not wrapped by RSA PKCS #1 v1.5");
	if (out->n == PKCS7_RECIPIENTS)
		return err_set(e, ERR_LIMIT, "more than %d recipients", PKCS7_RECIPIENTS);
	out->recipients[out->n++] = r;
	return 0;
}

static int
read_recipients(struct span set, struct enveloped *out, struct err *e)
{
	struct span info;

	while (der_take(&set, DER_SEQUENCE, &info)) {
		int rc = read_recipient(info, out, e);

		if (rc < 0)
			return rc;
	}
	return set.len == 0 && out->n > 0 ? 0 : malformed(e, "list of recipients");
}

/* AlgorithmIdentifier: AES-GCM with its nonce and the length of its tag. */
static int
read_cipher(struct span alg, struct enveloped *out, struct err *e)
{
	struct span oid, wrapper, params, icv;

	if (!der_take(&alg, DER_OID, &oid))
		return malformed(e, "cipher");
	for (size_t i = 0; i < ARRAY_LEN(ciphers); i++)
		if (oid.len == sizeof(oid_aes) + 1 && memcmp(oid.p, oid_aes, sizeof(oid_aes)) == 0 &&
		    oid.p[oid.len - 1] == ciphers[i].number)
			out->key_size = ciphers[i].key_size;
	if (out->key_size == 0)
		return err_set(e, ERR_UNSUPPORTED, "a cipher that is not AES-GCM: nothing would show a change");
	if (!der_take(&alg, GCM_PARAMETERS, &wrapper) || alg.len > 0 ||
	    !der_take(&wrapper, DER_SEQUENCE, &params) || wrapper.len > 0 ||
	    !der_take(&params, GCM_NONCE, &out->iv) || out->iv.len != IV ||
	    !der_take(&params, DER_INTEGER, &icv) || params.len > 0 || icv.len != 1 || icv.p[0] != TAG)
		return malformed(e, "parameters of AES-GCM");
	return 0;
}

/* EncryptedContentInfo ::= SEQUENCE { type, algorithm, content [0] }; the tag is the end of the content. */
static int
read_content(struct span info, struct enveloped *out, struct err *e)
{
	struct span alg, content, octets;
	int rc;

	if (!take_oid(&info, OID(oid_data)) || !der_take(&info, DER_SEQUENCE, &alg))
		return malformed(e, "content");
	rc = read_cipher(alg, out, e);
	if (rc < 0)
		return rc;
	if (der_take(&info, DER_CONTEXT_0, &content)) {
		if (!der_take(&content, DER_OCTETS, &octets) || content.len > 0)
			return malformed(e, "content");
	} else if (!der_take(&info, CONTENT_PLAIN, &octets)) {
		return malformed(e, "content");
	}
	if (info.len > 0 || octets.len < TAG)
		return malformed(e, "content");
	out->sealed = (struct span){ octets.p, octets.len - TAG };
	out->tag = (struct span){ octets.p + out->sealed.len, TAG };
	return 0;
}

/* ContentInfo → [0] → EnvelopedData ::= SEQUENCE { version, recipients, content } */
static int
parse(struct span text, struct enveloped *out, struct err *e)
{
	struct span info, wrapper, data, recipients, content;
	int rc;

	if (!der_take(&text, DER_SEQUENCE, &info) || text.len > 0 ||
	    !take_oid(&info, OID(oid_enveloped)) ||
	    !der_take(&info, DER_CONTEXT_0, &wrapper) || info.len > 0 ||
	    !der_take(&wrapper, DER_SEQUENCE, &data) || wrapper.len > 0)
		return malformed(e, "message, or not enveloped data");
	if (!take_zero(&data) || !der_take(&data, DER_SET, &recipients) ||
	    !der_take(&data, DER_SEQUENCE, &content) || data.len > 0)
		return malformed(e, "enveloped data");
	rc = read_recipients(recipients, out, e);
	return rc < 0 ? rc : read_content(content, out, e);
}

static int
open_with(const struct enveloped *m, const struct recipient *r, const struct pkey *k, struct buf *out,
    struct err *e)
{
	autobuf key = BUF_SECRET(PKEY_MAX_CONTENT);
	int rc = pkey_rsa_v15(k, r->wrapped, m->key_size, &key, e);

	if (rc < 0)
		return rc;
	return cek_open(buf_span(&key), m->iv, (struct span){ NULL, 0 }, m->sealed, m->tag, out, e);
}

static bool
is_named(const struct recipient *r, const struct keyset *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		if (keys->file[i].cert_id.len > 0 && span_eq(buf_span(&keys->file[i].cert_id), r->id))
			return true;
	return false;
}

static int
open_any(const struct enveloped *m, const struct keyset *keys, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < m->n; i++) {
		if (!is_named(&m->recipients[i], keys))
			continue;
		for (size_t n = 0; n < keys->n; n++) {
			const struct pkey *k = &keys->file[n].key;
			int rc;

			if (k->evp == NULL || k->kind != PKEY_RSA)
				continue;
			rc = open_with(m, &m->recipients[i], k, out, e);
			if (rc != -ERR_DECRYPT)
				return rc;
		}
	}
	return err_set(e, ERR_DECRYPT, "none of the certificates and private keys opens it");
}

static int
check_keys(const struct keyset *keys, struct err *e)
{
	bool key = false, certificate = false;

	for (size_t i = 0; i < keys->n; i++) {
		key |= keys->file[i].key.evp != NULL && keys->file[i].key.kind == PKEY_RSA;
		certificate |= keys->file[i].cert_id.len > 0;
	}
	if (key && certificate)
		return 0;
	return err_set(e, ERR_CONFIG, "%s was given (--decryption-key KEY --decryption-key CERTIFICATE)",
	    !key ? "no RSA private key" : "no certificate for the private key");
}

int
pkcs7_unwrap(struct span text, const struct keyset *keys, struct buf *out, struct err *e)
{
	struct enveloped m = { .n = 0 };
	int rc;

	if (!out->secret)
		return err_set(e, ERR_BUG, "a key must go to secret memory");
	rc = check_keys(keys, e);
	if (rc == 0 && text.len > LIMIT_PACKET)
		rc = err_set(e, ERR_LIMIT, "more than %zu bytes", LIMIT_PACKET);
	if (rc == 0)
		rc = parse(text, &m, e);
	return rc < 0 ? rc : open_any(&m, keys, out, e);
}
