/*
 * toml.c: puts a TOML document together, line by line: which table a header or a dotted
 * key means, and what may be added to it. Values in values are kept by the nodes'
 * parents, so that nothing here calls itself.
 */
#include "lib/base.h"
#include "lib/toml.h"

#include "lib/limits.h"
#include "lib/sys.h"
#include "lib/toml_doc.h"

static const char defined_twice[] = "a table that was defined before";
static const char no_table[] = "a key that names something other than a table";

static struct toml_node *
node_at(const struct toml_scan *s, uint32_t i)
{
	return &s->t->nodes[i];
}

static bool
was_made(const struct toml_scan *s, uint32_t i, enum toml_kind kind, enum toml_made made)
{
	return node_at(s, i)->kind == kind && node_at(s, i)->made == made;
}

static uint32_t
find(const struct toml_scan *s, uint32_t table, struct toml_text key)
{
	return toml_find(s->t, table, toml_text(s->t, key));
}

static int
add(struct toml_scan *s, uint32_t parent, const struct toml_text *key, enum toml_kind kind,
    enum toml_made made, uint32_t *out)
{
	int rc = toml_add(s->t, parent, key, kind, s->line, out, s->e);

	if (rc == 0)
		node_at(s, *out)->made = (uint8_t)made;
	return rc;
}

/*
 * Headers.
 */

/* From a table to the one that the header [… .key. …] passes through; of [[x]] the last. */
static int
pass_header(struct toml_scan *s, uint32_t *table, struct toml_text key)
{
	uint32_t i = find(s, *table, key);

	if (i == 0)
		return add(s, *table, &key, TOML_TABLE, MADE_PASSING, table);
	if (was_made(s, i, TOML_ARRAY, MADE_HEADER))
		i = node_at(s, i)->last;
	if (node_at(s, i)->kind != TOML_TABLE || node_at(s, i)->made == MADE_VALUE)
		return toml_bad(s, no_table);
	*table = i;
	return 0;
}

/* [… .key]: a new table, or one that headers only passed through so far. */
static int
open_table(struct toml_scan *s, uint32_t table, struct toml_text key)
{
	uint32_t i = find(s, table, key);

	if (i == 0)
		return add(s, table, &key, TOML_TABLE, MADE_HEADER, &s->section);
	if (!was_made(s, i, TOML_TABLE, MADE_PASSING))
		return toml_bad(s, defined_twice);
	node_at(s, i)->made = MADE_HEADER;
	node_at(s, i)->line = s->line;
	s->section = i;
	return 0;
}

/* [[… .key]]: one more table in an array that is made of nothing else. */
static int
open_element(struct toml_scan *s, uint32_t table, struct toml_text key)
{
	uint32_t i = find(s, table, key);
	int rc = 0;

	if (i == 0)
		rc = add(s, table, &key, TOML_ARRAY, MADE_HEADER, &i);
	else if (!was_made(s, i, TOML_ARRAY, MADE_HEADER))
		rc = toml_bad(s, defined_twice);
	return rc < 0 ? rc : add(s, i, NULL, TOML_TABLE, MADE_HEADER, &s->section);
}

static int
scan_header(struct toml_scan *s)
{
	bool element = toml_take(s, "[[");
	struct toml_text key;
	uint32_t table = 0;
	int rc;

	if (!element)
		(void)toml_take(s, "[");
	for (;;) {
		toml_skip_blanks(s);
		if ((rc = toml_scan_key(s, &key)) < 0)
			return rc;
		toml_skip_blanks(s);
		if (!toml_take(s, "."))
			break;
		if ((rc = pass_header(s, &table, key)) < 0)
			return rc;
	}
	if (!toml_take(s, element ? "]]" : "]"))
		return toml_bad(s, "a header without end");
	return element ? open_element(s, table, key) : open_table(s, table, key);
}

/*
 * Values.
 */

/* From a table to the one that key.x = … names: one that dotted keys made, here. */
static int
pass_dotted(struct toml_scan *s, uint32_t *table, struct toml_text key)
{
	uint32_t i = find(s, *table, key);

	if (i == 0)
		return add(s, *table, &key, TOML_TABLE, MADE_DOTTED, table);
	if (!was_made(s, i, TOML_TABLE, MADE_DOTTED))
		return toml_bad(s, node_at(s, i)->kind == TOML_TABLE ? defined_twice : no_table);
	*table = i;
	return 0;
}

/* A value, or the start of one that holds others: that is *open then. */
static int
begin_value(struct toml_scan *s, uint32_t parent, const struct toml_text *key, uint32_t *open)
{
	enum toml_kind kind = toml_at(s, "[") ? TOML_ARRAY : toml_at(s, "{") ? TOML_TABLE :
	    toml_at(s, "\"") || toml_at(s, "'") ? TOML_STRING : TOML_INTEGER;
	uint32_t i;
	int rc = add(s, parent, key, kind, MADE_VALUE, &i);

	if (rc < 0)
		return rc;
	s->fresh = kind == TOML_ARRAY || kind == TOML_TABLE;
	if (s->fresh) {
		(void)(toml_take(s, "[") || toml_take(s, "{"));
		*open = i;
		return 0;
	}
	if (kind == TOML_STRING)
		return toml_scan_string(s, &node_at(s, i)->string);
	return toml_scan_word(s, node_at(s, i));
}

/* key = value, the value perhaps only begun. */
static int
begin_pair(struct toml_scan *s, uint32_t table, uint32_t *open)
{
	struct toml_text key;
	int rc;

	for (;;) {
		if ((rc = toml_scan_key(s, &key)) < 0)
			return rc;
		toml_skip_blanks(s);
		if (!toml_take(s, "."))
			break;
		toml_skip_blanks(s);
		if ((rc = pass_dotted(s, &table, key)) < 0)
			return rc;
	}
	if (find(s, table, key) != 0)
		return toml_bad(s, "a key that was there before");
	if (!toml_take(s, "="))
		return toml_bad(s, "no = behind a key");
	toml_skip_blanks(s);
	return begin_value(s, table, &key, open);
}

/* The array or inline table around a value that is complete; 0: none. */
static uint32_t
enclosing(const struct toml_scan *s, uint32_t i)
{
	do
		i = node_at(s, i)->parent;
	while (node_at(s, i)->made == MADE_DOTTED);
	return node_at(s, i)->made == MADE_VALUE ? i : 0;
}

static int
close_value(struct toml_scan *s, uint32_t *open)
{
	*open = enclosing(s, *open);
	s->fresh = false;
	return 0;
}

/* One element, comma or end of an array: over many lines, the last comma may stay. */
static int
array_step(struct toml_scan *s, uint32_t *open)
{
	bool ended;
	int rc;

	do
		if ((rc = toml_skip_end(s, &ended)) < 0)
			return rc;
	while (ended && s->in.len > 0);
	if (s->in.len == 0)
		return toml_bad(s, "an array without end");
	if (toml_take(s, "]"))
		return close_value(s, open);
	if (s->fresh)
		return begin_value(s, *open, NULL, open);
	s->fresh = toml_take(s, ",");
	return s->fresh ? 0 : toml_bad(s, "no comma and no end in an array");
}

/* One pair, comma or end of an inline table: on one line, no comma in front of the end. */
static int
table_step(struct toml_scan *s, uint32_t *open)
{
	bool first = node_at(s, *open)->count == 0;

	toml_skip_blanks(s);
	if ((first || !s->fresh) && toml_take(s, "}"))
		return close_value(s, open);
	if (s->fresh)
		return begin_pair(s, *open, open);
	s->fresh = toml_take(s, ",");
	return s->fresh ? 0 : toml_bad(s, "no comma and no end in an inline table");
}

/* key = value. Each step consumes a byte or fails. */
static int
scan_pair(struct toml_scan *s)
{
	uint32_t open = 0;
	int rc = begin_pair(s, s->section, &open);

	while (rc == 0 && open != 0)
		rc = node_at(s, open)->kind == TOML_ARRAY ? array_step(s, &open) :
		    table_step(s, &open);
	return rc;
}

static int
scan_line(struct toml_scan *s)
{
	bool ended;
	int rc = toml_skip_end(s, &ended);

	if (rc < 0 || ended)
		return rc;
	rc = toml_at(s, "[") ? scan_header(s) : scan_pair(s);
	if (rc == 0)
		rc = toml_skip_end(s, &ended);
	if (rc == 0 && !ended)
		rc = toml_bad(s, "more text behind a value or a header");
	return rc;
}

int
toml_parse(struct span text, struct toml **out, struct err *e)
{
	struct toml_scan s = { .in = text, .line = 1, .e = e };
	autotoml t = NULL;
	int rc;

	if (text.len > LIMIT_TOML)
		return err_set(e, ERR_LIMIT, "%zu bytes; at most %zu are read", text.len, LIMIT_TOML);
	t = sys_alloc(sizeof(*t));
	if (t == NULL)
		return err_set(e, ERR_NOMEM, "TOML: out of memory");
	t->text.max = text.len;	/* no string is longer decoded than written */
	s.t = t;
	rc = add(&s, 0, NULL, TOML_TABLE, MADE_HEADER, &s.section);
	while (rc == 0 && s.in.len > 0)
		rc = scan_line(&s);
	if (rc < 0)
		return rc;
	*out = t;
	t = NULL;
	return 0;
}
