/*
 * buf.h: struct buf owns bytes and never grows past its stated limit; struct
 * span borrows bytes and is consumed from the front by parsers.
 */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include "lib/base.h"
#include "lib/err.h"

/*
 * data is NULL while nothing was added. There is always a NUL behind the last
 * byte once data is set (not counted in len), so text can be passed on.
 * len <= max, always.
 * A secret buffer lives in locked memory (lib/secret.h) and is wiped when it
 * grows, is reset or freed; the log refuses it.
 */
struct buf {
	uint8_t	*data;
	size_t	 len, cap, max;
	bool	 secret;
};

struct span {
	const uint8_t	*p;
	size_t		 len;
};

#define BUF(limit)		{ .max = (limit) }
#define BUF_SECRET(limit)	{ .max = (limit), .secret = true }
#define autobuf			cleanup(buf_free) struct buf

/* A span over a string literal or array without its NUL. */
#define SPAN_LIT(s)		((struct span){ (const uint8_t *)(s), sizeof(s) - 1 })

/*
 * All adders: 0, -ERR_LIMIT past max, -ERR_NOMEM. Nothing changes on failure.
 * What is added must not lie in the buffer itself.
 * buf_reserve gives `more` zeroed bytes at data + len, and the NUL behind
 * them; the caller fills them from the front and then counts them in len.
 */
int buf_reserve(struct buf *, size_t more, struct err *) must_check;
int buf_add(struct buf *, const void *, size_t, struct err *) must_check;
int buf_add_span(struct buf *, struct span, struct err *) must_check;
int buf_add_str(struct buf *, const char *, struct err *) must_check;
int buf_addf(struct buf *, struct err *, const char *fmt, ...) must_check printf_like(3, 4);
int buf_add_u8(struct buf *, uint8_t, struct err *) must_check;
int buf_add_be16(struct buf *, uint16_t, struct err *) must_check;
int buf_add_be32(struct buf *, uint32_t, struct err *) must_check;
int buf_add_be64(struct buf *, uint64_t, struct err *) must_check;

void buf_reset(struct buf *);		/* len = 0, memory kept (wiped if secret) */
void buf_free(struct buf *);		/* NULL and never-used are fine */
/* Frees to, which takes bytes, max and kind of from; that becomes empty, keeps its max and kind. */
void buf_move(struct buf *to, struct buf *from);
struct span buf_span(const struct buf *);
const char *buf_str(const struct buf *);	/* "" when empty; may hold NULs inside */

struct span span_str(const char *);		/* without the NUL */
bool span_eq(struct span, struct span);
bool span_eq_str(struct span, const char *);
bool span_starts(struct span, const char *prefix);
bool span_has_nul(struct span);

/* Consumers: false (and nothing consumed) when fewer bytes are left. */
bool span_take(struct span *, size_t, struct span *out);
bool span_u8(struct span *, uint8_t *out);
bool span_be16(struct span *, uint16_t *out);
bool span_be32(struct span *, uint32_t *out);
bool span_be64(struct span *, uint64_t *out);
/*
 * Up to, without, and past the separator; the rest if there is none (then
 * s->len = 0). false when s is empty: an empty last piece ("a/") is not given.
 */
bool span_split(struct span *, char sep, struct span *out);

/* Decimal, no sign, no leading zeros but "0", no spaces, <= max. */
bool span_decimal(struct span, uint64_t max, uint64_t *out);

/* A NUL-ended copy in a caller's array; false if it does not fit or holds a NUL. */
bool span_to_cstr(struct span, char *out, size_t size);

#endif
