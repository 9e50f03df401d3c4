/*
 * ocicrypt.h: layer encryption AES_256_CTR_HMAC_SHA256: options, and the
 * stages that check and decrypt, or encrypt, a blob as a stream.
 * Source: ocicrypt docs and known answers (tests/vectors/image/ocicrypt/kat).
 */
#ifndef IMAGE_OCICRYPT_H
#define IMAGE_OCICRYPT_H

#include "image/manifest.h"
#include "lib/stream.h"

#define OCICRYPT_ANNOTATION_PREFIX	"org.opencontainers.image.enc."
#define OCICRYPT_PUBOPTS		OCICRYPT_ANNOTATION_PREFIX "pubopts"
#define OCICRYPT_KEYS_PROVIDER		OCICRYPT_ANNOTATION_PREFIX "keys.provider."
#define OCICRYPT_PROVIDER		"attestation-agent"

/* Public options: what anybody may see. */
struct ocicrypt_public {
	uint8_t	hmac[32];	/* HMAC-SHA-256 over the ciphertext, keyed with the layer key */
};
/* text = decoded pubopts JSON. Unknown cipher, HMAC not 32 bytes, a nonce among the public options: -ERR_IMAGE. */
int ocicrypt_public_parse(struct span text, struct ocicrypt_public *out, struct err *) must_check;
int ocicrypt_public_format(const struct ocicrypt_public *, struct buf *out, struct err *) must_check;

/* Private options: what is wrapped. Fixed size, so that it can be sent and wiped. */
struct ocicrypt_private {
	uint8_t	key[32];
	uint8_t	nonce[16];
};
/* text = unwrapped JSON in secret memory. -ERR_DECRYPT, never quoting it. */
int ocicrypt_private_parse(struct span text, struct ocicrypt_private *out, struct err *) must_check;
/* digest: of the plain blob ("" allowed). out must be secret. */
int ocicrypt_private_format(const struct ocicrypt_private *, const char *digest, struct buf *out, struct err *) must_check;

/* How a layer's key may be wrapped, as far as it can be unwrapped here. In this order they are tried. */
enum ocicrypt_scheme { SCHEME_PROVIDER, SCHEME_JWE, SCHEME_PKCS7, SCHEME_COUNT };

/* By each scheme: base64 texts joined with ","; empty where the layer has none. LIMIT_ANNOTATION bytes in all. */
struct ocicrypt_wrapped {
	struct buf	value[SCHEME_COUNT];
};
/*
 * All wrapped keys of a layer. Of key providers: exact name first, then "attestation-agent", then the first there
 * is. -ERR_UNSUPPORTED names the schemes that are there instead (pgp, pkcs11), -ERR_IMAGE when there is none.
 * out comes zeroed.
 */
int ocicrypt_wrapped_keys(const struct layer *, const char *provider, struct ocicrypt_wrapped *out, struct err *) must_check;
void ocicrypt_wrapped_fini(struct ocicrypt_wrapped *);
const char *ocicrypt_scheme_name(enum ocicrypt_scheme);
/*
 * Takes the next of them from the front and appends its decoded bytes (an annotation packet): 1, 0 when none
 * is left, -ERR_IMAGE for bad base64.
 */
int ocicrypt_next_wrapped(struct span *joined, struct buf *out, struct err *) must_check;
/* The decoded public options of a layer. -ERR_IMAGE. */
int ocicrypt_layer_public(const struct layer *, struct ocicrypt_public *out, struct err *) must_check;

/* Stage: MAC over the ciphertext, then CTR. finish gives -ERR_MAC. */
int stream_decrypt(struct stream *, struct stream *from, const struct ocicrypt_private *,
    const struct ocicrypt_public *, struct err *) must_check;
/* Stage: CTR, then MAC; after finish the value is read by stream_encrypt_hmac. */
int stream_encrypt(struct stream *, struct stream *from, const struct ocicrypt_private *, struct err *) must_check;
void stream_encrypt_hmac(const struct stream *, uint8_t out[32]);

#endif
