/*
 * jwe.h: JSON Web Encryption (RFC 7516) as ocicrypt uses it: a layer key for one or several recipients with RSA or
 * EC keys. Sources: RFC 7516, RFC 7518, what skopeo writes (tests/vectors/image/ocicrypt).
 */
#ifndef KEYPROVIDER_JWE_H
#define KEYPROVIDER_JWE_H

#include "keyprovider/keyfile.h"

#define JWE_RECIPIENTS	16

/*
 * text: any of the three serialisations. The first recipient that one of the keys opens counts. -ERR_PARSE, -ERR_LIMIT;
 * -ERR_UNSUPPORTED names an algorithm, or a header that asks for more than is known here; -ERR_CONFIG: no private
 * key was given; -ERR_DECRYPT, always the same, when none of them opens it. out is secret.
 */
int jwe_unwrap(struct span text, const struct keyset *, struct buf *out, struct err *) must_check;

#endif
