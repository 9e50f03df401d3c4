/*
 * fuzz_config_agent.c: the attestation agent's file, as the host's word and as one of the machine's image.
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
		autoconfig c;
		int rc;

		config_init(&c);
		rc = config_read_agent(&c, (struct span){ data, size }, (enum config_origin)o, &e);
		if ((rc < 0 && e.code != ERR_CONFIG) || !host_sets_no_trust(&c))
			abort();
		if (rc == 0)
			settings_hold(&c);
	}
	return 0;
}
