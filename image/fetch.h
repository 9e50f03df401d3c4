/*
 * fetch.h: from an image's name to the manifest of one platform and to its configuration, each checked against
 * what named it. Pure: what touches the world is in struct fetch_env.
 */
#ifndef IMAGE_FETCH_H
#define IMAGE_FETCH_H

#include "image/manifest.h"
#include "image/reference.h"

/* A document as it arrived. body.max is its limit, set by whoever asks. */
struct document {
	struct buf	body;
	char		content_type[128];	/* "" when not known */
	char		content_digest[140];	/* Docker-Content-Digest; "" when not sent */
};

struct fetch_env {
	/* A manifest or index by tag or digest text. */
	int	(*manifest)(void *, const struct image_ref *, const char *wanted, struct document *out, struct err *);
	/* A small blob; nothing of it has been checked. */
	int	(*blob)(void *, const struct image_ref *, const struct digest *, struct document *out, struct err *);
	void	*arg;
};

/*
 * One manifest or index: what the reference names, or wanted if that is not NULL. Its digest is right where one was
 * asked for or sent, and known in any case. -ERR_DIGEST and what the environment says.
 */
int fetch_manifest(const struct fetch_env *, const struct image_ref *, const struct digest *wanted,
    struct document *, struct digest *, struct err *) must_check;
/* A manifest; of an index the entry of the platform, whose size and digest are checked. index: text "" when none. */
int fetch_image(const struct fetch_env *, const struct image_ref *, const struct platform *, struct document *,
    struct digest *manifest, struct digest *index, struct err *) must_check;
/* A configuration: at most LIMIT_CONFIG bytes, size and digest as the manifest says. */
int fetch_config(const struct fetch_env *, const struct image_ref *, const struct descriptor *, struct document *,
    struct err *) must_check;

#endif
