/*
 * uri.c: names of resources. What passes here may become part of a URL or the
 * key of a map, so each part has a set of letters, and no form is repaired:
 * nothing is decoded, folded or normalised.
 */
#include "lib/base.h"
#include "lib/uri.h"

#include "lib/limits.h"

enum {
	SEGMENTS_MAX = 8,
	SEGMENTS_RESOURCE = 3,
	SHOWN_MAX = 100,	/* bytes of a bad name in a message */
};

static int
refuse(struct err *e, struct span name, const char *why)
{
	return err_set(e, ERR_PARSE, "resource name '%.*s': %s",
	    (int)MIN(name.len, (size_t)SHOWN_MAX),
	    name.len > 0 ? (const char *)name.p : "", why);
}

static bool
is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

/* Letters, digits and those of `more`. True for an empty span. */
static bool
only(struct span s, const char *more)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_alnum(s.p[i]) &&
		    (s.p[i] == '\0' || strchr(more, s.p[i]) == NULL))
			return false;
	}
	return true;
}

static bool
is_segment(struct span s)
{
	return s.len > 0 && s.p[0] != '.' && only(s, "_.-");
}

/* Segments of a path in which all are well-formed, else 0. */
static size_t
count_segments(struct span path)
{
	struct span segment;
	size_t n = 0;

	if (path.len == 0 || path.p[path.len - 1] == '/')
		return 0;
	while (span_split(&path, '/', &segment)) {
		if (!is_segment(segment))
			return 0;
		n++;
	}
	return n;
}

static bool
is_port(struct span s)
{
	uint64_t port;

	return span_decimal(s, UINT16_MAX, &port) && port > 0;
}

/* host, host:port, [v6], [v6]:port. */
static bool
is_host(struct span s)
{
	const char end = s.len > 0 && s.p[0] == '[' ? ']' : ':';
	struct span name, port = s;

	if (!span_split(&port, end, &name))
		return false;
	if (end == ':')
		return name.len > 0 && only(name, "_.-") &&
		    (name.len == s.len || is_port(port));
	name.p++;
	name.len--;
	if (name.len == 0 || name.len + 2 > s.len || !only(name, ":."))
		return false;
	return port.len == 0 ||
	    (port.p[0] == ':' && is_port((struct span){ port.p + 1,
	    port.len - 1 }));
}

/* Lower case as in the scheme of a URI, of which it is the second half. */
static bool
is_plugin(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] >= 'A' && s.p[i] <= 'Z')
			return false;
	}
	return s.len > 0 && s.p[0] != '-' && only(s, "-");
}

/* RFC 3986 section 3.4 with the brackets that the nebula-ca plugin expects. */
static bool
is_query(struct span s)
{
	return only(s, "-._~!$&'()*+,;=:@/?[]%");
}

/* Takes "kbs" or "kbs+plugin" and "://". */
static bool
take_scheme(struct span *s, struct span *plugin)
{
	struct span rest = *s, scheme, skipped;

	if (!span_split(&rest, ':', &scheme) || !span_starts(rest, "//"))
		return false;
	if (span_eq_str(scheme, "kbs")) {
		*plugin = SPAN_LIT("resource");
	} else {
		if (!span_starts(scheme, "kbs+") ||
		    !span_take(&scheme, 4, &skipped) || !is_plugin(scheme))
			return false;
		*plugin = scheme;
	}
	*s = rest;
	return span_take(s, 2, &skipped);
}

/* The parts of a name as they stand in it; query.p is NULL for none. */
struct parts {
	struct span	host, plugin, path, query;
};

/* The rules for all forms; the copy. */
static int
check(struct span name, const struct parts *p, struct kbs_uri *out,
    struct err *e)
{
	bool resource = span_eq_str(p->plugin, "resource");
	size_t segments = count_segments(p->path);
	struct kbs_uri u = { 0 };

	if (p->host.len > 0 && !is_host(p->host))
		return refuse(e, name, "not a host and port");
	if (segments == 0)
		return refuse(e, name, "the path has an empty part, one with "
		    "a dot in front, or a character other than A-Za-z0-9_.-");
	if (resource && segments != SEGMENTS_RESOURCE)
		return refuse(e, name, "a resource has three parts: "
		    "repository/type/tag");
	if (segments > SEGMENTS_MAX)
		return refuse(e, name, "too many parts");
	if (p->query.p != NULL && (resource || p->query.len == 0 ||
	    !is_query(p->query)))
		return refuse(e, name, "this query is not allowed");
	if (!span_to_cstr(p->host, u.host, sizeof(u.host)) ||
	    !span_to_cstr(p->plugin, u.plugin, sizeof(u.plugin)) ||
	    !span_to_cstr(p->path, u.path, sizeof(u.path)) ||
	    !span_to_cstr(p->query, u.query, sizeof(u.query)))
		return refuse(e, name, "a part is too long");
	*out = u;
	return 0;
}

static int
check_length(struct span name, struct err *e)
{
	if (name.len > LIMIT_URI)
		return err_set(e, ERR_LIMIT, "resource name: %zu bytes, more "
		    "than %d", name.len, LIMIT_URI);
	return 0;
}

int
kbs_uri_parse(struct span name, struct kbs_uri *out, struct err *e)
{
	struct span rest = name;
	struct parts p = { 0 };
	int rc = check_length(name, e);

	if (rc < 0)
		return rc;
	if (!take_scheme(&rest, &p.plugin))
		return refuse(e, name, "does not begin with kbs:// or "
		    "kbs+plugin://");
	(void)span_split(&rest, '/', &p.host);
	p.query = rest;
	(void)span_split(&p.query, '?', &p.path);
	if (p.path.len == rest.len)
		p.query.p = NULL;
	return check(name, &p, out, e);
}

/* "/repo/type/tag", "repo/type/tag" and "addr/repo/type/tag". */
static int
parse_bare(struct span name, struct kbs_uri *out, struct err *e)
{
	struct parts p = { .plugin = SPAN_LIT("resource"), .path = name };
	size_t slashes = 0;

	for (size_t i = 0; i < name.len; i++)
		slashes += name.p[i] == '/';
	if (slashes == SEGMENTS_RESOURCE)
		(void)span_split(&p.path, '/', &p.host);
	return check(name, &p, out, e);
}

static bool
has_scheme(struct span s)
{
	struct span before;

	return span_split(&s, ':', &before) && span_starts(s, "//");
}

int
kbs_uri_parse_kid(struct span name, struct kbs_uri *out, bool *legacy,
    struct err *e)
{
	static const char twice[] = "kbs:///kbs:///";
	struct span inner = name, skipped;
	bool old = true;
	int rc = check_length(name, e);

	if (rc < 0)
		return rc;
	if (span_starts(name, twice)) {
		(void)span_take(&inner, strlen("kbs:///"), &skipped);
		rc = kbs_uri_parse(inner, out, e);
	} else if (has_scheme(name)) {
		old = false;
		rc = kbs_uri_parse(name, out, e);
	} else {
		rc = parse_bare(name, out, e);
	}
	if (rc == 0)
		*legacy = old;
	return rc;
}

/* Where "::" begins, or the length if it does not occur. */
static size_t
find_separator(struct span s)
{
	for (size_t i = 0; i + 1 < s.len; i++) {
		if (s.p[i] == ':' && s.p[i + 1] == ':')
			return i;
	}
	return s.len;
}

/* ASCII that is seen: no control characters, no space. */
static bool
is_visible(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	}
	return true;
}

int
kbc_params_parse(struct span text, struct kbc_params *out, struct err *e)
{
	size_t at = find_separator(text);
	struct span name = { text.p, at }, uri;
	struct kbc_params k;

	if (at == text.len)
		return err_set(e, ERR_CONFIG,
		    "aa_kbc_params: not of the form name::uri");
	uri = (struct span){ text.p + at + 2, text.len - at - 2 };
	if (name.len == 0 || !only(name, "_-") ||
	    !span_to_cstr(name, k.name, sizeof(k.name)))
		return err_set(e, ERR_CONFIG,
		    "aa_kbc_params: not the name of a broker before '::'");
	if (!is_visible(uri) || !span_to_cstr(uri, k.uri, sizeof(k.uri)))
		return err_set(e, ERR_CONFIG, "aa_kbc_params: the address "
		    "behind '::' is too long or has a character it must not");
	*out = k;
	return 0;
}
