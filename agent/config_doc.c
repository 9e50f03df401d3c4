/* config_doc.c: see config_doc.h. */
#include "lib/base.h"

#include "agent/config_doc.h"

#include "lib/limits.h"
#include "lib/log.h"

static bool
is_json(struct span text)
{
	size_t i = 0;

	while (i < text.len && (text.p[i] == ' ' || text.p[i] == '\t' || text.p[i] == '\r' || text.p[i] == '\n'))
		i++;
	return i < text.len && text.p[i] == '{';
}

int
doc_open(struct span text, struct doc *out, struct err *e)
{
	struct doc d = { 0 };
	int rc;

	if (text.len > LIMIT_TOML)
		return err_set(e, ERR_LIMIT, "the file has more than %zu bytes", LIMIT_TOML);
	rc = is_json(text) ? json_parse(text, &d.json, e) : toml_parse(text, &d.toml, e);
	if (rc == 0)
		*out = d;
	return rc;
}

void
doc_close(struct doc *d)
{
	toml_freep(&d->toml);
	json_freep(&d->json);
}

struct doc_val
doc_root(const struct doc *d)
{
	struct doc_val v = { 0 };

	if (d->json != NULL)
		v.j = json_root(d->json);
	else
		v.t = toml_root(d->toml);
	return v;
}

enum doc_kind
doc_kind(struct doc_val v)
{
	if (toml_ok(v.t))
		return toml_kind(v.t) == TOML_TABLE ? DOC_TABLE : toml_kind(v.t) == TOML_ARRAY ? DOC_LIST : DOC_SCALAR;
	if (!json_ok(v.j) || json_kind(v.j) == JSON_NULL)
		return DOC_NOTHING;
	return json_kind(v.j) == JSON_OBJECT ? DOC_TABLE : json_kind(v.j) == JSON_ARRAY ? DOC_LIST : DOC_SCALAR;
}

uint32_t
doc_line(struct doc_val v)
{
	return toml_line(v.t);
}

struct doc_val
doc_get(struct doc_val table, const char *name)
{
	return (struct doc_val){ .t = toml_get(table.t, name), .j = json_get(table.j, name) };
}

static int
toml_text(struct toml_val v, struct buf *out, struct err *e)
{
	struct span s;
	int64_t n;
	bool b;
	int rc;

	if (toml_kind(v) == TOML_BOOLEAN) {
		rc = toml_boolean(v, "it", &b, e);
		return rc < 0 ? rc : buf_add_str(out, b ? "true" : "false", e);
	}
	if (toml_kind(v) == TOML_INTEGER) {
		rc = toml_int(v, "it", INT64_MIN, INT64_MAX, &n, e);
		return rc < 0 ? rc : buf_addf(out, e, "%" PRId64, n);
	}
	rc = toml_str(v, "it", &s, e);
	return rc < 0 ? rc : buf_add_span(out, s, e);
}

int
doc_text(struct doc_val v, struct buf *out, struct err *e)
{
	if (doc_kind(v) != DOC_SCALAR)
		return err_set(e, ERR_CONFIG, "a string, a number, true or false is wanted");
	if (toml_ok(v.t))
		return toml_text(v.t, out, e);
	return json_kind(v.j) == JSON_STRING ? json_str(v.j, "it", out, e) : buf_add_span(out, json_raw(v.j), e);
}

struct doc_iter
doc_iter(struct doc_val v)
{
	return (struct doc_iter){ .is_json = json_ok(v.j), .t = toml_iter(v.t), .j = json_iter(v.j) };
}

/* For comparing with known names, and for messages: both are short. What is longer stays in its quotes. */
static void
take_key(struct doc_iter *it)
{
	struct span key = it->t.key;
	char name[sizeof(it->key)];
	struct err e;

	if (json_ok(it->j.key))
		key = json_cstr(it->j.key, "a name", name, sizeof(name), &e) == 0 ? span_str(name) : json_raw(it->j.key);
	log_escape(key.p, key.len, it->key, sizeof(it->key));
}

bool
doc_next(struct doc_iter *it)
{
	if (it->is_json ? !json_next(&it->j) : !toml_next(&it->t))
		return false;
	it->val = (struct doc_val){ .j = it->j.val, .t = it->t.val };
	take_key(it);
	return true;
}
