/*
 * jwk.h: a key as JSON Web Key (RFC 7517, 7518 section 6): kty RSA or EC.
 */
#ifndef KEYPROVIDER_JWK_H
#define KEYPROVIDER_JWK_H

#include "keyprovider/pkey.h"

/* text in secret memory. -ERR_PARSE (also for a public key), -ERR_UNSUPPORTED for other kinds and curves. */
int jwk_parse(struct span text, struct pkey *out, struct err *) must_check;

/* A public key; -ERR_PARSE for a private one, which does not belong where recipients are named. */
int jwk_parse_public(struct span text, struct pkey *out, struct err *) must_check;

#endif
