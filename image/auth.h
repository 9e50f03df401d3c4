/*
 * auth.h: credentials for a registry out of an auth file
 * (containers-auth.json(5), docker's config.json and .dockercfg).
 */
#ifndef IMAGE_AUTH_H
#define IMAGE_AUTH_H

#include "image/reference.h"
#include "lib/json.h"

/* What an entry holds; of several the one that says most. */
enum auth_kind {
	AUTH_PASSWORD,		/* "user:password" */
	AUTH_IDENTITY,		/* identitytoken: bought for a token at the realm */
	AUTH_BEARER,		/* registrytoken: shown to the registry as it is */
};

/*
 * Credentials for a reference, appended to a secret buffer. -ERR_NOTFOUND when the file has none for it (an
 * empty entry is none: docker writes those where a helper has them); -ERR_CONFIG when the file or the
 * entry is bad.
 */
int auth_lookup(struct span file, const struct image_ref *, enum auth_kind *, struct buf *secret,
    struct err *) must_check;

#endif
