/*
 * test_keywrap.c: recipients as the user writes them, layer keys wrapped for all of them or for none, and what the key role
 * asks of the monitor, which the test is: its answers lie in the socket before they are asked for.
 */
#include "lib/base.h"
#include "agent/keywrap.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "agent/keyask.h"
#include "agent/recipients.h"
#include "keyprovider/kek.h"
#include "lib/crypto.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/keys.h"

#define OURS	"provider:attestation-agent"
#define RSA_PUB	OCICRYPT "keys/rsa.pub.pem"
#define EC_PUB	OCICRYPT "keys/ec.pub.pem"
#define DIGEST	"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char key32[] = "0123456789abcdef0123456789ABCDEF";
static const struct ocicrypt_private layer = { .key = "canary canary canary canary key", .nonce = "0123456789abcde" };
static struct err e;

static void
test_recipients(void)
{
	static const char *const good[] = {
		OURS ":kbs:///a/b/c", "jwe:" RSA_PUB, OURS, OURS ":keyid=/a/b/c::algorithm=A256GCM", "jwe:" EC_PUB, NULL
	};
	static const struct { const char *text; enum err_code code; const char *word; } bad[] = {
		{ "pgp:alice", ERR_UNSUPPORTED, "key ring" }, { "pkcs11:key.yaml", ERR_UNSUPPORTED, "token" },
		{ "pkcs7:cert.pem", ERR_UNSUPPORTED, "jwe:CERTIFICATE" }, { "provider:other:x", ERR_UNSUPPORTED, OURS },
		{ "provider:attestation-agent2:x", ERR_UNSUPPORTED, OURS }, { "alice", ERR_USAGE, "wants" },
		{ "", ERR_USAGE, "wants" }, { "jwe:", ERR_USAGE, "file" }, { "jwe:nowhere", ERR_CONFIG, "nowhere" },
		{ "jwe:tests", ERR_CONFIG, "not a file" },
	};
	const char *many[RECIPIENTS_MAX + 2] = { NULL };
	static char long_one[LIMIT_URI + 64] = OURS ":";
	struct recipients rs;

	works(recipients_open(good, &rs, &e), "five recipients");
	is_int(rs.n, 5, "all of them");
	ok(recipients_need_keys(&rs), "some need keys of ours");
	ok(rs.one[1].scheme == SCHEME_JWE && rs.one[1].fd >= 0 && rs.one[0].fd < 0, "files are open");
	is_str(rs.one[2].text, "", "no key is named");
	recipients_close(&rs);
	works(recipients_open((const char *[]){ "jwe:" RSA_PUB, NULL }, &rs, &e), "a public key alone");
	ok(!recipients_need_keys(&rs), "needs none");
	recipients_close(&rs);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		fails(recipients_open((const char *[]){ "jwe:" RSA_PUB, bad[i].text, NULL }, &rs, &e), bad[i].code, "'%s'",
		    bad[i].text);
		ok(strstr(e.msg, bad[i].word) != NULL, "%s", e.msg);
	}
	for (size_t i = 0; i <= RECIPIENTS_MAX; i++)
		many[i] = OURS;
	fails(recipients_open(many, &rs, &e), ERR_USAGE, "one too many");
	memset(long_one + strlen(long_one), 'a', LIMIT_URI);
	fails(recipients_open((const char *[]){ long_one, NULL }, &rs, &e), ERR_LIMIT, "a long id");
}

static void
add_file(struct keywrap *w, enum ocicrypt_scheme scheme, const char *name)
{
	autoclose int fd = open(name, O_RDONLY | O_CLOEXEC);

	keywrap_add_file(w, scheme, fd, name);
}

/* A keyring with one key. */
static void
init_ring(struct keyring *k)
{
	int ends[2];

	keyring_init(k);
	assert(pipe(ends) == 0 && write(ends[1], key32, 32) == 32);
	close(ends[1]);
	keyring_set_one(k, ends[0], "kbs:///a/b/c");
	close(ends[0]);
}

static int
unwrap(struct keyring *k, const struct ocicrypt_wrapped *w)
{
	const struct span wrapped[SCHEME_COUNT] = {
		buf_span(&w->value[0]), buf_span(&w->value[1]), buf_span(&w->value[2])
	};
	struct ocicrypt_private out;
	int rc = keyring_unwrap(k, wrapped, &out, &e);

	if (rc < 0)
		return rc;
	return memcmp(&out, &layer, sizeof(out)) == 0 ? 0 : err_set(&e, ERR_BUG, "another key");
}

static void
test_wrap(void)
{
	static const char *const private[] = { NULL, "keys/rsa.pem", "keys/ec.pkcs8.pem" };
	cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped made = { 0 };
	static struct keywrap w;
	static struct keyring k;

	init_ring(&k);
	fails(keywrap(&w, &k, &layer, DIGEST, &made, &e), ERR_USAGE, "nobody");
	keywrap_add_provider(&w, "kbs:///a/b/c");
	keywrap_add_provider(&w, "");
	add_file(&w, SCHEME_JWE, RSA_PUB);
	add_file(&w, SCHEME_JWE, EC_PUB);
	works(keywrap(&w, &k, &layer, DIGEST, &made, &e), "four recipients");
	ok(memchr(made.value[SCHEME_PROVIDER].data, ',', made.value[SCHEME_PROVIDER].len) != NULL, "two packets");
	ok(memchr(made.value[SCHEME_JWE].data, ',', made.value[SCHEME_JWE].len) == NULL, "one JWE for both public keys");
	is_int(made.value[SCHEME_PKCS7].len, 0, "nothing else");
	for (size_t i = 0; i < ARRAY_LEN(private); i++) {
		struct ocicrypt_wrapped one = { .value = { made.value[0], made.value[1], made.value[2] } };
		static struct keyring opener;

		one.value[private[i] == NULL ? SCHEME_JWE : SCHEME_PROVIDER].len = 0;
		init_ring(&opener);
		if (private[i] != NULL)
			add_key(&opener.keys, private[i]);
		works(unwrap(&opener, &one), "opens with %s", private[i] != NULL ? private[i] : "our key");
		keyring_fini(&opener);
	}
	keywrap_add_provider(&w, "kbs:///a/b/other");
	ocicrypt_wrapped_fini(&made);
	fails(keywrap(&w, &k, &layer, DIGEST, &made, &e), ERR_KEY_NOTFOUND, "one that has no key");
	ok(made.value[0].data == NULL && made.value[1].data == NULL, "is the end for all of them");
	keywrap_fini(&w);
	keyring_fini(&k);
}

static void
test_faulty_files(void)
{
	static const struct { enum ocicrypt_scheme scheme; const char *name, *word; } bad[] = {
		{ SCHEME_JWE, OCICRYPT "keys/rsa.pem", "private key" }, { SCHEME_JWE, "Makefile", "neither PEM" },
		{ SCHEME_JWE, "/nowhere", "file" }, { SCHEME_PKCS7, OCICRYPT "keys/p7.crt.pem", "not written" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped made = { 0 };
		static struct keywrap w;
		static struct keyring k;

		memset(&w, 0, sizeof(w));
		init_ring(&k);
		add_file(&w, SCHEME_JWE, RSA_PUB);
		add_file(&w, bad[i].scheme, bad[i].name);
		keywrap_add_provider(&w, "a/b/c");
		fails(keywrap(&w, &k, &layer, DIGEST, &made, &e), ERR_CONFIG, "%s among good ones", bad[i].name);
		ok(strstr(e.msg, bad[i].word) != NULL && strstr(e.msg, "--recipient") != NULL, "%s", e.msg);
		keywrap_fini(&w);
		keyring_fini(&k);
	}
	{
		cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped made = { 0 };
		static struct keywrap w;
		static struct keyring k;

		init_ring(&k);
		for (size_t i = 0; i <= KEYWRAP_PROVIDERS; i++)
			keywrap_add_provider(&w, "a/b/c");
		fails(keywrap(&w, &k, &layer, DIGEST, &made, &e), ERR_CONFIG, "one too many");
		keyring_fini(&k);
	}
}

/*
 * The monitor.
 */

static void
lay_fd(int socket, uint16_t type, const void *bytes, size_t n)
{
	int ends[2];
	automsg m;

	msg_init(&m, type, 0);
	assert(pipe(ends) == 0 && write(ends[1], bytes, n) == (ssize_t)n);
	close(ends[1]);
	msg_put_fd(&m, ends[0]);
	if (type == M_KEY_PROVIDER)
		assert(msg_put_u8(&m, PROVIDER_CMD, &e) == 0 && msg_put_str(&m, "host:1", &e) == 0);
	assert(msg_send(socket, &m, 1000, &e) == 0);
	close(ends[0]);
}

static void
lay_failure(int socket)
{
	struct err why;

	err_set(&why, ERR_KEY_NOTFOUND, "no key there");
	assert(role_answer(socket, M_OPEN_FAILED, 0, &why, &e) == 0);
}

/* The question that was asked. */
static void
expect_question(int socket, const char *path, bool make)
{
	static const struct msg_rule rules[] = { { .type = M_KEY_OPEN, .max_len = KIB(1) }, { 0 } };
	struct msg_reader r;
	char got[512];
	automsg m;

	is_int(msg_recv(socket, rules, 0, &m, &e), 1, "asks");
	r = msg_reader(&m);
	msg_get_str(&r, got, sizeof(got));
	is_str(got, path, "for the key");
	is_int(msg_get_u8(&r), make, "make: %d", make);
	ok(msg_get_end(&r), "and nothing else");
}

static void
test_asking(void)
{
	autobuf kek = BUF_SECRET(KEK_SIZE), more = BUF_SECRET(64);
	struct kbs_uri kid = { .plugin = "resource", .path = "a/b/c" };
	char authority[KEYASK_AUTHORITY];
	enum provider_transport transport;
	static struct keyring k;
	int pair[2], fd = -1;

	assert(msg_pair(pair, &e) == 0);
	keyring_init(&k);
	keyring_set_source(&k, KEY_SOURCE_DIRECTORY, "/keys");
	k.ask = pair[0];
	lay_fd(pair[1], M_OPENED, key32, 32);
	works(k.provider.key(&k, &kid, true, &kek, &e), "a key of a directory");
	ok(span_eq(buf_span(&kek), SPAN_LIT(key32)), "is the file's");
	expect_question(pair[1], "a/b/c", false);
	keyring_set_source(&k, KEY_SOURCE_DIRECTORY | KEY_SOURCE_MAKE, "/keys");
	lay_fd(pair[1], M_OPENED, key32, 32);
	works(k.provider.key(&k, &kid, true, &more, &e), "which may be made");
	expect_question(pair[1], "a/b/c", true);
	lay_fd(pair[1], M_OPENED, key32, 31);
	fails(k.provider.key(&k, &kid, false, &more, &e), ERR_CONFIG, "31 bytes");
	ok(strstr(e.msg, "key file a/b/c") != NULL, "%s", e.msg);
	expect_question(pair[1], "a/b/c", false);
	lay_failure(pair[1]);
	fails(k.provider.key(&k, &kid, false, &more, &e), ERR_KEY_NOTFOUND, "no key: %s", e.msg);
	expect_question(pair[1], "a/b/c", false);
	snprintf(kid.plugin, sizeof(kid.plugin), "other");
	fails(k.provider.key(&k, &kid, false, &more, &e), ERR_KEY_NOTFOUND, "a plugin's resource is no file");
	lay_fd(pair[1], M_KEY_PROVIDER, "", 0);
	works(keyask_connect(pair[0], &transport, authority, &fd, &e), "a connection");
	ok(transport == PROVIDER_CMD && strcmp(authority, "host:1") == 0 && fd >= 0, "to that provider");
	base_close(&fd);
	lay_fd(pair[1], M_OPENED, "", 0);
	fails(keyask_connect(pair[0], &transport, authority, &fd, &e), ERR_PROTO, "another answer");
	close(pair[1]);
	fails(keyask_key(pair[0], "a/b/c", false, &more, &e), ERR_CRASH, "the monitor is gone");
	is_int(more.len, 32, "nothing was added");
	close(pair[0]);
	keyring_fini(&k);
}

static void
test_one_key(void)
{
	autobuf kek = BUF_SECRET(KEK_SIZE);
	struct kbs_uri kid = { .plugin = "resource", .path = "a/b/c" };
	static struct keyring k;
	int fd = open("Makefile", O_RDONLY | O_CLOEXEC);

	keyring_init(&k);
	keyring_set_one(&k, fd, "kbs:///a/b/c");
	close(fd);
	fails(k.provider.key(&k, &kid, true, &kek, &e), ERR_LIMIT, "a file that is no key: %s", e.msg);
	keyring_fini(&k);
	init_ring(&k);
	works(k.provider.key(&k, &kid, true, &kek, &e), "the one key");
	snprintf(kid.path, sizeof(kid.path), "a/b/d");
	fails(k.provider.key(&k, &kid, true, &kek, &e), ERR_KEY_NOTFOUND, "has one name");
	ok(strstr(e.msg, "kbs:///a/b/c") != NULL, "%s", e.msg);
	keyring_fini(&k);
}

static int
run_all(maybe_unused void *arg, struct err *out)
{
	cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped made = { 0 };
	struct keywrap w = { .nparams = 0 };
	struct keyring k;
	int rc;

	init_ring(&k);
	keywrap_add_provider(&w, "");
	add_file(&w, SCHEME_JWE, EC_PUB);
	rc = keywrap(&w, &k, &layer, DIGEST, &made, out);
	if (rc < 0)
		ok(strstr(out->msg, "canary") == NULL && made.value[0].data == NULL, "%s", out->msg);
	keywrap_fini(&w);
	keyring_fini(&k);
	return rc;
}

int
main(void)
{
	works(crypto_init(&e), "crypto_init");
	test_recipients();
	test_wrap();
	test_faulty_files();
	test_asking();
	test_one_key();
	ok(fault_each(FAULT_ALLOC, 0, false, run_all, NULL) > 3, "every allocation fails");
	ok(fault_each(FAULT_IO, EIO, false, run_all, NULL) > 3, "every call of the system");
	is_int(secret_in_use(), 0, "nothing is left in secret memory");
	return tap_done();
}
