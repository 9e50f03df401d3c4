/* inspector.c: inspect: fetches what there is to see, and writes the report. */
#include "lib/base.h"

#include "agent/copier.h"

#include "image/inspect.h"
#include "lib/sys.h"

#define REPORT_MAX	MIB(16)

struct view {
	struct document		 doc, config;
	struct digest		 digest, index;
	char			 name[sizeof(((struct image_ref *)0)->dir) + LIMIT_REFERENCE];
	char			 signature[160];	/* where one was looked for, or why not */
	struct inspection	 what;
};

/* cosign puts signatures beside the image, under a tag made of its digest. Only whether there are any is asked. */
static void
look_for_signature(struct copier *c, struct view *v)
{
	struct document found = { .body = BUF(LIMIT_MANIFEST) };
	struct err e = { 0 };
	int rc;

	v->what.looked_at = v->signature;
	if (c->ref.transport != TRANSPORT_DOCKER && c->ref.transport != TRANSPORT_OCI) {
		snprintf(v->signature, sizeof(v->signature), "archives have no room for them");
		return;
	}
	snprintf(v->signature, sizeof(v->signature), "%s.sig", v->digest.text);
	*strchr(v->signature, ':') = '-';
	rc = c->env.manifest(c->env.arg, &c->ref, v->signature, &found, &e);
	buf_free(&found.body);
	if (rc == 0)
		v->what.cosign = SIGNED_PRESENT;
	else if (rc == -ERR_IMAGE_NOTFOUND)
		v->what.cosign = SIGNED_ABSENT;
	else
		snprintf(v->signature, sizeof(v->signature), "asking failed: %.120s", e.msg);
}

static int
write_report(const struct buf *text, struct err *e)
{
	if (sys_write_all(COPY_FD_REPORT, text->data, text->len) < 0)
		return err_sys(e, "report");
	return 0;
}

static int
report_index(struct copier *c, struct view *v, struct err *e)
{
	autobuf text = BUF(REPORT_MAX);
	int rc;

	look_for_signature(c, v);
	rc = inspect_index(&v->what, buf_span(&v->doc.body), c->json, &text, e);
	return rc < 0 ? rc : write_report(&text, e);
}

static int
report_manifest(struct copier *c, struct view *v, struct err *e)
{
	cleanup(manifest_fini) struct manifest m = { 0 };
	autobuf text = BUF(REPORT_MAX);
	int rc = manifest_parse(buf_span(&v->doc.body), v->doc.content_type, &m, e);

	if (rc < 0)
		return err_wrap(e, "manifest");
	rc = fetch_config(&c->env, &c->ref, &m.config, &v->config, e);
	if (rc < 0)
		return err_wrap(e, "config %.19s…", m.config.digest.text);
	v->what.config = buf_span(&v->config.body);
	look_for_signature(c, v);
	rc = inspect_manifest(&v->what, &m, c->json, &text, e);
	return rc < 0 ? rc : write_report(&text, e);
}

/* The document that the name leads to, and which kind it is. */
static int
open_image(struct copier *c, struct view *v, enum document_kind *kind, struct err *e)
{
	autojson json = NULL;
	int rc = fetch_manifest(&c->env, &c->ref, c->ref.has_digest ? &c->ref.digest : NULL, &v->doc, &v->digest, e);

	if (rc == 0)
		rc = json_parse(buf_span(&v->doc.body), &json, e);
	return rc < 0 ? rc : document_kind(json, v->doc.content_type, kind, e);
}

/* Into an index that was seen: by its digest, so that it is the same one. */
static int
choose_platform(struct copier *c, struct view *v, struct err *e)
{
	struct image_ref ref = c->ref;

	if (ref.transport == TRANSPORT_DOCKER || ref.transport == TRANSPORT_OCI) {
		ref.has_digest = true;
		ref.digest = v->digest;
	}
	v->what.index = &v->index;
	return fetch_image(&c->env, &ref, &c->platform, &v->doc, &v->digest, &v->index, e);
}

static int
inspect(struct copier *c, struct view *v, struct err *e)
{
	enum document_kind kind = DOCUMENT_MANIFEST;
	int rc = open_image(c, v, &kind, e);

	if (rc == 0 && kind == DOCUMENT_INDEX && c->platform_named) {
		rc = choose_platform(c, v, e);
		kind = DOCUMENT_MANIFEST;
	}
	if (rc < 0)
		return err_wrap(e, "manifest");
	image_ref_format(&c->ref, v->name, sizeof(v->name));
	v->what.name = v->name;
	v->what.digest = &v->digest;
	v->what.size = v->doc.body.len;
	v->what.media_type = v->doc.content_type;
	return kind == DOCUMENT_INDEX ? report_index(c, v, e) : report_manifest(c, v, e);
}

int
inspect_image(struct copier *c, struct err *e)
{
	struct view *v = sys_alloc(sizeof(*v));
	int rc;

	if (v == NULL)
		return err_set(e, ERR_NOMEM, "inspect");
	v->doc.body.max = LIMIT_MANIFEST;
	v->config.body.max = LIMIT_CONFIG;
	rc = inspect(c, v, e);
	buf_free(&v->doc.body);
	buf_free(&v->config.body);
	sys_free(v);
	return rc;
}
