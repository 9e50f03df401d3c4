/*
 * config_print.c: settings as text: a line each for people, one JSON object for programs. What is printed may end in a bug
 * report, so the password of a URL is left out.
 */
#include "lib/base.h"

#include "agent/config_inside.h"

#include "lib/log.h"

/* "https://user:password@host/x": where the part before the "@" begins and ends; false if there is none. */
static bool
find_user(struct span s, size_t *from, size_t *to)
{
	const char *scheme = memmem(s.p, s.len, "://", 3);
	size_t at;

	if (scheme == NULL)
		return false;
	at = (size_t)(scheme - (const char *)s.p) + 3;
	*from = at;
	for (; at < s.len && s.p[at] != '/' && s.p[at] != '\n'; at++)
		if (s.p[at] == '@') {
			*to = at;
			return true;
		}
	return false;
}

/* Documents hold no such thing. */
static int
public_text(const struct config *c, enum setting s, struct buf *out, struct err *e)
{
	struct span v = span_str(config_get(c, s));
	size_t from, to;
	int rc;

	if (settings[s].kind == KIND_DOCUMENT || !find_user(v, &from, &to))
		return buf_add_span(out, v, e);
	rc = buf_add(out, v.p, from, e);
	if (rc == 0)
		rc = buf_add_str(out, "***", e);
	return rc < 0 ? rc : buf_add(out, v.p + to, v.len - to, e);
}

/* --- for people */

static int
value_for_people(enum setting s, const struct buf *value, struct buf *out, struct err *e)
{
	struct span left = buf_span(value), line;
	bool first = true;
	int rc = 0;

	if (value->len == 0)
		return buf_add_str(out, "-", e);
	if (settings[s].kind == KIND_DOCUMENT)
		return buf_addf(out, e, "(%zu bytes)", value->len);
	while (rc == 0 && span_split(&left, '\n', &line)) {
		char clean[2 * CONFIG_LINE];

		rc = buf_addf(out, e, "%s%s", first ? "" : ", ", log_escape(line.p, line.len, clean, sizeof(clean)));
		first = false;
	}
	return rc;
}

static int
line_for_people(const struct config *c, enum setting s, struct buf *out, struct err *e)
{
	const struct config_value *v = &c->v[s];
	autobuf value = BUF(MIB(1));
	int rc = public_text(c, s, &value, e);

	if (rc == 0)
		rc = buf_addf(out, e, "%-34s ", settings[s].name);
	if (rc == 0)
		rc = value_for_people(s, &value, out, e);
	if (rc == 0)
		rc = buf_addf(out, e, "  [%s", config_origin_name(v->origin));
	if (rc == 0 && v->line > 0)
		rc = buf_addf(out, e, ", line %" PRIu32, v->line);
	return rc < 0 ? rc : buf_addf(out, e, "%s]\n", config_measured(c, s) ? "" : ", not measured");
}

static int
print_people(const struct config *c, struct buf *out, struct err *e)
{
	struct span left = buf_span(&c->warnings), line;
	int rc = 0;

	for (int s = 0; s < SET_COUNT && rc == 0; s++)
		rc = line_for_people(c, (enum setting)s, out, e);
	while (rc == 0 && span_split(&left, '\n', &line))
		rc = buf_addf(out, e, "warning: %.*s\n", (int)line.len, (const char *)line.p);
	return rc;
}

/* --- for programs */

int
config_quote(struct span s, struct buf *out, struct err *e)
{
	int rc = buf_add_u8(out, '"', e);

	for (size_t i = 0; i < s.len && rc == 0; i++) {
		uint8_t c = s.p[i];

		if (c < 0x20 || c == 0x7f)
			rc = buf_addf(out, e, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			rc = buf_addf(out, e, "\\%c", c);
		else
			rc = buf_add_u8(out, c, e);
	}
	return rc < 0 ? rc : buf_add_u8(out, '"', e);
}

/* "name":"text", and a comma before the next. */
static int
member(const char *name, const char *text, struct buf *out, struct err *e)
{
	int rc = buf_addf(out, e, "\"%s\":", name);

	if (rc == 0)
		rc = config_quote(span_str(text), out, e);
	return rc < 0 ? rc : buf_add_u8(out, ',', e);
}

static int
array(struct span lines, struct buf *out, struct err *e)
{
	int rc = buf_add_u8(out, '[', e);
	bool first = true;
	struct span line;

	while (rc == 0 && span_split(&lines, '\n', &line)) {
		if (!first)
			rc = buf_add_u8(out, ',', e);
		if (rc == 0)
			rc = config_quote(line, out, e);
		first = false;
	}
	return rc < 0 ? rc : buf_add_u8(out, ']', e);
}

static int
value_for_programs(enum setting s, const struct buf *value, struct buf *out, struct err *e)
{
	enum setting_kind kind = settings[s].kind;

	if (config_is_list(kind))
		return array(buf_span(value), out, e);
	if (kind == KIND_BOOL || kind == KIND_NUMBER || kind == KIND_SECONDS)
		return buf_add_span(out, buf_span(value), e);
	return config_quote(buf_span(value), out, e);
}

static int
setting_for_programs(const struct config *c, enum setting s, struct buf *out, struct err *e)
{
	autobuf value = BUF(MIB(1));
	int rc = public_text(c, s, &value, e);

	if (rc == 0)
		rc = buf_add_u8(out, '{', e);
	if (rc == 0)
		rc = member("name", settings[s].name, out, e);
	if (rc == 0)
		rc = buf_add_str(out, "\"value\":", e);
	if (rc == 0)
		rc = value_for_programs(s, &value, out, e);
	if (rc == 0)
		rc = buf_add_u8(out, ',', e);
	if (rc == 0)
		rc = member("origin", config_origin_name(c->v[s].origin), out, e);
	if (rc == 0)
		rc = member("default", settings[s].fallback, out, e);
	if (rc == 0)
		rc = member("choices", settings[s].choices != NULL ? settings[s].choices : "", out, e);
	if (rc == 0)
		rc = member("help", settings[s].help, out, e);
	if (rc == 0 && c->v[s].line > 0)
		rc = buf_addf(out, e, "\"line\":%" PRIu32 ",", c->v[s].line);
	return rc < 0 ? rc : buf_addf(out, e, "\"trust\":%s,\"measured\":%s}", settings[s].trust ? "true" : "false",
	    config_measured(c, s) ? "true" : "false");
}

static int
print_programs(const struct config *c, struct buf *out, struct err *e)
{
	int rc = buf_add_str(out, "{\"settings\":[", e);

	for (int s = 0; s < SET_COUNT && rc == 0; s++) {
		if (s > 0)
			rc = buf_add_str(out, ",\n", e);
		if (rc == 0)
			rc = setting_for_programs(c, (enum setting)s, out, e);
	}
	if (rc == 0)
		rc = buf_add_str(out, "],\"warnings\":", e);
	if (rc == 0)
		rc = array(buf_span(&c->warnings), out, e);
	return rc < 0 ? rc : buf_add_str(out, "}\n", e);
}

int
config_print(const struct config *c, bool json, struct buf *out, struct err *e)
{
	return json ? print_programs(c, out, e) : print_people(c, out, e);
}
