/*
 * test_policy.c: form of policies, look-up of scopes, verdicts; the vectors with
 * the verdicts of containers/image.
 */
#include "lib/base.h"

#include "image/policy.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/signed.h"
#include "tests/lib/tap.h"

#define SHA256	"sha256:9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"
#define YES	"[{\"type\":\"insecureAcceptAnything\"}]"
#define NO	"[{\"type\":\"reject\"}]"
#define DOCKER(scopes) "{\"default\":" NO ",\"transports\":{\"docker\":{" scopes "}}}"
#define OCI(scopes) "{\"default\":" NO ",\"transports\":{\"oci\":{" scopes "}}}"
#define ARCHIVES(oci, docker) "{\"default\":" NO ",\"transports\":{\"oci-archive\":{" oci "}," \
	"\"docker-archive\":{" docker "}}}"
#define DEFAULT(list) "{\"default\":" list "}"
#define VECTORS	"tests/vectors/image/policy/"

static struct err e;

/* 0 accepted, or why not. The image is beside these signatures. */
static int
ask_with(struct span policy, const char *name, const struct policy_env *env, struct err *err)
{
	cleanup(policy_freep) struct policy *p = NULL;
	struct image_ref r;

	if (image_ref_parse(span_str(name), &r, err) < 0)
		return -ERR_BUG;
	struct digest d;
	const struct policy_subject subject = { .ref = &r, .manifest = &d };
	int rc = policy_parse(policy, &p, err);

	if (digest_parse(span_str(SIGNED_DIGEST), &d, err) < 0)
		return -ERR_BUG;
	if (rc == 0)
		rc = policy_check_name(p, &r, env, err);
	return rc < 0 ? rc : policy_check(p, &subject, env, err);
}

/* Where there are no signatures. */
static int
ask(struct span policy, const char *name, struct err *err)
{
	const struct policy_env none = { 0 };

	return ask_with(policy, name, &none, err);
}

/* Where we differ from containers/image: a scope that matches nothing is an error here. */
static const struct {
	const char	*name;
	enum err_code	 code;
	const char	*reason;
} differences[] = {
	{ "scope-trailing-slash", ERR_POLICY_INVALID, "never matches" },
	{ "scope-wild-bad", ERR_POLICY_INVALID, "never matches" },
	{ "scope-wild-star", ERR_POLICY_INVALID, "never matches" },
};

static enum err_code
expected(const char *name, struct json_val oracle)
{
	for (size_t i = 0; i < ARRAY_LEN(differences); i++)
		if (strcmp(name, differences[i].name) == 0)
			return differences[i].code;
	if (json_str_eq(oracle, "accept"))
		return ERR_NONE;
	return json_str_eq(oracle, "reject") ? ERR_POLICY : ERR_POLICY_INVALID;
}

static void
test_vector(struct json_val v)
{
	autobuf text = BUF(LIMIT_POLICY);
	char name[80], file[120], path[200], reference[200];
	struct signed_image image = { .key_base = SIGNED_VECTORS, .names = { "good-rsa" }, .n = 1 };
	const struct policy_env env = signed_env(&image);
	enum err_code want;
	int rc;

	works(json_cstr(json_get(v, "name"), "name", name, sizeof(name), &e), "name");
	works(json_cstr(json_get(v, "file"), "file", file, sizeof(file), &e), "file of %s", name);
	works(json_cstr(json_get(v, "reference"), "reference", reference, sizeof(reference), &e),
	    "reference of %s", name);
	snprintf(path, sizeof(path), VECTORS "%s", file);
	works(fs_read_file(AT_FDCWD, path, &text, &e), "%s", path);
	want = expected(name, json_get(v, "oracle_verdict"));
	rc = ask_with(buf_span(&text), reference, &env, &e);
	ok(rc == -(int)want, "vector %s: %s", name, rc < 0 ? e.msg : "accepted");
}

static void
test_vectors(void)
{
	autobuf text = BUF(MIB(1));
	autojson doc = NULL;
	struct json_iter it;

	works(fs_read_file(AT_FDCWD, VECTORS "policies.json", &text, &e), "vectors");
	works(json_parse(buf_span(&text), &doc, &e), "parsed");
	it = json_iter(json_get(json_root(doc), "cases"));
	ok(it.left > 40, "there are %u", it.left);
	while (json_next(&it))
		test_vector(it.val);
}

static void
test_scopes(void)
{
	static const struct {
		const char *policy, *name;
		enum err_code want;
		const char *scope;
	} cases[] = {
		{ DEFAULT(YES), "a.test/x", ERR_NONE, "default" },
		{ DEFAULT(NO), "a.test/x", ERR_POLICY, "default" },
		{ "{\"default\":" YES ",\"transports\":{}}", "a.test/x", ERR_NONE, "default" },
		{ DOCKER("\"\":" YES), "a.test/x", ERR_NONE, "docker: \"\"" },
		{ DOCKER("\"a.test:5000/ns/app:v1\":" YES), "a.test:5000/ns/app:v1", ERR_NONE,
		  "docker: a.test:5000/ns/app:v1" },
		{ DOCKER("\"a.test/x:latest\":" YES), "a.test/x", ERR_NONE, "docker: a.test/x:latest" },
		{ DOCKER("\"a.test/x@" SHA256 "\":" YES), "a.test/x@" SHA256, ERR_NONE,
		  "docker: a.test/x@" SHA256 },
		/* a name with both is asked about by its digest */
		{ DOCKER("\"a.test/x@" SHA256 "\":" YES), "a.test/x:v1@" SHA256, ERR_NONE,
		  "docker: a.test/x@" SHA256 },
		{ DOCKER("\"a.test/x:v1\":" YES), "a.test/x:v1@" SHA256, ERR_POLICY, "default" },
		{ DOCKER("\"a.test/x\":" YES), "a.test/x:v1@" SHA256, ERR_NONE, "docker: a.test/x" },
		{ DOCKER("\"a.test/x/y\":" YES ",\"a.test/x\":" NO ",\"a.test\":" YES), "a.test/x/y/z",
		  ERR_NONE, "docker: a.test/x/y" },
		{ DOCKER("\"a.test/x/y\":" YES ",\"a.test/x\":" NO ",\"a.test\":" YES), "a.test/x/z",
		  ERR_POLICY, "docker: a.test/x" },
		{ DOCKER("\"a.test/x/y\":" YES ",\"a.test/x\":" NO ",\"a.test\":" YES), "a.test/xx",
		  ERR_NONE, "docker: a.test" },
		/* the host without its port is another one */
		{ DOCKER("\"a.test\":" YES), "a.test:5000/x", ERR_POLICY, "default" },
		{ DOCKER("\"a.test:5000\":" YES), "a.test/x", ERR_POLICY, "default" },
		{ DOCKER("\"a.test:5000\":" YES), "a.test:5000/x", ERR_NONE, "docker: a.test:5000" },
		{ DOCKER("\"*.b.test\":" YES), "a.b.test:5000/x", ERR_NONE, "docker: *.b.test" },
		{ DOCKER("\"*.test\":" YES), "a.b.test:5000/x", ERR_NONE, "docker: *.test" },
		{ DOCKER("\"*.test\":" YES ",\"*.b.test\":" NO), "a.b.test/x", ERR_POLICY,
		  "docker: *.b.test" },
		{ DOCKER("\"*.b.test\":" YES), "b.test/x", ERR_POLICY, "default" },
		{ DOCKER("\"*.b.test\":" YES), "ab.test/x", ERR_POLICY, "default" },
		{ DOCKER("\"*.b.test\":" NO ",\"\":" YES), "a.b.test/x", ERR_POLICY, "docker: *.b.test" },
		{ DOCKER("\"*.b.test\":" NO ",\"a.b.test\":" YES), "a.b.test/x", ERR_NONE,
		  "docker: a.b.test" },
		{ DOCKER("\"docker.io/library/busybox\":" YES), "busybox:v1", ERR_NONE,
		  "docker: docker.io/library/busybox" },
		{ DOCKER("\"docker.io\":" YES), "index.docker.io/busybox", ERR_NONE,
		  "docker: docker.io" },
		{ DOCKER("\"*.io\":" YES), "busybox", ERR_NONE, "docker: *.io" },
		{ DOCKER("\"a\\u002etest\":" YES), "a.test/x", ERR_NONE, "docker: a.test" },
		{ DOCKER("\"localhost\":" YES), "localhost/x", ERR_NONE, "docker: localhost" },
		/* other transports take no part */
		{ "{\"default\":" NO ",\"transports\":{\"dir\":{\"\":" YES "},\"oci\":{\"\":" YES "},"
		  "\"new\":{\"any scope//\":" YES "}}}", "a.test/x", ERR_POLICY, "default" },
		{ DOCKER("\"\":" YES), "oci:/srv/x", ERR_POLICY, "default" },
		{ OCI("\"\":" YES), "oci:/srv/x", ERR_NONE, "oci: \"\"" },
		{ OCI("\"/srv/x\":" YES), "oci:/srv/x:v1", ERR_NONE, "oci: /srv/x" },
		{ OCI("\"/srv\":" YES ",\"\":" NO), "oci:/srv/x/y", ERR_NONE, "oci: /srv" },
		{ OCI("\"/srv/x\":" YES), "oci:/srv/xy", ERR_POLICY, "default" },
		{ OCI("\"/srv/x\":" YES), "oci:/srv", ERR_POLICY, "default" },
		/* as skopeo 1.9.3 decides */
		{ ARCHIVES("\"/srv\":" YES, ""), "oci-archive:/srv/x.tar:v1", ERR_NONE, "oci-archive: /srv" },
		{ ARCHIVES("\"/srv/x.tar\":" YES, ""), "oci-archive:/srv/x.tar", ERR_NONE,
		  "oci-archive: /srv/x.tar" },
		{ ARCHIVES("\"/srv\":" YES ",\"\":" NO, ""), "oci-archive:/x.tar", ERR_POLICY,
		  "oci-archive: \"\"" },
		{ ARCHIVES("\"/srv\":" YES, ""), "oci:/srv/x", ERR_POLICY, "default" },
		{ OCI("\"/srv\":" YES), "oci-archive:/srv/x", ERR_POLICY, "default" },
		{ ARCHIVES("", "\"\":" YES), "docker-archive:/srv/x.tar:a.test/x:v1", ERR_NONE,
		  "docker-archive: \"\"" },
		{ ARCHIVES("", "\"\":" NO), "docker-archive:/srv/x.tar", ERR_POLICY, "docker-archive: \"\"" },
		{ DOCKER("\"a.test\":" YES), "docker-archive:/srv/x.tar:a.test/x:v1", ERR_POLICY, "default" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(policy_freep) struct policy *p = NULL;
		struct image_ref r;
		char scope[600];

		is_int(ask(span_str(cases[i].policy), cases[i].name, &e), -(int)cases[i].want,
		    "%s asked about %s", cases[i].policy, cases[i].name);
		works(policy_parse(span_str(cases[i].policy), &p, &e), "parsed");
		works(image_ref_parse(span_str(cases[i].name), &r, &e), "parsed");
		policy_scope_text(p, &r, scope, sizeof(scope));
		is_str(scope, cases[i].scope, "the scope that decides");
		ok(cases[i].want == ERR_NONE || strstr(e.msg, cases[i].scope) != NULL,
		    "is named: %s", e.msg);
	}
}

static void
test_oci_paths(void)
{
	static const char *const names[] = {
		"oci:srv/x", "oci:/", "oci:/srv/", "oci:/srv//x", "oci:/srv/../x", "oci:/./srv",
		"oci:.", "oci:..", "oci-archive:x.tar", "docker-archive:x.tar", "docker-archive:/srv/../x.tar",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		fails(ask(span_str(DEFAULT(YES)), names[i], &e), ERR_POLICY, "%s: not clean",
		    names[i]);
}

static void
test_bad_scopes(void)
{
	static const struct {
		const char *scope, *hint;
	} docker[] = {
		{ "a.test/", "leave it out" }, { "a.test/ns/", "leave it out" },
		{ "docker.io/test/", "leave it out" }, { "busybox", "docker.io/library/" },
		{ "busybox:v1", "docker.io/library/" }, { "library/busybox", "docker.io/library/" },
		{ "myhost", "write the domain" }, { "docker.io/busybox:v1", "docker.io/library/" },
		{ "docker.io/busybox@" SHA256, "docker.io/library/" },
		{ "index.docker.io", "write docker.io" },
		{ "index.docker.io/library/busybox", "write docker.io" },
		{ "a.test/Ns", "upper case" }, { "a.test/ns/App:v1", "upper case" },
		{ "*", "write \"\"" }, { "*.", "domain" }, { "**", "first label" },
		{ "*a.test", "first label" }, { "a.*.test", "first label" }, { "*.*.test", "first label" },
		{ "a.test/*", "first label" }, { "a.test/ns*", "first label" },
		{ "*.test/ns", "whole hosts" }, { "*.test:5000", "port" }, { "*.-test", "domain" },
		{ "a.test:port", "host[:port]" }, { "a.test:", "host[:port]" },
		{ "a.test:99999", "host[:port]" }, { "a.test:50 00", "host[:port]" },
		{ "docker://a.test", "without it" }, { "https://a.test/ns", "without it" },
		{ "-a.test", "host[:port]" }, { "a..test", "host[:port]" },
		{ " a.test", "host[:port]" }, { "a.test/n s", "repository" },
		{ "a.test//ns", "repository" }, { "/ns", "write the domain" },
		{ "a.test/x:", "not a tag" }, { "a.test/x:v 1", "not a tag" },
		{ "a.test/x:v1:v2", "not a tag" }, { "a.test/x@sha256:abc", "not a digest" },
		{ "a.test/x@", "not a digest" }, { "a.test/x:v1@" SHA256, "both" },
		{ "a.test@" SHA256, "no repository" }, { "@" SHA256, "not a name" },
		{ "a.test/x@@" SHA256, "not a digest" },
	}, oci[] = {
		{ "/", "write \"\"" }, { "srv", "absolute" }, { "/srv/", "leave it out" },
		{ "/srv//x", "clean" }, { "/srv/./x", "clean" }, { "/srv/..", "clean" },
		{ "/srv/x:v1", "without a tag" },
	};
	static const char *const good[] = {
		"", "a.test", "A.Test/ns", "a.test:5000", "localhost", "localhost/x", "*.a.test",
		"*.io", "docker.io/busybox", "docker.io/library/busybox:v1", ("a.test/x@" SHA256),
		"127.0.0.1:5000/x",
	};
	char policy[1024];

	fails(ask(span_str(ARCHIVES("\"/\":" YES, "")), "b.test/y", &e), ERR_POLICY_INVALID, "oci-archive scope /");
	fails(ask(span_str(ARCHIVES("", "\"/srv\":" YES)), "b.test/y", &e), ERR_POLICY_INVALID,
	    "docker-archive scope /srv");
	for (size_t i = 0; i < ARRAY_LEN(docker); i++) {
		snprintf(policy, sizeof(policy), DOCKER("\"%s\":" NO), docker[i].scope);
		fails(ask(span_str(policy), "b.test/y", &e), ERR_POLICY_INVALID, "docker scope %s",
		    docker[i].scope);
		ok(strstr(e.msg, docker[i].hint) != NULL, "hint: %s", e.msg);
	}
	for (size_t i = 0; i < ARRAY_LEN(oci); i++) {
		snprintf(policy, sizeof(policy), OCI("\"%s\":" NO), oci[i].scope);
		fails(ask(span_str(policy), "b.test/y", &e), ERR_POLICY_INVALID, "oci scope %s",
		    oci[i].scope);
		ok(strstr(e.msg, oci[i].hint) != NULL, "hint: %s", e.msg);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ok(policy_scope_complaint(TRANSPORT_DOCKER, span_str(good[i])) == NULL, "good: \"%s\"",
		    good[i]);
	memset(policy, 'x', 300);
	memcpy(policy, "a.test/", 7);
	policy[256] = '\0';
	ok(policy_scope_complaint(TRANSPORT_DOCKER, span_str(policy)) != NULL, "a name of 256");
	policy[255] = '\0';
	ok(policy_scope_complaint(TRANSPORT_DOCKER, span_str(policy)) == NULL, "a name of 255");
}

#define KEYS(members)	"{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\"," members "}"
#define COSIGN(members)	"{\"type\":\"sigstoreSigned\"," members "}"

static void
test_bad_forms(void)
{
	static const char *const bad[] = {
		"", "{", "{}", "[]", "null", "7", "\"x\"", "{\"transports\":{}}", DEFAULT("[]"),
		DEFAULT("null"), DEFAULT("{}"), DEFAULT("[null]"), DEFAULT("[[]]"), DEFAULT("[{}]"),
		DEFAULT("[\"insecureAcceptAnything\"]"), DEFAULT("[{\"type\":7}]"),
		DEFAULT("[{\"type\":\"\"}]"), DEFAULT("[{\"type\":\"Reject\"}]"),
		DEFAULT("[{\"type\":\"insecureAcceptAnything \"}]"),
		DEFAULT("[{\"type\":\"insecureAcceptAnything\",\"x\":1}]"),
		DEFAULT("[{\"type\":\"reject\",\"type\":\"insecureAcceptAnything\"}]"),
		DEFAULT("[{\"Type\":\"insecureAcceptAnything\"}]"),
		"{\"default\":" YES ",\"default\":" YES "}", "{\"Default\":" YES "}",
		"{\"default\":" YES ",\"x\":1}", DEFAULT(YES) "x", DEFAULT(YES) DEFAULT(YES),
		"{\"default\":" YES ",}", "/* */" DEFAULT(YES), "\xef\xbb\xbf" DEFAULT(YES),
		"{'default':" YES "}", "{\"default\":" YES ",\"transports\":null}",
		"{\"default\":" YES ",\"transports\":[]}",
		"{\"default\":" YES ",\"transports\":{\"docker\":null}}",
		"{\"default\":" YES ",\"transports\":{\"docker\":[]}}",
		"{\"default\":" YES ",\"transports\":{\"docker\":{\"\":[]}}}",
		"{\"default\":" YES ",\"transports\":{\"docker\":{\"\":{}}}}",
		"{\"default\":" YES ",\"transports\":{\"new\":{\"\":[]}}}",
		"{\"default\":" YES ",\"transports\":{\"new\":{\"x\":[{\"type\":\"magic\"}]}}}",
		"{\"default\":" YES ",\"transports\":{\"docker\":{\"a.test\":" YES ",\"a.test\":" NO "}}}",
		"{\"default\":" YES ",\"transports\":{\"docker\":{\"a\\u0000.test\":" YES "}}}",
		"{\"default\":" YES ",\"transports\":{\"docker\":{}},\"transports\":{}}",
		DEFAULT("[{\"type\":\"signedBy\"}]"),
		DEFAULT("[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"x\",\"x\":1}]"),
		DEFAULT("[{\"type\":\"signedBy\",\"keyType\":7,\"keyPath\":\"x\"}]"),
		DEFAULT("[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"x\",\"keyPath\":\"y\"}]"),
		DEFAULT("[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"x\","
		    "\"signedIdentity\":7}]"),
		DEFAULT("[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"x\","
		    "\"signedIdentity\":{\"type\":\"exactReference\"}}]"),
		DEFAULT("[" KEYS("\"keyPath\":\"\"") "]"), DEFAULT("[" KEYS("\"keyPath\":null") "]"),
		DEFAULT("[" KEYS("\"keyPath\":[\"x\"]") "]"), DEFAULT("[" KEYS("\"keyPaths\":\"x\"") "]"),
		DEFAULT("[" KEYS("\"keyPaths\":[]") "]"), DEFAULT("[" KEYS("\"keyPaths\":[\"x\",7]") "]"),
		DEFAULT("[" KEYS("\"keyPaths\":[\"\"]") "]"), DEFAULT("[" KEYS("\"keyData\":\"!\"") "]"),
		DEFAULT("[" KEYS("\"keyData\":\"AA=\"") "]"), DEFAULT("[" KEYS("\"keyDatas\":[\"AAAA\"]") "]"),
		DEFAULT("[" KEYS("\"keyPath\":\"a\\u0000b\"") "]"),
		DEFAULT("[" KEYS("\"keyPath\":\"x\",\"signedIdentity\":null") "]"),
		DEFAULT("[" KEYS("\"keyPath\":\"x\",\"fulcio\":{}") "]"),
		DEFAULT("[" COSIGN("\"keyData\":\"AAAA\"") "]"), DEFAULT("[" COSIGN("\"keyDatas\":[]") "]"),
		DEFAULT("[" COSIGN("\"keyPath\":\"x\",\"keyType\":\"GPGKeys\"") "]"),
		DEFAULT("[" COSIGN("\"keyPath\":\"x\",\"rekorPublicKeyPath\":\"a\",\"rekorPublicKeyData\":\"b\"") "]"),
		DEFAULT("[" COSIGN("\"rekorPublicKeyPath\":\"a\"") "]"),
		DEFAULT("[{\"type\":\"cacao.layersEncrypted\",\"x\":1}]"),
		DEFAULT("[{\"type\":\"cacao.layersEncrypted\",\"keyIdPrefix\":7}]"),
		DEFAULT("[{\"type\":\"cacao.layersEncrypted\",\"keyIdPrefix\":\"\"}]"),
		DEFAULT("[{\"type\":\"cacao.layersEncrypted\",\"keyIdPrefix\":\"default/\"}]"),
		DEFAULT("[{\"type\":\"cacao.encryptedLayers\"}]"),
		DEFAULT("[{\"type\":\"signedBaseLayer\",\"baseLayerIdentity\":{}}]"),
		DEFAULT("[{\"type\":\"sigstoreSigned\"}]"),
		DEFAULT("[{\"type\":\"sigstoreSigned\",\"keyPath\":\"x\",\"fulcio\":{}}]"),
		DEFAULT("[{\"type\":\"signedBaseLayer\"}]"),
		"{\"default\":" YES ",\"transports\":{\"docker\":{\"\":[{\"type\":"
		    "\"insecureAcceptAnything\"},{\"type\":\"x\"}]}}}",
	};
	struct policy *p = (struct policy *)&e;
	autobuf big = BUF(MIB(5));

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(policy_parse(span_str(bad[i]), &p, &e), ERR_POLICY_INVALID, "refused: %s", bad[i]);
	fails(policy_parse(SPAN_LIT("{\"default\":" YES "}\0"), &p, &e), ERR_POLICY_INVALID, "a NUL");
	fails(policy_parse(SPAN_LIT("{\"default\":" YES ",\"\xff\":1}"), &p, &e), ERR_POLICY_INVALID,
	    "invalid UTF-8");
	works(buf_add_str(&big, DEFAULT(YES), &e), "a policy");
	works(buf_reserve(&big, MIB(5) - big.len, &e), "room");
	memset(big.data + big.len, ' ', MIB(5) - big.len);
	fails(policy_parse((struct span){ big.data, MIB(5) }, &p, &e), ERR_POLICY_INVALID, "5 MiB");
	ok(p == (struct policy *)&e, "output as it was");
	policy_free(NULL);
}

#define SIGNED "{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"x\"}"
#define SIGSTORE "{\"type\":\"sigstoreSigned\",\"keyPath\":\"x\",\"signedIdentity\":{\"type\":" \
	"\"remapIdentity\",\"prefix\":\"a\",\"signedPrefix\":\"b\"}}"
#define ACCEPT_ANY "{\"type\":\"insecureAcceptAnything\"}"
#define REJECT_ANY "{\"type\":\"reject\"}"

static void
test_lists(void)
{
	static const struct {
		const char *policy;
		enum err_code want;
		const char *word;
	} cases[] = {
		{ DEFAULT("[" ACCEPT_ANY "," ACCEPT_ANY "]"), ERR_NONE, "" },
		{ DEFAULT("[" ACCEPT_ANY "," REJECT_ANY "]"), ERR_POLICY, "rejected" },
		{ DEFAULT("[" REJECT_ANY "," ACCEPT_ANY "]"), ERR_POLICY, "rejected" },
		{ DEFAULT("[" SIGNED "]"), ERR_UNSUPPORTED, "cannot be checked here" },
		{ DEFAULT("[" SIGSTORE "]"), ERR_UNSUPPORTED, "cannot be checked here" },
		{ DEFAULT("[{\"type\":\"signedBaseLayer\",\"baseLayerIdentity\":{\"type\":\"matchExact\"}}]"), ERR_UNSUPPORTED,
		  "signedBaseLayer" },
		{ DEFAULT("[" COSIGN("\"fulcio\":{}") "]"), ERR_UNSUPPORTED, "fulcio (keyless signatures) is not" },
		{ DEFAULT("[" COSIGN("\"pki\":{}") "]"), ERR_UNSUPPORTED, "pki (certificates) is not" },
		{ DEFAULT("[" COSIGN("\"keyPath\":\"x\",\"rekorPublicKeyPath\":\"a\"") "]"), ERR_UNSUPPORTED,
		  "Rekor log (rekorPublicKeyPath) is not" },
		{ DEFAULT("[" COSIGN("\"keyPath\":\"x\",\"rekorPublicKeyDatas\":[\"a\"]") "]"), ERR_UNSUPPORTED,
		  "Rekor log (rekorPublicKeyDatas) is not" },
		{ DEFAULT("[{\"type\":\"signedBy\",\"keyType\":\"X509Certificates\",\"keyPath\":\"x\"}]"),
		  ERR_UNSUPPORTED, "X509Certificates is not" },
		{ DEFAULT("[{\"type\":\"cacao.layersEncrypted\"}]"), ERR_POLICY, "no layer" },
		{ DEFAULT("[{\"type\":\"cacao.layersEncrypted\"}," REJECT_ANY "]"), ERR_POLICY, "rejected" },
		{ DEFAULT("[" ACCEPT_ANY "," SIGNED "]"), ERR_UNSUPPORTED, "signedBy" },
		{ DEFAULT("[" SIGNED "," ACCEPT_ANY "]"), ERR_UNSUPPORTED, "signedBy" },
		{ DEFAULT("[" SIGNED "," SIGSTORE "]"), ERR_UNSUPPORTED, "signedBy" },
		{ DEFAULT("[" SIGNED "," REJECT_ANY "]"), ERR_POLICY, "rejected" },
		{ "{\"default\":[" SIGNED "],\"transports\":{\"docker\":{\"a.test\":" YES "}}}", ERR_NONE,
		  "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		is_int(ask(span_str(cases[i].policy), "a.test/x", &e), -(int)cases[i].want, "%s",
		    cases[i].policy);
		ok(cases[i].want == ERR_NONE || strstr(e.msg, cases[i].word) != NULL, "%s", e.msg);
	}
}

/* Cut anywhere, a policy accepts nothing. */
static void
test_truncation(void)
{
	static const char *const policies[] = {
		DEFAULT(YES), DOCKER("\"\":" YES), "{\"transports\":{\"docker\":{\"\":" YES "}},\"default\":"
		    YES "}",
	};
	bool accepted = false;

	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		struct span text = span_str(policies[i]);

		works(ask(text, "a.test/x", &e), "whole");
		for (text.len--; text.len > 0; text.len--)
			accepted |= ask(text, "a.test/x", &e) != -ERR_POLICY_INVALID;
	}
	ok(!accepted, "cut anywhere, a policy is invalid");
}

static void
ask_mutant(struct span text, void *arg)
{
	struct err ignored;

	if (ask(text, "a.test/x", &ignored) == 0)
		++*(size_t *)arg;
}

static int
ask_once(void *arg, struct err *err)
{
	return ask(span_str(arg), "a.test/x", err);
}

int
main(void)
{
	static char accepting[] = DOCKER("\"a.test\":" YES);
	static const char refusing[] = "{\"default\":" NO
	    ",\"transports\":{\"docker\":{\"a.test\":[" SIGNED "]}}}";
	size_t accepted = 0;

	test_vectors();
	test_scopes();
	test_oci_paths();
	test_bad_scopes();
	test_bad_forms();
	test_lists();
	test_truncation();
	ok(mutate(span_str(refusing), 300, ask_mutant, &accepted) > 1000, "mutants");
	is_int(accepted, 0, "no mutant of a policy that refuses accepts");
	ok(mutate(span_str(accepting), 300, ask_mutant, &accepted) > 1000, "mutants");
	ok(fault_each(FAULT_ALLOC, 0, false, ask_once, accepting) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	return tap_done();
}
