/*
 * fault.h: failure injection through lib/sys.h. Runs a piece of code again and again; in run n the n-th
 * call of the chosen kind fails, until a run gets through without a failure.
 */
#ifndef TESTS_LIB_FAULT_H
#define TESTS_LIB_FAULT_H

#include "lib/err.h"

enum fault_kind {
	FAULT_ALLOC,		/* realloc gives NULL */
	FAULT_IO,		/* every other call of the table but the clocks fails with errno_value */
	FAULT_SHORT,		/* every read and write moves one byte only (a single run, which must return 0) */
};

/*
 * run must return 0 or -err and clean up after itself. Returns the number of injected failures, or -1 after
 * printing a diagnosis: a run that failed without a failure code or although nothing was made to fail, that
 * returned 0 although its failure was injected (unless may_survive), that left memory of the seam behind, or
 * more than 100,000 runs.
 */
int fault_each(enum fault_kind, int errno_value, bool may_survive, int (*run)(void *arg, struct err *), void *arg);

/* Bytes allocated through the seam inside of fault_each and not yet freed there. */
size_t fault_live_bytes(void);

#endif
