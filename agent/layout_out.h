/*
 * layout_out.h: writing an image into an OCI layout: a new one, or one that is there and keeps its other images.
 * Everything is made in a staging directory; nothing of an unfinished image is ever named.
 */
#ifndef AGENT_LAYOUT_OUT_H
#define AGENT_LAYOUT_OUT_H

#include "agent/staging.h"
#include "image/digest.h"

struct layout_out {
	const char	*dir, *tag;	/* borrowed; tag may be "" */
	struct staging	 staging;
	int		 blobs;		/* blobs/sha256 in it */
};

int layout_out_open(const char *dir, const char *tag, struct layout_out *out, struct err *) must_check;
/* Frees what was not committed. */
void layout_out_close(struct layout_out *);

/* Bytes as a blob. */
int layout_out_add(struct layout_out *, struct span data, struct digest *, struct err *) must_check;
/* A blob whose digest will be known later: a descriptor to write to, then its name. One at a time. */
int layout_out_begin(struct layout_out *, int *fd, struct err *) must_check;
int layout_out_end(struct layout_out *, const struct digest *, struct err *) must_check;

/* The index of a new layout, beside the blobs, for who takes the whole staging directory elsewhere. */
int layout_out_seal(struct layout_out *, const struct digest *manifest, size_t size, struct err *) must_check;

/* Names the image: its manifest is there as a blob of so many bytes. A tag that is there is moved. */
int layout_out_commit(struct layout_out *, const struct digest *manifest, size_t size, struct err *) must_check;

#endif
