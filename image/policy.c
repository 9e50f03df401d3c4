/*
 * policy.c: reads the image policy, checks all of it, and finds the list of requirements that decides about an
 * image. What they require is policy_check.c's.
 */
#include "lib/base.h"

#include "image/policy.h"

#include "image/requirement.h"
#include "lib/sys.h"

#define TRANSPORTS	(TRANSPORT_DOCKER_ARCHIVE + 1)

struct policy {
	struct json	*doc;
	struct json_val	 fallback;	/* the list "default" */
	struct json_val	 scopes[TRANSPORTS];	/* of each, perhaps absent */
};

/* A list of requirements: at least one, as none would be met by everything. */
static int
check_list(struct json_val list, const char *where, struct err *e)
{
	struct json_iter it = json_iter(list);
	int rc = 0;

	if (!json_is(list, JSON_ARRAY))
		return err_set(e, ERR_PARSE, "%s is not an array of requirements", where);
	if (json_count(list) == 0)
		return err_set(e, ERR_PARSE, "%s has no requirement; write "
		    "[{\"type\":\"reject\"}] or [{\"type\":\"insecureAcceptAnything\"}]", where);
	while (rc == 0 && json_next(&it)) {
		struct requirement ignored;

		rc = requirement_read(it.val, where, &ignored, e);
	}
	return rc;
}

/* Scopes of transports that we do not have are not looked into. */
static int
check_scope(const char *transport, const char *scope, struct err *e)
{
	const char *complaint = NULL;

	for (enum transport t = TRANSPORT_DOCKER; t < TRANSPORTS; t++)
		if (strcmp(transport, image_ref_transport(t)) == 0)
			complaint = policy_scope_complaint(t, span_str(scope));
	if (complaint == NULL)
		return 0;
	return err_set(e, ERR_PARSE, "%s: the scope \"%.200s\" %s", transport, scope, complaint);
}

static int
check_transport(const char *transport, struct json_val scopes, struct err *e)
{
	struct json_iter it = json_iter(scopes);
	autobuf scope = BUF(LIMIT_PATH);
	int rc = 0;

	if (!json_is(scopes, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "transports.%s is not an object", transport);
	while (rc == 0 && json_next(&it)) {
		char where[300];

		buf_reset(&scope);
		rc = json_str(it.key, "a scope", &scope, e);
		if (rc == 0)
			rc = check_scope(transport, buf_str(&scope), e);
		snprintf(where, sizeof(where), "%s: \"%.200s\"", transport, buf_str(&scope));
		if (rc == 0)
			rc = check_list(it.val, where, e);
	}
	return rc;
}

static int
check_document(struct json_val root, struct err *e)
{
	static const char *const members[] = { "default", "transports", NULL };
	struct json_val transports = json_get(root, "transports");
	struct json_iter it = json_iter(transports);
	int rc;

	if (!json_is(root, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "not a JSON object");
	rc = json_only(root, "the policy", members, e);
	if (rc == 0)
		rc = check_list(json_get(root, "default"), "default", e);
	if (rc == 0 && json_ok(transports) && !json_is(transports, JSON_OBJECT))
		rc = err_set(e, ERR_PARSE, "transports is not an object");
	while (rc == 0 && json_next(&it)) {
		char name[64];

		rc = json_cstr(it.key, "the name of a transport", name, sizeof(name), e);
		if (rc == 0)
			rc = check_transport(name, it.val, e);
	}
	return rc;
}

int
policy_parse(struct span text, struct policy **out, struct err *e)
{
	cleanup(policy_freep) struct policy *p = sys_alloc(sizeof(*p));
	int rc;

	if (p == NULL)
		return err_set(e, ERR_NOMEM, "no memory for the policy");
	if (text.len == 0)
		return err_set(e, ERR_POLICY_INVALID, "policy: it is empty");
	if (text.len > LIMIT_POLICY)
		return err_set(e, ERR_POLICY_INVALID, "policy: %zu bytes", text.len);
	rc = json_parse(text, &p->doc, e);
	if (rc == 0)
		rc = check_document(json_root(p->doc), e);
	if (rc < 0) {
		if (e->code != ERR_NOMEM)
			e->code = ERR_POLICY_INVALID;
		return err_wrap(e, "policy");
	}
	p->fallback = json_get(json_root(p->doc), "default");
	for (enum transport t = TRANSPORT_DOCKER; t < TRANSPORTS; t++)
		p->scopes[t] = json_get(json_get(json_root(p->doc), "transports"), image_ref_transport(t));
	*out = p;
	p = NULL;
	return 0;
}

void
policy_free(struct policy *p)
{
	if (p == NULL)
		return;
	json_free(p->doc);
	sys_free(p);
}

void
policy_freep(struct policy **p)
{
	policy_free(*p);
	*p = NULL;
}

static bool
try_scope(struct json_val scopes, const char *transport, const char *scope, struct decision *d)
{
	struct json_val list = json_get(scopes, scope);

	if (!json_ok(list))
		return false;
	d->list = list;
	snprintf(d->scope, sizeof(d->scope), "%s: %.550s", transport,
	    scope[0] != '\0' ? scope : "\"\"");
	return true;
}

/* name, then what is left when the last "/part" is cut off, again and again; never "". */
static bool
try_parents(struct json_val scopes, const char *transport, char *name, struct decision *d)
{
	for (char *slash = name; slash != NULL && name[0] != '\0';) {
		if (try_scope(scopes, transport, name, d))
			return true;
		slash = strrchr(name, '/');
		if (slash != NULL)
			*slash = '\0';
	}
	return false;
}

/* "*.b.c" and "*.c" for the host a.b.c */
static bool
try_wildcards(struct json_val scopes, const char *domain, struct decision *d)
{
	char host[sizeof(((struct image_ref *)0)->domain)], scope[sizeof(host) + 1];

	snprintf(host, sizeof(host), "%.*s", (int)strcspn(domain, ":"), domain);
	for (const char *dot = strchr(host, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		snprintf(scope, sizeof(scope), "*%s", dot);
		if (try_scope(scopes, "docker", scope, d))
			return true;
	}
	return false;
}

static bool
try_docker(struct json_val scopes, const struct image_ref *r, struct decision *d)
{
	char name[LIMIT_REFERENCE + 1];

	image_ref_format(r, name, sizeof(name));
	if (try_scope(scopes, "docker", name, d))
		return true;
	snprintf(name, sizeof(name), "%s/%s", r->domain, r->path);
	return try_parents(scopes, "docker", name, d) ||
	    try_wildcards(scopes, r->domain, d) || try_scope(scopes, "docker", "", d);
}

static bool
try_path(struct json_val scopes, const struct image_ref *r, struct decision *d)
{
	const char *transport = image_ref_transport(r->transport);
	char path[sizeof(r->dir)];

	snprintf(path, sizeof(path), "%s", r->dir);
	return try_parents(scopes, transport, path, d) || try_scope(scopes, transport, "", d);
}

/* What docker save writes names itself: neither that nor its path is a scope in containers/image. */
static bool
try_transport(struct json_val scopes, const struct image_ref *r, struct decision *d)
{
	switch (r->transport) {
	case TRANSPORT_DOCKER:
		return try_docker(scopes, r, d);
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
		return try_path(scopes, r, d);
	case TRANSPORT_DOCKER_ARCHIVE:
		break;
	}
	return try_scope(scopes, image_ref_transport(r->transport), "", d);
}

void
policy_decide(const struct policy *p, const struct image_ref *r, struct decision *d)
{
	if (try_transport(p->scopes[r->transport], r, d))
		return;
	d->list = p->fallback;
	snprintf(d->scope, sizeof(d->scope), "default");
}

void
policy_scope_text(const struct policy *p, const struct image_ref *r, char *out, size_t size)
{
	struct decision d;

	policy_decide(p, r, &d);
	snprintf(out, size, "%s", d.scope);
}
