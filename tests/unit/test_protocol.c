/*
 * test_protocol.c: requests and answers of the key provider protocol, as the implementations write them and as nobody should;
 * round trips; what never shows in an error.
 */
#include "lib/base.h"
#include "keyprovider/protocol.h"

#include <fcntl.h>

#include "keyprovider/json_bytes.h"
#include "lib/codec.h"
#include "lib/fs.h"
#include "lib/json.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define VECTORS	"tests/vectors/image/ocicrypt/keyprovider/"
#define CANARY	"c2VjcmV0LWNhbmFyeQ=="	/* "secret-canary" */

static struct err e;

static void
read_vector(const char *name, struct buf *out)
{
	if (fs_read_file(AT_FDCWD, name, out, &e) < 0) {
		printf("Bail out! %s\n", e.msg);
		exit(1);
	}
}

static int
request(const char *json, enum provider_op op, struct provider_request *out)
{
	return provider_request_parse(span_str(json), op, out, &e);
}

static void
test_vectors(void)
{
	autobuf wrap = BUF(KIB(64)), unwrap = BUF(KIB(64));
	struct provider_request r;

	read_vector(VECTORS "wrap.request.json", &wrap);
	works(provider_request_parse(buf_span(&wrap), PROVIDER_WRAP, &r, &e), "WrapKey as skopeo sends it");
	is_str(buf_str(&r.parameter), "keyid=kbs:///default/key/1::sample=false", "its parameter");
	ok(span_starts(buf_span(&r.data), "{\"symkey\":"), "its options");
	ok(r.data.secret && r.parameter.secret, "in secret memory");
	provider_request_fini(&r);
	works(provider_request_parse(buf_span(&wrap), PROVIDER_AS_ASKED, &r, &e), "the method as the request says");
	is_int(r.op, PROVIDER_WRAP, "which is wrapping");
	provider_request_fini(&r);
	fails(provider_request_parse(buf_span(&wrap), PROVIDER_UNWRAP, &r, &e), ERR_PARSE, "not with the other method");

	read_vector(VECTORS "v1-gcm.request.json", &unwrap);
	works(provider_request_parse(buf_span(&unwrap), PROVIDER_UNWRAP, &r, &e), "UnWrapKey");
	ok(span_starts(buf_span(&r.data), "{\"kid\":\"kbs:///default/key/1\","), "its packet");
	is_int(r.parameter.len, 0, "which broker the caller names is not looked at");
	provider_request_fini(&r);
}

/* What verdictd's users sent, and in what clients in Rust differ. */
static void
test_forms(void)
{
	autobuf text = BUF(KIB(64));
	autojson doc = NULL;
	struct provider_request r;

	read_vector("tests/vectors/kbc/annotation/keyprovider-wrapkey-request.json", &text);
	works(json_parse(buf_span(&text), &doc, &e), "recorded call to verdictd");
	works(provider_request_parse(json_raw(json_get(json_root(doc), "input")), PROVIDER_WRAP, &r, &e), "parses");
	is_str(buf_str(&r.parameter), "84688df7-2c0c-40fa-956b-29d8e74d16c0", "with a bare id");
	provider_request_fini(&r);
	works(request("{\"op\":\"keywrap\",\"keywrapparams\":{\"ec\":{\"Parameters\":{\"attestation-agent\":[\"YQ==\"]},"
	    "\"DecryptConfig\":null},\"optsdata\":\"{\\\"symkey\\\":\\\"x\\\"}\"}}", PROVIDER_WRAP, &r), "plain text");
	is_str(buf_str(&r.data), "{\"symkey\":\"x\"}", "is taken as it is");
	provider_request_fini(&r);
	works(request("{\"op\":\"keywrap\",\"keywrapparams\":{\"ec\":{\"Parameters\":{\"other\":[\"YQ==\",\"YQ==\"],"
	    "\"attestation-agent\":[[97]]}},\"optsdata\":[1,2,255]}}", PROVIDER_WRAP, &r), "arrays of numbers");
	is_str(buf_str(&r.parameter), "a", "for the parameter");
	ok(r.data.len == 3 && memcmp(r.data.data, "\1\2\377", 3) == 0, "and for the data");
	provider_request_fini(&r);
	works(request("{\"op\":\"keyunwrap\",\"keywrapparams\":null,\"keyunwrapparams\":{\"dc\":null,\"annotation\":"
	    "\"YQ==\"}}", PROVIDER_UNWRAP, &r), "no dc");
	provider_request_fini(&r);
	works(request("{\"op\":\"keywrap\",\"keywrapparams\":{\"ec\":{\"Parameters\":{\"attestation-agent\":[\"\"]}},"
	    "\"optsdata\":\"YQ==\"}}", PROVIDER_WRAP, &r), "an empty parameter");
	is_int(r.parameter.len, 0, "is empty");
	provider_request_fini(&r);
}

#define WRAP(ec, data)	"{\"op\":\"keywrap\",\"keywrapparams\":{\"ec\":" ec ",\"optsdata\":" data "}}"
#define ONE		"{\"Parameters\":{\"attestation-agent\":[\"YQ==\"]}}"
#define UNWRAP(data)	"{\"op\":\"keyunwrap\",\"keyunwrapparams\":{\"annotation\":" data "}}"

static const struct { const char *json; enum provider_op op; enum err_code code; const char *word; } refused[] = {
	{ "", PROVIDER_WRAP, ERR_PARSE, "key provider request" },
	{ "[]", PROVIDER_WRAP, ERR_PARSE, "not an object" },
	{ "{}", PROVIDER_WRAP, ERR_PARSE, "op is missing" },
	{ "{\"op\":1}", PROVIDER_WRAP, ERR_PARSE, "op is missing" },
	{ "{\"op\":\"wrap\"}", PROVIDER_AS_ASKED, ERR_PARSE, "op is missing" },
	{ "{\"op\":\"keyunwrap\"}", PROVIDER_WRAP, ERR_PARSE, "op is not" },
	{ "{\"op\":\"keywrap\"}", PROVIDER_WRAP, ERR_PARSE, "ec.Parameters" },
	{ "{\"op\":\"keywrap\",\"op\":\"keywrap\"}", PROVIDER_WRAP, ERR_PARSE, "" },
	{ WRAP("null", "\"YQ==\""), PROVIDER_WRAP, ERR_PARSE, "nothing for attestation-agent" },
	{ WRAP("{\"Parameters\":{}}", "\"YQ==\""), PROVIDER_WRAP, ERR_PARSE, "nothing for attestation-agent" },
	{ WRAP("{\"Parameters\":{\"attestation-agent\":[]}}", "\"YQ==\""), PROVIDER_WRAP, ERR_PARSE, "nothing for" },
	{ WRAP("{\"Parameters\":{\"attestation-agent\":\"YQ==\"}}", "\"YQ==\""), PROVIDER_WRAP, ERR_PARSE, "nothing for" },
	{ WRAP("{\"Parameters\":{\"attestation-agent\":[\"a\"]}}", "\"YQ==\""), PROVIDER_WRAP, ERR_PARSE, "ec.Parameters" },
	{ WRAP("{\"Parameters\":{\"attestation-agent\":[\"YQ==\",\"Yg==\"]}}", "\"YQ==\""), PROVIDER_WRAP,
	    ERR_UNSUPPORTED, "2 keys" },
	{ WRAP(ONE, "null"), PROVIDER_WRAP, ERR_PARSE, "optsdata" },
	{ WRAP(ONE, "\"\""), PROVIDER_WRAP, ERR_PARSE, "optsdata is empty" },
	{ WRAP(ONE, "[]"), PROVIDER_WRAP, ERR_PARSE, "optsdata is empty" },
	{ WRAP(ONE, "[256]"), PROVIDER_WRAP, ERR_PARSE, "optsdata" },
	{ WRAP(ONE, "[-1]"), PROVIDER_WRAP, ERR_PARSE, "optsdata" },
	{ WRAP(ONE, "[\"a\"]"), PROVIDER_WRAP, ERR_PARSE, "optsdata" },
	{ WRAP(ONE, "[1.5]"), PROVIDER_WRAP, ERR_PARSE, "optsdata" },
	{ WRAP(ONE, "{}"), PROVIDER_WRAP, ERR_PARSE, "optsdata" },
	{ WRAP(ONE, "\"YR==\""), PROVIDER_WRAP, ERR_PARSE, "optsdata" },
	{ WRAP(ONE, "\"" CANARY "!\""), PROVIDER_WRAP, ERR_PARSE, "optsdata" },
	{ UNWRAP("null"), PROVIDER_UNWRAP, ERR_PARSE, "annotation" },
	{ UNWRAP("\"\""), PROVIDER_UNWRAP, ERR_PARSE, "annotation is empty" },
	{ UNWRAP("\"{}\""), PROVIDER_UNWRAP, ERR_PARSE, "annotation" },	/* plain text is for wrapping only */
};

static void
test_refused(void)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct provider_request r = { .op = PROVIDER_AS_ASKED };

		fails(request(refused[i].json, refused[i].op, &r), refused[i].code, "%.70s", refused[i].json);
		ok(strstr(e.msg, refused[i].word) != NULL && strstr(e.msg, "canary") == NULL &&
		    strstr(e.msg, CANARY) == NULL, "%s", e.msg);
		ok(r.op == PROVIDER_AS_ASKED && r.data.data == NULL, "untouched");
	}
	is_int(secret_in_use(), 0, "nothing is left in secret memory");
}

static void
test_limits(void)
{
	autobuf json = BUF(KIB(256)), secret = BUF_SECRET(KIB(100));
	struct provider_request r;

	works(buf_add_str(&json, "{\"op\":\"keywrap\",\"pad\":\"", &e), "a request");
	works(buf_reserve(&json, LIMIT_PROVIDER_JSON, &e), "that is long");
	memset(json.data + json.len, 'x', LIMIT_PROVIDER_JSON);
	json.len += LIMIT_PROVIDER_JSON;
	works(buf_add_str(&json, "\"}", &e), "and complete");
	fails(provider_request_parse(buf_span(&json), PROVIDER_WRAP, &r, &e), ERR_LIMIT, "is too long");
	fails(provider_reply_parse(buf_span(&json), PROVIDER_WRAP, &secret, &e), ERR_LIMIT, "an answer, too");

	buf_reset(&json);
	works(buf_addf(&json, &e, "%s", "{\"op\":\"keyunwrap\",\"keyunwrapparams\":{\"annotation\":[0"), "many numbers");
	for (size_t i = 0; i < LIMIT_PACKET / 2; i++)
		assert(buf_add_str(&json, ",0", &e) == 0);
	works(buf_add_str(&json, "]}}", &e), "end");
	works(provider_request_parse(buf_span(&json), PROVIDER_UNWRAP, &r, &e), "half of the limit");
	is_int(r.data.len, LIMIT_PACKET / 2 + 1, "every one of them");
	provider_request_fini(&r);
}

static void
test_replies(void)
{
	static const char *const names[] = { "v1-gcm", "v2-gcm" };
	autobuf plain = BUF_SECRET(KIB(8)), open = BUF(KIB(8));

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		static const char *const styles[] = { "reply", "reply-go-style", "reply-array-style" };
		autobuf first = BUF_SECRET(KIB(8));

		for (size_t s = 0; s < ARRAY_LEN(styles); s++) {
			autobuf json = BUF(KIB(64)), out = BUF_SECRET(KIB(8));
			char path[256];

			snprintf(path, sizeof(path), VECTORS "%s.%s.json", names[i], styles[s]);
			read_vector(path, &json);
			works(provider_reply_parse(buf_span(&json), PROVIDER_UNWRAP, &out, &e), "%s.%s", names[i], styles[s]);
			if (s == 0)
				buf_move(&first, &out);
			else
				ok(span_eq(buf_span(&first), buf_span(&out)), "the same in each form");
		}
	}
	works(provider_reply_parse(SPAN_LIT("{\"keywrapresults\":{\"annotation\":[123,125]},\"keyunwrapresults\":null}"),
	    PROVIDER_WRAP, &plain, &e), "the other member is null");
	is_str(buf_str(&plain), "{}", "its packet");
	fails(provider_reply_parse(SPAN_LIT("{\"keywrapresults\":{\"annotation\":[123,125]}}"), PROVIDER_UNWRAP, &plain, &e),
	    ERR_PARSE, "the other member alone");
	fails(provider_reply_parse(SPAN_LIT("{\"keyunwrapresults\":{\"optsdata\":null}}"), PROVIDER_UNWRAP, &plain, &e),
	    ERR_PARSE, "null");
	fails(provider_reply_parse(SPAN_LIT("{\"keyunwrapresults\":{\"optsdata\":\"\"}}"), PROVIDER_UNWRAP, &plain, &e),
	    ERR_PARSE, "empty");
	fails(provider_reply_parse(SPAN_LIT("[]"), PROVIDER_UNWRAP, &plain, &e), ERR_PARSE, "no object");
	fails(provider_reply_parse(SPAN_LIT("{\"keyunwrapresults\":{\"optsdata\":[1,2,300]}}"), PROVIDER_UNWRAP, &plain, &e),
	    ERR_PARSE, "no byte");
	is_str(buf_str(&plain), "{}", "failures add nothing");
	fails(provider_reply_parse(SPAN_LIT("{\"keyunwrapresults\":{\"optsdata\":[1]}}"), PROVIDER_UNWRAP, &open, &e),
	    ERR_BUG, "only into secret memory");
}

static void
test_round_trips(void)
{
	static const struct span data = { (const uint8_t *)"{\"a\":\0\377}", 8 };
	static const enum provider_op ops[] = { PROVIDER_WRAP, PROVIDER_UNWRAP };
	autobuf small = BUF_SECRET(20), open = BUF(KIB(8));

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		autobuf json = BUF_SECRET(KIB(8)), back = BUF_SECRET(KIB(8));
		struct provider_request r;

		works(provider_request_format(ops[i], span_str("kbs:///a/b/c"), data, &json, &e), "request %zu", i);
		works(provider_request_parse(buf_span(&json), ops[i], &r, &e), "%s", buf_str(&json));
		ok(span_eq(buf_span(&r.data), data), "comes back");
		is_str(buf_str(&r.parameter), ops[i] == PROVIDER_WRAP ? "kbs:///a/b/c" : "", "with its parameter");
		provider_request_fini(&r);
		buf_reset(&json);
		works(provider_reply_format(ops[i], data, &json, &e), "answer %zu", i);
		ok(strstr(buf_str(&json), ":[123,34,97,34,58,0,255,125]}}") != NULL, "in the form of clients in Rust");
		works(provider_reply_parse(buf_span(&json), ops[i], &back, &e), "is read");
		ok(span_eq(buf_span(&back), data), "back");
		fails(provider_request_format(ops[i], data, data, &small, &e), ERR_LIMIT, "no room");
		fails(provider_reply_format(ops[i], data, &small, &e), ERR_LIMIT, "no room for the answer");
		is_int(small.len, 0, "nothing was added");
		fails(provider_request_format(ops[i], data, data, &open, &e), ERR_BUG, "not into open memory");
		fails(provider_reply_format(ops[i], data, &open, &e), ERR_BUG, "neither the answer");
	}
}

/* Exactly what skopeo writes, but for its spaces. */
static void
test_as_skopeo(void)
{
	static const char *const files[] = { VECTORS "wrap.request.json", VECTORS "v1-gcm.request.json" };
	static const char *const params[] = { "keyid=kbs:///default/key/1::sample=false", "cc_kbc::http://127.0.0.1:8080" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		autobuf text = BUF(KIB(64)), tight = BUF(KIB(64)), ours = BUF_SECRET(KIB(64));
		struct provider_request r;

		read_vector(files[i], &text);
		works(provider_request_parse(buf_span(&text), PROVIDER_AS_ASKED, &r, &e), "%s", files[i]);
		works(provider_request_format(r.op, span_str(params[i]), buf_span(&r.data), &ours, &e), "written by us");
		for (size_t at = 0; at < text.len; at++)
			if (strchr(" \n", text.data[at]) == NULL)
				assert(buf_add_u8(&tight, text.data[at], &e) == 0);
		is_str(buf_str(&ours), buf_str(&tight), "is the same");
		provider_request_fini(&r);
	}
}

static void
parse_any(struct span s, maybe_unused void *arg)
{
	autobuf out = BUF_SECRET(KIB(8));
	struct provider_request r;
	struct err unread;

	if (provider_request_parse(s, PROVIDER_AS_ASKED, &r, &unread) == 0)
		provider_request_fini(&r);
	if (provider_reply_parse(s, PROVIDER_UNWRAP, &out, &unread) == 0 && out.len == 0)
		abort();
}

static int
run_all(maybe_unused void *arg, struct err *out)
{
	autobuf json = BUF_SECRET(KIB(8)), reply = BUF_SECRET(KIB(8)), back = BUF_SECRET(KIB(8));
	struct provider_request r;
	int rc = provider_request_format(PROVIDER_WRAP, span_str("a"), span_str("data"), &json, out);

	if (rc == 0)
		rc = provider_request_parse(buf_span(&json), PROVIDER_WRAP, &r, out);
	if (rc < 0)
		return rc;
	rc = provider_reply_format(PROVIDER_WRAP, buf_span(&r.data), &reply, out);
	provider_request_fini(&r);
	return rc < 0 ? rc : provider_reply_parse(buf_span(&reply), PROVIDER_WRAP, &back, out);
}

int
main(void)
{
	autobuf valid = BUF_SECRET(KIB(8));

	test_vectors();
	test_forms();
	test_refused();
	test_limits();
	test_replies();
	test_round_trips();
	test_as_skopeo();
	works(provider_request_format(PROVIDER_UNWRAP, span_str("a"), span_str("data"), &valid, &e), "a valid request");
	ok(mutate(buf_span(&valid), valid.len, parse_any, NULL) > 1000, "mutants of a request");
	buf_reset(&valid);
	works(provider_reply_format(PROVIDER_UNWRAP, span_str("data"), &valid, &e), "a valid answer");
	ok(mutate(buf_span(&valid), valid.len, parse_any, NULL) > 500, "mutants of an answer");
	ok(fault_each(FAULT_ALLOC, 0, false, run_all, NULL) > 3, "every allocation fails");
	buf_free(&valid);
	is_int(secret_in_use(), 0, "nothing is left in secret memory");
	return tap_done();
}
