/*
 * fuzz_registries.c: a line with the name of an image, and a table. Every place has a valid
 * name, with the tag and the digest that were asked for.
 */
#include "lib/base.h"

#include "image/registries.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_place(const struct registry_place *place, const struct image_ref *ref)
{
	char name[LIMIT_REFERENCE + 1];
	struct image_ref again;
	struct err e;

	if (strcmp(place->ref.tag, ref->tag) != 0 || place->ref.has_digest != ref->has_digest ||
	    (ref->has_digest && strcmp(place->ref.digest.text, ref->digest.text) != 0))
		abort();
	if (ref->transport != TRANSPORT_DOCKER)
		return;
	image_ref_format(&place->ref, name, sizeof(name));
	if (image_ref_parse_docker(span_str(name), &again, &e) < 0 ||
	    strcmp(again.domain, place->ref.domain) != 0 || strcmp(again.path, place->ref.path) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct registry_place places[REGISTRY_MAX_PLACES];
	struct span text = { data, size }, name;
	autoregistries t = NULL;
	struct image_ref ref;
	struct err e;
	size_t n = 0;

	if (!span_split(&text, '\n', &name) || registries_parse(text, &t, &e) < 0 ||
	    image_ref_parse(name, &ref, &e) < 0 || registries_places(t, &ref, places, &n, &e) < 0)
		return 0;
	if (n == 0 || n > REGISTRY_MAX_PLACES)
		abort();
	for (size_t i = 0; i < n; i++)
		check_place(&places[i], &ref);
	return 0;
}
