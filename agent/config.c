/*
 * config.c: values, where they come from, and which of two holds. The one place where the host's word is told from that of the
 * machine's own files: config_set.
 */
#include "lib/base.h"

#include "agent/config_inside.h"

#include "lib/log.h"
#include "lib/sys.h"

static const char *const origins[ORIGIN_COUNT] = {
	[ORIGIN_DEFAULT] = "default",
	[ORIGIN_CMDLINE] = "command line",
	[ORIGIN_INITDATA] = "initdata",
	[ORIGIN_PEER] = "guest components' file",
	[ORIGIN_FILE] = "file",
};

const char *
config_origin_name(enum config_origin o)
{
	return o < ORIGIN_COUNT ? origins[o] : "";
}

void
config_init(struct config *c)
{
	*c = (struct config){ .warnings = BUF(CONFIG_WARNINGS) };
}

void
config_fini(struct config *c)
{
	for (int s = 0; s < SET_COUNT; s++)
		sys_free(c->v[s].text);
	buf_free(&c->warnings);
	config_init(c);
}

void
config_move(struct config *to, struct config *from)
{
	config_fini(to);
	*to = *from;
	config_init(from);
}

bool
config_find(struct span name, enum setting *out)
{
	for (int s = 0; s < SET_COUNT; s++)
		if (span_eq_str(name, settings[s].name)) {
			*out = (enum setting)s;
			return true;
		}
	return false;
}

int
config_fault(struct err *e)
{
	if (e->code == ERR_PARSE || e->code == ERR_UNSUPPORTED || e->code == ERR_LIMIT)
		e->code = ERR_CONFIG;
	return -(int)e->code;
}

/* --- reading */

const char *
config_get(const struct config *c, enum setting s)
{
	return c->v[s].text != NULL ? c->v[s].text : settings[s].fallback;
}

bool
config_true(const struct config *c, enum setting s)
{
	return strcmp(config_get(c, s), "true") == 0;
}

uint64_t
config_number(const struct config *c, enum setting s)
{
	uint64_t n = 0;

	(void)span_decimal(span_str(config_get(c, s)), UINT64_MAX, &n);
	return n;
}

bool
config_next(const char *list, const char **it, char *line, size_t size)
{
	struct span left, first;

	if ((*it)[0] == '\0')
		*it = list;
	else if ((*it)[0] == '\n')
		(*it)++;
	left = span_str(*it);
	if (!span_split(&left, '\n', &first) || !span_to_cstr(first, line, size))
		return false;
	*it += first.len;
	/* At its very end it would look like a beginning. */
	if ((*it)[0] == '\0')
		*it = "\n";
	return true;
}

bool
config_measured(const struct config *c, enum setting s)
{
	switch (c->v[s].origin) {
	case ORIGIN_DEFAULT: case ORIGIN_PEER: case ORIGIN_FILE:
		return true;
	case ORIGIN_CMDLINE:
		return config_true(c, SET_CMDLINE_MEASURED);
	case ORIGIN_INITDATA: case ORIGIN_COUNT:
		break;
	}
	return false;
}

/* --- warnings */

static void
warn_line(struct config *c, struct span line)
{
	struct span left = buf_span(&c->warnings), one;
	struct err lost;

	while (span_split(&left, '\n', &one))
		if (span_eq(one, line))
			return;
	if (line.len > 0 && buf_addf(&c->warnings, &lost, "%.*s\n", (int)line.len, (const char *)line.p) < 0)
		return;		/* there is no room: so be it */
}

void
config_warn(struct config *c, const char *fmt, ...)
{
	char raw[1024], clean[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (n > 0)
		warn_line(c, span_str(log_escape(raw, strlen(raw), clean, sizeof(clean))));
}

void
config_warn_lines(struct config *c, struct span lines)
{
	struct span line;

	while (span_split(&lines, '\n', &line))
		warn_line(c, line);
}

/* --- giving values */

/* "line 3: image.policy must be …": the name before what config_keep has said. */
static int
refuse(enum setting s, uint32_t line, struct err *e)
{
	if (e->code != ERR_CONFIG)
		return -(int)e->code;
	return line > 0 ? err_set(e, ERR_CONFIG, "line %" PRIu32 ": %s %s", line, settings[s].name, e->msg) :
	    err_set(e, ERR_CONFIG, "%s %s", settings[s].name, e->msg);
}

static int
store(struct config *c, enum setting s, struct span kept, enum config_origin origin, uint32_t line, struct err *e)
{
	char *text = sys_alloc(kept.len + 1);

	if (text == NULL)
		return err_set(e, ERR_NOMEM, "a setting");
	if (kept.len > 0)
		memcpy(text, kept.p, kept.len);
	sys_free(c->v[s].text);
	c->v[s] = (struct config_value){ text, origin, line };
	return 0;
}

int
config_put(struct config *c, enum setting s, struct span value, enum config_origin origin, uint32_t line, struct err *e)
{
	autobuf kept = BUF(2 * LIMIT_TOML);
	int rc = config_keep(&settings[s], value, &kept, e);

	return rc < 0 ? refuse(s, line, e) : store(c, s, buf_span(&kept), origin, line, e);
}

void
config_forget(struct config *c, enum setting s)
{
	sys_free(c->v[s].text);
	c->v[s] = (struct config_value){ 0 };
}

static bool
trusts(const struct config *c, enum setting s, enum config_origin origin)
{
	if (!settings[s].trust)
		return true;
	if (s == SET_CMDLINE_MEASURED)
		return origin == ORIGIN_FILE;
	if (origin == ORIGIN_CMDLINE)
		return config_true(c, SET_CMDLINE_MEASURED);
	return origin == ORIGIN_PEER || origin == ORIGIN_FILE;
}

static void
warn_trust(struct config *c, enum setting s, enum config_origin origin)
{
	if (origin == ORIGIN_CMDLINE)
		config_warn(c, "%s does not count from the kernel's command line, which is the host's word: set it in %s; or "
		    "there cmdline.measured = true, if the platform measures the command line", settings[s].name, CONFIG_FILE);
	else
		config_warn(c, "%s does not count from a file below /run, which is the host's word as long as initdata is not "
		    "checked: set it in %s of the machine's image", settings[s].name, CONFIG_FILE);
}

/* It changes nothing. Where it says just what holds, there is nothing to be told, either. */
static int
distrust(struct config *c, enum setting s, struct span value, enum config_origin origin, struct err *e)
{
	autobuf kept = BUF(2 * LIMIT_TOML);
	struct err why;
	int rc = config_keep(&settings[s], value, &kept, &why);

	if (rc < 0 && rc != -ERR_CONFIG) {
		*e = why;
		return rc;
	}
	if (rc < 0 || strcmp(buf_str(&kept), config_get(c, s)) != 0)
		warn_trust(c, s, origin);
	return 0;
}

/* Of two log levels the one that tells more. */
static bool
tells_more(struct span a, const char *b)
{
	enum log_level x = LOG_ERROR, y = LOG_ERROR;
	char word[16];

	return span_to_cstr(a, word, sizeof(word)) && log_level_parse(word, &x) && log_level_parse(b, &y) && x > y;
}

/* Adds the lines that are not there; the lesser of both origins is that of all. */
static int
add_lines(struct config *c, enum setting s, struct span lines, enum config_origin origin, uint32_t line, struct err *e)
{
	autobuf all = BUF(2 * LIMIT_TOML);
	int rc = buf_add_str(&all, config_get(c, s), e);
	struct span one;

	while (rc == 0 && span_split(&lines, '\n', &one)) {
		struct span left = buf_span(&all), known;
		bool there = false;

		while (!there && span_split(&left, '\n', &known))
			there = span_eq(known, one);
		if (!there && all.len > 0)
			rc = buf_add_u8(&all, '\n', e);
		if (!there && rc == 0)
			rc = buf_add_span(&all, one, e);
	}
	return rc < 0 ? rc : config_put(c, s, buf_span(&all), MIN(origin, c->v[s].origin), line, e);
}

static int
contradiction(const struct config *c, enum setting s, uint32_t line, struct err *e)
{
	const struct config_value *v = &c->v[s];

	if (line > 0 && v->line > 0)
		return err_set(e, ERR_CONFIG, "line %" PRIu32 ": %s contradicts what line %" PRIu32 " of the %s says", line,
		    settings[s].name, v->line, config_origin_name(v->origin));
	return err_set(e, ERR_CONFIG, "%s is given twice by the %s, and differs", settings[s].name,
	    config_origin_name(v->origin));
}

/* The setting has a value already. */
static int
settle(struct config *c, enum setting s, struct span kept, enum config_origin origin, uint32_t line, struct err *e)
{
	const struct config_value *v = &c->v[s];
	bool same = span_eq_str(kept, v->text);

	if (s == SET_KBC_CREDENTIALS)
		return add_lines(c, s, kept, origin, line, e);
	if (origin > v->origin || (s == SET_LOG_LEVEL && origin == v->origin && tells_more(kept, v->text))) {
		if (!same && origin > v->origin)
			config_warn(c, "%s: what the %s says does not count, as the %s says something else", settings[s].name,
			    config_origin_name(v->origin), config_origin_name(origin));
		return store(c, s, kept, origin, line, e);
	}
	if (same || (s == SET_LOG_LEVEL && origin == v->origin))
		return 0;
	if (origin == v->origin)
		return contradiction(c, s, line, e);
	config_warn(c, "%s: what the %s says does not count, as the %s says something else", settings[s].name,
	    config_origin_name(origin), config_origin_name(v->origin));
	return 0;
}

int
config_set(struct config *c, enum setting s, struct span value, enum config_origin origin, uint32_t line, struct err *e)
{
	autobuf kept = BUF(2 * LIMIT_TOML);
	int rc;

	if (origin <= ORIGIN_DEFAULT || origin >= ORIGIN_COUNT)
		return err_set(e, ERR_BUG, "%s: a value without a place", settings[s].name);
	if (!trusts(c, s, origin))
		return distrust(c, s, value, origin, e);
	rc = config_keep(&settings[s], value, &kept, e);
	if (rc < 0)
		return refuse(s, line, e);
	if (c->v[s].text != NULL)
		return settle(c, s, buf_span(&kept), origin, line, e);
	return store(c, s, buf_span(&kept), origin, line, e);
}

/* --- two configurations */

/*
 * A broker is not asked who it is: it gives secrets to this guest because of its evidence, and a false one has none to
 * give. What it says about other things than keys is worth what its address is worth. The policy stays what it is, so that
 * none is in its place that the host would like better: pulls refuse to ask such a broker.
 */
static void
warn_policy_of_host(struct config *c)
{
	if (!config_measured(c, SET_KBC) && strncmp(config_get(c, SET_IMAGE_POLICY), "kbs", 3) == 0)
		config_warn(c, "%s would come from a broker that the host has chosen, so no image is accepted: set %s in %s",
		    settings[SET_IMAGE_POLICY].name, settings[SET_KBC].name, CONFIG_FILE);
}

/* What may be given as a place or as a text: of two origins the higher one holds, whichever form it has chosen. */
static void
choose_forms(struct config *c)
{
	static const enum setting pairs[][2] = {
		{ SET_IMAGE_POLICY, SET_IMAGE_POLICY_TEXT },
		{ SET_IMAGE_SIGSTORE, SET_IMAGE_SIGSTORE_TEXT },
		{ SET_IMAGE_REGISTRIES, SET_IMAGE_REGISTRIES_TEXT },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		const struct config_value *place = &c->v[pairs[i][0]], *text = &c->v[pairs[i][1]];
		enum setting lower = pairs[i][place->origin > text->origin ? 1 : 0];

		if (place->text == NULL || text->text == NULL || place->origin == text->origin)
			continue;
		config_warn(c, "%s: what the %s says does not count, as another place says something else",
		    settings[lower].name, config_origin_name(c->v[lower].origin));
		config_forget(c, lower);
	}
}

static int
copy(struct config *to, const struct config *from, struct err *e)
{
	int rc = 0;

	for (int s = 0; s < SET_COUNT && rc == 0; s++) {
		const struct config_value *v = &from->v[s];

		if (v->text != NULL)
			rc = store(to, (enum setting)s, span_str(v->text), v->origin, v->line, e);
	}
	config_warn_lines(to, buf_span(&from->warnings));
	return rc;
}

int
config_merge(struct config *c, const struct config *from, struct err *e)
{
	autoconfig next;
	int rc;

	config_init(&next);
	rc = copy(&next, c, e);
	/* SET_CMDLINE_MEASURED is the first: it decides about others. */
	for (int s = 0; s < SET_COUNT && rc == 0; s++) {
		const struct config_value *v = &from->v[s];

		if (v->text != NULL)
			rc = config_set(&next, (enum setting)s, span_str(v->text), v->origin, v->line, e);
	}
	if (rc < 0)
		return rc;
	config_warn_lines(&next, buf_span(&from->warnings));
	choose_forms(&next);
	warn_policy_of_host(&next);
	config_move(c, &next);
	return 0;
}
