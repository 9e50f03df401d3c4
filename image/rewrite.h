/*
 * rewrite.h: the manifest of an image some of whose layers were encrypted or decrypted. Pure: from one text to
 * another. What the manifest says besides stays as it is, to the byte.
 */
#ifndef IMAGE_REWRITE_H
#define IMAGE_REWRITE_H

#include "image/ocicrypt.h"

#define REWRITE_MANIFEST_TYPE	"application/vnd.oci.image.manifest.v1+json"

enum rewrite_how { REWRITE_KEEP, REWRITE_ENCRYPT, REWRITE_DECRYPT };

struct rewrite_layer {
	enum rewrite_how	how;
	struct digest		digest;		/* of the blob as it is now */
	uint64_t		size;
	struct ocicrypt_public	public;		/* REWRITE_ENCRYPT, and the wrapped keys: */
	struct ocicrypt_wrapped	wrapped;	/* at least one */
};

struct rewrite {
	struct digest			 config;	/* the same bytes; as SHA-256 */
	const char			*provider;	/* name of the key provider that wrapped */
	const struct rewrite_layer	*layers;	/* as many as the manifest has */
};

/*
 * Docker schema 2 becomes OCI, since only that has annotations and types for encrypted layers. A layer that
 * was encrypted loses what speaks of its plain bytes ("urls", and "data", which holds them); one that was decrypted
 * loses the annotations of its encryption. -ERR_LIMIT when it grows past LIMIT_MANIFEST.
 */
int manifest_rewrite(const struct manifest *, const struct rewrite *, struct buf *out, struct err *) must_check;

/* The OCI type of a layer. */
#define LAYER_TYPE_MAX	128
void layer_oci_type(const struct layer *, bool encrypted, char out[LAYER_TYPE_MAX]);

#endif
