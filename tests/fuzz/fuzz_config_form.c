/*
 * fuzz_config_form.c: settings on the way between our processes.
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
	if (config_parse((struct span){ data, size }, &c, &e) == 0)
		settings_hold(&c);
	else if (e.code != ERR_PROTO && e.code != ERR_LIMIT)
		abort();
	return 0;
}
