/*
 * test_simple_signing.c: the form of payloads, the rules of identity against each other and against the vectors,
 * whose verdicts are those of containers/image.
 */
#include "lib/base.h"

#include "image/simple_signing.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/signed.h"
#include "tests/lib/tap.h"

#define HEX	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"
#define HEX2	"0000000000000000000000000000000000000000000000000000000000000000"
#define IMAGE	"\"image\":{\"docker-manifest-digest\":\"sha256:" HEX "\"}"
#define NAMED	"\"identity\":{\"docker-reference\":\"a.test/x:v1\"}"
#define TYPE	"\"type\":\"atomic container signature\""
#define CRITICAL "\"critical\":{" TYPE "," IMAGE "," NAMED "}"
#define GOOD	"{" CRITICAL ",\"optional\":{\"creator\":\"me\",\"timestamp\":1700000000}}"
#define COSIGN	"{\"critical\":{\"type\":\"cosign container image signature\"," IMAGE "," NAMED "},\"optional\":null}"

static struct err e;

static void
test_good_payloads(void)
{
	static const char *const good[] = {
		GOOD, " \n" GOOD "\r\n\t", "{" CRITICAL ",\"optional\":{}}",
		"{\"optional\":{\"x\":[{}],\"timestamp\":-5}," CRITICAL "}",
		"{" CRITICAL ",\"optional\":{\"timestamp\":0,\"creator\":\"\"}}",
		"{\"critical\":{" NAMED "," IMAGE "," TYPE "},\"optional\":{}}",
	};
	struct payload p;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		memset(&p, 0, sizeof(p));
		works(payload_parse(span_str(good[i]), PAYLOAD_GPG, &p, &e), "good: %s", good[i]);
		is_str(p.digest.text, "sha256:" HEX, "digest");
		is_str(p.reference, "a.test/x:v1", "reference");
	}
	works(payload_parse(span_str(COSIGN), PAYLOAD_COSIGN, &p, &e), "cosign's, optional null");
	fails(payload_parse(span_str(COSIGN), PAYLOAD_GPG, &p, &e), ERR_PARSE, "cosign's type is not gpg's");
	fails(payload_parse(span_str(GOOD), PAYLOAD_COSIGN, &p, &e), ERR_PARSE, "gpg's type is not cosign's");
}

static void
test_bad_payloads(void)
{
	static const char *const bad[] = {
		"", "{}", "[]", "null", "x", GOOD "{}", GOOD ",", "\xef\xbb\xbf" GOOD,
		"{" CRITICAL "}", "{\"optional\":{}}", "{" CRITICAL ",\"optional\":null}",
		"{" CRITICAL ",\"optional\":[]}", "{" CRITICAL ",\"optional\":{},\"x\":1}",
		"{" CRITICAL "," CRITICAL ",\"optional\":{}}", "{\"critical\":[],\"optional\":{}}",
		"{\"Critical\":{" TYPE "," IMAGE "," NAMED "},\"optional\":{}}",
		"{\"critical\":{" TYPE "," IMAGE "," NAMED ",\"x\":1},\"optional\":{}}",
		"{\"critical\":{" IMAGE "," NAMED "},\"optional\":{}}",
		"{\"critical\":{" TYPE "," NAMED "},\"optional\":{}}",
		"{\"critical\":{" TYPE "," IMAGE "},\"optional\":{}}",
		"{\"critical\":{" TYPE "," TYPE "," IMAGE "," NAMED "},\"optional\":{}}",
		"{\"critical\":{\"type\":\"atomic\"," IMAGE "," NAMED "},\"optional\":{}}",
		"{\"critical\":{\"type\":7," IMAGE "," NAMED "},\"optional\":{}}",
		"{\"critical\":{" TYPE ",\"image\":7," NAMED "},\"optional\":{}}",
		"{\"critical\":{" TYPE ",\"image\":{}," NAMED "},\"optional\":{}}",
		"{\"critical\":{" TYPE ",\"image\":{\"docker-manifest-digest\":7}," NAMED "},\"optional\":{}}",
		"{\"critical\":{" TYPE ",\"image\":{\"docker-manifest-digest\":\"sha256:zz\"}," NAMED
		    "},\"optional\":{}}",
		"{\"critical\":{" TYPE ",\"image\":{\"docker-manifest-digest\":\"sha256:" HEX "\",\"x\":1}," NAMED
		    "},\"optional\":{}}",
		"{\"critical\":{" TYPE "," IMAGE ",\"identity\":{}},\"optional\":{}}",
		"{\"critical\":{" TYPE "," IMAGE ",\"identity\":{\"docker-reference\":7}},\"optional\":{}}",
		"{\"critical\":{" TYPE "," IMAGE ",\"identity\":{\"docker-reference\":\"a\",\"x\":1}},"
		    "\"optional\":{}}",
		"{\"critical\":{" TYPE "," IMAGE ",\"identity\":{\"docker-reference\":\"a\\u0000b\"}},"
		    "\"optional\":{}}",
		"{" CRITICAL ",\"optional\":{\"creator\":7}}", "{" CRITICAL ",\"optional\":{\"creator\":null}}",
		"{" CRITICAL ",\"optional\":{\"timestamp\":\"1\"}}", "{" CRITICAL ",\"optional\":{\"timestamp\":1.5}}",
		"{" CRITICAL ",\"optional\":{\"timestamp\":1e3}}", "{" CRITICAL ",\"optional\":{\"timestamp\":null}}",
		"{" CRITICAL ",\"optional\":{\"creator\":\"a\",\"creator\":\"b\"}}",
	};
	struct payload p = { .reference = "as it was" };
	char big[2048], name[LIMIT_REFERENCE + 2];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(payload_parse(span_str(bad[i]), PAYLOAD_GPG, &p, &e), ERR_PARSE, "bad: %s", bad[i]);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(big, sizeof(big), "{\"critical\":{" TYPE "," IMAGE ",\"identity\":{\"docker-reference\":\"%s\"}},"
	    "\"optional\":{}}", name);
	ok(payload_parse(span_str(big), PAYLOAD_GPG, &p, &e) < 0, "a name longer than any");
	is_str(p.reference, "as it was", "output as it was");
}

/* The rule of "type", perhaps with one or two more members. */
static int
parse_rule(const char *text, struct identity *out)
{
	autojson doc = NULL;
	int rc = json_parse(span_str(text), &doc, &e);

	return rc < 0 ? rc : identity_parse(json_root(doc), out, &e);
}

static void
test_rules_form(void)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "{\"type\":\"matchExact\"}", true },
		{ "{\"type\":\"matchRepository\"}", true },
		{ "{\"type\":\"matchRepoDigestOrExact\"}", true },
		{ "{\"type\":\"exactReference\",\"dockerReference\":\"a.test/x:v1\"}", true },
		{ "{\"type\":\"exactReference\",\"dockerReference\":\"a.test/x@sha256:" HEX "\"}", true },
		{ "{\"type\":\"exactReference\",\"dockerReference\":\"a.test/x\"}", false },
		{ "{\"type\":\"exactReference\",\"dockerReference\":\"\"}", false },
		{ "{\"type\":\"exactReference\",\"dockerReference\":\"A.test/X:v1\"}", false },
		{ "{\"type\":\"exactReference\"}", false },
		{ "{\"type\":\"exactReference\",\"dockerRepository\":\"a.test/x\"}", false },
		{ "{\"type\":\"exactRepository\",\"dockerRepository\":\"a.test/x\"}", true },
		{ "{\"type\":\"exactRepository\",\"dockerRepository\":\"a.test/x:v1\"}", true },
		{ "{\"type\":\"exactRepository\",\"dockerRepository\":7}", false },
		{ "{\"type\":\"exactRepository\"}", false },
		{ "{\"type\":\"remapIdentity\",\"prefix\":\"a.test:5000\",\"signedPrefix\":\"b\"}", true },
		{ "{\"type\":\"remapIdentity\",\"prefix\":\"a.test/x\",\"signedPrefix\":\"b/y/z\"}", true },
		{ "{\"type\":\"remapIdentity\",\"prefix\":\"a.test/x:v1\",\"signedPrefix\":\"b\"}", false },
		{ "{\"type\":\"remapIdentity\",\"prefix\":\"a.test\",\"signedPrefix\":\"b/y@sha256:" HEX "\"}", false },
		{ "{\"type\":\"remapIdentity\",\"prefix\":\"a.test/\",\"signedPrefix\":\"b\"}", false },
		{ "{\"type\":\"remapIdentity\",\"prefix\":\"\",\"signedPrefix\":\"b\"}", false },
		{ "{\"type\":\"remapIdentity\",\"prefix\":\"a.test\",\"signedPrefix\":\"\"}", false },
		{ "{\"type\":\"remapIdentity\",\"prefix\":\"a.test\"}", false },
		{ "{\"type\":\"remapIdentity\",\"signedPrefix\":\"a.test\"}", false },
		{ "{\"type\":\"matchExact\",\"dockerReference\":\"a.test/x:v1\"}", false },
		{ "{\"type\":\"MatchExact\"}", false }, { "{\"type\":\" matchExact\"}", false },
		{ "{\"type\":7}", false }, { "{}", false }, { "null", false }, { "[]", false },
		{ "\"matchExact\"", false },
	};
	struct identity id = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		is_int(parse_rule(cases[i].text, &id), cases[i].good ? 0 : -(int)ERR_PARSE, "%s", cases[i].text);
	works(identity_parse((struct json_val){ 0 }, &id, &e), "no rule");
	is_str(identity_name(&id), "matchRepoDigestOrExact", "is the default");
}

static bool
accepts(const char *rule, const char *image, const char *signed_as)
{
	struct identity id;
	struct image_ref r;

	if (parse_rule(rule, &id) < 0 || image_ref_parse(span_str(image), &r, &e) < 0)
		abort();
	return identity_accepts(&id, &r, signed_as);
}

#define DIGEST		"@sha256:" HEX
#define DIGEST2		"@sha256:" HEX2
#define EXACT		"{\"type\":\"matchExact\"}"
#define DEFAULT_RULE	"{\"type\":\"matchRepoDigestOrExact\"}"
#define REPOSITORY	"{\"type\":\"matchRepository\"}"
#define REFERENCE(x)	"{\"type\":\"exactReference\",\"dockerReference\":\"" x "\"}"
#define EXACT_REPO(x)	"{\"type\":\"exactRepository\",\"dockerRepository\":\"" x "\"}"
#define REMAP(a, b)	"{\"type\":\"remapIdentity\",\"prefix\":\"" a "\",\"signedPrefix\":\"" b "\"}"

static void
test_rules(void)
{
	static const struct {
		const char *rule, *image, *signed_as;
		bool yes;
	} cases[] = {
		{ EXACT, "a.test/x:v1", "a.test/x:v1", true },
		{ EXACT, "a.test/x:v1", "a.test/x:v2", false },
		{ EXACT, "a.test/x:v1", "a.test/x", false },
		{ EXACT, "a.test/x:v1", "", false },
		{ EXACT, "a.test/x:v1", "A.TEST/X:v1", false },
		{ EXACT, "a.test/x:v1", "a.test:5000/x:v1", false },
		{ EXACT, "a.test/x:v1", "a.test/x:v1" DIGEST, false },
		{ EXACT, "a.test/x" DIGEST, "a.test/x" DIGEST, true },
		{ EXACT, "a.test/x" DIGEST, "a.test/x" DIGEST2, false },
		{ EXACT, "a.test/x" DIGEST, "a.test/x:v1", false },
		{ EXACT, "a.test/x:v1" DIGEST, "a.test/x" DIGEST, true },	/* the tag is dropped */
		{ EXACT, "busybox", "docker.io/library/busybox:latest", true },
		{ EXACT, "docker.io/library/busybox", "busybox:latest", true },
		{ EXACT, "busybox", "busybox", false },
		{ EXACT, "busybox", "index.docker.io/busybox:latest", true },
		{ DEFAULT_RULE, "a.test/x:v1", "a.test/x:v1", true },
		{ DEFAULT_RULE, "a.test/x:v1", "a.test/x:v2", false },
		{ DEFAULT_RULE, "a.test/x:v1", "a.test/x", false },
		{ DEFAULT_RULE, "a.test/x:v1", "a.test/x" DIGEST, false },
		{ DEFAULT_RULE, "a.test/x" DIGEST, "a.test/x:v2", true },
		{ DEFAULT_RULE, "a.test/x" DIGEST, "a.test/x" DIGEST2, true },
		{ DEFAULT_RULE, "a.test/x" DIGEST, "a.test/x", false },
		{ DEFAULT_RULE, "a.test/x" DIGEST, "a.test/y:v2", false },
		{ DEFAULT_RULE, "a.test/x:v1" DIGEST, "a.test/x:v2", true },
		{ REPOSITORY, "a.test/x:v1", "a.test/x", true },
		{ REPOSITORY, "a.test/x:v1", "a.test/x:v9", true },
		{ REPOSITORY, "a.test/x" DIGEST, "a.test/x" DIGEST2, true },
		{ REPOSITORY, "a.test/x:v1", "a.test/xx", false },
		{ REPOSITORY, "a.test/x:v1", "b.test/x", false },
		{ REPOSITORY, "a.test/x:v1", "", false },
		{ REPOSITORY, "oci:/srv/x:v1", "a.test/x", false },
		{ REFERENCE("b.test/y:v1"), "a.test/x:v1", "b.test/y:v1", true },
		{ REFERENCE("b.test/y:v1"), "a.test/x:v1", "a.test/x:v1", false },
		{ REFERENCE("b.test/y:v1"), "a.test/x:v1", "b.test/y", false },
		{ REFERENCE("b.test/y:v1"), "oci:/srv/x:v1", "b.test/y:v1", true },
		{ REFERENCE("busybox:v1"), "a.test/x:v1", "docker.io/library/busybox:v1", true },
		{ EXACT_REPO("b.test/y"), "a.test/x:v1", "b.test/y:v7", true },
		{ EXACT_REPO("b.test/y:v1"), "a.test/x:v1", "b.test/y", true },
		{ EXACT_REPO("b.test/y"), "a.test/x:v1", "b.test/yy", false },
		{ REMAP("a.test", "b.test"), "a.test/x:v1", "b.test/x:v1", true },
		{ REMAP("a.test", "b.test"), "a.test/x:v1", "a.test/x:v1", false },
		{ REMAP("a.test", "b.test"), "a.test/x:v1", "b.test/x:v2", false },
		{ REMAP("a.test", "b.test"), "a.test/x" DIGEST, "b.test/x:v2", true },
		{ REMAP("a.test", "b.test"), "a.test:5000/x:v1", "b.test:5000/x:v1", false },
		{ REMAP("a.test", "b.test"), "a.test:5000/x:v1", "a.test:5000/x:v1", true },
		{ REMAP("a.test/n", "b.test/m"), "a.test/ns/x:v1", "b.test/ms/x:v1", false },
		{ REMAP("a.test/n", "b.test/m"), "a.test/ns/x:v1", "a.test/ns/x:v1", true },
		{ REMAP("a.test/n", "b.test/m"), "a.test/n:v1", "b.test/m:v1", true },
		{ REMAP("a.test/n", "b.test/m/o"), "a.test/n/x:v1", "b.test/m/o/x:v1", true },
		{ REMAP("a.test/x/y", "b.test/y"), "a.test/x:v1", "a.test/x:v1", true },
		/* a name that would be completed is none */
		{ REMAP("a.test/n", "docker.io"), "a.test/n/x:v1", "docker.io/library/x:v1", false },
		{ REMAP("a.test", "short"), "a.test/x:v1", "docker.io/short/x:v1", false },
		/* a host alone */
		{ REMAP("a.test/n", "b.test"), "a.test/n:v1", "b.test:v1", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		is_int(accepts(cases[i].rule, cases[i].image, cases[i].signed_as), cases[i].yes, "%s: %s signed as %s",
		    cases[i].rule, cases[i].image, cases[i].signed_as);
}

/* All combinations of the vectors, each through a whole policy. */
static void
test_vector(struct json_val v, const struct digest *manifest)
{
	struct json_val rule = json_get(v, "signedIdentity");
	struct span raw = json_is(rule, JSON_OBJECT) ? json_raw(rule) : (struct span){ NULL, 0 };
	cleanup(policy_freep) struct policy *p = NULL;
	struct json_iter it = json_iter(json_get(v, "signatures"));
	struct signed_image image = { .key_base = SIGNED_VECTORS };
	const struct policy_env env = signed_env(&image);
	char name[80], key[80], reference[200], names[8][80], text[1024];
	struct image_ref r;
	const struct policy_subject subject = { .ref = &r, .manifest = manifest };
	bool want = json_str_eq(json_get(v, "oracle_verdict"), "accept");
	int rc;

	works(json_cstr(json_get(v, "name"), "name", name, sizeof(name), &e), "name");
	works(json_cstr(json_get(v, "key"), "key", key, sizeof(key), &e), "key of %s", name);
	works(json_cstr(json_get(v, "reference"), "reference", reference, sizeof(reference), &e), "reference");
	works(image_ref_parse(span_str(reference), &r, &e), "%s", reference);
	while (json_next(&it)) {
		works(json_cstr(it.val, "signature", names[image.n], sizeof(names[0]), &e), "signature");
		image.names[image.n] = names[image.n];
		image.n++;
	}
	snprintf(text, sizeof(text), "{\"default\":[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\","
	    "\"keyPath\":\"%s\"%s%.*s}]}", key, raw.len > 0 ? ",\"signedIdentity\":" : "", (int)raw.len, raw.p);
	works(policy_parse(span_str(text), &p, &e), "%s", text);
	rc = policy_check(p, &subject, &env, &e);
	ok(rc == (want ? 0 : -(int)ERR_POLICY), "vector %s: %s", name, rc < 0 ? e.msg : "accepted");
}

static void
test_vectors(void)
{
	autobuf text = BUF(MIB(1));
	autojson doc = NULL;
	struct digest manifest;
	struct json_iter it;
	size_t n = 0;

	works(signed_read(SIGNED_VECTORS, "identity.json", &text, &e), "identity.json");
	works(json_parse(buf_span(&text), &doc, &e), "is JSON");
	works(digest_parse(span_str(SIGNED_DIGEST), &manifest, &e), "digest");
	it = json_iter(json_get(json_root(doc), "cases"));
	for (; json_next(&it); n++)
		test_vector(it.val, &manifest);
	ok(n == 98, "%zu vectors", n);
}

static void
parse_mutant(struct span text, void *arg)
{
	struct payload p;
	struct err ignored;

	if (payload_parse(text, PAYLOAD_GPG, &p, &ignored) == 0)
		++*(size_t *)arg;
}

static int
parse_once(maybe_unused void *arg, struct err *err)
{
	struct payload p;

	return payload_parse(span_str(GOOD), PAYLOAD_GPG, &p, err);
}

int
main(void)
{
	size_t accepted = 0;

	test_good_payloads();
	test_bad_payloads();
	test_rules_form();
	test_rules();
	test_vectors();
	ok(mutate(span_str(GOOD), 400, parse_mutant, &accepted) > 1000, "mutants");
	ok(fault_each(FAULT_ALLOC, 0, false, parse_once, NULL) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	return tap_done();
}
