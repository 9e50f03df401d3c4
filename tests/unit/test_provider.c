/*
 * test_provider.c: what callers may ask of a key provider and what they may not; parameters in every form; round trips
 * through the protocol; no key and no plain text in an error.
 */
#include "lib/base.h"
#include "keyprovider/provider.h"

#include <fcntl.h>

#include "keyprovider/kek.h"
#include "lib/crypto.h"
#include "lib/fs.h"
#include "lib/json.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define VECTORS	"tests/vectors/image/ocicrypt/keyprovider/"
#define PLAIN	"{\"symkey\":\"canary\"}"

static struct err e;

/* Keys of the tests: every id but "none" has one. Remembers what it was asked. */
static struct {
	char	path[512];
	bool	wrap;
	size_t	size, asked;
} source = { .size = KEK_SIZE };

static int
find(maybe_unused void *arg, const struct kbs_uri *kid, bool wrap, struct buf *kek, struct err *err)
{
	static const uint8_t key[64] = "0123456789abcdef0123456789abcdefCANARY";

	snprintf(source.path, sizeof(source.path), "%s", kid->path);
	source.wrap = wrap;
	source.asked++;
	if (strstr(kid->path, "none") != NULL)
		return err_set(err, ERR_KEY_NOTFOUND, "no key %s", kid->path);
	return buf_add(kek, key, source.size, err);
}

static const struct provider plain_provider = { .key = find, .keys_path = "" };

static void
test_params(void)
{
	static const struct { const char *text, *path, *host, *keypath; bool named, sample; } good[] = {
		{ "", "", "", "", false, false },
		{ "Enabled", "", "", "", false, false },
		{ "kbs:///a/b/c", "a/b/c", "", "", true, false },
		{ "/a/b/c", "a/b/c", "", "", true, false },
		{ "a/b/c", "a/b/c", "", "", true, false },
		{ "h:1/a/b/c", "a/b/c", "h:1", "", true, false },
		{ "kbs://[::1]:80/a/b/c", "a/b/c", "[::1]:80", "", true, false },
		{ "keyid=kbs://[fe80::]/a/b/c::algorithm=A256GCM", "a/b/c", "[fe80::]", "", true, false },
		{ "keyid=kbs:///a/b/c::sample=false", "a/b/c", "", "", true, false },
		{ "sample=true", "", "", "", false, true },
		{ "keypath=/k::keyid=/a/b/c::algorithm=A256GCM", "a/b/c", "", "/k", true, false },
		{ "kbs:///a/b/c::keypath=/k", "a/b/c", "", "/k", true, false },
		{ "keypath=/k::x", "", "", "/k::x", false, false },
	};
	static const struct { const char *text; enum err_code code; const char *word; } bad[] = {
		{ "kbs:///a/b", ERR_PARSE, "three parts" }, { "kbs:///a/b/../c", ERR_PARSE, "" },
		{ "../../etc/shadow", ERR_PARSE, "" }, { "a/../c", ERR_PARSE, "dot" }, { "/etc/pass%2e/x", ERR_PARSE, "" },
		{ "word", ERR_PARSE, "" }, { "keyid=", ERR_PARSE, "" }, { "keyid=a/b/c::keyid=a/b/d", ERR_PARSE, "twice" },
		{ "a/b/c::keyid=a/b/d", ERR_PARSE, "twice" }, { "a/b/c::", ERR_PARSE, "" }, { "::a/b/c", ERR_PARSE, "" },
		{ "a/b/c::other=1", ERR_PARSE, "" }, { "algorithm=A256CTR", ERR_UNSUPPORTED, "A256CTR" },
		{ "algorithm=", ERR_UNSUPPORTED, "" }, { "algorithm=A256GCM::x", ERR_UNSUPPORTED, "" },
		{ "sample=1", ERR_PARSE, "true or false" }, { "sample=TRUE", ERR_PARSE, "true or false" },
		{ "keypath=", ERR_PARSE, "keypath" }, { "sample=true::sample=true", ERR_PARSE, "twice" },
		{ "Enabled::keyid=a/b/c", ERR_PARSE, "" }, { "keyid=a/b/c ", ERR_PARSE, "" },
	};
	static uint8_t nul[] = "keypath=/a\0b", long_path[600] = "keypath=/";
	struct provider_params p;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		works(provider_params_parse(span_str(good[i].text), &p, &e), "'%s'", good[i].text);
		ok(p.named == good[i].named && p.sample == good[i].sample && strcmp(p.kid.path, good[i].path) == 0 &&
		    strcmp(p.kid.host, good[i].host) == 0 && strcmp(p.keypath, good[i].keypath) == 0, "means what it says");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(&p, 7, sizeof(p));
		fails(provider_params_parse(span_str(bad[i].text), &p, &e), bad[i].code, "'%s'", bad[i].text);
		ok(strstr(e.msg, bad[i].word) != NULL && p.keypath[0] == 7, "%s", e.msg);
	}
	fails(provider_params_parse((struct span){ nul, sizeof(nul) - 1 }, &p, &e), ERR_PARSE, "a NUL");
	memset(long_path + 9, 'x', sizeof(long_path) - 9);
	fails(provider_params_parse((struct span){ long_path, sizeof(long_path) }, &p, &e), ERR_PARSE, "a long path");
}

static int
wrap(const struct provider *p, const char *params, struct buf *packet)
{
	return provider_wrap(p, span_str(params), SPAN_LIT(PLAIN), packet, &e);
}

/* Packet → its plain text. */
static int
unwrap(const struct provider *p, struct span text, struct buf *out)
{
	cleanup(packet_fini) struct packet packet = { .iv_len = 0 };
	int rc = packet_parse(text, &packet, &e);

	return rc < 0 ? rc : provider_unwrap(p, &packet, out, &e);
}

static void
test_wrap(void)
{
	static const struct kbs_uri only = { .plugin = "resource", .path = "the/only/one" };
	struct provider p = plain_provider;
	autobuf packet = BUF(LIMIT_PACKET), again = BUF(LIMIT_PACKET), out = BUF_SECRET(LIMIT_PACKET);

	works(wrap(&p, "keyid=/a/b/c", &packet), "wraps");
	ok(span_starts(buf_span(&packet), "{\"kid\":\"kbs:///a/b/c\","), "a short id becomes a URI: %s", buf_str(&packet));
	ok(strstr(buf_str(&packet), "\"wrap_type\":\"A256GCM\"") != NULL, "authenticated");
	ok(source.wrap && strcmp(source.path, "a/b/c") == 0, "the key was asked for wrapping");
	works(wrap(&p, "keyid=/a/b/c", &again), "and again");
	ok(!span_eq(buf_span(&packet), buf_span(&again)), "differently");
	works(unwrap(&p, buf_span(&packet), &out), "unwraps");
	is_str(buf_str(&out), PLAIN, "to what it was");
	ok(!source.wrap, "for which no key is made");
	buf_reset(&again);
	fails(wrap(&p, "", &again), ERR_PARSE, "no id");
	ok(strstr(e.msg, "no key is named") != NULL, "%s", e.msg);
	fails(wrap(&p, "a/b/none", &again), ERR_KEY_NOTFOUND, "no key");
	p.only = &only;
	works(wrap(&p, "Enabled", &again), "the only key");
	ok(strstr(buf_str(&again), "kbs:///the/only/one") != NULL, "has its id");
	source.size = 31;
	fails(unwrap(&p, buf_span(&packet), &out), ERR_DECRYPT, "a key of 31 bytes opens nothing");
	fails(wrap(&p, "a/b/c", &again), ERR_BUG, "and wraps nothing");
	source.size = KEK_SIZE;
	packet.data[60] ^= 1;
	ok(unwrap(&p, buf_span(&packet), &out) < 0, "a packet that was changed");
}

static void
test_keypath(void)
{
	struct provider p = plain_provider;
	autobuf packet = BUF(LIMIT_PACKET);

	fails(wrap(&p, "keyid=a/b/c::keypath=/etc/shadow", &packet), ERR_CONFIG, "no file by a caller's word");
	fails(wrap(&p, "keyid=a/b/c::keypath=/a/b/c", &packet), ERR_CONFIG, "also where nothing is set up");
	is_int(packet.len, 0, "nothing is wrapped");
	p.keys_path = "/keys";
	works(wrap(&p, "keyid=a/b/c::keypath=/keys/a/b/c", &packet), "the path of the key that is named");
	works(wrap(&p, "keyid=a/b/c::keypath=/keys", &packet), "the path of the keys");
	fails(wrap(&p, "keyid=a/b/c::keypath=/keys/a/b/d", &packet), ERR_CONFIG, "of another key");
	fails(wrap(&p, "keyid=a/b/c::keypath=/keys/../keys/a/b/c", &packet), ERR_CONFIG, "by another way");
}

static void
test_sample(void)
{
	struct provider p = plain_provider;
	autobuf packet = BUF(LIMIT_PACKET), text = BUF(LIMIT_PACKET), out = BUF_SECRET(LIMIT_PACKET);
	autojson doc = NULL;
	size_t before;

	fails(wrap(&p, "sample=true", &packet), ERR_CONFIG, "not unless it is allowed");
	ok(strstr(e.msg, "--allow-sample") != NULL, "%s", e.msg);
	works(fs_read_file(AT_FDCWD, "tests/vectors/kbc/annotation/v1-sample-hardcoded.json", &text, &e), "a packet of it");
	works(json_parse(buf_span(&text), &doc, &e), "in JSON");
	ok(unwrap(&p, json_raw(json_get(json_root(doc), "annotation")), &out) < 0, "is not opened either");
	p.allow_sample = true;
	before = source.asked;
	works(unwrap(&p, json_raw(json_get(json_root(doc), "annotation")), &out), "allowed: opens what others wrapped");
	buf_reset(&out);
	works(wrap(&p, "sample=true", &packet), "and wraps");
	ok(strstr(buf_str(&packet), "kbs:///default/test-key/1") != NULL, "under its id");
	works(unwrap(&p, buf_span(&packet), &out), "comes back");
	is_str(buf_str(&out), PLAIN, "as it was");
	is_int(source.asked, before, "no other key is asked for");
	fails(wrap(&p, "sample=true::keyid=a/b/c", &packet), ERR_PARSE, "a key id besides");
	fails(wrap(&p, "sample=true::keypath=/k", &packet), ERR_PARSE, "a path besides");
	works(wrap(&p, "sample=false::keyid=a/b/c", &packet), "sample=false");
}

static void
test_ctr(void)
{
	struct provider p = plain_provider;
	autobuf text = BUF(LIMIT_PACKET), out = BUF_SECRET(LIMIT_PACKET);
	autojson doc = NULL;
	struct json_val packet;
	size_t before = source.asked;

	works(fs_read_file(AT_FDCWD, "tests/vectors/kbc/annotation/v1-a256ctr.json", &text, &e), "a packet in CTR");
	works(json_parse(buf_span(&text), &doc, &e), "in JSON");
	packet = json_get(json_root(doc), "annotation");
	fails(unwrap(&p, json_raw(packet), &out), ERR_DECRYPT, "is refused");
	is_int(source.asked, before, "before a key is asked for");
	p.allow_ctr = true;
	works(unwrap(&p, json_raw(packet), &out), "unless it is allowed");
}

static int
serve(const struct provider *p, enum provider_op op, struct span data, struct buf *result)
{
	autobuf json = BUF_SECRET(LIMIT_PROVIDER_JSON), reply = BUF_SECRET(LIMIT_PROVIDER_JSON);
	int rc = provider_request_format(op, span_str("keyid=kbs:///a/b/c"), data, &json, &e);

	if (rc == 0)
		rc = provider_serve(p, op, buf_span(&json), &reply, &e);
	return rc < 0 ? rc : provider_reply_parse(buf_span(&reply), op, result, &e);
}

static void
test_serve(void)
{
	static const char prefix[] = "[ERROR:attestation-agent] AA-KBC key provider failed: ";
	autobuf packet = BUF_SECRET(LIMIT_PACKET), plain = BUF_SECRET(LIMIT_PACKET), json = BUF_SECRET(LIMIT_PROVIDER_JSON);

	works(serve(&plain_provider, PROVIDER_WRAP, SPAN_LIT(PLAIN), &packet), "WrapKey");
	works(serve(&plain_provider, PROVIDER_UNWRAP, buf_span(&packet), &plain), "UnWrapKey of it");
	is_str(buf_str(&plain), PLAIN, "gives it back");
	packet.data[packet.len / 2] ^= 1;
	ok(serve(&plain_provider, PROVIDER_UNWRAP, buf_span(&packet), &plain) < 0, "not if it was changed");
	ok(strncmp(e.msg, prefix, strlen(prefix)) == 0, "%s", e.msg);
	fails(provider_serve(&plain_provider, PROVIDER_WRAP, SPAN_LIT("{\"op\":1}"), &json, &e), ERR_PARSE, "not a request");
	ok(strncmp(e.msg, prefix, strlen(prefix)) == 0, "%s", e.msg);
	is_int(json.len, 0, "and no answer");
	fails(serve(&plain_provider, PROVIDER_UNWRAP, SPAN_LIT("{\"kid\":\"a/b/none\",\"wrapped_data\":"
	    "\"AAAAAAAAAAAAAAAAAAAAAA==\",\"iv\":\"AAAAAAAAAAAAAAAA\",\"wrap_type\":\"A256GCM\"}"), &plain),
	    ERR_KEY_NOTFOUND, "a key that is not there: %s", e.msg);
	ok(strstr(e.msg, "kbs:///a/b/none") != NULL, "is named");
}

/* The recorded packet of another provider, with its key. */
static int
vector_key(void *arg, maybe_unused const struct kbs_uri *kid, maybe_unused bool make, struct buf *kek, struct err *err)
{
	return buf_add_span(kek, buf_span(arg), err);
}

static void
test_vectors(void)
{
	autobuf keys = BUF(KIB(8)), text = BUF(64), kek = BUF_SECRET(64);
	struct provider p = { .key = vector_key, .arg = &kek, .keys_path = "" };
	static const char *const names[] = { "v1-gcm", "v2-gcm" };
	autojson doc = NULL;

	works(fs_read_file(AT_FDCWD, VECTORS "keys.json", &keys, &e), "keys");
	works(json_parse(buf_span(&keys), &doc, &e), "of the vectors");
	works(json_str(json_get(json_root(doc), "kek_base64"), "kek", &text, &e), "in base64");
	works(kek_parse(buf_span(&text), &kek, &e), "as in a key file");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		autobuf json = BUF(KIB(8)), want = BUF(KIB(8)), reply = BUF_SECRET(KIB(8)), a = BUF_SECRET(KIB(8)),
		    b = BUF_SECRET(KIB(8));
		char name[128];

		snprintf(name, sizeof(name), VECTORS "%s.request.json", names[i]);
		works(fs_read_file(AT_FDCWD, name, &json, &e), "%s", name);
		snprintf(name, sizeof(name), VECTORS "%s.reply.json", names[i]);
		works(fs_read_file(AT_FDCWD, name, &want, &e), "%s", name);
		works(provider_serve(&p, PROVIDER_UNWRAP, buf_span(&json), &reply, &e), "recorded call");
		works(provider_reply_parse(buf_span(&reply), PROVIDER_UNWRAP, &a, &e), "our answer");
		works(provider_reply_parse(buf_span(&want), PROVIDER_UNWRAP, &b, &e), "the recorded one");
		ok(span_eq(buf_span(&a), buf_span(&b)), "say the same");
	}
}

static void
test_kek(void)
{
	static const char raw[] = "0123456789abcdef0123456789abcde\n";
	static const struct { const char *text; bool good; } cases[] = {
		{ "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQo=", true },
		{ "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQo=\n", true },
		{ "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQo=\r\n", true },
		{ "303132333435363738396162636465663031323334353637383961626364650a", true },
		{ "303132333435363738396162636465663031323334353637383961626364650a\n", true },
		{ "303132333435363738396162636465663031323334353637383961626364650A", false },
		{ "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQo=\n\n", false },
		{ "", false }, { "\n", false }, { "0123456789abcdef0123456789abcde", false },
		{ "0123456789abcdef0123456789abcdef\n", false }, { "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ==", false },
	};
	autobuf open = BUF(64);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf key = BUF_SECRET(64);

		if (cases[i].good) {
			works(kek_parse(span_str(cases[i].text), &key, &e), "form %zu", i);
			ok(span_eq(buf_span(&key), SPAN_LIT(raw)), "is the key");
		} else {
			fails(kek_parse(span_str(cases[i].text), &key, &e), ERR_CONFIG, "form %zu is none", i);
			ok(key.len == 0 && strstr(e.msg, "0123") == NULL && strstr(e.msg, "MDEy") == NULL, "%s", e.msg);
		}
	}
	{
		autobuf key = BUF_SECRET(64);
		uint8_t text[KEK_FILE_MAX] = { 0 };

		works(kek_parse(SPAN_LIT(raw), &key, &e), "32 bytes are the key, also when they end a line");
		ok(span_eq(buf_span(&key), SPAN_LIT(raw)), "all of them");
		memset(text, 'A', sizeof(text));
		fails(kek_parse((struct span){ text, sizeof(text) }, &key, &e), ERR_CONFIG, "base64 of more");
	}
	fails(kek_parse(SPAN_LIT(raw), &open, &e), ERR_BUG, "only into secret memory");
}

static int
run_all(maybe_unused void *arg, struct err *out)
{
	autobuf json = BUF_SECRET(KIB(8)), reply = BUF_SECRET(KIB(8)), packet = BUF_SECRET(KIB(8));
	int rc = provider_request_format(PROVIDER_WRAP, span_str("a/b/c"), SPAN_LIT(PLAIN), &json, out);

	if (rc == 0)
		rc = provider_serve(&plain_provider, PROVIDER_WRAP, buf_span(&json), &reply, out);
	if (rc == 0)
		rc = provider_reply_parse(buf_span(&reply), PROVIDER_WRAP, &packet, out);
	buf_reset(&json);
	if (rc == 0)
		rc = provider_request_format(PROVIDER_UNWRAP, span_str(""), buf_span(&packet), &json, out);
	return rc < 0 ? rc : provider_serve(&plain_provider, PROVIDER_UNWRAP, buf_span(&json), &reply, out);
}

/* No mutant of a call makes it tell a key or what was wrapped. */
static void
call_mutant(struct span s, maybe_unused void *arg)
{
	autobuf reply = BUF_SECRET(LIMIT_PROVIDER_JSON);
	struct err failed = { 0 };

	if (provider_serve(&plain_provider, PROVIDER_AS_ASKED, s, &reply, &failed) < 0 &&
	    (strstr(failed.msg, "canary") != NULL || strstr(failed.msg, "CANARY") != NULL ||
	    strstr(failed.msg, "Y2FuYXJ5") != NULL || strstr(failed.msg, "0123456789abcdef") != NULL || reply.len > 0))
		abort();
}

int
main(void)
{
	autobuf json = BUF_SECRET(KIB(8));

	works(crypto_init(&e), "crypto_init");
	test_params();
	test_wrap();
	test_keypath();
	test_sample();
	test_ctr();
	test_serve();
	test_vectors();
	test_kek();
	works(provider_request_format(PROVIDER_WRAP, span_str("keyid=a/b/c"), SPAN_LIT(PLAIN), &json, &e), "a call");
	ok(mutate(buf_span(&json), json.len, call_mutant, NULL) > 1000, "mutants tell nothing");
	ok(fault_each(FAULT_ALLOC, 0, false, run_all, NULL) > 3, "every allocation fails");
	ok(fault_each(FAULT_IO, EIO, false, run_all, NULL) > 0, "and every call of the system");
	buf_free(&json);
	is_int(secret_in_use(), 0, "nothing is left in secret memory");
	return tap_done();
}
