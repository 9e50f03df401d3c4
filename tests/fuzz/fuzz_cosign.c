/*
 * fuzz_cosign.c: any text as a signature image, and as a list of referrers.
 */
#include "lib/base.h"
#include "image/cosign.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
read_image(struct span text)
{
	cleanup(cosign_image_fini) struct cosign_image image = { 0 };
	struct err e;

	if (cosign_image_parse(text, "", &image, &e) < 0)
		return;
	if (image.n > LIMIT_SIGNATURES)
		abort();
	for (size_t i = 0; i < image.n; i++) {
		autobuf signature = BUF(LIMIT_SIGNATURE_TEXT);
		struct descriptor d;

		if (cosign_image_signature(&image, i, &d, &signature, &e) == 0 && d.size > LIMIT_PAYLOAD)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span text = { data, size };
	struct digest d;

	read_image(text);
	(void)cosign_lists_bundle(text);
	(void)cosign_is_bundle(text);
	(void)cosign_referrer(text, 1, &d);
	return 0;
}
