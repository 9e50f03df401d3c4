/*
 * test_registries.c: where images are looked for, and which tables are refused.
 */
#include "lib/base.h"

#include "image/registries.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define HEX64	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"
#define DIGEST	"@sha256:" HEX64

static struct err e;

/* The places of an image as text: "name name! …", with ! where plain http is allowed; "-" and the error's text. */
static const char *
places(const struct registries *t, const char *image)
{
	static char text[8192];
	static struct registry_place out[REGISTRY_MAX_PLACES];
	struct image_ref ref;
	size_t n = 77, len = 0;

	if (image_ref_parse(span_str(image), &ref, &e) < 0)
		abort();
	if (registries_places(t, &ref, out, &n, &e) < 0) {
		snprintf(text, sizeof(text), "-%s %s", n == 77 ? "" : "touched", err_name(e.code));
		return text;
	}
	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		char name[LIMIT_REFERENCE + 1];

		image_ref_format(&out[i].ref, name, sizeof(name));
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s", i > 0 ? " " : "",
		    name, out[i].insecure ? "!" : "");
	}
	return text;
}

/* One table, then pairs of an image and its places. */
static void
check(const char *name, const char *table, const char *const pairs[][2])
{
	autoregistries t = NULL;
	int rc = registries_parse(span_str(table), &t, &e);

	works(rc, "%s: the table", name);
	for (size_t i = 0; rc == 0 && pairs[i][0] != NULL; i++)
		is_str(places(t, pairs[i][0]), pairs[i][1], "%s: %s", name, pairs[i][0]);
}
#define CHECK(name, table, ...)	check(name, table, (const char *const[][2]){ __VA_ARGS__, { NULL } })

static void
no_table(void)
{
	is_str(places(NULL, "busybox"), "docker.io/library/busybox:latest", "no table");
	is_str(places(NULL, "a.test:5000/x:1" DIGEST), "a.test:5000/x" DIGEST, "no table, a digest");
	CHECK("empty", "",
	    { "busybox", "docker.io/library/busybox:latest" },
	    { "a.test/x:1", "a.test/x:1" },
	    { "oci:/x:1", "oci:/x:1" });
}

/* What other readers of this table make of these names. */
static void
common_ground(void)
{
	static const char table[] =
	    "unqualified-search-registries = [\"docker.io\", \"example1.com\"]\n"
	    "[[registry]]\nprefix = \"example.com/banned\"\nblocked = true\n"
	    "[[registry]]\nprefix = \"example.com/foo\"\ninsecure = false\nblocked = false\n"
	    "location = \"internal.example.com/bar\"\n"
	    "[[registry.mirror]]\nlocation = \"mirror-0.local/mirror-for-foo\"\n"
	    "[[registry.mirror]]\nlocation = \"mirror-1.local/mirrors/foo\"\ninsecure = true\n"
	    "[[registry]]\nlocation = \"docker.io\"\n"
	    "[[registry.mirror]]\nlocation = \"123456.mirror.example\"\n";

	CHECK("common", table,
	    { "example.com/banned/image:tag", "- CONFIG" },
	    { "example.com/banned:tag", "- CONFIG" },
	    { "example.com/no-banned/image:tag", "example.com/no-banned/image:tag" },
	    { "example.com/banned-suffix/image:tag", "example.com/banned-suffix/image:tag" },
	    { "bar:tag", "123456.mirror.example/library/bar:tag docker.io/library/bar:tag "
	      "example1.com/bar:tag" },
	    { "foo/bar:tag", "123456.mirror.example/foo/bar:tag docker.io/foo/bar:tag "
	      "example1.com/foo/bar:tag" },
	    { "docker.io/foo/bar:tag", "123456.mirror.example/foo/bar:tag docker.io/foo/bar:tag "
	      "example1.com/foo/bar:tag" },
	    { "example.com/foo/image:tag", "mirror-0.local/mirror-for-foo/image:tag "
	      "mirror-1.local/mirrors/foo/image:tag! internal.example.com/bar/image:tag" },
	    { "example.com/foo:tag", "mirror-0.local/mirror-for-foo:tag "
	      "mirror-1.local/mirrors/foo:tag! internal.example.com/bar:tag" },
	    { "example.com/foo/image:tag" DIGEST, "mirror-0.local/mirror-for-foo/image" DIGEST
	      " mirror-1.local/mirrors/foo/image" DIGEST "! internal.example.com/bar/image" DIGEST },
	    { "example.com/fo/image:tag", "example.com/fo/image:tag" },
	    { "other.example/x:1", "other.example/x:1" });
	ok(strstr(places(NULL, "x"), "docker.io") != NULL, "the caller's name stays");
}

static void
borders(void)
{
	CHECK("from the start", "[[registry]]\nlocation=\"a.test\"\nblocked=true\n",
	    { "evil.test/a.test/x", "evil.test/a.test/x:latest" },
	    { "xa.test/x", "xa.test/x:latest" },
	    { "a.test.evil.test/x", "a.test.evil.test/x:latest" },
	    { "b.a.test/x", "b.a.test/x:latest" },
	    { "a.test/x", "- CONFIG" },
	    { "A.Test/x", "- CONFIG" });
	CHECK("longest", "[[registry]]\nprefix=\"a.test/b\"\nlocation=\"long.test\"\n"
	    "[[registry]]\nprefix=\"a.test\"\nlocation=\"short.test\"\n"
	    "[[registry]]\nprefix=\"a.test/b/c:1\"\nlocation=\"tag.test/c\"\n"
	    "[[registry]]\nprefix=\"a.test/b/d" DIGEST "\"\nblocked=true\n"
	    "[[registry]]\nprefix=\"a.test/f:1\"\nblocked=true\n"
	    "[[registry]]\nprefix=\"a.test/e/\"\nlocation=\"slash.test/\"\n",
	    { "a.test/x", "short.test/x:latest" },
	    { "a.test/b/x", "long.test/x:latest" },
	    { "a.test/bx/x", "short.test/bx/x:latest" },
	    { "a.test/b/c:1", "tag.test/c:1" },
	    { "a.test/b/c:1" DIGEST, "tag.test/c" DIGEST },
	    { "a.test/b/c:11", "long.test/c:11" },
	    { "a.test/b/c/d:1", "long.test/c/d:1" },
	    { "a.test/b/c" DIGEST, "long.test/c" DIGEST },
	    { "a.test/b/d" DIGEST, "- CONFIG" },
	    { "a.test/b/d:1" DIGEST, "- CONFIG" },
	    { "a.test/b/d:1", "long.test/d:1" },
	    { "a.test/f:1" DIGEST, "- CONFIG" },
	    { "a.test/f:2", "short.test/f:2" },
	    { "a.test/e/x", "slash.test/x:latest" },
	    { "a.test/b", "- CONFIG" });		/* nothing is left of the name */
	CHECK("wildcard", "[[registry]]\nprefix=\"*.a.test\"\nlocation=\"any.test/in\"\ninsecure=true\n"
	    "[[registry]]\nprefix=\"*.b.a.test\"\nlocation=\"b.test\"\n"
	    "[[registry]]\nprefix=\"c.b.a.test\"\nlocation=\"exact.test\"\n"
	    "[[registry]]\nprefix=\"*.bad.test\"\nblocked=true\n"
	    "[[registry]]\nprefix=\"*.port.test:5000\"\nlocation=\"port.test\"\n",
	    { "x.a.test/y", "any.test/in/y:latest!" },
	    { "x.y.a.test/y", "any.test/in/y:latest!" },
	    { "x.A.TEST/y", "any.test/in/y:latest!" },
	    { "x.b.a.test/y", "b.test/y:latest" },
	    { "c.b.a.test/y", "exact.test/y:latest" },
	    { "a.test/y", "a.test/y:latest" },
	    { "xa.test/y", "xa.test/y:latest" },
	    { "x.a.test:5000/y", "x.a.test:5000/y:latest" },
	    { "x.a.test.evil.test/y", "x.a.test.evil.test/y:latest" },
	    { "evil.test/x.a.test/y", "evil.test/x.a.test/y:latest" },
	    { "x.bad.test/y", "- CONFIG" },
	    { "x.bad.test:5000/y", "- CONFIG" },
	    { "bad.test/y", "bad.test/y:latest" },
	    { "x.port.test:5000/y", "port.test/y:latest" },
	    { "x.port.test/y", "x.port.test/y:latest" });
}

static void
ports_and_http(void)
{
	CHECK("ports", "[[registry]]\nlocation=\"a.test\"\ninsecure=true\n"
	    "[[registry.mirror]]\nlocation=\"m.test\"\n"
	    "[[registry]]\nlocation=\"b.test:5000\"\ninsecure=true\n"
	    "[[registry]]\nlocation=\"no.test\"\nblocked=true\n"
	    "[[registry]]\nlocation=\"no.test:5000/yes\"\n"
	    "[[registry]]\nlocation=\"no2.test:5000\"\nblocked=true\n"
	    "[[registry]]\nprefix=\"c.test/x\"\ninsecure=true\n"
	    "[[registry]]\nprefix=\"d.test\"\nlocation=\"a.test\"\n",
	    { "a.test/x", "m.test/x:latest a.test/x:latest!" },
	    { "a.test:443/x", "a.test:443/x:latest" },
	    { "a.test:5000/x", "a.test:5000/x:latest" },
	    { "b.test:5000/x", "b.test:5000/x:latest!" },
	    { "b.test/x", "b.test/x:latest" },
	    { "b.test:50000/x", "b.test:50000/x:latest" },
	    { "no.test:5000/x", "- CONFIG" },
	    { "no.test:443/x", "- CONFIG" },
	    { "no.test:5000/yes/x", "no.test:5000/yes/x:latest" },
	    { "no2.test/x", "no2.test/x:latest" },
	    { "no2.test:5000/x", "- CONFIG" },
	    { "c.test/x", "c.test/x:latest!" },
	    { "c.test/y", "c.test/y:latest" },
	    { "d.test/x", "a.test/x:latest" });	/* insecure is the other rule's */
}

static void
search(void)
{
	CHECK("search", "unqualified-search-registries = [\"a.test\", \"localhost:5000\"]\n"
	    "[[registry]]\nlocation=\"localhost:5000\"\ninsecure=true\n"
	    "[[registry]]\nlocation=\"a.test/no\"\nblocked=true\n",
	    { "x", "a.test/x:latest localhost:5000/x:latest!" },
	    { "library/x:1", "a.test/x:1 localhost:5000/x:1!" },
	    { "library/x/y:1", "a.test/x/y:1 localhost:5000/x/y:1!" },
	    { "libraryx/y:1", "a.test/libraryx/y:1 localhost:5000/libraryx/y:1!" },
	    { "no/x:1" DIGEST, "localhost:5000/no/x" DIGEST "!" },
	    { "b.test/x", "b.test/x:latest" });
	CHECK("none", "unqualified-search-registries = []\n",
	    { "x", "- CONFIG" },
	    { "a.test/x", "a.test/x:latest" });
	CHECK("old name", "unqualified-search-registries = [\"index.docker.io\"]\n"
	    "[[registry]]\nlocation=\"index.docker.io\"\n[[registry.mirror]]\nlocation=\"m.test\"\n"
	    "[[registry]]\nprefix=\"docker.io/no\"\nblocked=true\n"
	    "[[registry]]\nprefix=\"a.test\"\nlocation=\"docker.io\"\n",
	    { "x", "m.test/library/x:latest docker.io/library/x:latest" },
	    { "no/x", "- CONFIG" },
	    { "a.test/x", "docker.io/library/x:latest" },
	    { "a.test/y/x", "docker.io/y/x:latest" });
}

static const struct {
	const char *table, *message;
} bad[] = {
	{ "x", "line 1: no = behind a key" },
	{ "a = 1.5", "line 1: floating-point numbers" },
	{ "x = 1", "line 1: the table of registries: unknown key \"x\"" },
	{ "[[registry]]\nlocation=\"a.test\"\nx=1", "line 3: registry: unknown key \"x\"" },
	{ "[[registry]]\nlocation=\"a.test\"\n[[registry.mirror]]\nlocation=\"b.test\"\nblocked=true",
	  "line 5: registry.mirror: unknown key \"blocked\"" },
	{ "[aliases]\n", "line 1: the table of registries: \"aliases\" is known to containers/image" },
	{ "credential-helpers=[]", "line 1: the table of registries: \"credential-helpers\" is known" },
	{ "short-name-mode=\"permissive\"", "line 1: the table of registries: \"short-name-mode\" is known" },
	{ "additional-layer-store-auth-helper=\"\"", "line 1: the table of registries: \"additional" },
	{ "[registries.search]\n", "line 1: the table of registries: \"registries\" is known" },
	{ "[[registry]]\nlocation=\"a.test\"\nmirror-by-digest-only=true",
	  "line 3: registry: \"mirror-by-digest-only\" is known" },
	{ "[[registry]]\nlocation=\"a.test\"\n[[registry.mirror]]\nlocation=\"b.test\"\n"
	  "pull-from-mirror=\"all\"", "line 5: registry.mirror: \"pull-from-mirror\" is known" },
	{ "unqualified-search-registries=\"a.test\"", "line 1: unqualified-search-registries must be an" },
	{ "unqualified-search-registries=[1]", "line 1: unqualified-search-registries must be a string" },
	{ "unqualified-search-registries=[\"a.test\",\"\"]", "line 1: unqualified-search-registries does" },
	{ "unqualified-search-registries=[\"a.test/x\"]", "line 1: unqualified-search-registries does" },
	{ "unqualified-search-registries=[\"internal\"]", "line 1: unqualified-search-registries begins" },
	{ "[registry]\nlocation=\"a.test\"", "line 1: registry must be an array of tables" },
	{ "registry=[1]", "line 1: registry must be a table" },
	{ "[[registry]]\n", "line 1: registry has neither prefix nor location" },
	{ "[[registry]]\nprefix=\"\"\nlocation=\"\"", "line 1: registry has neither prefix nor" },
	{ "[[registry]]\nprefix=1", "line 2: the prefix must be a string" },
	{ "[[registry]]\nlocation=\"a.test\"\ninsecure=\"yes\"", "line 3: insecure must be true or" },
	{ "[[registry]]\nlocation=\"a.test\"\nblocked=1", "line 3: blocked must be true or false" },
	{ "[[registry]]\nlocation=\"https://a.test\"", "line 2: the location does not begin with a host" },
	{ "[[registry]]\nlocation=\"internal/x\"", "line 2: the location begins with a host that has" },
	{ "[[registry]]\nprefix=\"x\"", "line 2: the prefix begins with a host that has neither" },
	{ "[[registry]]\nlocation=\"a.test//x\"", "line 2: the location has a path that is none" },
	{ "[[registry]]\nlocation=\"a.test/X\"", "line 2: the location has a path that is none" },
	{ "[[registry]]\nlocation=\"a.test/../x\"", "line 2: the location has a path that is none" },
	{ "[[registry]]\nlocation=\"a.test/x:1\"", "line 2: the location has *, a tag or a digest" },
	{ "[[registry]]\nlocation=\"a.test/x" DIGEST "\"", "line 2: the location has *, a tag or" },
	{ "[[registry]]\nlocation=\"*.a.test\"", "line 2: the location has *, a tag or a digest" },
	{ "[[registry]]\nprefix=\"a.test/x:\"", "line 2: the prefix has a malformed tag or digest" },
	{ "[[registry]]\nprefix=\"a.test/x@sha256:12\"", "line 2: the prefix has a malformed tag" },
	{ "[[registry]]\nprefix=\"a.test@sha256:12\"", "line 2: the prefix does not begin with" },
	{ "[[registry]]\nprefix=\"a.*.test\"", "line 2: the prefix does not begin with a host" },
	{ "[[registry]]\nprefix=\"*\"", "line 2: the prefix does not begin with a host" },
	{ "[[registry]]\nprefix=\"*.\"", "line 2: the prefix does not begin with a host" },
	{ "[[registry]]\nprefix=\"*./\"", "line 2: the prefix does not begin with a host" },
	{ "[[registry]]\nprefix=\"*.a.test/x\"", "line 2: the prefix has something behind a host" },
	{ "[[registry]]\nprefix=\"/\"", "line 2: the prefix does not begin with a host" },
	{ "[[registry]]\nprefix=\"a.test\\u0000\"", "line 2: the prefix holds a NUL" },
	{ "[[registry]]\nprefix=\"*.a.test\"\ninsecure=true", "line 1: registry is insecure for a host" },
	{ "[[registry]]\nlocation=\"a.test\"\n[[registry]]\nprefix=\"a.test\"\nlocation=\"b.test\"",
	  "line 3: registry has a prefix that was there before" },
	{ "[[registry]]\nlocation=\"a.test/x\"\n[[registry]]\nprefix=\"A.test/x/\"\n",
	  "line 3: registry has a prefix that was there before" },
	{ "[[registry]]\nlocation=\"docker.io\"\n[[registry]]\nprefix=\"index.docker.io\"\n",
	  "line 3: registry has a prefix that was there before" },
	{ "[[registry]]\nlocation=\"a.test\"\nmirror=1", "line 3: registry.mirror must be an array" },
	{ "[[registry]]\nlocation=\"a.test\"\nmirror=[\"b.test\"]", "line 3: registry.mirror must be a" },
	{ "[[registry]]\nlocation=\"a.test\"\n[[registry.mirror]]\n", "line 3: registry.mirror has no" },
	{ "[[registry]]\nlocation=\"a.test\"\n[[registry.mirror]]\nlocation=\"\"", "line 3: registry.mirror has" },
	{ "[[registry]]\nlocation=\"a.test\"\n[[registry.mirror]]\nlocation=\"*.b.test\"",
	  "line 4: the mirror's location has *" },
};

static void
bad_tables(void)
{
	static const char before[] = "registry configuration: ";

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct registries *t = NULL;
		int rc = registries_parse(span_str(bad[i].table), &t, &e);

		if (!ok(rc == -ERR_CONFIG && t == NULL &&
		    strncmp(e.msg, before, strlen(before)) == 0 &&
		    strncmp(e.msg + strlen(before), bad[i].message, strlen(bad[i].message)) == 0,
		    "refused: %zu", i))
			printf("# %zu: %d %s\n", i, rc, e.msg);
		registries_free(t);
	}
}

/* A table with n mirrors, or n search registries. */
static struct registries *
table_of(const char *start, const char *each, size_t n, const char *end)
{
	autobuf text = BUF(1 << 16);
	struct registries *t = NULL;
	int rc = buf_add_str(&text, start, &e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = buf_add_str(&text, each, &e);
	if (rc == 0)
		rc = buf_add_str(&text, end, &e);
	if (rc == 0)
		rc = registries_parse(buf_span(&text), &t, &e);
	return rc == 0 ? t : NULL;
}

static size_t
count_places(const struct registries *t, const char *image)
{
	const char *text = places(t, image);
	size_t n = text[0] != '-';

	for (; *text != '\0'; text++)
		n += *text == ' ';
	return n;
}

static void
limits(void)
{
	static const char rule[] = "[[registry]]\nlocation=\"a.test\"\n";
	static const char mirror[] = "[[registry.mirror]]\nlocation=\"m.test\"\n";
	static const char list[] = "unqualified-search-registries=[";
	char name[600], path[256];
	struct registries *t;

	t = table_of(rule, mirror, REGISTRY_MAX_PLACES - 1, "");
	is_int(count_places(t, "a.test/x"), REGISTRY_MAX_PLACES, "as many mirrors as may be");
	registries_free(t);
	ok(table_of(rule, mirror, REGISTRY_MAX_PLACES, "") == NULL, "one more");
	t = table_of(list, "\"s.test\",", REGISTRY_MAX_PLACES, "]");
	is_int(count_places(t, "x"), REGISTRY_MAX_PLACES, "as many search registries as may be");
	registries_free(t);
	ok(table_of(list, "\"s.test\",", REGISTRY_MAX_PLACES + 1, "]") == NULL, "one more");
	t = table_of("unqualified-search-registries=[\"a.test\",\"a.test\"]\n[[registry]]\n"
	    "location=\"a.test\"\n", mirror, 8, "");
	is_str(places(t, "x"), "- CONFIG", "mirrors of several search registries: too many places");
	registries_free(t);

	memset(path, 'p', 240);
	path[240] = '\0';
	snprintf(name, sizeof(name), "[[registry]]\nprefix=\"a.test\"\nlocation=\"%s.test\"\n", "long-name-of-a-host");
	t = table_of(name, "", 0, "");
	snprintf(name, sizeof(name), "a.test/%s", path);
	is_str(places(t, name), "- CONFIG", "a name that gets too long");
	ok(strstr(e.msg, "line 1") != NULL && strstr(e.msg, "255") != NULL, "says why");
	registries_free(t);
	ok(table_of("[[registry]]\nprefix=\"a.test/", path, 3, "\"\n") == NULL &&
	    strstr(e.msg, "is too long") != NULL, "a long prefix");
	registries_free(NULL);
}

static const char sample[] = "unqualified-search-registries=[\"docker.io\",\"s.test\"]\n"
    "[[registry]]\nprefix=\"*.a.test\"\nlocation=\"b.test/x\"\n[[registry.mirror]]\n"
    "location=\"m.test:1\"\ninsecure=true\n[[registry]]\nprefix=\"docker.io/no/x:1\"\nblocked=true\n";

static int
parse_sample(void *arg, struct err *err)
{
	autoregistries t = NULL;

	(void)arg;
	return registries_parse(SPAN_LIT(sample), &t, err);
}

static void
parse_mutant(struct span text, void *arg)
{
	autoregistries t = NULL;
	int rc = registries_parse(text, &t, &e);

	if (rc > 0 || (rc == 0) != (t != NULL))
		*(size_t *)arg += 1;
	if (rc == 0)
		(void)places(t, "no/x:1");
}

static void
hardship(void)
{
	size_t wrong = 0;

	ok(fault_each(FAULT_ALLOC, ENOMEM, false, parse_sample, NULL) > 3, "no memory at each place");
	ok(mutate(SPAN_LIT(sample), SIZE_MAX, parse_mutant, &wrong) > 2000, "mutants are tried");
	is_int(wrong, 0, "each is a table or an error");
}

static void
messages(void)
{
	autoregistries t = NULL;

	works(registries_parse(SPAN_LIT("\n[[registry]]\nprefix=\"*.a.test\"\nblocked=true\n"), &t, &e),
	    "a table");
	(void)places(t, "x.a.test/y");
	is_str(e.msg, "registry configuration: x.a.test/y: blocked by the registry of line 2, prefix "
	    "\"*.a.test\"", "says who blocks");
}

int
main(void)
{
	no_table();
	common_ground();
	borders();
	ports_and_http();
	search();
	bad_tables();
	limits();
	hardship();
	messages();
	return tap_done();
}
