/*
 * fuzz_lookaside.c: any text as a file of registries.d, and where it then has signatures looked for.
 */
#include "lib/base.h"
#include "image/lookaside.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lookaside *l = NULL;
	struct image_ref ref;
	struct err e;

	if (lookaside_new(&l, &e) < 0 || image_ref_parse(SPAN_LIT("a.example.com:5000/ns/app:v1"), &ref, &e) < 0)
		abort();
	if (lookaside_add(l, (struct span){ data, size }, &e) == 0 && lookaside_add(l, (struct span){ data, size }, &e) < 0)
		abort();	/* the same once more contradicts nothing */
	if (strstr(lookaside_base(l, &ref), "://") == NULL)
		abort();
	lookaside_free(l);
	return 0;
}
