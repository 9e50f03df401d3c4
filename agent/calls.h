/*
 * calls.h: calls on their way from callers to whoever answers them, and back. Each backend has so many at a time as it can keep
 * busy with; others wait here, the oldest first. Large answers come through a pipe. A call ends with its answer, its time,
 * its caller, or its backend.
 */
#ifndef AGENT_CALLS_H
#define AGENT_CALLS_H

#include "agent/callers.h"
#include "agent/services.h"

#define CALLS_MAX	128	/* of all callers together, besides one of each */

struct calls_options {
	struct loop	*loop;
	int		 fd[BACKEND_COUNT];	/* where each backend is; -1: it is not */
	/* A backend cannot be written to any more, or a timer not be set: it cannot go on. */
	void		(*broken)(void *arg, const struct err *);
	void		*arg;
};

struct calls;
int calls_new(const struct calls_options *, struct calls **out, struct err *) must_check;
void calls_free(struct calls *);	/* NULL is fine; nobody is told */

void calls_log_all(struct calls *, bool);	/* a line for each at level info; else debug */

/* What callers.h tells. */
void calls_call(struct calls *, struct caller *, uint32_t stream, int method, int64_t timeout_ms, struct span message);
void calls_gone(struct calls *, struct caller *, uint32_t stream);

/* M_CALL_DONE. An answer to nothing is passed over: its call may have been given up in the meantime. */
void calls_done(struct calls *, enum backend, const struct msg *);
/* It died: who waits for it is refused. What waits here is for the next one. */
void calls_lost(struct calls *, enum backend);

#endif
