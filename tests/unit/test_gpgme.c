/*
 * test_gpgme.c: every case of the vectors of simple signing as a whole decision: real messages, the program gpg, the
 * judge, the payload, the identity. Then what is no message, no ring and no gpg.
 */
#include "lib/base.h"
#include "agent/gpgme.h"

#include <sys/stat.h>

#include "tests/lib/signed.h"
#include "tests/lib/tap.h"

static struct err e;
static const char *program = "/usr/bin/gpg";
static size_t runs;

/* Verifies with a home of its own, of which nothing is left. */
static int
verify(const struct span *rings, size_t n, struct span message, struct gpg_verdict *v, struct buf *payload, struct err *err)
{
	char home[] = "/tmp/cacao-gpg-XXXXXX";
	struct gpgme_job job = { .program = program, .home = home, .nrings = n, .message = message };
	autoclose int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err ignored;
	int rc;

	for (size_t i = 0; i < n; i++)
		job.rings[i] = rings[i];
	if (mkdtemp(home) == NULL)
		abort();
	runs++;
	rc = gpgme_verify(&job, v, payload, err);
	if (fs_remove_tree(tmp, home + strlen("/tmp/"), &ignored) < 0)
		abort();
	return rc;
}

static int
env_gpg(maybe_unused void *arg, const struct span rings[], size_t n, struct span message, struct gpg_verdict *out,
    struct buf *payload, struct err *err)
{
	return verify(rings, n, message, out, payload, err);
}

/* The message itself, and not its name only. */
static int
env_simple(void *arg, maybe_unused const struct policy_subject *subject, size_t n, struct policy_signature *out, struct err *err)
{
	const struct signed_image *s = arg;
	char path[120];

	if (n >= s->n)
		return 0;
	snprintf(path, sizeof(path), "signatures/%s", s->names[n]);
	return signed_read(SIGNED_VECTORS, path, &out->payload, err) < 0 ? -(int)err->code : 1;
}

static int
decide(struct json_val v, struct signed_image *image)
{
	struct json_val rule = json_get(v, "signedIdentity");
	struct span raw = json_is(rule, JSON_OBJECT) ? json_raw(rule) : (struct span){ NULL, 0 };
	cleanup(policy_freep) struct policy *p = NULL;
	struct policy_env env = signed_env(image);
	char key[80], reference[200], text[1024];
	struct image_ref r;
	struct digest manifest;
	const struct policy_subject subject = { .ref = &r, .manifest = &manifest };

	env.gpg = env_gpg;
	env.simple_signature = env_simple;
	if (json_cstr(json_get(v, "key"), "key", key, sizeof(key), &e) < 0 ||
	    json_cstr(json_get(v, "reference"), "reference", reference, sizeof(reference), &e) < 0 ||
	    image_ref_parse(span_str(reference), &r, &e) < 0 || digest_parse(span_str(SIGNED_DIGEST), &manifest, &e) < 0)
		abort();
	snprintf(text, sizeof(text), "{\"default\":[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\","
	    "\"keyPath\":\"%s\"%s%.*s}]}", key, raw.len > 0 ? ",\"signedIdentity\":" : "", (int)raw.len, raw.p);
	if (policy_parse(span_str(text), &p, &e) < 0)
		abort();
	return policy_check(p, &subject, &env, &e);
}

static struct json *
read_json(const char *name, struct buf *text)
{
	struct json *doc;

	if (signed_read(SIGNED_VECTORS, name, text, &e) < 0 || json_parse(buf_span(text), &doc, &e) < 0)
		abort();
	return doc;
}

static void
judged(struct json_val v, const char *name, struct signed_image *image, bool want)
{
	int rc = decide(v, image);

	ok(rc == (want ? 0 : -(int)ERR_POLICY) || (!want && rc == -(int)ERR_IMAGE), "%s: %s", name, rc < 0 ? e.msg : "accepted");
}

static void
test_signatures(void)
{
	autobuf text = BUF(MIB(1));
	autojson doc = read_json("signatures.json", &text);
	struct json_iter it = json_iter(json_get(json_root(doc), "cases"));
	size_t n = 0;

	for (; json_next(&it); n++) {
		struct signed_image image = { .key_base = SIGNED_VECTORS, .n = 1 };
		char name[80];

		if (json_cstr(it.key, "name", name, sizeof(name), &e) < 0)
			abort();
		image.names[0] = name;
		judged(it.val, name, &image, json_str_eq(json_get(it.val, "recommended"), "accept"));
	}
	is_int(n, 38, "signatures");
}

/* Those of identity.json, as many as there is effort for: the rules themselves have a test without gpg. */
static void
test_identities(void)
{
	autobuf text = BUF(MIB(1));
	autojson doc = read_json("identity.json", &text);
	struct json_iter it = json_iter(json_get(json_root(doc), "cases"));
	size_t n = 0;

	for (; json_next(&it); n++) {
		struct json_iter list = json_iter(json_get(it.val, "signatures"));
		struct signed_image image = { .key_base = SIGNED_VECTORS };
		char name[80], names[8][80];

		if (n % 4 != 0)
			continue;
		if (json_cstr(json_get(it.val, "name"), "name", name, sizeof(name), &e) < 0)
			abort();
		while (json_next(&list)) {
			if (json_cstr(list.val, "signature", names[image.n], sizeof(names[0]), &e) < 0)
				abort();
			image.names[image.n] = names[image.n];
			image.n++;
		}
		judged(it.val, name, &image, json_str_eq(json_get(it.val, "oracle_verdict"), "accept"));
	}
}

/* What the verdict says of a good one, by a primary key and by a subkey. */
static void
test_verdict(void)
{
	static const struct {
		const char *ring, *message;
		uint32_t keys, algo, bits;
		bool subkey;
	} cases[] = {
		{ "keys/rsa.gpg", "signatures/good-rsa", 1, 1, 2048, false },
		{ "keys/p256.gpg", "signatures/good-p256", 1, 19, 256, false },
		{ "keys/sub.gpg", "signatures/good-subkey", 1, 0, 0, true },
		{ "keys/ring-all.gpg", "signatures/good-rsa", 3, 1, 2048, false },
		{ "keys/rsa.asc", "signatures/good-rsa", 1, 1, 2048, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf ring = BUF(MIB(1)), message = BUF(MIB(1)), payload = BUF(GPGME_MAX_PAYLOAD);
		struct gpg_verdict v;
		struct span rings[2];

		works(signed_read(SIGNED_VECTORS, cases[i].ring, &ring, &e), "%s", cases[i].ring);
		works(signed_read(SIGNED_VECTORS, cases[i].message, &message, &e), "%s", cases[i].message);
		rings[0] = rings[1] = buf_span(&ring);
		works(verify(rings, 2, buf_span(&message), &v, &payload, &e), "it runs, with the ring given twice");
		works(gpg_judge(&v, &e), "and is good");
		ok(v.keys >= cases[i].keys && v.signatures == 1, "%u keys, %u signatures", v.keys, v.signatures);
		ok(cases[i].algo == 0 || (v.key_algo == cases[i].algo && v.key_bits == cases[i].bits), "algorithm %u, %u bits",
		    v.key_algo, v.key_bits);
		is_int(strcmp(v.fingerprint, v.primary) != 0, cases[i].subkey, "%s of %s", v.fingerprint, v.primary);
	}
}

static void
test_bad(void)
{
	autobuf ring = BUF(MIB(1)), message = BUF(MIB(1)), payload = BUF(GPGME_MAX_PAYLOAD), tiny = BUF(10);
	const struct span none = SPAN_LIT("no key at all");
	struct gpg_verdict v = { .keys = 77 };
	struct span one;

	works(signed_read(SIGNED_VECTORS, "keys/rsa.gpg", &ring, &e), "ring");
	works(signed_read(SIGNED_VECTORS, "signatures/good-rsa", &message, &e), "message");
	one = buf_span(&ring);
	fails(verify(&none, 1, buf_span(&message), &v, &payload, &e), ERR_CONFIG, "no ring");
	is_int(v.keys, 77, "the verdict is as it was");
	fails(verify(&one, 1, none, &v, &payload, &e), ERR_IMAGE, "no message");
	fails(verify(&one, 1, (struct span){ message.data, 0 }, &v, &payload, &e), ERR_IMAGE, "nothing");
	works(verify(NULL, 0, buf_span(&message), &v, &payload, &e), "without a ring it runs");
	fails(gpg_judge(&v, &e), ERR_POLICY, "and is refused");
	buf_reset(&payload);
	works(verify(&one, 1, buf_span(&message), &v, &tiny, &e), "a payload that is too long");
	fails(gpg_judge(&v, &e), ERR_POLICY, "is refused");
	for (size_t at = 20; at < message.len; at += message.len / 8) {
		message.data[at] ^= 0x10;
		buf_reset(&payload);
		ok(verify(&one, 1, buf_span(&message), &v, &payload, &e) < 0 || gpg_judge(&v, &e) < 0, "a bit of byte %zu turned over", at);
		message.data[at] ^= 0x10;
	}
	program = "/nowhere/gpg";
	fails(verify(&one, 1, buf_span(&message), &v, &payload, &e), ERR_CONFIG, "no gpg");
	program = "/bin/true";
	fails(verify(&one, 1, buf_span(&message), &v, &payload, &e), ERR_CONFIG, "another program");
}

int
main(void)
{
	if (getenv("CACAO_GPG") != NULL)
		program = getenv("CACAO_GPG");
	test_verdict();
	test_signatures();
	test_identities();
	test_bad();
	return tap_done();
}
