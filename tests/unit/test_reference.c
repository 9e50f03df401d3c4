/*
 * test_reference.c: grammar and normalisation of image names.
 */
#include "lib/base.h"

#include "image/reference.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define HEX64	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"
#define SHA256	"sha256:" HEX64
#define SHA512	"sha512:" HEX64 HEX64

static struct err e;

static const struct {
	const char *text, *domain, *path, *tag, *digest, *name;
} good[] = {
	{ "busybox", "docker.io", "library/busybox", "latest", NULL,
	  "docker.io/library/busybox:latest" },
	{ "docker://busybox", "docker.io", "library/busybox", "latest", NULL,
	  "docker.io/library/busybox:latest" },
	{ "busybox:1.36", "docker.io", "library/busybox", "1.36", NULL,
	  "docker.io/library/busybox:1.36" },
	{ "docker.io/busybox", "docker.io", "library/busybox", "latest", NULL,
	  "docker.io/library/busybox:latest" },
	{ "index.docker.io/busybox", "docker.io", "library/busybox", "latest", NULL,
	  "docker.io/library/busybox:latest" },
	{ "index.docker.io/a/b", "docker.io", "a/b", "latest", NULL, "docker.io/a/b:latest" },
	{ "user/app", "docker.io", "user/app", "latest", NULL, "docker.io/user/app:latest" },
	{ "localhost/app", "localhost", "app", "latest", NULL, "localhost/app:latest" },
	{ "localhost:5000", "docker.io", "library/localhost", "5000", NULL,
	  "docker.io/library/localhost:5000" },
	{ "localhost:5000/app", "localhost:5000", "app", "latest", NULL,
	  "localhost:5000/app:latest" },
	{ "host:5000/ns/app:v1", "host:5000", "ns/app", "v1", NULL, "host:5000/ns/app:v1" },
	{ "Host.Example/app", "Host.Example", "app", "latest", NULL, "Host.Example/app:latest" },
	{ "127.0.0.1:5000/app:v1", "127.0.0.1:5000", "app", "v1", NULL,
	  "127.0.0.1:5000/app:v1" },
	{ "a.test/x@" SHA256, "a.test", "x", "", SHA256, "a.test/x@" SHA256 },
	{ "a.test/x@" SHA512, "a.test", "x", "", SHA512, "a.test/x@" SHA512 },
	{ "a.test/x:v1@" SHA256, "a.test", "x", "v1", SHA256, "a.test/x@" SHA256 },
	{ "busybox@" SHA256, "docker.io", "library/busybox", "", SHA256,
	  "docker.io/library/busybox@" SHA256 },
	{ "a.test/a_b/c__d/e-f/g---h/i.j", "a.test", "a_b/c__d/e-f/g---h/i.j", "latest", NULL,
	  "a.test/a_b/c__d/e-f/g---h/i.j:latest" },
	{ "docker:dind", "docker.io", "library/docker", "dind", NULL,
	  "docker.io/library/docker:dind" },
	{ "a.test/x:_under.Score-9", "a.test", "x", "_under.Score-9", NULL,
	  "a.test/x:_under.Score-9" },
	{ HEX64 ":v1", "docker.io", "library/" HEX64, "v1", NULL,
	  "docker.io/library/" HEX64 ":v1" },
	{ "test.com/" HEX64, "test.com", HEX64, "latest", NULL, "test.com/" HEX64 ":latest" },
	{ "docker://oci:1", "docker.io", "library/oci", "1", NULL, "docker.io/library/oci:1" },
	{ "a.test:65535/x", "a.test:65535", "x", "latest", NULL, "a.test:65535/x:latest" },
};

static const char *const bad[] = {
	"", ":justtag", "docker.io//library///repo:tag", "repo::tag", "repo/", "repo:tag/",
	"repo@@@" SHA256, "*:tag", "***/&/repo:tag", "@" SHA256, "repo@sha256:abcdef",
	"repo@" SHA256 "0", "repo@sha256:", "repo@md5:d41d8cd98f00b204e9800998ecf8427e",
	"repo@invalid:" HEX64, "repo@sha256:../../../../etc/passwd", "Uppercase:tag",
	"Uppercase/app", "test:5000/Uppercase/x:tag", "aa/asdf$$^/aa", HEX64, "docker://",
	"docker://" HEX64, "docker.io/", "/app", "a.test/app:", "a.test/app@", "repo@" SHA256 ":v1",
	"repo@SHA256:" HEX64, "a.test/-app", "a.test/app-", "a.test/a..b", "a.test/a___b",
	"a.test/a._b", "a.test/.a", "a.test/a.", "-a.test/x", "a-.test/x", "a..test/x",
	".test/x", "a.test./x", "a.test:/x", "a.test:80a/x", "a.test:0/x", "a.test:65536/x",
	"a.test:5000:5000/x", "[::1]:5000/x", "user@a.test/x", "a_b.test/x", "a.test/x:.v1",
	"a.test/x:-v1", "a.test/x:v 1", "a.test/x:v1\n", " busybox", "a.test/../x", "a.test/x y",
	"https://a.test/x", "http://a.test/x", "kbs:///a/b/c", "busyb\xc3\xb6x", "a.test/x%20",
	"a.test/x?y", "a.test/x#y", "a.test/x\\y",
};

static void
test_good(void)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct image_ref r;
		char name[LIMIT_REFERENCE + 1];

		memset(&r, 0, sizeof(r));
		works(image_ref_parse(span_str(good[i].text), &r, &e), "accepted: %s", good[i].text);
		is_str(r.domain, good[i].domain, "domain of %s", good[i].text);
		is_str(r.path, good[i].path, "path of %s", good[i].text);
		is_str(r.tag, good[i].tag, "tag of %s", good[i].text);
		is_int(r.has_digest, good[i].digest != NULL, "digest or not: %s", good[i].text);
		is_str(image_ref_wanted(&r), good[i].digest ? good[i].digest : good[i].tag,
		    "what is fetched for %s", good[i].text);
		image_ref_format(&r, name, sizeof(name));
		is_str(name, good[i].name, "full name of %s", good[i].text);
	}
}

static void
test_bad(void)
{
	struct image_ref r, before;

	memset(&r, 0x5a, sizeof(r));
	before = r;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(image_ref_parse(span_str(bad[i]), &r, &e), ERR_PARSE, "refused: \"%s\"", bad[i]);
	fails(image_ref_parse(SPAN_LIT("a.test/x\0y"), &r, &e), ERR_PARSE, "NUL in the path");
	fails(image_ref_parse(SPAN_LIT("a.test/x:v\0"), &r, &e), ERR_PARSE, "NUL in the tag");
	ok(memcmp(&r, &before, sizeof(r)) == 0, "a refused name leaves the output as it was");
}

static void
test_transports(void)
{
	static const char *const others[] = {
		"dir:/a", "docker-daemon:x:y", "containers-storage:x", "ostree:x@/y", "sif:x", "tarball:/x", "atomic:x/y",
	};
	struct image_ref r;
	char name[64];

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		fails(image_ref_parse(span_str(others[i]), &r, &e), ERR_UNSUPPORTED,
		    "known, not supported: %s", others[i]);
	ok(strstr(e.msg, "atomic:") != NULL, "the transport is named");
	works(image_ref_parse(span_str("tarball"), &r, &e), "a name without colon is no transport");

	works(image_ref_parse(span_str("oci:/srv/img"), &r, &e), "oci without tag");
	ok(r.transport == TRANSPORT_OCI && strcmp(r.dir, "/srv/img") == 0 && r.tag[0] == '\0',
	    "directory alone");
	image_ref_format(&r, name, sizeof(name));
	is_str(name, "oci:/srv/img", "its name");
	works(image_ref_parse(span_str("oci:img:v1"), &r, &e), "oci with tag");
	ok(strcmp(r.dir, "img") == 0 && strcmp(r.tag, "v1") == 0, "directory and tag");
	image_ref_format(&r, name, sizeof(name));
	is_str(name, "oci:img:v1", "its name");
	works(image_ref_parse(span_str("oci:img:"), &r, &e), "an empty tag is none");
	is_str(r.tag, "", "no tag");
	fails(image_ref_parse(span_str("oci:"), &r, &e), ERR_PARSE, "oci without directory");
	fails(image_ref_parse(span_str("oci::v1"), &r, &e), ERR_PARSE, "oci with a tag alone");
	works(image_ref_parse(span_str("oci:/a:b/c"), &r, &e), "the first colon ends the directory");
	ok(strcmp(r.dir, "/a") == 0 && strcmp(r.tag, "b/c") == 0, "also where a slash comes after it");
	fails(image_ref_parse(SPAN_LIT("oci:/a\0b"), &r, &e), ERR_PARSE, "NUL in the directory");
}

static void
test_layout_names(void)
{
	static const char *const fine[] = {
		"v1", "_x", "docker.io/library/busybox:v1", "a--b", "a+b", "a@b", "@0", "@17", "1..2",
	}, *const wrong[] = {
		"-a", "a//b", "/a", "a/", "a b", "@", "@x", "@-1", "@01", "@1001", "a:", "\xc3\xa4",
	};
	struct image_ref r;
	char name[300];

	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		snprintf(name, sizeof(name), "oci-archive:/a.tar:%s", fine[i]);
		works(image_ref_parse(span_str(name), &r, &e), "%s", name);
		is_str(r.tag, fine[i], "the name in it");
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		snprintf(name, sizeof(name), "oci-archive:/a.tar:%s", wrong[i]);
		fails(image_ref_parse(span_str(name), &r, &e), ERR_PARSE, "%s", name);
	}
	fails(image_ref_parse(SPAN_LIT("oci:/a:b/\0"), &r, &e), ERR_PARSE, "NUL in the name");
	snprintf(name, sizeof(name), "oci:/a:%0129d", 0);
	fails(image_ref_parse(span_str(name), &r, &e), ERR_PARSE, "a name of 129");
	name[strlen(name) - 1] = '\0';
	works(image_ref_parse(span_str(name), &r, &e), "a name of 128");
}

static void
test_archives(void)
{
	static const struct {
		const char *name, *domain, *path, *tag, *full;
	} fine[] = {
		{ "docker-archive:/x.tar", "", "", "", "docker-archive:/x.tar" },
		{ "docker-archive:/x.tar:", "", "", "", "docker-archive:/x.tar" },
		{ "docker-archive:x.tar:busybox", "docker.io", "library/busybox", "latest",
		  "docker-archive:x.tar:docker.io/library/busybox:latest" },
		{ "docker-archive:/x.tar:a.test:5000/y:v1", "a.test:5000", "y", "v1",
		  "docker-archive:/x.tar:a.test:5000/y:v1" },
		{ "docker-archive:/x.tar:@2", "", "", "@2", "docker-archive:/x.tar:@2" },
	};
	static const char *const wrong[] = {
		"docker-archive:", "docker-archive::x", "docker-archive:/x.tar:UPPER", "docker-archive:/x.tar:@",
		("docker-archive:/x.tar:a.test/x@sha256:"
		    "9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"),
	};
	struct image_ref r;
	char name[300];
	uint64_t n = 7;

	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		works(image_ref_parse(span_str(fine[i].name), &r, &e), "%s", fine[i].name);
		ok(r.transport == TRANSPORT_DOCKER_ARCHIVE && strcmp(r.domain, fine[i].domain) == 0 &&
		    strcmp(r.path, fine[i].path) == 0 && strcmp(r.tag, fine[i].tag) == 0, "its parts");
		image_ref_format(&r, name, sizeof(name));
		is_str(name, fine[i].full, "its full form");
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		fails(image_ref_parse(span_str(wrong[i]), &r, &e), ERR_PARSE, "refused: %s", wrong[i]);
	ok(image_ref_position("@12", &n) && n == 12, "a position");
	ok(!image_ref_position("12", &n) && !image_ref_position("", &n) && !image_ref_position("@1001", &n),
	    "no positions");
	is_str(image_ref_transport(TRANSPORT_DOCKER), "docker", "a transport's name");
	is_str(image_ref_transport(TRANSPORT_OCI_ARCHIVE), "oci-archive", "another's");
}

static void
test_host(void)
{
	struct image_ref r;

	works(image_ref_parse(span_str("busybox"), &r, &e), "docker.io");
	is_str(image_ref_host(&r), "registry-1.docker.io", "docker.io is a name, not a host");
	works(image_ref_parse(span_str("a.test:5000/x"), &r, &e), "other");
	is_str(image_ref_host(&r), "a.test:5000", "other hosts are what they are called");
}

/* "a.test/" and n times "x" */
static int
parse_long(size_t n, const char *suffix, struct image_ref *r)
{
	char text[2 * LIMIT_REFERENCE];

	memset(text, 'x', sizeof(text));
	memcpy(text, "a.test/", 7);
	snprintf(text + 7 + n, sizeof(text) - 7 - n, "%s", suffix);
	return image_ref_parse(span_str(text), r, &e);
}

static void
test_limits(void)
{
	struct image_ref r;
	char tag[131], text[4200];

	works(parse_long(248, "", &r), "a name of 255");
	is_int(strlen(r.domain) + 1 + strlen(r.path), 255, "it is whole");
	fails(parse_long(249, "", &r), ERR_PARSE, "a name of 256");
	fails(parse_long(LIMIT_REFERENCE - 6, "", &r), ERR_LIMIT, "longer than any name");
	memset(text, 'x', sizeof(text));
	text[238] = '\0';
	fails(image_ref_parse(span_str(text), &r, &e), ERR_PARSE, "256 with docker.io/library/");
	text[237] = '\0';
	works(image_ref_parse(span_str(text), &r, &e), "255 with docker.io/library/");

	memset(tag, 't', sizeof(tag));
	tag[0] = ':';
	tag[129] = '\0';
	works(parse_long(3, tag, &r), "a tag of 128");
	is_int(strlen(r.tag), 128, "it is whole");
	tag[129] = 't';
	tag[130] = '\0';
	fails(parse_long(3, tag, &r), ERR_PARSE, "a tag of 129");

	memset(text, 'x', sizeof(text));
	memcpy(text, "oci:", 4);
	text[4 + 4095] = '\0';
	works(image_ref_parse(span_str(text), &r, &e), "an oci directory of 4095");
	text[4 + 4095] = 'x';
	text[4 + 4096] = '\0';
	fails(image_ref_parse(span_str(text), &r, &e), ERR_PARSE, "an oci directory of 4096");
}

static void
parse_mutant(struct span text, void *arg)
{
	struct image_ref r, again;
	char name[5000];
	struct err ignored;

	if (image_ref_parse(text, &r, &ignored) < 0)
		return;
	/* Whatever is accepted has a full name that means the same. */
	image_ref_format(&r, name, sizeof(name));
	if (r.transport == TRANSPORT_DOCKER && (image_ref_parse_docker(span_str(name), &again,
	    &ignored) < 0 || strcmp(again.path, r.path) != 0 ||
	    strcmp(again.domain, r.domain) != 0))
		*(bool *)arg = false;
}

static void
test_mutants(void)
{
	bool stable = true;
	size_t n = mutate(SPAN_LIT("docker://a.test:5000/ns/app:v1@" SHA256), 100, parse_mutant,
	    &stable);

	n += mutate(SPAN_LIT("localhost/a__b:t"), 100, parse_mutant, &stable);
	n += mutate(SPAN_LIT("oci:/srv/x:v1"), 100, parse_mutant, &stable);
	ok(stable, "%zu mutants: refused, or the full name means the same", n);
}

int
main(void)
{
	test_good();
	test_bad();
	test_transports();
	test_layout_names();
	test_archives();
	test_host();
	test_limits();
	test_mutants();
	return tap_done();
}
