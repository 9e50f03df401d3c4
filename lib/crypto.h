/*
 * crypto.h: the few operations cacao needs, over OpenSSL 3 EVP. Keys come in as
 * spans of secret memory; contexts are wiped when freed. crypto_init() fetches
 * every algorithm once, before a sandbox is entered: later calls open no file.
 */
#ifndef LIB_CRYPTO_H
#define LIB_CRYPTO_H

#include "lib/buf.h"

enum hash_alg { HASH_SHA256, HASH_SHA384, HASH_SHA512, HASH_SM3 };
#define HASH_MAX	64

int crypto_init(struct err *) must_check;	/* once a process, cheap the second time */

size_t hash_size(enum hash_alg);

struct hash;			/* running digest */
int hash_new(enum hash_alg, struct hash **out, struct err *) must_check;
int hash_update(struct hash *, const void *, size_t, struct err *) must_check;
int hash_final(struct hash *, uint8_t out[HASH_MAX], struct err *) must_check;
void hash_free(struct hash *);
int hash_once(enum hash_alg, struct span, uint8_t out[HASH_MAX], struct err *) must_check;

struct hmac;			/* HMAC-SHA-256 */
int hmac_new(struct span key, struct hmac **out, struct err *) must_check;
int hmac_update(struct hmac *, const void *, size_t, struct err *) must_check;
int hmac_final(struct hmac *, uint8_t out[32], struct err *) must_check;
void hmac_free(struct hmac *);

/* AES-256-CTR: key 32, counter block 16 bytes, all 128 bits count big endian. In place allowed. */
struct ctr;
int ctr_new(struct span key, struct span counter, struct ctr **out, struct err *) must_check;
int ctr_update(struct ctr *, const void *in, void *out, size_t, struct err *) must_check;
void ctr_free(struct ctr *);

/*
 * AES-256-GCM, key 32, iv 12, tag of 16 bytes behind the ciphertext. open gives
 * -ERR_DECRYPT without a reason for any failure and then leaves out as it was.
 */
int gcm_seal(struct span key, struct span iv, struct span plain, struct buf *out, struct err *) must_check;
int gcm_open(struct span key, struct span iv, struct span sealed, struct buf *out, struct err *) must_check;

/* Constant time for equal lengths. */
bool crypto_equal(struct span, struct span);

/* getrandom only; -ERR_SYS. */
int crypto_random(void *, size_t, struct err *) must_check;

#endif
