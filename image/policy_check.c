/*
 * policy_check.c: the decision. There is one way to "yes": every requirement of the deciding list holds.
 * All of them are looked at even when one has failed, so that who asks why is told everything at once.
 */
#include "lib/base.h"

#include "image/requirement.h"

#include "lib/sys.h"

/* One requirement being looked at. */
struct question {
	const struct policy_subject	*subject;
	const struct policy_env		*env;
	const struct requirement	*req;
	size_t				 number;	/* of the requirement, from 1 */
};

/* The keys of one requirement. */
struct keys {
	struct buf	*bufs;
	struct span	*spans;
	size_t		 n;
};

/* What became of the signatures so far, for the message. */
struct tally {
	size_t	found;
	char	why[320];
	char	places[sizeof(((struct policy_signature *)0)->where)];
};

static void
tell(const struct question *q, enum policy_about about, size_t number, const char *name, const char *why, bool good)
{
	const struct policy_note note = { about, number, good, name, why };

	if (q->env->tell != NULL)
		q->env->tell(q->env->arg, &note);
}

static void
keys_fini(struct keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		buf_free(&k->bufs[i]);
	sys_free(k->bufs);
	sys_free(k->spans);
	*k = (struct keys){ 0 };
}

/* A key by its name. */
static int
fetch_key(const struct question *q, size_t n, struct buf *out, struct err *e)
{
	autobuf name = BUF(LIMIT_POLICY);
	int rc = requirement_key(q->req, n, &name, e);

	if (rc == 0)
		rc = q->env->key(q->env->arg, buf_str(&name), out, e);
	if (rc == 0 && out->len == 0)
		rc = err_set(e, ERR_POLICY, "it is empty");
	return rc < 0 ? err_wrap(e, "key %.120s", buf_str(&name)) : 0;
}

static int
keys_load(const struct question *q, struct keys *out, struct err *e)
{
	size_t n = requirement_nkeys(q->req);
	int rc = 0;

	out->bufs = sys_alloc(n * sizeof(*out->bufs));
	out->spans = sys_alloc(n * sizeof(*out->spans));
	if (out->bufs == NULL || out->spans == NULL)
		return err_set(e, ERR_NOMEM, "%zu keys", n);
	for (size_t i = 0; i < n && rc == 0; i++) {
		out->bufs[i] = (struct buf)BUF(LIMIT_POLICY_KEY);
		out->n = i + 1;
		rc = q->req->inline_keys ? requirement_key(q->req, i, &out->bufs[i], e) :
		    fetch_key(q, i, &out->bufs[i], e);
		out->spans[i] = buf_span(&out->bufs[i]);
	}
	return rc;
}

/* What the signature says, when it is known to be good. */
static int
check_payload(const struct question *q, struct span text, enum payload_kind kind, struct err *e)
{
	const struct policy_subject *s = q->subject;
	struct payload payload;
	int rc = payload_parse(text, kind, &payload, e);

	if (rc < 0)
		return rc;
	if (!digest_equal(&payload.digest, s->manifest) &&
	    (s->index == NULL || !digest_equal(&payload.digest, s->index)))
		return err_set(e, ERR_POLICY, "it is for another image, %.19s…", payload.digest.text);
	if (!identity_accepts(&q->req->identity, s->ref, payload.reference))
		return err_set(e, ERR_POLICY, "it is for the name \"%.160s\", which %s does not accept",
		    payload.reference, identity_name(&q->req->identity));
	return 0;
}

static int
check_gpg(const struct question *q, const struct keys *k, const struct policy_signature *s, struct err *e)
{
	autobuf payload = BUF(LIMIT_SIGNATURE);
	struct gpg_verdict verdict = { .status = GPG_OTHER_FAULT };
	int rc = q->env->gpg(q->env->arg, k->spans, k->n, buf_span(&s->payload), &verdict, &payload, e);

	if (rc == 0)
		rc = gpg_judge(&verdict, e);
	return rc < 0 ? rc : check_payload(q, buf_span(&payload), PAYLOAD_GPG, e);
}

static int
check_cosign(const struct question *q, const struct keys *k, const struct policy_signature *s, struct err *e)
{
	int rc = q->env->cosign(q->env->arg, k->spans, k->n, buf_span(&s->payload),
	    buf_span(&s->signature), e);

	return rc < 0 ? rc : check_payload(q, buf_span(&s->payload), PAYLOAD_COSIGN, e);
}

static void
count(struct tally *t, const char *where, const char *why)
{
	size_t len = strlen(t->why);

	t->found++;
	snprintf(t->why + len, sizeof(t->why) - len, "%s%s: %s", len > 0 ? "; " : "", where, why);
}

/* The n-th signature: 1 when it satisfies, 0 when it does not, -err when there can be no more, *last then. */
static int
try_signature(const struct question *q, const struct keys *k, size_t n, struct tally *t, bool *last, struct err *e)
{
	const struct policy_env *env = q->env;
	struct policy_signature s = { .payload = BUF(LIMIT_SIGNATURE), .signature = BUF(LIMIT_SIGNATURE_TEXT) };
	bool gpg = q->req->kind == REQUIRE_GPG;
	struct err why = { 0 };
	int rc;

	rc = (gpg ? env->simple_signature : env->cosign_signature)(env->arg, q->subject, n, &s,
	    &why);
	*last = rc == 0 || (rc < 0 && rc != -ERR_IMAGE);
	if (rc > 0)
		rc = gpg ? check_gpg(q, k, &s, &why) : check_cosign(q, k, &s, &why);
	else if (rc == 0)
		memcpy(t->places, s.where, sizeof(t->places));
	if (!*last) {
		tell(q, ABOUT_SIGNATURE, n + 1, s.where, rc < 0 ? why.msg : "good", rc == 0);
		if (rc < 0)
			count(t, s.where, why.msg);
	}
	buf_free(&s.payload);
	buf_free(&s.signature);
	/* A fault of ours, or of a key, is no fault of the signature. */
	if (rc == -ERR_CONFIG || rc == -ERR_NOMEM || (*last && rc < 0)) {
		*e = why;
		return rc;
	}
	return !*last && rc == 0;
}

static int
check_signatures(const struct question *q, struct tally *t, struct err *e)
{
	cleanup(keys_fini) struct keys keys = { 0 };
	bool last = false;
	int rc;

	if ((q->req->kind == REQUIRE_GPG ? q->env->simple_signature : q->env->cosign_signature) == NULL)
		return err_set(e, ERR_UNSUPPORTED, "signatures cannot be checked here");
	rc = keys_load(q, &keys, e);

	for (size_t n = 0; rc == 0 && !last; n++) {
		if (n == LIMIT_SIGNATURES)
			return err_set(e, ERR_POLICY, "none of the first %zu signatures counts: %s", n, t->why);
		rc = try_signature(q, &keys, n, t, &last, e);
	}
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (t->found == 0)
		return err_set(e, ERR_POLICY, "there is no signature; looked in %.200s", t->places);
	return err_set(e, ERR_POLICY, "%zu signature%s found, none counts: %s", t->found,
	    t->found == 1 ? "" : "s", t->why);
}

static int
check_requirement(const struct question *q, struct err *e)
{
	const struct requirement *r = q->req;
	struct tally t = { 0 };

	switch (r->kind) {
	case REQUIRE_NOTHING:
		return 0;
	case REQUIRE_REJECT:
		return err_set(e, ERR_POLICY, "everything is rejected");
	case REQUIRE_UNKNOWABLE:
		return err_set(e, ERR_UNSUPPORTED, "%s is not supported", r->unknowable);
	case REQUIRE_ENCRYPTED:
		return encrypted_check(q->subject->layers, q->subject->nlayers, r->kid_prefix, e);
	case REQUIRE_GPG:
	case REQUIRE_COSIGN:
		return check_signatures(q, &t, e);
	}
	return err_set(e, ERR_BUG, "requirement");
}

/* One requirement of the list, and what it comes to. */
static int
answer(struct question *q, struct json_val v, const char *scope, struct err *e)
{
	struct requirement r = { 0 };
	struct err why = { 0 };
	int rc = requirement_read(v, scope, &r, e);

	if (rc < 0)
		return rc;
	q->req = &r;
	q->number++;
	rc = check_requirement(q, &why);
	q->req = NULL;
	tell(q, ABOUT_REQUIREMENT, q->number, r.type, rc < 0 ? why.msg : "holds", rc == 0);
	if (rc == 0)
		return 0;
	err_wrap(&why, "the scope \"%.150s\", requirement %zu (%s)", scope, q->number, r.type);
	/* What cannot be obtained is a refusal, too, but the code tells what to do about it. */
	*e = why;
	return -(int)why.code;
}

int
policy_check(const struct policy *p, const struct policy_subject *s, const struct policy_env *env, struct err *e)
{
	struct question q = { .subject = s, .env = env };
	char name[sizeof(s->ref->dir) + LIMIT_REFERENCE];
	struct decision d;
	struct json_iter it;
	struct err first = { 0 };

	if (policy_check_path(s->ref, e) < 0)
		return -(int)e->code;
	image_ref_format(s->ref, name, sizeof(name));
	policy_decide(p, s->ref, &d);
	tell(&q, ABOUT_SCOPE, 0, d.scope, "decides", true);
	it = json_iter(d.list);
	while (json_next(&it)) {
		struct err why = { 0 };

		if (answer(&q, it.val, d.scope, &why) < 0 && first.code == ERR_NONE)
			first = why;
	}
	if (first.code == ERR_NONE && q.number == 0)
		err_set(&first, ERR_BUG, "no requirement");
	if (first.code == ERR_NONE)
		return 0;
	*e = first;
	return err_wrap(e, "policy: %.120s", name);
}

int
policy_check_path(const struct image_ref *r, struct err *e)
{
	char name[sizeof(r->dir) + LIMIT_REFERENCE];

	if (r->transport == TRANSPORT_DOCKER || (r->dir[0] != '\0' &&
	    policy_scope_complaint(TRANSPORT_OCI, span_str(r->dir)) == NULL))
		return 0;
	image_ref_format(r, name, sizeof(name));
	return err_set(e, ERR_POLICY, "policy: %.200s: the path must be absolute and clean", name);
}

/* The worst of what the name alone decides: a rejection, else something nobody here can check. */
static enum requirement_kind
worst(struct json_val list, struct requirement *out, size_t *number)
{
	enum requirement_kind found = json_count(list) > 0 ? REQUIRE_NOTHING : REQUIRE_REJECT;
	struct json_iter it = json_iter(list);

	for (size_t n = 1; json_next(&it); n++) {
		struct requirement r;
		struct err ignored;
		bool bad = requirement_read(it.val, "", &r, &ignored) < 0;

		if (!bad && r.kind != REQUIRE_REJECT && (r.kind != REQUIRE_UNKNOWABLE || found == REQUIRE_UNKNOWABLE))
			continue;
		found = bad ? REQUIRE_REJECT : r.kind;
		*number = n;
		if (!bad)
			*out = r;
		if (found == REQUIRE_REJECT)
			break;
	}
	return found;
}

int
policy_check_name(const struct policy *p, const struct image_ref *r, const struct policy_env *env, struct err *e)
{
	const struct question q = { .env = env };
	char name[sizeof(r->dir) + LIMIT_REFERENCE];
	struct requirement bad = { .type = "reject" };
	enum requirement_kind kind;
	struct decision d;
	size_t number = 0;

	if (policy_check_path(r, e) < 0)
		return -(int)e->code;
	image_ref_format(r, name, sizeof(name));
	policy_decide(p, r, &d);
	kind = worst(d.list, &bad, &number);
	if (kind != REQUIRE_REJECT && kind != REQUIRE_UNKNOWABLE)
		return 0;
	if (kind == REQUIRE_REJECT)
		err_set(e, ERR_POLICY, "%.200s is rejected by the scope \"%.200s\"", name, d.scope);
	else
		err_set(e, ERR_UNSUPPORTED, "%.200s: the scope \"%.200s\" asks for %s; %s is not supported", name,
		    d.scope, bad.type, bad.unknowable);
	tell(&q, ABOUT_SCOPE, 0, d.scope, "decides", true);
	tell(&q, ABOUT_REQUIREMENT, number, bad.type, e->msg, false);
	return err_wrap(e, "policy");
}

bool
policy_asks_signature(const struct policy *p, const struct image_ref *ref)
{
	struct decision d;
	struct json_iter it;

	policy_decide(p, ref, &d);
	it = json_iter(d.list);
	while (json_next(&it)) {
		struct requirement r;
		struct err ignored;

		if (requirement_read(it.val, "", &r, &ignored) == 0 &&
		    (r.kind == REQUIRE_GPG || r.kind == REQUIRE_COSIGN))
			return true;
	}
	return false;
}
