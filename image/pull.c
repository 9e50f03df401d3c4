/*
 * pull.c: the order of work of a pull, and every check that ties one step to the one
 * before. Nothing here opens, sends or decrypts anything.
 */
#include "lib/base.h"

#include "image/pull.h"

#include "image/policy.h"
#include "lib/sys.h"

/* Fetches a manifest or index; its digest is known afterwards, and right if one was asked for. */
static int
fetch_manifest(const struct image_env *env, const struct image_ref *ref,
    const struct digest *wanted, struct document *doc, struct digest *digest, struct err *e)
{
	struct span body;
	struct digest sent;
	int rc;

	rc = env->manifest(env->arg, ref, wanted ? wanted->text : image_ref_wanted(ref),
	    doc, e);
	if (rc < 0)
		return rc;
	body = buf_span(&doc->body);
	if (wanted != NULL) {
		*digest = *wanted;
		return digest_check(wanted, body, "manifest", e);
	}
	rc = digest_of(HASH_SHA256, body, digest, e);
	if (rc < 0 || doc->content_digest[0] == '\0')
		return rc;
	rc = digest_parse(span_str(doc->content_digest), &sent, e);
	if (rc < 0)
		return err_wrap(e, "Docker-Content-Digest");
	return digest_check(&sent, body, "manifest (Docker-Content-Digest)", e);
}

/* Is it an index? Then *next is the entry for our platform. */
static int
look_into(const struct document *doc, const struct platform *platform, bool *is_index,
    struct descriptor *next, struct err *e)
{
	autojson json = NULL;
	enum document_kind kind;
	bool nested;
	int rc;

	rc = json_parse(buf_span(&doc->body), &json, e);
	if (rc == 0)
		rc = document_kind(json, doc->content_type, &kind, e);
	if (rc < 0)
		return rc;
	*is_index = kind == DOCUMENT_INDEX;
	if (!*is_index)
		return 0;
	return index_select(buf_span(&doc->body), doc->content_type, platform, next,
	    &nested, e);
}

/* From the reference to the bytes of one platform's manifest. */
static int
resolve(const struct pull_request *req, const struct image_env *env,
    struct document *doc, struct pull_result *res, struct err *e)
{
	const struct digest *wanted = req->ref.has_digest ? &req->ref.digest : NULL;
	struct descriptor next;
	bool is_index;
	int rc;

	for (int depth = 0; depth <= LIMIT_INDEX_DEPTH; depth++) {
		buf_reset(&doc->body);
		rc = fetch_manifest(env, &req->ref, wanted, doc, &res->manifest, e);
		if (rc == 0 && depth > 0 && doc->body.len != next.size)
			rc = err_set(e, ERR_DIGEST, "%s: %zu bytes, the index says %" PRIu64,
			    wanted->text, doc->body.len, next.size);
		if (rc == 0)
			rc = look_into(doc, &req->platform, &is_index, &next, e);
		if (rc < 0 || !is_index)
			return rc;
		res->index = res->manifest;
		wanted = &next.digest;
	}
	return err_set(e, ERR_IMAGE, "indexes nested deeper than %d", LIMIT_INDEX_DEPTH);
}

static int
fetch_config(const struct pull_request *req, const struct image_env *env,
    const struct manifest *m, struct document *doc, struct image_config *config,
    struct err *e)
{
	struct span body;
	int rc;

	if (m->config.size > LIMIT_CONFIG)
		return err_set(e, ERR_LIMIT, "%" PRIu64 " bytes, at most %zu are read",
		    m->config.size, LIMIT_CONFIG);
	doc->body.max = (size_t)m->config.size;
	rc = env->blob(env->arg, &req->ref, &m->config.digest, doc, e);
	if (rc == -ERR_LIMIT)
		return err_set(e, ERR_DIGEST, "longer than the %" PRIu64
		    " bytes the manifest says", m->config.size);
	if (rc < 0)
		return rc;
	body = buf_span(&doc->body);
	rc = digest_check(&m->config.digest, body, "blob", e);
	if (rc == 0 && body.len != m->config.size)
		rc = err_set(e, ERR_DIGEST, "%zu bytes, the manifest says %" PRIu64,
		    body.len, m->config.size);
	return rc < 0 ? rc : image_config_parse(body, m->config.media_type,
	    &req->platform, m->nlayers, config, e);
}

static int
check_mix(const struct pull_request *req, const struct manifest *m,
    struct pull_result *res, struct err *e)
{
	res->layers = m->nlayers;
	res->encrypted = 0;
	for (size_t i = 0; i < m->nlayers; i++)
		res->encrypted += m->layers[i].encrypted;
	if (res->encrypted == 0 || res->encrypted == m->nlayers || req->allow_mixed)
		return 0;
	return err_set(e, ERR_POLICY, "%zu of %zu layers are encrypted: a plain layer "
	    "among encrypted ones can be anybody's (allow with --allow-mixed-layers)",
	    res->encrypted, m->nlayers);
}

/* All keys before the first layer byte: a missing one fails early. */
static int
unwrap_all(const struct image_env *env, struct layer_plan *plans, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct layer *layer = plans[i].layer;
		cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped wrapped = { 0 };
		struct ocicrypt_public public;
		int rc;

		if (!layer->encrypted)
			continue;
		rc = ocicrypt_layer_public(layer, &public, e);
		if (rc == 0)
			rc = ocicrypt_wrapped_keys(layer, OCICRYPT_PROVIDER, &wrapped, e);
		if (rc == 0)
			rc = env->unwrap(env->arg, i, &wrapped, plans[i].fingerprint, e);
		if (rc < 0)
			return err_wrap(e, "layer %zu of %zu: key", i + 1, n);
	}
	return 0;
}

static int
pull_planned(const struct pull_request *req, const struct image_env *env,
    struct layer_plan *plans, size_t n, struct err *e)
{
	for (int turn = 0; turn < 2; turn++) {
		size_t failed = n;
		int rc = unwrap_all(env, plans, n, e);

		if (rc < 0)
			return rc;
		rc = env->layers(env->arg, &req->ref, plans, n, &failed, e);
		if (rc == -ERR_IMAGE_NOTFOUND && failed < n && plans[failed].layer->foreign)
			err_wrap(e, "nondistributable, and its urls are not followed: "
			    "they would choose what this machine connects to");
		if (rc < 0 && failed < n)
			err_wrap(e, "layer %zu of %zu (%.19s…)", failed + 1, n,
			    plans[failed].layer->desc.digest.text);
		if (rc <= 0)
			return rc;
	}
	return err_set(e, ERR_BUG, "layers: neither way works");
}

static int
pull_layers(const struct pull_request *req, const struct image_env *env,
    const struct manifest *m, const struct image_config *config, struct err *e)
{
	struct layer_plan *plans;
	int rc;

	plans = sys_alloc((m->nlayers + 1) * sizeof(*plans));
	if (plans == NULL)
		return err_set(e, ERR_NOMEM, "%zu layers", m->nlayers);
	for (size_t i = 0; i < m->nlayers; i++)
		plans[i] = (struct layer_plan){ .number = i, .of = m->nlayers,
		    .layer = &m->layers[i], .diff_id = &config->diff_ids[i] };
	rc = pull_planned(req, env, plans, m->nlayers, e);
	sys_free(plans);
	return rc;
}

static int
check_policy(const struct pull_request *req, struct err *e)
{
	struct policy *policy;
	int rc;

	if (req->policy.len == 0)
		return err_set(e, ERR_POLICY_INVALID, "policy: there is none, or it is empty");
	rc = policy_parse(req->policy, &policy, e);
	if (rc < 0)
		return rc;
	rc = policy_check(policy, &req->ref, e);
	policy_free(policy);
	return rc;
}

static int
pull_manifest(const struct pull_request *req, const struct image_env *env,
    const struct document *doc, struct pull_result *res, struct err *e)
{
	struct document config_doc = { .body = BUF(LIMIT_CONFIG) };
	struct image_config config = { 0 };
	struct manifest m = { 0 };
	int rc;

	rc = manifest_parse(buf_span(&doc->body), doc->content_type, &m, e);
	if (rc < 0) {
		err_wrap(e, "manifest");
	} else if ((rc = fetch_config(req, env, &m, &config_doc, &config, e)) < 0) {
		err_wrap(e, "config %.19s…", m.config.digest.text);
	} else if ((rc = check_mix(req, &m, res, e)) < 0) {
		err_wrap(e, "policy");
	} else if ((rc = pull_layers(req, env, &m, &config, e)) == 0) {
		rc = env->bundle(env->arg, &config, e);
		if (rc < 0)
			err_wrap(e, "bundle");
	}
	image_config_fini(&config);
	manifest_fini(&m);
	buf_free(&config_doc.body);
	return rc;
}

int
pull_image(const struct pull_request *req, const struct image_env *env,
    struct pull_result *out, struct err *e)
{
	struct document doc = { .body = BUF(LIMIT_MANIFEST) };
	struct pull_result res = { 0 };
	int rc;

	rc = check_policy(req, e);
	if (rc < 0)
		return rc;
	rc = resolve(req, env, &doc, &res, e);
	if (rc < 0)
		err_wrap(e, "manifest");
	else
		rc = pull_manifest(req, env, &doc, &res, e);
	buf_free(&doc.body);
	if (rc < 0)
		return rc;
	*out = res;
	return 0;
}
