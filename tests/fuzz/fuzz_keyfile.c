/*
 * fuzz_keyfile.c: any text as a key file. Without a password, as key derivation would take all the time there is.
 */
#include "lib/base.h"
#include "keyprovider/keyfile.h"

#include "lib/crypto.h"
#include "lib/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keyfile f = { .key.evp = NULL };
	struct err e;
	int rc;

	if (crypto_init(&e) < 0)
		abort();
	rc = keyfile_parse((struct span){ data, size }, (struct span){ NULL, 0 }, &f, &e);
	if (rc == 0 ? f.key.evp == NULL && f.cert_id.len == 0 : f.key.evp != NULL || f.cert_id.len > 0)
		abort();
	keyfile_fini(&f);
	if (secret_in_use() != 0)
		abort();
	return 0;
}
