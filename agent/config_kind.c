/*
 * config_kind.c: what a value of each kind may be, and the form in which it is kept. It checks form only: whether a file is
 * there, or a broker answers, is found out where it is used.
 */
#include "lib/base.h"

#include "agent/config_inside.h"

#include "image/reference.h"
#include "lib/uri.h"
#include "lib/utf8.h"

#define RUN_CDH	"/run/confidential-containers/cdh/"

/* Text of which every character can be seen, or, if it may have lines, ends one or is a tab. */
static bool
is_text(struct span s, bool lines)
{
	while (s.len > 0) {
		uint32_t c;
		size_t n = utf8_decode(s, &c);

		if (n == 0 || (c >= 0x7f && c < 0xa0))
			return false;
		if (c < 0x20 && !(lines && (c == '\n' || c == '\t' || c == '\r')))
			return false;
		s.p += n;
		s.len -= n;
	}
	return true;
}

/* Absolute, and it says itself where it leads: no empty part, no "." and no "..". */
static bool
is_plain_path(struct span s)
{
	struct span part;

	if (s.len < 2 || s.p[0] != '/' || s.p[s.len - 1] == '/')
		return false;
	s.p++;
	s.len--;
	while (span_split(&s, '/', &part))
		if (part.len == 0 || span_eq_str(part, ".") || span_eq_str(part, ".."))
			return false;
	return true;
}

static bool
is_word_of(struct span word, const char *choices)
{
	struct span left = span_str(choices), one;

	while (span_split(&left, ' ', &one))
		if (span_eq(one, word))
			return true;
	return false;
}

static int
keep_text(const struct setting_def *d, struct span v, struct buf *out, struct err *e)
{
	bool document = d->kind == KIND_DOCUMENT;

	if (!is_text(v, document) || (!document && v.len > CONFIG_LINE))
		return err_set(e, ERR_CONFIG, "must be %s", document ? "text" : "one line of at most 1023 bytes");
	return buf_add_span(out, v, e);
}

static int
keep_choice(const struct setting_def *d, struct span v, struct buf *out, struct err *e)
{
	if (!is_word_of(v, d->choices))
		return err_set(e, ERR_CONFIG, "must be one of: %s", d->choices);
	return buf_add_span(out, v, e);
}

static int
keep_bool(maybe_unused const struct setting_def *d, struct span v, struct buf *out, struct err *e)
{
	if (!span_eq_str(v, "true") && !span_eq_str(v, "false"))
		return err_set(e, ERR_CONFIG, "must be true or false");
	return buf_add_span(out, v, e);
}

static int
keep_number(const struct setting_def *d, struct span v, struct buf *out, struct err *e)
{
	uint64_t n;

	if (!span_decimal(v, d->max, &n) || n < d->min)
		return err_set(e, ERR_CONFIG, "must be a number from %" PRIu64 " to %" PRIu64, d->min, d->max);
	return buf_add_span(out, v, e);
}

static int
keep_seconds(const struct setting_def *d, struct span v, struct buf *out, struct err *e)
{
	static const struct { uint8_t unit; unsigned seconds; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 } };
	unsigned times = 1;
	uint64_t n;

	for (size_t i = 0; i < ARRAY_LEN(units) && v.len > 0; i++)
		if (v.p[v.len - 1] == units[i].unit) {
			times = units[i].seconds;
			v.len--;
			break;
		}
	if (!span_decimal(v, d->max / times, &n) || n * times < d->min)
		return err_set(e, ERR_CONFIG, "must be a time from %" PRIu64 " to %" PRIu64 " seconds, such as 90 or \"20m\"",
		    d->min, d->max);
	return buf_addf(out, e, "%" PRIu64, n * times);
}

static int
keep_path(maybe_unused const struct setting_def *d, struct span v, struct buf *out, struct err *e)
{
	if (v.len == 0 || v.p[0] != '/' || v.len > LIMIT_PATH || !is_text(v, false))
		return err_set(e, ERR_CONFIG, "must be an absolute path");
	return buf_add_span(out, v, e);
}

/* A path, "file://" and a path, or a resource. What a percent sign would mean in the second is not guessed. */
static int
keep_place(const struct setting_def *d, struct span v, struct buf *out, struct err *e)
{
	struct kbs_uri uri;
	struct span skipped;

	if (span_starts(v, "kbs")) {
		if (kbs_uri_parse(v, &uri, e) < 0)
			return err_set(e, ERR_CONFIG, "must be an absolute path or kbs:///REPOSITORY/TYPE/TAG");
		return buf_add_span(out, v, e);
	}
	if (span_starts(v, "file://")) {
		if (memchr(v.p, '%', v.len) != NULL)
			return err_set(e, ERR_CONFIG, "must not have %% in a file: URI: write the path");
		(void)span_take(&v, strlen("file://"), &skipped);
	}
	return keep_path(d, v, out, e);
}

static int
keep_kbc(maybe_unused const struct setting_def *d, struct span v, struct buf *out, struct err *e)
{
	struct kbc_params params;

	if (kbc_params_parse(v, &params, e) < 0)
		return err_set(e, ERR_CONFIG, "must be NAME::URI, such as cc_kbc::https://kbs.example.org");
	return buf_add_span(out, v, e);
}

/*
 * "URI PATH": below the hub's directory, as the peers want it, but not where the keys of sealed secrets and the headers of
 * disks are: a resource that anybody names must not become one.
 */
static bool
is_credential(maybe_unused const struct setting_def *d, struct span line)
{
	struct kbs_uri uri;
	struct span name, path = line, skipped;
	struct err e;

	if (!span_split(&path, ' ', &name) || kbs_uri_parse(name, &uri, &e) < 0 ||
	    !is_plain_path(path) || !span_starts(path, RUN_CDH))
		return false;
	(void)span_take(&path, strlen(RUN_CDH), &skipped);
	(void)span_split(&path, '/', &name);
	return !span_eq_str(name, "sealed-secret") && !span_eq_str(name, "luks-headers");
}

static bool
is_choice(const struct setting_def *d, struct span line)
{
	return is_word_of(line, d->choices);
}

static bool
is_directory(maybe_unused const struct setting_def *d, struct span line)
{
	return is_plain_path(line);
}

static bool
is_host(maybe_unused const struct setting_def *d, struct span line)
{
	return image_ref_domain_ok(line);
}

static const struct list {
	enum setting_kind	 kind;
	const char		*of;
	bool			(*has)(const struct setting_def *, struct span line);
} lists[] = {
	{ KIND_WORDS, "only these: ", is_choice },
	{ KIND_PATHS, "absolute paths without . and ..", is_directory },
	{ KIND_HOSTS, "HOST[:PORT]", is_host },
	{ KIND_CREDENTIALS, "\"kbs:///… " RUN_CDH "…\" without . and .., sealed-secret and luks-headers", is_credential },
};

static const struct list *
find_list(enum setting_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (lists[i].kind == kind)
			return &lists[i];
	return NULL;
}

bool
config_is_list(enum setting_kind kind)
{
	return find_list(kind) != NULL;
}

static int
keep_lines(const struct setting_def *d, struct span v, struct buf *out, struct err *e)
{
	const struct list *list = find_list(d->kind);
	struct span left = v, line;
	size_t n = 0;
	int rc = 0;

	while (rc == 0 && list != NULL && span_split(&left, '\n', &line)) {
		if (n++ == CONFIG_LINES)
			return err_set(e, ERR_CONFIG, "must not list more than %d", CONFIG_LINES);
		if (line.len > CONFIG_LINE || !is_text(line, false) || !list->has(d, line))
			return err_set(e, ERR_CONFIG, "must list %s%s", list->of, d->choices != NULL ? d->choices : "");
		if (out->len > 0)
			rc = buf_add_u8(out, '\n', e);
		if (rc == 0)
			rc = buf_add_span(out, line, e);
	}
	return rc;
}

static const struct {
	bool	empty;		/* nothing is a value, too: "none" */
	int	(*keep)(const struct setting_def *, struct span, struct buf *, struct err *);
} kinds[KIND_COUNT] = {
	[KIND_TEXT]		= { true, keep_text },
	[KIND_DOCUMENT]		= { true, keep_text },
	[KIND_BOOL]		= { false, keep_bool },
	[KIND_NUMBER]		= { false, keep_number },
	[KIND_SECONDS]		= { false, keep_seconds },
	[KIND_CHOICE]		= { false, keep_choice },
	[KIND_PATH]		= { true, keep_path },
	[KIND_PLACE]		= { true, keep_place },
	[KIND_KBC]		= { true, keep_kbc },
	[KIND_WORDS]		= { true, keep_lines },
	[KIND_PATHS]		= { true, keep_lines },
	[KIND_HOSTS]		= { true, keep_lines },
	[KIND_CREDENTIALS]	= { true, keep_lines },
};

int
config_keep(const struct setting_def *d, struct span value, struct buf *out, struct err *e)
{
	if (value.len == 0 && kinds[d->kind].empty)
		return 0;
	return kinds[d->kind].keep(d, value, out, e);
}
