/*
 * registry.h: the distribution protocol as pure functions: what to ask next, what
 * an answer means. No socket, no clock: agent/net.c drives it. Heads of answers are in
 * httphead.h, challenges in challenge.h, stored credentials in auth.h.
 * Source: OCI distribution-spec.
 */
#ifndef IMAGE_REGISTRY_H
#define IMAGE_REGISTRY_H

#include "image/auth.h"
#include "image/challenge.h"
#include "image/httphead.h"
#include "image/reference.h"

#define REGISTRY_ACCEPT \
	"application/vnd.oci.image.manifest.v1+json, " \
	"application/vnd.oci.image.index.v1+json, " \
	"application/vnd.docker.distribution.manifest.v2+json, " \
	"application/vnd.docker.distribution.manifest.list.v2+json"

/*
 * "http[s]://host/v2/path/manifests/wanted", "…/blobs/digest", appended. wanted is a
 * tag or the text of a digest. -ERR_LIMIT, -ERR_PARSE (wanted is neither, or ref is
 * not of a registry).
 */
int registry_manifest_url(const struct image_ref *, const char *wanted, bool plain_http,
    struct buf *out, struct err *) must_check;
int registry_blob_url(const struct image_ref *, const struct digest *, bool plain_http,
    struct buf *out, struct err *) must_check;

/* "…/referrers/digest": an index of what refers to that manifest. */
int registry_referrers_url(const struct image_ref *, const struct digest *, bool plain_http,
    struct buf *out, struct err *) must_check;

/* "…/blobs/uploads/": where an upload begins. */
int registry_upload_url(const struct image_ref *, bool plain_http, struct buf *out, struct err *) must_check;
/* Where an upload ends: its location (without a fragment), whose query stays, with the blob's digest behind it. */
int registry_close_url(const char *location, const struct digest *, struct buf *out, struct err *) must_check;

/*
 * Status and (bounded) body of a failed request as an error: registry code and message,
 * escaped: 404 → -ERR_IMAGE_NOTFOUND, 401/403 → -ERR_AUTH, others -ERR_REGISTRY. url
 * without credentials; its query is not shown.
 */
int registry_error(unsigned status, struct span body, const char *url, struct err *);

#endif
