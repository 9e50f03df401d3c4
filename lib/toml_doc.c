/*
 * toml_doc.c: the nodes of a document and what can be asked of them. A node knows its
 * parent, its children form a list: names are found by going through it, which
 * LIMIT_TOML_VALUES keeps cheap.
 */
#include "lib/base.h"
#include "lib/toml_doc.h"

#include "lib/limits.h"
#include "lib/sys.h"

enum { FIRST_NODES = 32, KEY_SHOWN = 80 };

static int
make_room(struct toml *t, uint32_t line, struct err *e)
{
	uint32_t room = t->room == 0 ? FIRST_NODES : t->room * 2;
	void *p;

	if (t->n == LIMIT_TOML_VALUES)
		return err_set(e, ERR_LIMIT, "line %" PRIu32 ": more than %d values", line,
		    LIMIT_TOML_VALUES);
	if (t->n < t->room)
		return 0;
	p = sys_realloc(t->nodes, room * sizeof(*t->nodes));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "TOML: out of memory");
	t->nodes = p;
	t->room = room;
	return 0;
}

/* Hangs node i below its parent. */
static void
link_child(struct toml *t, uint32_t i)
{
	struct toml_node *parent = &t->nodes[t->nodes[i].parent];

	if (parent->last != 0)
		t->nodes[parent->last].next = i;
	else
		parent->first = i;
	parent->last = i;
	parent->count++;
}

int
toml_add(struct toml *t, uint32_t parent, const struct toml_text *key, enum toml_kind kind,
    uint32_t line, uint32_t *out, struct err *e)
{
	struct toml_node node = { .parent = parent, .line = line, .kind = (uint8_t)kind };
	int rc = make_room(t, line, e);

	if (rc < 0)
		return rc;
	if (key != NULL)
		node.key = *key;
	if (t->n > 0)
		node.depth = (uint8_t)(t->nodes[parent].depth + 1);
	if (node.depth > LIMIT_TOML_DEPTH)
		return err_set(e, ERR_LIMIT, "line %" PRIu32 ": more than %d levels", line,
		    LIMIT_TOML_DEPTH);
	*out = t->n++;
	t->nodes[*out] = node;
	if (*out != 0)
		link_child(t, *out);
	return 0;
}

struct span
toml_text(const struct toml *t, struct toml_text x)
{
	struct span all = buf_span(&t->text);

	return x.len == 0 ? (struct span){ (const uint8_t *)"", 0 } :
	    (struct span){ all.p + x.at, x.len };
}

uint32_t
toml_find(const struct toml *t, uint32_t table, struct span name)
{
	uint32_t i = t->nodes[table].first;

	while (i != 0 && !span_eq(toml_text(t, t->nodes[i].key), name))
		i = t->nodes[i].next;
	return i;
}

void
toml_free(struct toml *t)
{
	if (t == NULL)
		return;
	buf_free(&t->text);
	sys_free(t->nodes);
	sys_free(t);
}

void
toml_freep(struct toml **t)
{
	toml_free(*t);
	*t = NULL;
}

/*
 * Reading.
 */

static const struct toml_node *
node_of(struct toml_val v)
{
	return &v.doc->nodes[v.node];
}

struct toml_val
toml_root(const struct toml *t)
{
	return (struct toml_val){ t, 0 };
}

bool
toml_ok(struct toml_val v)
{
	return v.doc != NULL;
}

enum toml_kind
toml_kind(struct toml_val v)
{
	return (enum toml_kind)node_of(v)->kind;
}

bool
toml_is(struct toml_val v, enum toml_kind kind)
{
	return toml_ok(v) && toml_kind(v) == kind;
}

uint32_t
toml_line(struct toml_val v)
{
	return toml_ok(v) ? node_of(v)->line : 0;
}

struct toml_val
toml_get(struct toml_val table, const char *name)
{
	uint32_t i = toml_is(table, TOML_TABLE) ?
	    toml_find(table.doc, table.node, span_str(name)) : 0;

	return (struct toml_val){ i != 0 ? table.doc : NULL, i };
}

size_t
toml_count(struct toml_val v)
{
	return toml_ok(v) ? node_of(v)->count : 0;
}

struct toml_iter
toml_iter(struct toml_val v)
{
	return (struct toml_iter){ .val.doc = v.doc, .next = toml_ok(v) ? node_of(v)->first : 0 };
}

bool
toml_next(struct toml_iter *it)
{
	const struct toml_node *node;

	if (it->next == 0)
		return false;
	it->val.node = it->next;
	node = node_of(it->val);
	it->key = toml_text(it->val.doc, node->key);
	it->next = node->next;
	return true;
}

static int
expect(struct toml_val v, enum toml_kind kind, const char *what, struct err *e)
{
	static const char *const names[] = {
		[TOML_STRING] = "a string", [TOML_INTEGER] = "an integer",
		[TOML_BOOLEAN] = "true or false", [TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table",
	};

	if (!toml_ok(v))
		return err_set(e, ERR_PARSE, "%s is missing", what);
	if (toml_kind(v) != kind)
		return err_set(e, ERR_PARSE, "line %" PRIu32 ": %s must be %s", toml_line(v), what,
		    names[kind]);
	return 0;
}

int
toml_str(struct toml_val v, const char *what, struct span *out, struct err *e)
{
	int rc = expect(v, TOML_STRING, what, e);
	struct span s;

	if (rc < 0)
		return rc;
	s = toml_text(v.doc, node_of(v)->string);
	if (span_has_nul(s))
		return err_set(e, ERR_PARSE, "line %" PRIu32 ": %s holds a NUL character",
		    toml_line(v), what);
	*out = s;
	return 0;
}

int
toml_cstr(struct toml_val v, const char *what, char *out, size_t size, struct err *e)
{
	struct span s;
	int rc = toml_str(v, what, &s, e);

	if (rc < 0)
		return rc;
	if (!span_to_cstr(s, out, size))
		return err_set(e, ERR_LIMIT, "line %" PRIu32 ": %s is longer than %zu bytes",
		    toml_line(v), what, size - 1);
	return 0;
}

int
toml_int(struct toml_val v, const char *what, int64_t min, int64_t max, int64_t *out,
    struct err *e)
{
	int rc = expect(v, TOML_INTEGER, what, e);

	if (rc < 0)
		return rc;
	if (node_of(v)->integer < min || node_of(v)->integer > max)
		return err_set(e, ERR_PARSE, "line %" PRIu32 ": %s must be from %" PRId64 " to %"
		    PRId64, toml_line(v), what, min, max);
	*out = node_of(v)->integer;
	return 0;
}

int
toml_boolean(struct toml_val v, const char *what, bool *out, struct err *e)
{
	int rc = expect(v, TOML_BOOLEAN, what, e);

	if (rc < 0)
		return rc;
	*out = node_of(v)->boolean;
	return 0;
}

int
toml_only(struct toml_val table, const char *what, const char *const names[], struct err *e)
{
	struct toml_iter it = toml_iter(table);
	int rc = expect(table, TOML_TABLE, what, e);

	if (rc < 0)
		return rc;
	while (toml_next(&it)) {
		size_t i = 0;

		while (names[i] != NULL && !span_eq_str(it.key, names[i]))
			i++;
		if (names[i] == NULL)
			return err_set(e, ERR_PARSE, "line %" PRIu32 ": %s: unknown key \"%.*s\"",
			    toml_line(it.val), what, (int)MIN(it.key.len, (size_t)KEY_SHOWN),
			    (const char *)it.key.p);
	}
	return 0;
}
