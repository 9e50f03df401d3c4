/*
 * policy.c: reads the image policy and asks it. There is one way to "yes": every
 * requirement of the deciding list is insecureAcceptAnything. All else is a refusal.
 */
#include "lib/base.h"

#include "image/policy.h"
#include "lib/sys.h"

#define SCOPE_TEXT	600
#define TRANSPORTS	(TRANSPORT_DOCKER_ARCHIVE + 1)

struct policy {
	struct json	*doc;
	struct json_val	 fallback;	/* the list "default" */
	struct json_val	 scopes[TRANSPORTS];	/* of each, perhaps absent */
};

enum verdict { ACCEPT, REJECT, UNSUPPORTED };

/* An object told by its "type": which members it may have and of which group it needs one. */
struct form {
	const char	*type;
	enum verdict	 verdict;
	const char	*members[14];
	const char	*one_of[7];
};

static const struct form requirements[] = {
	{ "insecureAcceptAnything", ACCEPT, { "type" }, { NULL } },
	{ "reject", REJECT, { "type" }, { NULL } },
	{ "signedBy", UNSUPPORTED,
	  { "type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity" },
	  { "keyPath", "keyPaths", "keyData" } },
	{ "sigstoreSigned", UNSUPPORTED,
	  { "type", "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki",
	    "rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData",
	    "rekorPublicKeyDatas", "signedIdentity" },
	  { "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki" } },
	{ "signedBaseLayer", UNSUPPORTED, { "type", "baseLayerIdentity" },
	  { "baseLayerIdentity" } },
};

static const struct form identities[] = {
	{ "matchExact", UNSUPPORTED, { "type" }, { NULL } },
	{ "matchRepoDigestOrExact", UNSUPPORTED, { "type" }, { NULL } },
	{ "matchRepository", UNSUPPORTED, { "type" }, { NULL } },
	{ "exactReference", UNSUPPORTED, { "type", "dockerReference" }, { "dockerReference" } },
	{ "exactRepository", UNSUPPORTED, { "type", "dockerRepository" }, { "dockerRepository" } },
	{ "remapIdentity", UNSUPPORTED, { "type", "prefix", "signedPrefix" }, { "prefix" } },
};

static const char *const key_types[] = {
	"GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs",
};

static int
check_one_of(struct json_val v, const struct form *f, const char *what, struct err *e)
{
	size_t there = 0;

	for (size_t i = 0; i < ARRAY_LEN(f->one_of) && f->one_of[i] != NULL; i++)
		there += json_ok(json_get(v, f->one_of[i]));
	if (there == 1 || f->one_of[0] == NULL)
		return 0;
	return err_set(e, ERR_PARSE, "%s: %s needs one of %s … and has %zu", what, f->type,
	    f->one_of[0], there);
}

/* The form of an object, by its type; unknown types and members are errors. */
static int
find_form(struct json_val v, const struct form *forms, size_t n, const char *what,
    const struct form **out, struct err *e)
{
	char type[64];
	int rc;

	if (!json_is(v, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "%s is not an object", what);
	rc = json_cstr(json_get(v, "type"), "type", type, sizeof(type), e);
	if (rc < 0)
		return err_wrap(e, "%s", what);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(forms[i].type, type) != 0)
			continue;
		rc = json_only(v, what, forms[i].members, e);
		*out = &forms[i];
		return rc < 0 ? rc : check_one_of(v, &forms[i], what, e);
	}
	return err_set(e, ERR_PARSE, "%s: the type \"%s\" is unknown", what, type);
}

static int
check_key_type(struct json_val v, const char *what, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(key_types); i++)
		if (json_str_eq(v, key_types[i]))
			return 0;
	return err_set(e, ERR_PARSE, "%s: keyType is missing or unknown", what);
}

static int
check_requirement(struct json_val v, const char *what, struct err *e)
{
	struct json_val identity = json_get(v, "signedIdentity");
	const struct form *f = NULL;
	int rc = find_form(v, requirements, ARRAY_LEN(requirements), what, &f, e);

	if (rc == 0 && strcmp(f->type, "signedBy") == 0)
		rc = check_key_type(json_get(v, "keyType"), what, e);
	if (rc == 0 && json_ok(identity))
		rc = find_form(identity, identities, ARRAY_LEN(identities), what, &f, e);
	return rc;
}

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
	while (rc == 0 && json_next(&it))
		rc = check_requirement(it.val, where, e);
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

/* The list that decides, and the name of its scope. */
struct decision {
	struct json_val	list;
	char		scope[SCOPE_TEXT];
};

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

static void
decide(const struct policy *p, const struct image_ref *r, struct decision *d)
{
	if (try_transport(p->scopes[r->transport], r, d))
		return;
	d->list = p->fallback;
	snprintf(d->scope, sizeof(d->scope), "default");
}

/* The worst of the list: a rejection, else something that cannot be checked, else acceptance. */
static enum verdict
judge(struct json_val list, const char **type)
{
	enum verdict worst = json_count(list) > 0 ? ACCEPT : REJECT;
	struct json_iter it = json_iter(list);

	while (json_next(&it)) {
		const struct form *f = NULL;
		struct err ignored;

		if (find_form(it.val, requirements, ARRAY_LEN(requirements), "", &f,
		    &ignored) < 0 || f->verdict == REJECT)
			return REJECT;
		if (f->verdict == UNSUPPORTED && worst == ACCEPT) {
			worst = UNSUPPORTED;
			*type = f->type;
		}
	}
	return worst;
}

int
policy_check(const struct policy *p, const struct image_ref *r, struct err *e)
{
	char name[sizeof(r->dir) + LIMIT_REFERENCE];
	const char *type = "";
	struct decision d;

	image_ref_format(r, name, sizeof(name));
	if (r->transport != TRANSPORT_DOCKER &&
	    (r->dir[0] == '\0' || policy_scope_complaint(TRANSPORT_OCI, span_str(r->dir)) != NULL))
		return err_set(e, ERR_POLICY, "policy: %.200s: the path must be absolute and clean",
		    name);
	decide(p, r, &d);
	switch (judge(d.list, &type)) {
	case ACCEPT:
		return 0;
	case UNSUPPORTED:
		return err_set(e, ERR_UNSUPPORTED, "policy: %.200s: the scope \"%.200s\" asks for "
		    "%s; %s is not supported yet", name, d.scope, type, type);
	case REJECT:
		break;
	}
	return err_set(e, ERR_POLICY, "policy: %.200s is rejected by the scope \"%.200s\"", name,
	    d.scope);
}

void
policy_scope_text(const struct policy *p, const struct image_ref *r, char *out, size_t size)
{
	struct decision d;

	decide(p, r, &d);
	snprintf(out, size, "%s", d.scope);
}
