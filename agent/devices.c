/* devices.c: see devices.h. */
#include "lib/base.h"

#include "agent/devices.h"

int
device_nodes_parse(const char *word, enum device_nodes *out, struct err *e)
{
	static const char *const words[] = {
		[DEVICES_CREATE] = "create",
		[DEVICES_REFUSE] = "refuse",
		[DEVICES_SKIP] = "skip",
	};

	if (word == NULL)
		word = words[DEVICES_CREATE];
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i], word) == 0) {
			*out = (enum device_nodes)i;
			return 0;
		}
	}
	return err_set(e, ERR_USAGE, "--device-nodes is create, refuse or skip, not '%s'", word);
}
