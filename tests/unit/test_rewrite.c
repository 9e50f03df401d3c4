/* test_rewrite.c: what a manifest becomes when layers are encrypted or decrypted, and what stays. */
#include "lib/base.h"

#include "image/rewrite.h"

#include <fcntl.h>

#include "lib/fs.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

#define HEX	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define D(n)	"sha256:" HEX #n
#define OCI	"application/vnd.oci.image."
#define DOCKER	"application/vnd.docker."
#define ENC	"org.opencontainers.image.enc."

#define CONFIG	"\"config\":{\"mediaType\":\"" OCI "config.v1+json\",\"digest\":\"" D(0) "\",\"size\":7}"
#define LAYER(type, more) "{\"mediaType\":\"" type "\",\"digest\":\"" D(1) "\",\"size\":11" more "}"
#define PLAIN	LAYER(OCI "layer.v1.tar+gzip", "")
#define ENCRYPTED(more) LAYER(OCI "layer.v1.tar+gzip+encrypted", ",\"annotations\":{\"" ENC "pubopts\":\"e30=\",\"" \
	ENC "keys.jwe\":\"e30=\"" more "}")
#define MANIFEST(layers) "{\"schemaVersion\":2," CONFIG ",\"layers\":[" layers "]}"

/* What public options and wrapped keys look like when the MAC is zeros. */
#define PUBOPTS	"eyJjaXBoZXIiOiJBRVNfMjU2X0NUUl9ITUFDX1NIQTI1NiIsImhtYWMiOiJBQUFBQUFBQUFBQUFBQUFB" \
	"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBPSIsImNpcGhlcm9wdGlvbnMiOnt9fQ=="
#define ADDED	"\"" ENC "pubopts\":\"" PUBOPTS "\",\"" ENC "keys.provider.attestation-agent\":\"AAAA,BBBB\""

static struct err e;

struct change {
	enum rewrite_how	how[2];
	const char		*value[SCHEME_COUNT];
};

static int
rewrite_with(const char *text, const struct change *c, struct buf *out, struct err *err)
{
	cleanup(manifest_fini) struct manifest m = { 0 };
	struct rewrite_layer layers[2] = { 0 };
	struct rewrite r = { .provider = "attestation-agent", .layers = layers };
	int rc = manifest_parse(span_str(text), "", &m, err);

	if (rc == 0)
		rc = digest_parse(m.config.digest.alg == HASH_SHA256 ? span_str(m.config.digest.text) :
		    SPAN_LIT(D(0)), &r.config, err);
	for (size_t i = 0; i < m.nlayers && rc == 0; i++) {
		layers[i].how = c->how[i];
		layers[i].size = c->how[i] == REWRITE_KEEP ? m.layers[i].desc.size : 22;
		rc = digest_parse(c->how[i] == REWRITE_KEEP ? span_str(m.layers[i].desc.digest.text) :
		    SPAN_LIT(D(2)), &layers[i].digest, err);
		for (int s = 0; s < SCHEME_COUNT && rc == 0; s++) {
			layers[i].wrapped.value[s] = (struct buf)BUF(KIB(1));
			if (c->value[s] != NULL)
				rc = buf_add_str(&layers[i].wrapped.value[s], c->value[s], err);
		}
	}
	if (rc == 0)
		rc = manifest_rewrite(&m, &r, out, err);
	for (size_t i = 0; i < 2; i++)
		ocicrypt_wrapped_fini(&layers[i].wrapped);
	return rc;
}

/* One or two layers, all treated alike; the name of the error if there is one. */
static const char *
rewritten(const char *text, enum rewrite_how how)
{
	static char result[KIB(8)];
	const struct change c = { { how, how }, { "AAAA,BBBB", NULL, NULL } };
	autobuf out = BUF(sizeof(result) - 1);

	e = (struct err){ 0 };
	if (rewrite_with(text, &c, &out, &e) < 0)
		return err_name(e.code);
	snprintf(result, sizeof(result), "%s", buf_str(&out));
	return result;
}

#define NEW(layers) "{\"mediaType\":\"" OCI "manifest.v1+json\",\"schemaVersion\":2," CONFIG ",\"layers\":[" layers "]}"
#define NEW_LAYER(type, more) "{\"mediaType\":\"" OCI "layer." type "\",\"digest\":\"" D(2) "\",\"size\":22" more "}"

static void
test_encrypt(void)
{
	is_str(rewritten(MANIFEST(PLAIN), REWRITE_ENCRYPT),
	    NEW(NEW_LAYER("v1.tar+gzip+encrypted", ",\"annotations\":{" ADDED "}")), "one layer");
	is_str(rewritten(MANIFEST(LAYER(OCI "layer.v1.tar", ",\"annotations\":{\"a\":\"\\u0031\"},\"x\":[1.50]")), REWRITE_ENCRYPT),
	    NEW(NEW_LAYER("v1.tar+encrypted", ",\"x\":[1.50],\"annotations\":{\"a\":\"\\u0031\"," ADDED "}")),
	    "other annotations and members stay, to the byte");
	is_str(rewritten(MANIFEST(LAYER(OCI "layer.v1.tar+zstd", ",\"annotations\":{\"" ENC "keys.pgp\":\"old\"}")),
	    REWRITE_ENCRYPT), NEW(NEW_LAYER("v1.tar+zstd+encrypted", ",\"annotations\":{" ADDED "}")),
	    "what a plain layer says of an encryption goes");
	is_str(rewritten(MANIFEST(LAYER(OCI "layer.nondistributable.v1.tar+gzip",
	    ",\"urls\":[\"https://a.test/x\"],\"data\":\"cGxhaW4=\"")), REWRITE_ENCRYPT),
	    NEW(NEW_LAYER("nondistributable.v1.tar+gzip+encrypted", ",\"annotations\":{" ADDED "}")),
	    "so do places of the plain bytes, and the bytes themselves");
	is_str(rewritten("{\"schemaVersion\":2,\"subject\":{\"a\":null},\"layers\":[" PLAIN "]," CONFIG ",\"annotations\":{\"k\":\"v\"}}",
	    REWRITE_ENCRYPT), "{\"mediaType\":\"" OCI "manifest.v1+json\",\"schemaVersion\":2,\"subject\":{\"a\":null},\"layers\":["
	    NEW_LAYER("v1.tar+gzip+encrypted", ",\"annotations\":{" ADDED "}") "]," CONFIG ",\"annotations\":{\"k\":\"v\"}}",
	    "members of the manifest stay, and their order");
	is_str(rewritten("{\"schemaVersion\":2," CONFIG ",\"layers\":null}", REWRITE_ENCRYPT), NEW(""), "no layers");
}

static void
test_docker(void)
{
	static const struct {
		const char	*docker, *oci;
	} types[] = {
		{ "rootfs.diff.tar", "v1.tar" }, { "rootfs.diff.tar.gzip", "v1.tar+gzip" },
		{ "rootfs.diff.tar.zstd", "v1.tar+zstd" }, { "rootfs.foreign.diff.tar", "nondistributable.v1.tar" },
		{ "rootfs.foreign.diff.tar.gzip", "nondistributable.v1.tar+gzip" },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		char from[KIB(1)], wanted[200];

		snprintf(from, sizeof(from), "{\"schemaVersion\":2,\"mediaType\":\"" DOCKER "distribution.manifest.v2+json\","
		    "\"config\":{\"mediaType\":\"" DOCKER "container.image.v1+json\",\"size\":7,\"digest\":\"" D(0) "\"},"
		    "\"layers\":[{\"mediaType\":\"" DOCKER "image.%s\",\"size\":11,\"digest\":\"" D(1) "\"}]}", types[i].docker);
		snprintf(wanted, sizeof(wanted), "{\"mediaType\":\"" OCI "layer.%s+encrypted\",", types[i].oci);
		ok(strstr(rewritten(from, REWRITE_ENCRYPT), wanted) != NULL, "%s encrypted", types[i].docker);
		snprintf(wanted, sizeof(wanted), "{\"mediaType\":\"" OCI "layer.%s\",\"digest\":\"" D(1) "\",\"size\":11}",
		    types[i].oci);
		ok(strstr(rewritten(from, REWRITE_KEEP), wanted) != NULL, "%s as it is", types[i].docker);
		ok(strstr(rewritten(from, REWRITE_KEEP), DOCKER) == NULL, "nothing of docker's is left");
	}
}

static void
test_decrypt(void)
{
	const struct change mixed = { { REWRITE_KEEP, REWRITE_DECRYPT }, { NULL } };
	autobuf out = BUF(KIB(8));

	is_str(rewritten(MANIFEST(ENCRYPTED("")), REWRITE_DECRYPT), NEW(NEW_LAYER("v1.tar+gzip", "")),
	    "the annotations go, and their member");
	is_str(rewritten(MANIFEST(ENCRYPTED(",\"a\":\"b\"")), REWRITE_DECRYPT),
	    NEW(NEW_LAYER("v1.tar+gzip", ",\"annotations\":{\"a\":\"b\"}")), "others stay");
	is_str(rewritten(MANIFEST(ENCRYPTED(",\"org.opencontainers.image.en\\u0063.x\":\"b\"")), REWRITE_DECRYPT),
	    NEW(NEW_LAYER("v1.tar+gzip", "")), "also one whose name is written in another way");
	works(rewrite_with(MANIFEST(PLAIN "," ENCRYPTED("")), &mixed, &out, &e), "one of two");
	is_str(buf_str(&out), NEW(PLAIN "," NEW_LAYER("v1.tar+gzip", "")), "the other is as it was");
	buf_reset(&out);
	works(rewrite_with(MANIFEST(ENCRYPTED("")), &(struct change){ { REWRITE_KEEP }, { NULL } }, &out, &e), "kept");
	is_str(buf_str(&out), NEW(ENCRYPTED("")), "an encrypted layer that is kept stays encrypted");
}

static void
test_schemes(void)
{
	struct change c = { { REWRITE_ENCRYPT }, { NULL, "QQ==", "Qg==" } };
	autobuf out = BUF(KIB(8)), small = BUF(100);

	works(rewrite_with(MANIFEST(PLAIN), &c, &out, &e), "two schemes");
	ok(strstr(buf_str(&out), "\"" ENC "keys.jwe\":\"QQ==\",\"" ENC "keys.pkcs7\":\"Qg==\"") != NULL, "both are there");
	ok(strstr(buf_str(&out), "keys.provider") == NULL, "no other is");
	c.value[SCHEME_JWE] = "a\"b";
	fails(rewrite_with(MANIFEST(PLAIN), &c, &small, &e), ERR_BUG, "a wrapped key that is no base64");
	c.value[SCHEME_JWE] = "QQ==";
	fails(rewrite_with(MANIFEST(PLAIN), &c, &small, &e), ERR_LIMIT, "no room");
	is_int(small.len, 0, "and nothing written");
}

/* Real ones: everything but the encryption is as in the plain image. */
static void
test_vectors(void)
{
	static const char *const names[] = { "jwe-rsa", "jwe-ec", "pkcs7", "pgp", "jwe-mixed-last" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup(manifest_fini) struct manifest m = { 0 }, back = { 0 };
		autobuf text = BUF(LIMIT_MANIFEST), out = BUF(LIMIT_MANIFEST);
		struct rewrite_layer layers[16] = { 0 };
		struct rewrite r = { .provider = "attestation-agent", .layers = layers };
		char path[128];
		size_t encrypted = 0;

		snprintf(path, sizeof(path), "tests/vectors/image/ocicrypt/images/%s/manifest.json", names[i]);
		works(fs_read_file(AT_FDCWD, path, &text, &e), "%s", path);
		works(manifest_parse(buf_span(&text), "", &m, &e), "%s: a manifest", names[i]);
		assert(m.nlayers <= ARRAY_LEN(layers));
		r.config = m.config.digest;
		for (size_t n = 0; n < m.nlayers; n++) {
			layers[n].how = m.layers[n].encrypted ? REWRITE_DECRYPT : REWRITE_KEEP;
			layers[n].digest = m.layers[n].desc.digest;
			layers[n].size = m.layers[n].desc.size;
		}
		works(manifest_rewrite(&m, &r, &out, &e), "%s: decrypted", names[i]);
		works(manifest_parse(buf_span(&out), REWRITE_MANIFEST_TYPE, &back, &e), "%s: a manifest again", names[i]);
		is_int(back.nlayers, m.nlayers, "%s: as many layers", names[i]);
		for (size_t n = 0; n < back.nlayers; n++)
			encrypted += back.layers[n].encrypted;
		ok(encrypted == 0 && strstr(buf_str(&out), ENC) == NULL, "%s: nothing is left of the encryption", names[i]);
	}
}

static int
run_faulty(void *arg, struct err *err)
{
	const struct change c = { { REWRITE_ENCRYPT, REWRITE_DECRYPT }, { "AAAA", "BBBB", NULL } };
	autobuf out = BUF(KIB(8));

	return rewrite_with(arg, &c, &out, err);
}

int
main(void)
{
	static char text[] = MANIFEST(PLAIN "," ENCRYPTED(",\"a\":\"b\""));

	test_encrypt();
	test_docker();
	test_decrypt();
	test_schemes();
	test_vectors();
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, run_faulty, text) > 10, "every allocation fails in turn");
	return tap_done();
}
