/*
 * fuzz_index.c: the first byte says which platform is wanted, the rest is an index.
 */
#include "lib/base.h"

#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct platform wants[] = {
		{ "linux", "amd64", "" }, { "linux", "arm", "v7" }, { "linux", "arm64", "v8" },
		{ "linux", "arm", "" }, { "linux", "amd64", "v3" },
	};
	const struct platform *want;
	struct descriptor d;
	struct err e;
	bool nested;

	if (size == 0)
		return 0;
	want = &wants[data[0] % ARRAY_LEN(wants)];
	if (index_select((struct span){ data + 1, size - 1 }, "", want, &d, &nested, &e) == 0 &&
	    (d.annotations.doc != NULL || d.size > INT64_MAX))
		abort();
	return 0;
}
