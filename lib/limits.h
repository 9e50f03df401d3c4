/*
 * limits.h: every ceiling on foreign input, with its reason. A length from
 * outside is compared with one of these before memory is taken for it.
 */
#ifndef LIB_LIMITS_H
#define LIB_LIMITS_H

#define KIB(n)			((size_t)(n) << 10)
#define MIB(n)			((size_t)(n) << 20)

/* Documents: what containers/image allows; larger ones are attacks. */
#define LIMIT_MANIFEST		MIB(4)
#define LIMIT_CONFIG		MIB(4)
#define LIMIT_POLICY		MIB(4)
#define LIMIT_AUTHFILE		KIB(256)	/* secret memory */
#define LIMIT_TOKEN		MIB(1)
#define LIMIT_ERROR_BODY	KIB(64)
#define LIMIT_CA_BUNDLE		MIB(4)
#define LIMIT_KEYS_FILE		KIB(256)	/* the secret arena of 1 MiB takes it several times */
#define LIMIT_KEY_FILE		KIB(64)		/* a private key or certificate that the operator names */
#define LIMIT_KEY_FILES		16		/* in one command: each is tried with each wrapped key */
#define LIMIT_RESOURCE		KIB(256)	/* secret memory, too */
#define LIMIT_ANNOTATION	KIB(48)		/* an ocicrypt annotation, all recipients; fits a message */
#define LIMIT_PACKET		KIB(32)		/* one annotation packet */
#define LIMIT_PROVIDER_JSON	KIB(60)		/* a request to a key provider, or its answer; fits a message */
#define LIMIT_POLICY_KEYS	64		/* in one requirement */
#define LIMIT_POLICY_KEY	MIB(4)		/* one of them, or a key ring */

#define LIMIT_JSON_DEPTH	32
#define LIMIT_TOML		KIB(256)	/* a configuration that a person wrote */
#define LIMIT_TOML_DEPTH	16
#define LIMIT_TOML_VALUES	4096		/* names are compared one by one */
#define LIMIT_INDEX_ENTRIES	1000
#define LIMIT_INDEX_DEPTH	2
#define LIMIT_LAYERS		512
#define LIMIT_REFERENCE		512		/* name 255 + tag 128 + digest 135 */
#define LIMIT_URI		1024

/* tar: image.md and the kernel's own bounds. */
#define LIMIT_PATH		4095		/* PATH_MAX without the NUL */
#define LIMIT_PAX		MIB(1)		/* one extended header, one GNU long name */
#define LIMIT_XATTR_VALUE	KIB(64)		/* XATTR_SIZE_MAX */
#define LIMIT_XATTRS		KIB(64)		/* names and values of one entry */
#define LIMIT_ENTRIES		16000000ULL	/* per layer */
#define LIMIT_LAYER_BYTES	(1ULL << 40)	/* unpacked, per layer, unless set lower */

/* Signatures: many or huge ones only cost time and memory. */
#define LIMIT_SIGNATURES	128		/* of one image that are looked at */
#define LIMIT_SIGNATURE		MIB(4)		/* one OpenPGP message of a lookaside, with its payload */
#define LIMIT_SIGNATURE_TEXT	KIB(4)		/* base64 of a cosign signature; RSA of 8192 bits takes 1368 characters */
#define LIMIT_PAYLOAD		MIB(4)		/* what a signature is over */

/* Evidence: what kernels and hosts answer. */
#define LIMIT_REPORT		MIB(1)		/* a quote; those of today take 5 KiB */
#define LIMIT_CERTS		KIB(256)	/* the kernel's own bound is 16 KiB */
#define LIMIT_EVENT_LOG		MIB(4)
#define LIMIT_EVIDENCE		MIB(8)		/* in whatever form it is passed on */

/* HTTP */
#define LIMIT_HEADER_BYTES	KIB(64)
#define LIMIT_HEADERS		128
#define LIMIT_REDIRECTS		5
#define LIMIT_URL		KIB(8)

/* Messages between our processes. */
#define LIMIT_MSG		KIB(64)
#define LIMIT_MSG_FDS		8

#endif
