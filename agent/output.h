/* output.h: where a command leaves a secret: a new file, or standard output unless that is a terminal. */
#ifndef AGENT_OUTPUT_H
#define AGENT_OUTPUT_H

#include "agent/options.h"

struct output_options {
	const char	*file;
	bool		 raw;
	bool		 no_raw;	/* there is no --raw */
};

/* Lines of an option table that fill o, a struct output_options with static storage. */
#define OUTPUT_OPTIONS(o) \
	{ "output", "FILE", "a new file, mode 0600, instead of standard output", &(o).file, NULL }, \
	{ "raw", NULL, "write the bytes even to a terminal", NULL, &(o).raw }
#define OUTPUT_OPTION_NAMES	"output", "raw"

/* *fd is where it goes; -ERR_USAGE for a terminal. */
int output_open(const struct output_options *, int *fd, struct err *) must_check;
/* What it was for has failed: the file goes, if there is one. */
void output_undo(const struct output_options *, int fd);

#endif
