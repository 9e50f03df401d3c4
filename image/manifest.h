/*
 * manifest.h: index, manifest and image configuration, as borrowed views of
 * their JSON. Strict: digests, sizes, media types, counts; a document that could be
 * read as both index and manifest is refused (CVE-2021-41190).
 * Sources: OCI image-spec (manifest.md, image-index.md, config.md), docker schema 2.
 * manifest.c, index.c, config.c, platform.c
 */
#ifndef IMAGE_MANIFEST_H
#define IMAGE_MANIFEST_H

#include "image/digest.h"
#include "lib/json.h"
#include "lib/limits.h"

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

struct platform {
	char	os[32], architecture[32], variant[16];	/* Go names; "" = not said */
};
/* Of the machine this runs on ("linux", "amd64", ""). */
void platform_host(struct platform *);
/* "linux/amd64" or "linux/arm/v7". -ERR_PARSE. */
int platform_parse(struct span, struct platform *out, struct err *) must_check;
/* From the members os, architecture (both must be there) and variant. -ERR_PARSE, -ERR_LIMIT. */
int platform_from_json(struct json_val, const char *what, struct platform *out,
    struct err *) must_check;
/* How well an offer serves the wish: 0 best, rising; -1 not at all. */
int platform_rank(const struct platform *offer, const struct platform *want);
#define PLATFORM_TEXT	80
void platform_format(const struct platform *, char out[PLATFORM_TEXT]);

struct descriptor {
	char		media_type[128];
	struct digest	digest;
	uint64_t	size;
	struct json_val	annotations;	/* absent or an object of strings */
};

/* what names it in the message. -ERR_PARSE, -ERR_LIMIT. */
int descriptor_parse(struct json_val, const char *what, struct descriptor *out,
    struct err *) must_check;

struct layer {
	struct descriptor	desc;
	enum compression	compression;	/* of the plain blob, by media type */
	bool			encrypted;	/* "+encrypted" */
	bool			foreign;	/* nondistributable, docker foreign */
};

enum document_kind { DOCUMENT_MANIFEST, DOCUMENT_INDEX };

/*
 * Decides what the bytes are: by mediaType, Content-Type ("" if unknown) and shape; they must
 * agree (media type parameters after ";" are ignored). Schema 1 is named in the error.
 * -ERR_IMAGE.
 */
int document_kind(const struct json *, const char *content_type, enum document_kind *out,
    struct err *) must_check;

struct manifest {
	struct json		*doc;		/* owned; views point into it and into the text */
	struct descriptor	 config;
	struct layer		*layers;	/* owned array */
	size_t			 nlayers;	/* 0..LIMIT_LAYERS */
};
/*
 * text must outlive it. -ERR_IMAGE, -ERR_LIMIT, -ERR_UNSUPPORTED (unknown layer type, nydus …
 * by name).
 */
int manifest_parse(struct span text, const char *content_type, struct manifest *out,
    struct err *) must_check;
void manifest_fini(struct manifest *);
/* Value of a layer annotation, decoded and appended; -ERR_NOTFOUND when absent. */
int manifest_annotation(const struct layer *, const char *key, struct buf *out,
    struct err *) must_check;

/*
 * Picks the entry for the platform (image.md 1.4: attestation entries skipped, variants
 * by table, file order among equals). *nested tells that it is an index again.
 * -ERR_IMAGE lists what is offered, -ERR_LIMIT.
 */
int index_select(struct span text, const char *content_type, const struct platform *want,
    struct descriptor *out, bool *nested, struct err *) must_check;

/* A configuration of an image, or -ERR_IMAGE "not a container image". */
int image_config_type(const char *media_type, struct err *) must_check;

struct image_config {
	struct json	*doc;		/* owned */
	struct platform	 platform;
	struct digest	*diff_ids;	/* owned array, as many as the manifest has layers */
	size_t		 ndiff_ids;
	struct json_val	 config;	/* the member "config" (Env, …); may be absent */
};
/*
 * media_type: of the manifest's config descriptor, as image_config_type() wants it. os must be
 * linux; checks os/architecture against want and the number of diff_ids. text must outlive it.
 * -ERR_IMAGE, -ERR_LIMIT.
 */
int image_config_parse(struct span text, const char *media_type, const struct platform *want,
    size_t nlayers, struct image_config *out, struct err *) must_check;
void image_config_fini(struct image_config *);

#endif
