/* layout.c: finding an image in an OCI layout. */
#include "lib/base.h"

#include "image/layout.h"

#define REF_NAME	"org.opencontainers.image.ref.name"

static int
read_entry(struct json_val v, struct descriptor *out, struct err *e)
{
	char text[sizeof(out->digest.text)];
	int rc;

	rc = json_cstr(json_get(v, "mediaType"), "mediaType", out->media_type,
	    sizeof(out->media_type), e);
	if (rc == 0)
		rc = json_cstr(json_get(v, "digest"), "digest", text, sizeof(text), e);
	if (rc == 0)
		rc = digest_parse(span_str(text), &out->digest, e);
	if (rc == 0)
		rc = json_u64(json_get(v, "size"), "size", INT64_MAX, &out->size, e);
	out->annotations = (struct json_val){ 0 };	/* the document ends with this call */
	return rc < 0 ? err_wrap(e, "index.json") : 0;
}

int
layout_find(struct span index, const char *tag, struct descriptor *out, struct err *e)
{
	struct descriptor found;
	struct json_val list;
	uint64_t position;
	struct json_iter it;
	autojson doc = NULL;
	bool by_position = image_ref_position(tag, &position);
	size_t hits = 0, i = 0;
	int rc = json_parse(index, &doc, e);

	if (rc < 0)
		return err_wrap(e, "index.json");
	list = json_get(json_root(doc), "manifests");
	if (!json_is(list, JSON_ARRAY) || json_count(list) > LIMIT_INDEX_ENTRIES)
		return err_set(e, ERR_IMAGE, "index.json is not that of an image layout");
	it = json_iter(list);
	while (json_next(&it)) {
		struct json_val name = json_get(json_get(it.val, "annotations"), REF_NAME);

		if (by_position ? i++ != position : tag[0] != '\0' && !json_str_eq(name, tag))
			continue;
		if (hits++ > 0)
			return err_set(e, ERR_IMAGE, tag[0] ? "tag '%s' stands twice in index.json" :
			    "several images: name one behind the path, as in oci:DIR:TAG%s", tag);
		rc = read_entry(it.val, &found, e);
		if (rc < 0)
			return rc;
	}
	if (hits == 0)
		return err_set(e, ERR_IMAGE_NOTFOUND, "no image '%s' in index.json", tag);
	*out = found;
	return 0;
}

void
layout_blob_path(const struct digest *d, char *out, size_t size)
{
	const char *hex = strchr(d->text, ':');

	assert(hex != NULL);
	snprintf(out, size, "blobs/%.*s/%s", (int)(hex - d->text), d->text, hex + 1);
}
