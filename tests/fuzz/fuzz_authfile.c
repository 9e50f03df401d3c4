/*
 * fuzz_authfile.c: whatever an auth file gives is "user:password" or a token, without NUL.
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
		enum auth_kind kind;
		struct image_ref r;
		struct err e;
		int rc;

		if (image_ref_parse(span_str(names[i]), &r, &e) < 0)
			abort();
		rc = auth_lookup((struct span){ data, size }, &r, &kind, &out, &e);
		if (rc < 0 ? out.len > 0 : span_has_nul(buf_span(&out)))
			abort();
		if (rc == 0 && (kind == AUTH_PASSWORD) && strchr(buf_str(&out), ':') == NULL)
			abort();
		if (rc == 0 && kind != AUTH_PASSWORD && strpbrk(buf_str(&out), " \r\n") != NULL)
			abort();
	}
	return 0;
}
