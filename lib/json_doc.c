/*
 * json_doc.c: strings, names and values of a parsed document. Names of all
 * objects share one hash table, which refuses duplicates while parsing and
 * serves json_get() later. Only text that the scanner accepted comes here.
 */
#include "lib/base.h"
#include "lib/json_doc.h"

#include "lib/sys.h"
#include "lib/utf8.h"

enum { FIRST_INDEX = 64 };

static unsigned
hex_value(uint8_t c)
{
	return c <= '9' ? c - 0x30u : (c | 0x20u) - 0x61u + 10u;
}

uint32_t
json_hex4(const uint8_t *p)
{
	return hex_value(p[0]) << 12 | hex_value(p[1]) << 8 |
	    hex_value(p[2]) << 4 | hex_value(p[3]);
}

struct decoder {
	struct span	in;		/* between the quotes */
	uint8_t		out[4];		/* UTF-8 of the last escape */
	uint8_t		n, at;
};

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
		c = json_hex4(p + 2);
		if (c >= 0xd800 && c <= 0xdbff) {
			used = 12;
			c = 0x10000 + ((c - 0xd800) << 10) + (json_hex4(p + 8) - 0xdc00);
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

int
json_index_add(struct json *j, uint32_t name, struct err *e)
{
	int rc = index_grow(j, e);

	if (rc < 0)
		return rc;
	if (!index_put(j, name))
		return err_set(e, ERR_PARSE, "JSON: duplicate member at byte %" PRIu32,
		    j->tokens[name].start);
	return 0;
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
	*out = token_raw(v.doc, v.tok).p[0] == 't';
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
