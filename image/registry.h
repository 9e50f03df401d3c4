/*
 * registry.h: the distribution protocol as pure functions: what to ask next, what an answer means.
 * No socket, no clock: agent/net.c drives it. Source: OCI distribution-spec, RFC 9110 (challenges).
 */
#ifndef IMAGE_REGISTRY_H
#define IMAGE_REGISTRY_H

#include "image/reference.h"
#include "lib/json.h"

#define REGISTRY_ACCEPT \
	"application/vnd.oci.image.manifest.v1+json, " \
	"application/vnd.oci.image.index.v1+json, " \
	"application/vnd.docker.distribution.manifest.v2+json, " \
	"application/vnd.docker.distribution.manifest.list.v2+json"

/* "http[s]://host/v2/path/manifests/wanted", "…/blobs/digest"; -ERR_LIMIT. */
int registry_manifest_url(const struct image_ref *, const char *wanted, bool plain_http, struct buf *out, struct err *) must_check;
int registry_blob_url(const struct image_ref *, const struct digest *, bool plain_http, struct buf *out, struct err *) must_check;

/* The answer's header lines that count; filled line by line as they arrive. */
struct http_head {
	unsigned	status;			/* of the last answer */
	char		content_type[128];	/* lower case, without parameters */
	char		content_digest[140];	/* Docker-Content-Digest as sent */
	char		content_encoding[32];
	char		location[2048];
	bool		has_length;
	uint64_t	content_length;
	struct buf	challenges;		/* WWW-Authenticate values, one a line */
	unsigned	nheaders;
	size_t		bytes;
};
void http_head_init(struct http_head *);
void http_head_fini(struct http_head *);
/* One line as received, with or without CRLF; a status line starts anew. -ERR_REGISTRY, -ERR_LIMIT. */
int http_head_line(struct http_head *, struct span line, struct err *) must_check;

/* One challenge of WWW-Authenticate values. */
struct challenge {
	enum { CHALLENGE_BASIC, CHALLENGE_BEARER } scheme;
	char	realm[1024], service[256], scope[512], error[64];
};
/*
 * Picks the challenge to answer: Bearer before Basic, the first of its kind; several in a line, any letter case, quoted
 * strings. *found = false when no known scheme is there. -ERR_REGISTRY when malformed.
 */
int challenge_pick(struct span lines, struct challenge *out, bool *found, struct err *) must_check;
/* "realm?service=…&scope=…" URL-encoded; the realm must be https unless plain_http; no user part; -ERR_AUTH. */
int challenge_token_url(const struct challenge *, const struct image_ref *, bool plain_http, struct buf *out, struct err *) must_check;
/* token or access_token of the answer, into a secret buffer. */
int challenge_token_parse(struct span body, struct buf *token, struct err *) must_check;

/*
 * Status and (bounded) body of a failed request as an error: registry code and message, escaped: 404 →
 * -ERR_IMAGE_NOTFOUND, 401/403 → -ERR_AUTH, others -ERR_REGISTRY. url without credentials.
 */
int registry_error(unsigned status, struct span body, const char *url, struct err *);

/*
 * Credentials for a reference from an auth file (containers-auth.json(5)): "user:password" into a secret
 * buffer. -ERR_NOTFOUND when the file has none for it; -ERR_CONFIG when the file is bad.
 */
int auth_lookup(struct span file, const struct image_ref *, struct buf *userpass, struct err *) must_check;

#endif
