/*
 * fuzz_config_cmdline.c: the kernel's command line, measured or not.
 */
#include "lib/base.h"

#include "agent/config.h"
#include "tests/lib/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int measured = 0; measured < 2; measured++) {
		struct err e = { 0 };
		autoconfig c;
		int rc;

		config_init(&c);
		if (measured && config_set(&c, SET_CMDLINE_MEASURED, SPAN_LIT("true"), ORIGIN_FILE, 0, &e) < 0)
			abort();
		rc = config_read_cmdline(&c, (struct span){ data, size }, true, &e);
		if ((rc < 0 && e.code != ERR_CONFIG) || !host_sets_no_trust(&c))
			abort();
		if (rc == 0)
			settings_hold(&c);
	}
	return 0;
}
