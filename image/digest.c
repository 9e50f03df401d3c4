/*
 * digest.c: the text form of digests. The only way from foreign text to a
 * struct digest is digest_parse(), so that its text can stand in a path.
 */
#include "lib/base.h"
#include "image/digest.h"

#include "lib/codec.h"

static const struct {
	enum hash_alg	 alg;
	const char	*prefix;
} algorithms[] = {
	{ HASH_SHA256, "sha256:" },
	{ HASH_SHA512, "sha512:" },
};

int
digest_parse(struct span text, struct digest *out, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		enum hash_alg alg = algorithms[i].alg;
		uint8_t value[HASH_MAX];
		struct span hex = text;
		struct span prefix;

		if (!span_starts(text, algorithms[i].prefix) ||
		    !span_take(&hex, strlen(algorithms[i].prefix), &prefix))
			continue;
		if (!hex_decode(hex, value, hash_size(alg)))
			break;
		digest_set(out, alg, value);
		return 0;
	}
	return err_set(e, ERR_PARSE, "not a digest: \"%.*s\"%s",
	    (int)MIN(text.len, (size_t)80), (const char *)text.p, text.len > 80 ? "…" : "");
}

void
digest_set(struct digest *d, enum hash_alg alg, const uint8_t *value)
{
	size_t n = hash_size(alg);

	*d = (struct digest){ .alg = alg };
	memcpy(d->value, value, n);
	memcpy(d->text, alg == HASH_SHA512 ? "sha512:" : "sha256:", 7);
	hex_encode(value, n, d->text + 7);
}

bool
digest_equal(const struct digest *a, const struct digest *b)
{
	return a->alg == b->alg && memcmp(a->value, b->value, hash_size(a->alg)) == 0;
}

int
digest_of(enum hash_alg alg, struct span data, struct digest *out, struct err *e)
{
	uint8_t value[HASH_MAX];
	int rc = hash_once(alg, data, value, e);

	if (rc == 0)
		digest_set(out, alg, value);
	return rc;
}

int
digest_check(const struct digest *expected, struct span data, const char *what, struct err *e)
{
	struct digest got;
	int rc = digest_of(expected->alg, data, &got, e);

	if (rc < 0)
		return rc;
	if (!digest_equal(expected, &got))
		return err_set(e, ERR_DIGEST, "%s: expected %s, got %s", what,
		    expected->text, got.text);
	return 0;
}
