/*
 * fault.h: failure injection through lib/sys.h. Runs a piece of code again and again; in run n the n-th
 * call of the chosen kind fails, until a run gets through without a failure.
 */
#ifndef TESTS_LIB_FAULT_H
#define TESTS_LIB_FAULT_H

#include "lib/err.h"

enum fault_kind {
	FAULT_ALLOC,		/* realloc gives NULL */
	FAULT_IO,		/* read, write, openat, openat2, rename, sendmsg, recvmsg fail with errno_value */
	FAULT_SHORT,		/* every read and write moves one byte only (a single run) */
};

/*
 * run must return 0 or -err and clean up after itself. Returns the number of injected failures, or -1 after
 * printing a diagnosis: a run that failed without a failure code, that returned 0 although its failure was
 * injected (unless may_survive), or more than 100,000 runs.
 */
int fault_each(enum fault_kind, int errno_value, bool may_survive, int (*run)(void *arg, struct err *), void *arg);

/* Bytes allocated through the seam and not yet freed. */
size_t fault_live_bytes(void);

#endif
