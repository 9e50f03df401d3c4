/*
 * config_form.c: settings as bytes, for other processes of ours.
 */
#include "lib/base.h"

#include "agent/config_inside.h"

/* Of each value u8 setting, u8 origin, u32 line, u32 length, text; then u8 0xff, u32 length, warnings */

#define END	0xff
static_assert(SET_COUNT < END, "a byte for each, and one for the end");

static int
add_text(struct buf *out, struct span s, struct err *e)
{
	int rc = buf_add_be32(out, (uint32_t)s.len, e);

	return rc < 0 ? rc : buf_add_span(out, s, e);
}

static int
format(const struct config *c, struct buf *out, struct err *e)
{
	int rc = 0;

	for (int s = 0; s < SET_COUNT && rc == 0; s++) {
		const struct config_value *v = &c->v[s];

		if (v->text == NULL)
			continue;
		rc = buf_add_u8(out, (uint8_t)s, e);
		if (rc == 0)
			rc = buf_add_u8(out, (uint8_t)v->origin, e);
		if (rc == 0)
			rc = buf_add_be32(out, v->line, e);
		if (rc == 0)
			rc = add_text(out, span_str(v->text), e);
	}
	if (rc == 0)
		rc = buf_add_u8(out, END, e);
	return rc < 0 ? rc : add_text(out, buf_span(&c->warnings), e);
}

int
config_format(const struct config *c, struct buf *out, struct err *e)
{
	autobuf bytes = BUF(CONFIG_FORMATTED);
	int rc = format(c, &bytes, e);

	return rc < 0 ? rc : buf_add_span(out, buf_span(&bytes), e);
}

static bool
take_text(struct span *in, struct span *out)
{
	struct span s = *in;
	uint32_t len;

	if (!span_be32(&s, &len) || !span_take(&s, len, out))
		return false;
	*in = s;
	return true;
}

static int
bad(const char *what, struct err *e)
{
	return err_set(e, ERR_PROTO, "settings: %s", what);
}

static int
parse_value(struct span *in, uint8_t s, struct config *c, struct err *e)
{
	struct span text;
	uint8_t origin;
	uint32_t line;
	int rc;

	if (s >= SET_COUNT || c->v[s].text != NULL)
		return bad("one that there is not, or twice", e);
	if (!span_u8(in, &origin) || origin <= ORIGIN_DEFAULT || origin >= ORIGIN_COUNT || !span_be32(in, &line) ||
	    !take_text(in, &text))
		return bad("a value that cannot be read", e);
	rc = config_put(c, (enum setting)s, text, (enum config_origin)origin, line, e);
	return rc == -ERR_CONFIG ? bad(e->msg, e) : rc;
}

static int
parse_warnings(struct span *in, struct config *c, struct err *e)
{
	struct span lines, line;

	if (!take_text(in, &lines) || in->len > 0 || lines.len > CONFIG_WARNINGS)
		return bad("warnings that cannot be read", e);
	while (span_split(&lines, '\n', &line))
		config_warn(c, "%.*s", (int)line.len, (const char *)line.p);
	return 0;
}

int
config_parse(struct span in, struct config *out, struct err *e)
{
	autoconfig c;
	uint8_t s;
	int rc;

	config_init(&c);
	for (;;) {
		if (!span_u8(&in, &s))
			return bad("they have no end", e);
		if (s == END)
			break;
		rc = parse_value(&in, s, &c, e);
		if (rc < 0)
			return rc;
	}
	rc = parse_warnings(&in, &c, e);
	if (rc == 0)
		config_move(out, &c);
	return rc;
}
