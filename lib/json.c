/*
 * json.c: the reader behind json.h. One pass over the text by a state machine
 * with a stack of its own fills a table of tokens in text order; a token holds
 * offsets only. Names of all objects share one hash table, which refuses
 * duplicates while parsing and serves json_get() later. It never copies text
 * and never shows any in an error.
 */
#include "lib/base.h"
#include "lib/json.h"

#include "lib/limits.h"
#include "lib/sys.h"

enum { MAX_TOKENS = 1000000, FIRST_TOKENS = 32, FIRST_INDEX = 64 };

struct token {
	uint32_t	start, end;	/* of the text, quotes included */
	uint32_t	next;		/* first token behind this value */
	uint32_t	count;		/* containers: entries; names: their object */
	uint8_t		type;		/* enum json_kind */
};

struct json {
	struct span	 text;
	struct token	*tokens;
	uint32_t	 ntokens, room;
	uint32_t	*index;		/* of names; 0: free, as token 0 is no name */
	uint32_t	 nnames, slots;	/* slots: a power of two */
	uint64_t	 point, spread;	/* random, see hash_add() */
};

/*
 * Decoding of strings. Only text that the scanner has accepted comes here.
 */

struct decoder {
	struct span	in;		/* between the quotes */
	uint8_t		out[4];		/* UTF-8 of the last escape */
	uint8_t		n, at;
};

static unsigned
hex_value(uint8_t c)
{
	return c <= '9' ? c - 0x30u : (c | 0x20u) - 0x61u + 10u;
}

static uint32_t
hex4(const uint8_t *p)
{
	return hex_value(p[0]) << 12 | hex_value(p[1]) << 8 |
	    hex_value(p[2]) << 4 | hex_value(p[3]);
}

static uint8_t
utf8_encode(uint32_t c, uint8_t out[4])
{
	static const uint8_t lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	uint8_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (unsigned i = n - 1u; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(lead[n] | c);
	return n;
}

/* Decodes the escape at the front: \uXXXX, a pair of them, or \ and a letter. */
static void
decode_escape(struct decoder *d)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const uint8_t *p = d->in.p;
	size_t used = 2;
	uint32_t c = p[1];
	const char *letter = strchr(from, (int)c);

	if (letter != NULL) {
		c = (uint8_t)to[letter - from];
	} else if (c == 'u') {
		used = 6;
		c = hex4(p + 2);
		if (c >= 0xd800 && c <= 0xdbff) {
			used = 12;
			c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 8) - 0xdc00);
		}
	}
	d->in.p += used;
	d->in.len -= used;
	d->n = utf8_encode(c, d->out);
	d->at = 0;
}

/* The next byte of the value, -1 at its end. */
static int
decode_byte(struct decoder *d)
{
	if (d->at < d->n)
		return d->out[d->at++];
	if (d->in.len == 0)
		return -1;
	if (d->in.p[0] == '\\') {
		decode_escape(d);
		return d->out[d->at++];
	}
	d->in.len--;
	return *d->in.p++;
}

static struct span
token_raw(const struct json *j, uint32_t t)
{
	const struct token *tok = &j->tokens[t];

	return (struct span){ j->text.p + tok->start, tok->end - tok->start };
}

static struct decoder
decoder(const struct json *j, uint32_t t)
{
	struct span raw = token_raw(j, t);

	return (struct decoder){ .in = { raw.p + 1, raw.len - 2 } };
}

/*
 * The index of names.
 */

/*
 * A polynomial over the integers modulo 2^61 - 1, evaluated at a random point
 * that is drawn for each document: who writes the text cannot choose names that
 * fall together.
 */
static uint64_t
hash_add(const struct json *j, uint64_t h, uint64_t next)
{
	const uint64_t prime = (UINT64_C(1) << 61) - 1;
	unsigned __int128 wide = (unsigned __int128)h * j->point + next;
	uint64_t folded = (uint64_t)(wide & prime) + (uint64_t)(wide >> 61);

	return folded >= prime ? folded - prime : folded;
}

static uint32_t
hash_slot(const struct json *j, uint64_t h)
{
	return (uint32_t)((h * j->spread) >> 32) & (j->slots - 1);
}

static uint64_t
hash_name(const struct json *j, uint32_t name)
{
	struct decoder d = decoder(j, name);
	uint64_t h = j->tokens[name].count + 1;

	for (int c; (c = decode_byte(&d)) >= 0; )
		h = hash_add(j, h, (uint64_t)c + 1);
	return h;
}

static bool
names_equal(const struct json *j, uint32_t a, uint32_t b)
{
	struct decoder da = decoder(j, a), db = decoder(j, b);
	int ca, cb;

	if (j->tokens[a].count != j->tokens[b].count)
		return false;
	do {
		ca = decode_byte(&da);
		cb = decode_byte(&db);
	} while (ca == cb && ca >= 0);
	return ca == cb;
}

/* Puts a name that is not there yet; false if it is. There is a free slot. */
static bool
index_put(struct json *j, uint32_t name)
{
	uint32_t at = hash_slot(j, hash_name(j, name));

	for (; j->index[at] != 0; at = (at + 1) & (j->slots - 1))
		if (names_equal(j, j->index[at], name))
			return false;
	j->index[at] = name;
	j->nnames++;
	return true;
}

/* Keeps at least half of the slots free, so that a search ends soon. */
static int
index_grow(struct json *j, struct err *e)
{
	uint32_t slots = j->slots == 0 ? FIRST_INDEX : j->slots * 2;
	uint32_t *old = j->index, nold = j->slots;

	if (j->nnames + 1 <= j->slots / 2)
		return 0;
	j->index = sys_alloc(slots * sizeof(*j->index));
	if (j->index == NULL) {
		j->index = old;
		return err_set(e, ERR_NOMEM, "JSON: out of memory");
	}
	j->slots = slots;
	j->nnames = 0;
	for (uint32_t i = 0; i < nold; i++)
		if (old[i] != 0)
			(void)index_put(j, old[i]);
	sys_free(old);
	return 0;
}

/*
 * The scanner.
 */

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

/* Bytes of the UTF-8 sequence at the front, 0 if it is none (RFC 3629). */
static size_t
utf8_length(struct span in)
{
	uint8_t c = in.p[0], low = 0x80, high = 0xbf;
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (n == 0 || n > in.len)
		return 0;
	if (c == 0xe0)
		low = 0xa0;	/* overlong */
	if (c == 0xed)
		high = 0x9f;	/* surrogates */
	if (c == 0xf0)
		low = 0x90;	/* overlong */
	if (c == 0xf4)
		high = 0x8f;	/* above U+10FFFF */
	for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf)
		if (in.p[i] < low || in.p[i] > high)
			return 0;
	return n;
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
	c = hex4(in.p + 2);
	if (c < 0xd800 || c > 0xdfff)
		return 6;
	mate = (struct span){ in.p + 6, in.len - 6 };
	if (c > 0xdbff || !is_unicode_escape(mate))
		return 0;
	c = hex4(mate.p + 2);
	return c >= 0xdc00 && c <= 0xdfff ? 12 : 0;
}

static int
scan_string(struct scan *s)
{
	advance(s, 1);
	while (!looking_at(s, '"')) {
		size_t n;

		if (s->in.len == 0)
			return bad(s, "string without end");
		if (s->in.p[0] < 0x20)
			return bad(s, "control character in a string");
		n = looking_at(s, '\\') ? escape_length(s->in) : utf8_length(s->in);
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
	size_t start = offset(s);
	uint32_t t;
	int rc;

	if (!looking_at(s, '"'))
		return bad(s, "no member name");
	if ((rc = token_add(s, JSON_STRING, &t)) < 0 || (rc = scan_string(s)) < 0)
		return rc;
	token_end(s, t);
	s->j->tokens[t].count = s->open[s->depth - 1];
	if ((rc = index_grow(s->j, s->e)) < 0)
		return rc;
	if (!index_put(s->j, t))
		return err_set(s->e, ERR_PARSE, "JSON: duplicate member at byte %zu", start);
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

/*
 * Reading a document.
 */

struct json_val
json_root(const struct json *j)
{
	return (struct json_val){ j, 0 };
}

bool
json_ok(struct json_val v)
{
	return v.doc != NULL;
}

enum json_kind
json_kind(struct json_val v)
{
	return (enum json_kind)v.doc->tokens[v.tok].type;
}

bool
json_is(struct json_val v, enum json_kind type)
{
	return json_ok(v) && json_kind(v) == type;
}

struct span
json_raw(struct json_val v)
{
	return json_ok(v) ? token_raw(v.doc, v.tok) : (struct span){ NULL, 0 };
}

static bool
token_equals(const struct json *j, uint32_t t, const char *text)
{
	struct decoder d = decoder(j, t);
	int c;

	while ((c = decode_byte(&d)) > 0 && c == (uint8_t)*text)
		text++;
	return c < 0 && *text == '\0';
}

struct json_val
json_get(struct json_val obj, const char *name)
{
	const struct json *j = obj.doc;
	uint64_t h = (uint64_t)obj.tok + 1;
	uint32_t at;

	if (!json_is(obj, JSON_OBJECT) || j->slots == 0)
		return (struct json_val){ NULL, 0 };
	for (const char *p = name; *p != '\0'; p++)
		h = hash_add(j, h, (uint64_t)(uint8_t)*p + 1);
	for (at = hash_slot(j, h); j->index[at] != 0; at = (at + 1) & (j->slots - 1)) {
		uint32_t t = j->index[at];

		if (j->tokens[t].count == obj.tok && token_equals(j, t, name))
			return (struct json_val){ j, t + 1 };
	}
	return (struct json_val){ NULL, 0 };
}

size_t
json_count(struct json_val v)
{
	if (!json_is(v, JSON_ARRAY) && !json_is(v, JSON_OBJECT))
		return 0;
	return v.doc->tokens[v.tok].count;
}

struct json_iter
json_iter(struct json_val v)
{
	return (struct json_iter){ .of = v, .next = v.tok + 1,
	    .left = (uint32_t)json_count(v) };
}

bool
json_next(struct json_iter *it)
{
	const struct json *j = it->of.doc;

	if (it->left == 0)
		return false;
	it->left--;
	if (json_is(it->of, JSON_OBJECT))
		it->key = (struct json_val){ j, it->next++ };
	it->val = (struct json_val){ j, it->next };
	it->next = j->tokens[it->next].next;
	return true;
}

static int
expect(struct json_val v, enum json_kind type, const char *what, struct err *e)
{
	static const char *const names[] = {
		[JSON_NULL] = "null", [JSON_BOOL] = "true or false",
		[JSON_NUMBER] = "a number", [JSON_STRING] = "a string",
		[JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
	};

	if (!json_ok(v))
		return err_set(e, ERR_PARSE, "%s is missing", what);
	if (json_kind(v) != type)
		return err_set(e, ERR_PARSE, "%s must be %s", what, names[type]);
	return 0;
}

/* Length of the decoded string; U+0000 is an error, as most uses end at it. */
static int
string_length(struct json_val v, const char *what, size_t *out, struct err *e)
{
	struct decoder d;
	size_t n = 0;
	int c, rc;

	if ((rc = expect(v, JSON_STRING, what, e)) < 0)
		return rc;
	d = decoder(v.doc, v.tok);
	while ((c = decode_byte(&d)) > 0)
		n++;
	if (c == 0)
		return err_set(e, ERR_PARSE, "%s holds a NUL character", what);
	*out = n;
	return 0;
}

/* Bytes up to the next escape. */
static size_t
plain_run(struct span in)
{
	const uint8_t *escape = memchr(in.p, '\\', in.len);

	return escape == NULL ? in.len : (size_t)(escape - in.p);
}

int
json_str(struct json_val v, const char *what, struct buf *out, struct err *e)
{
	struct decoder d;
	size_t n;
	int rc;

	if ((rc = string_length(v, what, &n, e)) < 0)
		return rc;
	if (buf_reserve(out, n, e) < 0)
		return err_wrap(e, "%s", what);
	d = decoder(v.doc, v.tok);
	do {			/* reserved above: no addition fails */
		size_t run = plain_run(d.in);

		if ((rc = buf_add(out, d.in.p, run, e)) < 0)
			return rc;
		d.in.p += run;
		d.in.len -= run;
		if (d.in.len > 0)
			decode_escape(&d);
		else
			d.n = 0;
		if ((rc = buf_add(out, d.out, d.n, e)) < 0)
			return rc;
	} while (d.in.len > 0);
	return 0;
}

int
json_cstr(struct json_val v, const char *what, char *out, size_t size, struct err *e)
{
	struct decoder d;
	size_t n;
	int rc;

	if ((rc = string_length(v, what, &n, e)) < 0)
		return rc;
	if (n >= size)
		return err_set(e, ERR_LIMIT, "%s is longer than %zu bytes", what, size - 1);
	d = decoder(v.doc, v.tok);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)decode_byte(&d);
	out[n] = '\0';
	return 0;
}

int
json_u64(struct json_val v, const char *what, uint64_t max, uint64_t *out, struct err *e)
{
	int rc = expect(v, JSON_NUMBER, what, e);

	if (rc < 0)
		return rc;
	if (!span_decimal(json_raw(v), max, out))
		return err_set(e, ERR_PARSE, "%s must be an integer from 0 to %" PRIu64, what, max);
	return 0;
}

int
json_boolean(struct json_val v, const char *what, bool *out, struct err *e)
{
	int rc = expect(v, JSON_BOOL, what, e);

	if (rc < 0)
		return rc;
	*out = json_raw(v).p[0] == 't';
	return 0;
}

bool
json_str_eq(struct json_val v, const char *text)
{
	return json_is(v, JSON_STRING) && token_equals(v.doc, v.tok, text);
}

static bool
is_listed(struct json_val name, const char *const names[])
{
	for (; *names != NULL; names++)
		if (json_str_eq(name, *names))
			return true;
	return false;
}

int
json_only(struct json_val obj, const char *what, const char *const names[], struct err *e)
{
	struct json_iter it = json_iter(obj);
	int rc = expect(obj, JSON_OBJECT, what, e);

	if (rc < 0)
		return rc;
	while (json_next(&it)) {
		struct span raw = json_raw(it.key);

		if (!is_listed(it.key, names))
			return err_set(e, ERR_PARSE, "%s: unknown member %.*s", what,
			    (int)MIN(raw.len, (size_t)80), (const char *)raw.p);
	}
	return 0;
}
