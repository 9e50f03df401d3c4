/*
 * docker_archive.c: reads manifest.json, writes a manifest. Members of manifest.json that have no meaning here
 * (LayerSources, Parent, …) are passed over, as docker adds some from time to time.
 */
#include "lib/base.h"

#include "image/docker_archive.h"

#define DOCKER	"application/vnd.docker."

static int
bad_archive(struct err *e)
{
	if (e->code == ERR_PARSE)
		e->code = ERR_IMAGE;
	return err_wrap(e, "manifest.json");
}

/* Is one of the image's names the one wanted? All must be names. */
static int
has_name(struct json_val image, const char *want, bool *out, struct err *e)
{
	struct json_iter it = json_iter(json_get(image, "RepoTags"));

	*out = false;
	while (json_next(&it)) {
		char text[LIMIT_REFERENCE + 1], name[LIMIT_REFERENCE + 1];
		struct image_ref r;
		int rc = json_cstr(it.val, "RepoTags", text, sizeof(text), e);

		if (rc == 0)
			rc = image_ref_parse_docker(span_str(text), &r, e);
		if (rc < 0)
			return rc;
		image_ref_format(&r, name, sizeof(name));
		*out |= strcmp(name, want) == 0;
	}
	return 0;
}

/* "a:1 b:2 …" */
static void
list_names(struct json_val images, char *out, size_t size)
{
	struct json_iter image = json_iter(images);
	size_t len = 0;

	out[0] = '\0';
	while (json_next(&image)) {
		struct json_iter tag = json_iter(json_get(image.val, "RepoTags"));

		while (json_next(&tag) && len < size) {
			struct span name = json_raw(tag.val);
			int n = snprintf(out + len, size - len, " %.*s", (int)MIN(name.len, 100),
			    (const char *)name.p);

			len += (size_t)MAX(n, 0);
		}
	}
}

static int
not_one(struct json_val images, const char *want, size_t hits, struct err *e)
{
	char names[300];

	list_names(images, names, sizeof(names));
	if (want[0] == '\0')
		return err_set(e, ERR_IMAGE, "%zu images: name one behind the path, as in docker-archive:FILE:REF "
		    "or FILE:@N; there are%s", json_count(images), names);
	if (hits > 1)
		return err_set(e, ERR_IMAGE, "%zu images are called %s", hits, want);
	return err_set(e, ERR_IMAGE_NOTFOUND, "no image %s; there are%s", want, names);
}

static int
find_image(struct json_val images, const struct image_ref *want, struct json_val *out, struct err *e)
{
	struct json_iter it = json_iter(images);
	struct image_ref plain = *want;
	char name[LIMIT_REFERENCE + 1] = "";
	uint64_t position;
	bool by_position = image_ref_position(want->tag, &position);
	size_t hits = 0;

	plain.transport = TRANSPORT_DOCKER;	/* its name without the file's */
	if (by_position)
		snprintf(name, sizeof(name), "%s", want->tag);
	else if (want->domain[0] != '\0')
		image_ref_format(&plain, name, sizeof(name));
	for (size_t i = 0; json_next(&it); i++) {
		bool hit = by_position ? i == position : true;
		int rc = 0;

		if (!by_position && name[0] != '\0')
			rc = has_name(it.val, name, &hit, e);
		if (rc < 0)
			return rc;
		hits += hit;
		if (hit)
			*out = it.val;
	}
	return hits == 1 ? 0 : not_one(images, name, hits, e);
}

static int
read_image(struct json_val image, struct docker_archive *a, struct err *e)
{
	int rc = json_cstr(json_get(image, "Config"), "Config", a->config, sizeof(a->config), e);

	if (rc < 0)
		return rc;
	a->layers = json_get(image, "Layers");
	a->nlayers = json_count(a->layers);
	/* docker writes null for an image without layers. */
	if (json_is(a->layers, JSON_NULL))
		return 0;
	if (!json_is(a->layers, JSON_ARRAY))
		return err_set(e, ERR_IMAGE, "Layers is not a list");
	return a->nlayers <= LIMIT_LAYERS ? 0 :
	    err_set(e, ERR_LIMIT, "%zu layers, at most %d are read", a->nlayers, LIMIT_LAYERS);
}

int
docker_archive_choose(struct span text, const struct image_ref *want, struct docker_archive *out, struct err *e)
{
	struct docker_archive a = { 0 };
	autojson doc = NULL;
	struct json_val images, image;
	int rc = json_parse(text, &doc, e);

	if (rc < 0)
		return bad_archive(e);
	images = json_root(doc);
	if (!json_is(images, JSON_ARRAY) || json_count(images) > LIMIT_INDEX_ENTRIES)
		return err_set(e, ERR_IMAGE, "manifest.json is not that of docker save");
	if (json_count(images) == 0)
		return err_set(e, ERR_IMAGE_NOTFOUND, "manifest.json: the archive has no image");
	rc = find_image(images, want, &image, e);
	if (rc == 0)
		rc = read_image(image, &a, e);
	if (rc < 0)
		return bad_archive(e);
	a.doc = doc;
	doc = NULL;
	*out = a;
	return 0;
}

void
docker_archive_fini(struct docker_archive *a)
{
	json_free(a->doc);
	*a = (struct docker_archive){ 0 };
}

int
docker_archive_layer(const struct docker_archive *a, size_t n, char out[DOCKER_ARCHIVE_NAME], struct err *e)
{
	struct json_iter it = json_iter(a->layers);

	for (size_t i = 0; json_next(&it); i++)
		if (i == n)
			return json_cstr(it.val, "Layers", out, DOCKER_ARCHIVE_NAME, e) < 0 ? bad_archive(e) : 0;
	return err_set(e, ERR_BUG, "layer %zu of %zu", n, a->nlayers);
}

int
docker_archive_diff_ids(struct span config, size_t n, struct digest *out, struct err *e)
{
	autojson doc = NULL;
	struct json_val list;
	struct json_iter it;
	int rc = json_parse(config, &doc, e);

	if (rc < 0) {
		e->code = rc == -ERR_PARSE ? ERR_IMAGE : e->code;
		return err_wrap(e, "configuration");
	}
	list = json_get(json_get(json_root(doc), "rootfs"), "diff_ids");
	if (json_count(list) != n)
		return err_set(e, ERR_IMAGE, "configuration: %zu diff_ids for %zu layers", json_count(list), n);
	it = json_iter(list);
	for (size_t i = 0; json_next(&it); i++) {
		char text[sizeof(out->text)];

		if (json_cstr(it.val, "diff_ids", text, sizeof(text), e) < 0 ||
		    digest_parse(span_str(text), &out[i], e) < 0)
			return err_set(e, ERR_IMAGE, "configuration: diff_id %zu is not a digest", i + 1);
	}
	return 0;
}

static int
add_layer(const struct layer *l, bool first, struct buf *out, struct err *e)
{
	static const char *const suffix[] = {
		[COMPRESSION_NONE] = "", [COMPRESSION_GZIP] = ".gzip", [COMPRESSION_ZSTD] = ".zstd",
	};

	return buf_addf(out, e, "%s{\"mediaType\":\"" DOCKER "image.rootfs.diff.tar%s\",\"size\":%" PRIu64
	    ",\"digest\":\"%s\"}", first ? "" : ",", suffix[l->compression], l->desc.size, l->desc.digest.text);
}

int
docker_archive_manifest(const struct digest *config, size_t config_size, const struct layer *layers, size_t n,
    struct buf *out, struct err *e)
{
	int rc = buf_addf(out, e, "{\"schemaVersion\":2,\"mediaType\":\"" DOCKER "distribution.manifest.v2+json\","
	    "\"config\":{\"mediaType\":\"" DOCKER "container.image.v1+json\",\"size\":%zu,\"digest\":\"%s\"},"
	    "\"layers\":[", config_size, config->text);

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_layer(&layers[i], i == 0, out, e);
	return rc < 0 ? rc : buf_add_str(out, "]}", e);
}
