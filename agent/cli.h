/*
 * cli.h: aa-cli. A verb is one const struct in one file and one line in the array of cli.c.
 */
#ifndef AGENT_CLI_H
#define AGENT_CLI_H

#include "agent/options.h"

#define CLI_MAX_OPERANDS	256

struct cli_verb {
	const char			*name;
	const char			*operands;	/* for the usage line: "IMAGE BUNDLE" */
	const char			*summary;	/* one line */
	const char			*more;		/* what else a user must know, and two examples */
	const struct option_def		*options;
	size_t				 min, max;	/* operands */
	const bool			*json;		/* NULL, or: *json says that errors go to standard output as JSON, too */
	int				(*run)(const char **operands, size_t n, struct err *);
};

extern const struct cli_verb verb_pull, verb_unpack, verb_get_resource, verb_encrypt,
    verb_decrypt, verb_inspect, verb_verify, verb_policy, verb_evidence, verb_derive_key, verb_config, verb_token, verb_status,
    verb_version, verb_selftest_sandbox;

/* argv[0] is the program's or the verb's name. Exit status. */
int cli_main(int argc, char *argv[]);

#endif
