/*
 * jwe_wrap.h: JSON Web Encryption (RFC 7516) of a layer's key for RSA and EC keys, as skopeo writes it: RSA-OAEP or
 * ECDH-ES+A256KW, content in A256GCM; flattened for one recipient, general for several.
 */
#ifndef KEYPROVIDER_JWE_WRAP_H
#define KEYPROVIDER_JWE_WRAP_H

#include "keyprovider/jwe.h"
#include "keyprovider/pubkey.h"

/* keys: 1 to JWE_RECIPIENTS public keys. Appends the JSON text; plain is not empty. */
int jwe_wrap(const struct pkey *keys, size_t n, struct span plain, struct buf *out, struct err *) must_check;

#endif
