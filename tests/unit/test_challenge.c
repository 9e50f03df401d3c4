/*
 * test_challenge.c: WWW-Authenticate, token requests, token answers.
 */
#include "lib/base.h"

#include "image/challenge.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

/* scheme is one letter: B(asic), T(oken, Bearer), -: none */
static void
test_good(void)
{
	static const struct {
		const char *lines;
		char scheme;
		const char *realm, *service, *scope;
	} cases[] = {
		{ "Bearer realm=\"https://a.test/t\",service=\"s\",scope=\"repository:x:pull\"", 'T',
		  "https://a.test/t", "s", "repository:x:pull" },
		{ "bEARER REALM=\"r\" , Service = \"s\"", 'T', "r", "s", "" },
		{ "Basic realm=\"r\"", 'B', "r", "", "" },
		{ "Basic realm=r", 'B', "r", "", "" },
		{ "Basic", 'B', "", "", "" },
		{ "Basic realm=\"b\", Bearer realm=\"t\"", 'T', "t", "", "" },
		{ "Bearer realm=\"t\", Basic realm=\"b\"", 'T', "t", "", "" },
		{ "Basic realm=\"b\"\nBearer realm=\"t\"\n", 'T', "t", "", "" },
		{ "Basic realm=\"1\"\nBasic realm=\"2\"", 'B', "1", "", "" },
		{ "Bearer realm=\"1\",Bearer realm=\"2\"", 'T', "1", "", "" },
		{ "Bearer realm=\"a,b\",service=\"c=d, Basic realm=x\"", 'T', "a,b",
		  "c=d, Basic realm=x", "" },
		{ "Bearer realm=\"a\\\"b\\\\c\\d\"", 'T', "a\"b\\cd", "", "" },
		{ "Bearer realm=\"\",service=\"\"", 'T', "", "", "" },
		{ "Negotiate", '-', "", "", "" },
		{ "Negotiate abc123==, Bearer realm=\"t\"", 'T', "t", "", "" },
		{ "Negotiate a/b+c~._-, Basic", 'B', "", "", "" },
		{ "Digest realm=\"d\", nonce=\"x,y\", qop=auth, Bearer realm=\"t\"", 'T', "t", "", "" },
		{ "Digest realm=d,realm=e,Basic realm=b", 'B', "b", "", "" },
		{ ",, Bearer realm=\"t\",,service=\"s\" ,", 'T', "t", "s", "" },
		{ "Basic, Bearer realm=t", 'T', "t", "", "" },
		{ "Basic realm=\"b\", charset=\"UTF-8\"", 'B', "b", "", "" },
		{ "Basic realm", 'B', "", "", "" }, { "Bearer realm=", 'T', "", "", "" },
		{ "Bearer realm=\"r\",scope=\"a b\",other=\"x\"", 'T', "r", "", "a b" },
		{ "Basic   realm=\"r\"\t", 'B', "r", "", "" },
		{ "", '-', "", "", "" }, { "\n\n", '-', "", "", "" }, { " , ", '-', "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct challenge c = { .scheme = CHALLENGE_BASIC };
		bool found = !cases[i].scheme;

		works(challenge_pick(span_str(cases[i].lines), &c, &found, &e), "%s", cases[i].lines);
		is_int(found, cases[i].scheme != '-', "found or not");
		is_int(c.scheme, cases[i].scheme == 'T' ? CHALLENGE_BEARER : CHALLENGE_BASIC, "scheme");
		is_str(c.realm, cases[i].realm, "realm");
		is_str(c.service, cases[i].service, "service");
		is_str(c.scope, cases[i].scope, "scope");
	}
}

static void
test_bad(void)
{
	static const char *const bad[] = {
		"Bearer realm=\"t", "Bearer realm=\"t\\", "Bearer realm=\"t\\\"",
		"Bearer realm=,service=\"s\"", "Bearer realm=\"a\" service=\"s\"",
		"Bearer realm=\"a\",realm=\"b\"", "Bearer realm=\"a\"x", "=", "\"Bearer\"",
		"Bearer=\"x\"", "Bearer \"x\"", "Bearer realm=\"a\x01\"", "Bearer realm=\"a\x7f\"",
		"Bearer realm=\"a\\\x01\"", "Basic foo bar", "Bear(er", "Bearer =x",
		"Digest realm=\"x", "Bearer realm=\"t\"\nDigest \"",
	};
	static const struct {
		const char *name;
		size_t room;
	} fields[] = {
		{ "realm", 1024 }, { "service", 256 }, { "scope", 512 }, { "error", 64 },
	};
	struct challenge c, before;
	bool found = true;

	memset(&c, 0x5a, sizeof(c));
	before = c;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(challenge_pick(span_str(bad[i]), &c, &found, &e), ERR_REGISTRY, "refused: %s",
		    bad[i]);
	fails(challenge_pick(SPAN_LIT("Bearer realm=\"a\0b\""), &c, &found, &e), ERR_REGISTRY, "NUL");
	ok(found && memcmp(&c, &before, sizeof(c)) == 0, "outputs as they were");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		char line[1300], value[1200];

		memset(value, 'x', sizeof(value));
		value[fields[i].room] = '\0';
		snprintf(line, sizeof(line), "Bearer %s=\"%s\"", fields[i].name, value);
		fails(challenge_pick(span_str(line), &c, &found, &e), ERR_REGISTRY, "%s too long",
		    fields[i].name);
		snprintf(line, sizeof(line), "Digest %s=%s", fields[i].name, value);
		works(challenge_pick(span_str(line), &c, &found, &e), "not of a scheme we know");
		value[fields[i].room - 1] = '\0';
		snprintf(line, sizeof(line), "Bearer %s=%s", fields[i].name, value);
		works(challenge_pick(span_str(line), &c, &found, &e), "%s as long as may be",
		    fields[i].name);
	}
}

static int
url_for(const char *image, const char *realm, const char *service, const char *scope,
    bool plain_http, struct buf *out)
{
	struct challenge c = { .scheme = CHALLENGE_BEARER };
	struct image_ref r;
	int rc = image_ref_parse(span_str(image), &r, &e);

	if (rc < 0)
		return rc;
	snprintf(c.realm, sizeof(c.realm), "%s", realm);
	snprintf(c.service, sizeof(c.service), "%s", service);
	snprintf(c.scope, sizeof(c.scope), "%s", scope);
	return challenge_token_url(&c, &r, plain_http, out, &e);
}

static int
url_of(const char *realm, const char *service, const char *scope, bool plain_http,
    struct buf *out)
{
	return url_for("a.test/ns/app", realm, service, scope, plain_http, out);
}

/* A registry on this machine may have its token server there, and nowhere else near. */
static void
test_own_host(void)
{
	static const struct {
		const char *image, *realm;
		bool good;
	} cases[] = {
		{ "127.0.0.1:5000/x", "https://127.0.0.1:5001/t", true },
		{ "127.0.0.1:5000/x", "https://127.0.0.1/t", true },
		{ "localhost:5000/x", "https://LOCALHOST:5001/t", true },
		{ "127.0.0.1:5000/x", "https://127.0.0.2/t", false },
		{ "127.0.0.1:5000/x", "https://127.0.0.11/t", false },
		{ "127.0.0.1:5000/x", "https://localhost/t", false },
		{ "127.0.0.1:5000/x", "https://169.254.169.254/t", false },
		{ "127.0.0.1:5000/x", "http://127.0.0.1:5000/t", false },
		{ "127.0.0.1:5000/x", "https://127.0.0.1:0/t", false },
		{ "127.0.0.1:5000/x", "https://u@127.0.0.1:5000/t", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf out = BUF(LIMIT_URL);

		if (cases[i].good)
			works(url_for(cases[i].image, cases[i].realm, "", "", false, &out),
			    "%s sends to %s", cases[i].image, cases[i].realm);
		else
			fails(url_for(cases[i].image, cases[i].realm, "", "", false, &out),
			    ERR_AUTH, "%s may not send to %s", cases[i].image, cases[i].realm);
	}
}

static void
test_urls(void)
{
	static const struct {
		const char *realm, *service, *scope, *want;
		bool plain_http;
	} good[] = {
		{ "https://auth.test/token", "", "",
		  "https://auth.test/token?scope=repository%3Ans%2Fapp%3Apull", false },
		{ "https://auth.test/token", "a.test", "repository:x:pull",
		  "https://auth.test/token?service=a.test&scope=repository%3Ax%3Apull", false },
		{ "https://auth.test/token?a=b", "s", "x",
		  "https://auth.test/token?a=b&service=s&scope=x", false },
		{ "https://auth.test", "s p&=\xc3\xa4+%", " x  y ",
		  "https://auth.test?service=s%20p%26%3D%C3%A4%2B%25&scope=x&scope=y", false },
		{ "HTTPS://Auth.Test:8443/", "s", "x", "HTTPS://Auth.Test:8443/?service=s&scope=x",
		  false },
		{ "https://192.0.2.1/t", "", "x", "https://192.0.2.1/t?scope=x", false },
		{ "https://10.0.0.1:5001/t", "", "x", "https://10.0.0.1:5001/t?scope=x", false },
		{ "https://[2001:db8::1]:5001/t", "", "x", "https://[2001:db8::1]:5001/t?scope=x",
		  false },
		{ "http://auth.test/t", "", "x", "http://auth.test/t?scope=x", true },
		{ "https://auth.test/t", "", "x", "https://auth.test/t?scope=x", true },
		{ "http://127.0.0.1:5001/t", "", "x", "http://127.0.0.1:5001/t?scope=x", true },
		{ "http://localhost:5001/t", "", "x", "http://localhost:5001/t?scope=x", true },
		{ "http://[::1]/t", "", "x", "http://[::1]/t?scope=x", true },
		{ "https://notlocalhost/t", "", "x", "https://notlocalhost/t?scope=x", false },
	};
	static const char *const never[] = {
		"", "auth.test/token", "//auth.test/", "ftp://auth.test/", "file:///etc/passwd",
		"https:/auth.test", "https://", "https:///x", "https://?x", "https://user@auth.test/",
		"https://user:pw@auth.test/", "https://a.test@auth.test/", "https://auth.test/a b",
		"https://auth.test/\x01", "https://auth.test/\xc3\xa4", "https://auth.test/#x",
		"https://auth.test\\@b.test/", "https://auth.test/\"", "https://auth.test:0/",
		"https://auth.test:99999/", "https://auth.test:/", "https://auth.test:x/",
		"https://-auth.test/", "https://auth..test/", "https://auth_x.test/",
		"https://127.1/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://2130706433/",
		"https://0177.0.0.1/", "https://1.2.3/", "https://256.1.1.1/", "https://::1/",
		"https://[::1", "https://[]/", "https://[fe80::1%25eth0]/", "https://[x]/",
		"https://auth.test./", "https://[::1]x/", "https://a:1:2/", "unix:///x",
	};
	static const char *const local[] = {
		"http://auth.test/", "https://127.0.0.1/", "https://127.255.0.9:80/",
		"https://169.254.169.254/latest", "https://0.0.0.0/", "https://localhost/",
		"https://LocalHost:443/", "https://x.localhost/", "https://[::1]/", "https://[::]/",
		"https://[fe80::1]/", "https://[febf::1]:1/", "https://[::ffff:127.0.0.1]/",
		"https://[::ffff:169.254.169.254]/", "https://[0:0:0:0:0:0:0:1]/",
	};
	autobuf out = BUF(LIMIT_URL), small = BUF(40);
	char scope[512];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		buf_reset(&out);
		works(url_of(good[i].realm, good[i].service, good[i].scope, good[i].plain_http, &out),
		    "realm %s", good[i].realm);
		is_str(buf_str(&out), good[i].want, "URL");
	}
	buf_reset(&out);
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		fails(url_of(never[i], "s", "x", false, &out), ERR_AUTH, "refused: %s", never[i]);
		fails(url_of(never[i], "s", "x", true, &out), ERR_AUTH, "with http: %s", never[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(local); i++) {
		fails(url_of(local[i], "s", "x", false, &out), ERR_AUTH, "refused: %s", local[i]);
		works(url_of(local[i], "s", "x", true, &out), "with plain http: %s", local[i]);
		buf_reset(&out);
	}
	is_int(out.len, 0, "output as it was");
	fails(url_of("https://auth.test/", "0123456789", "x", false, &small), ERR_LIMIT, "no room");
	is_int(small.len, 0, "output as it was");
	/* "a a a …" becomes many parameters: more than a URL may hold */
	for (size_t i = 0; i < sizeof(scope); i++)
		scope[i] = i % 2 ? ' ' : '\x01';
	scope[sizeof(scope) - 1] = '\0';
	works(url_of("https://auth.test/", "", scope, false, &out), "many scopes");
	ok(out.len > 2500, "each is a parameter");
}

static void
test_tokens(void)
{
	static const struct {
		const char *body, *want;
	} good[] = {
		{ "{\"token\":\"abc.def-_~\"}", "abc.def-_~" },
		{ "{\"access_token\":\"abc\",\"expires_in\":300}", "abc" },
		{ "{\"access_token\":\"second\",\"token\":\"first\"}", "first" },
		{ "{\"token\":\"\",\"access_token\":\"abc\"}", "abc" },
		{ "{\"token\":null,\"access_token\":\"abc\"}", "abc" },
		{ "{\"token\":\"a\\/b\"}", "a/b" },
	};
	static const char *const bad[] = {
		"", "{}", "[]", "null", "{\"token\":7}", "{\"token\":\"\"}", "{\"token\":\"secret b\"}",
		"{\"token\":\"secret\\r\\nHost: x\"}", "{\"token\":\"secret\\u0000\"}",
		"{\"token\":\"secret\\u00e4\"}", "{\"token\":\"secret\\u007f\"}",
		"{\"token\":7,\"access_token\":\"secret\"}", "{\"token\":\"secret\"", "<html>secret",
		"{\"token\":\"secret\",\"token\":\"x\"}",
	};
	autobuf token = BUF_SECRET(KIB(32)), big = BUF(MIB(2));
	uint64_t seconds;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		buf_reset(&token);
		works(challenge_token_parse(span_str(good[i].body), &token, &seconds, &e), "%s", good[i].body);
		is_str(buf_str(&token), good[i].want, "token");
	}
	buf_reset(&token);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		fails(challenge_token_parse(span_str(bad[i]), &token, &seconds, &e), ERR_AUTH, "refused: %s",
		    bad[i]);
		ok(strstr(e.msg, "secret") == NULL, "the message does not show it");
	}
	works(buf_reserve(&big, LIMIT_TOKEN + 1, &e), "room");
	memset(big.data, 'x', LIMIT_TOKEN + 1);
	fails(challenge_token_parse((struct span){ big.data, LIMIT_TOKEN + 1 }, &token, &seconds, &e),
	    ERR_LIMIT, "an answer of more than 1 MiB");
	memcpy(big.data, "{\"token\":\"", 10);
	memcpy(big.data + KIB(17), "\"}", 2);
	fails(challenge_token_parse((struct span){ big.data, KIB(17) + 2 }, &token, &seconds, &e), ERR_AUTH,
	    "a token that fits into no header");
	is_int(token.len, 0, "output as it was");
}

#define LINES "Negotiate a==, Digest realm=\"x,\\\"y\", qop=auth\n" \
	"Bearer realm=\"https://[2001:db8::1]:5001/t\",service=\"s\",scope=\"a b\""

static int
run_all(struct span lines, struct buf *url, struct err *err)
{
	struct challenge c;
	struct image_ref r;
	bool found;
	int rc = image_ref_parse(span_str("a.test/ns/app"), &r, err);

	if (rc == 0)
		rc = challenge_pick(lines, &c, &found, err);
	return rc < 0 || !found ? rc : challenge_token_url(&c, &r, false, url, err);
}

static void
run_mutant(struct span lines, void *arg)
{
	autobuf url = BUF(LIMIT_URL);
	struct err ignored;

	(void)arg;
	if (run_all(lines, &url, &ignored) == 0 && url.len > 0)
		assert((url.data[4] | 0x20) == 's' && memcmp(url.data + 5, "://", 3) == 0);
}

static int
run_once(void *arg, struct err *err)
{
	autobuf url = BUF(LIMIT_URL), token = BUF(100);
	uint64_t seconds;
	int rc = run_all(SPAN_LIT(LINES), &url, err);

	(void)arg;
	return rc < 0 ? rc : challenge_token_parse(SPAN_LIT("{\"token\":\"x\"}"), &token, &seconds, err);
}

static void
test_lifetime(void)
{
	static const struct {
		const char	*text;
		uint64_t	 want;
	} cases[] = {
		{ "", 60 }, { ",\"expires_in\":5", 60 }, { ",\"expires_in\":60", 60 },
		{ ",\"expires_in\":300", 300 }, { ",\"expires_in\":9000000000", 86400 },
		{ ",\"expires_in\":-1", 60 }, { ",\"expires_in\":\"300\"", 60 },
		{ ",\"expires_in\":null", 60 }, { ",\"expires_in\":1e3", 60 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf token = BUF_SECRET(64);
		uint64_t seconds = 0;
		char text[80];

		snprintf(text, sizeof(text), "{\"token\":\"x\"%s}", cases[i].text);
		works(challenge_token_parse(span_str(text), &token, &seconds, &e), "%s", text);
		ok(seconds == cases[i].want, "good for %" PRIu64, seconds);
	}
}

static void
test_form(void)
{
	struct challenge c = { .scheme = CHALLENGE_BEARER, .realm = "https://t.test/token", .service = "a b" };
	autobuf url = BUF(LIMIT_URL), form = BUF_SECRET(KIB(4)), tiny = BUF_SECRET(10);
	struct image_ref r;

	works(image_ref_parse(SPAN_LIT("a.test/ns/app"), &r, &e), "a name");
	works(challenge_token_form(&c, &r, false, SPAN_LIT("se/cr=t"), &url, &form, &e), "a form");
	is_str(buf_str(&url), "https://t.test/token", "goes to the realm as it is");
	is_str(buf_str(&form), "grant_type=refresh_token&client_id=cacao&service=a%20b"
	    "&scope=repository%3Ans%2Fapp%3Apull&refresh_token=se%2Fcr%3Dt", "and says who and what for");
	snprintf(c.scope, sizeof(c.scope), "one two");
	buf_reset(&url);
	fails(challenge_token_form(&c, &r, false, SPAN_LIT("x"), &url, &tiny, &e), ERR_LIMIT, "no room");
	ok(url.len == 0 && tiny.len == 0, "output as it was");
	works(challenge_token_form(&c, &r, false, SPAN_LIT("x"), &url, &form, &e), "several scopes");
	ok(strstr(buf_str(&form), "scope=one%20two&") != NULL, "are one value");
	snprintf(c.realm, sizeof(c.realm), "http://t.test/token");
	fails(challenge_token_form(&c, &r, false, SPAN_LIT("x"), &url, &form, &e), ERR_AUTH,
	    "an identity token goes nowhere without TLS");
	works(challenge_token_form(&c, &r, true, SPAN_LIT("x"), &url, &form, &e),
	    "but for a registry that is spoken to without");
}

int
main(void)
{
	test_good();
	test_bad();
	test_urls();
	test_own_host();
	test_tokens();
	ok(mutate(SPAN_LIT(LINES), 200, run_mutant, NULL) > 1000, "mutants");
	ok(fault_each(FAULT_ALLOC, 0, false, run_once, NULL) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	is_int(secret_in_use(), 0, "no secret is left behind");
	test_lifetime();
	test_form();
	return tap_done();
}
