/*
 * fuzz_jwe.c: any text as a message, opened with an EC and an RSA key. What opens was made for one of them: only
 * inputs of the corpus do.
 */
#include "lib/base.h"
#include "keyprovider/jwe.h"

#include "lib/crypto.h"
#include "lib/secret.h"
#include "tests/fuzz/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyset keys;
	autobuf out = BUF_SECRET(KIB(8));
	struct err e;
	int rc;

	if (keys.n == 0 && (crypto_init(&e) < 0 ||
	    pkey_from_der((struct span){ fuzz_ec_key, sizeof(fuzz_ec_key) }, &keys.file[0].key, &e) < 0 ||
	    pkey_from_der((struct span){ fuzz_rsa_key, sizeof(fuzz_rsa_key) }, &keys.file[1].key, &e) < 0))
		abort();
	keys.n = 2;
	rc = jwe_unwrap((struct span){ data, size }, &keys, &out, &e);
	if ((rc < 0 && out.len > 0) || rc > 0)
		abort();
	buf_free(&out);
	if (secret_in_use() != 0)
		abort();
	return 0;
}
