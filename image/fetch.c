/* fetch.c: see fetch.h. */
#include "lib/base.h"

#include "image/fetch.h"

int
fetch_manifest(const struct fetch_env *env, const struct image_ref *ref, const struct digest *wanted,
    struct document *doc, struct digest *digest, struct err *e)
{
	struct span body;
	struct digest sent;
	int rc;

	rc = env->manifest(env->arg, ref, wanted ? wanted->text : image_ref_wanted(ref), doc, e);
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

int
fetch_image(const struct fetch_env *env, const struct image_ref *ref, const struct platform *platform,
    struct document *doc, struct digest *manifest, struct digest *index, struct err *e)
{
	const struct digest *wanted = ref->has_digest ? &ref->digest : NULL;
	struct descriptor next;
	bool is_index;
	int rc;

	index->text[0] = '\0';
	for (int depth = 0; depth <= LIMIT_INDEX_DEPTH; depth++) {
		buf_reset(&doc->body);
		rc = fetch_manifest(env, ref, wanted, doc, manifest, e);
		if (rc == 0 && depth > 0 && doc->body.len != next.size)
			rc = err_set(e, ERR_DIGEST, "%s: %zu bytes, the index says %" PRIu64,
			    wanted->text, doc->body.len, next.size);
		if (rc == 0)
			rc = look_into(doc, platform, &is_index, &next, e);
		if (rc < 0 || !is_index)
			return rc;
		*index = *manifest;
		wanted = &next.digest;
	}
	return err_set(e, ERR_IMAGE, "indexes nested deeper than %d", LIMIT_INDEX_DEPTH);
}

int
fetch_config(const struct fetch_env *env, const struct image_ref *ref, const struct descriptor *config,
    struct document *doc, struct err *e)
{
	struct span body;
	int rc;

	if (config->size > LIMIT_CONFIG)
		return err_set(e, ERR_LIMIT, "%" PRIu64 " bytes, at most %zu are read", config->size, LIMIT_CONFIG);
	doc->body.max = (size_t)config->size;
	rc = env->blob(env->arg, ref, &config->digest, doc, e);
	if (rc == -ERR_LIMIT)
		return err_set(e, ERR_DIGEST, "longer than the %" PRIu64 " bytes the manifest says", config->size);
	if (rc < 0)
		return rc;
	body = buf_span(&doc->body);
	rc = digest_check(&config->digest, body, "blob", e);
	if (rc == 0 && body.len != config->size)
		rc = err_set(e, ERR_DIGEST, "%zu bytes, the manifest says %" PRIu64, body.len, config->size);
	return rc;
}
