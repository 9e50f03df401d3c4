/* test_inspect.c: what is told of an image, for people and as JSON, and that nothing of it steers a terminal. */
#include "lib/base.h"

#include "image/inspect.h"

#include <fcntl.h>

#include "lib/codec.h"
#include "lib/fs.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define HEX	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define D(n)	"sha256:" HEX #n
#define OCI	"application/vnd.oci.image."
#define ENC	"org.opencontainers.image.enc."
#define CONFIG	"\"config\":{\"mediaType\":\"" OCI "config.v1+json\",\"digest\":\"" D(0) "\",\"size\":7}"
/* {"cipher":"AES_256_CTR_HMAC_SHA256"} */
#define PUBOPTS	"eyJjaXBoZXIiOiJBRVNfMjU2X0NUUl9ITUFDX1NIQTI1NiJ9"
#define LAYER(annotations) "{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" OCI "layer.v1.tar+encrypted\"," \
	"\"digest\":\"" D(1) "\",\"size\":11,\"annotations\":{\"" ENC "pubopts\":\"" PUBOPTS "\"" annotations "}}]}"

static struct err e;
static struct digest digest;

static struct inspection
of(const char *config)
{
	return (struct inspection){
		.name = "oci:/x:y", .digest = &digest, .size = 5, .media_type = OCI "manifest.v1+json",
		.config = span_str(config), .looked_at = "nowhere",
	};
}

/* The report of a manifest, or the name of the error. */
static const char *
told(const char *text, const char *config, bool json)
{
	static char result[KIB(64)];
	cleanup(manifest_fini) struct manifest m = { 0 };
	autobuf out = BUF(sizeof(result) - 1);
	const struct inspection what = of(config);

	e = (struct err){ 0 };
	if (manifest_parse(span_str(text), "", &m, &e) < 0 || inspect_manifest(&what, &m, json, &out, &e) < 0)
		return err_name(e.code);
	snprintf(result, sizeof(result), "%s", buf_str(&out));
	return result;
}

static bool
tells(const char *text, const char *config, bool json, const char *what)
{
	const char *all = told(text, config, json);

	if (strstr(all, what) != NULL)
		return true;
	printf("# not in: %s\n", all);
	return false;
}

static void
test_plain(void)
{
	static const char text[] = "{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" OCI
	    "layer.v1.tar\",\"digest\":\"" D(1) "\",\"size\":11}]}";
	static const char config[] = "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\",\"created\":\"2020-01-01\"}";

	is_str(told(text, config, false),
	    "Image:      oci:/x:y\n"
	    "Digest:     " D(2) "\n"
	    "Type:       " OCI "manifest.v1+json\n"
	    "Platform:   linux/arm/v7\n"
	    "Created:    2020-01-01\n"
	    "Config:     " D(0) "  7 bytes\n"
	    "Signatures: cosign: not asked (nowhere); simple signing: not asked\n"
	    "Policy:     not asked; pull does\n"
	    "Layers:     1, 0 of them encrypted\n"
	    "  0   " D(1) "  11 bytes\n"
	    "      " OCI "layer.v1.tar\n", "for people");
	is_str(told(text, config, true), "{\"reference\":\"oci:/x:y\",\"digest\":\"" D(2) "\",\"mediaType\":\"" OCI
	    "manifest.v1+json\",\"size\":5,\"index\":null,\"platform\":\"linux/arm/v7\",\"created\":\"2020-01-01\","
	    "\"config\":{\"size\":7,\"digest\":\"" D(0) "\",\"mediaType\":\"" OCI "config.v1+json\"},"
	    "\"encryptedLayers\":0,\"layers\":[{\"number\":0,\"digest\":\"" D(1) "\",\"mediaType\":\"" OCI
	    "layer.v1.tar\",\"size\":11,\"encrypted\":false}],\"signatures\":{\"cosign\":\"not asked\",\"lookedAt\":\"nowhere\","
	    "\"simpleSigning\":\"not asked\"},\"policy\":\"not asked\"}\n", "as JSON");
	ok(strstr(told(text, "{", false), "Platform:") == NULL, "of a configuration that cannot be read nothing is told");
	ok(tells(text, "{", true, "\"platform\":null,\"created\":null"), "as JSON neither");
	is_str(told("{}", "", false), "IMAGE", "no manifest");
}

/* One annotation of a wrapped key, whose text is given before it is base64. */
static const char *
wrapped(const char *scheme, const char *plain, bool json)
{
	static char text[KIB(8)];
	autobuf value = BUF(KIB(4));

	if (base64_encode(span_str(plain), &value, &e) < 0)
		abort();
	snprintf(text, sizeof(text), LAYER(",\"" ENC "keys.%s\":\"%s\""), scheme, buf_str(&value));
	return told(text, "{}", json);
}

#define HAS(report, what, ...)	ok(strstr(report, what) != NULL, __VA_ARGS__)

static void
test_packets(void)
{
	static const struct {
		const char	*file, *kid, *algorithm;
	} packets[] = {
		{ "v0-verdictd", "", "" }, { "v1-a256gcm", "kbs:///", "A256GCM" }, { "v2-kbs", "kbs://", "A256GCM" },
		{ "v1-legacy-aes_256_ctr", "", "aes_256_ctr" }, { "public-keyprovider-readme", "kbs:///", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(packets); i++) {
		autobuf text = BUF(KIB(4)), packet = BUF(KIB(4));
		char path[128], wanted[128];
		autojson doc = NULL;
		struct json_val inner;
		const char *report;

		snprintf(path, sizeof(path), "tests/vectors/kbc/annotation/%s.json", packets[i].file);
		works(fs_read_file(AT_FDCWD, path, &text, &e), "%s", path);
		works(json_parse(buf_span(&text), &doc, &e), "%s", path);
		inner = json_get(json_root(doc), "annotation");
		works(buf_add_span(&packet, json_raw(json_ok(inner) ? inner : json_root(doc)), &e), "packet");
		report = wrapped("provider.attestation-agent", buf_str(&packet), false);
		snprintf(wanted, sizeof(wanted), "      provider attestation-agent, key %s", packets[i].kid);
		HAS(report, wanted, "%s: its key", packets[i].file);
		HAS(report, packets[i].algorithm, "%s: its algorithm", packets[i].file);
		ok(strstr(report, "no more is known") == NULL, "%s: is read", packets[i].file);
	}
	HAS(wrapped("provider.other", "no JSON", false), "provider other (no more is known of it)", "of another provider");
	HAS(wrapped("provider.other", "[1]", true), "\"provider\":\"other\",\"kid\":null,\"algorithm\":null,\"readable\":false}",
	    "as JSON");
	HAS(wrapped("provider.x", "{\"kid\":7}", false), "provider x (no more", "a kid that is no text");
}

/* {"alg":"RSA-OAEP","enc":"A256GCM"} and {"enc":"A256GCM"}, base64url */
#define RSA	"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ"
#define GCM	"eyJlbmMiOiJBMjU2R0NNIn0"

static void
test_jwe(void)
{
	const char *report;

	HAS(wrapped("jwe", "{\"protected\":\"" RSA "\"}", false), "      jwe, RSA-OAEP\n", "flattened");
	HAS(wrapped("jwe", "{\"protected\":\"" GCM "\",\"header\":{\"alg\":\"ECDH-ES+A256KW\",\"kid\":\"me\"}}", false),
	    "      jwe, key me, ECDH-ES+A256KW\n", "a header of its own");
	report = wrapped("jwe", "{\"protected\":\"" GCM "\",\"recipients\":[{\"header\":{\"alg\":\"RSA-OAEP\"}},"
	    "{\"header\":{\"alg\":\"ECDH-ES+A256KW\",\"kid\":\"b\"}}]}", false);
	HAS(report, "        jwe, RSA-OAEP\n        jwe, key b, ECDH-ES+A256KW\n", "two recipients");
	HAS(wrapped("jwe", RSA ".a.b.c.d", true), "\"algorithm\":\"RSA-OAEP\",\"readable\":true}", "compact");
	HAS(wrapped("jwe", "a.b", false), "      jwe (no more is known of it)\n", "nothing");
	HAS(wrapped("jwe", "{", false), "      jwe (no more is known of it)\n", "half of something");
	HAS(wrapped("jwe", "{\"protected\":7}", false), "      jwe (no more is known of it)\n", "no header");
}

static void
test_others(void)
{
	HAS(wrapped("pkcs7", "x", false), "      pkcs7 (no more is known of it)\n", "pkcs7");
	HAS(wrapped("pgp", "x", false), "      pgp (no more is known of it)\n", "pgp");
	ok(tells(LAYER(",\"" ENC "keys.jwe\":\"!\""), "", false, "jwe (no more"), "no base64");
	ok(tells(LAYER(",\"" ENC "keys.jwe\":\"AA==,AA==\""), "", true, "},{\"scheme\":\"jwe\""), "two parts");
	ok(tells(LAYER(""), "", true, "\"cipher\":\"AES_256_CTR_HMAC_SHA256\",\"keys\":[]"), "no key at all");
	ok(tells(LAYER(""), "", false, "encrypted: AES_256_CTR_HMAC_SHA256, its key wrapped by\n"), "the cipher");
}

static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text != '\n' && (*text < ' ' || *text >= 0x7f))
			return false;
	return true;
}

static void
test_terminal(void)
{
	static const char odd[] = "{\"created\":\"a\\u001b[31mb\\u009bc\\u202ed\\ud83d\\ude00\\n\\\"\\\\\"}";
	const char *report = told(LAYER(",\"" ENC "keys.provider.\\u001b[2J\":\"e30=\""), odd, false);

	ok(is_printable(report), "nothing but printable text and line ends");
	HAS(report, "Created:    a\\x1b[31mb\\xc2\\x9bc\\xe2\\x80\\xaed\\xf0\\x9f\\x98\\x80\\x0a\"\\\n", "escaped, all of it");
	HAS(report, "provider \\x1b[2J (no more", "also in names");
	report = told(LAYER(",\"" ENC "keys.provider.\\u001b[2J\":\"e30=\""), odd, true);
	ok(is_printable(report), "nor in JSON");
	HAS(report, "\"created\":\"a\\u001b[31mb\\u009bc\\u202ed\\ud83d\\ude00\\u000a\\\"\\\\\"", "which means the same");
	HAS(report, "\"provider\":\"\\u001b[2J\"", "also in names");
}

static const char *
listed(const char *text, bool json)
{
	static char result[KIB(8)];
	autobuf out = BUF(sizeof(result) - 1);
	const struct inspection what = of("");

	e = (struct err){ 0 };
	if (inspect_index(&what, span_str(text), json, &out, &e) < 0)
		return err_name(e.code);
	snprintf(result, sizeof(result), "%s", buf_str(&out));
	return result;
}

#define ENTRY(n, more)	"{\"mediaType\":\"m\",\"digest\":\"" D(n) "\",\"size\":4" more "}"

static void
test_index(void)
{
	static const char text[] = "{\"manifests\":[" ENTRY(1, ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}") ","
	    ENTRY(3, ",\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"}") "," ENTRY(4, "") "]}";
	const char *report = listed(text, false);

	HAS(report, "Platforms:  3; --platform looks into one of them\n"
	    "  0   " D(1) "  4 bytes  linux/amd64\n"
	    "  1   " D(3) "  4 bytes  attestation-manifest\n"
	    "  2   " D(4) "  4 bytes  no platform named\n", "for people");
	HAS(listed(text, true), ",\"platforms\":[{\"size\":4,\"digest\":\"" D(1) "\",\"mediaType\":\"m\",\"platform\":\"linux/amd64\","
	    "\"referenceType\":null},", "as JSON");
	is_str(listed("{\"manifests\":[7]}", false), "IMAGE", "an entry that is none");
	is_str(listed("{\"manifests\":{}}", false), "IMAGE", "no list");
	is_str(listed("{", false), "IMAGE", "no JSON");
}

static int
run_faulty(void *arg, struct err *err)
{
	cleanup(manifest_fini) struct manifest m = { 0 };
	autobuf out = BUF(KIB(64));
	const struct inspection what = of("{\"os\":\"linux\",\"architecture\":\"amd64\"}");
	int rc = manifest_parse(span_str(arg), "", &m, err);

	return rc < 0 ? rc : inspect_manifest(&what, &m, true, &out, err);
}

static void
try_mutant(struct span text, maybe_unused void *arg)
{
	cleanup(manifest_fini) struct manifest m = { 0 };
	autobuf out = BUF(KIB(64));
	const struct inspection what = of("");
	struct err ignored;

	if (manifest_parse(text, "", &m, &ignored) == 0 && inspect_manifest(&what, &m, false, &out, &ignored) == 0)
		assert(is_printable(buf_str(&out)));
}

int
main(void)
{
	static char text[] = LAYER(",\"" ENC "keys.jwe\":\"" "eyJwcm90ZWN0ZWQiOiJlMzAifQ==\"");

	works(digest_parse(SPAN_LIT(D(2)), &digest, &e), "digest");
	test_plain();
	test_packets();
	test_jwe();
	test_others();
	test_terminal();
	test_index();
	/* What cannot be read for want of memory is shown as such: it may get through. */
	ok(fault_each(FAULT_ALLOC, ENOMEM, true, run_faulty, text) > 10, "every allocation fails in turn");
	ok(mutate(span_str(text), sizeof(text), try_mutant, NULL) > 100, "mutants");
	return tap_done();
}
