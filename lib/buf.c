/*
 * buf.c: bytes that are owned, never more than a stated number, and bytes that
 * are borrowed. All arithmetic on lengths of both stands here.
 */
#include "lib/base.h"
#include "lib/buf.h"

#include "lib/secret.h"
#include "lib/sys.h"

enum { CAP_MIN = 64 };

static void
release(struct buf *b)
{
	if (b->secret)
		secret_free(b->data, b->cap);
	else
		sys_free(b->data);
}

/* Bytes to allocate when `need` are wanted: doubling, up to max and a NUL. */
static size_t
next_cap(const struct buf *b, size_t need)
{
	size_t cap = MAX(b->cap, (size_t)CAP_MIN);

	while (cap < need) {
		if (cap > SIZE_MAX / 2)
			return need;
		cap *= 2;
	}
	/* need - 1 <= max, so that the limit is never below the need. */
	return cap - 1 > b->max ? b->max + 1 : cap;
}

/* Room for `more` bytes and the NUL. */
static int
grow(struct buf *b, size_t more, struct err *e)
{
	size_t need, cap;
	uint8_t *data;

	if (more > b->max - b->len ||
	    __builtin_add_overflow(b->len + more, (size_t)1, &need))
		return err_set(e, ERR_LIMIT, "more than %zu bytes", b->max);
	if (need <= b->cap)
		return 0;
	cap = next_cap(b, need);
	data = b->secret ? secret_alloc(cap) : sys_realloc(b->data, cap);
	if (data == NULL)
		return err_set(e, ERR_NOMEM, b->secret ?
		    "no room for %zu bytes in the memory for secrets" :
		    "no memory for %zu bytes", cap);
	if (b->secret) {
		if (b->len > 0)
			memcpy(data, b->data, b->len);
		secret_free(b->data, b->cap);
	}
	data[b->len] = '\0';
	b->data = data;
	b->cap = cap;
	return 0;
}

int
buf_reserve(struct buf *b, size_t more, struct err *e)
{
	int rc = more > 0 ? grow(b, more, e) : 0;

	if (rc == 0 && more > 0)
		memset(b->data + b->len, 0, more + 1);
	return rc;
}

int
buf_add(struct buf *b, const void *p, size_t n, struct err *e)
{
	int rc;

	if (n == 0)
		return 0;
	rc = grow(b, n, e);
	if (rc < 0)
		return rc;
	memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_add_span(struct buf *b, struct span s, struct err *e)
{
	return buf_add(b, s.p, s.len, e);
}

int
buf_add_str(struct buf *b, const char *s, struct err *e)
{
	return buf_add(b, s, strlen(s), e);
}

int
buf_addf(struct buf *b, struct err *e, const char *fmt, ...)
{
	va_list ap;
	size_t n;
	int rc;

	va_start(ap, fmt);
	rc = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (rc < 0)
		return err_set(e, ERR_BUG, "a text could not be formatted");
	if (rc == 0)
		return 0;
	n = (size_t)rc;
	rc = grow(b, n, e);
	if (rc < 0)
		return rc;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, n + 1, fmt, ap);
	va_end(ap);
	b->len += n;
	return 0;
}

/* The lowest `size` bytes of the value, most significant first. */
static int
add_be(struct buf *b, uint64_t value, size_t size, struct err *e)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
	return buf_add(b, bytes, size, e);
}

int
buf_add_u8(struct buf *b, uint8_t value, struct err *e)
{
	return add_be(b, value, 1, e);
}

int
buf_add_be16(struct buf *b, uint16_t value, struct err *e)
{
	return add_be(b, value, 2, e);
}

int
buf_add_be32(struct buf *b, uint32_t value, struct err *e)
{
	return add_be(b, value, 4, e);
}

int
buf_add_be64(struct buf *b, uint64_t value, struct err *e)
{
	return add_be(b, value, 8, e);
}

void
buf_reset(struct buf *b)
{
	if (b->data == NULL)
		return;
	if (b->secret)
		secret_wipe(b->data, b->cap);
	b->len = 0;
	b->data[0] = '\0';
}

void
buf_free(struct buf *b)
{
	if (b == NULL)
		return;
	release(b);
	b->data = NULL;
	b->len = b->cap = 0;
}

void
buf_move(struct buf *to, struct buf *from)
{
	if (to == from)
		return;
	buf_free(to);
	*to = *from;
	from->data = NULL;
	from->len = from->cap = 0;
}

struct span
buf_span(const struct buf *b)
{
	return (struct span){ b->data, b->len };
}

const char *
buf_str(const struct buf *b)
{
	return b->data != NULL ? (const char *)b->data : "";
}

struct span
span_str(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool
span_eq_str(struct span s, const char *text)
{
	return span_eq(s, span_str(text));
}

bool
span_starts(struct span s, const char *prefix)
{
	struct span want = span_str(prefix);

	if (s.len < want.len)
		return false;
	s.len = want.len;
	return span_eq(s, want);
}

bool
span_has_nul(struct span s)
{
	return s.len > 0 && memchr(s.p, 0, s.len) != NULL;
}

bool
span_take(struct span *s, size_t n, struct span *out)
{
	if (n > s->len)
		return false;
	*out = (struct span){ s->p, n };
	if (n > 0)
		s->p += n;
	s->len -= n;
	return true;
}

/* The value of `size` bytes, most significant first. */
static bool
take_be(struct span *s, size_t size, uint64_t *out)
{
	struct span bytes;
	uint64_t value = 0;

	if (!span_take(s, size, &bytes))
		return false;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | bytes.p[i];
	*out = value;
	return true;
}

bool
span_u8(struct span *s, uint8_t *out)
{
	uint64_t value;

	if (!take_be(s, 1, &value))
		return false;
	*out = (uint8_t)value;
	return true;
}

bool
span_be16(struct span *s, uint16_t *out)
{
	uint64_t value;

	if (!take_be(s, 2, &value))
		return false;
	*out = (uint16_t)value;
	return true;
}

bool
span_be32(struct span *s, uint32_t *out)
{
	uint64_t value;

	if (!take_be(s, 4, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

bool
span_be64(struct span *s, uint64_t *out)
{
	return take_be(s, 8, out);
}

bool
span_split(struct span *s, char sep, struct span *out)
{
	const uint8_t *end;

	if (s->len == 0)
		return false;
	end = memchr(s->p, sep, s->len);
	if (end == NULL) {
		*out = *s;
		s->p += s->len;
		s->len = 0;
		return true;
	}
	*out = (struct span){ s->p, (size_t)(end - s->p) };
	s->p = end + 1;
	s->len -= out->len + 1;
	return true;
}

bool
span_decimal(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0 || (s.p[0] == '0' && s.len > 1))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' ||
		    __builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, s.p[i] - '0', &value))
			return false;
	}
	if (value > max)
		return false;
	*out = value;
	return true;
}

bool
span_to_cstr(struct span s, char *out, size_t size)
{
	if (s.len >= size || span_has_nul(s))
		return false;
	if (s.len > 0)
		memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	return true;
}
