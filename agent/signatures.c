/*
 * signatures.c: see signatures.h. Signatures are looked for beside the manifest, then beside the index that led to it. What is
 * wrong with one of them is told as -ERR_IMAGE, so that the next one is looked at; what keeps us from looking is not.
 */
#include "lib/base.h"

#include "agent/signatures.h"

#include "agent/gpgask.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define REFERRERS_MAX	8	/* looked into, to name what is there */

int
signatures_init(struct signatures *s, struct source *source, struct err *e)
{
	*s = (struct signatures){ .source = source, .doc.body = BUF(LIMIT_MANIFEST) };
	return lookaside_new(&s->lookaside, e);
}

static void
close_image(struct signatures *s)
{
	cosign_image_fini(&s->image);
	buf_reset(&s->doc.body);
	s->is_open = false;
}

void
signatures_fini(struct signatures *s)
{
	close_image(s);
	buf_free(&s->doc.body);
	lookaside_free(s->lookaside);
	s->lookaside = NULL;
}

void
signatures_add_config(struct signatures *s, int fd)
{
	autobuf text = BUF(LIMIT_TOML);
	struct err e = { 0 };
	int rc = fs_read_fd(fd, "file", &text, &e);

	if (rc == 0)
		rc = lookaside_add(s->lookaside, buf_span(&text), &e);
	if (rc < 0 && s->unusable.code == ERR_NONE)
		err_set(&s->unusable, e.code == ERR_NOMEM ? ERR_NOMEM : ERR_CONFIG, "sigstore configuration: %s", e.msg);
}

/* A fault of this signature alone; what is ours, or the operator's, is not. */
static int
unusable(int rc, struct err *e)
{
	if (rc == -ERR_PARSE || rc == -ERR_LIMIT || rc == -ERR_UNSUPPORTED || rc == -ERR_NOTFOUND || rc == -ERR_DIGEST ||
	    rc == -ERR_IMAGE_NOTFOUND)
		e->code = ERR_IMAGE;
	return -(int)e->code;
}

/* --- keys */

static int
env_key(maybe_unused void *arg, const char *name, struct buf *out, struct err *e)
{
	int rc;

	if (strncmp(name, "file://", strlen("file://")) == 0)
		name += strlen("file://");
	if (name[0] != '/' && strncmp(name, "kbs:///", strlen("kbs:///")) != 0)
		return err_set(e, ERR_CONFIG, "neither an absolute path nor file:///… nor kbs:///…");
	rc = policyask_file(name, out, e);
	/* A key that is not there is the operator's matter, not the image's. */
	return rc == -ERR_NOTFOUND || rc == -ERR_KEY_NOTFOUND ? err_set(e, ERR_CONFIG, "%s", e->msg) : rc;
}

/* --- GPG */

/* The digests that signatures may be for. NULL: no more. */
static const struct digest *
subject_digest(const struct policy_subject *subject, size_t at)
{
	if (at == 0)
		return subject->manifest;
	return at == 1 && subject->index != NULL && subject->index->text[0] != '\0' ? subject->index : NULL;
}

static void
start_over(struct signatures *s, size_t n)
{
	if (n > 0)
		return;
	close_image(s);
	s->at = s->first = 0;
}

static void
next_digest(struct signatures *s, size_t n)
{
	close_image(s);
	s->at++;
	s->first = n;
}

static int
fetch_signature(struct signatures *s, const struct image_ref *ref, const char *url, struct buf *out, struct err *e)
{
	if (strncmp(url, "file://", strlen("file://")) == 0)
		return policyask_file(url + strlen("file://"), out, e);
	return source_url(s->source, ref, url, out, e);
}

static int
env_simple(void *arg, const struct policy_subject *subject, size_t n, struct policy_signature *out, struct err *e)
{
	struct signatures *s = arg;
	const struct digest *d;
	const char *base;

	if (!s->from_registry) {
		snprintf(out->where, sizeof(out->where), "nothing: images in files and directories have no GPG signatures");
		return 0;
	}
	if (s->unusable.code != ERR_NONE) {
		*e = s->unusable;
		return -(int)e->code;
	}
	start_over(s, n);
	base = lookaside_base(s->lookaside, subject->ref);
	while ((d = subject_digest(subject, s->at)) != NULL) {
		autobuf url = BUF(LIMIT_URL);
		int rc = lookaside_url(base, subject->ref, d, n - s->first + 1, &url, e);

		if (rc < 0)
			return rc;
		snprintf(out->where, sizeof(out->where), "%s", buf_str(&url));
		rc = fetch_signature(s, subject->ref, buf_str(&url), &out->payload, e);
		if (rc == 0)
			return 1;
		if (rc != -ERR_NOTFOUND && rc != -ERR_IMAGE_NOTFOUND)
			return unusable(rc, e);
		next_digest(s, n);
	}
	snprintf(out->where, sizeof(out->where), "%.250s/%.250s@…", base, subject->ref->path);
	return 0;
}

static int
env_gpg(maybe_unused void *arg, const struct span rings[], size_t n, struct span message, struct gpg_verdict *out,
    struct buf *payload, struct err *e)
{
	return gpgask_verify(rings, n, message, out, payload, e);
}

/* --- cosign */

static int
by_manifest(void *arg, const struct image_ref *ref, const char *wanted, struct document *out, struct err *e)
{
	const struct signatures *s = arg;

	return source_manifest(s->source, ref, wanted, out, e);
}

static int
by_blob(void *arg, const struct image_ref *ref, const struct digest *d, struct document *out, struct err *e)
{
	const struct signatures *s = arg;

	return source_blob(s->source, ref, d, out, e);
}

/* The image's repository with this tag. */
static struct image_ref
beside(const struct image_ref *ref, const char *tag)
{
	struct image_ref r = *ref;

	r.has_digest = false;
	snprintf(r.tag, sizeof(r.tag), "%.128s", tag);
	return r;
}

/* 1: it is there; 0: there is none. */
static int
open_image(struct signatures *s, const struct image_ref *ref, const struct digest *d, struct err *e)
{
	const struct fetch_env by = { by_manifest, by_blob, s };
	struct digest ignored;
	struct image_ref r;
	char tag[COSIGN_TAG];
	int rc;

	if (d->alg != HASH_SHA256)
		return 0;	/* no tag is so long */
	cosign_tag(d, tag);
	r = beside(ref, tag);
	close_image(s);
	rc = fetch_manifest(&by, &r, NULL, &s->doc, &ignored, e);
	if (rc == -ERR_IMAGE_NOTFOUND)
		return 0;
	if (rc == 0)
		rc = cosign_image_parse(buf_span(&s->doc.body), s->doc.content_type, &s->image, e);
	if (rc < 0)
		return err_wrap(e, "the signatures at %s", tag);
	s->is_open = true;
	return 1;
}

static int
read_signature(struct signatures *s, const struct image_ref *ref, size_t number, struct policy_signature *out, struct err *e)
{
	struct document payload = { .body = BUF(0) };
	struct descriptor d;
	struct span body;
	int rc = cosign_image_signature(&s->image, number, &d, &out->signature, e);

	if (rc < 0)
		return rc;
	payload.body.max = (size_t)d.size;
	rc = source_blob(s->source, ref, &d.digest, &payload, e);
	body = buf_span(&payload.body);
	if (rc == 0)
		rc = digest_check(&d.digest, body, "payload", e);
	if (rc == 0 && body.len != d.size)
		rc = err_set(e, ERR_DIGEST, "a payload of %zu bytes, the manifest says %" PRIu64, body.len, d.size);
	if (rc == 0)
		rc = buf_add_span(&out->payload, body, e);
	buf_free(&payload.body);
	return rc;
}

/* What refers to a manifest, by the registry's list or by that which is kept under a tag. */
static bool
list_referrers(struct signatures *s, const struct image_ref *ref, const struct digest *d, struct document *doc)
{
	char tag[COSIGN_TAG];
	struct err ignored;

	if (source_referrers(s->source, ref, d, doc, &ignored) == 0)
		return true;
	cosign_referrers_tag(d, tag);
	buf_reset(&doc->body);
	return source_manifest(s->source, ref, tag, doc, &ignored) == 0;
}

static bool
refers_bundle(struct signatures *s, const struct image_ref *ref, struct span index)
{
	struct digest d;
	bool found = cosign_lists_bundle(index);

	for (size_t n = 0; !found && n < REFERRERS_MAX && cosign_referrer(index, n, &d); n++) {
		struct document doc = { .body = BUF(LIMIT_MANIFEST) };
		struct err ignored;

		found = source_manifest(s->source, ref, d.text, &doc, &ignored) == 0 && cosign_is_bundle(buf_span(&doc.body));
		buf_free(&doc.body);
	}
	return found;
}

/* When there is no signature: is there one of a kind that is not read here? Only for the message. */
static bool
has_bundle(struct signatures *s, const struct policy_subject *subject)
{
	const struct digest *d;
	bool found = false;

	for (size_t at = 0; !found && (d = subject_digest(subject, at)) != NULL; at++) {
		struct document doc = { .body = BUF(LIMIT_MANIFEST) };

		found = list_referrers(s, subject->ref, d, &doc) && refers_bundle(s, subject->ref, buf_span(&doc.body));
		buf_free(&doc.body);
	}
	return found;
}

static int
nothing_found(struct signatures *s, const struct policy_subject *subject, size_t n, struct policy_signature *out)
{
	bool bundle = n == 0 && has_bundle(s, subject);

	snprintf(out->where, sizeof(out->where), "%.120s/%.130s:sha256-%.12s….sig%s", subject->ref->domain,
	    subject->ref->path, subject->manifest->text + 7, bundle ? "; there is a sigstore bundle, as of cosign 3, "
	    "which is not read (sign with --new-bundle-format=false)" : "");
	return 0;
}

static int
env_cosign_signature(void *arg, const struct policy_subject *subject, size_t n, struct policy_signature *out, struct err *e)
{
	struct signatures *s = arg;
	const struct digest *d;

	if (!s->from_registry) {
		snprintf(out->where, sizeof(out->where), "nothing: images in files and directories have no cosign signatures");
		return 0;
	}
	start_over(s, n);
	while ((d = subject_digest(subject, s->at)) != NULL) {
		int rc = s->is_open ? 1 : open_image(s, subject->ref, d, e);

		if (rc < 0) {
			/* All of it counts as one that cannot be used. */
			snprintf(out->where, sizeof(out->where), "%.120s/%.130s:sha256-%.12s….sig", subject->ref->domain,
			    subject->ref->path, d->text + 7);
			next_digest(s, n + 1);
			return unusable(rc, e);
		}
		if (rc == 1 && n - s->first < s->image.n) {
			snprintf(out->where, sizeof(out->where), "%.120s/%.130s:sha256-%.12s….sig, layer %zu", subject->ref->domain,
			    subject->ref->path, d->text + 7, n - s->first + 1);
			rc = read_signature(s, subject->ref, n - s->first, out, e);
			return rc < 0 ? unusable(rc, e) : 1;
		}
		next_digest(s, n);
	}
	return nothing_found(s, subject, n, out);
}

static int
env_cosign(maybe_unused void *arg, const struct span keys[], size_t n, struct span payload, struct span signature,
    struct err *e)
{
	int rc = err_set(e, ERR_POLICY, "no key");

	for (size_t i = 0; i < n; i++) {
		cleanup(cosign_key_freep) struct cosign_key *key = NULL;

		rc = cosign_key_parse(keys[i], &key, e);
		if (rc < 0)
			return rc == -ERR_NOMEM ? rc : err_set(e, ERR_CONFIG, "key %zu of the policy: %s", i + 1, e->msg);
		rc = cosign_verify(key, payload, signature, e);
		if (rc == 0)
			return 0;
		if (rc == -ERR_NOMEM)
			return rc;
	}
	return rc == -ERR_PARSE ? err_set(e, ERR_POLICY, "%s", e->msg) : rc;
}

static void
env_tell(void *arg, const struct policy_note *note)
{
	const struct signatures *s = arg;

	if (s->tell != NULL)
		s->tell(s->arg, note);
}

struct policy_env
signatures_env(struct signatures *s)
{
	return (struct policy_env){
		.key = env_key,
		.simple_signature = env_simple,
		.cosign_signature = env_cosign_signature,
		.gpg = env_gpg,
		.cosign = env_cosign,
		.tell = env_tell,
		.arg = s,
	};
}
