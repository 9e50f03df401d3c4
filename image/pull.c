/*
 * pull.c: the order of work of a pull, and every check that ties one step to the one
 * before. Nothing here opens, sends or decrypts anything.
 */
#include "lib/base.h"

#include "image/pull.h"

#include "lib/sys.h"

static struct fetch_env
fetch_by(const struct image_env *env)
{
	return (struct fetch_env){ env->manifest, env->blob, env->arg };
}

static int
read_config(const struct pull_request *req, const struct image_env *env, const struct manifest *m,
    struct document *doc, struct image_config *config, struct err *e)
{
	const struct fetch_env by = fetch_by(env);
	int rc = fetch_config(&by, &req->ref, &m->config, doc, e);

	return rc < 0 ? rc : image_config_parse(buf_span(&doc->body), m->config.media_type,
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
tell_digest(const struct policy_env *env, enum policy_about about, const char *name, struct span text, struct err *e)
{
	struct digest d;
	int rc = digest_of(HASH_SHA256, text, &d, e);

	if (rc == 0 && env->tell != NULL)
		env->tell(env->arg, &(struct policy_note){ about, 0, true, name, d.text });
	return rc;
}

/* What of the policy needs more than the name. */
static int
check_policy(const struct pull_request *req, const struct image_env *env, const struct policy *policy,
    const struct document *doc, const struct manifest *m, struct pull_result *res, struct err *e)
{
	struct digest sha256;
	const struct policy_subject subject = {
		.ref = &req->ref,
		.manifest = &sha256,
		.index = res->index.text[0] != '\0' ? &res->index : NULL,
		.layers = m->layers,
		.nlayers = m->nlayers,
	};
	int rc = digest_of(HASH_SHA256, buf_span(&doc->body), &sha256, e);

	if (rc == 0)
		rc = tell_digest(&env->policy, ABOUT_IMAGE, "manifest", buf_span(&doc->body), e);
	if (rc < 0)
		return rc;
	rc = policy_check(policy, &subject, &env->policy, e);
	res->is_signed = rc == 0 && policy_asks_signature(policy, &req->ref);
	return rc;
}

static int
pull_manifest(const struct pull_request *req, const struct image_env *env, const struct policy *policy,
    const struct document *doc, struct pull_result *res, struct err *e)
{
	struct document config_doc = { .body = BUF(LIMIT_CONFIG) };
	struct image_config config = { 0 };
	struct manifest m = { 0 };
	int rc;

	rc = manifest_parse(buf_span(&doc->body), doc->content_type, &m, e);
	if (rc < 0) {
		err_wrap(e, "manifest");
	} else if ((rc = check_mix(req, &m, res, e)) < 0) {
		err_wrap(e, "policy");
	} else if ((rc = check_policy(req, env, policy, doc, &m, res, e)) < 0) {
		;	/* it says so itself */
	} else if ((rc = read_config(req, env, &m, &config_doc, &config, e)) < 0) {
		err_wrap(e, "config %.19s…", m.config.digest.text);
	} else if (!req->only_verify && (rc = pull_layers(req, env, &m, &config, e)) == 0) {
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
	const struct fetch_env by = fetch_by(env);
	cleanup(policy_freep) struct policy *policy = NULL;
	struct pull_result res = { 0 };
	int rc;

	if (req->policy.len == 0)
		return err_set(e, ERR_POLICY_INVALID, "policy: there is none, or it is empty");
	rc = tell_digest(&env->policy, ABOUT_POLICY, "policy", req->policy, e);
	if (rc == 0)
		rc = policy_parse(req->policy, &policy, e);
	if (rc == 0)
		rc = policy_check_name(policy, &req->ref, &env->policy, e);
	if (rc < 0)
		return rc;
	rc = fetch_image(&by, &req->ref, &req->platform, &doc, &res.manifest, &res.index, e);
	if (rc < 0)
		err_wrap(e, "manifest");
	else
		rc = pull_manifest(req, env, policy, &doc, &res, e);
	buf_free(&doc.body);
	if (rc < 0)
		return rc;
	*out = res;
	return 0;
}
