/*
 * main.c: one executable, many names: aa-cli and the three names kata-agent starts, by argv[0] or as the first
 * argument; and every role, when the monitor re-executes it.
 */
#include "lib/base.h"

#include "agent/cli.h"
#include "agent/keyprovider.h"
#include "agent/roles.h"
#include "lib/version.h"

static const char *const daemons[] = {
	"confidential-data-hub", "api-server-rest",
};

static bool
is_daemon(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(daemons); i++)
		if (strcmp(daemons[i], name) == 0)
			return true;
	return false;
}

int
main(int argc, char *argv[])
{
	const char *name;

	if (argc < 1)
		return err_exit_status(ERR_USAGE);
	if (role_is(argv[0]))
		return role_main(argc, argv);
	name = strrchr(argv[0], '/');
	name = name != NULL ? name + 1 : argv[0];
	if (strcmp(name, "attestation-agent") == 0 && argc > 1 &&
	    (strcmp(argv[1], "aa-cli") == 0 || strcmp(argv[1], "aa-keyprovider") == 0 || is_daemon(argv[1]))) {
		name = argv[1];
		argc--;
		argv++;
	}
	if (strcmp(name, "aa-keyprovider") == 0)
		return keyprovider_main(argc, argv);
	if (is_daemon(name)) {
		fprintf(stderr, "%s: this service is not part of version %s yet (%s)\n", name,
		    version_text, err_name(ERR_UNSUPPORTED));
		return err_exit_status(ERR_UNSUPPORTED);
	}
	return cli_main(argc, argv);
}
