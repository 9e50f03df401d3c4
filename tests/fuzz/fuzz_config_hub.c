/*
 * fuzz_config_hub.c: the hub's file, as the host's word and as one of the machine's image; and what it is when it meets our own.
 */
#include "lib/base.h"

#include "agent/config.h"
#include "tests/lib/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int o = ORIGIN_INITDATA; o <= ORIGIN_PEER; o++) {
		struct err e = { 0 };
		autoconfig c, ours;
		bool image;
		int rc;

		config_init(&c);
		config_init(&ours);
		rc = config_read_hub(&c, (struct span){ data, size }, (enum config_origin)o, &image, &e);
		if ((rc < 0 && e.code != ERR_CONFIG) || !host_sets_no_trust(&c))
			abort();
		if (rc < 0)
			continue;
		settings_hold(&c);
		if (config_set(&ours, SET_IMAGE_POLICY, SPAN_LIT("/policy"), ORIGIN_FILE, 1, &e) < 0 ||
		    config_merge(&ours, &c, &e) < 0 || strcmp(config_get(&ours, SET_IMAGE_POLICY), "/policy") != 0)
			abort();
		settings_hold(&ours);
	}
	return 0;
}
