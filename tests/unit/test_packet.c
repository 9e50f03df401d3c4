/*
 * test_packet.c: annotation packets of all generations, from the vectors and by
 * hand; what is refused and by which word; round trips.
 */
#include "lib/base.h"
#include "keyprovider/packet.h"

#include <fcntl.h>

#include "lib/codec.h"
#include "lib/crypto.h"
#include "lib/fs.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define ANNOTATION	"tests/vectors/kbc/annotation/"
#define PROVIDER	"tests/vectors/image/ocicrypt/keyprovider/"

static struct err e;

static void
read_json(const char *name, struct buf *text, struct json **doc)
{
	if (fs_read_file(AT_FDCWD, name, text, &e) < 0 || json_parse(buf_span(text), doc, &e) < 0) {
		printf("Bail out! %s: %s\n", name, e.msg);
		exit(1);
	}
}

static void
decoded(struct json_val v, struct buf *out)
{
	autobuf text = BUF(LIMIT_PACKET);

	assert(json_str(v, "base64", &text, &e) == 0 && base64_decode(buf_span(&text), out, &e) == 0);
}

/* One packet with its KEK against what the vector expects. */
static void
test_vector(const char *file, bool legacy)
{
	autobuf text = BUF(LIMIT_PACKET), kek = BUF(64), plain = BUF(LIMIT_PACKET);
	autobuf out = BUF_SECRET(LIMIT_PACKET);
	struct packet p = { .iv_len = 0 };
	autojson doc = NULL;
	struct json_val expect;
	char name[128];
	int rc;

	snprintf(name, sizeof(name), ANNOTATION "%s", file);
	read_json(name, &text, &doc);
	expect = json_get(json_root(doc), "expect");
	decoded(json_get(json_root(doc), "kek_b64"), &kek);
	rc = packet_parse(json_raw(json_get(json_root(doc), "annotation")), &p, &e);
	if (json_str_eq(expect, "parse-error")) {
		ok(rc == -ERR_PARSE || rc == -ERR_UNSUPPORTED, "%s is refused: %s", file, e.msg);
		return;
	}
	works(rc, "%s parses", file);
	if (rc < 0)
		return;
	is_int(p.legacy_kid, legacy, "%s: legacy kid", file);
	is_str(p.kid.plugin, "resource", "%s: plugin", file);
	rc = packet_unwrap(&p, buf_span(&kek), &out, &e);
	if (json_str_eq(expect, "decrypt-error")) {
		fails(rc, ERR_DECRYPT, "%s: does not open", file);
		is_int(out.len, 0, "%s: gives nothing", file);
	} else {
		works(rc, "%s opens", file);
		decoded(json_get(json_root(doc), "plaintext_b64"), &plain);
		ok(span_eq(buf_span(&out), buf_span(&plain)), "%s: plaintext", file);
	}
	packet_fini(&p);
}

static void
test_vectors(void)
{
	test_vector("v0-verdictd.json", true);
	test_vector("v1-a256ctr.json", false);
	test_vector("v1-a256gcm.json", false);
	test_vector("v1-a256gcm-bad-tag.json", false);
	test_vector("v1-legacy-aes_256_ctr.json", true);
	test_vector("v1-sample-hardcoded.json", false);
	test_vector("v2-bad-version.json", false);
	test_vector("v2-kbs.json", false);
	test_vector("v2-missing-iv.json", false);
}

/* Packets without a KEK. */
static void
test_public(void)
{
	static const struct { const char *file; bool legacy; const char *path; } cases[] = {
		{ ANNOTATION "public-keyprovider-readme.json", false, "default/key/key_id1" },
		{ ANNOTATION "public-cdh-v1.json", true, "default/key/1" },
		{ "tests/vectors/image/upstream/annotation-packets/v1.json", true, "default/key/1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf text = BUF(LIMIT_PACKET);
		struct packet p = { .iv_len = 0 };

		works(fs_read_file(AT_FDCWD, cases[i].file, &text, &e), "%s", cases[i].file);
		works(packet_parse(buf_span(&text), &p, &e), "parses");
		is_str(p.kid.path, cases[i].path, "path of its kid");
		is_int(p.legacy_kid, cases[i].legacy, "legacy or not");
		packet_fini(&p);
	}
}

static void
test_provider(void)
{
	autobuf keys_text = BUF(LIMIT_PACKET), kek = BUF(64), want = BUF(LIMIT_PACKET);
	static const char *const names[] = { "v1-gcm", "v2-gcm" };
	autojson keys = NULL;

	read_json(PROVIDER "keys.json", &keys_text, &keys);
	decoded(json_get(json_root(keys), "kek_base64"), &kek);
	works(json_str(json_get(json_root(keys), "privopts"), "privopts", &want, &e), "options");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		autobuf text = BUF(LIMIT_PACKET), req = BUF(LIMIT_PACKET), inner = BUF(LIMIT_PACKET);
		autobuf out = BUF_SECRET(LIMIT_PACKET), again = BUF_SECRET(LIMIT_PACKET);
		struct packet p = { .iv_len = 0 };
		autojson doc = NULL;
		char name[128];

		snprintf(name, sizeof(name), PROVIDER "%s.annotation.json", names[i]);
		works(fs_read_file(AT_FDCWD, name, &text, &e), "%s", name);
		works(packet_parse(buf_span(&text), &p, &e), "parses");
		works(packet_unwrap(&p, buf_span(&kek), &out, &e), "opens");
		ok(span_eq(buf_span(&out), buf_span(&want)), "private options");
		packet_fini(&p);
		/* The same packet as it stands in a request. */
		snprintf(name, sizeof(name), PROVIDER "%s.request.json", names[i]);
		read_json(name, &req, &doc);
		decoded(json_get(json_get(json_root(doc), "keyunwrapparams"), "annotation"), &inner);
		works(packet_parse(buf_span(&inner), &p, &e), "packet of the request parses");
		works(packet_unwrap(&p, buf_span(&kek), &again, &e), "opens");
		ok(span_eq(buf_span(&out), buf_span(&again)), "the same options");
		packet_fini(&p);
	}
}

#define KID	"\"kid\":\"kbs:///default/key/1\""
#define IV	"\"iv\":\"AAAAAAAAAAAAAAAA\""
#define IV16	"\"iv\":\"AAAAAAAAAAAAAAAAAAAAAA==\""
#define DATA	"\"wrapped_data\":\"AAAAAAAAAAAAAAAAAAAAAAAA\""
#define GCM	"\"wrap_type\":\"A256GCM\""
#define TAG	"\"wrapped_data\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,255]"
#define OLD_IV	"\"iv\":[1,2,3,4,5,6,7,8,9,10,11,12]"

static void
test_forms(void)
{
	static const struct { const char *what, *text; int want; } cases[] = {
		{ "v1", "{" KID "," IV "," DATA "," GCM "}", 0 },
		{ "unknown member", "{" KID "," IV "," DATA "," GCM ",\"x\":{}}", 0 },
		{ "v2 by provider", "{" KID "," IV "," DATA "," GCM ",\"provider\":\"kbs\"}", 0 },
		{ "v2 by version", "{" KID "," IV "," DATA "," GCM ",\"version\":\"0.1.0\"}", 0 },
		{ "CTR", "{" KID "," IV16 "," DATA ",\"wrap_type\":\"A256CTR\"}", 0 },
		{ "old CTR", "{" KID "," IV16 "," DATA ",\"wrap_type\":\"aes_256_ctr\"}", 0 },
		{ "v0 sample", "{" KID "," OLD_IV "," TAG "," GCM "}", 0 },
		{ "v0 verdictd", "{" KID "," OLD_IV "," TAG ",\"algorithm\":\"AES\",\"key_length\":256}", 0 },
		{ "v0 without length", "{" KID "," OLD_IV "," TAG ",\"algorithm\":\"AES\"}", 0 },
		{ "not JSON", "{", ERR_PARSE }, { "array", "[]", ERR_PARSE }, { "empty", "", ERR_PARSE },
		{ "empty object", "{}", ERR_PARSE },
		{ "no kid", "{" IV "," DATA "," GCM "}", ERR_PARSE },
		{ "no iv", "{" KID "," DATA "," GCM "}", ERR_PARSE },
		{ "no data", "{" KID "," IV "," GCM "}", ERR_PARSE },
		{ "no wrap_type", "{" KID "," IV "," DATA "}", ERR_PARSE },
		{ "two wrap_types", "{" KID "," IV "," DATA "," GCM "," GCM "}", ERR_PARSE },
		{ "null wrap_type", "{" KID "," IV "," DATA ",\"wrap_type\":null}", ERR_PARSE },
		{ "wrap_type by case", "{" KID "," IV "," DATA ",\"wrap_type\":\"a256gcm\"}", ERR_UNSUPPORTED },
		{ "wrap_type CBC", "{" KID "," IV16 "," DATA ",\"wrap_type\":\"A256CBC\"}", ERR_UNSUPPORTED },
		{ "algorithm SM4", "{" KID "," OLD_IV "," TAG ",\"algorithm\":\"SM4\"}", ERR_UNSUPPORTED },
		{ "AES-128", "{" KID "," OLD_IV "," TAG ",\"algorithm\":\"AES\",\"key_length\":128}", ERR_UNSUPPORTED },
		{ "AES-512", "{" KID "," OLD_IV "," TAG ",\"algorithm\":\"AES\",\"key_length\":512}", ERR_PARSE },
		{ "length text", "{" KID "," OLD_IV "," TAG ",\"algorithm\":\"AES\",\"key_length\":\"256\"}", ERR_PARSE },
		{ "provider", "{" KID "," IV "," DATA "," GCM ",\"provider\":\"aliyun\"}", ERR_UNSUPPORTED },
		{ "provider null", "{" KID "," IV "," DATA "," GCM ",\"provider\":null}", ERR_UNSUPPORTED },
		{ "provider before iv", "{" KID "," DATA ",\"provider\":\"ehsm\"}", ERR_UNSUPPORTED },
		{ "version", "{" KID "," IV "," DATA "," GCM ",\"version\":\"0.1.1\"}", ERR_UNSUPPORTED },
		{ "version number", "{" KID "," IV "," DATA "," GCM ",\"version\":0.1}", ERR_UNSUPPORTED },
		{ "GCM with iv of 16", "{" KID "," IV16 "," DATA "," GCM "}", ERR_PARSE },
		{ "CTR with iv of 12", "{" KID "," IV "," DATA ",\"wrap_type\":\"A256CTR\"}", ERR_PARSE },
		{ "empty iv", "{" KID ",\"iv\":\"\"," DATA "," GCM "}", ERR_PARSE },
		{ "iv no base64", "{" KID ",\"iv\":\"AAAAAAAAAAAAAAA\"," DATA "," GCM "}", ERR_PARSE },
		{ "iv null", "{" KID ",\"iv\":null," DATA "," GCM "}", ERR_PARSE },
		{ "iv with 256", "{" KID ",\"iv\":[1,2,3,4,5,6,7,8,9,10,11,256]," TAG "," GCM "}", ERR_PARSE },
		{ "iv with -1", "{" KID ",\"iv\":[1,2,3,4,5,6,7,8,9,10,11,-1]," TAG "," GCM "}", ERR_PARSE },
		{ "iv with text", "{" KID ",\"iv\":[1,2,3,4,5,6,7,8,9,10,11,\"1\"]," TAG "," GCM "}", ERR_PARSE },
		{ "shorter than a tag", "{" KID "," IV ",\"wrapped_data\":\"AAAAAAAAAAAAAAAAAAAA\"," GCM "}", ERR_PARSE },
		{ "no data for CTR", "{" KID "," IV16 ",\"wrapped_data\":\"\",\"wrap_type\":\"A256CTR\"}", ERR_PARSE },
		{ "data no base64", "{" KID "," IV ",\"wrapped_data\":\"A===\"," GCM "}", ERR_PARSE },
		{ "data object", "{" KID "," IV ",\"wrapped_data\":{}," GCM "}", ERR_PARSE },
		{ "kid number", "{\"kid\":1," IV "," DATA "," GCM "}", ERR_PARSE },
		{ "kid empty", "{\"kid\":\"\"," IV "," DATA "," GCM "}", ERR_PARSE },
		{ "kid http", "{\"kid\":\"http://a/b/c/d\"," IV "," DATA "," GCM "}", ERR_PARSE },
		{ "kid climbs", "{\"kid\":\"kbs:///../../etc/shadow\"," IV "," DATA "," GCM "}", ERR_PARSE },
		{ "kid is dots", "{\"kid\":\"..\"," IV "," DATA "," GCM "}", ERR_PARSE },
		{ "kid with a query", "{\"kid\":\"word?x=1\"," IV "," DATA "," GCM "}", ERR_PARSE },
		{ "kid with a space", "{\"kid\":\"my key\"," IV "," DATA "," GCM "}", ERR_PARSE },
		{ "kid with NUL", "{\"kid\":\"a\\u0000b\"," IV "," DATA "," GCM "}", ERR_PARSE },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct packet p = { .iv_len = 99 };
		int rc = packet_parse(span_str(cases[i].text), &p, &e);

		if (!ok(rc == -cases[i].want, "%s", cases[i].what))
			printf("# %d %s\n", rc, e.msg);
		if (rc == 0)
			packet_fini(&p);
		else
			ok(p.iv_len == 99 && p.wrapped.data == NULL, "%s: output untouched", cases[i].what);
	}
}

static void
test_kids(void)
{
	static const struct { const char *kid, *host, *plugin, *path; bool legacy; } cases[] = {
		{ "kbs:///a/b/c", "", "resource", "a/b/c", false },
		{ "kbs://h:1/a/b/c", "h:1", "resource", "a/b/c", false },
		{ "kbs+x:///a?q=1", "", "x", "a", false },
		{ "/a/b/c", "", "resource", "a/b/c", true },
		{ "a/b/c", "", "resource", "a/b/c", true },
		{ "h/a/b/c", "h", "resource", "a/b/c", true },
		{ "84688df7-2c0c", "", "resource", "84688df7-2c0c", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf text = BUF(1024);
		struct packet p = { .iv_len = 0 };

		works(buf_addf(&text, &e, "{\"kid\":\"%s\"," IV "," DATA "," GCM "}", cases[i].kid), "text");
		works(packet_parse(buf_span(&text), &p, &e), "%s", cases[i].kid);
		ok(strcmp(p.kid.host, cases[i].host) == 0 && strcmp(p.kid.plugin, cases[i].plugin) == 0 &&
		    strcmp(p.kid.path, cases[i].path) == 0 && p.legacy_kid == cases[i].legacy,
		    "%s: parts", cases[i].kid);
		packet_fini(&p);
	}
}

static void
test_limits(void)
{
	autobuf text = BUF(4 * LIMIT_PACKET);
	struct packet p;

	works(buf_addf(&text, &e, "{" KID "," IV "," DATA "," GCM), "text");
	while (text.len < LIMIT_PACKET - 1)
		assert(buf_add_u8(&text, ' ', &e) == 0);
	works(buf_add_u8(&text, '}', &e), "end");
	works(packet_parse(buf_span(&text), &p, &e), "as long as allowed");
	packet_fini(&p);
	works(buf_add_u8(&text, ' ', &e), "one more");
	fails(packet_parse(buf_span(&text), &p, &e), ERR_LIMIT, "too long");
}

static void
test_round_trip(void)
{
	static const char *const kids[] = { "kbs:///default/key/1", "kbs://h.example:8080/a/b/c",
	    "kbs+nebula-ca:///credential?ip[]=10.9.8.7&n='x'" };
	uint8_t key[32] = { 1, 2, 3 };
	const struct span kek = { key, sizeof(key) }, plain = SPAN_LIT("private options");

	for (size_t i = 0; i < ARRAY_LEN(kids); i++) {
		autobuf text = BUF(LIMIT_PACKET), again = BUF(LIMIT_PACKET), out = BUF_SECRET(1024);
		struct kbs_uri kid;
		struct packet p = { .iv_len = 0 };

		works(kbs_uri_parse(span_str(kids[i]), &kid, &e), "kid");
		works(packet_wrap(&kid, kek, plain, &text, &e), "wrap under %s", kids[i]);
		works(packet_wrap(&kid, kek, plain, &again, &e), "wrap again");
		ok(!span_eq(buf_span(&text), buf_span(&again)), "with another iv");
		works(packet_parse(buf_span(&text), &p, &e), "parse: %s", buf_str(&text));
		ok(p.wrap_type == WRAP_A256GCM && p.iv_len == 12 && !p.legacy_kid, "v1, GCM");
		ok(memcmp(&p.kid, &kid, sizeof(kid)) == 0, "the same kid");
		works(packet_unwrap(&p, kek, &out, &e), "unwrap");
		ok(span_eq(buf_span(&out), plain), "the same text");
		packet_fini(&p);
	}
}

static void
test_unwrap_refusals(void)
{
	uint8_t key[33] = { 1 };
	autobuf text = BUF(LIMIT_PACKET), open = BUF(1024), out = BUF_SECRET(1024), small = BUF_SECRET(4);
	struct kbs_uri kid;
	struct packet p = { .iv_len = 0 };

	works(kbs_uri_parse(span_str("kbs:///a/b/c"), &kid, &e), "kid");
	works(packet_wrap(&kid, (struct span){ key, 32 }, SPAN_LIT("secret"), &text, &e), "wrap");
	works(packet_parse(buf_span(&text), &p, &e), "parse");
	fails(packet_unwrap(&p, (struct span){ key, 32 }, &open, &e), ERR_BUG, "into ordinary memory");
	fails(packet_unwrap(&p, (struct span){ key, 31 }, &out, &e), ERR_DECRYPT, "short key");
	fails(packet_unwrap(&p, (struct span){ key, 33 }, &out, &e), ERR_DECRYPT, "long key");
	key[0] = 2;
	fails(packet_unwrap(&p, (struct span){ key, 32 }, &out, &e), ERR_DECRYPT, "another key");
	is_str(e.msg, "decryption failed", "no reason is given");
	is_int(out.len, 0, "nothing came out");
	p.wrap_type = WRAP_A256CTR;
	p.iv_len = 16;
	fails(packet_unwrap(&p, (struct span){ key, 31 }, &out, &e), ERR_DECRYPT, "CTR: short key");
	fails(packet_unwrap(&p, (struct span){ key, 32 }, &small, &e), ERR_LIMIT, "CTR: no room");
	is_int(small.len, 0, "CTR: nothing came out");
	packet_fini(&p);
	fails(packet_format(&kid, (struct span){ key, 16 }, (struct span){ key, 32 }, &open, &e), ERR_BUG,
	    "format: iv");
	fails(packet_format(&kid, (struct span){ key, 12 }, (struct span){ key, 15 }, &open, &e), ERR_BUG,
	    "format: no tag");
	fails(packet_wrap(&kid, (struct span){ key, 16 }, SPAN_LIT("x"), &open, &e), ERR_BUG, "wrap: key");
	is_int(open.len, 0, "nothing was written");
}

static void
try_mutant(struct span text, maybe_unused void *arg)
{
	struct packet p;
	int rc = packet_parse(text, &p, &e);

	assert(rc <= 0);
	if (rc == 0) {
		assert(p.iv_len == (p.wrap_type == WRAP_A256GCM ? 12 : 16));
		packet_fini(&p);
	}
}

static int
parse_and_unwrap(maybe_unused void *arg, struct err *err)
{
	static const char text[] = "{\"kid\":\"word\"," OLD_IV "," TAG ",\"algorithm\":\"AES\"}";
	static const char ctr[] = "{" KID "," IV16 "," DATA ",\"wrap_type\":\"A256CTR\"}";
	const uint8_t key[32] = { 0 };
	autobuf out = BUF_SECRET(1024);
	struct packet p;
	int rc = packet_parse(SPAN_LIT(text), &p, err);

	if (rc < 0)
		return rc;
	packet_fini(&p);
	if ((rc = packet_parse(SPAN_LIT(ctr), &p, err)) < 0)
		return rc;
	rc = packet_unwrap(&p, (struct span){ key, 32 }, &out, err);
	packet_fini(&p);
	return rc;
}

int
main(void)
{
	static const char v1[] = "{" KID "," IV "," DATA "," GCM ",\"version\":\"0.1.0\",\"provider\":\"kbs\"}";
	static const char v0[] = "{\"kid\":\"word\"," OLD_IV "," TAG ",\"algorithm\":\"AES\",\"key_length\":256}";

	works(crypto_init(&e), "crypto");
	test_vectors();
	test_public();
	test_provider();
	test_forms();
	test_kids();
	test_limits();
	test_round_trip();
	test_unwrap_refusals();
	ok(mutate(SPAN_LIT(v1), sizeof(v1), try_mutant, NULL) > 1000, "mutants of v1");
	ok(mutate(SPAN_LIT(v0), sizeof(v0), try_mutant, NULL) > 1000, "mutants of v0");
	ok(fault_each(FAULT_ALLOC, 0, false, parse_and_unwrap, NULL) > 5, "every allocation fails once");
	is_int(fault_live_bytes(), 0, "nothing leaks");
	is_int(secret_in_use(), 0, "no secret is left");
	return tap_done();
}
