/*
 * manifest.c: image manifests of OCI and docker schema 2, and the decision which
 * kind of document the registry sent. Nothing here trusts a name in the document:
 * digests, sizes and media types are checked before anything is fetched by them.
 */
#include "lib/base.h"

#include "image/manifest.h"
#include "lib/sys.h"

#define OCI_LAYER	"application/vnd.oci.image.layer."
#define ENCRYPTED	"+encrypted"

enum doc_type { DOC_MANIFEST, DOC_INDEX, DOC_SCHEMA1 };

static const struct {
	const char	*media_type;
	enum doc_type	 type;
} documents[] = {
	{ "application/vnd.oci.image.manifest.v1+json", DOC_MANIFEST },
	{ "application/vnd.oci.image.index.v1+json", DOC_INDEX },
	{ "application/vnd.docker.distribution.manifest.v2+json", DOC_MANIFEST },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", DOC_INDEX },
	{ "application/vnd.docker.distribution.manifest.v1+json", DOC_SCHEMA1 },
	{ "application/vnd.docker.distribution.manifest.v1+prettyjws", DOC_SCHEMA1 },
};

/* A Content-Type that says nothing about the document. */
static const char *const generic_types[] = {
	"", "application/json", "text/plain", "application/octet-stream",
};

static const struct {
	const char		*media_type;
	enum compression	 compression;
	bool			 foreign;
} layer_types[] = {
	{ OCI_LAYER "v1.tar", COMPRESSION_NONE, false },
	{ OCI_LAYER "v1.tar+gzip", COMPRESSION_GZIP, false },
	{ OCI_LAYER "v1.tar+zstd", COMPRESSION_ZSTD, false },
	{ OCI_LAYER "nondistributable.v1.tar", COMPRESSION_NONE, true },
	{ OCI_LAYER "nondistributable.v1.tar+gzip", COMPRESSION_GZIP, true },
	{ OCI_LAYER "nondistributable.v1.tar+zstd", COMPRESSION_ZSTD, true },
	{ "application/vnd.docker.image.rootfs.diff.tar", COMPRESSION_NONE, false },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", COMPRESSION_GZIP, false },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", COMPRESSION_ZSTD, false },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", COMPRESSION_NONE, true },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", COMPRESSION_GZIP, true },
};

/* The JSON reader says PARSE; for whoever pulls it is the image that is no good. */
static int
bad_image(struct err *e, const char *what)
{
	if (e->code == ERR_PARSE)
		e->code = ERR_IMAGE;
	return err_wrap(e, "%s", what);
}

/* Looks a media type up; -ERR_IMAGE if it names no document that can be pulled. */
static int
lookup_type(const char *media_type, const char *source, enum doc_type *out, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		if (strcmp(media_type, documents[i].media_type) != 0)
			continue;
		*out = documents[i].type;
		return 0;
	}
	return err_set(e, ERR_IMAGE, "%s is \"%s\": neither an image manifest nor an index", source,
	    media_type);
}

/* "Type/Sub; charset=x" → "type/sub" */
static int
strip_parameters(const char *content_type, char *out, size_t size, struct err *e)
{
	size_t n = strcspn(content_type, ";");

	while (n > 0 && (content_type[n - 1] == ' ' || content_type[n - 1] == '\t'))
		n--;
	if (n >= size)
		return err_set(e, ERR_IMAGE, "the Content-Type has %zu characters", n);
	for (size_t i = 0; i < n; i++) {
		out[i] = content_type[i];
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] - 'A' + 'a');
	}
	out[n] = '\0';
	return 0;
}

static bool
is_generic(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(generic_types); i++)
		if (strcmp(type, generic_types[i]) == 0)
			return true;
	return false;
}

/* What the registry and the document call it: "" when neither says; -ERR_IMAGE when they differ. */
static int
declared_type(struct json_val root, const char *content_type, char out[128], struct err *e)
{
	struct json_val member = json_get(root, "mediaType");
	char sent[128], own[128] = "";
	int rc = strip_parameters(content_type, sent, sizeof(sent), e);

	if (rc == 0 && json_ok(member))
		rc = json_cstr(member, "mediaType", own, sizeof(own), e);
	if (rc < 0)
		return rc;
	if (is_generic(sent))
		sent[0] = '\0';
	if (sent[0] != '\0' && json_ok(member) && strcmp(sent, own) != 0)
		return err_set(e, ERR_IMAGE, "sent as \"%s\", but calls itself \"%s\"", sent, own);
	snprintf(out, 128, "%s", json_ok(member) ? own : sent);
	return json_ok(member) && own[0] == '\0' ?
	    err_set(e, ERR_IMAGE, "mediaType is empty") : 0;
}

/* By its members; a document that could be taken for both kinds is an attack. */
static int
shape(struct json_val root, enum doc_type *out, struct err *e)
{
	bool manifests = json_ok(json_get(root, "manifests"));
	bool config = json_ok(json_get(root, "config")), layers = json_ok(json_get(root, "layers"));

	if (manifests && (config || layers))
		return err_set(e, ERR_IMAGE, "has both manifests and config or layers");
	if (manifests)
		*out = DOC_INDEX;
	else if (config && layers)
		*out = DOC_MANIFEST;
	else if (json_ok(json_get(root, "fsLayers")))
		*out = DOC_SCHEMA1;
	else
		return err_set(e, ERR_IMAGE, "has neither manifests nor config and layers");
	return 0;
}

static int
find_kind(struct json_val root, const char *content_type, enum doc_type *out, struct err *e)
{
	enum doc_type by_shape = DOC_SCHEMA1, by_type = DOC_SCHEMA1;
	char type[128];
	int rc = declared_type(root, content_type, type, e);

	if (rc < 0)
		return rc;
	rc = shape(root, &by_shape, e);
	if (rc < 0 || type[0] == '\0') {
		*out = by_shape;
		return rc;
	}
	rc = lookup_type(type, "its type", &by_type, e);
	if (rc < 0)
		return rc;
	if (by_type != by_shape)
		return err_set(e, ERR_IMAGE, "is called \"%s\" but is not shaped so", type);
	*out = by_type;
	return 0;
}

int
document_kind(const struct json *doc, const char *content_type, enum document_kind *out,
    struct err *e)
{
	struct json_val root = json_root(doc);
	enum doc_type type = DOC_SCHEMA1;
	uint64_t version;
	int rc = 0;

	if (!json_is(root, JSON_OBJECT))
		return err_set(e, ERR_IMAGE, "manifest: not a JSON object");
	rc = find_kind(root, content_type, &type, e);
	if (rc == 0 && type == DOC_SCHEMA1)
		rc = err_set(e, ERR_IMAGE, "docker schema 1 is not supported; push the image anew");
	if (rc == 0)
		rc = json_u64(json_get(root, "schemaVersion"), "schemaVersion", UINT32_MAX,
		    &version, e);
	if (rc == 0 && version != 2)
		rc = err_set(e, ERR_IMAGE, "schemaVersion is %" PRIu64 ", not 2", version);
	if (rc < 0)
		return bad_image(e, "manifest");
	*out = type == DOC_INDEX ? DOCUMENT_INDEX : DOCUMENT_MANIFEST;
	return 0;
}

static int
check_annotations(struct json_val v, struct err *e)
{
	struct json_iter it = json_iter(v);

	if (!json_ok(v))
		return 0;
	if (!json_is(v, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "annotations is not an object");
	while (json_next(&it))
		if (!json_is(it.val, JSON_STRING))
			return err_set(e, ERR_PARSE, "an annotation is not a string");
	return 0;
}

static int
get_digest(struct json_val v, struct digest *out, struct err *e)
{
	char text[sizeof(out->text) + 1];
	int rc = json_cstr(v, "digest", text, sizeof(text), e);

	return rc < 0 ? rc : digest_parse(span_str(text), out, e);
}

int
descriptor_parse(struct json_val v, const char *what, struct descriptor *out, struct err *e)
{
	struct descriptor d = { .annotations = json_get(v, "annotations") };
	int rc;

	if (!json_is(v, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "%s is not an object", what);
	rc = json_cstr(json_get(v, "mediaType"), "mediaType", d.media_type, sizeof(d.media_type),
	    e);
	if (rc == 0)
		rc = get_digest(json_get(v, "digest"), &d.digest, e);
	if (rc == 0)
		rc = json_u64(json_get(v, "size"), "size", INT64_MAX, &d.size, e);
	if (rc == 0)
		rc = check_annotations(d.annotations, e);
	if (rc < 0)
		return err_wrap(e, "%s", what);
	*out = d;
	return 0;
}

/* Sets compression, encrypted and foreign from the media type. */
static int
set_layer_type(struct layer *l, struct err *e)
{
	const char *type = l->desc.media_type;
	size_t n = strlen(type), suffix = strlen(ENCRYPTED);

	/* Docker types have no encrypted form. */
	l->encrypted = strncmp(type, OCI_LAYER, strlen(OCI_LAYER)) == 0 && n > suffix &&
	    strcmp(type + n - suffix, ENCRYPTED) == 0;
	if (l->encrypted)
		n -= suffix;
	for (size_t i = 0; i < ARRAY_LEN(layer_types); i++) {
		if (strlen(layer_types[i].media_type) != n ||
		    strncmp(type, layer_types[i].media_type, n) != 0)
			continue;
		l->compression = layer_types[i].compression;
		l->foreign = layer_types[i].foreign;
		return 0;
	}
	return err_set(e, ERR_UNSUPPORTED, "%slayers of type \"%s\" are not supported",
	    strstr(type, "nydus") != NULL ? "nydus " : "", type);
}

static int
parse_layers(struct json_val list, struct manifest *m, struct err *e)
{
	struct json_iter it = json_iter(list);
	size_t count = json_count(list);

	/* Writers in Go say null for a list that is empty. */
	if (!json_is(list, JSON_ARRAY) && !json_is(list, JSON_NULL))
		return err_set(e, ERR_PARSE, "layers is not an array");
	if (count > LIMIT_LAYERS)
		return err_set(e, ERR_LIMIT, "%zu layers, more than %d", count, LIMIT_LAYERS);
	if (count == 0)
		return 0;
	m->layers = sys_alloc(count * sizeof(*m->layers));
	if (m->layers == NULL)
		return err_set(e, ERR_NOMEM, "no memory for %zu layers", count);
	while (json_next(&it)) {
		struct layer *l = &m->layers[m->nlayers];
		char what[32];
		int rc;

		snprintf(what, sizeof(what), "layers[%zu]", m->nlayers);
		rc = descriptor_parse(it.val, what, &l->desc, e);
		if (rc < 0)
			return rc;
		rc = set_layer_type(l, e);
		if (rc < 0)
			return err_wrap(e, "%s", what);
		m->nlayers++;
	}
	return 0;
}

/* An artifact is not an image, however much its manifest looks like one. */
static int
refuse_artifact(struct json_val root, struct err *e)
{
	struct json_val type = json_get(root, "artifactType");
	char text[128];
	int rc;

	if (!json_ok(type) || json_str_eq(type, ""))
		return 0;
	rc = json_cstr(type, "artifactType", text, sizeof(text), e);
	if (rc < 0)
		return rc;
	return err_set(e, ERR_IMAGE, "not a container image but an artifact of type \"%s\"", text);
}

static int
parse_members(struct json_val root, struct manifest *m, struct err *e)
{
	int rc = refuse_artifact(root, e);

	if (rc == 0)
		rc = descriptor_parse(json_get(root, "config"), "config", &m->config, e);
	if (rc == 0)
		rc = image_config_type(m->config.media_type, e);
	if (rc == 0)
		rc = parse_layers(json_get(root, "layers"), m, e);
	return rc < 0 ? bad_image(e, "manifest") : 0;
}

int
manifest_parse(struct span text, const char *content_type, struct manifest *out, struct err *e)
{
	cleanup(manifest_fini) struct manifest m = { 0 };
	enum document_kind kind;
	int rc;

	if (text.len > LIMIT_MANIFEST)
		return err_set(e, ERR_LIMIT, "a manifest of %zu bytes", text.len);
	rc = json_parse(text, &m.doc, e);
	if (rc < 0)
		return bad_image(e, "manifest");
	rc = document_kind(m.doc, content_type, &kind, e);
	if (rc < 0)
		return rc;
	if (kind != DOCUMENT_MANIFEST)
		return err_set(e, ERR_IMAGE, "an index stands where a manifest is needed");
	rc = parse_members(json_root(m.doc), &m, e);
	if (rc < 0)
		return rc;
	*out = m;
	m = (struct manifest){ 0 };
	return 0;
}

void
manifest_fini(struct manifest *m)
{
	json_free(m->doc);
	sys_free(m->layers);
	*m = (struct manifest){ 0 };
}

int
manifest_annotation(const struct layer *l, const char *key, struct buf *out, struct err *e)
{
	struct json_val v = json_get(l->desc.annotations, key);
	int rc;

	if (!json_ok(v))
		return err_set(e, ERR_NOTFOUND, "the layer has no annotation %s", key);
	rc = json_str(v, key, out, e);
	return rc < 0 ? bad_image(e, "manifest") : 0;
}
