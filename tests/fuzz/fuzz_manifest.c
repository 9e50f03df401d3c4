/*
 * fuzz_manifest.c: what is read from a manifest is within its limits.
 */
#include "lib/base.h"

#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(manifest_fini) struct manifest m = { 0 };
	autobuf value = BUF(LIMIT_ANNOTATION);
	struct err e;

	if (manifest_parse((struct span){ data, size }, "", &m, &e) < 0)
		return 0;
	if (m.nlayers > LIMIT_LAYERS || m.config.size > INT64_MAX)
		abort();
	for (size_t i = 0; i < m.nlayers; i++) {
		struct layer *l = &m.layers[i];

		buf_reset(&value);
		if (l->desc.size > INT64_MAX || strlen(l->desc.digest.text) < 71 ||
		    (manifest_annotation(l, "a", &value, &e) == 0 &&
		    span_has_nul(buf_span(&value))))
			abort();
	}
	return 0;
}
