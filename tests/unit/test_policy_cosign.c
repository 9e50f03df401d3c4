/*
 * test_policy_cosign.c: the vectors of cosign, each through a whole policy: signature, digest and name must be right in one
 * layer. The signatures are real.
 */
#include "lib/base.h"

#include <fcntl.h>

#include "image/cosign.h"
#include "image/policy.h"
#include "lib/fs.h"
#include "tests/lib/tap.h"

#define DIR	"tests/vectors/image/cosign/"
#define SIGNED	"sha256:9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"

static struct err e;

/* The signature image of one case. */
struct store {
	char			name[64];
	struct buf		text;
	struct cosign_image	image;
};

static int
read_in(const char *folder, const char *name, struct buf *out, struct err *why)
{
	char path[300];

	snprintf(path, sizeof(path), DIR "%s%s", folder, name);
	return fs_read_file(AT_FDCWD, path, out, why);
}

static int
env_key(maybe_unused void *arg, const char *name, struct buf *out, struct err *why)
{
	return read_in("", name, out, why);
}

/* As the agent does it: payloads are blobs, checked by their digests. */
static int
env_signature(void *arg, maybe_unused const struct policy_subject *s, size_t n, struct policy_signature *out,
    struct err *why)
{
	const struct store *store = arg;
	struct descriptor payload;
	char folder[80], file[40];

	snprintf(out->where, sizeof(out->where), "layer %zu", n + 1);
	if (n >= store->image.n)
		return 0;
	snprintf(folder, sizeof(folder), "%s/", store->name);
	snprintf(file, sizeof(file), "payload-%zu.json", n);
	if (cosign_image_signature(&store->image, n, &payload, &out->signature, why) < 0 ||
	    read_in(folder, file, &out->payload, why) < 0 ||
	    digest_check(&payload.digest, buf_span(&out->payload), "payload", why) < 0)
		return err_set(why, ERR_IMAGE, "cannot be used");
	return 1;
}

static int
env_cosign(maybe_unused void *arg, const struct span keys[], size_t n, struct span payload, struct span signature,
    struct err *why)
{
	int rc = -1;

	for (size_t i = 0; i < n && rc != 0; i++) {
		cleanup(cosign_key_freep) struct cosign_key *key = NULL;

		if (cosign_key_parse(keys[i], &key, why) < 0)
			return err_set(why, ERR_CONFIG, "key %zu", i + 1);
		rc = cosign_verify(key, payload, signature, why);
	}
	return rc == 0 ? 0 : err_set(why, ERR_POLICY, "not by these keys");
}

static int
decide(const char *policy, const char *reference, struct store *store)
{
	const struct policy_env env = { .key = env_key, .cosign_signature = env_signature, .cosign = env_cosign,
	    .arg = store };
	cleanup(policy_freep) struct policy *p = NULL;
	struct image_ref r;
	struct digest d;
	const struct policy_subject subject = { .ref = &r, .manifest = &d };
	int rc = policy_parse(span_str(policy), &p, &e);

	if (image_ref_parse(span_str(reference), &r, &e) < 0 || digest_parse(span_str(SIGNED), &d, &e) < 0)
		abort();
	return rc < 0 ? rc : policy_check(p, &subject, &env, &e);
}

static void
test_vector(struct json_val name, struct json_val v)
{
	struct span rule = json_raw(json_get(v, "signedIdentity"));
	struct store store = { .text = BUF(LIMIT_MANIFEST) };
	char key[64], reference[200], folder[80], policy[1024];
	int rc;

	works(json_cstr(name, "name", store.name, sizeof(store.name), &e), "name");
	works(json_cstr(json_get(v, "key"), "key", key, sizeof(key), &e), "key of %s", store.name);
	works(json_cstr(json_get(v, "reference"), "reference", reference, sizeof(reference), &e), "reference");
	snprintf(folder, sizeof(folder), "%s/", store.name);
	works(read_in(folder, "manifest.json", &store.text, &e), "manifest");
	works(cosign_image_parse(buf_span(&store.text), "", &store.image, &e), "is a signature image");
	snprintf(policy, sizeof(policy), "{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"%s\","
	    "\"signedIdentity\":%.*s}]}", key, (int)rule.len, rule.p);
	rc = decide(policy, reference, &store);
	if (json_str_eq(json_get(v, "expect"), "accept"))
		works(rc, "vector %s", store.name);
	else
		ok(rc == -ERR_POLICY || (rc == -ERR_CONFIG && json_str_eq(json_get(v, "expect"), "either")),
		    "vector %s: %s", store.name, e.msg);
	/* A name that no signature holds, and a key that made none. */
	ok(decide(policy, "other.example.test/ns/app:v1", &store) < 0 || strstr(policy, "exactRepository") != NULL,
	    "%s: another name", store.name);
	snprintf(policy, sizeof(policy), "{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"keys/ed25519.pub\","
	    "\"signedIdentity\":%.*s}]}", (int)rule.len, rule.p);
	fails(decide(policy, reference, &store), ERR_POLICY, "%s: another key", store.name);
	cosign_image_fini(&store.image);
	buf_free(&store.text);
}

int
main(void)
{
	autobuf text = BUF(MIB(1));
	autojson doc = NULL;
	struct json_iter it;
	size_t n = 0;

	works(crypto_init(&e), "crypto");
	works(read_in("", "expect.json", &text, &e), "expect.json");
	works(json_parse(buf_span(&text), &doc, &e), "is JSON");
	it = json_iter(json_get(json_root(doc), "cases"));
	for (; json_next(&it); n++)
		test_vector(it.key, it.val);
	is_int(n, 19, "all cases");
	return tap_done();
}
