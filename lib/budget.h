/*
 * budget.h: memory for libraries that take apart what strangers send: counted against a limit, so that nobody can
 * make them ask for more, taken through the seam, and wiped when it is given back, since a secret may have passed.
 */
#ifndef LIB_BUDGET_H
#define LIB_BUDGET_H

#include "lib/base.h"

struct budget {
	size_t	used, max;	/* bytes asked for, and what each block costs besides */
};

/* NULL when nothing is left, of the budget or of the machine. Size 0 counts as 1. Zeroed. */
void *budget_alloc(struct budget *, size_t) must_check;
/* Keeps the old block when it returns NULL. A block of NULL is a new one. */
void *budget_realloc(struct budget *, void *, size_t) must_check;
void budget_free(struct budget *, void *);	/* NULL is fine */

#endif
