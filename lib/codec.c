/*
 * codec.c: hex and base64 by arithmetic. Tables and comparisons of characters
 * would let the cache or the branch predictor tell about keys; here every
 * character costs the same, and only the length and the verdict show.
 */
#include "lib/base.h"
#include "lib/codec.h"

#include "lib/secret.h"

/* All ones if lo <= c <= hi, else 0. All of them below 2^31. */
static uint32_t
between(uint32_t c, uint32_t lo, uint32_t hi)
{
	return (((c - lo) | (hi - c)) >> 31) - 1;
}

static char
hex_digit(uint32_t value)
{
	return (char)((between(value, 0, 9) & (value + '0')) |
	    (between(value, 10, 15) & (value - 10 + 'a')));
}

/* The value, with *bad set to all ones if c is none; bad is never cleared. */
static uint32_t
hex_value(uint32_t c, uint32_t *bad)
{
	uint32_t digit = between(c, '0', '9'), letter = between(c, 'a', 'f');

	*bad |= ~(digit | letter);
	return (digit & (c - '0')) | (letter & (c - 'a' + 10));
}

void
hex_encode(const void *bytes, size_t len, char *out)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex_digit(p[i] >> 4);
		out[2 * i + 1] = hex_digit(p[i] & 0xf);
	}
	out[2 * len] = '\0';
}

bool
hex_decode(struct span s, uint8_t *out, size_t size)
{
	uint32_t bad = 0;

	if (s.len % 2 != 0 || s.len / 2 != size)
		return false;
	for (size_t i = 0; i < s.len; i++)
		(void)hex_value(s.p[i], &bad);
	if (bad != 0)
		return false;
	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(hex_value(s.p[2 * i], &bad) << 4 |
		    hex_value(s.p[2 * i + 1], &bad));
	return true;
}

/* What differs between the two alphabets of RFC 4648. */
struct alphabet {
	uint32_t	c62, c63;
	bool		padded;
};

static const struct alphabet standard = { '+', '/', true };
static const struct alphabet for_urls = { '-', '_', false };

static uint8_t
digit64(const struct alphabet *a, uint32_t v)
{
	return (uint8_t)((between(v, 0, 25) & (v + 'A')) |
	    (between(v, 26, 51) & (v - 26 + 'a')) |
	    (between(v, 52, 61) & (v - 52 + '0')) |
	    (between(v, 62, 62) & a->c62) | (between(v, 63, 63) & a->c63));
}

/* As hex_value. */
static uint32_t
value64(const struct alphabet *a, uint32_t c, uint32_t *bad)
{
	uint32_t upper = between(c, 'A', 'Z'), lower = between(c, 'a', 'z');
	uint32_t digit = between(c, '0', '9');
	uint32_t is62 = between(c, a->c62, a->c62);
	uint32_t is63 = between(c, a->c63, a->c63);

	*bad |= ~(upper | lower | digit | is62 | is63);
	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) |
	    (digit & (c - '0' + 52)) | (is62 & 62) | (is63 & 63);
}

/* Up to three bytes as up to four digits, without padding. */
static size_t
encode_group(const struct alphabet *a, const uint8_t *p, size_t len,
    uint8_t *out)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 3; i++)
		bits = bits << 8 | (i < len ? p[i] : 0u);
	for (size_t i = 0; i <= len; i++)
		out[i] = digit64(a, bits >> (18 - 6 * i) & 63);
	return len + 1;
}

static int
encode(const struct alphabet *a, struct span s, struct buf *out,
    struct err *e)
{
	size_t tail = s.len % 3, room, n = 0;
	uint8_t *to;
	int rc;

	if (s.len == 0)
		return 0;
	/* No object is larger than PTRDIFF_MAX: this does not overflow. */
	room = s.len / 3 * 4 + (tail == 0 ? 0 : a->padded ? 4 : tail + 1);
	rc = buf_reserve(out, room, e);
	if (rc < 0)
		return rc;
	to = out->data + out->len;
	for (size_t i = 0; i < s.len; i += 3)
		n += encode_group(a, s.p + i, MIN(s.len - i, 3), to + n);
	while (n < room)
		to[n++] = '=';
	out->len += n;
	return 0;
}

/*
 * Two to four digits as one to three bytes. The bits of the last digit that
 * belong to no byte must be 0, or one value would have several texts.
 */
static size_t
decode_group(const struct alphabet *a, const uint8_t *p, size_t len,
    uint8_t *out, uint32_t *bad)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++)
		bits = bits << 6 | (i < len ? value64(a, p[i], bad) : 0u);
	for (size_t i = 0; i + 1 < len; i++)
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	*bad |= bits & ((1u << (8 * (4 - len))) - 1);
	return len - 1;
}

/* Digits without padding; false if the padding or the length is wrong. */
static bool
strip_padding(const struct alphabet *a, struct span *s)
{
	if (a->padded) {
		if (s->len % 4 != 0)
			return false;
		for (int i = 0; i < 2 && s->len > 0; i++) {
			if (s->p[s->len - 1] == '=')
				s->len--;
		}
	}
	return s->len % 4 != 1;
}

static int
decode(const struct alphabet *a, struct span s, struct buf *out,
    struct err *e)
{
	uint32_t bad = 0;
	size_t n = 0;
	uint8_t *to;
	int rc;

	if (!strip_padding(a, &s))
		return err_set(e, ERR_PARSE, "base64: wrong length or padding");
	if (s.len == 0)
		return 0;
	rc = buf_reserve(out, s.len / 4 * 3 + (s.len % 4 * 3) / 4, e);
	if (rc < 0)
		return rc;
	to = out->data + out->len;
	for (size_t i = 0; i < s.len; i += 4)
		n += decode_group(a, s.p + i, MIN(s.len - i, 4), to + n, &bad);
	if (bad != 0) {
		secret_wipe(to, n);
		return err_set(e, ERR_PARSE,
		    "base64: a character or a bit that must not be there");
	}
	out->len += n;
	return 0;
}

int
base64_encode(struct span s, struct buf *out, struct err *e)
{
	return encode(&standard, s, out, e);
}

int
base64_decode(struct span s, struct buf *out, struct err *e)
{
	return decode(&standard, s, out, e);
}

int
base64url_encode(struct span s, struct buf *out, struct err *e)
{
	return encode(&for_urls, s, out, e);
}

int
base64url_decode(struct span s, struct buf *out, struct err *e)
{
	return decode(&for_urls, s, out, e);
}
