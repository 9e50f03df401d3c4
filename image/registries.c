/*
 * registries.c: reads the table of registries and says where an image may be fetched. Names
 * are compared and changed in their parts (host, path, tag, digest), never as one text: no
 * rule can move a host's end, or exchange a tag.
 */
#include "lib/base.h"

#include <strings.h>

#include "image/registries.h"
#include "lib/sys.h"
#include "lib/toml.h"

#define DEFAULT_DOMAIN	"docker.io"
#define MAX_MIRRORS	(REGISTRY_MAX_PLACES - 1)	/* the location comes on top */

/* A prefix or a location; borrowed from the document. All empty: there is none. */
struct name {
	struct span	text;		/* as written, without the "*" */
	struct span	domain;		/* wildcard: ".host" */
	struct span	path, tag, digest;
	bool		wildcard;
};

struct endpoint {
	struct name	name;
	bool		insecure;
};

struct rule {
	uint32_t	line;
	bool		blocked;
	struct name	prefix;
	struct endpoint	location;
	struct endpoint	mirrors[MAX_MIRRORS];
	size_t		nmirrors;
};

struct registries {
	struct toml	*doc;
	struct span	 search[REGISTRY_MAX_PLACES];
	size_t		 nsearch;
	struct rule	*rules;
	size_t		 nrules;
};

/*
 * Reading.
 */

/* Cuts s at the first c; what is behind it, or nothing. */
static struct span
cut(struct span *s, char c)
{
	size_t i = 0;
	struct span behind;

	while (i < s->len && s->p[i] != (uint8_t)c)
		i++;
	behind = i < s->len ? (struct span){ s->p + i + 1, s->len - i - 1 } : (struct span){ NULL, 0 };
	s->len = i;
	return behind;
}

static struct span
canonical(struct span domain)
{
	return span_eq_str(domain, "index.docker.io") ? span_str(DEFAULT_DOMAIN) : domain;
}

static const char *
host_complaint(struct span host)
{
	if (!image_ref_domain_ok(host))
		return "does not begin with a host[:port]";
	if (!image_ref_is_domain(host))
		return "begins with a host that has neither a dot nor a port: names of images "
		    "never do";
	return NULL;
}

static bool
digest_ok(struct span text)
{
	struct digest ignored;
	struct err e;

	return digest_parse(text, &ignored, &e) == 0;
}

/* Takes a name to pieces. Complains, or NULL. */
static const char *
split_name(struct span text, struct name *out)
{
	struct name n = { .wildcard = span_starts(text, "*.") };
	struct span left, host;
	const char *complaint;

	while (text.len > 0 && text.p[text.len - 1] == '/')
		text.len--;
	if (n.wildcard)
		text = (struct span){ text.p + 1, text.len - 1 };
	left = n.text = n.domain = text;
	left = cut(&n.domain, '/');
	n.digest = cut(&left, '@');
	n.tag = cut(&left, ':');
	n.path = left;
	host = n.wildcard ? (struct span){ n.domain.p + 1, n.domain.len - 1 } : n.domain;
	complaint = n.wildcard && image_ref_domain_ok(host) ? NULL : host_complaint(host);
	if (complaint != NULL)
		return complaint;
	if (n.wildcard && n.domain.len < n.text.len)
		return "has something behind a host with *";
	if (n.domain.len < n.text.len && !image_ref_path_ok(n.path))
		return "has a path that is none of an image";
	if ((n.tag.p != NULL && !image_ref_tag_ok(n.tag)) ||
	    (n.digest.p != NULL && !digest_ok(n.digest)))
		return "has a malformed tag or digest";
	n.domain = canonical(n.domain);
	*out = n;
	return NULL;
}

static int
complain(struct toml_val v, const char *what, const char *why, struct err *e)
{
	return err_set(e, ERR_CONFIG, "line %" PRIu32 ": %s %s", toml_line(v), what, why);
}

/* Absent and "" leave *out as it is. */
static int
read_name(struct toml_val v, const char *what, bool is_prefix, struct name *out, struct err *e)
{
	const char *complaint;
	struct name n;
	struct span text;
	int rc;

	if (!toml_ok(v))
		return 0;
	if ((rc = toml_str(v, what, &text, e)) < 0)
		return rc;
	if (text.len == 0)
		return 0;
	complaint = text.len > LIMIT_REFERENCE ? "is too long" : split_name(text, &n);
	if (complaint == NULL && !is_prefix && (n.wildcard || n.tag.p != NULL || n.digest.p != NULL))
		complaint = "has *, a tag or a digest, which are for prefixes";
	if (complaint != NULL)
		return complain(v, what, complaint, e);
	*out = n;
	return 0;
}

static int
read_flag(struct toml_val table, const char *name, bool *out, struct err *e)
{
	struct toml_val v = toml_get(table, name);

	*out = false;
	return toml_ok(v) ? toml_boolean(v, name, out, e) : 0;
}

/* Keys that containers/image has are not called unknown. */
static int
check_keys(struct toml_val table, const char *what, const char *const known[], struct err *e)
{
	static const char *const foreign[] = {
		"additional-layer-store-auth-helper", "aliases", "credential-helpers",
		"mirror-by-digest-only", "pull-from-mirror", "registries", "short-name-mode",
	};

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		struct toml_val v = toml_get(table, foreign[i]);

		if (toml_ok(v))
			return err_set(e, ERR_CONFIG, "line %" PRIu32 ": %s: \"%s\" is known to "
			    "containers/image, but is not supported here", toml_line(v), what,
			    foreign[i]);
	}
	return toml_only(table, what, known, e);
}

static int
read_mirrors(struct toml_val list, struct rule *r, struct err *e)
{
	static const char *const known[] = { "location", "insecure", NULL };
	struct toml_iter it = toml_iter(list);
	int rc = 0;

	if (toml_ok(list) && !toml_is(list, TOML_ARRAY))
		return complain(list, "registry.mirror", "must be an array of tables", e);
	for (; rc == 0 && toml_next(&it); r->nmirrors++) {
		struct endpoint *m = &r->mirrors[r->nmirrors];

		if (r->nmirrors == MAX_MIRRORS)
			return complain(it.val, "registry.mirror", "is one mirror too many", e);
		if ((rc = check_keys(it.val, "registry.mirror", known, e)) == 0 &&
		    (rc = read_flag(it.val, "insecure", &m->insecure, e)) == 0)
			rc = read_name(toml_get(it.val, "location"), "the mirror's location", false,
			    &m->name, e);
		if (rc == 0 && m->name.text.len == 0)
			return complain(it.val, "registry.mirror", "has no location", e);
	}
	return rc;
}

static int
read_rule(struct toml_val table, struct rule *r, struct err *e)
{
	static const char *const known[] = { "prefix", "location", "insecure", "blocked", "mirror", NULL };
	int rc = check_keys(table, "registry", known, e);

	r->line = toml_line(table);
	if (rc < 0 || (rc = read_flag(table, "insecure", &r->location.insecure, e)) < 0 ||
	    (rc = read_flag(table, "blocked", &r->blocked, e)) < 0 ||
	    (rc = read_name(toml_get(table, "prefix"), "the prefix", true, &r->prefix, e)) < 0 ||
	    (rc = read_name(toml_get(table, "location"), "the location", false, &r->location.name,
	    e)) < 0)
		return rc;
	if (r->prefix.text.len == 0)
		r->prefix = r->location.name;
	if (r->prefix.text.len == 0)
		return complain(table, "registry", "has neither prefix nor location", e);
	if (r->prefix.wildcard && r->location.name.text.len == 0 && r->location.insecure)
		return complain(table, "registry", "is insecure for a host with *: each host must "
		    "be named", e);
	return read_mirrors(toml_get(table, "mirror"), r, e);
}

static bool
same_text(struct span a, struct span b)
{
	return a.len == b.len && strncasecmp((const char *)a.p, (const char *)b.p, a.len) == 0;
}

static bool
same_prefix(const struct name *a, const struct name *b)
{
	return a->wildcard == b->wildcard && same_text(a->domain, b->domain) &&
	    span_eq(a->path, b->path) && span_eq(a->tag, b->tag) && span_eq(a->digest, b->digest);
}

static int
read_rules(struct toml_val list, struct registries *r, struct err *e)
{
	struct toml_iter it = toml_iter(list);
	int rc = 0;

	if (!toml_ok(list))
		return 0;
	if (!toml_is(list, TOML_ARRAY))
		return complain(list, "registry", "must be an array of tables: [[registry]]", e);
	r->rules = sys_alloc(MAX(toml_count(list), (size_t)1) * sizeof(*r->rules));
	if (r->rules == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (; rc == 0 && toml_next(&it); r->nrules++) {
		struct rule *new = &r->rules[r->nrules];

		rc = read_rule(it.val, new, e);
		for (size_t i = 0; rc == 0 && i < r->nrules; i++)
			if (same_prefix(&r->rules[i].prefix, &new->prefix))
				rc = complain(it.val, "registry", "has a prefix that was there before", e);
	}
	return rc;
}

static int
read_search(struct toml_val list, struct registries *r, struct err *e)
{
	static const char what[] = "unqualified-search-registries";
	struct toml_iter it = toml_iter(list);
	const char *complaint;
	int rc;

	if (!toml_ok(list)) {
		r->search[r->nsearch++] = span_str(DEFAULT_DOMAIN);
		return 0;
	}
	if (!toml_is(list, TOML_ARRAY))
		return complain(list, what, "must be an array of strings", e);
	while (toml_next(&it)) {
		struct span *host = &r->search[r->nsearch];

		if (r->nsearch == REGISTRY_MAX_PLACES)
			return complain(list, what, "has too many entries", e);
		if ((rc = toml_str(it.val, what, host, e)) < 0)
			return rc;
		if ((complaint = host_complaint(*host)) != NULL)
			return complain(it.val, what, complaint, e);
		*host = canonical(*host);
		r->nsearch++;
	}
	return 0;
}

static int
read_table(struct span text, struct registries *r, struct err *e)
{
	static const char *const known[] = { "unqualified-search-registries", "registry", NULL };
	struct toml_val root;
	int rc = toml_parse(text, &r->doc, e);

	if (rc < 0)
		return rc;
	root = toml_root(r->doc);
	if ((rc = check_keys(root, "the table of registries", known, e)) < 0 ||
	    (rc = read_search(toml_get(root, known[0]), r, e)) < 0)
		return rc;
	return read_rules(toml_get(root, "registry"), r, e);
}

int
registries_parse(struct span text, struct registries **out, struct err *e)
{
	autoregistries r = sys_alloc(sizeof(*r));

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "registries: out of memory");
	if (read_table(text, r, e) < 0) {
		if (e->code != ERR_NOMEM)
			e->code = ERR_CONFIG;
		return err_wrap(e, "registry configuration");
	}
	*out = r;
	r = NULL;
	return 0;
}

void
registries_free(struct registries *r)
{
	if (r == NULL)
		return;
	toml_free(r->doc);
	sys_free(r->rules);
	sys_free(r);
}

void
registries_freep(struct registries **r)
{
	registries_free(*r);
	*r = NULL;
}

/*
 * Asking.
 */

struct places {
	struct registry_place	*out;
	size_t			 n;
	const struct rule	*blocked;	/* the last rule that took a place away */
	struct err		*e;
};

static bool
host_fits(const struct name *prefix, struct span domain)
{
	if (prefix->wildcard && domain.len > prefix->domain.len)
		domain = (struct span){ domain.p + domain.len - prefix->domain.len,
		    prefix->domain.len };
	return same_text(prefix->domain, domain);
}

/* Blocked hosts are blocked on all ports. */
static bool
blocks_host(const struct rule *r, struct span domain)
{
	(void)cut(&domain, ':');
	return r->blocked && r->prefix.path.len == 0 && host_fits(&r->prefix, domain);
}

static bool
path_fits(const struct name *prefix, const struct image_ref *ref)
{
	struct span path = span_str(ref->path), start = { path.p, prefix->path.len };

	if (prefix->path.len == 0)
		return true;
	if (path.len < prefix->path.len || !span_eq(start, prefix->path))
		return false;
	if (prefix->tag.p == NULL && prefix->digest.p == NULL)
		return path.len == start.len || path.p[start.len] == '/';
	return path.len == start.len && (prefix->tag.p == NULL || span_eq_str(prefix->tag, ref->tag)) &&
	    (prefix->digest.p == NULL ||
	    (ref->has_digest && span_eq_str(prefix->digest, ref->digest.text)));
}

static size_t
length_of(const struct name *prefix)
{
	return prefix->domain.len + prefix->path.len + prefix->tag.len + prefix->digest.len;
}

/* The rule with the longest prefix that fits; NULL: none does. */
static const struct rule *
find_rule(const struct registries *r, const struct image_ref *ref)
{
	const struct rule *best = NULL;
	struct span domain = span_str(ref->domain);

	for (size_t i = 0; i < r->nrules; i++) {
		const struct rule *one = &r->rules[i];

		if (!blocks_host(one, domain) &&
		    !(host_fits(&one->prefix, domain) && path_fits(&one->prefix, ref)))
			continue;
		if (best == NULL || length_of(&one->prefix) > length_of(&best->prefix))
			best = one;
	}
	return best;
}

static int
put(struct places *p, const struct image_ref *ref, bool insecure)
{
	if (p->n == REGISTRY_MAX_PLACES)
		return err_set(p->e, ERR_CONFIG, "more than %d places to look for it",
		    REGISTRY_MAX_PLACES);
	p->out[p->n++] = (struct registry_place){ .ref = *ref, .insecure = insecure };
	return 0;
}

/* ref at another host, its path begun by `to` instead of its first `gone` bytes. */
static int
move_name(struct places *p, const struct image_ref *ref, size_t gone, const struct name *to,
    struct image_ref *out)
{
	const char *rest = ref->path + gone + (ref->path[gone] == '/' ? 1 : 0);
	char text[2 * LIMIT_REFERENCE];
	struct image_ref r;

	snprintf(text, sizeof(text), "%.*s/%.*s%s%s", (int)to->domain.len,
	    (const char *)to->domain.p, (int)to->path.len, (const char *)to->path.p,
	    to->path.len > 0 && rest[0] != '\0' ? "/" : "", rest);
	if (image_ref_parse_docker(span_str(text), &r, p->e) < 0) {
		p->e->code = ERR_CONFIG;
		return -ERR_CONFIG;
	}
	memcpy(r.tag, ref->tag, sizeof(r.tag));
	r.has_digest = ref->has_digest;
	r.digest = ref->digest;
	*out = r;
	return 0;
}

static int
put_endpoint(struct places *p, const struct image_ref *ref, const struct rule *r,
    const struct endpoint *to)
{
	struct image_ref moved;

	if (move_name(p, ref, r->prefix.path.len, &to->name, &moved) < 0)
		return err_wrap(p->e, "the registry of line %" PRIu32, r->line);
	return put(p, &moved, to->insecure);
}

/* What the table makes of one name. */
static int
put_by_rule(const struct registries *t, struct places *p, const struct image_ref *ref)
{
	const struct rule *r = find_rule(t, ref);
	int rc = 0;

	if (r == NULL)
		return put(p, ref, false);
	if (r->blocked) {
		p->blocked = r;
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < r->nmirrors; i++)
		rc = put_endpoint(p, ref, r, &r->mirrors[i]);
	if (rc < 0)
		return rc;
	if (r->location.name.text.len > 0)
		return put_endpoint(p, ref, r, &r->location);
	return put(p, ref, r->location.insecure);
}

/* An image of docker.io, in all search registries; library/ is a folder of docker.io only. */
static int
put_searched(const struct registries *t, struct places *p, const struct image_ref *ref)
{
	size_t gone = span_starts(span_str(ref->path), "library/") ? strlen("library") : 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->nsearch; i++) {
		struct name host = { .domain = t->search[i] };
		struct image_ref there = *ref;

		if (!span_eq_str(host.domain, DEFAULT_DOMAIN))
			rc = move_name(p, ref, gone, &host, &there);
		if (rc == 0)
			rc = put_by_rule(t, p, &there);
	}
	return rc;
}

static int
nowhere(const struct places *p)
{
	if (p->blocked == NULL)
		return err_set(p->e, ERR_CONFIG, "unqualified-search-registries is empty");
	return err_set(p->e, ERR_CONFIG, "blocked by the registry of line %" PRIu32 ", prefix "
	    "\"%s%.*s\"", p->blocked->line, p->blocked->prefix.wildcard ? "*" : "",
	    (int)MIN(p->blocked->prefix.text.len, (size_t)200),
	    (const char *)p->blocked->prefix.text.p);
}

int
registries_places(const struct registries *t, const struct image_ref *ref,
    struct registry_place out[REGISTRY_MAX_PLACES], size_t *n, struct err *e)
{
	struct places p = { .out = out, .e = e };
	int rc;

	if (t == NULL || ref->transport != TRANSPORT_DOCKER)
		rc = put(&p, ref, false);
	else if (strcmp(ref->domain, DEFAULT_DOMAIN) == 0)
		rc = put_searched(t, &p, ref);
	else
		rc = put_by_rule(t, &p, ref);
	if (rc == 0 && p.n == 0)
		rc = nowhere(&p);
	if (rc < 0)
		return err_wrap(e, "registry configuration: %.100s/%.100s", ref->domain, ref->path);
	*n = p.n;
	return 0;
}
