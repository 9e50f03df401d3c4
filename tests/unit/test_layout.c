/* test_layout.c: finding an image in index.json. */
#include "lib/base.h"

#include "image/layout.h"

#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define HEX	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ENTRY(tag) "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"," \
	"\"digest\":\"sha256:" HEX "\",\"size\":7,\"annotations\":{\"org.opencontainers.image.ref.name\":\"" tag "\"}}"
#define INDEX(list) "{\"schemaVersion\":2,\"manifests\":[" list "]}"

static struct err e;

static int
find(const char *text, const char *tag, struct descriptor *out)
{
	return layout_find(span_str(text), tag, out, &e);
}

static void
try_mutant(struct span s, maybe_unused void *arg)
{
	struct descriptor d;
	struct err why;

	(void)(layout_find(s, "v1", &d, &why) < 0);
}

int
main(void)
{
	struct descriptor d = { .size = 42 };
	char path[160];

	works(find(INDEX(ENTRY("v1") "," ENTRY("v2")), "v2", &d), "by tag");
	is_int((long long)d.size, 7, "its size");
	is_str(d.digest.text, "sha256:" HEX, "its digest");
	layout_blob_path(&d.digest, path, sizeof(path));
	is_str(path, "blobs/sha256/" HEX, "where its blob lies");
	works(find(INDEX(ENTRY("v1")), "", &d), "the only one, without a tag");
	works(find(INDEX("7," ENTRY("v2")), "@1", &d), "by its place");
	d.size = 42;
	fails(find(INDEX(ENTRY("v1") "," ENTRY("v2")), "@2", &d), ERR_IMAGE_NOTFOUND, "a place behind the last");
	fails(find(INDEX(ENTRY("v1") "," ENTRY("v2")), "", &d), ERR_IMAGE, "which of two?");
	fails(find(INDEX(ENTRY("v1") "," ENTRY("v1")), "v1", &d), ERR_IMAGE, "a tag twice");
	fails(find(INDEX(ENTRY("v1")), "v", &d), ERR_IMAGE_NOTFOUND, "a tag that is not there");
	fails(find(INDEX(""), "", &d), ERR_IMAGE_NOTFOUND, "no image at all");
	fails(find("{}", "", &d), ERR_IMAGE, "no list");
	fails(find("[]", "", &d), ERR_IMAGE, "no object");
	fails(find("", "", &d), ERR_PARSE, "nothing");
	fails(find(INDEX("{\"digest\":\"sha256:x\",\"size\":1,\"mediaType\":\"a\"}"), "", &d), ERR_PARSE, "a bad digest");
	fails(find(INDEX("{\"digest\":\"sha256:" HEX "\",\"size\":-1,\"mediaType\":\"a\"}"), "", &d), ERR_PARSE, "a bad size");
	fails(find(INDEX("{\"digest\":\"sha256:" HEX "\",\"size\":1}"), "", &d), ERR_PARSE, "no media type");
	is_int((long long)d.size, 42, "failures leave the result alone");
	ok(mutate(SPAN_LIT(INDEX(ENTRY("v1"))), 64, try_mutant, NULL) > 500, "mutants");
	return tap_done();
}
