/*
 * fuzz_authfile.c: whatever an auth file gives is "user:password" without NUL.
 */
#include "lib/base.h"

#include "image/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "busybox", "a.test:5000/ns/app", "a.test/x" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		autobuf out = BUF_SECRET(KIB(64));
		struct image_ref r;
		struct err e;
		int rc;

		if (image_ref_parse(span_str(names[i]), &r, &e) < 0)
			abort();
		rc = auth_lookup((struct span){ data, size }, &r, &out, &e);
		if (rc < 0 ? out.len > 0 : strchr(buf_str(&out), ':') == NULL ||
		    span_has_nul(buf_span(&out)))
			abort();
	}
	return 0;
}
