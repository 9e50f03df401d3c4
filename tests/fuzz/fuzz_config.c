/*
 * fuzz_config.c: image configurations, and the runtime configuration made of
 * those that are good. The root file system is a directory without /etc.
 */
#include "lib/base.h"

#include <fcntl.h>

#include "image/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct platform want = { "linux", "amd64", "" };
	static int root = -1;
	struct span text = { data, size };

	if (root < 0)
		root = open("/proc/self/fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t layers = 0; layers < 3; layers++) {
		cleanup(image_config_fini) struct image_config c = { 0 };
		autobuf out = BUF(MIB(32));
		autojson doc = NULL;
		struct err e;

		if (image_config_parse(text, "application/vnd.oci.image.config.v1+json", &want,
		    layers, &c, &e) < 0)
			continue;
		if (c.ndiff_ids != layers)
			abort();
		if (bundle_config(&c, root, &out, &e) == 0 &&
		    json_parse(buf_span(&out), &doc, &e) < 0 && e.code == ERR_PARSE)
			abort();
	}
	return 0;
}
