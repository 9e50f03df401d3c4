/*
 * crypto.c: hash, HMAC, AES-CTR and AES-GCM over OpenSSL's EVP interface. All
 * algorithms come from the default provider by explicit fetch, once; no
 * configuration file is ever read. OpenSSL wipes its contexts when they are
 * freed; the two structs around them hold no secret.
 */
#include "lib/base.h"
#include "lib/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "lib/secret.h"
#include "lib/sys.h"

enum { KEY = 32, GCM_IV = 12, GCM_TAG = 16, CTR_BLOCK = 16 };

static const struct {
	const char	*name;
	size_t		 size;
} hash_facts[] = {
	[HASH_SHA256] = { "SHA2-256", 32 },
	[HASH_SHA384] = { "SHA2-384", 48 },
	[HASH_SHA512] = { "SHA2-512", 64 },
	[HASH_SM3] = { "SM3", 32 },
};

/* Fetched by crypto_init() and kept for the life of the process. */
static EVP_MD		*digests[ARRAY_LEN(hash_facts)];
static EVP_MAC		*hmac_mac;
static EVP_CIPHER	*ctr_cipher, *gcm_cipher;
static bool		 ready;

struct hash {
	EVP_MD_CTX	*ctx;
};

struct hmac {
	EVP_MAC_CTX	*ctx;
};

struct ctr {
	EVP_CIPHER_CTX	*ctx;
};

static void
cipher_ctx_freep(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(*ctx);
	*ctx = NULL;
}

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "crypto: out of memory");
}

/* OpenSSL fails so only for want of memory or for a mistake of ours. */
static int
broken(struct err *e, const char *what)
{
	return err_set(e, ERR_BUG, "crypto: %s failed", what);
}

int
crypto_init(struct err *e)
{
	static const char provider[] = "provider=default";

	if (ready)
		return 0;
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return broken(e, "start");
	for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
		if (digests[i] == NULL)
			digests[i] = EVP_MD_fetch(NULL, hash_facts[i].name, provider);
		if (digests[i] == NULL)
			return broken(e, hash_facts[i].name);
	}
	if (hmac_mac == NULL)
		hmac_mac = EVP_MAC_fetch(NULL, "HMAC", provider);
	if (ctr_cipher == NULL)
		ctr_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CTR", provider);
	if (gcm_cipher == NULL)
		gcm_cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", provider);
	if (hmac_mac == NULL || ctr_cipher == NULL || gcm_cipher == NULL)
		return broken(e, "fetch");
	ready = true;
	return 0;
}

static int
must_be_ready(struct err *e)
{
	return ready ? 0 : err_set(e, ERR_BUG, "crypto: not initialised");
}

size_t
hash_size(enum hash_alg alg)
{
	return hash_facts[alg].size;
}

int
hash_new(enum hash_alg alg, struct hash **out, struct err *e)
{
	struct hash *h;
	int rc = must_be_ready(e);

	if (rc < 0)
		return rc;
	h = sys_alloc(sizeof(*h));
	if (h == NULL)
		return no_memory(e);
	h->ctx = EVP_MD_CTX_new();
	if (h->ctx == NULL || EVP_DigestInit_ex2(h->ctx, digests[alg], NULL) != 1) {
		hash_free(h);
		return no_memory(e);
	}
	*out = h;
	return 0;
}

int
hash_update(struct hash *h, const void *p, size_t n, struct err *e)
{
	return EVP_DigestUpdate(h->ctx, p, n) == 1 ? 0 : broken(e, "hash");
}

int
hash_final(struct hash *h, uint8_t out[HASH_MAX], struct err *e)
{
	return EVP_DigestFinal_ex(h->ctx, out, NULL) == 1 ? 0 : broken(e, "hash");
}

void
hash_free(struct hash *h)
{
	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->ctx);
	sys_free(h);
}

int
hash_once(enum hash_alg alg, struct span data, uint8_t out[HASH_MAX], struct err *e)
{
	int rc = must_be_ready(e);

	if (rc < 0)
		return rc;
	if (EVP_Digest(data.p, data.len, out, NULL, digests[alg], NULL) != 1)
		return broken(e, "hash");
	return 0;
}

int
hmac_new(struct span key, struct hmac **out, struct err *e)
{
	char digest[] = "SHA2-256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	struct hmac *h;
	int rc = must_be_ready(e);

	if (rc < 0)
		return rc;
	h = sys_alloc(sizeof(*h));
	if (h == NULL)
		return no_memory(e);
	h->ctx = EVP_MAC_CTX_new(hmac_mac);
	/* A NULL key would mean "the same key again". */
	if (h->ctx == NULL || EVP_MAC_init(h->ctx,
	    key.len > 0 ? key.p : (const uint8_t *)"", key.len, params) != 1) {
		hmac_free(h);
		return no_memory(e);
	}
	*out = h;
	return 0;
}

int
hmac_update(struct hmac *h, const void *p, size_t n, struct err *e)
{
	return EVP_MAC_update(h->ctx, p, n) == 1 ? 0 : broken(e, "HMAC");
}

int
hmac_final(struct hmac *h, uint8_t out[32], struct err *e)
{
	size_t n = 0;

	if (EVP_MAC_final(h->ctx, out, &n, 32) != 1 || n != 32)
		return broken(e, "HMAC");
	return 0;
}

void
hmac_free(struct hmac *h)
{
	if (h == NULL)
		return;
	EVP_MAC_CTX_free(h->ctx);
	sys_free(h);
}

int
ctr_new(struct span key, struct span counter, struct ctr **out, struct err *e)
{
	struct ctr *c;
	int rc = must_be_ready(e);

	if (rc < 0)
		return rc;
	if (key.len != KEY || counter.len != CTR_BLOCK)
		return err_set(e, ERR_BUG, "crypto: length of key or counter");
	c = sys_alloc(sizeof(*c));
	if (c == NULL)
		return no_memory(e);
	c->ctx = EVP_CIPHER_CTX_new();
	if (c->ctx == NULL ||
	    EVP_EncryptInit_ex2(c->ctx, ctr_cipher, key.p, counter.p, NULL) != 1) {
		ctr_free(c);
		return no_memory(e);
	}
	*out = c;
	return 0;
}

/* EVP counts in int: a large piece is done in steps. */
static bool
cipher_update(EVP_CIPHER_CTX *ctx, const uint8_t *in, uint8_t *out, size_t n)
{
	while (n > 0) {
		int step = (int)MIN(n, (size_t)1 << 30), done;

		if (EVP_CipherUpdate(ctx, out, &done, in, step) != 1 || done != step)
			return false;
		in += step;
		out += step;
		n -= (size_t)step;
	}
	return true;
}

int
ctr_update(struct ctr *c, const void *in, void *out, size_t n, struct err *e)
{
	return cipher_update(c->ctx, in, out, n) ? 0 : broken(e, "AES-CTR");
}

void
ctr_free(struct ctr *c)
{
	if (c == NULL)
		return;
	EVP_CIPHER_CTX_free(c->ctx);
	sys_free(c);
}

/* All of GCM but the check of the tag, which EVP does or makes in tag. */
static bool
gcm_run(bool seal, struct span key, struct span iv, struct span in, uint8_t *out,
    uint8_t tag[GCM_TAG])
{
	cleanup(cipher_ctx_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nothing[GCM_TAG];
	int n = 0;

	if (ctx == NULL ||
	    EVP_CipherInit_ex2(ctx, gcm_cipher, key.p, iv.p, seal ? 1 : 0, NULL) != 1 ||
	    !cipher_update(ctx, in.p, out, in.len))
		return false;
	if (!seal && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, tag) != 1)
		return false;
	if (EVP_CipherFinal_ex(ctx, nothing, &n) != 1)
		return false;
	return !seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, tag) == 1;
}

/* Room for n more bytes: where they go, NULL when there are none. */
static int
add_room(struct buf *out, size_t n, uint8_t **to, struct err *e)
{
	int rc = buf_reserve(out, n, e);

	*to = rc == 0 && n > 0 ? out->data + out->len : NULL;
	return rc;
}

int
gcm_seal(struct span key, struct span iv, struct span plain, struct buf *out, struct err *e)
{
	uint8_t tag[GCM_TAG], *to;
	size_t total;
	int rc = must_be_ready(e);

	if (rc < 0)
		return rc;
	if (key.len != KEY || iv.len != GCM_IV ||
	    __builtin_add_overflow(plain.len, GCM_TAG, &total))
		return err_set(e, ERR_BUG, "crypto: length of key, iv or text");
	if ((rc = add_room(out, total, &to, e)) < 0)
		return rc;
	if (!gcm_run(true, key, iv, plain, to, tag)) {
		secret_wipe(to, total);
		return broken(e, "AES-GCM");
	}
	out->len += plain.len;
	return buf_add(out, tag, sizeof(tag), e);
}

int
gcm_open(struct span key, struct span iv, struct span sealed, struct buf *out, struct err *e)
{
	uint8_t tag[GCM_TAG], *to;
	struct span in;
	int rc = must_be_ready(e);

	if (rc < 0)
		return rc;
	if (key.len != KEY || iv.len != GCM_IV || sealed.len < GCM_TAG)
		return err_set(e, ERR_DECRYPT, "decryption failed");
	in = (struct span){ sealed.p, sealed.len - GCM_TAG };
	memcpy(tag, sealed.p + in.len, GCM_TAG);
	if ((rc = add_room(out, in.len, &to, e)) < 0)
		return rc;
	if (!gcm_run(false, key, iv, in, to, tag)) {
		if (to != NULL)	/* not authentic: nobody may see it */
			secret_wipe(to, in.len);
		return err_set(e, ERR_DECRYPT, "decryption failed");
	}
	out->len += in.len;
	return 0;
}

bool
crypto_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.p, b.p, a.len) == 0);
}

int
crypto_random(void *out, size_t n, struct err *e)
{
	return sys_random(out, n) == 0 ? 0 : err_sys(e, "random");
}
