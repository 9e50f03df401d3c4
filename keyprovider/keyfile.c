/*
 * keyfile.c: private keys and certificates in the forms that tools write them. What OpenSSL gets is one DER
 * object in secret memory; the text around it is taken apart here.
 */
#include "lib/base.h"
#include "keyprovider/keyfile.h"

#include "keyprovider/der.h"
#include "keyprovider/jwk.h"
#include "lib/codec.h"

/* What one object is, by its label in PEM or by its first elements. */
enum kind { KIND_KEY, KIND_ENCRYPTED, KIND_CERTIFICATE, KIND_SKIPPED };

static const struct {
	const char	*label;
	enum kind	 kind;
} labels[] = {
	{ "PRIVATE KEY",		KIND_KEY },
	{ "RSA PRIVATE KEY",		KIND_KEY },
	{ "EC PRIVATE KEY",		KIND_KEY },
	{ "ENCRYPTED PRIVATE KEY",	KIND_ENCRYPTED },
	{ "CERTIFICATE",		KIND_CERTIFICATE },
	{ "X509 CERTIFICATE",		KIND_CERTIFICATE },
	{ "EC PARAMETERS",		KIND_SKIPPED },		/* openssl ecparam writes them before the key */
};

/* Certificate → TBSCertificate → [0] version, serial number, algorithm, issuer. */
static int
add_certificate(struct span der, struct keyfile *out, struct err *e)
{
	struct span certificate, tbs, unread;
	struct der serial, issuer;
	struct buf id = BUF(KEYFILE_MAX_NAME);
	int rc;

	if (out->cert_id.len > 0)
		return 0;	/* the first is the recipient's, others are who vouches for it */
	if (!der_take(&der, DER_SEQUENCE, &certificate) || der.len > 0 ||
	    !der_take(&certificate, DER_SEQUENCE, &tbs) ||
	    (der_peek(tbs) == DER_CONTEXT_0 && !der_take(&tbs, DER_CONTEXT_0, &unread)) ||
	    !der_next(&tbs, &serial) || serial.tag != DER_INTEGER ||
	    !der_take(&tbs, DER_SEQUENCE, &unread) ||
	    !der_next(&tbs, &issuer) || issuer.tag != DER_SEQUENCE)
		return err_set(e, ERR_PARSE, "not a certificate");
	rc = buf_add_span(&id, issuer.whole, e);
	if (rc == 0)
		rc = buf_add_span(&id, serial.whole, e);
	if (rc == 0)
		buf_move(&out->cert_id, &id);
	buf_free(&id);
	return rc;
}

static int
add_object(enum kind kind, struct span der, struct span password, struct keyfile *out, struct err *e)
{
	if (kind == KIND_SKIPPED)
		return 0;
	if (kind == KIND_CERTIFICATE)
		return add_certificate(der, out, e);
	if (out->key.evp != NULL)
		return err_set(e, ERR_PARSE, "more than one private key in one file");
	if (kind == KIND_KEY)
		return pkey_from_der(der, &out->key, e);
	if (password.len == 0)
		return err_set(e, ERR_CONFIG, "the key is encrypted: a password is needed (KEY:file=PATH or KEY:fd=N)");
	return pkey_from_encrypted(der, password, &out->key, e);
}

/* PEM may begin with any text, also with the letter that has the value of a sequence's tag. */
static bool
is_der(struct span text)
{
	struct der d;

	return der_peek(text) == DER_SEQUENCE && der_next(&text, &d) && text.len == 0;
}

/* PrivateKeyInfo, RSAPrivateKey and ECPrivateKey begin with a number, the others with a sequence in it. */
static int
add_der(struct span text, struct span password, struct keyfile *out, struct err *e)
{
	struct span rest = text, object, first;

	if (!der_take(&rest, DER_SEQUENCE, &object))
		return err_set(e, ERR_BUG, "not DER");
	if (!der_take(&object, DER_SEQUENCE, &first))
		return add_object(KIND_KEY, text, password, out, e);
	return add_object(der_peek(first) == DER_OID ? KIND_ENCRYPTED : KIND_CERTIFICATE, text, password, out, e);
}

static int
find_label(struct span label, enum kind *out, struct err *e)
{
	char name[64];

	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		if (span_eq_str(label, labels[i].label)) {
			*out = labels[i].kind;
			return 0;
		}
	}
	if (!span_to_cstr(label, name, sizeof(name)))
		return err_set(e, ERR_PARSE, "a label of PEM that is too long");
	return err_set(e, ERR_UNSUPPORTED, "%s: neither a private key nor a certificate of a kind known here", name);
}

/* One line without its end. */
static bool
take_line(struct span *text, struct span *line)
{
	if (!span_split(text, '\n', line))
		return false;
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* "-----BEGIN LABEL-----" or "-----END LABEL-----": the label. */
static bool
is_boundary(struct span line, const char *begin, struct span *label)
{
	static const struct span end = { (const uint8_t *)"-----", 5 };
	size_t n = strlen(begin);

	if (!span_starts(line, begin) || line.len < n + end.len ||
	    !span_eq((struct span){ line.p + line.len - end.len, end.len }, end))
		return false;
	*label = (struct span){ line.p + n, line.len - n - end.len };
	return true;
}

/* The lines of base64 up to the END of this label. */
static int
take_body(struct span *text, struct span label, struct buf *der, struct err *e)
{
	autobuf base64 = BUF_SECRET(LIMIT_KEY_FILE);
	struct span line, end;
	int rc = 0;

	while (rc == 0 && take_line(text, &line)) {
		if (is_boundary(line, "-----END ", &end))
			return span_eq(end, label) ? base64_decode(buf_span(&base64), der, e) :
			    err_set(e, ERR_PARSE, "PEM: BEGIN and END do not match");
		if (span_starts(line, "Proc-Type:"))
			return err_set(e, ERR_UNSUPPORTED, "a key encrypted in the old way, with one round of "
			    "MD5: convert it (openssl pkcs8 -topk8)");
		rc = buf_add_span(&base64, line, e);
	}
	return rc < 0 ? rc : err_set(e, ERR_PARSE, "PEM: END is missing");
}

/* Text outside of the boundaries is for people. */
static int
add_pem(struct span text, struct span password, struct keyfile *out, struct err *e)
{
	struct span line, label;
	int rc = 0;

	while (rc == 0 && take_line(&text, &line)) {
		autobuf der = BUF_SECRET(LIMIT_KEY_FILE);
		enum kind kind = KIND_SKIPPED;

		if (!is_boundary(line, "-----BEGIN ", &label))
			continue;
		rc = find_label(label, &kind, e);
		if (rc == 0)
			rc = take_body(&text, label, &der, e);
		if (rc == 0)
			rc = add_object(kind, buf_span(&der), password, out, e);
	}
	if (rc == 0 && out->key.evp == NULL && out->cert_id.len == 0)
		rc = err_set(e, ERR_PARSE, "neither PEM nor DER nor JWK");
	return rc;
}

int
keyfile_parse(struct span text, struct span password, struct keyfile *out, struct err *e)
{
	cleanup(keyfile_fini) struct keyfile f = { .cert_id = BUF(KEYFILE_MAX_NAME) };
	int rc;

	if (text.len > LIMIT_KEY_FILE)
		return err_set(e, ERR_LIMIT, "more than %zu bytes", LIMIT_KEY_FILE);
	if (is_der(text))
		rc = add_der(text, password, &f, e);
	else if (span_starts(text, "{"))
		rc = jwk_parse(text, &f.key, e);
	else
		rc = add_pem(text, password, &f, e);
	if (rc < 0)
		return rc;
	out->key = f.key;
	f.key.evp = NULL;
	buf_move(&out->cert_id, &f.cert_id);
	return 0;
}

void
keyfile_fini(struct keyfile *f)
{
	pkey_fini(&f->key);
	buf_free(&f->cert_id);
}

void
keyset_fini(struct keyset *s)
{
	for (size_t i = 0; i < s->n; i++)
		keyfile_fini(&s->file[i]);
	s->n = 0;
}
