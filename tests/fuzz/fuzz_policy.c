/*
 * fuzz_policy.c: no policy accepts that does not have the word of acceptance in it, or asks for a signature that is
 * there (as it stands, or with escapes). Lint finds no error exactly where the parser takes it.
 */
#include "lib/base.h"

#include "image/policy.h"
#include "image/policy_lint.h"

#define HEX64	"9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"
#define PAYLOAD	"{\"critical\":{\"identity\":{\"docker-reference\":\"a.test:5000/ns/app:v1\"},\"image\":{" \
	"\"docker-manifest-digest\":\"sha256:" HEX64 "\"},\"type\":\"cosign container image signature\"},\"optional\":{}}"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
mentions(struct span s, const char *word)
{
	return memmem(s.p, s.len, word, strlen(word)) != NULL || memchr(s.p, '\\', s.len) != NULL;
}

static int
some_key(maybe_unused void *arg, maybe_unused const char *name, struct buf *out, struct err *e)
{
	return buf_add_str(out, "key", e);
}

static int
one_signature(maybe_unused void *arg, maybe_unused const struct policy_subject *s, size_t n,
    struct policy_signature *out, struct err *e)
{
	if (n > 0)
		return 0;
	return buf_add_str(&out->payload, PAYLOAD, e) < 0 ? -(int)e->code : 1;
}

static int
good(maybe_unused void *arg, maybe_unused const struct span keys[], maybe_unused size_t n,
    maybe_unused struct span payload, maybe_unused struct span signature, maybe_unused struct err *e)
{
	return 0;
}

static void
count(maybe_unused void *arg, maybe_unused const struct lint_finding *f)
{
}

static void
ask(const struct policy *p, struct span text, const char *name)
{
	const struct policy_env none = { 0 };
	const struct policy_env some = { .key = some_key, .cosign_signature = one_signature, .cosign = good };
	struct image_ref r;
	struct digest d;
	const struct policy_subject subject = { .ref = &r, .manifest = &d };
	char scope[600];
	struct err e;

	if (image_ref_parse(span_str(name), &r, &e) < 0 || digest_parse(span_str("sha256:" HEX64), &d, &e) < 0)
		abort();
	policy_scope_text(p, &r, scope, sizeof(scope));
	if (policy_check(p, &subject, &none, &e) == 0 && !mentions(text, "insecureAcceptAnything"))
		abort();
	if (policy_check(p, &subject, &some, &e) < 0)
		return;
	if (policy_check_name(p, &r, &none, &e) < 0)
		abort();
	if (!mentions(text, policy_asks_signature(p, &r) ? "sigstoreSigned" : "insecureAcceptAnything"))
		abort();
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
	size_t errors;
	struct err e;

	if (policy_lint(text, count, NULL, &errors, &e) < 0)
		abort();
	if (policy_parse(text, &p, &e) < 0) {
		if (e.code != ERR_POLICY_INVALID || errors == 0)
			abort();
		return 0;
	}
	if (errors != 0)
		abort();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ask(p, text, names[i]);
	return 0;
}
