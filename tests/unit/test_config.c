/*
 * test_config.c: image configurations: type, platform, diff_ids.
 */
#include "lib/base.h"

#include <fcntl.h>

#include "image/manifest.h"
#include "lib/fs.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define HEX64	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"
#define ID	"\"sha256:" HEX64 "\""
#define OCI_C	"application/vnd.oci.image.config.v1+json"
#define DOCKER_C "application/vnd.docker.container.image.v1+json"
#define AMD64	"\"os\":\"linux\",\"architecture\":\"amd64\""
#define ROOTFS(ids) "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":" ids "}"
#define DOC(ids) "{" AMD64 "," ROOTFS(ids) "}"

static struct err e;
static const struct platform amd64 = { "linux", "amd64", "" };

static void
test_good(void)
{
	cleanup(image_config_fini) struct image_config c = { 0 };
	autobuf text = BUF(LIMIT_CONFIG);

	works(image_config_parse(span_str(DOC("[" ID "," ID "]")), OCI_C, &amd64, 2, &c, &e), "oci");
	ok(c.ndiff_ids == 2 && strcmp(c.diff_ids[1].text, "sha256:" HEX64) == 0, "diff_ids");
	ok(strcmp(c.platform.architecture, "amd64") == 0 && !json_ok(c.config), "the rest");
	image_config_fini(&c);
	works(image_config_parse(span_str(DOC("[" ID "]")), DOCKER_C, &amd64, 1, &c, &e), "docker");
	image_config_fini(&c);
	works(image_config_parse(span_str(DOC("[]")), OCI_C, &amd64, 0, &c, &e), "no layers");
	image_config_fini(&c);
	works(image_config_parse(span_str(DOC("null")), OCI_C, &amd64, 0, &c, &e), "null for none");
	image_config_fini(&c);
	works(image_config_parse(span_str("{" AMD64 ",\"variant\":\"v3\",\"config\":null," ROOTFS("[]")
	    "}"), OCI_C, &amd64, 0, &c, &e), "config null, variant");
	ok(!json_ok(c.config) && strcmp(c.platform.variant, "v3") == 0, "as if not there");
	image_config_fini(&c);
	works(image_config_parse(span_str("{" AMD64 ",\"config\":{\"User\":\"x\"},\"history\":[],"
	    ROOTFS("[\"sha512:" HEX64 HEX64 "\"]") "}"), OCI_C, &amd64, 1, &c, &e), "sha512");
	ok(json_str_eq(json_get(c.config, "User"), "x"), "config is there to read");
	image_config_fini(&c);
	works(fs_read_file(AT_FDCWD, "tests/vectors/image/ocicrypt/images/plain/"
	    "d1c772ce96fcb2b961a1ae628d79d690b702ee112be8ce23d36bf3e4236a9097", &text, &e),
	    "a vector");
	works(image_config_parse(buf_span(&text), OCI_C, &amd64, 2, &c, &e), "made by umoci");
	is_int(c.ndiff_ids, 2, "diff_ids");
	image_config_fini(&c);
	image_config_fini(&c);
	ok(c.doc == NULL, "fini twice");
}

static void
test_bad(void)
{
	static const char *const bad[] = {
		"", "{", "[]", "null", "{}", "{" AMD64 "}", DOC("[" ID "]") "x",
		"{" ROOTFS("[" ID "]") "}",
		"{\"os\":\"linux\"," ROOTFS("[" ID "]") "}",
		"{\"architecture\":\"amd64\"," ROOTFS("[" ID "]") "}",
		"{\"os\":\"windows\",\"architecture\":\"amd64\"," ROOTFS("[" ID "]") "}",
		"{\"os\":\"linux\",\"architecture\":\"arm64\"," ROOTFS("[" ID "]") "}",
		"{\"os\":\"linux\",\"architecture\":\"AMD64\"," ROOTFS("[" ID "]") "}",
		"{\"os\":\"linux\",\"architecture\":\"\"," ROOTFS("[" ID "]") "}",
		"{\"os\":7,\"architecture\":\"amd64\"," ROOTFS("[" ID "]") "}",
		"{" AMD64 ",\"variant\":7," ROOTFS("[" ID "]") "}",
		"{" AMD64 ",\"config\":7," ROOTFS("[" ID "]") "}",
		"{" AMD64 ",\"config\":[]," ROOTFS("[" ID "]") "}",
		"{" AMD64 "," AMD64 "," ROOTFS("[" ID "]") "}",
		"{" AMD64 ",\"rootfs\":7}",
		"{" AMD64 ",\"rootfs\":{\"diff_ids\":[" ID "]}}",
		"{" AMD64 ",\"rootfs\":{\"type\":\"foo\",\"diff_ids\":[" ID "]}}",
		DOC("null"), DOC("[]"), DOC("[" ID "," ID "]"), DOC("{\"a\":" ID "}"), DOC(ID),
		DOC("[7]"), DOC("[null]"), DOC("[\"\"]"), DOC("[\"sha256:\"]"),
		DOC("[\"sha256:" HEX64 "0\"]"), DOC("[\"md5:" HEX64 "\"]"),
		DOC("[\"sha256:../../etc/passwd\"]"), DOC("[\"sha256:" HEX64 "\\u0000\"]"),
	};
	static const char *const types[] = {
		"", "application/json", "application/vnd.oci.empty.v1+json",
		"application/vnd.cncf.helm.config.v1+json", OCI_C "+encrypted",
	};
	struct platform windows = { "windows", "amd64", "" };
	struct image_config c, before;

	memset(&c, 0x5a, sizeof(c));
	memcpy(&before, &c, sizeof(c));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(image_config_parse(span_str(bad[i]), OCI_C, &amd64, 1, &c, &e), ERR_IMAGE,
		    "refused: %s", bad[i]);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		fails(image_config_parse(span_str(DOC("[" ID "]")), types[i], &amd64, 1, &c, &e),
		    ERR_IMAGE, "type \"%s\"", types[i]);
		ok(strstr(e.msg, "not a container image") != NULL, "says so");
	}
	fails(image_config_parse(span_str("{\"os\":\"windows\",\"architecture\":\"amd64\"," ROOTFS("[]")
	    "}"), OCI_C, &windows, 0, &c, &e), ERR_IMAGE, "windows, even if wanted");
	ok(memcmp(&c, &before, sizeof(c)) == 0, "output as it was");
	fails(image_config_parse(span_str("{\"os\":\"linux\",\"architecture\":\"arm64\"," ROOTFS("[]")
	    "}"), OCI_C, &amd64, 0, &c, &e), ERR_IMAGE, "another architecture");
	ok(strstr(e.msg, "linux/arm64") != NULL && strstr(e.msg, "linux/amd64") != NULL,
	    "both are named: %s", e.msg);
}

/* A document with n diff_ids */
static int
parse_ids(size_t n, struct image_config *c)
{
	autobuf text = BUF(LIMIT_CONFIG);
	int rc = buf_add_str(&text, "{" AMD64 ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[", &e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = buf_addf(&text, &e, "%s" ID, i > 0 ? "," : "");
	if (rc == 0)
		rc = buf_add_str(&text, "]}}", &e);
	if (rc == 0)
		rc = image_config_parse(buf_span(&text), OCI_C, &amd64, n, c, &e);
	return rc;
}

static void
test_limits(void)
{
	cleanup(image_config_fini) struct image_config c = { 0 };
	autobuf big = BUF(MIB(5));

	works(parse_ids(LIMIT_LAYERS, &c), "as many layers as may be");
	image_config_fini(&c);
	fails(parse_ids(LIMIT_LAYERS + 1, &c), ERR_LIMIT, "one more");
	works(buf_reserve(&big, LIMIT_CONFIG + 1, &e), "room");
	memset(big.data, ' ', LIMIT_CONFIG + 1);
	fails(image_config_parse((struct span){ big.data, LIMIT_CONFIG + 1 }, OCI_C, &amd64, 0, &c,
	    &e), ERR_LIMIT, "more than 4 MiB");
}

static void
parse_mutant(struct span text, void *arg)
{
	struct image_config c = { 0 };
	struct err ignored;

	(void)arg;
	if (image_config_parse(text, OCI_C, &amd64, 2, &c, &ignored) == 0)
		image_config_fini(&c);
}

static int
parse_once(void *arg, struct err *err)
{
	cleanup(image_config_fini) struct image_config c = { 0 };

	return image_config_parse(span_str(arg), OCI_C, &amd64, 2, &c, err);
}

int
main(void)
{
	static char text[] = DOC("[" ID "," ID "]");

	test_good();
	test_bad();
	test_limits();
	ok(mutate(span_str(text), 300, parse_mutant, NULL) > 1000, "mutants");
	ok(fault_each(FAULT_ALLOC, 0, false, parse_once, text) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	return tap_done();
}
