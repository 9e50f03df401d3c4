/*
 * cosign.h: signatures as cosign keeps them beside an image: a second image, found by a tag that is made of the
 * signed digest, whose layers are payloads (simple_signing.h) with a signature each in an annotation. A public key
 * decides; certificates, chains and transparency log entries beside it are not looked at.
 * cosign_key.c, cosign.c
 */
#ifndef IMAGE_COSIGN_H
#define IMAGE_COSIGN_H

#include "image/manifest.h"

#define COSIGN_TAG	(sizeof("sha512-.sig") + 2 * (size_t)HASH_MAX)

struct cosign_key;	/* one public key */

/*
 * A public key in PEM (SubjectPublicKeyInfo), alone in its text: ECDSA over P-256, P-384 or P-521, RSA of 2048 to
 * 8192 bits, Ed25519. -ERR_PARSE, -ERR_UNSUPPORTED.
 */
int cosign_key_parse(struct span pem, struct cosign_key **out, struct err *) must_check;
void cosign_key_free(struct cosign_key *);
void cosign_key_freep(struct cosign_key **);

/*
 * Did this key sign these bytes? ECDSA and RSA (PKCS #1 1.5, or PSS) over SHA-256, Ed25519 over the bytes. signature:
 * base64, strict but for CR and LF. 0 yes; -ERR_POLICY no, -ERR_PARSE no base64.
 */
int cosign_verify(const struct cosign_key *, struct span payload, struct span signature, struct err *) must_check;

/* "sha256-….sig", where the signatures of that manifest or index are. */
void cosign_tag(const struct digest *signed_digest, char out[COSIGN_TAG]);
/* "sha256-…", where a registry without referrers keeps the list of what refers to it (OCI distribution-spec). */
void cosign_referrers_tag(const struct digest *signed_digest, char out[COSIGN_TAG]);

/* A signature image: as many signatures as it has layers, of which LIMIT_SIGNATURES are looked at. */
struct cosign_image {
	struct json	*doc;		/* owned; text must outlive it */
	struct json_val	 layers;
	size_t		 n;
};

/* -ERR_IMAGE: no manifest. */
int cosign_image_parse(struct span text, const char *content_type, struct cosign_image *out, struct err *) must_check;
void cosign_image_fini(struct cosign_image *);

/*
 * One of them: where its payload is, and its signature, appended as it stands. Failures concern this one alone:
 * -ERR_UNSUPPORTED: another kind of layer; -ERR_NOTFOUND: no signature; -ERR_LIMIT: payload or signature too long;
 * -ERR_PARSE.
 */
int cosign_image_signature(const struct cosign_image *, size_t number, struct descriptor *payload,
    struct buf *signature, struct err *) must_check;

/*
 * Bundles, which cosign 3 writes and which are not read here: does a list of referrers (an index) name one, is a manifest
 * one? The n-th manifest of such a list: false when there is none. cosign 2.6 lists its bundles under another type.
 */
bool cosign_lists_bundle(struct span index);
bool cosign_is_bundle(struct span manifest);
bool cosign_referrer(struct span index, size_t n, struct digest *out);

#endif
