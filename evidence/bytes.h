/*
 * bytes.h: little-endian numbers at offsets of reports, and JSON that is written
 * piece by piece: after the first failure the rest does nothing.
 */
#ifndef EVIDENCE_BYTES_H
#define EVIDENCE_BYTES_H

#include "lib/buf.h"

static inline uint16_t
le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static inline uint64_t
le64(const uint8_t *p)
{
	return (uint64_t)le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* value of 1 to 8 bytes */
static inline void
put_le(uint8_t *p, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

struct emit {
	struct buf	*out;
	struct err	*err;
	int		 rc;
};

void emit(struct emit *, const char *fmt, ...) printf_like(2, 3);
/* "name":[1,2,3] and the comma behind it, if `comma`. */
void emit_ints(struct emit *, const char *name, const uint8_t *, size_t, bool comma);
/* A JSON string of standard base64. */
void emit_base64(struct emit *, struct span);

#endif
