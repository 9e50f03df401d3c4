/*
 * fuzz_rewrite.c: any manifest, with its layers kept, encrypted or decrypted by the bits of the first byte, becomes
 * one that is read again, says what was asked for, and does not change when it is rewritten without a change.
 */
#include "lib/base.h"

#include "image/rewrite.h"

#include "lib/sys.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(int rc)
{
	if (rc < 0)
		abort();
}

static enum rewrite_how
how_of(uint8_t bits, size_t n, const struct layer *l)
{
	if (bits >> n % 7 & 1)
		return REWRITE_KEEP;
	return l->encrypted ? REWRITE_DECRYPT : REWRITE_ENCRYPT;
}

static void
fill(struct rewrite_layer *l, const struct layer *was, enum rewrite_how how)
{
	struct buf *value = &l->wrapped.value[SCHEME_PROVIDER];
	struct err e;

	*l = (struct rewrite_layer){ .how = how, .digest = was->desc.digest, .size = was->desc.size };
	*value = (struct buf)BUF(16);
	must(buf_add_str(value, "AAAA,BBBB", &e));
}

static void
check(const struct manifest *was, const struct manifest *is, const struct rewrite_layer *layers)
{
	if (is->nlayers != was->nlayers)
		abort();
	for (size_t i = 0; i < is->nlayers; i++) {
		const struct layer *a = &was->layers[i], *b = &is->layers[i];
		bool encrypted = layers[i].how == REWRITE_ENCRYPT || (layers[i].how == REWRITE_KEEP && a->encrypted);
		struct json_val options = json_get(b->desc.annotations, OCICRYPT_PUBOPTS);

		if (a->compression != b->compression || a->foreign != b->foreign || b->encrypted != encrypted ||
		    a->desc.size != b->desc.size || !digest_equal(&a->desc.digest, &b->desc.digest))
			abort();
		if (layers[i].how != REWRITE_KEEP && json_ok(options) != encrypted)
			abort();
	}
}

static void
rewrite(const struct manifest *m, uint8_t bits, struct rewrite_layer *layers)
{
	cleanup(manifest_fini) struct manifest again = { 0 };
	autobuf out = BUF(LIMIT_MANIFEST), twice = BUF(LIMIT_MANIFEST);
	struct rewrite r = { .config = m->config.digest, .provider = "attestation-agent", .layers = layers };
	struct err e;

	for (size_t i = 0; i < m->nlayers; i++)
		fill(&layers[i], &m->layers[i], how_of(bits, i, &m->layers[i]));
	must(manifest_rewrite(m, &r, &out, &e));
	must(manifest_parse(buf_span(&out), REWRITE_MANIFEST_TYPE, &again, &e));
	check(m, &again, layers);
	for (size_t i = 0; i < m->nlayers; i++)
		layers[i].how = REWRITE_KEEP;
	must(manifest_rewrite(&again, &r, &twice, &e));
	if (!span_eq(buf_span(&out), buf_span(&twice)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(manifest_fini) struct manifest m = { 0 };
	struct rewrite_layer *layers;
	struct err e;

	if (size == 0 || size > KIB(64) ||
	    manifest_parse((struct span){ data + 1, size - 1 }, "", &m, &e) < 0)
		return 0;
	layers = sys_alloc((m.nlayers + 1) * sizeof(*layers));
	if (layers == NULL)
		return 0;
	rewrite(&m, data[0], layers);
	for (size_t i = 0; i < m.nlayers; i++)
		ocicrypt_wrapped_fini(&layers[i].wrapped);
	sys_free(layers);
	return 0;
}
