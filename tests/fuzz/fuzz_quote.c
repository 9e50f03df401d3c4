/* fuzz_quote.c: any bytes as what the kernel says is a quote; over the data it happens to have, so that all of it is walked. */
#include "lib/base.h"

#include "evidence/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	size_t at = n > 0 && bytes[0] == 5 ? 574 : 568, end = 0;
	uint8_t data[64] = { 0 };
	struct err e;

	if (n >= at + sizeof(data))
		memcpy(data, bytes + at, sizeof(data));
	if (quote_size((struct span){ bytes, n }, data, &end, &e) == 0 && (end > n || end < at + sizeof(data) + 132))
		abort();
	return 0;
}
