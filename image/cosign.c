/*
 * cosign.c: the signature image: its tag, its manifest, its annotations. Strangers may add layers to it, so each
 * stands for itself: what is wrong with one says nothing about the next.
 */
#include "lib/base.h"
#include "image/cosign.h"

#define SIGNATURE	"dev.cosignproject.cosign/signature"
#define PAYLOAD_TYPE	"application/vnd.dev.cosign.simplesigning.v1+json"
#define BUNDLE_TYPE	"application/vnd.dev.sigstore.bundle"

static void
tag_of(const struct digest *d, const char *suffix, char out[COSIGN_TAG])
{
	snprintf(out, COSIGN_TAG, "%s%s", d->text, suffix);
	out[strcspn(out, ":")] = '-';
}

void
cosign_tag(const struct digest *d, char out[COSIGN_TAG])
{
	tag_of(d, ".sig", out);
}

void
cosign_referrers_tag(const struct digest *d, char out[COSIGN_TAG])
{
	tag_of(d, "", out);
}

int
cosign_image_parse(struct span text, const char *content_type, struct cosign_image *out, struct err *e)
{
	struct cosign_image image = { 0 };
	enum document_kind kind;
	int rc = json_parse(text, &image.doc, e);

	if (rc < 0)
		return rc == -ERR_PARSE ? err_set(e, ERR_IMAGE, "no JSON") : rc;
	rc = document_kind(image.doc, content_type, &kind, e);
	if (rc == 0 && kind != DOCUMENT_MANIFEST)
		rc = err_set(e, ERR_IMAGE, "an index, where a manifest with signatures should be");
	image.layers = json_get(json_root(image.doc), "layers");
	if (rc == 0 && !json_is(image.layers, JSON_ARRAY))
		rc = err_set(e, ERR_IMAGE, "a manifest without a list of layers");
	if (rc < 0) {
		cosign_image_fini(&image);
		return rc;
	}
	image.n = MIN(json_count(image.layers), (size_t)LIMIT_SIGNATURES);
	*out = image;
	return 0;
}

void
cosign_image_fini(struct cosign_image *image)
{
	json_freep(&image->doc);
}

/* Longer than any signature cannot be one; it is not even decoded. */
static int
read_annotation(struct json_val annotations, struct buf *out, struct err *e)
{
	struct json_val value = json_get(annotations, SIGNATURE);

	if (!json_ok(value))
		return err_set(e, ERR_NOTFOUND, "no annotation %s", SIGNATURE);
	if (json_raw(value).len > LIMIT_SIGNATURE_TEXT)
		return err_set(e, ERR_LIMIT, "a signature of more than %zu characters", LIMIT_SIGNATURE_TEXT);
	return json_str(value, SIGNATURE, out, e);
}

static struct json_val
layer_at(const struct cosign_image *image, size_t number)
{
	struct json_iter it = json_iter(image->layers);

	while (json_next(&it))
		if (number-- == 0)
			return it.val;
	return (struct json_val){ 0 };
}

int
cosign_image_signature(const struct cosign_image *image, size_t number, struct descriptor *payload,
    struct buf *signature, struct err *e)
{
	struct descriptor d;
	int rc = descriptor_parse(layer_at(image, number), "signature", &d, e);

	if (rc < 0)
		return rc;
	if (strcmp(d.media_type, PAYLOAD_TYPE) != 0)
		return err_set(e, ERR_UNSUPPORTED, "a layer of type %s is no signature", d.media_type);
	if (d.size > LIMIT_PAYLOAD)
		return err_set(e, ERR_LIMIT, "a payload of %" PRIu64 " bytes; at most %zu are read", d.size, LIMIT_PAYLOAD);
	rc = read_annotation(d.annotations, signature, e);
	if (rc == 0)
		*payload = d;
	return rc;
}

static bool
is_bundle_type(struct json_val type)
{
	return span_starts(json_raw(type), "\"" BUNDLE_TYPE);
}

bool
cosign_lists_bundle(struct span index)
{
	autojson doc = NULL;
	struct json_iter it;
	struct err ignored;

	if (json_parse(index, &doc, &ignored) < 0)
		return false;
	it = json_iter(json_get(json_root(doc), "manifests"));
	while (json_next(&it))
		if (is_bundle_type(json_get(it.val, "artifactType")))
			return true;
	return false;
}

bool
cosign_is_bundle(struct span manifest)
{
	autojson doc = NULL;
	struct err ignored;

	return json_parse(manifest, &doc, &ignored) == 0 && is_bundle_type(json_get(json_root(doc), "artifactType"));
}

bool
cosign_referrer(struct span index, size_t n, struct digest *out)
{
	autojson doc = NULL;
	struct json_iter it;
	struct descriptor d;
	struct err ignored;

	if (json_parse(index, &doc, &ignored) < 0)
		return false;
	it = json_iter(json_get(json_root(doc), "manifests"));
	while (json_next(&it)) {
		if (n-- > 0)
			continue;
		if (descriptor_parse(it.val, "referrer", &d, &ignored) < 0)
			return false;
		*out = d.digest;
		return true;
	}
	return false;
}
