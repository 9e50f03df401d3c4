/*
 * layout.h: an OCI image layout (image-spec image-layout.md) in a directory: index.json and
 * blobs by digest. Pure; the caller opens the files.
 */
#ifndef IMAGE_LAYOUT_H
#define IMAGE_LAYOUT_H

#include "image/manifest.h"
#include "image/reference.h"

/*
 * The entry of index.json whose annotation org.opencontainers.image.ref.name is tag; with an empty tag
 * the only entry; with "@N" entry N, from 0. -ERR_IMAGE_NOTFOUND, -ERR_IMAGE.
 */
int layout_find(struct span index, const char *tag, struct descriptor *out, struct err *) must_check;

/* "blobs/sha256/…". out >= 160. */
void layout_blob_path(const struct digest *, char *out, size_t size);

#endif
