/*
 * challenge.c: reads WWW-Authenticate (RFC 9110 section 11.6.1) and asks for a token
 * where a registry says. The registry is a stranger: it may not choose a place that is
 * only reachable from here, nor one without TLS.
 */
#include "lib/base.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "image/challenge.h"

#define TOKEN_MAX	KIB(16)		/* it has to fit into a request header */

struct text {
	const uint8_t	*p;
	size_t		 len, at;
};

static bool
at_end(const struct text *t)
{
	return t->at == t->len;
}

static bool
at_char(const struct text *t, char c)
{
	return t->at < t->len && t->p[t->at] == (uint8_t)c;
}

static void
skip_blanks(struct text *t)
{
	while (at_char(t, ' ') || at_char(t, '\t'))
		t->at++;
}

/* Empty list elements are allowed. */
static void
skip_commas(struct text *t)
{
	for (skip_blanks(t); at_char(t, ','); skip_blanks(t))
		t->at++;
}

static bool
is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
in_class(uint8_t c, const char *others)
{
	return is_alnum(c) || (c != '\0' && strchr(others, c) != NULL);
}

/* A run of letters, digits and others. */
static struct span
take_run(struct text *t, const char *others)
{
	size_t from = t->at;

	while (!at_end(t) && in_class(t->p[t->at], others))
		t->at++;
	return (struct span){ t->p + from, t->at - from };
}

static struct span
take_token(struct text *t)
{
	return take_run(t, "!#$%&'*+-.^_`|~");
}

/* token68: credentials of a scheme that has no parameters. Moves on only if it is one. */
static bool
skip_token68(struct text *t)
{
	struct text ahead = *t;

	if (take_run(&ahead, "-._~+/").len == 0)
		return false;
	while (at_char(&ahead, '='))
		ahead.at++;
	skip_blanks(&ahead);
	if (!at_end(&ahead) && !at_char(&ahead, ','))
		return false;
	*t = ahead;
	return true;
}

/* Is "name =" next? Takes it if so. */
static bool
take_param_name(struct text *t, struct span *name)
{
	struct text ahead = *t;

	*name = take_token(&ahead);
	skip_blanks(&ahead);
	if (name->len == 0 || !at_char(&ahead, '='))
		return false;
	ahead.at++;
	skip_blanks(&ahead);
	*t = ahead;
	return true;
}

/* A quoted string behind its first quote, without escapes; *size counts what does not fit, too. */
static bool
take_quoted(struct text *t, char *out, size_t max, size_t *size)
{
	for (*size = 0; !at_end(t) && !at_char(t, '"'); (*size)++) {
		if (at_char(t, '\\'))
			t->at++;
		if (at_end(t) || t->p[t->at] == 0x7f || (t->p[t->at] < ' ' && t->p[t->at] != '\t'))
			return false;
		if (*size < max)
			out[*size] = (char)t->p[t->at];
		t->at++;
	}
	if (at_end(t))
		return false;
	t->at++;
	return true;
}

/* The value of a parameter into out (NUL-ended) and its full length into *size. */
static bool
take_value(struct text *t, char *out, size_t room, size_t *size)
{
	struct span token;

	if (at_char(t, '"')) {
		t->at++;
		if (!take_quoted(t, out, room - 1, size))
			return false;
	} else {
		token = take_token(t);
		*size = token.len;
		memcpy(out, token.p, MIN(token.len, room - 1));
		if (token.len == 0)
			return false;
	}
	out[MIN(*size, room - 1)] = '\0';
	return true;
}

static bool
is_word(struct span s, const char *word)
{
	if (s.len != strlen(word))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((s.p[i] | 0x20) != word[i])
			return false;
	return true;
}

/* Where a parameter is kept; NULL for those that say nothing to us. */
static char *
field_of(struct challenge *c, struct span name, size_t *size)
{
	const struct {
		const char	*name;
		char		*field;
		size_t		 size;
	} fields[] = {
		{ "realm", c->realm, sizeof(c->realm) },
		{ "service", c->service, sizeof(c->service) },
		{ "scope", c->scope, sizeof(c->scope) },
		{ "error", c->error, sizeof(c->error) },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!is_word(name, fields[i].name))
			continue;
		*size = fields[i].size;
		return fields[i].field;
	}
	return NULL;
}

static int
malformed(struct err *e)
{
	return err_set(e, ERR_REGISTRY, "the registry's WWW-Authenticate is malformed");
}

/* One parameter behind its name. Values of the schemes we know must fit and come once. */
static int
parse_value(struct text *t, struct span name, bool known, struct challenge *c, struct err *e)
{
	char value[1024], *field;
	size_t length, size;

	if (!take_value(t, value, sizeof(value), &length))
		return malformed(e);
	field = known ? field_of(c, name, &size) : NULL;
	if (field == NULL)
		return 0;
	if (field[0] != '\0' || length >= size)
		return err_set(e, ERR_REGISTRY, "the registry's WWW-Authenticate has %.*s %s",
		    (int)name.len, (const char *)name.p, length >= size ? "too long" : "twice");
	memcpy(field, value, length + 1);
	return 0;
}

/* What stands behind a scheme, up to the next scheme or the end. */
static int
parse_params(struct text *t, bool known, struct challenge *c, struct err *e)
{
	struct span name;
	size_t from = t->at;
	int rc = 0;

	if (at_end(t) || at_char(t, ',') || skip_token68(t))
		return 0;
	while (rc == 0 && take_param_name(t, &name)) {
		rc = parse_value(t, name, known, c, e);
		skip_blanks(t);
		if (rc == 0 && !at_end(t) && !at_char(t, ','))
			rc = malformed(e);
		skip_commas(t);
	}
	return rc == 0 && t->at == from ? malformed(e) : rc;
}

/* Best so far: a Bearer, or the first Basic. */
static void
keep_better(const struct challenge *c, struct challenge *best, bool *found)
{
	if (*found && (best->scheme == CHALLENGE_BEARER || c->scheme == CHALLENGE_BASIC))
		return;
	*best = *c;
	*found = true;
}

static int
parse_line(struct span line, struct challenge *best, bool *found, struct err *e)
{
	struct text t = { line.p, line.len, 0 };

	for (skip_commas(&t); !at_end(&t); skip_commas(&t)) {
		struct challenge c = { .scheme = CHALLENGE_BASIC };
		struct span scheme = take_token(&t);
		bool bearer = is_word(scheme, "bearer"), basic = is_word(scheme, "basic");
		int rc;

		if (scheme.len == 0 || !(at_end(&t) || at_char(&t, ' ') || at_char(&t, ',')))
			return malformed(e);
		skip_blanks(&t);
		if (bearer)
			c.scheme = CHALLENGE_BEARER;
		rc = parse_params(&t, bearer || basic, &c, e);
		if (rc < 0)
			return rc;
		if (bearer || basic)
			keep_better(&c, best, found);
	}
	return 0;
}

int
challenge_pick(struct span lines, struct challenge *out, bool *found, struct err *e)
{
	struct challenge best;
	struct span line;
	bool any = false;

	while (span_split(&lines, '\n', &line)) {
		int rc = parse_line(line, &best, &any, e);

		if (rc < 0)
			return rc;
	}
	if (any)
		*out = best;
	*found = any;
	return 0;
}

/* Addresses that mean this machine or its link. */
static bool
is_local_v4(const uint8_t a[4])
{
	return a[0] == 0 || a[0] == 127 || (a[0] == 169 && a[1] == 254);
}

static bool
is_local_v6(const uint8_t a[16])
{
	static const uint8_t zeros[15], mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(a, mapped, sizeof(mapped)) == 0)
		return is_local_v4(a + 12);
	return (memcmp(a, zeros, sizeof(zeros)) == 0 && a[15] <= 1) ||
	    (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

/* "127.1" and "0x7f000001" are addresses to many resolvers: only the usual form may pass. */
static bool
ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.'), *last = dot != NULL ? dot + 1 : host;

	return last[strspn(last, "0123456789")] == '\0' || strncmp(last, "0x", 2) == 0 ||
	    strncmp(last, "0X", 2) == 0;
}

/* "host" or "[v6]"; in lower or upper case. Complains, or NULL. */
static const char *
host_complaint(struct span host, bool local_allowed)
{
	static const char local[] = "points to this machine or its link";
	char text[256];
	uint8_t a[16];
	size_t n;

	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']') {
		host = (struct span){ host.p + 1, host.len - 2 };
		if (!span_to_cstr(host, text, sizeof(text)) || inet_pton(AF_INET6, text, a) != 1)
			return "has no valid address";
		return is_local_v6(a) && !local_allowed ? local : NULL;
	}
	if (!image_ref_domain_ok(host) || !span_to_cstr(host, text, sizeof(text)))
		return "has no valid host";
	if (ends_in_number(text)) {
		if (inet_pton(AF_INET, text, a) != 1)
			return "has no valid address";
		return is_local_v4(a) && !local_allowed ? local : NULL;
	}
	n = strlen("localhost");
	if (host.len >= n && is_word((struct span){ host.p + host.len - n, n }, "localhost") &&
	    (host.len == n || host.p[host.len - n - 1] == '.') && !local_allowed)
		return local;
	return NULL;
}

/* Of "host[:port]" the host. */
static struct span
host_of(struct span s)
{
	for (size_t i = s.len; i > 0 && s.p[i - 1] != ']'; i--)
		if (s.p[i - 1] == ':')
			return (struct span){ s.p, i - 1 };
	return s;
}

static bool
same_host(struct span a, struct span b)
{
	a = host_of(a);
	b = host_of(b);
	return a.len == b.len && strncasecmp((const char *)a.p, (const char *)b.p, a.len) == 0;
}

/* Splits "host[:port]" and checks both. */
static const char *
authority_complaint(struct span s, bool local_allowed)
{
	struct span host = host_of(s), behind = { s.p + host.len, s.len - host.len };
	uint64_t port;

	if (behind.len > 0 && (!span_decimal((struct span){ behind.p + 1, behind.len - 1 }, 65535,
	    &port) || port == 0))
		return "has no valid port";
	if (memchr(s.p, '@', s.len) != NULL)
		return "has a user part";
	if (host.len > 0 && host.p[0] != '[' && memchr(host.p, ':', host.len) != NULL)
		return "has no valid host";
	return host_complaint(host, local_allowed);
}

static bool
has_scheme(struct span s, const char *scheme)
{
	size_t n = strlen(scheme);

	return s.len > n + 3 && is_word((struct span){ s.p, n }, scheme) &&
	    memcmp(s.p + n, "://", 3) == 0;
}

/* What is wrong with a realm; NULL if a token may be fetched there. */
static const char *
realm_complaint(const char *realm, const char *registry, bool plain_http)
{
	struct span s = span_str(realm), authority;
	size_t scheme = strlen("https://"), n;

	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"<>\\^`{|}#", s.p[i]) != NULL)
			return "is not a plain URL";
	if (plain_http && has_scheme(s, "http"))
		scheme = strlen("http://");
	else if (!has_scheme(s, "https"))
		return s.len == 0 ? "is missing" : "is not https";
	n = strcspn(realm + scheme, "/?");
	if (n == 0)
		return "has no host";
	authority = (struct span){ s.p + scheme, n };
	return authority_complaint(authority, plain_http || same_host(authority, span_str(registry)));
}

/* The value, percent-encoded. */
static int
add_encoded(struct buf *out, struct span value, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < value.len; i++) {
		if (in_class(value.p[i], "-._~"))
			rc = buf_add_u8(out, value.p[i], e);
		else
			rc = buf_addf(out, e, "%%%02X", value.p[i]);
	}
	return rc;
}

/* "&name=value" */
static int
add_param(struct buf *out, const char *name, struct span value, struct err *e)
{
	int rc = buf_addf(out, e, "&%s=", name);

	return rc < 0 ? rc : add_encoded(out, value, e);
}

/* What is asked for: as the challenge says, or the right to pull. */
static struct span
scope_of(const struct challenge *c, const struct image_ref *r, char *own, size_t size)
{
	if (c->scope[0] != '\0')
		return span_str(c->scope);
	snprintf(own, size, "repository:%s:pull", r->path);
	return span_str(own);
}

static int
add_scopes(struct buf *url, const struct challenge *c, const struct image_ref *r, struct err *e)
{
	char own[sizeof(r->path) + 32];
	struct span rest = scope_of(c, r, own, sizeof(own)), scope;
	int rc = 0;

	while (rc == 0 && span_split(&rest, ' ', &scope))
		if (scope.len > 0)
			rc = add_param(url, "scope", scope, e);
	return rc;
}

static int
check_realm(const struct challenge *c, const struct image_ref *r, bool plain_http, struct err *e)
{
	const char *complaint = realm_complaint(c->realm, r->domain, plain_http);

	if (complaint == NULL)
		return 0;
	return err_set(e, ERR_AUTH, "%s: the token realm \"%.200s\" %s",
	    r->domain, c->realm, complaint);
}

int
challenge_token_url(const struct challenge *c, const struct image_ref *r, bool plain_http,
    struct buf *out, struct err *e)
{
	autobuf url = BUF(LIMIT_URL);
	uint8_t *first;
	int rc = check_realm(c, r, plain_http, e);

	if (rc == 0)
		rc = buf_add_str(&url, c->realm, e);
	if (rc == 0 && c->service[0] != '\0')
		rc = add_param(&url, "service", span_str(c->service), e);
	if (rc == 0)
		rc = add_scopes(&url, c, r, e);
	if (rc < 0)
		return rc;
	first = url.len > strlen(c->realm) ? url.data + strlen(c->realm) : NULL;
	if (first != NULL && strchr(c->realm, '?') == NULL)
		*first = '?';
	return buf_add_span(out, buf_span(&url), e);
}

int
challenge_token_form(const struct challenge *c, const struct image_ref *r, bool plain_http,
    struct span identity, struct buf *url, struct buf *form, struct err *e)
{
	autobuf text = BUF_SECRET(KIB(64));
	char own[sizeof(r->path) + 32];
	int rc = check_realm(c, r, plain_http, e);

	if (rc == 0)
		rc = buf_add_str(&text, "grant_type=refresh_token&client_id=cacao", e);
	if (rc == 0 && c->service[0] != '\0')
		rc = add_param(&text, "service", span_str(c->service), e);
	if (rc == 0)
		rc = add_param(&text, "scope", scope_of(c, r, own, sizeof(own)), e);
	if (rc == 0)
		rc = add_param(&text, "refresh_token", identity, e);
	if (rc == 0)
		rc = buf_reserve(url, strlen(c->realm), e);
	if (rc == 0)
		rc = buf_add_span(form, buf_span(&text), e);
	return rc < 0 ? rc : buf_add_str(url, c->realm, e);
}

/* Goes into a header line: printable ASCII, no space. */
static bool
is_plain_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.len > 0;
}

static int
get_token(struct json_val root, struct buf *out, struct err *e)
{
	struct json_val v = json_get(root, "token");
	struct err ignored;
	int rc;

	if (!json_ok(v) || json_is(v, JSON_NULL) || json_str_eq(v, ""))
		v = json_get(root, "access_token");
	rc = json_str(v, "token", out, &ignored);
	if (rc == -ERR_NOMEM)
		return err_set(e, ERR_NOMEM, "no memory for a token");
	if (rc < 0 || !is_plain_token(buf_span(out)))
		return err_set(e, ERR_AUTH, "the token server's answer holds no token");
	return 0;
}

/* How long the token is good for; what is no sensible number is as if it were not said. */
static uint64_t
get_lifetime(struct json_val root)
{
	struct err ignored;
	uint64_t seconds;

	if (json_u64(json_get(root, "expires_in"), "expires_in", INT64_MAX, &seconds, &ignored) < 0)
		return TOKEN_MIN_S;
	return MIN(MAX(seconds, TOKEN_MIN_S), TOKEN_MAX_S);
}

int
challenge_token_parse(struct span body, struct buf *token, uint64_t *seconds, struct err *e)
{
	autobuf text = BUF_SECRET(TOKEN_MAX);
	autojson doc = NULL;
	int rc;

	if (body.len > LIMIT_TOKEN)
		return err_set(e, ERR_LIMIT, "the token server's answer has %zu bytes", body.len);
	rc = json_parse(body, &doc, e);
	if (rc < 0) {
		if (e->code == ERR_PARSE)
			e->code = ERR_AUTH;
		return err_wrap(e, "the token server's answer");
	}
	rc = get_token(json_root(doc), &text, e);
	if (rc == 0)
		rc = buf_add_span(token, buf_span(&text), e);
	if (rc == 0)
		*seconds = get_lifetime(json_root(doc));
	return rc;
}
