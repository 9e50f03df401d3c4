/*
 * pkcs7.h: PKCS #7 EnvelopedData (RFC 2315 section 10) as ocicrypt uses it: a layer key for one or several
 * recipients with RSA keys, named by their certificates, content in AES-GCM. Not what the standards say of
 * AES-GCM, and not readable by others; source: what skopeo writes (tests/vectors/image/ocicrypt/images/pkcs7).
 */
#ifndef KEYPROVIDER_PKCS7_H
#define KEYPROVIDER_PKCS7_H

#include "keyprovider/keyfile.h"

#define PKCS7_RECIPIENTS	16

/*
 * A recipient is tried if one of the certificates names it. -ERR_PARSE, -ERR_LIMIT; -ERR_UNSUPPORTED for other
 * algorithms; -ERR_CONFIG when no RSA key or no certificate was given; -ERR_DECRYPT, always the same, when nothing
 * opens it. out is secret.
 */
int pkcs7_unwrap(struct span text, const struct keyset *, struct buf *out, struct err *) must_check;

#endif
