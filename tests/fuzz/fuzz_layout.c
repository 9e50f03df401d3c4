/* fuzz_layout.c: index.json of an image layout. */
#include "lib/base.h"

#include "image/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct descriptor d;
	struct err e;
	char path[160];

	if (layout_find((struct span){ data, size }, "v1", &d, &e) == 0) {
		layout_blob_path(&d.digest, path, sizeof(path));
		if (strstr(path, "..") != NULL)
			__builtin_trap();
	}
	return 0;
}
