/*
 * test_auth.c: which entry of an auth file serves a reference, and what may be
 * written in it. The base64 texts are made by the test, so that it shows what they hold.
 */
#include "lib/base.h"

#include "image/auth.h"
#include "lib/codec.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;
static enum auth_kind kind;

static int
lookup(const char *file, const char *name, struct buf *out)
{
	struct image_ref r;
	int rc = image_ref_parse(span_str(name), &r, &e);

	return rc < 0 ? -ERR_BUG : auth_lookup(span_str(file), &r, &kind, out, &e);
}

/* "dTpwMQ==" is u:p1 and so on. */
#define U1	"{\"auth\":\"dTpwMQ==\"}"
#define U2	"{\"auth\":\"dTpwMg==\"}"
#define U3	"{\"auth\":\"dTpwMw==\"}"
#define AUTHS(entries) "{\"auths\":{" entries "}}"

static void
test_order(void)
{
	static const struct {
		const char *file, *name, *want;
	} cases[] = {
		{ AUTHS("\"a.test\":" U1 ",\"a.test/ns\":" U2 ",\"a.test/ns/app\":" U3),
		  "a.test/ns/app:v1", "u:p3" },
		{ AUTHS("\"a.test\":" U1 ",\"a.test/ns\":" U2 ",\"a.test/ns/app\":" U3),
		  "a.test/ns/other", "u:p2" },
		{ AUTHS("\"a.test\":" U1 ",\"a.test/ns\":" U2 ",\"a.test/ns/app\":" U3),
		  "a.test/nsx/app", "u:p1" },
		{ AUTHS("\"a.test:5000\":" U1 ",\"a.test\":" U2), "a.test:5000/app", "u:p1" },
		{ AUTHS("\"https://a.test\":" U1), "a.test/app", "u:p1" },
		{ AUTHS("\"https://a.test/v2/\":" U1), "a.test/app", "u:p1" },
		{ AUTHS("\"http://a.test/v1\":" U1 ",\"a.test\":" U2), "a.test/app", "u:p2" },
		{ AUTHS("\"http://a.test/1\":" U1 ",\"http://a.test/2\":" U2), "a.test/app", "u:p1" },
		{ AUTHS("\"https://index.docker.io/v1/\":" U1), "busybox", "u:p1" },
		{ AUTHS("\"index.docker.io\":" U1), "busybox", "u:p1" },
		{ AUTHS("\"registry-1.docker.io\":" U1), "busybox", "u:p1" },
		{ AUTHS("\"https://registry-1.docker.io/v2\":" U1), "docker.io/a/b", "u:p1" },
		{ AUTHS("\"index.docker.io\":" U1 ",\"docker.io\":" U2), "busybox", "u:p2" },
		{ AUTHS("\"docker.io/library/busybox\":" U1 ",\"docker.io\":" U2), "busybox", "u:p1" },
		{ "{\"a.test\":" U1 "}", "a.test/app", "u:p1" },
		{ "{\"https://index.docker.io/v1/\":{\"auth\":\"dTpwMQ==\",\"email\":\"x\"}}",
		  "busybox", "u:p1" },
		{ "{\"credsStore\":\"x\",\"HttpHeaders\":{\"User-Agent\":\"y\"},\"auths\":{\"a.test\":"
		  U1 "},\"proxies\":{}}", "a.test/app", "u:p1" },
	};
	static const struct {
		const char *file, *name;
	} none[] = {
		{ "{}", "a.test/app" },
		{ AUTHS(""), "a.test/app" },
		{ AUTHS("\"b.test\":" U1), "a.test/app" },
		{ AUTHS("\"a.test\":" U1), "a.test:5000/app" },
		{ AUTHS("\"a.test:5000\":" U1), "a.test/app" },
		{ AUTHS("\"a.test/\":" U1), "a.test/app" },
		{ AUTHS("\"a.test/ns/app:v1\":" U1), "a.test/ns/app:v1" },
		{ AUTHS("\"a.test/ns/app/x\":" U1), "a.test/ns/app" },
		{ AUTHS("\"A.TEST\":" U1), "a.test/app" },
		{ AUTHS("\"ftp://a.test\":" U1), "a.test/app" },
		{ AUTHS("\"https://\":" U1), "a.test/app" },
		{ AUTHS("\"xa.test\":" U1 ",\"est\":" U1), "a.test/app" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf out = BUF_SECRET(100);

		works(lookup(cases[i].file, cases[i].name, &out), "%s in %s", cases[i].name,
		    cases[i].file);
		is_str(buf_str(&out), cases[i].want, "which one");
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		autobuf out = BUF_SECRET(100);

		fails(lookup(none[i].file, none[i].name, &out), ERR_NOTFOUND, "%s not in %s",
		    none[i].name, none[i].file);
		is_int(out.len, 0, "output as it was");
	}
}

/* An entry with this auth, which is base64 of plain with `before` and `after` around it. */
static int
lookup_plain(struct span plain, const char *before, const char *after, struct buf *out)
{
	autobuf text = BUF(1000), file = BUF(1000);
	int rc = base64_encode(plain, &text, &e);

	if (rc == 0)
		rc = buf_addf(&file, &e, AUTHS("\"a.test\":{\"auth\":\"%s%s%s\"}"), before,
		    buf_str(&text), after);
	return rc < 0 ? rc : lookup(buf_str(&file), "a.test/x", out);
}

static void
test_decoding(void)
{
	static const struct {
		struct span plain;
		const char *before, *after, *want;
	} good[] = {
		{ SPAN_LIT("user:pass"), "", "", "user:pass" },
		{ SPAN_LIT("user:pa:ss:"), "", "", "user:pa:ss:" },
		{ SPAN_LIT("user:pass\n"), "", "", "user:pass" },
		{ SPAN_LIT("user:pass\0\0"), "", "", "user:pass" },
		{ SPAN_LIT("user:pass"), "\\n ", "\\r\\n", "user:pass" },
		{ SPAN_LIT("user:"), "", "", "user:" },
		{ SPAN_LIT("user:p\xc3\xa4ss"), "", "", "user:p\xc3\xa4ss" },
	};
	static const struct span bad[] = {
		SPAN_LIT("user"), SPAN_LIT(":"), SPAN_LIT(":pass"), SPAN_LIT("us\0er:pass"),
		SPAN_LIT("\0"), SPAN_LIT("\n"),
	};
	autobuf out = BUF_SECRET(100);

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		buf_reset(&out);
		works(lookup_plain(good[i].plain, good[i].before, good[i].after, &out),
		    "credentials %zu", i);
		is_str(buf_str(&out), good[i].want, "their text");
	}
	buf_reset(&out);
	works(lookup(AUTHS("\"a.test\":{\"auth\":\"dTpwMQ\"}"), "a.test/x", &out), "no padding");
	is_str(buf_str(&out), "u:p1", "decoded");
	buf_reset(&out);
	works(lookup(AUTHS("\"a.test\":{\"username\":\"u\",\"password\":\"p:q\"}"), "a.test/x", &out),
	    "two members");
	is_str(buf_str(&out), "u:p:q", "joined");
	buf_reset(&out);
	works(lookup(AUTHS("\"a.test\":{\"auth\":\"\",\"username\":\"u\",\"password\":\"p\"}"),
	    "a.test/x", &out), "auth is empty, members are not");
	is_str(buf_str(&out), "u:p", "joined");
	buf_reset(&out);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(lookup_plain(bad[i], "", "", &out), ERR_CONFIG, "bad credentials %zu", i);
	fails(lookup_plain(SPAN_LIT("user:secretpass"), "!", "", &out), ERR_CONFIG, "no base64");
	ok(strstr(e.msg, "c2Vjc") == NULL && strstr(e.msg, "secret") == NULL,
	    "the message does not show it: %s", e.msg);
	is_int(out.len, 0, "output as it was");
}

static void
test_useless(void)
{
	static const struct {
		const char *file, *word;
	} useless[] = {
		{ AUTHS("\"a.test\":{},\"https://a.test\":" U1), "empty" },
		{ AUTHS("\"a.test\":{\"auth\":\"\"}"), "empty" },
		{ AUTHS("\"a.test\":{\"auth\":null}"), "empty" },
	};
	static const char *const bad[] = {
		"", "{", "[]", "null", "{\"auths\":[]}", "{\"auths\":null}", AUTHS("\"a.test\":7"),
		AUTHS("\"a.test\":null"), AUTHS("\"a.test\":{\"auth\":7}"),
		AUTHS("\"a.test\":{\"username\":\"u\"}"), AUTHS("\"a.test\":{\"username\":7}"),
		AUTHS("\"a.test\":{\"username\":\"u\",\"password\":7}"),
		AUTHS("\"a.test\":" U1 ",\"a.test\":" U2), AUTHS("\"a.test\":" U1) "x",
	};
	autobuf out = BUF_SECRET(100), big = BUF(MIB(2));

	for (size_t i = 0; i < ARRAY_LEN(useless); i++) {
		fails(lookup(useless[i].file, "a.test/app", &out), ERR_NOTFOUND, "%s",
		    useless[i].file);
		ok(strstr(e.msg, useless[i].word) != NULL, "the message says why: %s", e.msg);
	}
	fails(lookup(AUTHS("\"a.test\":{\"auth\":\"dTpwMQ==\",\"identitytoken\":\"x y\"}"), "a.test/app", &out),
	    ERR_CONFIG, "an identitytoken that is none must not end in anonymity");
	fails(lookup(AUTHS("\"a.test\":{\"auth\":\"dTpwMQ==\",\"registrytoken\":5}"), "a.test/app", &out),
	    ERR_CONFIG, "nor a registrytoken");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(lookup(bad[i], "a.test/app", &out), ERR_CONFIG, "refused: %s", bad[i]);
	works(buf_reserve(&big, LIMIT_AUTHFILE + 2, &e), "room");
	memset(big.data, ' ', LIMIT_AUTHFILE + 1);
	big.data[0] = '{';
	big.data[LIMIT_AUTHFILE] = '}';
	big.data[LIMIT_AUTHFILE + 1] = '\0';
	fails(lookup((char *)big.data, "a.test/app", &out), ERR_CONFIG, "a file too large");
	is_int(out.len, 0, "output as it was");
}

#define FILE_TEXT "{\"auths\":{\"b.test\":{},\"https://a.test/v1\":" U1 "}}"

static void
test_tokens(void)
{
	autobuf out = BUF_SECRET(100);

	works(lookup(AUTHS("\"a.test\":" U1), "a.test/app", &out), "a password");
	is_int(kind, AUTH_PASSWORD, "its kind");
	buf_reset(&out);
	works(lookup(AUTHS("\"a.test\":{\"auth\":\"dTpwMQ==\",\"identitytoken\":\"x-1\"}"), "a.test/app", &out),
	    "an identitytoken comes before a password");
	ok(kind == AUTH_IDENTITY && strcmp(buf_str(&out), "x-1") == 0, "it is there");
	buf_reset(&out);
	works(lookup(AUTHS("\"a.test\":{\"identitytoken\":\"x\",\"registrytoken\":\"y\"}"), "a.test/app", &out),
	    "a registrytoken before both");
	ok(kind == AUTH_BEARER && strcmp(buf_str(&out), "y") == 0, "it is there");
	buf_reset(&out);
	works(lookup(AUTHS("\"a.test\":{\"auth\":\"dTpwMQ==\",\"identitytoken\":\"\",\"registrytoken\":null}"),
	    "a.test/app", &out), "empty ones are none");
	is_int(kind, AUTH_PASSWORD, "so it is the password");
}

static void
lookup_mutant(struct span file, void *arg)
{
	autobuf out = BUF_SECRET(100);
	struct err ignored;

	if (auth_lookup(file, arg, &kind, &out, &ignored) < 0)
		assert(out.len == 0);
}

static int
lookup_once(void *arg, struct err *err)
{
	autobuf out = BUF(100);	/* memory that can run out */

	return auth_lookup(SPAN_LIT(FILE_TEXT), arg, &kind, &out, err);
}

int
main(void)
{
	struct image_ref r;

	test_order();
	test_decoding();
	test_useless();
	test_tokens();
	works(image_ref_parse(span_str("a.test/app"), &r, &e), "a name");
	ok(mutate(SPAN_LIT(FILE_TEXT), 200, lookup_mutant, &r) > 100, "mutants");
	ok(fault_each(FAULT_ALLOC, 0, false, lookup_once, &r) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	is_int(secret_in_use(), 0, "no secret is left behind");
	return tap_done();
}
