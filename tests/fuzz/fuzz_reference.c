/*
 * fuzz_reference.c: a name that is accepted has a full form that means the same.
 */
#include "lib/base.h"

#include "image/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_ref r, again;
	char name[sizeof(r.dir) + LIMIT_REFERENCE], full[sizeof(name)];
	struct err e;

	if (image_ref_parse((struct span){ data, size }, &r, &e) < 0)
		return 0;
	image_ref_format(&r, name, sizeof(name));
	/* A host may be called oci:5000, so the full name is read as what it is. */
	if ((r.transport == TRANSPORT_DOCKER ? image_ref_parse_docker(span_str(name), &again, &e) :
	    image_ref_parse(span_str(name), &again, &e)) < 0)
		abort();
	image_ref_format(&again, full, sizeof(full));
	if (strcmp(name, full) != 0 || strcmp(r.path, again.path) != 0 ||
	    strcmp(r.domain, again.domain) != 0 || strcmp(r.dir, again.dir) != 0)
		abort();
	return 0;
}
