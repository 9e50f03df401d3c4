/*
 * auth.h: credentials for a registry out of an auth file
 * (containers-auth.json(5), docker's config.json and .dockercfg).
 */
#ifndef IMAGE_AUTH_H
#define IMAGE_AUTH_H

#include "image/reference.h"
#include "lib/json.h"

/*
 * Credentials for a reference: "user:password", appended to a secret buffer.
 * -ERR_NOTFOUND when the file has none for it (an empty entry is none: docker writes those
 * where a helper has them); -ERR_UNSUPPORTED for an identitytoken, since going on without it
 * would be anonymous; -ERR_CONFIG when the file or the entry is bad.
 */
int auth_lookup(struct span file, const struct image_ref *, struct buf *userpass,
    struct err *) must_check;

#endif
