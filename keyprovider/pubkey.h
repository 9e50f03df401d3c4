/*
 * pubkey.h: keys of recipients: what layer keys are wrapped for. The files that hold them, and the two
 * operations that wrap.
 */
#ifndef KEYPROVIDER_PUBKEY_H
#define KEYPROVIDER_PUBKEY_H

#include "keyprovider/pkey.h"

#define PUBKEY_MAX_FILE		((size_t)64 << 10)
#define PUBKEY_MIN_RSA		2048	/* bits */

/*
 * PEM or DER of a SubjectPublicKeyInfo, an RSAPublicKey or a certificate, or a JWK; of several in one PEM file the first. A
 * private key is refused, and the message says how to make the public one of it. -ERR_PARSE; -ERR_UNSUPPORTED for
 * other kinds, curves and short keys. Whom a certificate is from, and until when it holds, is not asked.
 */
int pubkey_parse(struct span text, struct pkey *out, struct err *) must_check;

/* RSA-OAEP with SHA-1, which every reader knows, and whose weakness does not matter there. Appends. */
int pubkey_rsa_oaep(const struct pkey *, struct span key, struct buf *wrapped, struct err *) must_check;

/*
 * A fresh key on the same curve: appends its public point (each coordinate of the curve's size) and the secret shared
 * with the recipient; the private half is gone afterwards.
 */
int pubkey_ecdh(const struct pkey *, struct buf *x, struct buf *y, struct buf *shared, struct err *) must_check;

#endif
