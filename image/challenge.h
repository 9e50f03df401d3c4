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

/*
 * The same place and question as a POST with an identity token: the realm appended to url, the
 * form to a secret buffer. Complaints as above.
 */
int challenge_token_form(const struct challenge *, const struct image_ref *, bool plain_http,
    struct span identity, struct buf *url, struct buf *form, struct err *) must_check;

/*
 * token (or else access_token) of the answer, appended to a secret buffer, and for how many seconds it
 * is good: at least TOKEN_MIN_S, which also stands for what is not said. -ERR_AUTH.
 */
#define TOKEN_MIN_S	60
#define TOKEN_MAX_S	86400
int challenge_token_parse(struct span body, struct buf *token, uint64_t *seconds, struct err *) must_check;

#endif
