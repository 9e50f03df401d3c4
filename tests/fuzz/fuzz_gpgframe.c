/*
 * fuzz_gpgframe.c: any bytes as a signature blob.
 */
#include "lib/base.h"
#include "agent/gpgframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	int rc = gpgframe_check((struct span){ data, size }, &e);

	if (rc != 0 && rc != -ERR_IMAGE)
		abort();
	return 0;
}
