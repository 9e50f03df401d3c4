/*
 * keyfile.h: files that the operator names for decryption: a private key (PEM or DER; PKCS#8, also encrypted,
 * PKCS#1, SEC1; JWK), a certificate (PEM or DER) that says which PKCS#7 recipient one of the keys is, or both in
 * one PEM file.
 */
#ifndef KEYPROVIDER_KEYFILE_H
#define KEYPROVIDER_KEYFILE_H

#include "keyprovider/pkey.h"
#include "lib/limits.h"

#define KEYFILE_MAX_NAME	1024	/* issuer and serial number of a certificate */

struct keyfile {
	struct pkey	key;		/* evp NULL: the file holds none */
	struct buf	cert_id;	/* issuer and serial number as they stand in the certificate; or empty */
};

/*
 * text in secret memory; password empty: none was given. -ERR_PARSE, -ERR_UNSUPPORTED by name; -ERR_CONFIG when
 * the password is missing or wrong. *out comes zeroed.
 */
int keyfile_parse(struct span text, struct span password, struct keyfile *out, struct err *) must_check;
void keyfile_fini(struct keyfile *);

/* All files of one command. */
struct keyset {
	struct keyfile	file[LIMIT_KEY_FILES];
	size_t		n;
};
void keyset_fini(struct keyset *);

#endif
