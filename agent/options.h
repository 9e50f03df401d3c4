/*
 * options.h: command lines: "--name value", "--name=value", "--flag", "--flag=false", "--" and
 * operands, in any order. A table says what there is; help is printed from the same table.
 */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include "lib/err.h"

#define OPTION_LIST	(16 + 1)	/* values of an option that may be repeated, and the NULL */

struct option_def {
	const char	*name;		/* without the dashes; NULL ends the table */
	const char	*value;		/* its word in the help ("FILE"); "...": may be repeated; NULL: a flag */
	const char	*help;
	const char	**text;		/* set to the value; repeated: OPTION_LIST of them, NULL-ended */
	bool		*flag;		/* flags: true, or as --name=true|false says */
};

/*
 * Fills in what the table points to. operands[] gets what is left, at most max of them. "--help" sets *help and stops.
 * -ERR_USAGE names the argument. Returns the number of operands.
 */
int options_parse(const struct option_def *, int argc, char *const argv[], const char **operands,
    size_t max, bool *help, struct err *) must_check;

/* The first option that was given to the last options_parse and is none of these (ended by NULL); NULL: none was. */
const char *options_other(const struct option_def *, const char *const names[]);

void options_print(const struct option_def *, FILE *);

#endif
