/*
 * fuzz_config_host.c: the host's word, all of it at once (the agent's file, the hub's, the command line, behind our own,
 * with a NUL between), changes no setting that decides about protection.
 */
#include "lib/base.h"

#include "agent/config.h"
#include "tests/lib/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Takes the part up to the next NUL. */
static struct span
next_part(struct span *in)
{
	struct span part = { in->p, 0 };

	(void)span_split(in, '\0', &part);
	return part;
}

static int
read_host(struct config *c, struct span in, struct err *e)
{
	struct config parts[3];
	bool image = false;
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		config_init(&parts[i]);
	rc = config_read_agent(&parts[0], next_part(&in), ORIGIN_INITDATA, e);
	if (rc == 0)
		rc = config_read_hub(&parts[1], next_part(&in), ORIGIN_INITDATA, &image, e);
	if (rc == 0)
		rc = config_read_cmdline(&parts[2], next_part(&in), !image, e);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (rc == 0)
			rc = config_merge(c, &parts[i], e);
		config_fini(&parts[i]);
	}
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { data, size }, own = next_part(&in);
	struct err e = { 0 };
	autoconfig before, after;

	config_init(&before);
	config_init(&after);
	if (config_read_own(&before, own, &e) < 0 || config_true(&before, SET_CMDLINE_MEASURED) ||
	    config_merge(&after, &before, &e) < 0 || read_host(&after, in, &e) < 0)
		return 0;
	for (int s = 0; s < SET_COUNT; s++)
		if (settings[s].trust && (strcmp(config_get(&before, (enum setting)s), config_get(&after, (enum setting)s)) != 0 ||
		    before.v[s].origin != after.v[s].origin))
			abort();
	return 0;
}
