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

/* Two that differ are no answer; the one without a range differs from all that have one. */
static int
set_range(struct http_head *h, bool has_range, uint64_t first, uint64_t last, uint64_t total,
    struct err *e)
{
	bool before = h->has_range || h->range_total > 0;

	if (before && (has_range != h->has_range || first != h->range_first ||
	    last != h->range_last || total != h->range_total))
		return err_set(e, ERR_REGISTRY, "the answer has two Content-Range headers");
	h->has_range = has_range;
	h->range_first = first;
	h->range_last = last;
	h->range_total = total;
	return 0;
}

/* "bytes first-last/total", "bytes first-last/ *"; "bytes * /total" comes with status 416. */
static int
set_content_range(struct http_head *h, struct span value, struct err *e)
{
	struct span unit, range, first, last;
	uint64_t from, to, total = 0;

	if (!span_split(&value, ' ', &unit) || !is_name(unit, "bytes") ||
	    !span_split(&value, '/', &range) ||
	    !(span_eq_str(value, "*") || span_decimal(value, INT64_MAX, &total)))
		return err_set(e, ERR_REGISTRY, "the answer has a malformed Content-Range");
	if (span_eq_str(range, "*"))
		return set_range(h, false, 0, 0, total, e);
	if (!span_split(&range, '-', &first) || !span_split(&range, '-', &last) ||
	    range.len > 0 || !span_decimal(first, INT64_MAX, &from) ||
	    !span_decimal(last, INT64_MAX, &to) || from > to ||
	    (total > 0 ? to >= total : !span_eq_str(value, "*")))
		return err_set(e, ERR_REGISTRY, "the answer has a malformed Content-Range");
	return set_range(h, true, from, to, total, e);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; the year begins in March here. */
static int64_t
days_since_1970(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

/* Two digits or four, perhaps with leading zeros. */
static bool
take_digits(struct span *s, size_t n, int64_t min, int64_t max, int64_t *out)
{
	struct span digits;
	int64_t value = 0;

	if (!span_take(s, n, &digits))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		value = value * 10 + (digits.p[i] - '0');
	}
	*out = value;
	return value >= min && value <= max;
}

static bool
take_month(struct span *s, int64_t *out)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct span name;

	if (!span_take(s, 3, &name))
		return false;
	for (*out = 1; *out <= 12; ++*out)
		if (memcmp(name.p, names + 3 * (*out - 1), 3) == 0)
			return true;
	return false;
}

static bool
take_char(struct span *s, char c)
{
	struct span one;

	return span_take(s, 1, &one) && one.p[0] == (uint8_t)c;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT"; the two forms that are older than HTTP/1.1 are not read. */
static bool
parse_date(struct span s, int64_t *out)
{
	int64_t day, month, year, hour, minute, second;
	struct span name;

	if (!span_take(&s, 3, &name) || !take_char(&s, ',') || !take_char(&s, ' ') ||
	    !take_digits(&s, 2, 1, 31, &day) || !take_char(&s, ' ') || !take_month(&s, &month) ||
	    !take_char(&s, ' ') || !take_digits(&s, 4, 1970, 9999, &year) || !take_char(&s, ' ') ||
	    !take_digits(&s, 2, 0, 23, &hour) || !take_char(&s, ':') ||
	    !take_digits(&s, 2, 0, 59, &minute) || !take_char(&s, ':') ||
	    !take_digits(&s, 2, 0, 60, &second) || !span_eq_str(s, " GMT"))
		return false;
	*out = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
	return true;
}

/* What cannot be read is as if it were not said: an answer is not refused for it. */
static int
set_retry_after(struct http_head *h, struct span value, struct err *e)
{
	uint64_t seconds;

	(void)e;
	if (span_decimal(value, UINT32_MAX, &seconds)) {
		h->retry_form = RETRY_SECONDS;
		h->retry_after = (int64_t)seconds;
	} else if (parse_date(value, &h->retry_after)) {
		h->retry_form = RETRY_DATE;
	}
	return 0;
}

static int
set_date(struct http_head *h, struct span value, struct err *e)
{
	(void)e;
	(void)parse_date(value, &h->date);
	return 0;
}

bool
http_head_wait(const struct http_head *h, uint64_t *seconds)
{
	if (h->retry_form == RETRY_UNSAID || (h->retry_form == RETRY_DATE && h->date == 0))
		return false;
	*seconds = (uint64_t)(h->retry_form == RETRY_SECONDS ? h->retry_after :
	    MAX(h->retry_after - h->date, 0));
	return true;
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
	{ "date", set_date },
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
