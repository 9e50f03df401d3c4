/*
 * config.c: the image configuration: platform and the digests of the unpacked
 * layers; what is to be run stays in the document for bundle.c.
 */
#include "lib/base.h"

#include "image/manifest.h"
#include "lib/sys.h"

int
image_config_type(const char *media_type, struct err *e)
{
	if (strcmp(media_type, "application/vnd.oci.image.config.v1+json") == 0 ||
	    strcmp(media_type, "application/vnd.docker.container.image.v1+json") == 0)
		return 0;
	return err_set(e, ERR_IMAGE, "not a container image: its config is \"%s\"", media_type);
}

static int
check_platform(const struct platform *have, const struct platform *want, struct err *e)
{
	char is[PLATFORM_TEXT], wish[PLATFORM_TEXT];

	platform_format(have, is);
	platform_format(want, wish);
	if (strcmp(have->os, "linux") != 0)
		return err_set(e, ERR_IMAGE, "an image for %s; only linux can be run", is);
	if (strcmp(have->os, want->os) != 0 || strcmp(have->architecture, want->architecture) != 0)
		return err_set(e, ERR_IMAGE, "an image for %s, not for %s", is, wish);
	return 0;
}

static int
parse_diff_id(struct json_val v, size_t i, struct digest *out, struct err *e)
{
	char what[40], text[sizeof(out->text) + 1];
	int rc;

	snprintf(what, sizeof(what), "diff_ids[%zu]", i);
	rc = json_cstr(v, what, text, sizeof(text), e);
	if (rc < 0)
		return rc;
	rc = digest_parse(span_str(text), out, e);
	return rc < 0 ? err_wrap(e, "%s", what) : 0;
}

static int
parse_diff_ids(struct json_val list, size_t nlayers, struct image_config *c, struct err *e)
{
	struct json_iter it = json_iter(list);

	/* Writers in Go say null for a list that is empty. */
	if (!json_is(list, JSON_ARRAY) && !json_is(list, JSON_NULL))
		return err_set(e, ERR_PARSE, "rootfs.diff_ids is not an array");
	if (json_count(list) != nlayers)
		return err_set(e, ERR_PARSE, "%zu diff_ids for %zu layers", json_count(list),
		    nlayers);
	if (nlayers == 0)
		return 0;
	if (nlayers > LIMIT_LAYERS)
		return err_set(e, ERR_LIMIT, "%zu layers, more than %d", nlayers, LIMIT_LAYERS);
	c->diff_ids = sys_alloc(nlayers * sizeof(*c->diff_ids));
	if (c->diff_ids == NULL)
		return err_set(e, ERR_NOMEM, "no memory for %zu diff_ids", nlayers);
	while (json_next(&it)) {
		int rc = parse_diff_id(it.val, c->ndiff_ids, &c->diff_ids[c->ndiff_ids], e);

		if (rc < 0)
			return rc;
		c->ndiff_ids++;
	}
	return 0;
}

static int
parse_members(const struct platform *want, size_t nlayers, struct image_config *c, struct err *e)
{
	struct json_val root = json_root(c->doc), rootfs = json_get(root, "rootfs");
	int rc = platform_from_json(root, "the document", &c->platform, e);

	if (rc == 0)
		rc = check_platform(&c->platform, want, e);
	if (rc == 0 && !json_str_eq(json_get(rootfs, "type"), "layers"))
		rc = err_set(e, ERR_PARSE, "rootfs.type is not \"layers\"");
	if (rc == 0)
		rc = parse_diff_ids(json_get(rootfs, "diff_ids"), nlayers, c, e);
	if (rc < 0)
		return rc;
	c->config = json_get(root, "config");
	if (json_is(c->config, JSON_NULL))
		c->config = (struct json_val){ 0 };
	if (json_ok(c->config) && !json_is(c->config, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "config is not an object");
	return 0;
}

int
image_config_parse(struct span text, const char *media_type, const struct platform *want,
    size_t nlayers, struct image_config *out, struct err *e)
{
	cleanup(image_config_fini) struct image_config c = { 0 };
	int rc = image_config_type(media_type, e);

	if (rc < 0)
		return rc;
	if (text.len > LIMIT_CONFIG)
		return err_set(e, ERR_LIMIT, "an image configuration of %zu bytes", text.len);
	rc = json_parse(text, &c.doc, e);
	if (rc == 0)
		rc = parse_members(want, nlayers, &c, e);
	if (rc < 0) {
		if (e->code == ERR_PARSE)
			e->code = ERR_IMAGE;
		return err_wrap(e, "image configuration");
	}
	*out = c;
	c = (struct image_config){ 0 };
	return 0;
}

void
image_config_fini(struct image_config *c)
{
	json_free(c->doc);
	sys_free(c->diff_ids);
	*c = (struct image_config){ 0 };
}
