/*
 * json.c: the scanner behind json.h. One pass over the text by a state machine
 * with a stack of its own fills a table of tokens in text order; a token holds
 * offsets only. It never copies text and never shows any in an error.
 */
#include "lib/base.h"
#include "lib/json.h"

#include "lib/json_doc.h"
#include "lib/limits.h"
#include "lib/sys.h"
#include "lib/utf8.h"

enum { MAX_TOKENS = 1000000, FIRST_TOKENS = 32 };

enum state {
	AT_VALUE,		/* a value must come */
	AT_ELEMENT_OR_END,	/* behind [ */
	AT_NAME,		/* behind a comma in an object */
	AT_NAME_OR_END,		/* behind { */
	BEHIND_VALUE,		/* a comma, an end, or the end of the text */
};

struct scan {
	struct json	*j;
	struct span	 in;			/* what is left */
	enum state	 state;
	uint32_t	 open[LIMIT_JSON_DEPTH];	/* containers around us */
	unsigned	 depth;
	struct err	*e;
};

static size_t
offset(const struct scan *s)
{
	return s->j->text.len - s->in.len;
}

static int
bad(const struct scan *s, const char *why)
{
	return err_set(s->e, ERR_PARSE, "JSON: %s at byte %zu", why, offset(s));
}

static void
advance(struct scan *s, size_t n)
{
	s->in.p += n;
	s->in.len -= n;
}

static bool
looking_at(const struct scan *s, char c)
{
	return s->in.len > 0 && s->in.p[0] == (uint8_t)c;
}

static void
skip_space(struct scan *s)
{
	while (looking_at(s, ' ') || looking_at(s, '\n') ||
	    looking_at(s, '\t') || looking_at(s, '\r'))
		advance(s, 1);
}

/* Adds the token that starts here; its end is set when it is known. */
static int
token_add(struct scan *s, enum json_kind type, uint32_t *out)
{
	struct json *j = s->j;

	if (j->ntokens == MAX_TOKENS)
		return err_set(s->e, ERR_LIMIT, "JSON: more than %d values", MAX_TOKENS);
	if (j->ntokens == j->room) {
		uint32_t room = j->room == 0 ? FIRST_TOKENS : j->room * 2;
		void *p = sys_realloc(j->tokens, room * sizeof(*j->tokens));

		if (p == NULL)
			return err_set(s->e, ERR_NOMEM, "JSON: out of memory");
		j->tokens = p;
		j->room = room;
	}
	*out = j->ntokens++;
	j->tokens[*out] = (struct token){ .start = (uint32_t)offset(s),
	    .next = j->ntokens, .type = (uint8_t)type };
	return 0;
}

static void
token_end(struct scan *s, uint32_t t)
{
	s->j->tokens[t].end = (uint32_t)offset(s);
	s->j->tokens[t].next = s->j->ntokens;
	s->state = BEHIND_VALUE;
}

/* \uXXXX at this place, not a check of what it means. */
static bool
is_unicode_escape(struct span in)
{
	if (in.len < 6 || in.p[0] != '\\' || in.p[1] != 'u')
		return false;
	for (size_t i = 2; i < 6; i++) {
		uint8_t c = in.p[i] | 0x20;

		if (!(in.p[i] >= '0' && in.p[i] <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
	}
	return true;
}

/* Bytes of the escape at the front, 0 if it is none; a surrogate needs its mate. */
static size_t
escape_length(struct span in)
{
	struct span mate;
	uint32_t c;

	if (in.len >= 2 && in.p[1] != '\0' && strchr("\"\\/bfnrt", in.p[1]) != NULL)
		return 2;
	if (!is_unicode_escape(in))
		return 0;
	c = json_hex4(in.p + 2);
	if (c < 0xd800 || c > 0xdfff)
		return 6;
	mate = (struct span){ in.p + 6, in.len - 6 };
	if (c > 0xdbff || !is_unicode_escape(mate))
		return 0;
	c = json_hex4(mate.p + 2);
	return c >= 0xdc00 && c <= 0xdfff ? 12 : 0;
}

static int
scan_string(struct scan *s)
{
	advance(s, 1);
	while (!looking_at(s, '"')) {
		uint32_t c;
		size_t n;

		if (s->in.len == 0)
			return bad(s, "string without end");
		if (s->in.p[0] < 0x20)
			return bad(s, "control character in a string");
		n = looking_at(s, '\\') ? escape_length(s->in) : utf8_decode(s->in, &c);
		if (n == 0)
			return bad(s, "bad escape or UTF-8");
		advance(s, n);
	}
	advance(s, 1);
	return 0;
}

static size_t
skip_digits(struct scan *s)
{
	size_t n = 0;

	while (s->in.len > 0 && s->in.p[0] >= '0' && s->in.p[0] <= '9') {
		advance(s, 1);
		n++;
	}
	return n;
}

static int
scan_number(struct scan *s)
{
	if (looking_at(s, '-'))
		advance(s, 1);
	if (looking_at(s, '0'))
		advance(s, 1);	/* a digit behind it is no end of a value */
	else if (skip_digits(s) == 0)
		return bad(s, "bad number");
	if (looking_at(s, '.')) {
		advance(s, 1);
		if (skip_digits(s) == 0)
			return bad(s, "bad number");
	}
	if (looking_at(s, 'e') || looking_at(s, 'E')) {
		advance(s, 1);
		if (looking_at(s, '+') || looking_at(s, '-'))
			advance(s, 1);
		if (skip_digits(s) == 0)
			return bad(s, "bad number");
	}
	return 0;
}

static int
scan_word(struct scan *s, const char *word)
{
	if (!span_starts(s->in, word))
		return bad(s, "unknown word");
	advance(s, strlen(word));
	return 0;
}

/* Opens a container: its first name or element comes next. */
static int
open_container(struct scan *s, uint32_t t, enum state inside)
{
	if (s->depth == LIMIT_JSON_DEPTH)
		return err_set(s->e, ERR_LIMIT, "JSON: more than %d levels at byte %zu",
		    LIMIT_JSON_DEPTH, offset(s));
	s->open[s->depth++] = t;
	s->state = inside;
	advance(s, 1);
	return 0;
}

static int
close_container(struct scan *s)
{
	advance(s, 1);
	token_end(s, s->open[--s->depth]);
	return 0;
}

/* What the first byte of a value announces; false if no value begins so. */
static bool
value_type(uint8_t c, enum json_kind *out)
{
	static const struct { char first; enum json_kind type; } starts[] = {
		{ '{', JSON_OBJECT }, { '[', JSON_ARRAY }, { '"', JSON_STRING },
		{ 't', JSON_BOOL }, { 'f', JSON_BOOL }, { 'n', JSON_NULL },
		{ '-', JSON_NUMBER },
	};

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		if (c == (uint8_t)starts[i].first) {
			*out = starts[i].type;
			return true;
		}
	}
	*out = JSON_NUMBER;
	return c >= '0' && c <= '9';
}

static int
scan_value(struct scan *s)
{
	enum json_kind type;
	uint32_t t;
	int rc;

	if (s->in.len == 0 || !value_type(s->in.p[0], &type))
		return bad(s, "no value");
	rc = token_add(s, type, &t);
	if (rc < 0)
		return rc;
	if (s->depth > 0)
		s->j->tokens[s->open[s->depth - 1]].count++;
	switch (type) {
	case JSON_OBJECT:
		return open_container(s, t, AT_NAME_OR_END);
	case JSON_ARRAY:
		return open_container(s, t, AT_ELEMENT_OR_END);
	case JSON_STRING:
		rc = scan_string(s);
		break;
	case JSON_NUMBER:
		rc = scan_number(s);
		break;
	case JSON_BOOL:
		rc = scan_word(s, looking_at(s, 't') ? "true" : "false");
		break;
	case JSON_NULL:
		rc = scan_word(s, "null");
		break;
	}
	if (rc == 0)
		token_end(s, t);
	return rc;
}

/* A name and its colon. */
static int
scan_name(struct scan *s)
{
	uint32_t t;
	int rc;

	if (!looking_at(s, '"'))
		return bad(s, "no member name");
	if ((rc = token_add(s, JSON_STRING, &t)) < 0 || (rc = scan_string(s)) < 0)
		return rc;
	token_end(s, t);
	s->j->tokens[t].count = s->open[s->depth - 1];
	if ((rc = json_index_add(s->j, t, s->e)) < 0)
		return rc;
	skip_space(s);
	if (!looking_at(s, ':'))
		return bad(s, "no colon");
	advance(s, 1);
	s->state = AT_VALUE;
	return 0;
}

/* A comma or the end of the container. */
static int
scan_behind(struct scan *s)
{
	bool object = s->j->tokens[s->open[s->depth - 1]].type == JSON_OBJECT;

	if (looking_at(s, object ? '}' : ']'))
		return close_container(s);
	if (!looking_at(s, ','))
		return bad(s, "no comma and no end");
	advance(s, 1);
	s->state = object ? AT_NAME : AT_VALUE;
	return 0;
}

static int
scan_step(struct scan *s)
{
	switch (s->state) {
	case AT_ELEMENT_OR_END:
		if (looking_at(s, ']'))
			return close_container(s);
		return scan_value(s);
	case AT_NAME_OR_END:
		if (looking_at(s, '}'))
			return close_container(s);
		return scan_name(s);
	case AT_NAME:
		return scan_name(s);
	case AT_VALUE:
		return scan_value(s);
	case BEHIND_VALUE:
		return scan_behind(s);
	}
	return err_set(s->e, ERR_BUG, "JSON: no such state");
}

/* Each step consumes at least one byte or fails. */
static int
scan_document(struct json *j, struct err *e)
{
	struct scan s = { .j = j, .in = j->text, .state = AT_VALUE, .e = e };

	do {
		int rc;

		skip_space(&s);
		if ((rc = scan_step(&s)) < 0)
			return rc;
	} while (s.depth > 0 || s.state != BEHIND_VALUE);
	skip_space(&s);
	return s.in.len == 0 ? 0 : bad(&s, "more text behind the document");
}

int
json_parse(struct span text, struct json **out, struct err *e)
{
	autojson j = NULL;
	uint64_t seed[2];
	int rc;

	if (text.len >= UINT32_MAX)
		return err_set(e, ERR_LIMIT, "JSON: text too long");
	if (sys_random(seed, sizeof(seed)) != 0)
		return err_sys(e, "JSON: random");
	j = sys_alloc(sizeof(*j));
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "JSON: out of memory");
	j->text = text;
	j->point = seed[0] >> 3;
	j->spread = seed[1] | 1;
	if ((rc = scan_document(j, e)) < 0)
		return rc;
	*out = j;
	j = NULL;
	return 0;
}

void
json_free(struct json *j)
{
	if (j == NULL)
		return;
	sys_free(j->tokens);
	sys_free(j->index);
	sys_free(j);
}

void
json_freep(struct json **j)
{
	json_free(*j);
	*j = NULL;
}
