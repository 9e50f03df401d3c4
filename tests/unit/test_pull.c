/*
 * test_pull.c: the order of one pull against a registry made of strings: every tie between one step and
 * the next is cut once.
 */
#include "lib/base.h"

#include "image/pull.h"

#include "lib/codec.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

#define ACCEPT	"{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}"
#define REJECT	"{\"default\":[{\"type\":\"reject\"}]}"
#define OCI	"application/vnd.oci.image."
#define MAX_BLOBS 16

static struct err e;

/* A registry: documents by digest, one tag. */
static struct {
	struct {
		char		digest[160];
		char		text[2048];
		const char	*type;
	}		blobs[MAX_BLOBS];
	size_t		nblobs;
	char		tag_digest[160];	/* what "v1" is */
	const char	*sent_digest;		/* Docker-Content-Digest, NULL: right one */
	const char	*damage;		/* digest text whose bytes are damaged */
	char		order[512];		/* what was asked for, in order */
	enum err_code	layer_fails;
} reg;

static void
note(const char *what)
{
	size_t n = strlen(reg.order);

	snprintf(reg.order + n, sizeof(reg.order) - n, "%s ", what);
}

static const char *
put(const char *type, const char *text)
{
	struct digest d;

	if (reg.nblobs == MAX_BLOBS || digest_of(HASH_SHA256, span_str(text), &d, &e) < 0)
		abort();
	reg.blobs[reg.nblobs].type = type;
	snprintf(reg.blobs[reg.nblobs].digest, sizeof(reg.blobs[0].digest), "%s", d.text);
	snprintf(reg.blobs[reg.nblobs].text, sizeof(reg.blobs[0].text), "%s", text);
	return reg.blobs[reg.nblobs++].digest;
}

static int
get(const char *digest, struct document *out, struct err *why)
{
	for (size_t i = 0; i < reg.nblobs; i++) {
		if (strcmp(reg.blobs[i].digest, digest) != 0)
			continue;
		snprintf(out->content_type, sizeof(out->content_type), "%s", reg.blobs[i].type);
		snprintf(out->content_digest, sizeof(out->content_digest), "%s",
		    reg.sent_digest != NULL ? reg.sent_digest : digest);
		if (reg.damage != NULL && strcmp(reg.damage, digest) == 0 &&
		    buf_add_str(&out->body, " ", why) < 0)
			return -(int)why->code;
		return buf_add_str(&out->body, reg.blobs[i].text, why);
	}
	return err_set(why, ERR_IMAGE_NOTFOUND, "%s", digest);
}

static int
env_manifest(maybe_unused void *arg, maybe_unused const struct image_ref *ref, const char *wanted,
    struct document *out, struct err *why)
{
	note(strchr(wanted, ':') != NULL ? "manifest@" : "manifest");
	return get(strcmp(wanted, "v1") == 0 ? reg.tag_digest : wanted, out, why);
}

static int
env_blob(maybe_unused void *arg, maybe_unused const struct image_ref *ref, const struct digest *d,
    struct document *out, struct err *why)
{
	note("config");
	return get(d->text, out, why);
}

static int
env_unwrap(maybe_unused void *arg, size_t number, const struct ocicrypt_wrapped *w, uint8_t fingerprint[32],
    maybe_unused struct err *why)
{
	char text[32];

	memset(fingerprint, 0, 32);
	snprintf(text, sizeof(text), "unwrap%zu:%s", number, buf_str(&w->value[SCHEME_PROVIDER]));
	note(text);
	return 0;
}

static int
env_layers(maybe_unused void *arg, maybe_unused const struct image_ref *ref, const struct layer_plan *plans,
    size_t n, size_t *failed, struct err *why)
{
	for (size_t i = 0; i < n; i++) {
		char text[32];

		snprintf(text, sizeof(text), "layer%zu/%zu", plans[i].number, plans[i].of);
		note(text);
		if (reg.layer_fails != ERR_NONE) {
			*failed = i;
			return err_set(why, reg.layer_fails, "as told");
		}
	}
	return 0;
}

static int
env_bundle(maybe_unused void *arg, maybe_unused const struct image_config *c, maybe_unused struct err *why)
{
	note("bundle");
	return 0;
}

/* One cosign signature, for this digest; its key is good for everything. */
static char signed_digest[160];
static struct policy_subject subject;

static int
env_signature(maybe_unused void *arg, const struct policy_subject *s, size_t n, struct policy_signature *out,
    struct err *why)
{
	subject = *s;
	note("signature");
	if (n > 0)
		return 0;
	if (buf_addf(&out->payload, why, "{\"critical\":{\"identity\":{\"docker-reference\":\"h.test/a\"},\"image\":{"
	    "\"docker-manifest-digest\":\"%s\"},\"type\":\"cosign container image signature\"},\"optional\":null}",
	    signed_digest) < 0)
		return -(int)why->code;
	return 1;
}

static int
env_cosign(maybe_unused void *arg, maybe_unused const struct span keys[], maybe_unused size_t n,
    maybe_unused struct span payload, maybe_unused struct span signature, maybe_unused struct err *why)
{
	return 0;
}

static const struct image_env env = {
	.policy = { .cosign_signature = env_signature, .cosign = env_cosign },
	.manifest = env_manifest,
	.blob = env_blob,
	.unwrap = env_unwrap,
	.layers = env_layers,
	.bundle = env_bundle,
};

#define LAYER_HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PLAIN	"{\"mediaType\":\"" OCI "layer.v1.tar\",\"digest\":\"sha256:" LAYER_HEX "\",\"size\":0}"
#define FOREIGN	"{\"mediaType\":\"" OCI "layer.nondistributable.v1.tar\",\"digest\":\"sha256:" LAYER_HEX "\"," \
	"\"size\":0,\"urls\":[\"http://elsewhere.test/layer\"]}"

/* pubopts with a MAC of 32 zero bytes, and a wrapped key "QUJD". */
static const char *
encrypted(void)
{
	static char text[1024];
	autobuf pub = BUF(512);

	if (base64_encode(span_str("{\"cipher\":\"AES_256_CTR_HMAC_SHA256\",\"hmac\":"
	    "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"cipheroptions\":{}}"), &pub, &e) < 0)
		abort();
	snprintf(text, sizeof(text), "{\"mediaType\":\"" OCI "layer.v1.tar+encrypted\",\"digest\":\"sha256:"
	    LAYER_HEX "\",\"size\":0,\"annotations\":{\"org.opencontainers.image.enc.pubopts\":\"%s\","
	    "\"org.opencontainers.image.enc.keys.provider.attestation-agent\":\"QUJD\"}}", buf_str(&pub));
	return text;
}

/* An image of these layers (JSON, "," between), n of them; returns its manifest's digest. */
static const char *
put_image(const char *layers, int n, const char *arch)
{
	char config[1024], manifest[2048], ids[512] = "";
	const char *digest;

	for (int i = 0; i < n; i++)
		snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s\"sha256:" LAYER_HEX "\"", i ? "," : "");
	snprintf(config, sizeof(config), "{\"os\":\"linux\",\"architecture\":\"%s\",\"rootfs\":{\"type\":"
	    "\"layers\",\"diff_ids\":[%s]}}", arch, ids);
	digest = put("application/octet-stream", config);
	snprintf(manifest, sizeof(manifest), "{\"schemaVersion\":2,\"mediaType\":\"" OCI "manifest.v1+json\","
	    "\"config\":{\"mediaType\":\"" OCI "config.v1+json\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[%s]}",
	    digest, strlen(config), layers);
	return put(OCI "manifest.v1+json", manifest);
}

static const char *
put_index(const char *digest, size_t size, const char *type)
{
	char text[1024];

	snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"mediaType\":\"" OCI "index.v1+json\",\"manifests\":[{"
	    "\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu,\"platform\":{\"os\":\"linux\","
	    "\"architecture\":\"amd64\"}}]}", type, digest, size);
	return put(OCI "index.v1+json", text);
}

static size_t
size_of(const char *digest)
{
	for (size_t i = 0; i < reg.nblobs; i++)
		if (strcmp(reg.blobs[i].digest, digest) == 0)
			return strlen(reg.blobs[i].text);
	abort();
}

static void
fresh(void)
{
	memset(&reg, 0, sizeof(reg));
}

static void
tag(const char *digest)
{
	snprintf(reg.tag_digest, sizeof(reg.tag_digest), "%s", digest);
}

static struct pull_result res;
static bool only_verify;

static int
pull(const char *name, const char *policy, bool mixed)
{
	struct pull_request req = { .policy = span_str(policy), .allow_mixed = mixed, .only_verify = only_verify };

	if (image_ref_parse(span_str(name), &req.ref, &e) < 0 ||
	    platform_parse(span_str("linux/amd64"), &req.platform, &e) < 0)
		abort();
	reg.order[0] = '\0';
	return pull_image(&req, &env, &res, &e);
}

static void
test_order(void)
{
	fresh();
	tag(put_image(PLAIN "," PLAIN, 2, "amd64"));
	works(pull("h.test/a:v1", ACCEPT, false), "a plain image");
	is_str(reg.order, "manifest config layer0/2 layer1/2 bundle ", "in order");
	is_str(res.manifest.text, reg.tag_digest, "its digest");
	is_str(res.index.text, "", "no index");
	fresh();
	tag(put_image(encrypted(), 1, "amd64"));
	works(pull("h.test/a:v1", ACCEPT, false), "an encrypted image");
	is_str(reg.order, "manifest config unwrap0:QUJD layer0/1 bundle ", "the key before the layer");
	is_int((long long)res.encrypted, 1, "counted");
	fresh();
	tag(put_image("", 0, "amd64"));
	works(pull("h.test/a:v1", ACCEPT, false), "an image without layers");
	is_str(reg.order, "manifest config bundle ", "has a bundle");
	reg.layer_fails = ERR_MAC;
	tag(put_image(PLAIN, 1, "amd64"));
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_MAC, "a layer fails");
	ok(strstr(reg.order, "bundle") == NULL, "and there is no bundle");
	ok(strstr(e.msg, "layer 1 of 1 (sha256:e3b0c44298f") == e.msg, "the message says which: %s", e.msg);
	reg.layer_fails = ERR_IMAGE_NOTFOUND;
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_IMAGE_NOTFOUND, "a layer that is not there");
	ok(strstr(e.msg, "urls") == NULL, "and has no urls: %s", e.msg);
	tag(put_image(FOREIGN, 1, "amd64"));
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_IMAGE_NOTFOUND, "a nondistributable one");
	ok(strstr(e.msg, "urls are not followed") != NULL, "says why its urls are of no use: %s", e.msg);
	reg.layer_fails = ERR_NET;
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_NET, "a nondistributable one, without network");
	ok(strstr(e.msg, "urls") == NULL, "is an ordinary failure: %s", e.msg);
	reg.layer_fails = ERR_NONE;
	works(pull("h.test/a:v1", ACCEPT, false), "a nondistributable one that the registry has");
	is_str(reg.order, "manifest config layer0/1 bundle ", "is one like the others");
}

static void
test_policy_first(void)
{
	fresh();
	tag(put_image(PLAIN, 1, "amd64"));
	fails(pull("h.test/a:v1", REJECT, false), ERR_POLICY, "a policy that rejects");
	is_str(reg.order, "", "nothing was asked for");
	fails(pull("h.test/a:v1", "", false), ERR_POLICY_INVALID, "no policy");
	fails(pull("h.test/a:v1", "{}", false), ERR_POLICY_INVALID, "a policy without default");
	is_str(reg.order, "", "nothing was asked for");
}

static void
test_mixed(void)
{
	char layers[2048];

	fresh();
	snprintf(layers, sizeof(layers), "%s," PLAIN, encrypted());
	tag(put_image(layers, 2, "amd64"));
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_POLICY, "plain among encrypted layers");
	is_str(reg.order, "manifest ", "no key and no layer was asked for");
	works(pull("h.test/a:v1", ACCEPT, true), "allowed by its own setting");
}

static void
test_digests(void)
{
	char name[256];
	const char *digest;

	fresh();
	digest = put_image(PLAIN, 1, "amd64");
	tag(digest);
	snprintf(name, sizeof(name), "h.test/a@%s", digest);
	works(pull(name, ACCEPT, false), "by digest");
	is_str(reg.order, "manifest@ config layer0/1 bundle ", "asked by digest");
	reg.damage = digest;
	fails(pull(name, ACCEPT, false), ERR_DIGEST, "other bytes than the digest asked for");
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_DIGEST, "other bytes than Docker-Content-Digest says");
	reg.damage = NULL;
	reg.sent_digest = "sha256:" LAYER_HEX;
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_DIGEST, "a lying Docker-Content-Digest");
	reg.sent_digest = "sha256:../../x";
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_PARSE, "a Docker-Content-Digest that is none");
	reg.sent_digest = "";
	works(pull("h.test/a:v1", ACCEPT, false), "none at all is fine");
	reg.damage = reg.blobs[0].digest;
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_DIGEST, "a damaged configuration");
	ok(strstr(e.msg, "config") == e.msg, "and the message says so: %s", e.msg);
}

static void
test_index(void)
{
	const char *image, *index;

	fresh();
	image = put_image(PLAIN, 1, "amd64");
	index = put_index(image, size_of(image), OCI "manifest.v1+json");
	tag(index);
	works(pull("h.test/a:v1", ACCEPT, false), "through an index");
	is_str(res.index.text, index, "which is remembered");
	is_str(res.manifest.text, image, "beside the manifest");
	index = put_index(index, size_of(index), OCI "index.v1+json");
	tag(index);
	works(pull("h.test/a:v1", ACCEPT, false), "through two");
	index = put_index(index, size_of(index), OCI "index.v1+json");
	tag(index);
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_IMAGE, "not through three");
	tag(put_index(image, size_of(image) + 1, OCI "manifest.v1+json"));
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_DIGEST, "the index lies about the size");
	reg.damage = image;
	tag(put_index(image, size_of(image) + 1, OCI "manifest.v1+json"));
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_DIGEST, "and about the bytes");
	fresh();
	tag(put_image(PLAIN, 1, "s390x"));
	fails(pull("h.test/a:v1", ACCEPT, false), ERR_IMAGE, "a configuration for another machine");
}

#define SIGNED	"{\"default\":[{\"type\":\"sigstoreSigned\",\"keyData\":\"-----BEGIN\",\"signedIdentity\":{" \
	"\"type\":\"matchRepository\"}}]}"
#define MUST_BE_ENCRYPTED "{\"default\":[{\"type\":\"cacao.layersEncrypted\"}]}"

static void
test_signed(void)
{
	const char *image, *other;

	fresh();
	image = put_image(PLAIN, 1, "amd64");
	other = put_image(PLAIN "," PLAIN, 2, "amd64");
	tag(image);
	snprintf(signed_digest, sizeof(signed_digest), "%s", other);
	fails(pull("h.test/a:v1", SIGNED, false), ERR_POLICY, "signed for another image");
	is_str(reg.order, "manifest signature signature ", "then nothing else is asked for");
	snprintf(signed_digest, sizeof(signed_digest), "%s", image);
	works(pull("h.test/a:v1", SIGNED, false), "signed");
	is_str(reg.order, "manifest signature config layer0/1 bundle ", "asked before the configuration");
	ok(res.is_signed, "and known as signed");
	works(pull("h.test/a:v1", ACCEPT, false), "a policy that does not ask");
	ok(!res.is_signed && strstr(reg.order, "signature") == NULL, "knows nothing of signatures");
	fails(pull("h.test/b:v1", SIGNED, false), ERR_POLICY, "the same content under another name");
	tag(put_index(image, size_of(image), OCI "manifest.v1+json"));
	works(pull("h.test/a:v1", SIGNED, false), "the manifest of an index is signed");
	is_str(subject.index != NULL ? "index" : "", "index", "signatures of the index are looked for, too");
	snprintf(signed_digest, sizeof(signed_digest), "%s", reg.tag_digest);
	works(pull("h.test/a:v1", SIGNED, false), "the index itself is signed");
	snprintf(signed_digest, sizeof(signed_digest), "%s", other);
	fails(pull("h.test/a:v1", SIGNED, false), ERR_POLICY, "only another platform of it is signed");
}

static void
test_must_be_encrypted(void)
{
	char layers[2048];

	fresh();
	tag(put_image(PLAIN, 1, "amd64"));
	fails(pull("h.test/a:v1", MUST_BE_ENCRYPTED, false), ERR_POLICY, "a plain image");
	is_str(reg.order, "manifest ", "is refused by its manifest");
	snprintf(layers, sizeof(layers), "%s," PLAIN, encrypted());
	tag(put_image(layers, 2, "amd64"));
	fails(pull("h.test/a:v1", MUST_BE_ENCRYPTED, true), ERR_POLICY, "a mixed one, even where mixing is allowed");
	tag(put_image(encrypted(), 1, "amd64"));
	works(pull("h.test/a:v1", MUST_BE_ENCRYPTED, false), "an encrypted one");
}

static void
test_only_verify(void)
{
	fresh();
	only_verify = true;
	tag(put_image(encrypted(), 1, "amd64"));
	works(pull("h.test/a:v1", ACCEPT, false), "only verified");
	is_str(reg.order, "manifest config ", "without keys, layers and bundle");
	is_str(res.manifest.text, reg.tag_digest, "its digest");
	fails(pull("h.test/a:v1", REJECT, false), ERR_POLICY, "rejected all the same");
	only_verify = false;
}

static int
once(maybe_unused void *arg, struct err *why)
{
	int rc;

	rc = pull("h.test/a:v1", ACCEPT, false);
	*why = e;
	return rc;
}

int
main(void)
{
	works(crypto_init(&e), "crypto");
	test_order();
	test_policy_first();
	test_mixed();
	test_digests();
	test_index();
	test_signed();
	test_must_be_encrypted();
	test_only_verify();
	fresh();
	tag(put_image(encrypted(), 1, "amd64"));
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, once, NULL) > 0, "no memory at any point");
	return tap_done();
}
