/*
 * main.c: one executable, many names: aa-cli, aa-keyprovider and the three names kata-agent starts, by argv[0] or as the
 * first argument; and every role, when the monitor re-executes it.
 */
#include "lib/base.h"

#include "agent/cli.h"
#include "agent/keyprovider.h"
#include "agent/roles.h"
#include "agent/starter.h"

/* Is it a name that kata-agent starts? */
static bool
is_daemon(const char *name, enum program *program)
{
	for (int p = 0; p < PROGRAM_COUNT; p++) {
		if (strcmp(program_name((enum program)p), name) != 0)
			continue;
		*program = (enum program)p;
		return true;
	}
	return false;
}

int
main(int argc, char *argv[])
{
	enum program program;
	const char *name;

	if (argc < 1)
		return err_exit_status(ERR_USAGE);
	if (role_is(argv[0]))
		return role_main(argc, argv);
	name = strrchr(argv[0], '/');
	name = name != NULL ? name + 1 : argv[0];
	/* One file under one name is enough: what it shall be may stand behind it; a command of aa-cli, too. */
	if (strcmp(name, "attestation-agent") == 0 && argc > 1 && argv[1][0] != '-') {
		if (strcmp(argv[1], "aa-cli") != 0 && strcmp(argv[1], "aa-keyprovider") != 0 && !is_daemon(argv[1], &program))
			return cli_main(argc, argv);
		argc--;
		argv++;
		name = argv[0];
	}
	if (strcmp(name, "aa-keyprovider") == 0)
		return keyprovider_main(argc, argv);
	if (is_daemon(name, &program))
		return starter_main(program, argc, argv);
	return cli_main(argc, argv);
}
