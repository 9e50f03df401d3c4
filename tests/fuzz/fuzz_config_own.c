/*
 * fuzz_config_own.c: our own file of settings.
 */
#include "lib/base.h"

#include "agent/config.h"
#include "tests/lib/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	autoconfig c;

	config_init(&c);
	if (config_read_own(&c, (struct span){ data, size }, &e) == 0)
		settings_hold(&c);
	else if (e.code != ERR_CONFIG)
		abort();
	return 0;
}
