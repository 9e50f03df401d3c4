/*
 * test_wiping.c: after keys have been read and used, nothing of them is left anywhere in this process: not on the heap,
 * where OpenSSL had them, not on the stack.
 */
#include "lib/base.h"
#include "keyprovider/jwe.h"

#include "keyprovider/pkcs7.h"
#include "lib/codec.h"
#include "lib/crypto.h"
#include "lib/secret.h"
#include "tests/lib/keys.h"

enum { NEEDLE = 24, MASK = 0x5a };

static struct err e;

/* Part of a secret, never in the clear: else it would find itself. */
struct needle {
	const char	*name;
	uint8_t		 masked[NEEDLE];
};
static struct needle needles[8];
static size_t nneedles;

/* As written and in the order in which a number of OpenSSL's lies in memory. */
static void
look_for(const char *name, const uint8_t *secret)
{
	struct needle *a = &needles[nneedles++], *b = &needles[nneedles++];

	a->name = b->name = name;
	for (size_t i = 0; i < NEEDLE; i++) {
		a->masked[i] = secret[i] ^ MASK;
		b->masked[NEEDLE - 1 - i] = secret[i] ^ MASK;
	}
}

static size_t
count(const struct needle *n, const uint8_t *p, size_t len)
{
	size_t found = 0;

	for (size_t at = 0; at + NEEDLE <= len; at++) {
		size_t i = 0;

		while (i < NEEDLE && (p[at + i] ^ MASK) == n->masked[i])
			i++;
		found += i == NEEDLE;
	}
	return found;
}

/* In all that this process can write. */
static size_t
search(const struct needle *n)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	size_t found = 0;

	assert(maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		char *end;
		uintptr_t from = strtoul(line, &end, 16);
		uintptr_t to = strtoul(end + 1, &end, 16);

		if (strncmp(end, " rw", 3) == 0)
			found += count(n, (const uint8_t *)from, to - from);
	}
	fclose(maps);
	return found;
}

/* The bytes of a secret in an object of the vectors. */
static void
learn(const char *name, const char *file, const char *before, size_t n, size_t skip)
{
	autobuf text = BUF_SECRET(LIMIT_KEY_FILE);
	const uint8_t *at;

	read_vector(file, &text);
	at = memmem(text.data, text.len, before, n);
	assert(at != NULL && at + n + skip + NEEDLE <= text.data + text.len);
	look_for(name, at + n + skip);
}

static void
use(const char *message, const struct keyset *keys)
{
	autobuf text = BUF(LIMIT_PACKET), out = BUF_SECRET(KIB(8));

	read_vector(message, &text);
	works(jwe_unwrap(buf_span(&text), keys, &out, &e), "%s", message);
}

int
main(void)
{
	struct keyset keys = { .n = 0 };

	works(pkey_wipe_openssl(&e), "before OpenSSL is used");
	works(crypto_init(&e), "start");
#ifdef __SANITIZE_ADDRESS__
	skip("the sanitizer keeps what is freed", "nothing is left");
	return tap_done();
#endif
	/* RSAPrivateKey: behind the public exponent stands the private one; of the JWK, text. */
	learn("RSA, private exponent", "keys/rsa.der", "\x02\x03\x01\x00\x01\x02\x82\x01", 8, 8);
	learn("EC, as text of the JWK", "jwe/p256.jwk", "\"d\":\"", 5, 2);
	learn("layer key, as text", "jwe/plain.json", "symkey\": \"", 10, 0);
	add_key(&keys, "keys/rsa.der");
	add_key(&keys, "jwe/p256.jwk");
	ok(search(&needles[0]) + search(&needles[1]) > 0, "while the key is there it is found");
	use("jwe/good/rsa-oaep", &keys);
	use("jwe/good/p256-a256kw", &keys);
	use("jwe/good/p256-compact", &keys);
	keyset_fini(&keys);
	for (size_t i = 0; i < nneedles; i++)
		is_int((long long)search(&needles[i]), 0, "%s: nothing is left", needles[i].name);
	return tap_done();
}
