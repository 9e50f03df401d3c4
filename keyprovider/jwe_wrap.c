/*
 * jwe_wrap.c: see jwe_wrap.h. One recipient's parameters stand in the protected header, those of several each in an
 * unprotected one of its own, since what is protected is the same for all.
 */
#include "lib/base.h"
#include "keyprovider/jwe_wrap.h"

#include "keyprovider/cek.h"
#include "lib/codec.h"
#include "lib/crypto.h"

#define ENC	"\"enc\":\"A256GCM\""
#define ECDH	"ECDH-ES+A256KW"

enum { CEK = 32, KEK_BITS = 256, IV = 12, TAG = 16 };

static const char *const crv[] = { [PKEY_P256] = "P-256", [PKEY_P384] = "P-384", [PKEY_P521] = "P-521" };

/* What one recipient gets. */
struct share {
	struct buf	header;		/* members of a JSON object */
	struct buf	wrapped;	/* the content's key */
};

static void
share_fini(struct share *s)
{
	buf_free(&s->header);
	buf_free(&s->wrapped);
}

/* OtherInfo of RFC 7518, 4.6.2: algorithm, two parties without name, size of the key in bits. */
static int
derive_kek(struct span shared, struct buf *kek, struct err *e)
{
	autobuf info = BUF(64);
	int rc = buf_add_be32(&info, sizeof(ECDH) - 1, e);

	if (rc == 0)
		rc = buf_add_str(&info, ECDH, e);
	for (int party = 0; party < 2 && rc == 0; party++)
		rc = buf_add_be32(&info, 0, e);
	if (rc == 0)
		rc = buf_add_be32(&info, KEK_BITS, e);
	return rc < 0 ? rc : cek_derive(shared, buf_span(&info), KEK_BITS / 8, kek, e);
}

static int
share_ec(const struct pkey *key, struct span cek, struct share *s, struct err *e)
{
	autobuf x = BUF(PKEY_MAX_COORDINATE), y = BUF(PKEY_MAX_COORDINATE), x64 = BUF(128), y64 = BUF(128);
	autobuf shared = BUF_SECRET(PKEY_MAX_COORDINATE), kek = BUF_SECRET(PKEY_MAX_CONTENT);
	int rc = pubkey_ecdh(key, &x, &y, &shared, e);

	if (rc == 0)
		rc = derive_kek(buf_span(&shared), &kek, e);
	if (rc == 0)
		rc = cek_wrap(buf_span(&kek), cek, &s->wrapped, e);
	if (rc == 0)
		rc = base64url_encode(buf_span(&x), &x64, e);
	if (rc == 0)
		rc = base64url_encode(buf_span(&y), &y64, e);
	return rc < 0 ? rc : buf_addf(&s->header, e, "\"alg\":\"" ECDH "\",\"epk\":{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\","
	    "\"y\":\"%s\"}", crv[key->kind], buf_str(&x64), buf_str(&y64));
}

static int
share_rsa(const struct pkey *key, struct span cek, struct share *s, struct err *e)
{
	int rc = buf_add_str(&s->header, "\"alg\":\"RSA-OAEP\"", e);

	return rc < 0 ? rc : pubkey_rsa_oaep(key, cek, &s->wrapped, e);
}

/* "name":"base64url" */
static int
add_member(const char *name, struct span value, struct buf *out, struct err *e)
{
	int rc = buf_addf(out, e, "\"%s\":\"", name);

	if (rc == 0)
		rc = base64url_encode(value, out, e);
	return rc < 0 ? rc : buf_add_str(out, "\"", e);
}

static int
add_recipient(const struct pkey *key, struct span cek, bool alone, struct buf *header, struct buf *out, struct err *e)
{
	cleanup(share_fini) struct share s = { BUF(KIB(1)), BUF(KIB(4)) };
	int rc = key->kind == PKEY_RSA ? share_rsa(key, cek, &s, e) : share_ec(key, cek, &s, e);

	if (rc == 0 && alone) {
		rc = buf_addf(header, e, "%s,", buf_str(&s.header));
		return rc < 0 ? rc : add_member("encrypted_key", buf_span(&s.wrapped), out, e);
	}
	if (rc == 0)
		rc = buf_addf(out, e, "%s{\"header\":{%s},", out->len > 0 ? "," : "", buf_str(&s.header));
	if (rc == 0)
		rc = add_member("encrypted_key", buf_span(&s.wrapped), out, e);
	return rc < 0 ? rc : buf_add_str(out, "}", e);
}

/* iv, ciphertext and tag; the protected header's text is authenticated with them. */
static int
add_content(struct span cek, struct span protected, struct span plain, struct buf *out, struct err *e)
{
	autobuf sealed = BUF(LIMIT_PACKET), tag = BUF(TAG);
	uint8_t iv[IV];
	int rc = crypto_random(iv, sizeof(iv), e);

	if (rc == 0)
		rc = cek_seal(cek, (struct span){ iv, sizeof(iv) }, protected, plain, &sealed, &tag, e);
	if (rc == 0)
		rc = add_member("iv", (struct span){ iv, sizeof(iv) }, out, e);
	if (rc == 0)
		rc = buf_add_str(out, ",", e);
	if (rc == 0)
		rc = add_member("ciphertext", buf_span(&sealed), out, e);
	if (rc == 0)
		rc = buf_add_str(out, ",", e);
	return rc < 0 ? rc : add_member("tag", buf_span(&tag), out, e);
}

int
jwe_wrap(const struct pkey *keys, size_t n, struct span plain, struct buf *out, struct err *e)
{
	autobuf header = BUF(KIB(1)), protected = BUF(KIB(2)), recipients = BUF(LIMIT_PACKET), content = BUF(LIMIT_PACKET);
	autobuf cek = BUF_SECRET(CEK);
	int rc = n >= 1 && n <= JWE_RECIPIENTS ? buf_reserve(&cek, CEK, e) : err_set(e, ERR_BUG, "%zu recipients", n);

	if (rc == 0)
		rc = crypto_random(cek.data, CEK, e);
	if (rc < 0)
		return rc;
	cek.len = CEK;
	rc = buf_add_str(&header, "{", e);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_recipient(&keys[i], buf_span(&cek), n == 1, &header, &recipients, e);
	if (rc == 0)
		rc = buf_add_str(&header, ENC "}", e);
	if (rc == 0)
		rc = base64url_encode(buf_span(&header), &protected, e);
	if (rc == 0)
		rc = add_content(buf_span(&cek), buf_span(&protected), plain, &content, e);
	if (rc < 0)
		return rc;
	return buf_addf(out, e, n == 1 ? "{\"protected\":\"%s\",%s,%s}" : "{\"protected\":\"%s\",\"recipients\":[%s],%s}",
	    buf_str(&protected), buf_str(&recipients), buf_str(&content));
}
