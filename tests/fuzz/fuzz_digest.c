/*
 * fuzz_digest.c: any text; what is accepted has exactly one text, and no
 * character that could mean anything in a path or a URL.
 */
#include "lib/base.h"
#include "image/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { data, size };
	struct digest d, again;
	struct err e;

	if (digest_parse(text, &d, &e) < 0)
		return 0;
	if (!span_eq_str(text, d.text) || strspn(d.text + 7, "0123456789abcdef") != size - 7)
		abort();
	digest_set(&again, d.alg, d.value);
	if (!digest_equal(&d, &again) || strcmp(d.text, again.text) != 0)
		abort();
	return 0;
}
