/*
 * test_manifest.c: kinds of documents, descriptors, layers of a manifest.
 */
#include "lib/base.h"

#include <fcntl.h>

#include "image/manifest.h"
#include "lib/fs.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define HEX64	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"
#define DIGEST	"sha256:" HEX64
#define OCI_M	"application/vnd.oci.image.manifest.v1+json"
#define OCI_I	"application/vnd.oci.image.index.v1+json"
#define DOCKER_M "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_L "application/vnd.docker.distribution.manifest.list.v2+json"
#define OCI_C	"application/vnd.oci.image.config.v1+json"
#define OCI_L	"application/vnd.oci.image.layer.v1.tar"

#define DESC(type) "{\"mediaType\":\"" type "\",\"digest\":\"" DIGEST "\",\"size\":7}"
#define CONFIG	"\"config\":" DESC(OCI_C)
#define MANIFEST(layers) "{\"schemaVersion\":2," CONFIG ",\"layers\":" layers "}"

static struct err e;

static int
parse(const char *text, const char *content_type, struct manifest *m)
{
	return manifest_parse(span_str(text), content_type, m, &e);
}

/* Parses one manifest that must be refused so, and checks that the output stayed as it was. */
static void
refused(const char *text, const char *content_type, enum err_code code, const char *name)
{
	struct manifest m, before;

	memset(&m, 0x5a, sizeof(m));
	memcpy(&before, &m, sizeof(m));
	fails(parse(text, content_type, &m), code, "%s", name);
	ok(memcmp(&m, &before, sizeof(m)) == 0, "%s: output as it was", name);
}

static int
kind(const char *text, const char *content_type, enum document_kind *out)
{
	autojson doc = NULL;
	int rc = json_parse(span_str(text), &doc, &e);

	return rc < 0 ? rc : document_kind(doc, content_type, out, &e);
}

#define M_SHAPE	"\"config\":{},\"layers\":[]"
#define I_SHAPE	"\"manifests\":[]"
#define V2	"\"schemaVersion\":2,"

static void
test_kind(void)
{
	static const struct {
		const char *text, *content_type;
		enum document_kind want;
	} good[] = {
		{ "{" V2 M_SHAPE "}", "", DOCUMENT_MANIFEST },
		{ "{" V2 I_SHAPE "}", "", DOCUMENT_INDEX },
		{ "{" V2 M_SHAPE "}", "application/json", DOCUMENT_MANIFEST },
		{ "{" V2 I_SHAPE "}", "text/plain; charset=utf-8", DOCUMENT_INDEX },
		{ "{" V2 M_SHAPE "}", "application/octet-stream", DOCUMENT_MANIFEST },
		{ "{" V2 M_SHAPE "}", OCI_M, DOCUMENT_MANIFEST },
		{ "{" V2 M_SHAPE "}", OCI_M " ; charset=utf-8", DOCUMENT_MANIFEST },
		{ "{" V2 M_SHAPE "}", "Application/VND.oci.image.Manifest.v1+JSON",
		  DOCUMENT_MANIFEST },
		{ "{" V2 M_SHAPE "}", DOCKER_M, DOCUMENT_MANIFEST },
		{ "{" V2 I_SHAPE "}", OCI_I, DOCUMENT_INDEX },
		{ "{" V2 I_SHAPE "}", DOCKER_L, DOCUMENT_INDEX },
		{ "{" V2 "\"mediaType\":\"" OCI_M "\"," M_SHAPE "}", "", DOCUMENT_MANIFEST },
		{ "{" V2 "\"mediaType\":\"" DOCKER_L "\"," I_SHAPE "}", "application/json",
		  DOCUMENT_INDEX },
		{ "{" V2 "\"mediaType\":\"" OCI_I "\"," I_SHAPE "}", OCI_I, DOCUMENT_INDEX },
	};
	static const struct {
		const char *text, *content_type;
	} bad[] = {
		{ "{" V2 I_SHAPE "," M_SHAPE "}", "" },
		{ "{" V2 I_SHAPE "," M_SHAPE "}", OCI_M },
		{ "{" V2 I_SHAPE "," M_SHAPE "}", OCI_I },
		{ "{" V2 I_SHAPE ",\"layers\":[]}", OCI_I },
		{ "{" V2 I_SHAPE ",\"config\":{}}", OCI_I },
		{ "{" V2 "\"manifests\":null," M_SHAPE "}", OCI_M },
		{ "{" V2 M_SHAPE "}", OCI_I },
		{ "{" V2 I_SHAPE "}", OCI_M },
		{ "{" V2 "\"mediaType\":\"" OCI_I "\"," M_SHAPE "}", "" },
		{ "{" V2 "\"mediaType\":\"" OCI_M "\"," I_SHAPE "}", "" },
		{ "{" V2 "\"mediaType\":\"" OCI_M "\"," M_SHAPE "}", OCI_I },
		{ "{" V2 "\"mediaType\":\"" OCI_M "\"," M_SHAPE "}", DOCKER_M },
		{ "{" V2 "\"mediaType\":\"text/plain\"," M_SHAPE "}", "" },
		{ "{" V2 "\"mediaType\":\"\"," M_SHAPE "}", OCI_M },
		{ "{" V2 "\"mediaType\":\"\"," M_SHAPE "}", "" },
		{ "{" V2 "\"mediaType\":7," M_SHAPE "}", "" },
		{ "{" V2 M_SHAPE "}", "text/html" },
		{ "{" V2 M_SHAPE "}", "application/vnd.oci.artifact.manifest.v1+json" },
		{ "{\"schemaVersion\":1," M_SHAPE "}", OCI_M },
		{ "{\"schemaVersion\":\"2\"," M_SHAPE "}", OCI_M },
		{ "{" M_SHAPE "}", OCI_M },
		{ "{" V2 "\"config\":{}}", OCI_M },
		{ "{" V2 "\"layers\":[]}", OCI_M },
		{ "{" V2 "\"x\":1}", "" },
		{ "[]", "" }, { "null", OCI_M }, { "2", "" },
	};
	enum document_kind got;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		works(kind(good[i].text, good[i].content_type, &got), "kind %zu is clear", i);
		is_int(got, good[i].want, "kind %zu", i);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(kind(bad[i].text, bad[i].content_type, &got), ERR_IMAGE,
		    "refused: %s as \"%s\"", bad[i].text, bad[i].content_type);
	fails(kind("{\"schemaVersion\":1,\"fsLayers\":[]}", "", &got), ERR_IMAGE, "schema 1");
	ok(strstr(e.msg, "schema 1") != NULL, "schema 1 is named by shape");
	fails(kind("{\"schemaVersion\":1,\"fsLayers\":[]}",
	    "application/vnd.docker.distribution.manifest.v1+prettyjws", &got), ERR_IMAGE,
	    "schema 1 by type");
	ok(strstr(e.msg, "schema 1") != NULL, "schema 1 is named by type");
	fails(kind("{" V2 M_SHAPE "}", "x/012345678901234567890123456789012345678901234567890123"
	    "45678901234567890123456789012345678901234567890123456789012345678901234567890123456",
	    &got), ERR_IMAGE, "a Content-Type without end");
}

static void
test_layer_types(void)
{
#define OCI_N "application/vnd.oci.image.layer.nondistributable.v1.tar"
#define DOCK "application/vnd.docker.image.rootfs."
	static const struct {
		const char *type;
		enum compression compression;
		bool encrypted, foreign;
	} known[] = {
		{ OCI_L, COMPRESSION_NONE, false, false },
		{ OCI_L "+gzip", COMPRESSION_GZIP, false, false },
		{ OCI_L "+zstd", COMPRESSION_ZSTD, false, false },
		{ OCI_N, COMPRESSION_NONE, false, true },
		{ OCI_N "+gzip", COMPRESSION_GZIP, false, true },
		{ OCI_N "+zstd", COMPRESSION_ZSTD, false, true },
		{ OCI_L "+encrypted", COMPRESSION_NONE, true, false },
		{ OCI_L "+gzip+encrypted", COMPRESSION_GZIP, true, false },
		{ OCI_L "+zstd+encrypted", COMPRESSION_ZSTD, true, false },
		{ OCI_N "+encrypted", COMPRESSION_NONE, true, true },
		{ OCI_N "+gzip+encrypted", COMPRESSION_GZIP, true, true },
		{ OCI_N "+zstd+encrypted", COMPRESSION_ZSTD, true, true },
		{ DOCK "diff.tar", COMPRESSION_NONE, false, false },
		{ DOCK "diff.tar.gzip", COMPRESSION_GZIP, false, false },
		{ DOCK "diff.tar.zstd", COMPRESSION_ZSTD, false, false },
		{ DOCK "foreign.diff.tar", COMPRESSION_NONE, false, true },
		{ DOCK "foreign.diff.tar.gzip", COMPRESSION_GZIP, false, true },
	};
	static const char *const unknown[] = {
		"application/vnd.oci.image.layer.nydus.blob.v1", OCI_L "+bzip2", OCI_L "+",
		OCI_L "+encrypted+encrypted", OCI_L "+encrypted+gzip", "+encrypted", "",
		DOCK "diff.tar.gzip+encrypted", "application/vnd.wasm.content.layer.v1+wasm",
		"application/vnd.oci.empty.v1+json", "application/octet-stream",
		"application/vnd.oci.image.layer.v1.ta",
	};
	char text[1024];

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		cleanup(manifest_fini) struct manifest m = { 0 };

		snprintf(text, sizeof(text), MANIFEST("[{\"mediaType\":\"%s\",\"digest\":\"" DIGEST
		    "\",\"size\":7}]"), known[i].type);
		works(parse(text, "", &m), "layer type %s", known[i].type);
		ok(m.nlayers == 1 && m.layers[0].compression == known[i].compression &&
		    m.layers[0].encrypted == known[i].encrypted &&
		    m.layers[0].foreign == known[i].foreign, "what it means: %s", known[i].type);
	}
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		snprintf(text, sizeof(text), MANIFEST("[{\"mediaType\":\"%s\",\"digest\":\"" DIGEST
		    "\",\"size\":7}]"), unknown[i]);
		refused(text, "", ERR_UNSUPPORTED, unknown[i]);
		ok(strstr(e.msg, unknown[i]) != NULL, "the message names it");
		if (i == 0)
			ok(strstr(e.msg, "nydus layers") != NULL, "nydus by name");
	}
}

static void
test_descriptors(void)
{
	static const char *const bad[] = {
		"7", "null", "\"x\"", "[]", "{}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"" DIGEST "\"}",
		"{\"mediaType\":\"" OCI_L "\",\"size\":7}",
		"{\"digest\":\"" DIGEST "\",\"size\":7}",
		"{\"mediaType\":7,\"digest\":\"" DIGEST "\",\"size\":7}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"" DIGEST "\",\"size\":-1}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"" DIGEST "\",\"size\":\"7\"}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"" DIGEST "\",\"size\":1e3}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"" DIGEST "\",\"size\":9223372036854775808}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"sha256:abc\",\"size\":7}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"" DIGEST "0\",\"size\":7}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"SHA256:" HEX64 "\",\"size\":7}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"md5:" HEX64 "\",\"size\":7}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"sha256:../../x\",\"size\":7}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"" DIGEST "\\u0000\",\"size\":7}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":7,\"size\":7}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"" DIGEST "\",\"size\":7,\"annotations\":7}",
		"{\"mediaType\":\"" OCI_L "\",\"digest\":\"" DIGEST
		    "\",\"size\":7,\"annotations\":{\"a\":7}}",
	};
	cleanup(manifest_fini) struct manifest m = { 0 };
	autobuf value = BUF(100);
	char text[1024], name[600];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), MANIFEST("[%s]"), bad[i]);
		snprintf(name, sizeof(name), "bad descriptor %s", bad[i]);
		refused(text, "", ERR_IMAGE, name);
		snprintf(text, sizeof(text), "{" V2 "\"layers\":[],\"config\":%s}", bad[i]);
		snprintf(name, sizeof(name), "bad config descriptor %s", bad[i]);
		refused(text, "", ERR_IMAGE, name);
	}
	works(parse(MANIFEST("[{\"mediaType\":\"" OCI_L "\",\"digest\":\"sha512:" HEX64 HEX64
	    "\",\"size\":9223372036854775807,\"urls\":[\"x\"],\"annotations\":{\"a\":\"b\\u00e4\"}}]"),
	    OCI_M, &m), "the largest size, sha512, unknown members");
	ok(m.layers[0].desc.size == INT64_MAX && m.layers[0].desc.digest.alg == HASH_SHA512,
	    "size and digest");
	ok(m.config.size == 7 && strcmp(m.config.digest.text, DIGEST) == 0 &&
	    strcmp(m.config.media_type, OCI_C) == 0, "config descriptor");
	works(manifest_annotation(&m.layers[0], "a", &value, &e), "annotation");
	is_str(buf_str(&value), "b\xc3\xa4", "its value, decoded");
	fails(manifest_annotation(&m.layers[0], "b", &value, &e), ERR_NOTFOUND, "no such annotation");
}

/* An array of n equal layers */
static int
parse_layers_of(size_t n, struct manifest *m)
{
	autobuf text = BUF(MIB(5));
	int rc = buf_add_str(&text, "{" V2 CONFIG ",\"layers\":[", &e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = buf_addf(&text, &e, "%s%s", i > 0 ? "," : "", DESC(OCI_L));
	if (rc == 0)
		rc = buf_add_str(&text, "]}", &e);
	rc = rc == 0 ? parse(buf_str(&text), OCI_M, m) : rc;
	if (rc == 0)	/* views into the text are not used any more */
		rc = (int)m->nlayers;
	return rc;
}

static void
test_counts(void)
{
	cleanup(manifest_fini) struct manifest m = { 0 };
	autobuf big = BUF(MIB(5));

	works(parse(MANIFEST("[]"), "", &m), "no layers");
	ok(m.nlayers == 0 && m.layers == NULL, "none are there");
	manifest_fini(&m);
	works(parse(MANIFEST("null"), "", &m), "null for no layers");
	manifest_fini(&m);
	works(parse(MANIFEST("[" DESC(OCI_L) "," DESC(OCI_L) "]"), "", &m), "the same layer twice");
	is_int(m.nlayers, 2, "counts twice");
	manifest_fini(&m);
	is_int(parse_layers_of(LIMIT_LAYERS, &m), LIMIT_LAYERS, "as many layers as may be");
	manifest_fini(&m);
	fails(parse_layers_of(LIMIT_LAYERS + 1, &m), ERR_LIMIT, "one layer more");
	refused(MANIFEST("{}"), "", ERR_IMAGE, "layers is an object");
	refused(MANIFEST("7"), "", ERR_IMAGE, "layers is a number");
	works(buf_reserve(&big, LIMIT_MANIFEST + 1, &e), "room");
	memset(big.data, ' ', LIMIT_MANIFEST + 1);
	fails(manifest_parse((struct span){ big.data, LIMIT_MANIFEST + 1 }, "", &m, &e), ERR_LIMIT,
	    "a manifest of more than 4 MiB");
	manifest_fini(&m);
	manifest_fini(&m);
	ok(m.doc == NULL, "fini twice");
}

static void
test_not_images(void)
{
	static const char *const configs[] = {
		"application/vnd.oci.empty.v1+json", "application/vnd.cncf.helm.config.v1+json",
		"application/vnd.wasm.config.v1+json", "application/json", "",
	};
	char text[1024];

	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		snprintf(text, sizeof(text), "{" V2 "\"config\":{\"mediaType\":\"%s\",\"digest\":\""
		    DIGEST "\",\"size\":7},\"layers\":[" DESC("application/x") "]}", configs[i]);
		refused(text, OCI_M, ERR_IMAGE, configs[i]);
		ok(strstr(e.msg, "not a container image") != NULL, "says so");
	}
	refused("{" V2 CONFIG ",\"artifactType\":\"a/b\",\"layers\":[]}", OCI_M, ERR_IMAGE, "artifact");
	ok(strstr(e.msg, "not a container image") != NULL, "says so");
	refused("{" V2 CONFIG ",\"artifactType\":7,\"layers\":[]}", OCI_M, ERR_IMAGE, "bad type");
	refused("{" V2 I_SHAPE "}", OCI_I, ERR_IMAGE, "an index where a manifest is needed");
	refused("", "", ERR_IMAGE, "nothing");
	refused("{", "", ERR_IMAGE, "cut");
	refused("{" V2 V2 CONFIG ",\"layers\":[]}", "", ERR_IMAGE, "a member twice");
	refused(MANIFEST("[]") "x", "", ERR_IMAGE, "something behind");
	refused("<html>no</html>", "text/html", ERR_IMAGE, "a web page");
}

static void
parse_mutant(struct span text, void *arg)
{
	struct manifest m = { 0 };
	struct err ignored;

	(void)arg;
	if (manifest_parse(text, "", &m, &ignored) == 0)
		manifest_fini(&m);
}

static int
parse_once(void *arg, struct err *err)
{
	const struct buf *text = arg;
	cleanup(manifest_fini) struct manifest m = { 0 };

	return manifest_parse(buf_span(text), "", &m, err);
}

static void
test_vectors(void)
{
	static const char *const names[] = {
		"plain", "jwe-rsa", "jwe-ec", "jwe-mixed-last", "pgp", "pkcs7",
	};
	autobuf text = BUF(LIMIT_MANIFEST);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup(manifest_fini) struct manifest m = { 0 };
		char path[128];

		snprintf(path, sizeof(path), "tests/vectors/image/ocicrypt/images/%s/manifest.json",
		    names[i]);
		buf_reset(&text);
		works(fs_read_file(AT_FDCWD, path, &text, &e), "%s", path);
		works(manifest_parse(buf_span(&text), "", &m, &e), "manifest %s", names[i]);
		is_int(m.nlayers, 2, "its layers");
		is_int(m.layers != NULL && m.layers[1].encrypted, i != 0, "encrypted or not");
	}
	is_int(fault_each(FAULT_ALLOC, 0, false, parse_once, &text) > 0, 1, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	ok(mutate(buf_span(&text), 700, parse_mutant, NULL) > 1000, "mutants");
}

int
main(void)
{
	test_kind();
	test_layer_types();
	test_descriptors();
	test_counts();
	test_not_images();
	test_vectors();
	return tap_done();
}
