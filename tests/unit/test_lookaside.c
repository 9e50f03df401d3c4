/*
 * test_lookaside.c: registries.d in one file and in several, what is no good in it, and where signatures are then looked for.
 */
#include "lib/base.h"
#include "image/lookaside.h"

#include <fcntl.h>

#include "lib/fs.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define UPSTREAM "tests/vectors/image/upstream/sigstore_config/"
#define HEX64	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"

static struct err e;

static struct lookaside *
fresh(void)
{
	struct lookaside *l;

	if (lookaside_new(&l, &e) < 0)
		abort();
	return l;
}

static const char *
base_for(const struct lookaside *l, const char *name)
{
	struct image_ref ref;

	if (image_ref_parse(span_str(name), &ref, &e) < 0)
		abort();
	return lookaside_base(l, &ref);
}

static void
test_good(void)
{
	static const char *const good[] = {
		"", "# nothing\n", "---\n", "null\n", "{}\n", "docker:\n", "docker: {}\n", "default-docker: ~\n",
		"default-docker:\n  sigstore: null\n", "docker:\n  example.com: null\n",
		"docker: {example.com: {lookaside: https://host/dir}}", "{\"docker\": {\"example.com\": {\"sigstore\": \"file:///x\"}}}",
		("docker:\n  example.com:\n    sigstore-staging: file:///w\n    use-sigstore-attachments: true\n"
		"    other: [1, {a: [b]}]\n    lookaside: http://host:8080/dir\n"),
		"docker:\r\n  example.com:\r\n    lookaside: https://localhost:5000\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct lookaside *l = fresh();

		works(lookaside_add(l, span_str(good[i]), &e), "good %zu", i);
		lookaside_free(l);
	}
}

static void
test_bad(void)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "docker.io/test:\n  sigstore: file:///x\n", "margin" },
		{ "docker:\ndocker.io/test:\n  sigstore: file:///x\n", "line 2: docker.io/test: only" },
		{ "docker:\n  docker.io/test/:\n    sigstore: file:///x\n", "ends in /" },
		{ "docker:\n  busybox:\n    sigstore: file:///x\n", "line 2: the scope busybox" },
		{ "docker:\n  \"\":\n    sigstore: file:///x\n", "empty" },
		{ "docker:\n  a.b: x\n", "section" }, { "docker: x\n", "scopes are wanted" }, { "docker: []\n", "scopes are wanted" },
		{ "x", "default-docker or docker" }, { "[]", "default-docker or docker" }, { "default-docker: []", "section" },
		{ "default-docker:\n  sigstore: x\n", "https://" }, { "default-docker:\n  sigstore: ftp://x\n", "https://" },
		{ "default-docker:\n  sigstore: file://x/y\n", "absolute" }, { "default-docker:\n  sigstore: file:///x/../y\n", ".." },
		{ "default-docker:\n  sigstore: file:///x/..\n", ".." }, { "default-docker:\n  sigstore: https:///x\n", "no host" },
		{ "default-docker:\n  sigstore: https://user@host/x\n", "character" },
		{ "default-docker:\n  sigstore: https://host/x%2e\n", "character" },
		{ "default-docker:\n  sigstore: https://host/x?y\n", "character" },
		{ "default-docker:\n  sigstore: \"https://host/x y\"\n", "character" },
		{ "default-docker:\n  sigstore: [a]\n", "URL is wanted" },
		{ "default-docker:\n  sigstore: file:///x\n  sigstore: file:///x\n", "twice" },
		{ "default-docker:\n  lookaside: file:///x\n  lookaside: file:///x\n", "twice" },
		{ "default-docker:\n  sigstore: file:///x\ndefault-docker:\n  sigstore: file:///x\n", "twice" },
		{ "docker:\n  a.b:\n    sigstore: file:///x\n  a.b:\n    sigstore: file:///x\n", "a.b stands there twice" },
		{ "docker:\ndocker:\n", "twice" }, { "{}\n---\n{}\n", "another document" },
		{ "a: &a\n  x: *a\n", "margin" }, { "default-docker: &a\n  sigstore: file:///x\n", "anchors" },
		{ "default-docker:\n  sigstore: !!str file:///x\n", "anchors" }, { "default-docker: *a\n", "anchors" },
		{ "docker: {", NULL }, { "\tdocker:", NULL }, { "docker:\n a.b:\n   x: 1\n  y: 2\n", NULL }, { "\xff\xfe", NULL },
		{ "default-docker:\n  sigstore: \"file:///x\\0y\"\n", "too long" }, { "default-docker:\n  [a]: b\n", "name of a member" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct lookaside *l = fresh();

		fails(lookaside_add(l, span_str(bad[i].text), &e), ERR_CONFIG, "bad %zu", i);
		ok(strstr(e.msg, "line ") != NULL && (bad[i].says == NULL || strstr(e.msg, bad[i].says) != NULL), "bad %zu: %s", i,
		    e.msg);
		is_str(base_for(l, "a.b/c"), LOOKASIDE_DEFAULT, "bad %zu: nothing was added", i);
		lookaside_free(l);
	}
}

static void
test_large(void)
{
	struct lookaside *l = fresh();
	autobuf text = BUF(MIB(4));
	int rc = buf_add_str(&text, "docker:\n", &e);

	for (int i = 0; i < 1025 && rc == 0; i++)
		rc = buf_addf(&text, &e, "  a%d.b:\n    sigstore: file:///x\n", i);
	fails(rc < 0 ? rc : lookaside_add(l, buf_span(&text), &e), ERR_CONFIG, "too many scopes");
	ok(strstr(e.msg, "1024") != NULL, "it is said: %s", e.msg);
	if (buf_reserve(&text, LIMIT_TOML, &e) < 0)
		abort();
	text.len += LIMIT_TOML;
	fails(lookaside_add(l, buf_span(&text), &e), ERR_CONFIG, "too large");
	buf_reset(&text);
	for (int i = 0; i < 20000 && rc == 0; i++)
		rc = buf_add_str(&text, "[", &e);
	fails(lookaside_add(l, buf_span(&text), &e), ERR_CONFIG, "too deep");
	lookaside_free(l);
}

static void
add_file(struct lookaside *l, const char *name, bool good)
{
	autobuf text = BUF(KIB(64));
	char path[256];

	snprintf(path, sizeof(path), UPSTREAM "%s", name);
	if (fs_read_file(AT_FDCWD, path, &text, &e) < 0)
		abort();
	if (good)
		works(lookaside_add(l, buf_span(&text), &e), "%s", name);
}

static void
test_merge(void)
{
	static const char *const names[] = { "example.com/a:1", "example1.com/a", "example2.com/a", "other.com/a" };
	char one[64], two[64], merged[64];
	struct lookaside *l;

	for (int c = 1; c <= 3; c++) {
		struct lookaside *parts = fresh(), *whole = fresh();

		snprintf(one, sizeof(one), "test_case_%d/1.yaml", c);
		snprintf(two, sizeof(two), "test_case_%d/2.yaml", c);
		snprintf(merged, sizeof(merged), "merged_result/res%d.yaml", c);
		add_file(parts, one, true);
		add_file(parts, two, true);
		add_file(whole, merged, true);
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			is_str(base_for(parts, names[i]), base_for(whole, names[i]), "case %d: %s", c, names[i]);
		lookaside_free(parts);
		lookaside_free(whole);
	}
	l = fresh();
	works(lookaside_add(l, SPAN_LIT("default-docker:\n  sigstore: file:///a\n"), &e), "one file");
	fails(lookaside_add(l, SPAN_LIT("docker:\n  a.b:\n    sigstore: file:///x\ndefault-docker:\n  sigstore: file:///b\n"), &e),
	    ERR_CONFIG, "another says otherwise");
	is_str(base_for(l, "a.b/c"), "file:///a", "and nothing of it was added");
	lookaside_free(l);
}

static void
test_lookup(void)
{
	static const struct {
		const char *name, *base;
	} cases[] = {
		{ "r.example.com:5000/ns/app:v1", "file:///tag" },
		{ "r.example.com:5000/ns/app:v2", "file:///app" },
		{ "r.example.com:5000/ns/app@sha256:" HEX64, "file:///digest" },
		{ "r.example.com:5000/ns/app:v1@sha256:" HEX64, "file:///digest" },
		{ "r.example.com:5000/ns/sub/deep:v1", "file:///ns" },
		{ "r.example.com:5000/nsx/app", "file:///host" },
		{ "r.example.com:5000/app", "file:///host" },
		{ "r.example.com/app", "file:///wild" },
		{ "r.example.com:5001/app", "file:///wild" },
		{ "a.b.example.com/app", "file:///wild" },
		{ "example.com/app", "file:///default" },
		{ "r.example.com:5000/null/app", "file:///host" },
		{ "busybox", "file:///hub" },
		{ "docker.io/other/x", "file:///default" },
		{ "new.example.org/x", "file:///both" },
	};
	static const char text[] =
	    "default-docker:\n  sigstore: file:///default\n"
	    "docker:\n"
	    "  r.example.com:5000/ns/app:v1:\n    sigstore: file:///tag\n"
	    "  r.example.com:5000/ns/app@sha256:" HEX64 ":\n    sigstore: file:///digest\n"
	    "  r.example.com:5000/ns/app:\n    sigstore: file:///app\n"
	    "  r.example.com:5000/ns:\n    sigstore: file:///ns\n"
	    "  r.example.com:5000/null:\n    sigstore-staging: file:///write\n"
	    "  r.example.com:5000/null/app:\n"
	    "  r.example.com:5000:\n    sigstore: file:///host\n"
	    "  \"*.example.com\":\n    sigstore: file:///wild\n"
	    "  \"*.com\":\n"
	    "  docker.io/library:\n    sigstore: file:///hub\n"
	    "  new.example.org:\n    sigstore: file:///old\n    lookaside: file:///both\n";
	struct lookaside *l = fresh();

	is_str(base_for(l, "a.b/c"), LOOKASIDE_DEFAULT, "without a file");
	works(lookaside_add(l, SPAN_LIT(text), &e), "a file with every kind of scope");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		is_str(base_for(l, cases[i].name), cases[i].base, "%s", cases[i].name);
	lookaside_free(l);
}

static void
test_url(void)
{
	autobuf url = BUF(KIB(4)), small = BUF(20);
	struct image_ref ref;
	struct digest d;

	works(image_ref_parse(SPAN_LIT("docker.io/test/busybox:sig-test"), &ref, &e), "name");
	works(digest_parse(SPAN_LIT("sha256:" HEX64), &d, &e), "digest");
	works(lookaside_url(LOOKASIDE_DEFAULT, &ref, &d, 1, &url, &e), "url");
	is_str(buf_str(&url), "file:///var/lib/containers/sigstore/test/busybox@sha256=" HEX64 "/signature-1", "of the first signature");
	buf_reset(&url);
	works(lookaside_url("https://host/dir//", &ref, &d, 128, &url, &e), "url");
	is_str(buf_str(&url), "https://host/dir/test/busybox@sha256=" HEX64 "/signature-128", "slashes at the end do not count");
	fails(lookaside_url("https://host", &ref, &d, 1, &small, &e), ERR_LIMIT, "no room");
}

static void
mutant(struct span text, maybe_unused void *arg)
{
	struct lookaside *l = fresh();
	struct err ignored;

	(void)(lookaside_add(l, text, &ignored) < 0);
	(void)base_for(l, "example.com/a");
	lookaside_free(l);
}

static const char sample[] = "default-docker: {sigstore: 'file:///a'}\ndocker:\n  example.com:\n    lookaside: \"https://h/x\"\n    o: [1]\n";

static int
run_all(maybe_unused void *arg, struct err *err)
{
	struct lookaside *l;
	int rc = lookaside_new(&l, err);

	if (rc < 0)
		return rc;
	rc = lookaside_add(l, SPAN_LIT(sample), err);
	lookaside_free(l);
	return rc;
}

int
main(void)
{
	test_good();
	test_bad();
	test_large();
	test_merge();
	test_lookup();
	test_url();
	ok(mutate(SPAN_LIT(sample), sizeof(sample), mutant, NULL) > 1000, "mutants");
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, run_all, NULL) > 3, "each allocation fails in turn");
	return tap_done();
}
