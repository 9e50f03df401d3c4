/*
 * toml_scan.c: the words of TOML: blanks and comments, keys, strings, integers. Every
 * byte of the text passes here, checked, once.
 */
#include "lib/base.h"
#include "lib/toml_doc.h"

#include "lib/utf8.h"

static void
advance(struct toml_scan *s, size_t n)
{
	s->in.p += n;
	s->in.len -= n;
}

int
toml_bad(const struct toml_scan *s, const char *why)
{
	return err_set(s->e, ERR_PARSE, "line %" PRIu32 ": %s", s->line, why);
}

bool
toml_at(const struct toml_scan *s, const char *text)
{
	return span_starts(s->in, text);
}

bool
toml_take(struct toml_scan *s, const char *text)
{
	if (!toml_at(s, text))
		return false;
	advance(s, strlen(text));
	return true;
}

void
toml_skip_blanks(struct toml_scan *s)
{
	while (toml_at(s, " ") || toml_at(s, "\t"))
		advance(s, 1);
}

static bool
take_newline(struct toml_scan *s)
{
	if (!toml_take(s, "\n") && !toml_take(s, "\r\n"))
		return false;
	s->line++;
	return true;
}

/* A character of a comment or a string goes to out, if there is one; no end of a line. */
static int
take_character(struct toml_scan *s, struct buf *out)
{
	uint32_t c = 0;
	size_t n = utf8_decode(s->in, &c);

	if (n == 0)
		return toml_bad(s, "invalid UTF-8");
	if ((c < 0x20 && c != '\t') || c == 0x7f)
		return toml_bad(s, "a control character");
	if (out != NULL && buf_add(out, s->in.p, n, s->e) < 0)
		return -(int)s->e->code;
	advance(s, n);
	return 0;
}

int
toml_skip_end(struct toml_scan *s, bool *ended)
{
	int rc = 0;

	toml_skip_blanks(s);
	if (toml_at(s, "#"))
		while (rc == 0 && s->in.len > 0 && !toml_at(s, "\n") && !toml_at(s, "\r\n"))
			rc = take_character(s, NULL);
	if (rc == 0)
		*ended = s->in.len == 0 || take_newline(s);
	return rc;
}

static unsigned
digit_value(uint8_t c)
{
	uint8_t low = c | 0x20;

	return c >= '0' && c <= '9' ? c - (unsigned)'0' :
	    low >= 'a' && low <= 'f' ? low - (unsigned)'a' + 10 : 16;
}

/* The digits behind \u or \U. */
static int
take_code_point(struct toml_scan *s, size_t digits)
{
	uint32_t c = 0;
	uint8_t text[4];
	size_t i = 0;

	for (; i < digits && i < s->in.len && digit_value(s->in.p[i]) < 16; i++)
		c = c << 4 | digit_value(s->in.p[i]);
	if (i < digits || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_bad(s, "an escape that is no character");
	advance(s, digits);
	return buf_add(&s->t->text, text, utf8_encode(c, text), s->e);
}

/* A backslash at the end of a line: it takes all white space up to the next text with it. */
static bool
take_line_ending(struct toml_scan *s)
{
	struct toml_scan ahead = *s;

	toml_skip_blanks(&ahead);
	if (!take_newline(&ahead))
		return false;
	do
		toml_skip_blanks(&ahead);
	while (take_newline(&ahead));
	*s = ahead;
	return true;
}

/* Behind a backslash. */
static int
take_escape(struct toml_scan *s, bool multi)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *letter;

	if (toml_take(s, "u"))
		return take_code_point(s, 4);
	if (toml_take(s, "U"))
		return take_code_point(s, 8);
	if (multi && take_line_ending(s))
		return 0;
	letter = s->in.len > 0 && s->in.p[0] != '\0' ? strchr(from, s->in.p[0]) : NULL;
	if (letter == NULL)
		return toml_bad(s, "an unknown escape");
	advance(s, 1);
	return buf_add_u8(&s->t->text, (uint8_t)to[letter - from], s->e);
}

/* Quotes in a string: *closed if they end it. Up to two stand in front of the three that do. */
static int
take_quotes(struct toml_scan *s, char quote, bool multi, bool *closed)
{
	size_t n = 0, own;

	while (n < s->in.len && s->in.p[n] == (uint8_t)quote)
		n++;
	*closed = n >= (multi ? 3 : 1);
	if (!multi) {
		advance(s, *closed ? 1 : 0);
		return 0;
	}
	if (n > 5)
		return toml_bad(s, "too many quotes");
	own = *closed ? n - 3 : n;
	if (buf_add(&s->t->text, s->in.p, own, s->e) < 0)
		return -(int)s->e->code;
	advance(s, n);
	return 0;
}

static int
take_piece(struct toml_scan *s, char quote, bool multi)
{
	if (s->in.len == 0)
		return toml_bad(s, "a string without end");
	if (multi && take_newline(s))
		return buf_add_u8(&s->t->text, '\n', s->e);
	if (toml_at(s, "\n") || toml_at(s, "\r\n"))
		return toml_bad(s, "a string without end on its line");
	if (quote == '"' && toml_take(s, "\\"))
		return take_escape(s, multi);
	return take_character(s, &s->t->text);
}

/* Behind the opening quotes. */
static int
take_body(struct toml_scan *s, char quote, bool multi, struct toml_text *out)
{
	size_t from = s->t->text.len;
	bool closed = false;
	int rc;

	while ((rc = take_quotes(s, quote, multi, &closed)) == 0 && !closed)
		if ((rc = take_piece(s, quote, multi)) < 0)
			break;
	if (rc == 0)
		*out = (struct toml_text){ (uint32_t)from, (uint32_t)(s->t->text.len - from) };
	return rc;
}

int
toml_scan_string(struct toml_scan *s, struct toml_text *out)
{
	char quote = toml_at(s, "'") ? '\'' : '"';
	bool multi = toml_take(s, "\"\"\"") || toml_take(s, "'''");

	if (multi)
		(void)take_newline(s);	/* the first is not part of the string */
	else
		advance(s, 1);
	return take_body(s, quote, multi, out);
}

static bool
is_bare(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	    c == '_' || c == '-';
}

int
toml_scan_key(struct toml_scan *s, struct toml_text *out)
{
	size_t n = 0, at = s->t->text.len;

	if (toml_at(s, "\"\"\"") || toml_at(s, "'''"))
		return toml_bad(s, "a key of many lines");
	if (toml_at(s, "\"") || toml_at(s, "'"))
		return toml_scan_string(s, out);
	while (n < s->in.len && is_bare(s->in.p[n]))
		n++;
	if (n == 0)
		return toml_bad(s, "no key where one must be");
	if (buf_add(&s->t->text, s->in.p, n, s->e) < 0)
		return -(int)s->e->code;
	advance(s, n);
	*out = (struct toml_text){ (uint32_t)at, (uint32_t)n };
	return 0;
}

/* Digits of the base, single underscores between them, at most max. */
static bool
parse_digits(struct span w, unsigned base, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	bool digit = false;	/* was the last one */

	for (size_t i = 0; i < w.len; i++) {
		unsigned d = digit_value(w.p[i]);

		if (w.p[i] == '_' && digit) {
			digit = false;
			continue;
		}
		if (d >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, d, &value))
			return false;
		digit = true;
	}
	*out = value;
	return digit && value <= max;
}

static bool
parse_integer(struct span w, int64_t *out)
{
	static const struct { const char *prefix; unsigned base; } bases[] = {
		{ "0x", 16 }, { "0o", 8 }, { "0b", 2 },
	};
	bool negative = span_starts(w, "-"), sign = negative || span_starts(w, "+");
	uint64_t value;

	for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
		if (!span_starts(w, bases[i].prefix))
			continue;
		w = (struct span){ w.p + 2, w.len - 2 };
		if (!parse_digits(w, bases[i].base, INT64_MAX, &value))
			return false;
		*out = (int64_t)value;
		return true;
	}
	if (sign)
		w = (struct span){ w.p + 1, w.len - 1 };
	if (w.len == 0 || (w.p[0] == '0' && w.len > 1) ||
	    !parse_digits(w, 10, (uint64_t)INT64_MAX + negative, &value))
		return false;
	*out = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

/* What else the language has; NULL for what it has not. */
static const char *
foreign_kind(struct span w)
{
	size_t digits = 0;

	if (span_starts(w, "+") || span_starts(w, "-"))
		w = (struct span){ w.p + 1, w.len - 1 };
	while (digits < w.len && w.p[digits] >= '0' && w.p[digits] <= '9')
		digits++;
	if (digits < w.len && ((digits == 4 && w.p[4] == '-') || (digits == 2 && w.p[2] == ':')))
		return "dates and times";
	if (span_eq_str(w, "inf") || span_eq_str(w, "nan") || (digits > 0 && digits < w.len &&
	    (w.p[digits] == '.' || (w.p[digits] | 0x20) == 'e')))
		return "floating-point numbers";
	return NULL;
}

int
toml_scan_word(struct toml_scan *s, struct toml_node *out)
{
	struct span w = { s->in.p, 0 };
	const char *foreign;

	while (w.len < s->in.len && (is_bare(w.p[w.len]) || w.p[w.len] == '+' ||
	    w.p[w.len] == '.' || w.p[w.len] == ':'))
		w.len++;
	if (span_eq_str(w, "true") || span_eq_str(w, "false")) {
		out->kind = TOML_BOOLEAN;
		out->boolean = w.len == 4;
	} else if (parse_integer(w, &out->integer)) {
		out->kind = TOML_INTEGER;
	} else if ((foreign = foreign_kind(w)) != NULL) {
		return err_set(s->e, ERR_UNSUPPORTED, "line %" PRIu32 ": %s are not supported here",
		    s->line, foreign);
	} else {
		return toml_bad(s, "no value: a string in quotes, an integer of 64 bits, true, "
		    "false, [ or {");
	}
	advance(s, w.len);
	return 0;
}
