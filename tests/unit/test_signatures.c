/*
 * test_signatures.c: what the pull role finds of keys and signatures, in a world of our own in place of net, monitor and gpg: the
 * vectors of cosign as whole decisions, the order of places, what is one signature's fault and what is not.
 */
#include "lib/base.h"
#include "agent/signatures.h"

#include <fcntl.h>

#include "agent/gpgask.h"
#include "lib/fs.h"
#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

#define COSIGN	"tests/vectors/image/cosign/"
#define HEX64	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"
#define OTHER64	"0000000000000000000000000000000000000000000000000000000000000000"
#define OCI_M	"application/vnd.oci.image.manifest.v1+json"

static struct err e;

/* The world: what is there under which name (tag, digest, URL or path). */
static struct thing {
	const char	*name, *text;
	int		 fails;		/* -err instead */
} *world;
static size_t nworld, asked;
static const char *vector;	/* a folder of the vectors instead */

static int
look(const char *name, int missing, struct buf *out, struct err *err)
{
	asked++;
	for (size_t i = 0; i < nworld; i++) {
		if (strcmp(world[i].name, name) != 0)
			continue;
		if (world[i].fails != 0)
			return err_set(err, (enum err_code)-world[i].fails, "as told");
		return buf_add_str(out, world[i].text, err);
	}
	return err_set(err, (enum err_code)missing, "%s is not there", name);
}

static int
read_vector(const char *format, size_t n, struct buf *out, struct err *err)
{
	char name[64], path[200];

	snprintf(name, sizeof(name), "%s-%zu.json", format, n);
	snprintf(path, sizeof(path), COSIGN "%s/%s", vector, n == SIZE_MAX ? format : name);
	return fs_read_file(AT_FDCWD, path, out, err);
}

int
source_manifest(maybe_unused struct source *s, maybe_unused const struct image_ref *ref, const char *wanted,
    struct document *out, struct err *err)
{
	snprintf(out->content_type, sizeof(out->content_type), "%s", OCI_M);
	out->content_digest[0] = '\0';
	if (vector == NULL)
		return look(wanted, ERR_IMAGE_NOTFOUND, &out->body, err);
	if (strcmp(wanted, "sha256-" HEX64 ".sig") != 0)
		return err_set(err, ERR_IMAGE_NOTFOUND, "%s", wanted);
	return read_vector("manifest.json", SIZE_MAX, &out->body, err);
}

/* The blob with this digest. */
int
source_blob(maybe_unused struct source *s, maybe_unused const struct image_ref *ref, const struct digest *d,
    struct document *out, struct err *err)
{
	if (vector == NULL)
		return look(d->text, ERR_IMAGE_NOTFOUND, &out->body, err);
	for (size_t n = 0; n < 2; n++) {
		autobuf text = BUF(MIB(1));
		struct digest found;

		if (read_vector("payload", n, &text, err) < 0 || digest_of(HASH_SHA256, buf_span(&text), &found, err) < 0)
			continue;
		if (digest_equal(&found, d))
			return buf_add_span(&out->body, buf_span(&text), err);
	}
	return err_set(err, ERR_IMAGE_NOTFOUND, "%s", d->text);
}

int
source_referrers(maybe_unused struct source *s, maybe_unused const struct image_ref *ref, const struct digest *d,
    struct document *out, struct err *err)
{
	char name[300];

	snprintf(name, sizeof(name), "referrers/%s", d->text);
	return look(name, ERR_IMAGE_NOTFOUND, &out->body, err);
}

int
source_url(maybe_unused struct source *s, maybe_unused const struct image_ref *ref, const char *url, struct buf *out,
    struct err *err)
{
	return look(url, ERR_IMAGE_NOTFOUND, out, err);
}

int
policyask_file(const char *name, struct buf *out, struct err *err)
{
	char path[300];

	if (strncmp(name, "/vectors/", 9) != 0)
		return look(name, ERR_NOTFOUND, out, err);
	snprintf(path, sizeof(path), COSIGN "%s", name + 9);
	return fs_read_file(AT_FDCWD, path, out, err);
}

int
gpgask_verify(maybe_unused const struct span rings[], maybe_unused size_t n, maybe_unused struct span message,
    maybe_unused struct gpg_verdict *out, maybe_unused struct buf *payload, struct err *err)
{
	return err_set(err, ERR_BUG, "no gpg here");
}

/* --- */

static struct signatures s;
static struct source source = { .layout = -1 };
static struct image_ref ref;
static struct digest manifest, index_digest;
static struct policy_subject subject;

static void
begin(struct thing *things, size_t n, bool with_index)
{
	world = things;
	nworld = n;
	asked = 0;
	vector = NULL;
	if (signatures_init(&s, &source, &e) < 0 ||
	    image_ref_parse(SPAN_LIT("registry.example.test:5000/ns/app:v1"), &ref, &e) < 0 ||
	    digest_parse(SPAN_LIT("sha256:" HEX64), &manifest, &e) < 0 ||
	    digest_parse(SPAN_LIT("sha256:" OTHER64), &index_digest, &e) < 0)
		abort();
	s.from_registry = true;
	subject = (struct policy_subject){ .ref = &ref, .manifest = &manifest, .index = with_index ? &index_digest : NULL };
}

/* The n-th: its result; text is what came (the signature of cosign's), or where was looked. */
static int
nth(bool cosign, size_t n, char text[512])
{
	struct policy_signature out = { .payload = BUF(LIMIT_SIGNATURE), .signature = BUF(LIMIT_SIGNATURE_TEXT) };
	struct policy_env env = signatures_env(&s);
	int rc = (cosign ? env.cosign_signature : env.simple_signature)(env.arg, &subject, n, &out, &e);

	snprintf(text, 512, "%s", rc == 1 ? buf_str(cosign ? &out.signature : &out.payload) : rc == 0 ? out.where : e.msg);
	buf_free(&out.payload);
	buf_free(&out.signature);
	return rc;
}

#define BASE	"file:///var/lib/containers/sigstore"
#define AT(hex, n) "/var/lib/containers/sigstore/ns/app@sha256=" hex "/signature-" n

static void
test_simple(void)
{
	struct thing things[] = {
		{ AT(HEX64, "1"), "one", 0 }, { AT(HEX64, "2"), "two", 0 }, { AT(HEX64, "3"), "", -ERR_LIMIT },
		{ AT(HEX64, "5"), "after a gap", 0 }, { AT(OTHER64, "1"), "of the index", 0 },
	};
	char text[512];

	begin(things, ARRAY_LEN(things), true);
	for (int turn = 0; turn < 2; turn++) {
		ok(nth(false, 0, text) == 1 && strcmp(text, "one") == 0, "the first");
		ok(nth(false, 1, text) == 1 && strcmp(text, "two") == 0, "the second");
		fails(nth(false, 2, text), ERR_IMAGE, "the third is too long: only that one");
		ok(nth(false, 3, text) == 1 && strcmp(text, "of the index") == 0, "there is no fourth: those of the index");
		ok(nth(false, 4, text) == 0 && strstr(text, BASE "/ns/app@") != NULL, "then no more, and where: %s", text);
	}
	signatures_fini(&s);
	begin(things, ARRAY_LEN(things), false);
	ok(nth(false, 0, text) == 1 && nth(false, 1, text) == 1, "without an index");
	fails(nth(false, 2, text), ERR_IMAGE, "the third");
	is_int(nth(false, 3, text), 0, "and no more");
	things[0].fails = -ERR_CONFIG;
	fails(nth(false, 0, text), ERR_CONFIG, "a file that may not be read is not the signature's fault");
	s.from_registry = false;
	asked = 0;
	ok(nth(false, 0, text) == 0 && nth(true, 0, text) == 0, "images in files have none: %s", text);
	is_int(asked, 0, "and nobody is asked");
	signatures_fini(&s);
}

static void
test_config(void)
{
	struct thing things[] = { { AT(HEX64, "1"), "one", 0 }, { "/b/ns/app@sha256=" HEX64 "/signature-1", "two", 0 } };
	static const char *const files[] = { "default-docker: {lookaside: file:///b}", "docker: [", "x" };
	char text[512], path[] = "/tmp/cacao-signatures-XXXXXX";

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		autoclose int fd = mkstemp(path);

		if (fd < 0 || unlink(path) < 0 || sys_write_all(fd, files[i], strlen(files[i])) < 0 || lseek(fd, 0, SEEK_SET) != 0)
			abort();
		memcpy(path + strlen(path) - 6, "XXXXXX", 6);
		if (i == 0)
			begin(things, ARRAY_LEN(things), false);
		signatures_add_config(&s, fd);
		if (i == 0)
			ok(nth(false, 0, text) == 1 && strcmp(text, "two") == 0, "a configuration");
		else
			fails(nth(false, 0, text), ERR_CONFIG, "one that cannot be read");
		ok(i == 0 || strstr(e.msg, "sigstore configuration: line 1") != NULL, "%s", e.msg);
	}
	ok(nth(true, 0, text) == 0, "cosign's do not need it");
	signatures_fini(&s);
}

static void
test_urls(void)
{
	struct thing things[] = {
		{ "https://host/dir/ns/app@sha256=" HEX64 "/signature-1", "one", 0 },
		{ "https://host/dir/ns/app@sha256=" HEX64 "/signature-2", "", -ERR_TLS },
	};
	char text[512];

	begin(things, ARRAY_LEN(things), false);
	works(lookaside_add(s.lookaside, SPAN_LIT("default-docker: {lookaside: https://host/dir/}"), &e), "configuration");
	ok(nth(false, 0, text) == 1 && strcmp(text, "one") == 0, "of a server");
	fails(nth(false, 1, text), ERR_TLS, "a server that cannot be spoken to: no way on");
	signatures_fini(&s);
}

#define LAYER(digest, size, signature) \
	"{\"mediaType\":\"application/vnd.dev.cosign.simplesigning.v1+json\",\"digest\":\"sha256:" digest "\",\"size\":" size "," \
	"\"annotations\":{\"dev.cosignproject.cosign/signature\":\"" signature "\"}}"
#define IMAGE(layers) "{\"schemaVersion\":2,\"config\":{},\"layers\":[" layers "]}"
#define SHA_A	"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"	/* of "a" */
#define SHA_B	"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"	/* of "b" */

static void
test_cosign(void)
{
	struct thing things[] = {
		{ "sha256-" HEX64 ".sig", IMAGE(LAYER(SHA_A, "1", "AAAA") "," LAYER(SHA_B, "1", "BBBB") "," LAYER(SHA_A, "2", "CCCC") ","
		    LAYER(OTHER64, "1", "DDDD") ",{}," LAYER(SHA_A, "1", "EEEE")), 0 },
		{ "sha256-" OTHER64 ".sig", IMAGE(LAYER(SHA_A, "1", "FFFF")), 0 },
		{ "sha256:" SHA_A, "a", 0 }, { "sha256:" SHA_B, "x", 0 },
	};
	char text[512];

	begin(things, ARRAY_LEN(things), true);
	for (int turn = 0; turn < 2; turn++) {
		ok(nth(true, 0, text) == 1 && strcmp(text, "AAAA") == 0, "the first");
		fails(nth(true, 1, text), ERR_IMAGE, "another blob than the manifest says");
		fails(nth(true, 2, text), ERR_IMAGE, "another size");
		fails(nth(true, 3, text), ERR_IMAGE, "a blob that is not there");
		fails(nth(true, 4, text), ERR_IMAGE, "no layer");
		ok(nth(true, 5, text) == 1 && strcmp(text, "EEEE") == 0, "the sixth is good again");
		ok(nth(true, 6, text) == 1 && strcmp(text, "FFFF") == 0, "then that of the index");
		ok(nth(true, 7, text) == 0 && strstr(text, ".sig") != NULL, "then no more, and where: %s", text);
	}
	things[2].fails = -ERR_NET;
	fails(nth(true, 0, text), ERR_NET, "what keeps us from looking is no fault of the signature");
	things[0].fails = -ERR_AUTH;
	fails(nth(true, 0, text), ERR_AUTH, "nor of the image");
	things[0].fails = 0;
	things[0].text = "{}";
	fails(nth(true, 0, text), ERR_IMAGE, "no signature image: that counts as one");
	ok(nth(true, 1, text) < 0 && strstr(e.msg, "as told") != NULL, "and it is gone on with the index's: %s", text);
	signatures_fini(&s);
}

#define BUNDLES	"{\"manifests\":[{\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}]}"

static void
test_bundles(void)
{
	static const char *const places[] = {
		"referrers/sha256:" HEX64, "sha256-" HEX64, "referrers/sha256:" OTHER64, "sha256-" OTHER64,
	};
	struct thing listed[] = {
		{ "sha256-" HEX64, "{\"manifests\":[" LAYER(SHA_A, "1", "") "," LAYER(SHA_B, "1", "") "]}", 0 },
		{ "sha256:" SHA_A, "{\"artifactType\":\"x\"}", 0 },
		{ "sha256:" SHA_B, "{\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}", 0 },
	};
	struct thing thing = { .text = BUNDLES }, none = { .name = places[0], .text = "{\"manifests\":[]}" };
	char text[512];

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		thing.name = places[i];
		begin(&thing, 1, true);
		ok(nth(true, 0, text) == 0 && strstr(text, "sigstore bundle") != NULL, "%s: %s", places[i], text);
		signatures_fini(&s);
	}
	begin(listed, ARRAY_LEN(listed), false);
	ok(nth(true, 0, text) == 0 && strstr(text, "sigstore bundle") != NULL, "listed under another type: %s", text);
	signatures_fini(&s);
	begin(&none, 1, true);
	ok(nth(true, 0, text) == 0 && strstr(text, "bundle") == NULL, "no bundle: %s", text);
	signatures_fini(&s);
}

static void
test_keys(void)
{
	struct thing things[] = {
		{ "/a/key", "text", 0 }, { "kbs:///default/cosign-public-key/test", "from the broker", 0 },
		{ "kbs:///default/cosign-public-key/gone", "", -ERR_KEY_NOTFOUND }, { "/odd", "", -ERR_NET },
	};
	static const struct {
		const char *name, *text;
		enum err_code code;
	} cases[] = {
		{ "/a/key", "text", ERR_NONE }, { "file:///a/key", "text", ERR_NONE },
		{ "kbs:///default/cosign-public-key/test", "from the broker", ERR_NONE },
		{ "kbs:///default/cosign-public-key/gone", "", ERR_CONFIG }, { "/gone", "", ERR_CONFIG },
		{ "/odd", "", ERR_NET }, { "key", "", ERR_CONFIG }, { "../key", "", ERR_CONFIG }, { "", "", ERR_CONFIG },
		{ "https://host/key", "", ERR_CONFIG }, { "file://host/key", "", ERR_CONFIG }, { "kbs://host/a/b/c", "", ERR_CONFIG },
	};

	begin(things, ARRAY_LEN(things), false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct policy_env env = signatures_env(&s);
		autobuf out = BUF(KIB(1));
		int rc = env.key(env.arg, cases[i].name, &out, &e);

		is_int(rc, -(int)cases[i].code, "key \"%s\"", cases[i].name);
		ok(rc < 0 || strcmp(buf_str(&out), cases[i].text) == 0, "key \"%s\": its text", cases[i].name);
	}
	signatures_fini(&s);
}

/* One vector, as a whole decision. */
static int
decide(struct json_val v, struct err *err)
{
	cleanup(policy_freep) struct policy *p = NULL;
	struct span identity = json_raw(json_get(v, "signedIdentity"));
	struct policy_env env = signatures_env(&s);
	char key[80], text[1024];
	int rc = json_cstr(json_get(v, "key"), "key", key, sizeof(key), err);

	snprintf(text, sizeof(text), "{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"/vectors/%s\","
	    "\"signedIdentity\":%.*s}]}", key, (int)identity.len, identity.p);
	if (rc == 0)
		rc = policy_parse(span_str(text), &p, err);
	return rc < 0 ? rc : policy_check(p, &subject, &env, err);
}

static int
decide_again(void *arg, struct err *err)
{
	const struct json_val *v = arg;
	int rc = signatures_init(&s, &source, err);

	if (rc < 0)
		return rc;
	s.from_registry = true;
	rc = decide(*v, err);
	signatures_fini(&s);
	return rc;
}

static void
test_vectors(void)
{
	autobuf text = BUF(MIB(1));
	autojson doc = NULL;
	struct json_val good = { 0 };
	struct json_iter it;
	size_t n = 0;

	works(fs_read_file(AT_FDCWD, COSIGN "expect.json", &text, &e), "expect.json");
	works(json_parse(buf_span(&text), &doc, &e), "is JSON");
	it = json_iter(json_get(json_root(doc), "cases"));
	for (; json_next(&it); n++) {
		char name[64];
		int rc;

		begin(NULL, 0, false);
		if (json_cstr(it.key, "name", name, sizeof(name), &e) < 0)
			abort();
		vector = name;
		rc = decide(it.val, &e);
		ok(json_str_eq(json_get(it.val, "expect"), "either") ? rc < 0 :
		    rc == (json_str_eq(json_get(it.val, "expect"), "accept") ? 0 : -ERR_POLICY), "vector %s: %s", name,
		    rc < 0 ? e.msg : "accepted");
		signatures_fini(&s);
		if (strcmp(name, "good-p256") == 0)
			good = it.val;
	}
	is_int(n, 19, "vectors");
	begin(NULL, 0, false);
	signatures_fini(&s);
	vector = "good-p256";
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, decide_again, &good) > 10, "each allocation fails in turn");
	is_int(fault_live_bytes(), 0, "nothing is left");
}

int
main(void)
{
	if (crypto_init(&e) < 0)
		return 1;
	test_simple();
	test_config();
	test_urls();
	test_cosign();
	test_bundles();
	test_keys();
	test_vectors();
	return tap_done();
}
