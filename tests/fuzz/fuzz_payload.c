/*
 * fuzz_payload.c: payloads of signatures, and rules of identity. The input is both: a payload, a line feed, a rule.
 * What is accepted has the right type in it, and a name that no rule refuses to read.
 */
#include "lib/base.h"

#include "image/simple_signing.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
try_rule(struct span rule, const char *signed_as)
{
	static const char *const names[] = { "a.test/x:v1", "busybox", "oci:/srv/x" };
	autojson doc = NULL;
	struct identity id;
	struct err e;

	if (json_parse(rule, &doc, &e) < 0 || identity_parse(json_root(doc), &id, &e) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct image_ref r, signed_ref;

		if (image_ref_parse(span_str(names[i]), &r, &e) < 0)
			abort();
		if (identity_accepts(&id, &r, signed_as) &&
		    image_ref_parse_docker(span_str(signed_as), &signed_ref, &e) < 0)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { data, size }, text;
	struct payload p = { 0 };
	struct err e;

	if (!span_split(&rest, '\n', &text))
		return 0;
	if (payload_parse(text, PAYLOAD_GPG, &p, &e) == 0 && payload_parse(text, PAYLOAD_COSIGN, &p, &e) == 0)
		abort();
	try_rule(rest, p.reference[0] != '\0' ? p.reference : "a.test/x:v1");
	return 0;
}
