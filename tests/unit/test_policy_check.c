/*
 * test_policy_check.c: decisions: which signature counts, what all of a list means, what is said about it, and the
 * requirement of our own.
 */
#include "lib/base.h"

#include "image/policy.h"
#include "lib/codec.h"
#include "tests/lib/fault.h"
#include "tests/lib/signed.h"
#include "tests/lib/tap.h"

#define NAME	"registry.example.test:5000/ns/app"
#define OTHER_DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define GPG(members) "{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\"," members "}"
#define RSA	GPG("\"keyPath\":\"keys/rsa.gpg\"")
#define COSIGN(members) "{\"type\":\"sigstoreSigned\",\"signedIdentity\":{\"type\":\"matchRepository\"}," members "}"
#define PEM(word) "-----BEGIN PUBLIC KEY " word
#define ENCRYPTED(members) "{\"type\":\"cacao.layersEncrypted\"" members "}"
#define ACCEPT	"{\"type\":\"insecureAcceptAnything\"}"
#define REJECT	"{\"type\":\"reject\"}"
#define PAYLOAD(digest, reference) "{\"critical\":{\"identity\":{\"docker-reference\":\"" reference "\"},\"image\":{" \
	"\"docker-manifest-digest\":\"" digest "\"},\"type\":\"cosign container image signature\"},\"optional\":null}"

static struct err e;
static struct signed_image image;
static const struct layer *layers;
static size_t nlayers;
static struct digest manifest, index_digest;
static bool by_index;

/* What the list decides about the image. */
static int
decide(const char *list, const char *reference, struct err *err)
{
	cleanup(policy_freep) struct policy *p = NULL;
	const struct policy_env env = signed_env(&image);
	struct image_ref r;
	const struct policy_subject subject = { .ref = &r, .manifest = &manifest,
	    .index = by_index ? &index_digest : NULL, .layers = layers, .nlayers = nlayers };
	char text[8192];
	int rc;

	snprintf(text, sizeof(text), "{\"default\":[%s]}", list);
	if (image_ref_parse(span_str(reference), &r, err) < 0)
		return -ERR_BUG;
	rc = policy_parse(span_str(text), &p, err);
	return rc < 0 ? rc : policy_check(p, &subject, &env, err);
}

static int
ask(const char *list)
{
	return decide(list, NAME ":v1", &e);
}

static void
fresh(void)
{
	image = (struct signed_image){ .key_base = SIGNED_VECTORS };
	layers = NULL;
	nlayers = 0;
	by_index = false;
	memset(&e, 0, sizeof(e));
	if (digest_parse(span_str(SIGNED_DIGEST), &manifest, &e) < 0 ||
	    digest_parse(span_str(OTHER_DIGEST), &index_digest, &e) < 0)
		abort();
}

static void
signatures(const char *a, const char *b, const char *c)
{
	const char *const names[] = { a, b, c };

	fresh();
	for (size_t i = 0; i < ARRAY_LEN(names) && names[i] != NULL; i++)
		image.names[image.n++] = names[i];
}

/* The vectors, as far as it is the message's text that matters; the form of messages is gpg's affair. */
static void
test_vectors(void)
{
	static const char *const of_gpg[] = {
		"armored", "cleartext", "concatenated", "detached", "literal-only", "random", "trailing-garbage",
	};
	autobuf text = BUF(MIB(1));
	autojson doc = NULL;
	struct json_iter it;
	size_t n = 0;

	works(signed_read(SIGNED_VECTORS, "signatures.json", &text, &e), "signatures.json");
	works(json_parse(buf_span(&text), &doc, &e), "is JSON");
	it = json_iter(json_get(json_root(doc), "cases"));
	while (json_next(&it)) {
		bool want = json_str_eq(json_get(it.val, "recommended"), "accept"), skipped = false;
		char name[80], key[80], list[300];
		int rc;

		works(json_cstr(it.key, "name", name, sizeof(name), &e), "name");
		works(json_cstr(json_get(it.val, "key"), "key", key, sizeof(key), &e), "key of %s", name);
		for (size_t i = 0; i < ARRAY_LEN(of_gpg); i++)
			skipped |= strcmp(of_gpg[i], name) == 0;
		if (skipped)
			continue;
		signatures(name, NULL, NULL);
		snprintf(list, sizeof(list), GPG("\"keyPath\":\"%s\""), key);
		rc = ask(list);
		ok(rc == (want ? 0 : -(int)ERR_POLICY), "vector %s: %s", name, rc < 0 ? e.msg : "accepted");
		n++;
	}
	ok(n > 25, "%zu vectors", n);
}

static void
test_which_counts(void)
{
	signatures("good-rsa", NULL, NULL);
	works(ask(RSA), "one");
	is_int(image.checked, 1, "gpg ran once");
	signatures("other-key", "tampered", "good-rsa");
	works(ask(RSA), "a good one behind bad ones");
	signatures("good-rsa", "tampered", NULL);
	works(ask(RSA), "bad ones behind a good one");
	is_int(image.fetched, 1, "are not even fetched");
	signatures(NULL, NULL, NULL);
	fails(ask(RSA), ERR_POLICY, "none");
	ok(strstr(e.msg, "there is no signature; looked in store/signature-1") != NULL, "%s", e.msg);
	signatures("wrong-tag", "tampered", NULL);
	fails(ask(RSA), ERR_POLICY, "two bad ones");
	ok(strstr(e.msg, "2 signatures found, none counts: store/signature-1: it is for the name") != NULL &&
	    strstr(e.msg, "store/signature-2: the signature does not fit") != NULL, "%s", e.msg);
	/* Half of it in one signature and half in another is nothing. */
	signatures("wrong-digest", "other-key", NULL);
	fails(ask(RSA), ERR_POLICY, "none is good in everything");
	signatures("good-rsa", NULL, NULL);
	image.fetch_fails = -ERR_NET;
	fails(ask(RSA), ERR_NET, "the store cannot be reached");
	signatures("good-rsa", "good-rsa", NULL);
	image.one_fails = -ERR_IMAGE;
	works(ask(RSA), "one that cannot be used does no harm");
	image.one_fails = -ERR_TIMEOUT;
	fails(ask(RSA), ERR_TIMEOUT, "one that does not come ends it");
	fresh();
	image.n = ARRAY_LEN(image.names);
	for (size_t i = 0; i < image.n; i++)
		image.names[i] = i == LIMIT_SIGNATURES ? "good-rsa" : "tampered";
	fails(ask(RSA), ERR_POLICY, "good only behind the limit");
	is_int(image.checked, LIMIT_SIGNATURES, "no more are looked at");
	image.names[LIMIT_SIGNATURES - 1] = "good-rsa";
	works(ask(RSA), "the last that is looked at");
}

static void
test_digests(void)
{
	signatures("wrong-digest", NULL, NULL);
	fails(ask(RSA), ERR_POLICY, "for another manifest");
	ok(strstr(e.msg, "another image") != NULL, "%s", e.msg);
	by_index = true;
	works(ask(RSA), "for the index that led here");
	signatures("good-rsa", NULL, NULL);
	by_index = true;
	works(ask(RSA), "for the manifest, where there is an index, too");
	manifest = index_digest;
	by_index = false;
	fails(ask(RSA), ERR_POLICY, "for neither");
	signatures("digest-sha512", NULL, NULL);
	fails(ask(RSA), ERR_POLICY, "another algorithm");
	is_str(image.asked_for.manifest->text, SIGNED_DIGEST, "signatures are asked for by the manifest's digest");
}

static void
test_keys(void)
{
	signatures("good-p256", NULL, NULL);
	fails(ask(RSA), ERR_POLICY, "by a key of no ring");
	works(ask(GPG("\"keyPaths\":[\"keys/rsa.gpg\",\"keys/p256.gpg\"]")), "any of several rings");
	works(ask(GPG("\"keyPath\":\"keys/ring-all.gpg\"")), "a ring of several keys");
	fails(ask(GPG("\"keyPaths\":[\"keys/p256.gpg\",\"keys/none.gpg\"]")), ERR_NOTFOUND, "a ring is missing");
	ok(strstr(e.msg, "key keys/none.gpg") != NULL, "%s", e.msg);
	is_int(image.checked, 3, "then nothing is asked");
	signatures("good-rsa", NULL, NULL);
	fails(ask(GPG("\"keyPath\":\"manifest.json\"")), ERR_POLICY, "no key ring");
	ok(strstr(e.msg, "no public key") != NULL, "%s", e.msg);
	fails(ask(GPG("\"keyData\":\"QUJD\"")), ERR_POLICY, "no key ring in the policy");
	is_int(image.keys, 1, "keyData is no name");
	fails(ask(GPG("\"keyPath\":\"payloads/../../policy/policies/empty-file.json\"")), ERR_POLICY, "an empty ring");
}

static void
test_lists(void)
{
	static const struct {
		const char *list;
		enum err_code want;
		size_t requirement;
	} cases[] = {
		{ RSA "," RSA, ERR_NONE, 0 }, { ACCEPT "," RSA, ERR_NONE, 0 }, { RSA "," ACCEPT, ERR_NONE, 0 },
		{ RSA "," REJECT, ERR_POLICY, 2 }, { REJECT "," RSA, ERR_POLICY, 1 },
		{ RSA "," GPG("\"keyPath\":\"keys/ed.gpg\""), ERR_POLICY, 2 },
		{ GPG("\"keyPath\":\"keys/ed.gpg\"") "," RSA, ERR_POLICY, 1 },
		{ ACCEPT "," ACCEPT "," COSIGN("\"keyPath\":\"keys/rsa.asc\""), ERR_POLICY, 3 },
		{ RSA "," ENCRYPTED(""), ERR_POLICY, 2 },
		{ RSA ",{\"type\":\"signedBaseLayer\",\"baseLayerIdentity\":{\"type\":\"matchExact\"}}",
		  ERR_UNSUPPORTED, 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char place[40];

		signatures("good-rsa", NULL, NULL);
		is_int(ask(cases[i].list), -(int)cases[i].want, "%s", cases[i].list);
		snprintf(place, sizeof(place), "requirement %zu (", cases[i].requirement);
		ok(cases[i].want == ERR_NONE || strstr(e.msg, place) != NULL, "%s", e.msg);
	}
	signatures("other-key", "good-rsa", NULL);
	works(ask(RSA "," GPG("\"keyPath\":\"keys/other.gpg\"")), "different signatures for different requirements");
}

static void
test_cosign(void)
{
	static const struct signed_cosign good[] = { { PAYLOAD(SIGNED_DIGEST, NAME), "good:alice" } };
	static const struct signed_cosign several[] = {
		{ PAYLOAD(SIGNED_DIGEST, NAME), "bad" }, { "no payload", "good:alice" },
		{ PAYLOAD(OTHER_DIGEST, NAME), "good:alice" }, { PAYLOAD(SIGNED_DIGEST, "b.test/x"), "good:alice" },
		{ PAYLOAD(SIGNED_DIGEST, NAME), "good:alice" },
	};
	static const char alice[] = COSIGN("\"keyData\":\"" PEM("alice") "\"");

	fresh();
	fails(ask(alice), ERR_POLICY, "no signature");
	image.cosign = good;
	image.ncosign = 1;
	works(ask(alice), "a good one; the key as plain PEM");
	works(ask(COSIGN("\"keyData\":\"LS0tLS1CRUdJTiBQVUJMSUMgS0VZIGFsaWNl\"")), "the key in base64");
	works(ask(COSIGN("\"keyData\":\"LS0tLS1CRUdJTiBQVUJM\\nSUMgS0VZIGFsaWNl\\n\"")), "in lines");
	works(ask(COSIGN("\"keyDatas\":[\"" PEM("bob") "\",\"" PEM("alice") "\"]")), "one of several keys");
	fails(ask(COSIGN("\"keyData\":\"" PEM("bob") "\"")), ERR_POLICY, "another key");
	fails(ask(COSIGN("\"keyDatas\":[\"" PEM("alice") "\",\"" PEM("broken") "\"]")), ERR_CONFIG, "a key that is none");
	fails(ask("{\"type\":\"sigstoreSigned\",\"keyData\":\"" PEM("alice") "\"}"), ERR_POLICY,
	    "no rule: a name without tag is not that of a tagged image");
	fails(decide("{\"type\":\"sigstoreSigned\",\"keyData\":\"" PEM("alice") "\"}", NAME "@" SIGNED_DIGEST, &e),
	    ERR_POLICY, "nor of a digest");
	fails(ask(RSA), ERR_POLICY, "cosign's signature is none of gpg's");
	image.cosign = several;
	image.ncosign = ARRAY_LEN(several);
	works(ask(alice), "the last one is good");
	image.ncosign--;
	fails(ask(alice), ERR_POLICY, "good, right digest, right name: never in one");
	fresh();
	image.fetch_fails = -ERR_REGISTRY;
	fails(ask(alice), ERR_REGISTRY, "the registry fails");
}

/* What the requirement of our own is asked about. */
static struct {
	struct layer	 layers[3];
	struct json	*docs[3];
	char		 texts[3][4096];
} made;

#define PACKET(kid) "{\"version\":\"0.1.0\",\"kid\":\"" kid "\",\"wrapped_data\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAA\",\"iv\":\"AAAAAAAAAAAAAAAA\",\"wrap_type\":\"A256GCM\"}"
#define ANNOTATION "\"org.opencontainers.image.enc.keys."

/* An encrypted layer whose key is wrapped for these, and by other schemes as `more` says. */
static void
add_layer(bool encrypted, const char *packet, const char *packet2, const char *more)
{
	struct layer *l = &made.layers[nlayers];
	autobuf joined = BUF(LIMIT_ANNOTATION);
	size_t i = nlayers++;

	json_free(made.docs[i]);
	made.docs[i] = NULL;
	*l = (struct layer){ .encrypted = encrypted };
	layers = made.layers;
	if (base64_encode(span_str(packet), &joined, &e) < 0 || (packet2 != NULL &&
	    (buf_add_str(&joined, ",", &e) < 0 || base64_encode(span_str(packet2), &joined, &e) < 0)))
		abort();
	snprintf(made.texts[i], sizeof(made.texts[i]), "{" ANNOTATION "provider.attestation-agent\":\"%s\"%s}",
	    buf_str(&joined), more);
	if (json_parse(span_str(made.texts[i]), &made.docs[i], &e) < 0)
		abort();
	l->desc.annotations = json_root(made.docs[i]);
}

static void
test_encrypted(void)
{
	static const char ours[] = PACKET("kbs:///default/prod/1"), theirs[] = PACKET("kbs:///evil/key/1");
	static const char any[] = ENCRYPTED("");
	static const char prefix[] = ENCRYPTED(",\"keyIdPrefix\":\"kbs:///default/prod/\"");

	fresh();
	fails(ask(any), ERR_POLICY, "no layer");
	add_layer(true, ours, NULL, "");
	add_layer(true, ours, NULL, "");
	works(ask(any), "all encrypted");
	works(ask(prefix), "for keys with the prefix");
	fails(ask(ENCRYPTED(",\"keyIdPrefix\":\"kbs:///default/prod/2\"")), ERR_POLICY, "another prefix");
	fails(ask(ENCRYPTED(",\"keyIdPrefix\":\"kbs://host/default/prod/\"")), ERR_POLICY, "of another host");
	add_layer(false, ours, NULL, "");
	fails(ask(any), ERR_POLICY, "a plain layer among them, whatever it says of keys");
	ok(strstr(e.msg, "layer 3 of 3: it is not encrypted") != NULL, "%s", e.msg);
	fails(ask(prefix), ERR_POLICY, "a plain layer, and a prefix");
	nlayers--;
	add_layer(true, theirs, NULL, "");
	works(ask(any), "any key will do");
	fails(ask(prefix), ERR_POLICY, "one layer for another key");
	ok(strstr(e.msg, "kbs:///evil/key/1") != NULL, "%s", e.msg);
	nlayers--;
	add_layer(true, ours, theirs, "");
	fails(ask(prefix), ERR_POLICY, "also for another key");
	nlayers--;
	add_layer(true, theirs, ours, "");
	fails(ask(prefix), ERR_POLICY, "first for another key");
	nlayers--;
	add_layer(true, ours, NULL, "," ANNOTATION "jwe\":\"QUJD\"");
	works(ask(any), "by jwe, too: no matter");
	fails(ask(prefix), ERR_POLICY, "by jwe, too");
	nlayers--;
	add_layer(true, "no packet", NULL, "");
	ok(ask(prefix) < 0, "what cannot be read: %s", e.msg);
	nlayers--;
	add_layer(true, "", NULL, "");
	ok(ask(prefix) < 0, "no wrapped key: %s", e.msg);
	for (size_t i = 0; i < ARRAY_LEN(made.docs); i++)
		json_freep(&made.docs[i]);
}

/* The words that people and programs are shown. */
static void
test_notes(void)
{
	static const char want[] =
	    "scope 0 yes: default: decides\n"
	    "signature 1 no: store/signature-1: the signature does not fit the data (key "
	    "14629A9598A29B0E2340C4473501C436E759B8C1)\n"
	    "signature 2 yes: store/signature-2: good\n"
	    "requirement 1 yes: signedBy: holds\n"
	    "requirement 2 no: cacao.layersEncrypted: there is no layer that could be encrypted\n"
	    "requirement 3 yes: insecureAcceptAnything: holds\n";

	signatures("tampered", "good-rsa", NULL);
	fails(ask(RSA "," ENCRYPTED("") "," ACCEPT), ERR_POLICY, "the second does not hold");
	is_str(image.notes, want, "all of it is told");
	is_str(e.msg, "policy: " NAME ":v1: the scope \"default\", requirement 2 (cacao.layersEncrypted): "
	    "there is no layer that could be encrypted", "the message");
}

static void
test_asks_signature(void)
{
	static const struct {
		const char *list;
		bool want;
	} cases[] = {
		{ ACCEPT, false }, { ENCRYPTED(""), false }, { RSA, true }, { ACCEPT "," RSA, true },
		{ COSIGN("\"keyPath\":\"x\""), true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(policy_freep) struct policy *p = NULL;
		struct image_ref r;
		char text[1024];

		snprintf(text, sizeof(text), "{\"default\":[%s]}", cases[i].list);
		works(policy_parse(span_str(text), &p, &e), "%s", text);
		works(image_ref_parse(span_str(NAME), &r, &e), "name");
		is_int(policy_asks_signature(p, &r), cases[i].want, "asks for a signature: %s", cases[i].list);
	}
}

static int
decide_once(void *arg, struct err *err)
{
	memset(image.notes, 0, sizeof(image.notes));
	return decide(arg, NAME ":v1", err);
}

int
main(void)
{
	static char list[] = GPG("\"keyPaths\":[\"keys/rsa.gpg\",\"keys/p256.gpg\"]");

	test_vectors();
	test_which_counts();
	test_digests();
	test_keys();
	test_lists();
	test_cosign();
	test_encrypted();
	test_notes();
	test_asks_signature();
	signatures("good-rsa", NULL, NULL);
	ok(fault_each(FAULT_ALLOC, 0, false, decide_once, list) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	return tap_done();
}
