/*
 * fuzz_inspect.c: what inspect tells of any manifest or index is printable, and as JSON it is JSON. Behind a NUL stands
 * the configuration.
 */
#include "lib/base.h"

#include "image/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const struct buf *out, bool json)
{
	autojson doc = NULL;
	struct err e;

	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] != '\n' && (out->data[i] < ' ' || out->data[i] >= 0x7f))
			abort();
	if (json && (json_parse(buf_span(out), &doc, &e) < 0 || !json_is(json_root(doc), JSON_OBJECT)))
		abort();
}

static void
inspect(const struct inspection *what, struct span text, bool json)
{
	cleanup(manifest_fini) struct manifest m = { 0 };
	autobuf manifest = BUF(MIB(16)), index = BUF(MIB(16));
	struct err e;

	if (manifest_parse(text, "", &m, &e) == 0 && inspect_manifest(what, &m, json, &manifest, &e) == 0)
		check(&manifest, json);
	if (inspect_index(what, text, json, &index, &e) == 0)
		check(&index, json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { data, size }, text = { data, 0 };
	struct digest digest;
	struct inspection what = {
		.name = "docker://a\033[31m\xc2\x9b\xff", .digest = &digest, .index = &digest, .media_type = "x\"y\\",
		.cosign = SIGNED_ABSENT, .looked_at = "sha256-x.sig",
	};
	struct err e;

	if (size > KIB(64) || crypto_init(&e) < 0 || digest_of(HASH_SHA256, SPAN_LIT(""), &digest, &e) < 0)
		return 0;
	(void)span_split(&rest, '\0', &text);
	what.config = rest;
	inspect(&what, text, false);
	inspect(&what, text, true);
	return 0;
}
