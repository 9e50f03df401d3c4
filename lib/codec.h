/*
 * codec.h: hex and base64, strict: no white space, canonical padding, no bits
 * left over. The time taken depends on the length only, so keys may pass here.
 */
#ifndef LIB_CODEC_H
#define LIB_CODEC_H

#include "lib/buf.h"

/* Lower-case hex. out has room for 2 * len + 1. */
void hex_encode(const void *, size_t len, char *out);
/* Exactly 2 * size lower-case digits, else false. */
bool hex_decode(struct span, uint8_t *out, size_t size);

/* RFC 4648 section 4 with padding. Output is appended. */
int base64_encode(struct span, struct buf *out, struct err *) must_check;
/* -ERR_PARSE for anything that is not canonical; the text never reaches the message. */
int base64_decode(struct span, struct buf *out, struct err *) must_check;

/* RFC 4648 section 5, no padding. */
int base64url_encode(struct span, struct buf *out, struct err *) must_check;
int base64url_decode(struct span, struct buf *out, struct err *) must_check;

#endif
