/* pubkey.c: see pubkey.h. OpenSSL gets one DER object; the text around it is taken apart here. */
#include "lib/base.h"
#include "keyprovider/pubkey.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "keyprovider/der.h"
#include "keyprovider/jwk.h"
#include "lib/codec.h"

#define BEGIN	"-----BEGIN "
#define END	"-----END "
#define DASHES	"-----"

static const char provider[] = "provider=default";

static int
refuse_private(struct err *e)
{
	return err_set(e, ERR_PARSE, "is a private key: a recipient's public one is wanted (openssl pkey -pubout)");
}

static int
from_spki(struct span der, struct pkey *out, struct err *e)
{
	const uint8_t *p = der.p;
	EVP_PKEY *evp = d2i_PUBKEY_ex(NULL, &p, (long)der.len, NULL, provider);

	if (evp != NULL && p == der.p + der.len)
		return pkey_adopt(evp, out, e);
	EVP_PKEY_free(evp);
	ERR_clear_error();
	return err_set(e, ERR_PARSE, "not a public key");
}

/* RSAPublicKey, in the envelope that every public key can have: algorithm rsaEncryption without parameters. */
static int
from_pkcs1(struct span der, struct pkey *out, struct err *e)
{
	static const uint8_t algorithm[] = {
		0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00
	};
	autobuf spki = BUF(PUBKEY_MAX_FILE + 64);
	size_t bits = der.len + 1, all = sizeof(algorithm) + 4 + bits;
	int rc;

	if (all > UINT16_MAX || der.len < 256)
		return err_set(e, ERR_UNSUPPORTED, "RSA key of another size than %d to 16384 bits", PUBKEY_MIN_RSA);
	rc = buf_add(&spki, (uint8_t[]){ DER_SEQUENCE, 0x82, (uint8_t)(all >> 8), (uint8_t)all }, 4, e);
	if (rc == 0)
		rc = buf_add(&spki, algorithm, sizeof(algorithm), e);
	if (rc == 0)
		rc = buf_add(&spki, (uint8_t[]){ DER_BIT_STRING, 0x82, (uint8_t)(bits >> 8), (uint8_t)bits, 0 }, 5, e);
	if (rc == 0)
		rc = buf_add_span(&spki, der, e);
	return rc < 0 ? rc : from_spki(buf_span(&spki), out, e);
}

/* Certificate → TBSCertificate → [0] version, serial number, algorithm, issuer, validity, subject, key. */
static int
from_certificate(struct span der, struct pkey *out, struct err *e)
{
	struct span certificate, tbs, unread;
	struct der key;
	bool good = der_take(&der, DER_SEQUENCE, &certificate) && der.len == 0 &&
	    der_take(&certificate, DER_SEQUENCE, &tbs) &&
	    (der_peek(tbs) != DER_CONTEXT_0 || der_take(&tbs, DER_CONTEXT_0, &unread)) &&
	    der_take(&tbs, DER_INTEGER, &unread);

	for (int i = 0; i < 4 && good; i++)
		good = der_take(&tbs, DER_SEQUENCE, &unread);
	if (!good || !der_next(&tbs, &key) || key.tag != DER_SEQUENCE)
		return err_set(e, ERR_PARSE, "not a certificate");
	return from_spki(key.whole, out, e);
}

/*
 * By the first elements: SubjectPublicKeyInfo { { OID, … }, BIT STRING }, RSAPublicKey { n, e }, Certificate { {
 * [0] or INTEGER, … }, … }; private keys begin with a version number, which is small.
 */
static int
from_der(struct span der, struct pkey *out, struct err *e)
{
	struct span rest = der, object, first;

	if (!der_take(&rest, DER_SEQUENCE, &object) || rest.len > 0)
		return err_set(e, ERR_PARSE, "neither a public key nor a certificate");
	if (der_peek(object) == DER_INTEGER)
		return der_take(&object, DER_INTEGER, &first) && first.len == 1 ? refuse_private(e) : from_pkcs1(der, out, e);
	if (!der_take(&object, DER_SEQUENCE, &first))
		return err_set(e, ERR_PARSE, "neither a public key nor a certificate");
	if (der_peek(first) != DER_OID)
		return from_certificate(der, out, e);
	return der_peek(object) == DER_OCTETS ? refuse_private(e) : from_spki(der, out, e);
}

static const struct {
	const char	*label;
	int		(*read)(struct span, struct pkey *, struct err *);
} labels[] = {
	{ "PUBLIC KEY",		from_spki },
	{ "RSA PUBLIC KEY",	from_pkcs1 },
	{ "CERTIFICATE",	from_certificate },
	{ "X509 CERTIFICATE",	from_certificate },
};

/* Where a line begins with `what`, from the front; text.len if none does. */
static size_t
find_line(struct span text, const char *what)
{
	for (size_t i = 0; i < text.len; i++) {
		struct span here = { text.p + i, text.len - i };

		if ((i == 0 || text.p[i - 1] == '\n') && span_starts(here, what))
			return i;
	}
	return text.len;
}

/* The label of the first boundary line, and *text becomes what stands behind that line. */
static bool
take_boundary(struct span *text, const char *begin, struct span *label)
{
	size_t at = find_line(*text, begin);
	struct span skipped;

	if (!span_take(text, at, &skipped) || !span_take(text, strlen(begin), &skipped) ||
	    !span_split(text, '\n', label))
		return false;
	if (label->len > 0 && label->p[label->len - 1] == '\r')
		label->len--;
	if (label->len < strlen(DASHES) || memcmp(label->p + label->len - strlen(DASHES), DASHES, strlen(DASHES)) != 0)
		return false;
	label->len -= strlen(DASHES);
	return true;
}

static int
decode_lines(struct span body, struct buf *der, struct err *e)
{
	autobuf base64 = BUF(PUBKEY_MAX_FILE);
	struct span line;
	int rc = 0;

	while (rc == 0 && span_split(&body, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		rc = buf_add_span(&base64, line, e);
	}
	return rc < 0 ? rc : base64_decode(buf_span(&base64), der, e);
}

static int
from_pem(struct span text, struct pkey *out, struct err *e)
{
	autobuf der = BUF(PUBKEY_MAX_FILE);
	struct span label, body;
	int rc;

	if (!take_boundary(&text, BEGIN, &label))
		return err_set(e, ERR_PARSE, "neither PEM nor DER nor JWK");
	if (label.len >= 11 && memcmp(label.p + label.len - 11, "PRIVATE KEY", 11) == 0)
		return refuse_private(e);
	if (!span_take(&text, find_line(text, END), &body) || text.len == 0)
		return err_set(e, ERR_PARSE, "PEM: END is missing");
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		if (!span_eq_str(label, labels[i].label))
			continue;
		rc = decode_lines(body, &der, e);
		return rc < 0 ? err_wrap(e, "PEM") : labels[i].read(buf_span(&der), out, e);
	}
	return err_set(e, ERR_UNSUPPORTED, "%.*s: neither a public key nor a certificate of a kind known here",
	    (int)MIN(label.len, (size_t)40), (const char *)label.p);
}

int
pubkey_parse(struct span text, struct pkey *out, struct err *e)
{
	struct pkey k = { .evp = NULL };
	int rc;

	if (text.len > PUBKEY_MAX_FILE)
		return err_set(e, ERR_LIMIT, "more than %zu bytes", PUBKEY_MAX_FILE);
	if (der_peek(text) == DER_SEQUENCE && find_line(text, BEGIN) == text.len)
		rc = from_der(text, &k, e);
	else if (span_starts(text, "{"))
		rc = jwk_parse_public(text, &k, e);
	else
		rc = from_pem(text, &k, e);
	if (rc < 0)
		return rc;
	if (k.kind == PKEY_RSA && EVP_PKEY_get_bits(k.evp) < PUBKEY_MIN_RSA) {
		pkey_fini(&k);
		return err_set(e, ERR_UNSUPPORTED, "an RSA key of less than %d bits", PUBKEY_MIN_RSA);
	}
	*out = k;
	return 0;
}

static int
failed(struct err *e)
{
	ERR_clear_error();
	return err_set(e, ERR_NOMEM, "crypto: a key could not be wrapped");
}

int
pubkey_rsa_oaep(const struct pkey *k, struct span key, struct buf *wrapped, struct err *e)
{
	EVP_PKEY_CTX *ctx;
	size_t n;
	bool good;
	int rc;

	if (k->kind != PKEY_RSA)
		return err_set(e, ERR_BUG, "crypto: not an RSA key");
	n = (size_t)EVP_PKEY_get_size(k->evp);
	rc = buf_reserve(wrapped, n, e);
	if (rc < 0)
		return rc;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->evp, provider);
	good = ctx != NULL && EVP_PKEY_encrypt_init(ctx) > 0 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
	    EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, "SHA1", provider) > 0 &&
	    EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, "SHA1", provider) > 0 &&
	    EVP_PKEY_encrypt(ctx, wrapped->data + wrapped->len, &n, key.p, key.len) > 0;
	EVP_PKEY_CTX_free(ctx);
	if (!good)
		return failed(e);
	wrapped->len += n;
	return 0;
}

/* The public point of a key, each coordinate filled up with zeros in front. */
static int
add_point(EVP_PKEY *own, size_t size, struct buf *x, struct buf *y, struct err *e)
{
	uint8_t point[1 + 2 * PKEY_MAX_COORDINATE];
	size_t n = 0;
	int rc;

	if (EVP_PKEY_get_octet_string_param(own, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n) <= 0 ||
	    n != 1 + 2 * size || point[0] != 4)
		return failed(e);
	rc = buf_add(x, point + 1, size, e);
	return rc < 0 ? rc : buf_add(y, point + 1 + size, size, e);
}

int
pubkey_ecdh(const struct pkey *k, struct buf *x, struct buf *y, struct buf *shared, struct err *e)
{
	struct pkey own = { .kind = k->kind };
	char group[32];
	int rc = 0;

	if (k->kind == PKEY_RSA || !shared->secret)
		return err_set(e, ERR_BUG, "crypto: not an EC key, or memory that is not secret");
	if (EVP_PKEY_get_group_name(k->evp, group, sizeof(group), NULL) > 0)
		own.evp = EVP_PKEY_Q_keygen(NULL, provider, "EC", group);
	if (own.evp == NULL)
		return failed(e);
	rc = add_point(own.evp, pkey_coordinate_size(k->kind), x, y, e);
	if (rc == 0)
		rc = pkey_ecdh_peer(&own, k, shared, e);
	pkey_fini(&own);
	return rc;
}
