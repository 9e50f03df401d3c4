/*
 * lookaside.c: registries.d over libyaml's events, one after the other and without recursion: what is not of the form that
 * is asked for ends the reading. Aliases are refused, so that a short file cannot become a long one.
 */
#include "lib/base.h"

#include "image/lookaside.h"

#include <yaml.h>

#include "image/policy.h"
#include "lib/sys.h"

enum { SECTIONS_MAX = 1024, SCOPE_MAX = LIMIT_REFERENCE, BASE_MAX = 2048 };

struct section {
	char	*scope;		/* "" for the default */
	char	*base;		/* "" when it says nothing */
	size_t	 line;
};

struct lookaside {
	struct section	*list;
	size_t		 n;
};

struct reader {
	yaml_parser_t	 parser;
	yaml_event_t	 event;		/* the last one read */
	struct lookaside own;		/* of this file */
	struct err	*err;
};

static void
sections_free(struct lookaside *l)
{
	for (size_t i = 0; i < l->n; i++) {
		sys_free(l->list[i].scope);
		sys_free(l->list[i].base);
	}
	sys_free(l->list);
	*l = (struct lookaside){ 0 };
}

int
lookaside_new(struct lookaside **out, struct err *e)
{
	struct lookaside *l = sys_alloc(sizeof(*l));

	if (l == NULL)
		return err_set(e, ERR_NOMEM, "lookaside");
	*out = l;
	return 0;
}

void
lookaside_free(struct lookaside *l)
{
	if (l == NULL)
		return;
	sections_free(l);
	sys_free(l);
}

static char *
copy(const char *s)
{
	size_t size = strlen(s) + 1;
	char *out = sys_alloc(size);

	if (out != NULL)
		memcpy(out, s, size);
	return out;
}

static const struct section *
find(const struct lookaside *l, const char *scope)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->list[i].scope, scope) == 0)
			return &l->list[i];
	return NULL;
}

static int
append(struct lookaside *l, const char *scope, const char *base, size_t line, struct err *e)
{
	struct section s = { .scope = copy(scope), .base = copy(base), .line = line };
	struct section *grown = NULL;

	if (l->n == SECTIONS_MAX)
		err_set(e, ERR_CONFIG, "line %zu: more than %d scopes", line, SECTIONS_MAX);
	else if (s.scope == NULL || s.base == NULL ||
	    (grown = sys_realloc(l->list, (l->n + 1) * sizeof(*grown))) == NULL)
		err_set(e, ERR_NOMEM, "lookaside");
	if (grown == NULL) {
		sys_free(s.scope);
		sys_free(s.base);
		return -(int)e->code;
	}
	l->list = grown;
	l->list[l->n++] = s;
	return 0;
}

/* --- the form of a URL */

static bool
is_plain_text(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f || strchr("?#%\"<>\\^`{|}@", *s) != NULL)
			return false;
	return true;
}

/* Why it is none, or NULL. Nothing in it is decoded, so nothing may stand for something else. */
static const char *
url_complaint(const char *url)
{
	const char *rest = strstr(url, "://");

	if (strlen(url) > BASE_MAX)
		return "is too long";
	if (!is_plain_text(url))
		return "has a character that may not be in it (blanks, %, ?, #, @ and the like)";
	if (strstr(url, "/../") != NULL || (strlen(url) > 3 && strcmp(url + strlen(url) - 3, "/..") == 0))
		return "has .. in it";
	if (strncmp(url, "file://", 7) == 0)
		return url[7] == '/' ? NULL : "is not an absolute path (file:///…)";
	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return "is not https://, http:// or file:///";
	rest += 3;
	return image_ref_domain_ok((struct span){ (const uint8_t *)rest, strcspn(rest, "/") }) ? NULL :
	    "has no host";
}

/* --- events */

static int
bad(struct reader *r, const char *what)
{
	return err_set(r->err, ERR_CONFIG, "line %zu: %s", r->event.start_mark.line + 1, what);
}

/* The next event. Anchors, aliases and tags are refused where they come. */
static int
next(struct reader *r)
{
	yaml_event_t *v = &r->event;

	yaml_event_delete(v);
	if (yaml_parser_parse(&r->parser, v) != 1) {
		if (r->parser.error == YAML_MEMORY_ERROR)
			return err_set(r->err, ERR_NOMEM, "yaml");
		return err_set(r->err, ERR_CONFIG, "line %zu: %s", r->parser.problem_mark.line + 1,
		    r->parser.problem != NULL ? r->parser.problem : "not YAML");
	}
	if (v->type == YAML_ALIAS_EVENT ||
	    (v->type == YAML_SCALAR_EVENT && (v->data.scalar.anchor != NULL || v->data.scalar.tag != NULL)) ||
	    (v->type == YAML_MAPPING_START_EVENT &&
	    (v->data.mapping_start.anchor != NULL || v->data.mapping_start.tag != NULL)))
		return bad(r, "anchors, aliases and tags are not understood");
	return 0;
}

static int
expect(struct reader *r, yaml_event_type_t type, const char *what)
{
	int rc = next(r);

	if (rc < 0)
		return rc;
	return r->event.type == type ? 0 : bad(r, what);
}

/* The value that the last event began is null: a plain scalar that says so. */
static bool
is_null(const struct reader *r)
{
	const yaml_event_t *v = &r->event;
	const char *s = (const char *)v->data.scalar.value;

	return v->type == YAML_SCALAR_EVENT && v->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (s[0] == '\0' || strcmp(s, "~") == 0 || strcmp(s, "null") == 0);
}

/* A scalar without NULs, as text. */
static int
take_text(struct reader *r, const char *what, char *out, size_t size)
{
	const yaml_event_t *v = &r->event;

	if (v->type != YAML_SCALAR_EVENT)
		return bad(r, what);
	if (!span_to_cstr((struct span){ v->data.scalar.value, v->data.scalar.length }, out, size))
		return bad(r, "a text that is too long");
	return 0;
}

/* All of a value, however deep; the parser itself limits the depth. */
static int
skip_value(struct reader *r)
{
	size_t depth = 0;
	int rc;

	do {
		if ((rc = next(r)) < 0)
			return rc;
		if (r->event.type == YAML_MAPPING_START_EVENT || r->event.type == YAML_SEQUENCE_START_EVENT)
			depth++;
		else if (r->event.type == YAML_MAPPING_END_EVENT || r->event.type == YAML_SEQUENCE_END_EVENT)
			depth--;
	} while (depth > 0);
	return 0;
}

static int
take_url(struct reader *r, char base[BASE_MAX + 1])
{
	const char *complaint;
	int rc = next(r);

	if (rc < 0 || is_null(r))
		return rc;
	rc = take_text(r, "a URL is wanted here", base, BASE_MAX + 1);
	complaint = rc < 0 ? NULL : url_complaint(base);
	if (complaint == NULL)
		return rc;
	return err_set(r->err, ERR_CONFIG, "line %zu: the URL %.200s %s", r->event.start_mark.line + 1, base, complaint);
}

/* The members of one section. */
static int
take_members(struct reader *r, char base[BASE_MAX + 1])
{
	char old[BASE_MAX + 1] = "", key[64];
	bool seen_new = false, seen_old = false;
	int rc;

	while ((rc = next(r)) == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
		bool is_new, is_old;

		rc = take_text(r, "the name of a member is wanted here", key, sizeof(key));
		if (rc < 0)
			return rc;
		is_new = strcmp(key, "lookaside") == 0;
		is_old = strcmp(key, "sigstore") == 0;
		if ((is_new && seen_new) || (is_old && seen_old))
			return bad(r, "it stands there twice");
		seen_new |= is_new;
		seen_old |= is_old;
		rc = is_new ? take_url(r, base) : is_old ? take_url(r, old) : skip_value(r);
		if (rc < 0)
			return rc;
	}
	if (base[0] == '\0')
		memcpy(base, old, sizeof(old));
	return rc;
}

/* A section, or null. */
static int
take_section(struct reader *r, const char *scope, size_t line)
{
	char base[BASE_MAX + 1] = "";
	int rc;

	if (find(&r->own, scope) != NULL)
		return err_set(r->err, ERR_CONFIG, "line %zu: %.200s stands there twice", line,
		    scope[0] != '\0' ? scope : "default-docker");
	rc = next(r);
	if (rc == 0 && !is_null(r))
		rc = r->event.type == YAML_MAPPING_START_EVENT ? take_members(r, base) :
		    bad(r, "a section (lookaside: URL) is wanted here");
	return rc < 0 ? rc : append(&r->own, scope, base, line, r->err);
}

static int
take_scopes(struct reader *r)
{
	char scope[SCOPE_MAX + 1];
	int rc = next(r);

	if (rc < 0 || is_null(r))
		return rc;
	if (r->event.type != YAML_MAPPING_START_EVENT)
		return bad(r, "scopes are wanted here");
	while ((rc = next(r)) == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
		size_t line = r->event.start_mark.line + 1;
		const char *complaint;

		rc = take_text(r, "a scope is wanted here", scope, sizeof(scope));
		if (rc < 0)
			return rc;
		complaint = scope[0] == '\0' ? "is empty" : policy_scope_complaint(TRANSPORT_DOCKER, span_str(scope));
		if (complaint != NULL)
			return err_set(r->err, ERR_CONFIG, "line %zu: the scope %.200s %s", line, scope, complaint);
		rc = take_section(r, scope, line);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int
take_top(struct reader *r)
{
	bool seen_docker = false;
	char key[SCOPE_MAX + 1];
	int rc;

	while ((rc = next(r)) == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
		size_t line = r->event.start_mark.line + 1;

		rc = take_text(r, "default-docker or docker is wanted here", key, sizeof(key));
		if (rc < 0)
			return rc;
		if (strcmp(key, "default-docker") == 0) {
			rc = take_section(r, "", line);
		} else if (strcmp(key, "docker") == 0) {
			if (seen_docker)
				return bad(r, "docker stands there twice");
			seen_docker = true;
			rc = take_scopes(r);
		} else {
			return err_set(r->err, ERR_CONFIG, "line %zu: %.200s: only default-docker and docker stand at "
			    "the margin; scopes are indented below docker", line, key);
		}
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int
take_document(struct reader *r)
{
	int rc = expect(r, YAML_STREAM_START_EVENT, "not YAML");

	if (rc == 0)
		rc = next(r);
	if (rc < 0 || r->event.type == YAML_STREAM_END_EVENT)
		return rc;	/* an empty file says nothing */
	rc = next(r);
	if (rc == 0 && !is_null(r))
		rc = r->event.type == YAML_MAPPING_START_EVENT ? take_top(r) :
		    bad(r, "default-docker or docker is wanted here");
	if (rc == 0)
		rc = expect(r, YAML_DOCUMENT_END_EVENT, "something stands behind it");
	return rc < 0 ? rc : expect(r, YAML_STREAM_END_EVENT, "another document stands behind it");
}

/* All sections of a file, or none of them. */
static int
merge(struct lookaside *l, const struct lookaside *from, struct err *e)
{
	const size_t before = l->n;
	int rc = 0;

	for (size_t i = 0; i < from->n && rc == 0; i++) {
		const struct section *s = &from->list[i], *known = find(l, s->scope);

		if (known == NULL)
			rc = append(l, s->scope, s->base, s->line, e);
		else if (strcmp(known->base, s->base) != 0)
			rc = err_set(e, ERR_CONFIG, "line %zu: %.200s stands in another file, too, with another URL",
			    s->line, s->scope[0] != '\0' ? s->scope : "default-docker");
	}
	while (rc < 0 && l->n > before) {
		l->n--;
		sys_free(l->list[l->n].scope);
		sys_free(l->list[l->n].base);
	}
	return rc;
}

int
lookaside_add(struct lookaside *l, struct span yaml, struct err *e)
{
	struct reader r = { .err = e };
	int rc;

	if (yaml.len > LIMIT_TOML)
		return err_set(e, ERR_CONFIG, "more than %zu bytes", LIMIT_TOML);
	if (yaml_parser_initialize(&r.parser) != 1)
		return err_set(e, ERR_NOMEM, "yaml");
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, yaml.p, yaml.len);
	rc = take_document(&r);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	if (rc == 0)
		rc = merge(l, &r.own, e);
	sections_free(&r.own);
	return rc;
}

/* --- look-up */

static const char *
base_of(const struct lookaside *l, const char *scope)
{
	const struct section *s = find(l, scope);

	return s != NULL && s->base[0] != '\0' ? s->base : NULL;
}

/* "*.b.c", "*.c" for a host a.b.c; the port takes no part. */
static const char *
base_of_wildcard(const struct lookaside *l, const char *domain)
{
	char host[256], scope[260];
	const char *base = NULL;

	snprintf(host, sizeof(host), "%.*s", (int)strcspn(domain, ":"), domain);
	for (const char *dot = strchr(host, '.'); dot != NULL && base == NULL; dot = strchr(dot + 1, '.')) {
		snprintf(scope, sizeof(scope), "*%s", dot);
		base = base_of(l, scope);
	}
	return base;
}

const char *
lookaside_base(const struct lookaside *l, const struct image_ref *ref)
{
	char name[LIMIT_REFERENCE + 1];
	const char *base;
	char *cut;

	image_ref_format(ref, name, sizeof(name));
	base = base_of(l, name);
	snprintf(name, sizeof(name), "%s/%s", ref->domain, ref->path);
	while (base == NULL) {
		base = base_of(l, name);
		cut = strrchr(name, '/');
		if (cut == NULL)
			break;
		*cut = '\0';
	}
	if (base == NULL)
		base = base_of_wildcard(l, ref->domain);
	if (base == NULL)
		base = base_of(l, "");
	return base != NULL ? base : LOOKASIDE_DEFAULT;
}

int
lookaside_url(const char *base, const struct image_ref *ref, const struct digest *d, size_t n, struct buf *out, struct err *e)
{
	size_t len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		len--;
	return buf_addf(out, e, "%.*s/%s@%.6s=%s/signature-%zu", (int)len, base, ref->path, d->text, d->text + 7, n);
}
