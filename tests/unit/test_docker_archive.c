/* test_docker_archive.c: choosing an image in manifest.json, diff_ids, the manifest that is made. */
#include "lib/base.h"

#include "image/docker_archive.h"

#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define HEX	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define IMAGE(config, tags) "{\"Config\":\"" config "\",\"RepoTags\":" tags ",\"Layers\":[\"a/layer.tar\",\"b\"]}"
#define TWO	"[" IMAGE("c0", "[\"a.test/x:v1\",\"busybox:latest\"]") "," IMAGE("c1", "[\"a.test/x:v2\"]") "]"

static struct err e;

/* The configuration's name of what is chosen, or "" and the error in e. */
static const char *
choose(const char *text, const char *name)
{
	static char config[DOCKER_ARCHIVE_NAME];
	cleanup(docker_archive_fini) struct docker_archive a = { 0 };
	struct image_ref r;

	config[0] = '\0';
	e = (struct err){ 0 };
	if (image_ref_parse(span_str(name), &r, &e) == 0 &&
	    docker_archive_choose(span_str(text), &r, &a, &e) == 0)
		snprintf(config, sizeof(config), "%s", a.config);
	return config;
}

static void
refused(const char *text, const char *name, enum err_code want, const char *what)
{
	is_str(choose(text, name), "", "%s: nothing is chosen", what);
	if (!ok(e.code == want, "%s: %s", what, err_name(want)))
		printf("# got %s: %s\n", err_name(e.code), e.msg);
}

static void
test_choice(void)
{
	is_str(choose("[" IMAGE("c", "null") "]", "docker-archive:x"), "c", "the only one, without a name");
	is_str(choose("[" IMAGE("c", "[\"a.test/x:v1\"]") "]", "docker-archive:x"), "c", "the only one, not asked by it");
	is_str(choose(TWO, "docker-archive:x:a.test/x:v1"), "c0", "by its name");
	is_str(choose(TWO, "docker-archive:x:busybox"), "c0", "by another, both sides in full form");
	is_str(choose(TWO, "docker-archive:x:docker.io/library/busybox:latest"), "c0", "which is this");
	is_str(choose(TWO, "docker-archive:x:a.test/x:v2"), "c1", "the second");
	is_str(choose(TWO, "docker-archive:x:@1"), "c1", "by its place");
	refused(TWO, "docker-archive:x:@2", ERR_IMAGE_NOTFOUND, "a place behind the last");
	refused(TWO, "docker-archive:x", ERR_IMAGE, "which of two?");
	ok(strstr(e.msg, "a.test/x:v1") != NULL && strstr(e.msg, "a.test/x:v2") != NULL, "both are listed: %s", e.msg);
	refused(TWO, "docker-archive:x:a.test/x", ERR_IMAGE_NOTFOUND, "latest is not there");
	ok(strstr(e.msg, "a.test/x:v2") != NULL, "there are others: %s", e.msg);
	refused("[" IMAGE("c", "[\"a.test/x:v1\"]") "," IMAGE("d", "[\"a.test/x:v1\"]") "]",
	    "docker-archive:x:a.test/x:v1", ERR_IMAGE, "one name of two images");
	refused("[" IMAGE("c", "[\"UPPER\"]") "]", "docker-archive:x:a.test/x:v1", ERR_IMAGE, "a name that is none");
	refused("[" IMAGE("c", "[7]") "]", "docker-archive:x:a.test/x:v1", ERR_IMAGE, "a name that is no text");
	refused("[]", "docker-archive:x", ERR_IMAGE_NOTFOUND, "no image");
	refused("{}", "docker-archive:x", ERR_IMAGE, "no list");
	refused("", "docker-archive:x", ERR_IMAGE, "nothing");
	refused("[7]", "docker-archive:x", ERR_IMAGE, "an image that is a number");
	refused("[{\"Config\":\"c\"}]", "docker-archive:x", ERR_IMAGE, "no layers");
	refused("[{\"Layers\":[]}]", "docker-archive:x", ERR_IMAGE, "no configuration");
	refused("[{\"Config\":\"c\",\"Layers\":{}}]", "docker-archive:x", ERR_IMAGE, "layers that are no list");
	is_str(choose("[{\"Config\":\"c\",\"Layers\":null}]", "docker-archive:x"), "c", "null is no layer");
	is_str(choose("[{\"Config\":\"c\",\"Layers\":[],\"LayerSources\":{},\"Parent\":\"\"}]", "docker-archive:x"), "c",
	    "other members are passed over");
}

static void
test_many(void)
{
	autobuf text = BUF(MIB(1));

	works(buf_add_str(&text, "[{\"Config\":\"c\",\"Layers\":[\"l\"", &e), "text");
	for (size_t i = 1; i < LIMIT_LAYERS; i++)
		if (buf_add_str(&text, ",\"l\"", &e) < 0)
			abort();
	works(buf_add_str(&text, "]}]", &e), "text");
	is_str(choose(buf_str(&text), "docker-archive:x"), "c", "as many layers as may be");
	text.len -= 3;
	works(buf_add_str(&text, ",\"l\"]}]", &e), "text");
	refused(buf_str(&text), "docker-archive:x", ERR_LIMIT, "one more");
	buf_reset(&text);
	works(buf_add_str(&text, "[7", &e), "text");
	for (size_t i = 0; i < LIMIT_INDEX_ENTRIES; i++)
		if (buf_add_str(&text, ",7", &e) < 0)
			abort();
	works(buf_add_str(&text, "]", &e), "text");
	refused(buf_str(&text), "docker-archive:x:@0", ERR_IMAGE, "too many images");
}

static void
test_layers(void)
{
	cleanup(docker_archive_fini) struct docker_archive a = { 0 };
	char name[DOCKER_ARCHIVE_NAME];
	struct image_ref r;

	works(image_ref_parse(span_str("docker-archive:x"), &r, &e), "name");
	works(docker_archive_choose(SPAN_LIT("[{\"Config\":\"c\",\"Layers\":[\"a/layer.tar\",7]}]"), &r, &a, &e), "chosen");
	is_int(a.nlayers, 2, "two layers");
	works(docker_archive_layer(&a, 0, name, &e), "the first");
	is_str(name, "a/layer.tar", "its name");
	fails(docker_archive_layer(&a, 1, name, &e), ERR_IMAGE, "one that is a number");
	fails(docker_archive_layer(&a, 2, name, &e), ERR_BUG, "one that is not there");
}

static int
diff_ids(const char *config, size_t n, struct digest *out)
{
	return docker_archive_diff_ids(span_str(config), n, out, &e);
}

static void
test_diff_ids(void)
{
	struct digest d[2];

	works(diff_ids("{\"rootfs\":{\"diff_ids\":[\"sha256:" HEX "\",\"sha256:" HEX "\"]}}", 2, d), "two");
	is_str(d[1].text, "sha256:" HEX, "read");
	works(diff_ids("{}", 0, d), "none");
	fails(diff_ids("{}", 1, d), ERR_IMAGE, "none for one layer");
	fails(diff_ids("{\"rootfs\":{\"diff_ids\":[\"sha256:" HEX "\"]}}", 0, d), ERR_IMAGE, "one for no layer");
	fails(diff_ids("{\"rootfs\":{\"diff_ids\":[\"sha256:x\"]}}", 1, d), ERR_IMAGE, "no digest");
	fails(diff_ids("{\"rootfs\":{\"diff_ids\":[7]}}", 1, d), ERR_IMAGE, "a number");
	fails(diff_ids("{", 1, d), ERR_IMAGE, "no JSON");
}

static int
make(maybe_unused void *arg, struct err *err)
{
	struct layer layers[3] = {
		{ .compression = COMPRESSION_NONE, .desc.size = 7 },
		{ .compression = COMPRESSION_GZIP, .desc.size = INT64_MAX },
		{ .compression = COMPRESSION_ZSTD },
	};
	autobuf out = BUF(LIMIT_MANIFEST);
	struct manifest m = { 0 };
	struct digest d;
	int rc = digest_parse(SPAN_LIT("sha256:" HEX), &d, err);

	for (size_t i = 0; i < 3; i++)
		layers[i].desc.digest = d;
	if (rc == 0)
		rc = docker_archive_manifest(&d, 42, layers, 3, &out, err);
	if (rc == 0)
		rc = manifest_parse(buf_span(&out), "", &m, err);
	if (rc < 0)
		return rc;
	ok(m.nlayers == 3 && m.config.size == 42 && m.layers[1].desc.size == INT64_MAX &&
	    m.layers[1].compression == COMPRESSION_GZIP && m.layers[2].compression == COMPRESSION_ZSTD &&
	    m.layers[0].compression == COMPRESSION_NONE && m.layers[0].desc.size == 7 &&
	    digest_equal(&m.layers[2].desc.digest, &d), "the made manifest is read as what it was made from");
	manifest_fini(&m);
	return 0;
}

static void
try_mutant(struct span s, maybe_unused void *arg)
{
	cleanup(docker_archive_fini) struct docker_archive a = { 0 };
	struct image_ref r;
	struct err why;

	if (image_ref_parse(span_str("docker-archive:x:a.test/x:v2"), &r, &why) == 0)
		(void)(docker_archive_choose(s, &r, &a, &why) < 0);
}

int
main(void)
{
	test_choice();
	test_many();
	test_layers();
	test_diff_ids();
	works(make(NULL, &e), "a manifest");
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, make, NULL) > 1, "no memory");
	ok(mutate(SPAN_LIT(TWO), 64, try_mutant, NULL) > 500, "mutants");
	return tap_done();
}
