/*
 * inspect.h: what an image is made of, as text for people or as JSON: layers, types, sizes, what is encrypted and for
 * whom. Pure. Nothing is decided by it, so it shows what it cannot read as such. All output is printable ASCII and
 * line ends: texts of the image cannot steer a terminal.
 */
#ifndef IMAGE_INSPECT_H
#define IMAGE_INSPECT_H

#include "image/manifest.h"

enum inspect_signed { SIGNED_NOT_ASKED, SIGNED_ABSENT, SIGNED_PRESENT };

struct inspection {
	const char		*name;		/* as the user gave it */
	const struct digest	*digest;	/* of the document */
	const struct digest	*index;		/* through which it was chosen; NULL: none */
	size_t			 size;
	const char		*media_type;	/* "" when nothing told it */
	struct span		 config;
	enum inspect_signed	 cosign;
	const char		*looked_at;	/* for signatures, or why not */
};

/* A manifest. -ERR_NOMEM, -ERR_LIMIT when out is full. */
int inspect_manifest(const struct inspection *, const struct manifest *, bool json, struct buf *out,
    struct err *) must_check;
/* An index, whose text is given: its platforms. -ERR_IMAGE, -ERR_LIMIT. */
int inspect_index(const struct inspection *, struct span index, bool json, struct buf *out, struct err *) must_check;

/* One wrapping of a layer's key. Texts are as the image has them, cut. */
#define INSPECT_TEXT	256
struct inspect_key {
	char	scheme[INSPECT_TEXT];	/* "provider", "jwe", "pkcs7", "pgp", "pkcs11", … */
	char	provider[INSPECT_TEXT];	/* its name; "" for other schemes */
	char	kid[INSPECT_TEXT];	/* "" when it has none */
	char	algorithm[INSPECT_TEXT];/* how the layer key is wrapped; "" when it does not say */
	bool	readable;		/* false: nothing more than the scheme is known */
};
/* Calls each for every wrapping that the layer has, in text order, until one gives a fault. */
int inspect_keys(const struct layer *, int (*each)(void *, const struct inspect_key *, struct err *), void *arg,
    struct err *) must_check;
/* "AES_256_CTR_HMAC_SHA256", or what the layer says instead; "" when it cannot be read. */
void inspect_cipher(const struct layer *, char out[INSPECT_TEXT]);

#endif
