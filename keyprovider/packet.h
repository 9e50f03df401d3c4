/*
 * packet.h: annotation packets: how a wrapped layer key is written into an image.
 * v0 (arrays of numbers; verdictd, sample), v1, v2 (version, provider). Pure.
 */
#ifndef KEYPROVIDER_PACKET_H
#define KEYPROVIDER_PACKET_H

#include "lib/json.h"
#include "lib/limits.h"
#include "lib/uri.h"

enum wrap_type { WRAP_A256GCM, WRAP_A256CTR };	/* "aes_256_ctr" is A256CTR */

struct packet {
	struct kbs_uri	kid;
	bool		legacy_kid;	/* kid was a historic form, or one free word (then the path is that word) */
	enum wrap_type	wrap_type;
	uint8_t		iv[16];
	size_t		iv_len;		/* 12 for GCM, 16 for CTR */
	struct buf	wrapped;	/* GCM: ciphertext + tag, at least 16 bytes */
};
/* text = packet JSON. -ERR_PARSE, -ERR_UNSUPPORTED (provider, version, wrap type by name). */
int packet_parse(struct span text, struct packet *out, struct err *) must_check;
void packet_fini(struct packet *);
/* v1 JSON, A256GCM: what every reader understands. */
int packet_format(const struct kbs_uri *kid, struct span iv, struct span wrapped, struct buf *out, struct err *) must_check;

/* Seals plain under a 32-byte KEK with a fresh iv and writes the packet. */
int packet_wrap(const struct kbs_uri *kid, struct span kek, struct span plain, struct buf *out, struct err *) must_check;
/*
 * Opens with the KEK: -ERR_DECRYPT without detail. out must be secret. A256CTR proves nothing: what comes
 * out of it may be anything.
 */
int packet_unwrap(const struct packet *, struct span kek, struct buf *out, struct err *) must_check;

#endif
