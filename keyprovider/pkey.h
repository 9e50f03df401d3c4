/*
 * pkey.h: private keys and the three operations that unwrap with them. Who has the wrong key, or changed what was
 * wrapped, must not learn which: he gets random bytes in place of the key, as long as the real one, after the
 * same work. What they are used for then fails.
 */
#ifndef KEYPROVIDER_PKEY_H
#define KEYPROVIDER_PKEY_H

#include "lib/buf.h"

enum pkey_kind { PKEY_RSA, PKEY_P256, PKEY_P384, PKEY_P521 };
#define PKEY_MAX_CONTENT	64	/* bytes of a key that is wrapped */
#define PKEY_MAX_COORDINATE	66	/* P-521 */

struct pkey {
	enum pkey_kind		 kind;
	struct evp_pkey_st	*evp;	/* NULL: no key */
};

/*
 * From now on whatever OpenSSL frees is wiped first. For processes with private keys, before OpenSSL is used at
 * all: -ERR_BUG afterwards.
 */
int pkey_wipe_openssl(struct err *) must_check;

/* PKCS#8, PKCS#1 or SEC1; nothing behind it. -ERR_PARSE; -ERR_UNSUPPORTED for other kinds of keys and curves. */
int pkey_from_der(struct span der, struct pkey *out, struct err *) must_check;
/* EncryptedPrivateKeyInfo. -ERR_CONFIG: the password does not open it. */
int pkey_from_encrypted(struct span der, struct span password, struct pkey *out, struct err *) must_check;
void pkey_fini(struct pkey *);
/* Takes an OpenSSL key over, private or public, also if it fails. -ERR_UNSUPPORTED for other kinds and curves. */
int pkey_adopt(struct evp_pkey_st *, struct pkey *out, struct err *) must_check;

size_t pkey_coordinate_size(enum pkey_kind);	/* of an EC key */

/*
 * Append exactly size bytes to key, a secret buffer: the key that was wrapped, or random bytes. Not 0 only for
 * faults of this machine (and -ERR_BUG for another kind of key).
 */
int pkey_rsa_oaep(const struct pkey *, bool sha256, struct span wrapped, size_t size, struct buf *key,
    struct err *) must_check;
int pkey_rsa_v15(const struct pkey *, struct span wrapped, size_t size, struct buf *key, struct err *) must_check;

/*
 * The secret shared with the peer whose public point is x, y (each of the curve's coordinate size). -ERR_DECRYPT when
 * the point is not on the curve.
 */
int pkey_ecdh(const struct pkey *, struct span x, struct span y, struct buf *shared, struct err *) must_check;
/* The same with a public key of the same curve. */
int pkey_ecdh_peer(const struct pkey *, const struct pkey *peer, struct buf *shared, struct err *) must_check;

#endif
