/*
 * archived.h: an image in an archive: its manifest, and blobs by digest, of an image layout (oci-archive:) or of
 * what docker save writes (docker-archive:). Nothing is checked but lengths and forms: that is for who asks.
 */
#ifndef IMAGE_ARCHIVED_H
#define IMAGE_ARCHIVED_H

#include "image/digest.h"
#include "image/reference.h"
#include "image/tarball.h"

struct archived;

/* What is to be handed out: a member of the archive, or bytes that were made. */
struct archived_part {
	const struct member	*member;	/* NULL: bytes */
	struct span		 bytes;		/* borrowed from the archived image */
	char			 content_type[128];
	char			 digest[160];	/* of a manifest */
};

/* fd stays the caller's. The reference says which kind it is and which image of several. */
int archived_open(int fd, const struct image_ref *, struct archived **out, struct err *) must_check;
void archived_close(struct archived *);

/* The manifest (or index) of the image that the reference names. -ERR_IMAGE_NOTFOUND, … */
int archived_manifest(const struct archived *, struct archived_part *out, struct err *) must_check;
/* A blob or a manifest by its digest. -ERR_IMAGE_NOTFOUND. */
int archived_blob(const struct archived *, const struct digest *, struct archived_part *out,
    struct err *) must_check;

const struct tarball *archived_tarball(const struct archived *);	/* to read members from */

#endif
