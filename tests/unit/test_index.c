/*
 * test_index.c: platforms, their variants, and the choice from an index.
 */
#include "lib/base.h"

#include "image/manifest.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define ZEROS	"000000000000000000000000000000000000000000000000000000000000000"
#define OCI_M	"application/vnd.oci.image.manifest.v1+json"
#define OCI_I	"application/vnd.oci.image.index.v1+json"
#define DOCKER_M "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_L "application/vnd.docker.distribution.manifest.list.v2+json"

/* An entry: n is one hex digit that tells it from the others. */
#define ENTRY_OF(type, n, more) \
	"{\"mediaType\":\"" type "\",\"digest\":\"sha256:" n ZEROS "\",\"size\":7" more "}"
#define PLATFORM(os, arch, more) \
	",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\"" more "}"
#define ENTRY(n, os, arch) ENTRY_OF(OCI_M, n, PLATFORM(os, arch, ""))
#define VARIANT(n, arch, v) ENTRY_OF(OCI_M, n, PLATFORM("linux", arch, ",\"variant\":\"" v "\""))
#define INDEX(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"

static struct err e;

/* Selects; gives the digit of the entry, or -err. */
static int
choose_as(const char *text, const char *content_type, const char *platform, bool *nested)
{
	struct descriptor d;
	struct platform want;
	int rc = platform_parse(span_str(platform), &want, &e);

	if (rc == 0)
		rc = index_select(span_str(text), content_type, &want, &d, nested, &e);
	return rc < 0 ? rc : d.digest.text[7];
}

static int
choose(const char *text, const char *platform)
{
	bool nested;

	return choose_as(text, "", platform, &nested);
}

static void
test_platform_parse(void)
{
	static const char *const bad[] = {
		"", "linux", "linux/", "/amd64", "linux//v7", "linux/arm/v7/x", "linux/arm/v 7",
		"Linux/amd64", "linux/amd64\n", "linux/arm/v0123456789012345",
		"linux/01234567890123456789012345678901",
	};
	struct platform p, host;
	char text[PLATFORM_TEXT];

	works(platform_parse(span_str("linux/amd64"), &p, &e), "two words");
	ok(strcmp(p.os, "linux") == 0 && strcmp(p.architecture, "amd64") == 0 &&
	    p.variant[0] == '\0', "what they are");
	platform_format(&p, text);
	is_str(text, "linux/amd64", "and back");
	works(platform_parse(span_str("linux/arm/v7"), &p, &e), "three words");
	is_str(p.variant, "v7", "variant");
	platform_format(&p, text);
	is_str(text, "linux/arm/v7", "and back");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(platform_parse(span_str(bad[i]), &p, &e), ERR_PARSE, "refused: \"%s\"", bad[i]);
	platform_host(&host);
	platform_format(&host, text);
	works(platform_parse(span_str(text), &p, &e), "this machine: %s", text);
	is_int(platform_rank(&host, &p), 0, "serves itself");
}

static void
test_ranks(void)
{
	/* Offers from best to worst, then "!" and those that will not do. */
	static const struct {
		const char *want, *offers[12];
	} cases[] = {
		{ "linux/arm/v7", { "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/arm",
		  "!", "linux/arm/v8", "linux/arm/v9", "linux/arm64", "windows/arm/v7" } },
		{ "linux/arm", { "linux/arm", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6",
		  "linux/arm/v5", "!", "linux/arm/v9" } },
		{ "linux/arm/v9", { "linux/arm/v9", "linux/arm", "!", "linux/arm/v8" } },
		{ "linux/arm64", { "linux/arm64", "!", "linux/arm64/v9", "linux/arm" } },
		{ "linux/arm64/v8", { "linux/arm64/v8", "!", "linux/arm64/v9" } },
		{ "linux/arm64/v9", { "linux/arm64/v9", "linux/arm64/v8", "!", "linux/arm64/v7" } },
		{ "linux/amd64", { "linux/amd64", "!", "linux/amd64/v2", "linux/amd64/v3",
		  "linux/386", "freebsd/amd64" } },
		{ "linux/amd64/v3", { "linux/amd64/v3", "linux/amd64/v2", "linux/amd64/v1", "!",
		  "linux/amd64/v4" } },
		{ "linux/s390x", { "linux/s390x", "!", "linux/s390x/v1" } },
		{ "linux/s390x/z14", { "linux/s390x/z14", "linux/s390x", "!", "linux/s390x/z15" } },
	};
	static const char *const equal[][2] = {
		{ "linux/arm64", "linux/arm64/v8" }, { "linux/amd64", "linux/amd64/v1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct platform want, offer;
		int last = -1;
		bool serves = true;

		works(platform_parse(span_str(cases[i].want), &want, &e), "want %s", cases[i].want);
		for (size_t k = 0; cases[i].offers[k] != NULL; k++) {
			const char *text = cases[i].offers[k];
			int rank;

			if (strcmp(text, "!") == 0) {
				serves = false;
				continue;
			}
			works(platform_parse(span_str(text), &offer, &e), "offer %s", text);
			rank = platform_rank(&offer, &want);
			ok(serves ? rank > last : rank == -1, "%s for %s: %d", text,
			    cases[i].want, rank);
			last = rank;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(equal); i++) {
		struct platform a, b;

		works(platform_parse(span_str(equal[i][0]), &a, &e), "%s", equal[i][0]);
		works(platform_parse(span_str(equal[i][1]), &b, &e), "%s", equal[i][1]);
		ok(platform_rank(&a, &b) == 0 && platform_rank(&b, &a) == 0, "mean the same");
	}
}

static void
test_choice(void)
{
	bool nested = true;

	is_int(choose(INDEX(ENTRY("1", "linux", "amd64") "," ENTRY("2", "linux", "arm64")),
	    "linux/arm64"), '2', "the platform decides");
	is_int(choose(INDEX(ENTRY("1", "linux", "amd64") "," ENTRY("2", "linux", "amd64")),
	    "linux/amd64"), '1', "the first among equals");
	is_int(choose(INDEX(VARIANT("1", "arm", "v5") "," VARIANT("2", "arm", "v7") ","
	    VARIANT("3", "arm", "v6")), "linux/arm/v7"), '2', "the best, not the first");
	is_int(choose(INDEX(VARIANT("1", "arm", "v5") "," ENTRY("2", "linux", "arm")),
	    "linux/arm/v7"), '1', "a variant before none");
	is_int(choose(INDEX(VARIANT("1", "arm64", "v8") "," ENTRY("2", "linux", "arm64")),
	    "linux/arm64"), '1', "arm64 is arm64/v8");
	is_int(choose(INDEX(ENTRY("1", "unknown", "unknown") "," ENTRY("2", "linux", "amd64")),
	    "linux/amd64"), '2', "unknown/unknown is passed over");
	is_int(choose(INDEX(ENTRY_OF(OCI_M, "1", PLATFORM("linux", "amd64", "")
	    ",\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"}") ","
	    ENTRY("2", "linux", "amd64")), "linux/amd64"), '2', "build records are passed over");
	is_int(choose(INDEX(ENTRY_OF(OCI_M, "1", PLATFORM("linux", "amd64", "")
	    ",\"artifactType\":\"a/b\"") "," ENTRY("2", "linux", "amd64")), "linux/amd64"), '2',
	    "artifacts are passed over");
	is_int(choose(INDEX(ENTRY_OF("application/x", "1", PLATFORM("linux", "amd64", "")) ","
	    ENTRY("2", "linux", "amd64")), "linux/amd64"), '2', "other types are passed over");
	is_int(choose_as(INDEX(ENTRY_OF(OCI_I, "1", PLATFORM("linux", "amd64", ""))), OCI_I,
	    "linux/amd64", &nested), '1', "an index in an index");
	ok(nested, "is said to be one");
	is_int(choose_as(INDEX(ENTRY_OF(DOCKER_L, "1", PLATFORM("linux", "amd64", ""))), OCI_I,
	    "linux/amd64", &nested), '1', "a docker list in an index");
	ok(nested, "is said to be one");
	is_int(choose_as(INDEX(ENTRY_OF(DOCKER_M, "1", PLATFORM("linux", "amd64", ""))), DOCKER_L,
	    "linux/amd64", &nested), '1', "docker");
	ok(!nested, "no index");
	is_int(choose(INDEX(ENTRY_OF(OCI_M, "1", "")), "linux/amd64"), '1',
	    "without platform, alone");
	is_int(choose(INDEX(ENTRY_OF(OCI_M, "1", ",\"platform\":null")), "linux/amd64"), '1',
	    "platform null, alone");
	is_int(choose(INDEX(ENTRY("3", "unknown", "unknown") "," ENTRY_OF(OCI_M, "1", "")),
	    "linux/amd64"), '1', "without platform, next to a build record");
	is_int(choose(INDEX(ENTRY_OF(OCI_M, "1", "") "," ENTRY("2", "linux", "amd64")),
	    "linux/amd64"), '2', "without platform, not alone");
}

static void
test_no_choice(void)
{
	fails(choose(INDEX(""), "linux/amd64"), ERR_IMAGE, "an empty index");
	fails(choose(INDEX(ENTRY_OF(OCI_M, "1", "") "," ENTRY_OF(OCI_M, "2", "")), "linux/amd64"),
	    ERR_IMAGE, "two without platform");
	fails(choose(INDEX(ENTRY_OF(OCI_M, "1", "") "," ENTRY("2", "linux", "arm64")),
	    "linux/amd64"), ERR_IMAGE, "without platform next to another one's");
	fails(choose(INDEX(ENTRY("1", "linux", "arm64") "," VARIANT("2", "arm", "v7") ","
	    ENTRY("3", "win\\u001bdows", "amd64")), "linux/amd64"), ERR_IMAGE, "nothing fits");
	ok(strstr(e.msg, "linux/arm64, linux/arm/v7, win\\x1bdows/amd64") != NULL,
	    "what there is, escaped: %s", e.msg);
	fails(choose(INDEX(ENTRY("1", "unknown", "unknown")), "linux/amd64"), ERR_IMAGE,
	    "only build records");
}

static void
test_bad(void)
{
	static const char *const bad[] = {
		"", "{", "[]", "{\"schemaVersion\":2,\"manifests\":{}}",
		"{\"schemaVersion\":2,\"manifests\":null}", "{\"manifests\":[]}",
		"{\"schemaVersion\":1,\"manifests\":[]}",
		"{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}",
		"{\"schemaVersion\":2,\"config\":{},\"layers\":[]}",
		INDEX("7"), INDEX("null"), INDEX("{}"),
		INDEX(ENTRY("1", "linux", "amd64") "," ENTRY("x", "linux", "amd64")),
		INDEX(ENTRY("1", "linux", "amd64") "," ENTRY_OF(OCI_M, "2", ",\"platform\":7")),
		INDEX(ENTRY("1", "linux", "amd64") "," ENTRY_OF(OCI_M, "2", ",\"platform\":{}")),
		INDEX(ENTRY("1", "linux", "amd64") ","
		    ENTRY_OF(OCI_M, "2", PLATFORM("linux", "arm", ",\"variant\":7"))),
		INDEX(ENTRY("1", "linux", "amd64") "," ENTRY_OF("text/x", "2", ",\"annotations\":7")),
	};
	struct descriptor d, before;
	struct platform want;
	bool nested;

	platform_host(&want);
	memset(&d, 0x5a, sizeof(d));
	memcpy(&before, &d, sizeof(d));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(index_select(span_str(bad[i]), "", &want, &d, &nested, &e), ERR_IMAGE,
		    "refused: %s", bad[i]);
	fails(choose_as(INDEX(ENTRY("1", "linux", "amd64")), OCI_M, "linux/amd64", &nested),
	    ERR_IMAGE, "an index sent as a manifest");
	ok(memcmp(&d, &before, sizeof(d)) == 0, "output as it was");
}

/* n entries for linux/aN */
static int
choose_of(size_t n, const char *platform)
{
	autobuf text = BUF(MIB(5));
	int rc = buf_add_str(&text, "{\"schemaVersion\":2,\"manifests\":[", &e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = buf_addf(&text, &e, "%s" ENTRY_OF(OCI_M, "1", PLATFORM("linux", "a%zu", "")),
		    i > 0 ? "," : "", i);
	if (rc == 0)
		rc = buf_add_str(&text, "]}", &e);
	return rc < 0 ? rc : choose(buf_str(&text), platform);
}

static void
test_limits(void)
{
	autobuf big = BUF(MIB(5));
	struct platform want;
	struct descriptor d;
	bool nested;

	platform_host(&want);
	is_int(choose_of(LIMIT_INDEX_ENTRIES, "linux/a999"), '1', "as many entries as may be");
	fails(choose_of(LIMIT_INDEX_ENTRIES + 1, "linux/a999"), ERR_LIMIT, "one more");
	fails(choose_of(200, "linux/amd64"), ERR_IMAGE, "none of many");
	ok(strstr(e.msg, "linux/a0, linux/a1,") != NULL && strstr(e.msg, ", ...") != NULL &&
	    strlen(e.msg) < 300, "the list is bounded: %s", e.msg);
	works(buf_reserve(&big, LIMIT_MANIFEST + 1, &e), "room");
	memset(big.data, ' ', LIMIT_MANIFEST + 1);
	fails(index_select((struct span){ big.data, LIMIT_MANIFEST + 1 }, "", &want, &d, &nested,
	    &e), ERR_LIMIT, "an index of more than 4 MiB");
}

static void
parse_mutant(struct span text, void *arg)
{
	struct platform want = { "linux", "arm", "v7" };
	struct descriptor d;
	struct err ignored;
	bool nested;

	(void)arg;
	if (index_select(text, "", &want, &d, &nested, &ignored) == 0)
		assert(d.annotations.doc == NULL);
}

static int
parse_once(void *arg, struct err *err)
{
	struct platform want = { "linux", "amd64", "" };
	struct descriptor d;
	bool nested;

	return index_select(span_str(arg), "", &want, &d, &nested, err);
}

int
main(void)
{
	static char text[] = INDEX(VARIANT("1", "arm", "v5") "," ENTRY("2", "linux", "amd64"));

	test_platform_parse();
	test_ranks();
	test_choice();
	test_no_choice();
	test_bad();
	test_limits();
	ok(mutate(span_str(text), 400, parse_mutant, NULL) > 1000, "mutants");
	ok(fault_each(FAULT_ALLOC, 0, false, parse_once, text) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	return tap_done();
}
