/*
 * test_keyring.c: which scheme and which part is tried, what does not stop the others, and the one error that tells
 * of all of them.
 */
#include "lib/base.h"
#include "agent/keyring.h"

#include "lib/codec.h"
#include "lib/crypto.h"
#include "lib/secret.h"
#include "tests/lib/keys.h"

static struct err e;
static struct buf jwe = BUF(LIMIT_ANNOTATION), other = BUF(LIMIT_ANNOTATION);

static void
annotation(const char *name, struct buf *out)
{
	autobuf text = BUF(LIMIT_PACKET);

	read_vector(name, &text);
	works(base64_encode(buf_span(&text), out, &e), "%s", name);
}

static int
unwrap(struct keyring *k, const char *provider, const char *by_jwe, const char *pkcs7)
{
	const struct span wrapped[SCHEME_COUNT] = {
		[SCHEME_PROVIDER] = span_str(provider),
		[SCHEME_JWE] = span_str(by_jwe),
		[SCHEME_PKCS7] = span_str(pkcs7),
	};
	struct ocicrypt_private out = { .key = { 0 } };
	int rc = keyring_unwrap(k, wrapped, &out, &e);

	if (rc == 0)
		return memcmp(out.key, "0123456789abcdef0123456789abcdef", 32) == 0 ? 0 : -(int)ERR_BUG;
	return out.key[0] == 0 ? rc : -(int)ERR_BUG;
}

static void
add(struct keyring *k, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), OCICRYPT "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	keyring_add_file(k, fd, name);
	base_close(&fd);
}

static void
add_password(struct keyring *k, const char *text, size_t n)
{
	int ends[2];

	assert(pipe(ends) == 0 && write(ends[1], text, n) == (ssize_t)n);
	close(ends[1]);
	keyring_add_password(k, ends[0]);
	close(ends[0]);
}

static void
test_schemes(void)
{
	struct keyring k;
	char parts[KIB(8)];

	keyring_init(&k);
	fails(unwrap(&k, "", buf_str(&jwe), ""), ERR_CONFIG, "jwe without a key");
	is_str(e.msg, "jwe: no private key was given (--decryption-key FILE)", "told as what is missing");
	fails(unwrap(&k, "e30=", "", ""), ERR_CONFIG, "a packet without a broker");
	fails(unwrap(&k, "", "", ""), ERR_IMAGE, "nothing at all");
	add(&k, "keys/ec.pkcs8.pem");
	works(unwrap(&k, "", buf_str(&jwe), ""), "jwe with its key");
	works(unwrap(&k, "e30=", buf_str(&jwe), ""), "a packet that cannot be opened does not stop it");
	works(unwrap(&k, "***", buf_str(&jwe), "***"), "nor does what is not even base64");
	fails(unwrap(&k, "e30=", buf_str(&other), "e30="), ERR_DECRYPT, "none works");
	is_str(e.msg, "key provider: no key broker is configured (--aa-kbc-params NAME::URI, or the setting kbc.params); jwe: none of the private "
	    "keys opens it; pkcs7: no RSA private key was given (--decryption-key KEY --decryption-key CERTIFICATE)",
	    "all of them are told");
	snprintf(parts, sizeof(parts), "%s,***,%s", buf_str(&other), buf_str(&jwe));
	works(unwrap(&k, "", parts, ""), "the third part");
	snprintf(parts, sizeof(parts), "%s,***", buf_str(&other));
	fails(unwrap(&k, "", parts, ""), ERR_DECRYPT, "no part: the first fault is told");
	keyring_fini(&k);
}

static void
test_faults(void)
{
	struct keyring k;

	keyring_init(&k);
	add(&k, "keys/ec.pkcs8.pem");
	add(&k, "keys/ec.pub.pem");
	add(&k, "jwe/make.py");
	fails(unwrap(&k, "", buf_str(&jwe), ""), ERR_CONFIG, "a file that is no key, beside one that is");
	ok(strstr(e.msg, "--decryption-key keys/ec.pub.pem: PUBLIC KEY") == e.msg, "the first is told: %s", e.msg);
	keyring_fini(&k);
	keyring_init(&k);
	for (int i = 0; i <= LIMIT_KEY_FILES; i++)
		add(&k, "keys/ec.pkcs8.pem");
	fails(unwrap(&k, "", buf_str(&jwe), ""), ERR_CONFIG, "one file too many");
	keyring_fini(&k);
}

static void
test_passwords(void)
{
	static const struct { const char *text; size_t n; bool good; } cases[] = {
		{ "secret", 6, true }, { "secret\n", 7, true }, { "secret\nmore", 11, true },
		{ "secret ", 7, false }, { "", 0, false }, { "\nsecret", 7, false },
	};
	static char large[KIB(2)];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct keyring k;

		keyring_init(&k);
		add_password(&k, cases[i].text, cases[i].n);
		add(&k, "keys/rsa.pkcs8.pass-secret.pem");
		add(&k, "keys/ec.pkcs8.pem");
		is_int(unwrap(&k, "", buf_str(&jwe), "") == 0, cases[i].good, "password %zu", i);
		keyring_fini(&k);
	}
	for (int second = 0; second < 2; second++) {
		struct keyring k;

		keyring_init(&k);
		add_password(&k, second ? "secret" : large, second ? 6 : sizeof(large));
		add(&k, "keys/ec.pkcs8.pem");
		if (second)
			add(&k, "keys/rsa.pkcs8.pass-secret.pem");
		fails(unwrap(&k, "", buf_str(&jwe), ""), ERR_CONFIG,
		    second ? "a password is for one key only" : "a password without an end");
		keyring_fini(&k);
	}
}

int
main(void)
{
	works(crypto_init(&e), "start");
	annotation("jwe/good/p256-a256kw", &jwe);
	annotation("jwe/good/p384-a192kw", &other);
	test_schemes();
	test_faults();
	test_passwords();
	buf_free(&jwe);
	buf_free(&other);
	is_int((long long)secret_in_use(), 0, "no secret is left");
	return tap_done();
}
