/*
 * docker_archive.h: what docker save writes: manifest.json names the images in the archive, and of each its
 * configuration and layers by file name. A registry's manifest is made from it, since nobody else has one. Pure.
 */
#ifndef IMAGE_DOCKER_ARCHIVE_H
#define IMAGE_DOCKER_ARCHIVE_H

#include "image/manifest.h"
#include "image/reference.h"

#define DOCKER_ARCHIVE_NAME	256	/* of a file, with its NUL */

struct docker_archive {
	struct json	*doc;		/* owned */
	char		 config[DOCKER_ARCHIVE_NAME];
	struct json_val	 layers;	/* file names, bottom first */
	size_t		 nlayers;	/* 0..LIMIT_LAYERS */
};

/*
 * The image that want names: by its RepoTags, both sides in full form; "@N": number N; without a name the only one.
 * text must outlive it. -ERR_IMAGE (lists what there is), -ERR_IMAGE_NOTFOUND, -ERR_LIMIT.
 */
int docker_archive_choose(struct span text, const struct image_ref *want, struct docker_archive *out,
    struct err *) must_check;
void docker_archive_fini(struct docker_archive *);
/* File name of a layer. -ERR_IMAGE. */
int docker_archive_layer(const struct docker_archive *, size_t, char out[DOCKER_ARCHIVE_NAME],
    struct err *) must_check;

/* rootfs.diff_ids of a configuration, which must be so many. -ERR_IMAGE. */
int docker_archive_diff_ids(struct span config, size_t n, struct digest *out, struct err *) must_check;

/* A manifest (docker schema 2). Only digest, size and compression of the layers count. */
int docker_archive_manifest(const struct digest *config, size_t config_size, const struct layer *, size_t n,
    struct buf *out, struct err *) must_check;

#endif
