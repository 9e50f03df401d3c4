/*
 * config_own.c: our own file. A person wrote it for this program, so whatever it does not understand is a mistake of his that
 * must not pass: unknown keys, numbers in quotes, a value where a list is meant.
 */
#include "lib/base.h"

#include "agent/config_inside.h"

#include "lib/toml.h"

#define NAME	64		/* of a setting, with its table */

/* How many characters must be changed, added or left out to make b of a; both shorter than NAME. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[NAME], n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t changed = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			row[j] = MIN(changed, MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[n];
}

static int
unknown(const char *name, uint32_t line, struct err *e)
{
	size_t best = NAME;
	int nearest = 0;

	for (int s = 0; s < SET_COUNT; s++) {
		size_t d = distance(name, settings[s].name);

		if (d < best && s != SET_KATA_CONFIG) {
			best = d;
			nearest = s;
		}
	}
	if (best > strlen(name) / 2)
		return err_set(e, ERR_CONFIG, "line %" PRIu32 ": there is no setting %s", line, name);
	return err_set(e, ERR_CONFIG, "line %" PRIu32 ": there is no setting %s; is it %s?", line, name,
	    settings[nearest].name);
}

/* The kinds of the language that a kind of setting is written in. */
static bool
is_written_so(enum setting_kind kind, enum toml_kind as)
{
	switch (as) {
	case TOML_BOOLEAN:
		return kind == KIND_BOOL;
	case TOML_INTEGER:
		return kind == KIND_NUMBER || kind == KIND_SECONDS;
	case TOML_ARRAY:
		return config_is_list(kind);
	case TOML_STRING:
		return kind != KIND_BOOL && kind != KIND_NUMBER && !config_is_list(kind);
	case TOML_TABLE:
		break;
	}
	return false;
}

static const char *
written(enum setting_kind kind)
{
	if (config_is_list(kind))
		return "a list of strings";
	if (kind == KIND_SECONDS)
		return "a number of seconds, or a string such as \"20m\"";
	return kind == KIND_BOOL ? "true or false" : kind == KIND_NUMBER ? "a number" : "a string";
}

/* An element must not bring lines of its own into the list. */
static int
list_text(struct toml_val v, const char *name, struct buf *out, struct err *e)
{
	struct toml_iter it = toml_iter(v);
	int rc = 0;

	while (rc == 0 && toml_next(&it)) {
		struct span s;

		rc = toml_str(it.val, name, &s, e);
		if (rc == 0 && (s.len == 0 || memchr(s.p, '\n', s.len) != NULL))
			rc = err_set(e, ERR_CONFIG, "line %" PRIu32 ": %s has an element that is not one line",
			    toml_line(it.val), name);
		if (rc == 0)
			rc = buf_add_span(out, s, e);
		if (rc == 0)
			rc = buf_add_u8(out, '\n', e);
	}
	return rc;
}

static int
value_text(struct toml_val v, const char *name, struct buf *out, struct err *e)
{
	struct span s;
	int64_t n;
	bool b;
	int rc;

	switch (toml_kind(v)) {
	case TOML_BOOLEAN:
		rc = toml_boolean(v, name, &b, e);
		return rc < 0 ? rc : buf_add_str(out, b ? "true" : "false", e);
	case TOML_INTEGER:
		rc = toml_int(v, name, INT64_MIN, INT64_MAX, &n, e);
		return rc < 0 ? rc : buf_addf(out, e, "%" PRId64, n);
	case TOML_STRING:
		rc = toml_str(v, name, &s, e);
		return rc < 0 ? rc : buf_add_span(out, s, e);
	case TOML_ARRAY:
		return list_text(v, name, out, e);
	case TOML_TABLE:
		break;
	}
	return err_set(e, ERR_BUG, "a table as a value");
}

static int
take(struct config *c, struct span table, const struct toml_iter *it, struct err *e)
{
	uint32_t line = toml_line(it->val);
	autobuf text = BUF(2 * LIMIT_TOML);
	enum setting s;
	char name[NAME];
	int rc;

	if (table.len + it->key.len + 2 > sizeof(name))
		return err_set(e, ERR_CONFIG, "line %" PRIu32 ": there is no setting of such a long name", line);
	snprintf(name, sizeof(name), "%.*s.%.*s", (int)table.len, (const char *)table.p, (int)it->key.len,
	    (const char *)it->key.p);
	if (!config_find(span_str(name), &s) || s == SET_KATA_CONFIG)
		return unknown(name, line, e);
	if (!is_written_so(settings[s].kind, toml_kind(it->val)))
		return err_set(e, ERR_CONFIG, "line %" PRIu32 ": %s must be %s", line, name, written(settings[s].kind));
	rc = value_text(it->val, name, &text, e);
	return rc < 0 ? rc : config_set(c, s, buf_span(&text), ORIGIN_FILE, line, e);
}

static int
take_table(struct config *c, const struct toml_iter *table, struct err *e)
{
	struct toml_iter it = toml_iter(table->val);
	int rc = 0;

	if (!toml_is(table->val, TOML_TABLE))
		return err_set(e, ERR_CONFIG, "line %" PRIu32 ": settings stand in tables: [image], [kbc], …",
		    toml_line(table->val));
	while (rc == 0 && toml_next(&it))
		rc = take(c, table->key, &it, e);
	return rc;
}

static int
read_document(struct config *c, const struct toml *t, struct err *e)
{
	struct toml_iter it = toml_iter(toml_root(t));
	int64_t format;
	int rc;

	if (!toml_next(&it) || !span_eq_str(it.key, "format"))
		return err_set(e, ERR_CONFIG, "line 1: the first setting must be format = %d", CONFIG_FORMAT);
	rc = toml_int(it.val, "format", CONFIG_FORMAT, CONFIG_FORMAT, &format, e);
	while (rc == 0 && toml_next(&it))
		rc = take_table(c, &it, e);
	return rc;
}

int
config_read_own(struct config *c, struct span text, struct err *e)
{
	autotoml t = NULL;
	int rc = toml_parse(text, &t, e);

	if (rc == 0)
		rc = read_document(c, t, e);
	return rc < 0 ? config_fault(e) : 0;
}
