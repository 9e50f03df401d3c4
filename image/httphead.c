/*
 * httphead.c: header lines of answers. Strict where two readers could differ on
 * what a line means: no folded lines, no control characters, no contradictions.
 */
#include "lib/base.h"

#include "image/httphead.h"

void
http_head_init(struct http_head *h)
{
	*h = (struct http_head){ .challenges = BUF(LIMIT_HEADER_BYTES) };
}

void
http_head_fini(struct http_head *h)
{
	buf_free(&h->challenges);
	*h = (struct http_head){ 0 };
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* Of a header's name; name is in lower case. */
static bool
is_name(struct span s, const char *name)
{
	if (s.len != strlen(name))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (lower(s.p[i]) != (uint8_t)name[i])
			return false;
	return true;
}

static bool
is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f ||
		    strchr("\"(),/:;<=>?@[\\]{}", s.p[i]) != NULL)
			return false;
	return s.len > 0;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

static bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	return false;
}

static bool
is_version(struct span s)
{
	static const char *const known[] = {
		"HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/2.0", "HTTP/3",
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (span_eq_str(s, known[i]))
			return true;
	return false;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200": forgets the answer before. */
static int
set_status(struct http_head *h, struct span line, struct err *e)
{
	struct span version, code;
	uint64_t status;

	if (!span_split(&line, ' ', &version) || !span_split(&line, ' ', &code) ||
	    !is_version(version) || code.len != 3 || !span_decimal(code, 599, &status) ||
	    status < 100)
		return err_set(e, ERR_REGISTRY, "the answer has a malformed status line");
	buf_reset(&h->challenges);
	*h = (struct http_head){ .status = (unsigned)status, .challenges = h->challenges,
	    .bytes = h->bytes };
	return 0;
}

static bool
same_text(const char *text, struct span value, bool fold)
{
	for (size_t i = 0; i < value.len; i++)
		if ((uint8_t)text[i] != (fold ? lower(value.p[i]) : value.p[i]))
			return false;	/* at the NUL of text at the latest */
	return text[value.len] == '\0';
}

/* Copies a value that may be there once, or again with the same text. It holds no NUL. */
static int
set_text(char *field, size_t size, struct span value, bool fold, const char *name, struct err *e)
{
	if (field[0] != '\0' && !same_text(field, value, fold))
		return err_set(e, ERR_REGISTRY, "the answer has two %s headers", name);
	if (value.len >= size)
		return err_set(e, ERR_REGISTRY, "the answer's %s is longer than %zu", name,
		    size - 1);
	for (size_t i = 0; i < value.len; i++)
		field[i] = (char)(fold ? lower(value.p[i]) : value.p[i]);
	field[value.len] = '\0';
	return 0;
}

static int
set_content_type(struct http_head *h, struct span value, struct err *e)
{
	struct span type = value;

	(void)span_split(&value, ';', &type);
	return set_text(h->content_type, sizeof(h->content_type), trim(type), true, "Content-Type",
	    e);
}

static int
set_content_digest(struct http_head *h, struct span value, struct err *e)
{
	return set_text(h->content_digest, sizeof(h->content_digest), value, false,
	    "Docker-Content-Digest", e);
}

static int
set_content_encoding(struct http_head *h, struct span value, struct err *e)
{
	return set_text(h->content_encoding, sizeof(h->content_encoding), value, true,
	    "Content-Encoding", e);
}

static int
set_location(struct http_head *h, struct span value, struct err *e)
{
	return set_text(h->location, sizeof(h->location), value, false, "Location", e);
}

static int
set_content_length(struct http_head *h, struct span value, struct err *e)
{
	uint64_t length;

	if (!span_decimal(value, INT64_MAX, &length))
		return err_set(e, ERR_REGISTRY, "the answer has a malformed Content-Length");
	if (h->has_length && length != h->content_length)
		return err_set(e, ERR_REGISTRY, "the answer has two Content-Length headers");
	h->has_length = true;
	h->content_length = length;
	return 0;
}

/* "bytes first-last/total"; "bytes * /total" comes with an error status and says nothing. */
static int
set_content_range(struct http_head *h, struct span value, struct err *e)
{
	struct span unit, range, first, last;
	uint64_t from, to;

	if (!span_split(&value, ' ', &unit) || !is_name(unit, "bytes") ||
	    !span_split(&value, '/', &range))
		return err_set(e, ERR_REGISTRY, "the answer has a malformed Content-Range");
	if (span_eq_str(range, "*"))
		return 0;
	if (!span_split(&range, '-', &first) || !span_split(&range, '-', &last) ||
	    range.len > 0 || !span_decimal(first, INT64_MAX, &from) ||
	    !span_decimal(last, INT64_MAX, &to) || from > to)
		return err_set(e, ERR_REGISTRY, "the answer has a malformed Content-Range");
	if (h->has_range && (from != h->range_first || to != h->range_last))
		return err_set(e, ERR_REGISTRY, "the answer has two Content-Range headers");
	h->has_range = true;
	h->range_first = from;
	h->range_last = to;
	return 0;
}

/* A date would need a clock that can be trusted. */
static int
set_retry_after(struct http_head *h, struct span value, struct err *e)
{
	uint64_t seconds;

	(void)e;
	if (span_decimal(value, UINT32_MAX, &seconds))
		h->retry_after = (unsigned)seconds;
	return 0;
}

static int
add_challenge(struct http_head *h, struct span value, struct err *e)
{
	int rc = buf_reserve(&h->challenges, value.len + 1, e);

	if (rc == 0)
		rc = buf_add_span(&h->challenges, value, e);
	return rc < 0 ? rc : buf_add_u8(&h->challenges, '\n', e);
}

static const struct {
	const char	*name;
	int		(*set)(struct http_head *, struct span, struct err *);
} headers[] = {
	{ "content-type", set_content_type },
	{ "content-length", set_content_length },
	{ "content-range", set_content_range },
	{ "content-encoding", set_content_encoding },
	{ "docker-content-digest", set_content_digest },
	{ "location", set_location },
	{ "retry-after", set_retry_after },
	{ "www-authenticate", add_challenge },
};

static int
set_header(struct http_head *h, struct span line, struct err *e)
{
	struct span name;

	if (h->status == 0)
		return err_set(e, ERR_REGISTRY, "the answer begins without a status line");
	if (is_blank(line.p[0]))
		return err_set(e, ERR_REGISTRY, "the answer has a folded header line");
	if (memchr(line.p, ':', line.len) == NULL || !span_split(&line, ':', &name) ||
	    !is_token(name) || has_control(line))
		return err_set(e, ERR_REGISTRY, "the answer has a malformed header line");
	if (++h->nheaders > LIMIT_HEADERS)
		return err_set(e, ERR_LIMIT, "the answer has more than %d headers", LIMIT_HEADERS);
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		if (is_name(name, headers[i].name))
			return headers[i].set(h, trim(line), e);
	return 0;
}

int
http_head_line(struct http_head *h, struct span line, struct err *e)
{
	if (line.len > LIMIT_HEADER_BYTES - h->bytes)
		return err_set(e, ERR_LIMIT, "the answer's head is larger than %zu bytes",
		    LIMIT_HEADER_BYTES);
	h->bytes += line.len;
	if (line.len > 0 && line.p[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0)
		return 0;
	return span_starts(line, "HTTP/") ? set_status(h, line, e) : set_header(h, line, e);
}
