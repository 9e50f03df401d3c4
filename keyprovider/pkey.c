/*
 * pkey.c: private keys over OpenSSL's EVP interface. OpenSSL keeps them in memory of its own, outside of our
 * arena: all that it frees is wiped.
 */
#include "lib/base.h"
#include "keyprovider/pkey.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/crypto.h"
#include "lib/secret.h"
#include "lib/sys.h"

enum { MAX_MODULUS = 2048, V15_MIN_PADDING = 8 };

static const char provider[] = "provider=default";

static const struct {
	const char	*name;
	size_t		 size;
} curves[] = {
	[PKEY_P256] = { "prime256v1", 32 },
	[PKEY_P384] = { "secp384r1", 48 },
	[PKEY_P521] = { "secp521r1", 66 },
};

/* Before each block stands its size, so that all of it can be wiped. */
struct block {
	_Alignas(max_align_t) size_t size;
};

static void *
wiping_malloc(size_t size, maybe_unused const char *file, maybe_unused int line)
{
	struct block *b;
	size_t whole;

	if (size == 0 || __builtin_add_overflow(size, sizeof(*b), &whole))
		return NULL;
	b = sys_alloc(whole);
	if (b == NULL)
		return NULL;
	b->size = size;
	return b + 1;
}

static void
wiping_free(void *p, maybe_unused const char *file, maybe_unused int line)
{
	struct block *b;

	if (p == NULL)
		return;
	b = (struct block *)p - 1;
	secret_wipe(p, b->size);
	sys_free(b);
}

/* Never in place: what realloc() leaves behind could not be wiped. */
static void *
wiping_realloc(void *p, size_t size, const char *file, int line)
{
	void *new;

	if (size == 0) {
		wiping_free(p, file, line);
		return NULL;
	}
	new = wiping_malloc(size, file, line);
	if (new == NULL || p == NULL)
		return new;
	memcpy(new, p, MIN(size, ((struct block *)p - 1)->size));
	wiping_free(p, file, line);
	return new;
}

int
pkey_wipe_openssl(struct err *e)
{
	if (CRYPTO_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free) != 1)
		return err_set(e, ERR_BUG, "crypto: OpenSSL has been used before its memory was arranged for");
	return 0;
}

static int
no_memory(struct err *e)
{
	ERR_clear_error();
	return err_set(e, ERR_NOMEM, "crypto: out of memory");
}

int
pkey_adopt(EVP_PKEY *evp, struct pkey *out, struct err *e)
{
	char group[32] = "";

	ERR_clear_error();
	if (EVP_PKEY_is_a(evp, "RSA") && EVP_PKEY_get_size(evp) <= MAX_MODULUS) {
		*out = (struct pkey){ PKEY_RSA, evp };
		return 0;
	}
	if (EVP_PKEY_is_a(evp, "EC"))
		(void)EVP_PKEY_get_group_name(evp, group, sizeof(group), NULL);
	for (size_t i = PKEY_P256; i < ARRAY_LEN(curves); i++) {
		if (strcmp(group, curves[i].name) == 0) {
			*out = (struct pkey){ (enum pkey_kind)i, evp };
			return 0;
		}
	}
	EVP_PKEY_free(evp);
	return err_set(e, ERR_UNSUPPORTED, "a key that is neither RSA nor EC with P-256, P-384 or P-521");
}

int
pkey_from_der(struct span der, struct pkey *out, struct err *e)
{
	const uint8_t *p = der.p;
	EVP_PKEY *evp = d2i_AutoPrivateKey_ex(NULL, &p, (long)der.len, NULL, provider);

	if (evp != NULL && p == der.p + der.len)
		return pkey_adopt(evp, out, e);
	EVP_PKEY_free(evp);
	ERR_clear_error();
	return err_set(e, ERR_PARSE, "not a private key in PKCS#8, PKCS#1 or SEC1");
}

int
pkey_from_encrypted(struct span der, struct span password, struct pkey *out, struct err *e)
{
	const uint8_t *p = der.p;
	X509_SIG *sealed = d2i_X509_SIG(NULL, &p, (long)der.len);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	EVP_PKEY *evp = NULL;

	if (sealed == NULL || p != der.p + der.len) {
		X509_SIG_free(sealed);
		ERR_clear_error();
		return err_set(e, ERR_PARSE, "not an encrypted private key in PKCS#8");
	}
	info = PKCS8_decrypt_ex(sealed, (const char *)password.p, (int)password.len, NULL, provider);
	X509_SIG_free(sealed);
	if (info != NULL)
		evp = EVP_PKCS82PKEY_ex(info, NULL, provider);
	PKCS8_PRIV_KEY_INFO_free(info);
	if (evp != NULL)
		return pkey_adopt(evp, out, e);
	ERR_clear_error();
	return err_set(e, ERR_CONFIG, "the password does not open it, or it is encrypted in a way not known here");
}

void
pkey_fini(struct pkey *k)
{
	EVP_PKEY_free(k->evp);
	k->evp = NULL;
}

size_t
pkey_coordinate_size(enum pkey_kind kind)
{
	return curves[kind].size;
}

static void
ctx_freep(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(*ctx);
	*ctx = NULL;
}
#define autoctx cleanup(ctx_freep) EVP_PKEY_CTX *

/* 0xff if v is zero, else 0, without a branch. v < 256. */
static uint8_t
mask_zero(unsigned v)
{
	return (uint8_t)((v - 1u) >> 24);
}

/* key += good (0xff) ? found : random. The same work for both. */
static int
add_choice(uint8_t good, const uint8_t *found, size_t size, struct buf *key, struct err *e)
{
	autobuf chosen = BUF_SECRET(PKEY_MAX_CONTENT);
	int rc = buf_reserve(&chosen, size, e);

	if (rc == 0)
		rc = crypto_random(chosen.data, size, e);
	if (rc < 0)
		return rc;
	chosen.len = size;
	for (size_t i = 0; i < size; i++)
		chosen.data[i] = (uint8_t)((found[i] & good) | (chosen.data[i] & ~good));
	return buf_add_span(key, buf_span(&chosen), e);
}

static int
decrypt_start(const struct pkey *k, int padding, EVP_PKEY_CTX **out, struct err *e)
{
	if (k->kind != PKEY_RSA)
		return err_set(e, ERR_BUG, "crypto: not an RSA key");
	*out = EVP_PKEY_CTX_new_from_pkey(NULL, k->evp, provider);
	if (*out == NULL || EVP_PKEY_decrypt_init(*out) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_padding(*out, padding) <= 0)
		return no_memory(e);
	return 0;
}

/*
 * Decrypts one block. plain gets room for the modulus and as many bytes as came out, which may be none; *good is 0xff
 * if OpenSSL was content.
 */
static int
decrypt(EVP_PKEY_CTX *ctx, const struct pkey *k, struct span wrapped, struct buf *plain, uint8_t *good,
    struct err *e)
{
	size_t n = (size_t)EVP_PKEY_get_size(k->evp);
	int rc = buf_reserve(plain, MAX(n, (size_t)PKEY_MAX_CONTENT), e);

	if (rc < 0)
		return rc;
	/* The length is known to everybody. */
	*good = 0;
	if (wrapped.len == n)
		*good = mask_zero(EVP_PKEY_decrypt(ctx, plain->data, &n, wrapped.p, wrapped.len) != 1);
	ERR_clear_error();
	plain->len = n & (size_t)(0 - (size_t)(*good & 1));
	return 0;
}

int
pkey_rsa_oaep(const struct pkey *k, bool sha256, struct span wrapped, size_t size, struct buf *key, struct err *e)
{
	autobuf plain = BUF_SECRET(MAX_MODULUS);
	autoctx ctx = NULL;
	uint8_t good;
	int rc = decrypt_start(k, RSA_PKCS1_OAEP_PADDING, &ctx, e);

	if (rc == 0 && (EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, sha256 ? "SHA2-256" : "SHA1", provider) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, sha256 ? "SHA2-256" : "SHA1", provider) <= 0))
		rc = no_memory(e);
	if (rc == 0)
		rc = decrypt(ctx, k, wrapped, &plain, &good, e);
	if (rc < 0)
		return rc;
	good &= mask_zero(plain.len != size);
	return add_choice(good, plain.data, size, key, e);
}

/*
 * Undoes the padding of PKCS #1 v1.5 here, without a branch on what was found: OpenSSL 3.0 would tell by its time
 * and its error whether the padding was good (Bleichenbacher). The length of the key is known beforehand,
 * so the zero byte in front of it has one place: 00 02 (no zeros) 00 key.
 */
int
pkey_rsa_v15(const struct pkey *k, struct span wrapped, size_t size, struct buf *key, struct err *e)
{
	autobuf plain = BUF_SECRET(MAX_MODULUS);
	autoctx ctx = NULL;
	size_t n, zero;
	uint8_t good;
	int rc = decrypt_start(k, RSA_NO_PADDING, &ctx, e);

	if (rc == 0)
		rc = decrypt(ctx, k, wrapped, &plain, &good, e);
	if (rc < 0)
		return rc;
	n = (size_t)EVP_PKEY_get_size(k->evp);
	if (n < 2 + V15_MIN_PADDING + 1 + size)
		return err_set(e, ERR_UNSUPPORTED, "RSA key too small");
	zero = n - size - 1;
	good &= mask_zero(plain.data[0]) & mask_zero(plain.data[1] ^ 2u) & mask_zero(plain.data[zero]);
	for (size_t i = 2; i < zero; i++)
		good &= (uint8_t)~mask_zero(plain.data[i]);
	return add_choice(good, plain.data + zero + 1, size, key, e);
}

/* A public key out of a point; OpenSSL refuses one that is not on the curve. */
static EVP_PKEY *
make_peer(enum pkey_kind kind, struct span x, struct span y)
{
	uint8_t point[1 + 2 * PKEY_MAX_COORDINATE] = { 4 };
	char group[16];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + x.len + y.len),
		OSSL_PARAM_construct_end(),
	};
	autoctx ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", provider);
	EVP_PKEY *peer = NULL;

	snprintf(group, sizeof(group), "%s", curves[kind].name);
	params[0].data_size = strlen(group);
	memcpy(point + 1, x.p, x.len);
	memcpy(point + 1 + x.len, y.p, y.len);
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &peer, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		return NULL;
	return peer;
}

static bool
derive(const struct pkey *k, EVP_PKEY *peer, struct buf *shared)
{
	autoctx ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->evp, provider);
	size_t n = curves[k->kind].size;

	/* set_peer checks the whole public key once more. */
	if (ctx == NULL || peer == NULL || EVP_PKEY_derive_init(ctx) <= 0 ||
	    EVP_PKEY_derive_set_peer_ex(ctx, peer, 1) <= 0 ||
	    EVP_PKEY_derive(ctx, shared->data + shared->len, &n) <= 0 || n != curves[k->kind].size)
		return false;
	shared->len += n;
	return true;
}

static int
agree(const struct pkey *k, EVP_PKEY *peer, struct buf *shared, struct err *e)
{
	int rc = buf_reserve(shared, curves[k->kind].size, e);
	bool good;

	if (rc < 0)
		return rc;
	good = derive(k, peer, shared);
	ERR_clear_error();
	return good ? 0 : err_set(e, ERR_DECRYPT, "decryption failed");
}

int
pkey_ecdh(const struct pkey *k, struct span x, struct span y, struct buf *shared, struct err *e)
{
	EVP_PKEY *peer;
	int rc;

	if (k->kind == PKEY_RSA)
		return err_set(e, ERR_BUG, "crypto: not an EC key");
	if (x.len != curves[k->kind].size || y.len != curves[k->kind].size)
		return err_set(e, ERR_DECRYPT, "decryption failed");
	peer = make_peer(k->kind, x, y);
	rc = agree(k, peer, shared, e);
	EVP_PKEY_free(peer);
	return rc;
}

int
pkey_ecdh_peer(const struct pkey *k, const struct pkey *peer, struct buf *shared, struct err *e)
{
	if (k->kind == PKEY_RSA || k->kind != peer->kind)
		return err_set(e, ERR_BUG, "crypto: not EC keys of one curve");
	return agree(k, peer->evp, shared, e);
}
