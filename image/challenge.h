/*
 * challenge.h: WWW-Authenticate: which challenge to answer, where to fetch a
 * token and what comes back. Source: RFC 9110 section 11, docker token specification.
 */
#ifndef IMAGE_CHALLENGE_H
#define IMAGE_CHALLENGE_H

#include "image/reference.h"
#include "lib/json.h"

struct challenge {
	enum { CHALLENGE_BASIC, CHALLENGE_BEARER } scheme;
	char	realm[1024], service[256], scope[512], error[64];
};

/*
 * Picks the challenge to answer: Bearer before Basic, the first of its kind; several in a
 * line, any letter case, quoted strings. *found = false when no known scheme is there.
 * -ERR_REGISTRY when malformed.
 */
int challenge_pick(struct span lines, struct challenge *out, bool *found, struct err *) must_check;

/*
 * "realm?service=…&scope=…" URL-encoded. Unless plain_http the realm must be https and must not
 * name this machine or its link (loopback and link-local addresses) except as the registry's own
 * host; never a user part. -ERR_AUTH.
 */
int challenge_token_url(const struct challenge *, const struct image_ref *, bool plain_http,
    struct buf *out, struct err *) must_check;

/* token (or else access_token) of the answer, appended to a secret buffer. -ERR_AUTH. */
int challenge_token_parse(struct span body, struct buf *token, struct err *) must_check;

#endif
