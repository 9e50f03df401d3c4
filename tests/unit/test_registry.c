/*
 * test_registry.c: URLs of the distribution protocol, errors of registries.
 */
#include "lib/base.h"

#include "image/registry.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define SHA256	"sha256:9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"

static struct err e;

static void
test_urls(void)
{
	autobuf url = BUF(LIMIT_URL), small = BUF(30);
	struct image_ref r, oci;
	struct digest d;

	works(image_ref_parse(span_str("busybox:v1"), &r, &e), "a name");
	works(registry_manifest_url(&r, image_ref_wanted(&r), false, &url, &e), "manifest by tag");
	is_str(buf_str(&url), "https://registry-1.docker.io/v2/library/busybox/manifests/v1", "URL");
	buf_reset(&url);
	works(image_ref_parse(span_str("a.test:5000/ns/app@" SHA256), &r, &e), "by digest");
	works(registry_manifest_url(&r, image_ref_wanted(&r), true, &url, &e), "plain http");
	is_str(buf_str(&url), "http://a.test:5000/v2/ns/app/manifests/" SHA256, "URL");
	buf_reset(&url);
	works(digest_parse(span_str(SHA256), &d, &e), "a digest");
	works(registry_blob_url(&r, &d, false, &url, &e), "blob");
	is_str(buf_str(&url), "https://a.test:5000/v2/ns/app/blobs/" SHA256, "URL");
	fails(registry_blob_url(&r, &d, false, &small, &e), ERR_LIMIT, "no room for it");
	is_int(small.len, 0, "output as it was");
	fails(registry_manifest_url(&r, "", false, &url, &e), ERR_PARSE, "nothing wanted");
	fails(registry_manifest_url(&r, "../x", false, &url, &e), ERR_PARSE, "neither tag nor digest");
	fails(registry_manifest_url(&r, "sha256:abc", false, &url, &e), ERR_PARSE, "a bad digest");
	works(image_ref_parse(span_str("oci:/srv/x"), &oci, &e), "a directory");
	fails(registry_manifest_url(&oci, "v1", false, &url, &e), ERR_PARSE, "has no URL");
	fails(registry_blob_url(&oci, &d, false, &url, &e), ERR_PARSE, "nor its blobs");
}

static void
test_uploads(void)
{
	autobuf url = BUF(LIMIT_URL), small = BUF(20);
	struct image_ref r, oci;
	struct digest d;

	works(image_ref_parse(span_str("docker://a.test:5000/ns/app:v1"), &r, &e), "an image");
	works(image_ref_parse(span_str("oci:/srv/x"), &oci, &e), "a directory");
	works(digest_parse(span_str(SHA256), &d, &e), "a digest");
	works(registry_upload_url(&r, true, &url, &e), "where an upload begins");
	is_str(buf_str(&url), "http://a.test:5000/v2/ns/app/blobs/uploads/", "URL");
	fails(registry_upload_url(&oci, true, &url, &e), ERR_PARSE, "a directory has none");
	buf_reset(&url);
	works(registry_referrers_url(&r, &d, false, &url, &e), "what refers to a manifest");
	ok(strncmp(buf_str(&url), "https://", 8) == 0 && strstr(buf_str(&url), "/referrers/sha256:") != NULL, "%s", buf_str(&url));
	fails(registry_referrers_url(&oci, &d, true, &url, &e), ERR_PARSE, "a directory has none");
	buf_reset(&url);
	works(registry_close_url("https://b.test/u", &d, &url, &e), "an end without a query");
	ok(strncmp(buf_str(&url), "https://b.test/u?digest=sha256%3A", 33) == 0, "gets one: %s", buf_str(&url));
	is_str(buf_str(&url) + 33, &SHA256[7], "with the digest");
	buf_reset(&url);
	works(registry_close_url("https://b.test/u?s=a%2Fb&t", &d, &url, &e), "an end with a query");
	ok(strncmp(buf_str(&url), "https://b.test/u?s=a%2Fb&t&digest=sha256%3A", 43) == 0, "keeps it: %s",
	    buf_str(&url));
	buf_reset(&url);
	works(registry_close_url("https://b.test/u?", &d, &url, &e), "an end with nothing behind the mark");
	ok(strncmp(buf_str(&url), "https://b.test/u?digest=", 24) == 0, "has it once: %s", buf_str(&url));
	fails(registry_close_url("https://b.test/u", &d, &small, &e), ERR_LIMIT, "no room for it");
	is_int(small.len, 0, "output as it was");
}

static int
answer(unsigned status, const char *body)
{
	return registry_error(status, span_str(body), "https://a.test/v2/x?signature=hidden", &e);
}

static void
test_errors(void)
{
	autobuf big = BUF(LIMIT_ERROR_BODY + 1);

	fails(answer(404, "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"no such\"},{}]}"),
	    ERR_IMAGE_NOTFOUND, "404");
	ok(strstr(e.msg, "https://a.test/v2/x: ") != NULL && strstr(e.msg, "404") != NULL &&
	    strstr(e.msg, "MANIFEST_UNKNOWN: no such") != NULL, "says it all: %s", e.msg);
	ok(strstr(e.msg, "hidden") == NULL, "without the query");
	fails(answer(401, "{}"), ERR_AUTH, "401");
	fails(answer(403, "{\"errors\":[]}"), ERR_AUTH, "403");
	fails(answer(500, ""), ERR_REGISTRY, "500");
	is_str(e.msg, "https://a.test/v2/x: HTTP status 500", "no body");
	fails(answer(429, "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\"}]}"), ERR_REGISTRY, "429");
	ok(strstr(e.msg, "TOOMANYREQUESTS") != NULL, "code alone");
	fails(answer(502, "<html>Bad Gateway</html>"), ERR_REGISTRY, "a web page");
	fails(answer(400, "{\"errors\":{\"code\":1}}"), ERR_REGISTRY, "of another shape");
	fails(answer(400, "{\"errors\":[7]}"), ERR_REGISTRY, "of another shape");
	fails(answer(400, "{\"errors\":[{\"code\":7,\"message\":null}]}"), ERR_REGISTRY, "other types");
	fails(answer(400, "[]"), ERR_REGISTRY, "no object");
	fails(answer(400, "{\"errors\":[{\"message\":\"a\\u001b[31m\\nb\"}]}"), ERR_REGISTRY, "hostile");
	ok(strchr(e.msg, '\x1b') == NULL && strchr(e.msg, '\n') == NULL, "is escaped: %s", e.msg);
	works(buf_reserve(&big, LIMIT_ERROR_BODY, &e), "room");
	memset(big.data, 'x', LIMIT_ERROR_BODY);
	memcpy(big.data, "{\"errors\":[{\"message\":\"", 23);
	memcpy(big.data + LIMIT_ERROR_BODY - 4, "\"}]}", 4);
	fails(registry_error(400, (struct span){ big.data, LIMIT_ERROR_BODY }, "u", &e), ERR_REGISTRY,
	    "a long message");
	ok(strstr(e.msg, "xxx") != NULL && strlen(e.msg) < 300, "is cut");
}

static void
answer_mutant(struct span body, void *arg)
{
	struct err err;

	(void)arg;
	assert(registry_error(400, body, "u", &err) == -ERR_REGISTRY);
}

int
main(void)
{
	test_urls();
	test_uploads();
	test_errors();
	ok(mutate(SPAN_LIT("{\"errors\":[{\"code\":\"A\",\"message\":\"b\\u00e4\"}]}"), 100,
	    answer_mutant, NULL) > 100, "mutants");
	return tap_done();
}
