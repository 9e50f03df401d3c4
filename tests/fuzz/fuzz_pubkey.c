/*
 * fuzz_pubkey.c: any text as a recipient's key. For what is accepted a layer key is wrapped; the message is one that our own
 * reader takes apart.
 */
#include "lib/base.h"
#include "keyprovider/jwe_wrap.h"

#include "lib/crypto.h"
#include "lib/secret.h"
#include "tests/fuzz/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* With a key that fits, or does not. */
static void
open_it(struct span jwe)
{
	cleanup(keyset_fini) struct keyset keys = { .n = 1 };
	autobuf out = BUF_SECRET(LIMIT_PACKET);
	struct err e;
	int rc = pkey_from_der((struct span){ fuzz_ec_key, sizeof(fuzz_ec_key) }, &keys.file[0].key, &e);

	if (rc == 0)
		rc = jwe_unwrap(jwe, &keys, &out, &e);
	if (rc != 0 && rc != -ERR_DECRYPT)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autobuf jwe = BUF(LIMIT_PACKET);
	struct pkey key = { .evp = NULL };
	struct err e;
	int rc;

	if (pubkey_parse((struct span){ data, size }, &key, &e) < 0) {
		if (key.evp != NULL)
			abort();
		return 0;
	}
	/* A modulus that is none may refuse; what is written is well-formed. */
	rc = jwe_wrap(&key, 1, SPAN_LIT("{\"symkey\":\"x\"}"), &jwe, &e);
	pkey_fini(&key);
	if (rc == 0)
		open_it(buf_span(&jwe));
	if (secret_in_use() != 0)
		abort();
	return 0;
}
