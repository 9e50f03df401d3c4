/*
 * cosign_key.c: public keys and what they signed, over OpenSSL's EVP interface. PEM is taken apart here, so that
 * OpenSSL gets one DER object of a kind that was asked for, and nothing is guessed.
 */
#include "lib/base.h"
#include "image/cosign.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/codec.h"
#include "lib/sys.h"

enum { RSA_MIN_BITS = 2048, RSA_MAX_BITS = 8192 };

static const char provider[] = "provider=default";
static const char begin[] = "-----BEGIN PUBLIC KEY-----", end[] = "-----END PUBLIC KEY-----";

enum kind { KIND_EC, KIND_RSA, KIND_ED25519 };

struct cosign_key {
	enum kind	 kind;
	EVP_PKEY	*evp;
};

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && is_space(s.p[0]))
		s = (struct span){ s.p + 1, s.len - 1 };
	while (s.len > 0 && is_space(s.p[s.len - 1]))
		s.len--;
	return s;
}

static int
add_without_breaks(struct span text, struct buf *out, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < text.len && rc == 0; i++)
		if (text.p[i] != '\r' && text.p[i] != '\n')
			rc = buf_add_u8(out, text.p[i], e);
	return rc;
}

/* Base64 whose lines may be broken anywhere. */
static int
decode_lines(struct span text, struct buf *out, struct err *e)
{
	autobuf whole = BUF(text.len);
	int rc = add_without_breaks(text, &whole, e);

	return rc < 0 ? rc : base64_decode(buf_span(&whole), out, e);
}

/* What people put there by mistake, by name. */
static int
not_a_key(struct span text, struct err *e)
{
	if (span_starts(text, "-----BEGIN RSA PUBLIC KEY-----"))
		return err_set(e, ERR_UNSUPPORTED, "a public key in PKCS #1: convert it (openssl rsa "
		    "-RSAPublicKey_in -pubout)");
	if (span_starts(text, "-----BEGIN CERTIFICATE-----"))
		return err_set(e, ERR_UNSUPPORTED, "a certificate: give its public key (openssl x509 -pubkey -noout)");
	if (span_starts(text, "-----BEGIN ENCRYPTED ") || span_starts(text, "-----BEGIN PRIVATE KEY-----") ||
	    span_starts(text, "-----BEGIN EC PRIVATE KEY-----") || span_starts(text, "-----BEGIN RSA PRIVATE KEY-----"))
		return err_set(e, ERR_UNSUPPORTED, "a private key: give the public one, the private one belongs to who signs");
	if (span_starts(text, "-----BEGIN PGP "))
		return err_set(e, ERR_UNSUPPORTED, "an OpenPGP key, which is for signedBy");
	return err_set(e, ERR_PARSE, "not a public key in PEM (" "-----BEGIN PUBLIC KEY-----" ")");
}

static int
pem_decode(struct span text, struct buf *der, struct err *e)
{
	const size_t head = sizeof(begin) - 1, tail = sizeof(end) - 1;

	if (text.len > LIMIT_KEY_FILE)
		return err_set(e, ERR_LIMIT, "more than %zu bytes", LIMIT_KEY_FILE);
	text = trim(text);
	if (!span_starts(text, begin))
		return not_a_key(text, e);
	if (text.len < head + tail || memcmp(text.p + text.len - tail, end, tail) != 0)
		return err_set(e, ERR_PARSE, "PEM: it does not end with the end of the key");
	if (decode_lines((struct span){ text.p + head, text.len - head - tail }, der, e) < 0)
		return err_set(e, ERR_PARSE, "PEM: not one key in base64; of several, each goes into a file of its own");
	return 0;
}

static bool
curve_known(EVP_PKEY *evp)
{
	static const char *const curves[] = { "prime256v1", "secp384r1", "secp521r1" };
	char group[32] = "";

	(void)EVP_PKEY_get_group_name(evp, group, sizeof(group), NULL);
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (strcmp(group, curves[i]) == 0)
			return true;
	return false;
}

/* Is the point on its curve, is the modulus one? */
static bool
is_sound(EVP_PKEY *evp)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, evp, provider);
	bool sound = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return sound;
}

static int
classify(EVP_PKEY *evp, enum kind *kind, struct err *e)
{
	int bits = EVP_PKEY_get_bits(evp);

	if (EVP_PKEY_is_a(evp, "ED25519")) {
		*kind = KIND_ED25519;
	} else if (EVP_PKEY_is_a(evp, "EC") && curve_known(evp)) {
		*kind = KIND_EC;
	} else if (EVP_PKEY_is_a(evp, "RSA")) {
		*kind = KIND_RSA;
		if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS)
			return err_set(e, ERR_UNSUPPORTED, "an RSA key of %d bits; %d to %d are accepted", bits,
			    RSA_MIN_BITS, RSA_MAX_BITS);
	} else {
		return err_set(e, ERR_UNSUPPORTED,
		    "a public key that is neither ECDSA (P-256, P-384, P-521) nor RSA nor Ed25519");
	}
	return is_sound(evp) ? 0 : err_set(e, ERR_PARSE, "a public key that cannot be one");
}

static int
key_from_der(struct span der, struct cosign_key **out, struct err *e)
{
	const uint8_t *p = der.p;
	struct cosign_key *key;
	EVP_PKEY *evp;
	enum kind kind = 0;
	int rc;

	if (der.len == 0)
		return err_set(e, ERR_PARSE, "an empty public key");
	evp = d2i_PUBKEY_ex(NULL, &p, (long)der.len, NULL, provider);
	if (evp == NULL || p != der.p + der.len)
		rc = err_set(e, ERR_PARSE, "not a public key (SubjectPublicKeyInfo)");
	else
		rc = classify(evp, &kind, e);
	ERR_clear_error();
	if (rc == 0 && (key = sys_alloc(sizeof(*key))) != NULL) {
		*key = (struct cosign_key){ kind, evp };
		*out = key;
		return 0;
	}
	EVP_PKEY_free(evp);
	return rc < 0 ? rc : err_set(e, ERR_NOMEM, "key");
}

int
cosign_key_parse(struct span pem, struct cosign_key **out, struct err *e)
{
	autobuf der = BUF(LIMIT_KEY_FILE);
	int rc = crypto_init(e);

	if (rc == 0)
		rc = pem_decode(pem, &der, e);
	return rc < 0 ? rc : key_from_der(buf_span(&der), out, e);
}

void
cosign_key_free(struct cosign_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->evp);
	sys_free(key);
}

void
cosign_key_freep(struct cosign_key **key)
{
	cosign_key_free(*key);
	*key = NULL;
}

/* One way to verify; pss: with any length of salt, as sigstore's other readers allow. */
static bool
verify_by(const struct cosign_key *key, bool pss, struct span payload, struct span signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;	/* ctx owns it */
	const char *hash = key->kind == KIND_ED25519 ? NULL : "SHA2-256";
	bool good = ctx != NULL && EVP_DigestVerifyInit_ex(ctx, &pctx, hash, NULL, provider, key->evp, NULL) == 1;

	if (good && pss)
		good = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_AUTO) == 1;
	good = good && EVP_DigestVerify(ctx, signature.p, signature.len, payload.p, payload.len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

int
cosign_verify(const struct cosign_key *key, struct span payload, struct span text, struct err *e)
{
	autobuf signature = BUF(LIMIT_SIGNATURE_TEXT);
	struct span s;

	if (text.len > LIMIT_SIGNATURE_TEXT)
		return err_set(e, ERR_PARSE, "a signature of %zu characters", text.len);
	if (decode_lines(text, &signature, e) < 0 || signature.len == 0)
		return err_set(e, ERR_PARSE, "a signature that is not base64");
	s = buf_span(&signature);
	if (verify_by(key, false, payload, s) || (key->kind == KIND_RSA && verify_by(key, true, payload, s)))
		return 0;
	return err_set(e, ERR_POLICY, "the signature was not made with this key over this payload");
}
