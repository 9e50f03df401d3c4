/*
 * fuzz_docker_archive.c: manifest.json by each way of naming an image. The first byte chooses the name.
 */
#include "lib/base.h"

#include "image/docker_archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"docker-archive:x", "docker-archive:x:a.test/x:v1", "docker-archive:x:busybox", "docker-archive:x:@1",
	};
	cleanup(docker_archive_fini) struct docker_archive a = { 0 };
	struct digest diff_ids[4];
	char name[DOCKER_ARCHIVE_NAME];
	struct image_ref r;
	struct err e;

	if (size == 0 || image_ref_parse(span_str(names[data[0] % ARRAY_LEN(names)]), &r, &e) < 0)
		return 0;
	(void)(docker_archive_diff_ids((struct span){ data + 1, size - 1 }, ARRAY_LEN(diff_ids), diff_ids, &e) < 0);
	if (docker_archive_choose((struct span){ data + 1, size - 1 }, &r, &a, &e) < 0)
		return 0;
	if (a.nlayers > LIMIT_LAYERS || memchr(a.config, '\0', sizeof(a.config)) == NULL)
		abort();
	for (size_t i = 0; i < a.nlayers; i++)
		if (docker_archive_layer(&a, i, name, &e) == 0 && memchr(name, '\0', sizeof(name)) == NULL)
			abort();
	return 0;
}
