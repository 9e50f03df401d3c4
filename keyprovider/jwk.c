/*
 * jwk.c: JSON Web Keys. The numbers are handed to OpenSSL in secret memory, as the host orders bytes, which is
 * what its parameters want.
 */
#include "lib/base.h"
#include "keyprovider/jwk.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "lib/codec.h"
#include "lib/json.h"
#include "lib/limits.h"

enum { NUMBER_MAX = 2048, NUMBERS = 8, PUBLIC_NUMBERS = 2 };

static const struct {
	const char	*name, *param;
} rsa_members[NUMBERS] = {
	{ "n", OSSL_PKEY_PARAM_RSA_N }, { "e", OSSL_PKEY_PARAM_RSA_E }, { "d", OSSL_PKEY_PARAM_RSA_D },
	{ "p", OSSL_PKEY_PARAM_RSA_FACTOR1 }, { "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },
	{ "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 }, { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 },
	{ "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
};

static const struct {
	const char	*crv, *group;
	enum pkey_kind	 kind;
} curves[] = {
	{ "P-256", "prime256v1", PKEY_P256 },
	{ "P-384", "secp384r1", PKEY_P384 },
	{ "P-521", "secp521r1", PKEY_P521 },
};

/* A base64url member, big endian, as in the text. */
static int
read_number(struct json_val key, const char *name, struct buf *out, struct err *e)
{
	autobuf text = BUF_SECRET((size_t)2 * NUMBER_MAX);
	int rc = json_str(json_get(key, name), name, &text, e);

	if (rc == 0)
		rc = base64url_decode(buf_span(&text), out, e);
	if (rc == 0 && out->len == 0)
		rc = err_set(e, ERR_PARSE, "%s is empty", name);
	return rc;
}

static void
reverse(struct buf *b)
{
	for (size_t i = 0; i < b->len / 2; i++) {
		uint8_t byte = b->data[i];

		b->data[i] = b->data[b->len - 1 - i];
		b->data[b->len - 1 - i] = byte;
	}
}

static int
make(const char *type, const OSSL_PARAM *params, bool public, enum pkey_kind kind, struct pkey *out, struct err *e)
{
	int selection = public ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, "provider=default");
	EVP_PKEY *evp = NULL;
	bool good;

	/* The parameters are only read. */
	good = ctx != NULL && EVP_PKEY_fromdata_init(ctx) > 0 &&
	    EVP_PKEY_fromdata(ctx, &evp, selection, (OSSL_PARAM *)(uintptr_t)params) > 0;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	if (!good)
		return err_set(e, ERR_PARSE, "the numbers do not make a %s key", public ? "public" : "private");
	*out = (struct pkey){ kind, evp };
	return 0;
}

static void
free_numbers(struct buf (*numbers)[NUMBERS])
{
	for (size_t i = 0; i < NUMBERS; i++)
		buf_free(&(*numbers)[i]);
}

static int
parse_rsa(struct json_val key, bool public, struct pkey *out, struct err *e)
{
	const size_t n = public ? PUBLIC_NUMBERS : NUMBERS;
	cleanup(free_numbers) struct buf numbers[NUMBERS];
	OSSL_PARAM params[NUMBERS + 1];
	int rc = 0;

	for (size_t i = 0; i < NUMBERS; i++)
		numbers[i] = (struct buf)BUF_SECRET(NUMBER_MAX);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = read_number(key, rsa_members[i].name, &numbers[i], e);
		reverse(&numbers[i]);
		params[i] = OSSL_PARAM_construct_BN(rsa_members[i].param, numbers[i].data, numbers[i].len);
	}
	params[n] = OSSL_PARAM_construct_end();
	return rc < 0 ? rc : make("RSA", params, public, PKEY_RSA, out, e);
}

static int
parse_ec(struct json_val key, bool public, struct pkey *out, struct err *e)
{
	autobuf point = BUF(1 + (size_t)2 * NUMBER_MAX), d = BUF_SECRET(NUMBER_MAX);
	char group[16] = "";
	OSSL_PARAM params[4];
	size_t size, c = 0;
	int rc;

	while (c < ARRAY_LEN(curves) && !json_str_eq(json_get(key, "crv"), curves[c].crv))
		c++;
	if (c == ARRAY_LEN(curves))
		return err_set(e, ERR_UNSUPPORTED, "a curve that is not P-256, P-384 or P-521");
	size = pkey_coordinate_size(curves[c].kind);
	rc = buf_add_u8(&point, 4, e);
	if (rc == 0)
		rc = read_number(key, "x", &point, e);
	if (rc == 0)
		rc = read_number(key, "y", &point, e);
	if (rc == 0 && !public)
		rc = read_number(key, "d", &d, e);
	if (rc == 0 && (point.len != 1 + 2 * size || (!public && d.len != size)))
		rc = err_set(e, ERR_PARSE, "x, y or d have not the length of this curve");
	if (rc < 0)
		return rc;
	reverse(&d);
	snprintf(group, sizeof(group), "%s", curves[c].group);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data, point.len);
	params[2] = public ? OSSL_PARAM_construct_end() :
	    OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, d.data, d.len);
	params[3] = OSSL_PARAM_construct_end();
	return make("EC", params, public, curves[c].kind, out, e);
}

static int
parse(struct span text, bool public, struct pkey *out, struct err *e)
{
	autojson doc = NULL;
	struct json_val key, kty;
	int rc = json_parse(text, &doc, e);

	if (rc < 0)
		return rc;
	key = json_root(doc);
	kty = json_get(key, "kty");
	if (!json_is(key, JSON_OBJECT) || !json_is(kty, JSON_STRING))
		return err_set(e, ERR_PARSE, "no key");
	if (public && json_ok(json_get(key, "d")))
		return err_set(e, ERR_PARSE, "is a private key: a recipient's public one is wanted");
	if (json_ok(json_get(key, "oth")))
		return err_set(e, ERR_UNSUPPORTED, "an RSA key of more than two primes");
	if (json_str_eq(kty, "RSA"))
		return parse_rsa(key, public, out, e);
	if (json_str_eq(kty, "EC"))
		return parse_ec(key, public, out, e);
	return err_set(e, ERR_UNSUPPORTED, "a key that is neither RSA nor EC");
}

int
jwk_parse(struct span text, struct pkey *out, struct err *e)
{
	return parse(text, false, out, e) < 0 ? err_wrap(e, "JWK") : 0;
}

int
jwk_parse_public(struct span text, struct pkey *out, struct err *e)
{
	return parse(text, true, out, e) < 0 ? err_wrap(e, "JWK") : 0;
}
