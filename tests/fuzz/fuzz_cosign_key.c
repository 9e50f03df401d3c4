/*
 * fuzz_cosign_key.c: any text as a public key, and what it then says to a signature.
 */
#include "lib/base.h"
#include "image/cosign.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(cosign_key_freep) struct cosign_key *key = NULL;
	struct err e;
	int rc = cosign_key_parse((struct span){ data, size }, &key, &e);

	if ((rc == 0) != (key != NULL))
		abort();
	/* Nobody can have signed this with these. */
	if (rc == 0 && (cosign_verify(key, SPAN_LIT("payload"), SPAN_LIT("AAAA"), &e) == 0 ||
	    cosign_verify(key, SPAN_LIT("payload"), SPAN_LIT("MAYCAQECAQE="), &e) == 0))
		abort();
	return 0;
}
