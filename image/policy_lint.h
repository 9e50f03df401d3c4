/*
 * policy_lint.h: what is wrong with a policy, all of it at once, and how the line should read. Beyond
 * policy_parse(), which stops at the first fault, it knows what people copy from printed examples: a comma too
 * many, a space before a type, a slash behind a scope. All three are put right by leaving bytes out.
 */
#ifndef IMAGE_POLICY_LINT_H
#define IMAGE_POLICY_LINT_H

#include "lib/buf.h"

enum lint_level { LINT_ERROR, LINT_WARNING };

struct lint_finding {
	enum lint_level	level;
	size_t		line;		/* from 1; 0: of the whole policy */
	const char	*what;
	struct span	corrected;	/* how the line should read; empty: nobody can say */
};

/*
 * Tells each finding in turn. *errors: how many are errors; 0 says that policy_parse() takes it. Fails only
 * when there is no memory.
 */
int policy_lint(struct span text, void (*tell)(void *, const struct lint_finding *), void *arg, size_t *errors,
    struct err *) must_check;

#endif
