/* cek.c: see cek.h; over OpenSSL's EVP interface. */
#include "lib/base.h"
#include "keyprovider/cek.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

enum { IV = 12, TAG = 16, WRAP_BLOCK = 8, WRAP_MAX = 64, DERIVED_MAX = 32 };

static const char provider[] = "provider=default";

static int
failed(struct err *e)
{
	ERR_clear_error();
	return err_set(e, ERR_DECRYPT, "decryption failed");
}

static int
no_memory(struct err *e)
{
	ERR_clear_error();
	return err_set(e, ERR_NOMEM, "crypto: out of memory");
}

int
cek_derive(struct span shared, struct span other_info, size_t size, struct buf *key, struct err *e)
{
	char digest[] = "SHA2-256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)shared.p, shared.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)other_info.p,
		    other_info.len),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF_CTX *ctx;
	EVP_KDF *kdf;
	bool good;
	int rc;

	if (size > DERIVED_MAX)
		return err_set(e, ERR_BUG, "crypto: more than one round of key derivation");
	rc = buf_reserve(key, size, e);
	if (rc < 0)
		return rc;
	kdf = EVP_KDF_fetch(NULL, "SSKDF", provider);
	ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	good = ctx != NULL && EVP_KDF_derive(ctx, key->data + key->len, size, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	if (!good)
		return no_memory(e);
	key->len += size;
	return 0;
}

/* A cipher by its size of key, with a new context. */
struct cipher {
	EVP_CIPHER	*alg;
	EVP_CIPHER_CTX	*ctx;
};

static void
cipher_fini(struct cipher *c)
{
	EVP_CIPHER_CTX_free(c->ctx);
	EVP_CIPHER_free(c->alg);
}

static int
cipher_new(size_t key_size, const char *mode, struct cipher *out, struct err *e)
{
	char name[32];

	if (key_size != 16 && key_size != 24 && key_size != 32)
		return err_set(e, ERR_BUG, "crypto: length of key");
	snprintf(name, sizeof(name), "AES-%zu-%s", 8 * key_size, mode);
	out->alg = EVP_CIPHER_fetch(NULL, name, provider);
	out->ctx = EVP_CIPHER_CTX_new();
	return out->alg == NULL || out->ctx == NULL ? no_memory(e) : 0;
}

int
cek_unwrap(struct span kek, struct span wrapped, struct buf *key, struct err *e)
{
	cleanup(cipher_fini) struct cipher c = { 0 };
	int rc, n = 0;

	if (wrapped.len < (size_t)3 * WRAP_BLOCK || wrapped.len % WRAP_BLOCK != 0 || wrapped.len > INT_MAX)
		return failed(e);
	rc = cipher_new(kek.len, "WRAP", &c, e);
	if (rc == 0)
		rc = buf_reserve(key, wrapped.len, e);
	if (rc < 0)
		return rc;
	EVP_CIPHER_CTX_set_flags(c.ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_DecryptInit_ex2(c.ctx, c.alg, kek.p, NULL, NULL) != 1)
		return no_memory(e);
	if (EVP_DecryptUpdate(c.ctx, key->data + key->len, &n, wrapped.p, (int)wrapped.len) != 1 ||
	    (size_t)n != wrapped.len - WRAP_BLOCK)
		return failed(e);
	key->len += (size_t)n;
	return 0;
}

int
cek_open(struct span key, struct span iv, struct span aad, struct span sealed, struct span tag,
    struct buf *out, struct err *e)
{
	autobuf plain = BUF_SECRET(out->max);
	cleanup(cipher_fini) struct cipher c = { 0 };
	uint8_t end[TAG];
	int rc, n = 0, last = 0;

	if (!out->secret)
		return err_set(e, ERR_BUG, "crypto: a secret must go to secret memory");
	if (iv.len != IV || tag.len != TAG || aad.len > INT_MAX || sealed.len > INT_MAX)
		return failed(e);
	rc = cipher_new(key.len, "GCM", &c, e);
	if (rc == 0)
		rc = buf_reserve(&plain, sealed.len, e);
	if (rc < 0)
		return rc;
	if (EVP_DecryptInit_ex2(c.ctx, c.alg, key.p, iv.p, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c.ctx, EVP_CTRL_AEAD_SET_TAG, TAG, (void *)(uintptr_t)tag.p) != 1)
		return no_memory(e);
	if ((aad.len > 0 && EVP_DecryptUpdate(c.ctx, NULL, &n, aad.p, (int)aad.len) != 1) ||
	    (sealed.len > 0 && EVP_DecryptUpdate(c.ctx, plain.data, &n, sealed.p, (int)sealed.len) != 1) ||
	    EVP_DecryptFinal_ex(c.ctx, end, &last) != 1)
		return failed(e);
	plain.len = sealed.len;
	return buf_add_span(out, buf_span(&plain), e);
}

int
cek_wrap(struct span kek, struct span key, struct buf *wrapped, struct err *e)
{
	cleanup(cipher_fini) struct cipher c = { 0 };
	int rc, n = 0;

	if (key.len < (size_t)2 * WRAP_BLOCK || key.len % WRAP_BLOCK != 0 || key.len > WRAP_MAX)
		return err_set(e, ERR_BUG, "crypto: length of a key to wrap");
	rc = cipher_new(kek.len, "WRAP", &c, e);
	if (rc == 0)
		rc = buf_reserve(wrapped, key.len + (size_t)2 * WRAP_BLOCK, e);
	if (rc < 0)
		return rc;
	EVP_CIPHER_CTX_set_flags(c.ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_EncryptInit_ex2(c.ctx, c.alg, kek.p, NULL, NULL) != 1 ||
	    EVP_EncryptUpdate(c.ctx, wrapped->data + wrapped->len, &n, key.p, (int)key.len) != 1 ||
	    (size_t)n != key.len + WRAP_BLOCK)
		return no_memory(e);
	wrapped->len += (size_t)n;
	return 0;
}

int
cek_seal(struct span key, struct span iv, struct span aad, struct span plain, struct buf *sealed, struct buf *tag,
    struct err *e)
{
	cleanup(cipher_fini) struct cipher c = { 0 };
	uint8_t end[TAG], made[TAG];
	int rc, n = 0, last = 0;

	if (iv.len != IV || plain.len == 0 || aad.len > INT_MAX || plain.len > INT_MAX)
		return err_set(e, ERR_BUG, "crypto: length of iv or text");
	rc = cipher_new(key.len, "GCM", &c, e);
	if (rc == 0)
		rc = buf_reserve(sealed, plain.len, e);
	if (rc == 0)
		rc = buf_reserve(tag, TAG, e);
	if (rc < 0)
		return rc;
	if (EVP_EncryptInit_ex2(c.ctx, c.alg, key.p, iv.p, NULL) != 1 ||
	    (aad.len > 0 && EVP_EncryptUpdate(c.ctx, NULL, &n, aad.p, (int)aad.len) != 1) ||
	    EVP_EncryptUpdate(c.ctx, sealed->data + sealed->len, &n, plain.p, (int)plain.len) != 1 ||
	    EVP_EncryptFinal_ex(c.ctx, end, &last) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c.ctx, EVP_CTRL_AEAD_GET_TAG, TAG, made) != 1)
		return no_memory(e);
	sealed->len += plain.len;
	return buf_add(tag, made, TAG, e);
}
