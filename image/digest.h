/*
 * digest.h: "sha256:" + 64 or "sha512:" + 128 lower-case hex digits. Nothing else
 * becomes a struct digest, so its text may be used in a path or a URL.
 */
#ifndef IMAGE_DIGEST_H
#define IMAGE_DIGEST_H

#include "lib/crypto.h"

struct digest {
	enum hash_alg	alg;			/* HASH_SHA256 or HASH_SHA512 */
	uint8_t		value[HASH_MAX];	/* hash_size(alg) bytes */
	char		text[8 + 2 * HASH_MAX];	/* "sha256:…", NUL-ended */
};

/* -ERR_PARSE; the message shows the text escaped and cut. */
int digest_parse(struct span text, struct digest *out, struct err *) must_check;
void digest_set(struct digest *, enum hash_alg, const uint8_t *value);
bool digest_equal(const struct digest *, const struct digest *);	/* same algorithm and value */
int digest_of(enum hash_alg, struct span data, struct digest *out, struct err *) must_check;
/* -ERR_DIGEST "what: expected …, got …" */
int digest_check(const struct digest *expected, struct span data, const char *what, struct err *) must_check;

#endif
