/*
 * registry.c: URLs of the distribution protocol and the meaning of its errors.
 */
#include "lib/base.h"

#include "image/registry.h"
#include "lib/json.h"

#define MESSAGE_MAX	200	/* of what a registry says, in our message */

/* "http[s]://host/v2/path/KIND/name" */
static int
add_url(const struct image_ref *r, const char *kind, const char *name, bool plain_http,
    struct buf *out, struct err *e)
{
	if (r->transport != TRANSPORT_DOCKER)
		return err_set(e, ERR_PARSE, "oci:%s is not in a registry", r->dir);
	return buf_addf(out, e, "%s://%s/v2/%s/%s/%s", plain_http ? "http" : "https",
	    image_ref_host(r), r->path, kind, name);
}

int
registry_manifest_url(const struct image_ref *r, const char *wanted, bool plain_http,
    struct buf *out, struct err *e)
{
	struct span name = span_str(wanted);
	struct digest digest;
	struct err ignored;

	if (!image_ref_tag_ok(name) && digest_parse(name, &digest, &ignored) < 0)
		return err_set(e, ERR_PARSE, "\"%.150s\" is neither a tag nor a digest", wanted);
	return add_url(r, "manifests", wanted, plain_http, out, e);
}

int
registry_blob_url(const struct image_ref *r, const struct digest *digest, bool plain_http,
    struct buf *out, struct err *e)
{
	return add_url(r, "blobs", digest->text, plain_http, out, e);
}

int
registry_referrers_url(const struct image_ref *r, const struct digest *digest, bool plain_http,
    struct buf *out, struct err *e)
{
	return add_url(r, "referrers", digest->text, plain_http, out, e);
}

int
registry_upload_url(const struct image_ref *r, bool plain_http, struct buf *out, struct err *e)
{
	return add_url(r, "blobs", "uploads/", plain_http, out, e);
}

int
registry_close_url(const char *location, const struct digest *digest, struct buf *out, struct err *e)
{
	const char *query = strchr(location, '?'), *hex = strchr(digest->text, ':');

	return buf_addf(out, e, "%s%sdigest=%.*s%%3A%s", location,
	    query == NULL ? "?" : query[1] != '\0' ? "&" : "", (int)(hex - digest->text), digest->text, hex + 1);
}

/* A member of the first error in the body; "" when there is none that can be read. */
static void
get_detail(struct json_val errors, const char *name, struct buf *out)
{
	struct json_iter it = json_iter(errors);
	struct err ignored;

	if (!json_is(errors, JSON_ARRAY) || !json_next(&it) ||
	    json_str(json_get(it.val, name), name, out, &ignored) < 0)
		buf_reset(out);
}

static enum err_code
code_of(unsigned status)
{
	switch (status) {
	case 404:
		return ERR_IMAGE_NOTFOUND;
	case 401:
	case 403:
		return ERR_AUTH;
	default:
		return ERR_REGISTRY;
	}
}

int
registry_error(unsigned status, struct span body, const char *url, struct err *e)
{
	autobuf code = BUF(LIMIT_ERROR_BODY), message = BUF(LIMIT_ERROR_BODY);
	autojson doc = NULL;
	struct err ignored;
	int shown = (int)MIN(strcspn(url, "?#"), (size_t)200);

	if (body.len > 0 && body.len <= LIMIT_ERROR_BODY && json_parse(body, &doc, &ignored) == 0) {
		struct json_val errors = json_get(json_root(doc), "errors");

		get_detail(errors, "code", &code);
		get_detail(errors, "message", &message);
	}
	if (code.len == 0 && message.len == 0)
		return err_set(e, code_of(status), "%.*s: HTTP status %u", shown, url, status);
	return err_set(e, code_of(status), "%.*s: HTTP status %u: %.40s: %.*s", shown, url, status,
	    buf_str(&code), MESSAGE_MAX, buf_str(&message));
}
