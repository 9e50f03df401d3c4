/*
 * fuzz_policy.c: no policy accepts that does not have the word of acceptance in it
 * (as it stands, or with escapes).
 */
#include "lib/base.h"

#include "image/policy.h"

#define HEX64	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
mentions_acceptance(struct span s)
{
	return memmem(s.p, s.len, "insecureAcceptAnything", 22) != NULL ||
	    memchr(s.p, '\\', s.len) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"busybox", "a.test:5000/ns/app:v1", "oci:/srv/x:v1",
		("a.b.test/x@sha256:" HEX64),
	};
	cleanup(policy_freep) struct policy *p = NULL;
	struct span text = { data, size };
	struct err e;

	if (policy_parse(text, &p, &e) < 0) {
		if (e.code != ERR_POLICY_INVALID)
			abort();
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct image_ref r;
		char scope[600];

		if (image_ref_parse(span_str(names[i]), &r, &e) < 0)
			abort();
		struct digest none = { 0 };
		const struct policy_subject subject = { .ref = &r, .manifest = &none };
		const struct policy_env env = { 0 };

		if (policy_check(p, &subject, &env, &e) == 0 && !mentions_acceptance(text))
			abort();
		policy_scope_text(p, &r, scope, sizeof(scope));
	}
	return 0;
}
