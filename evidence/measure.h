/*
 * measure.h: events that go into a runtime register and into our log (AAEL), both or neither. Before a register is extended
 * a write-ahead file says what is about to happen, so that whoever comes after a crash can complete the log, and never
 * extends twice. The log and its write-ahead file are in EVENTLOG_DIR, which must be there.
 */
#ifndef EVIDENCE_MEASURE_H
#define EVIDENCE_MEASURE_H

#include "evidence/evidence.h"

#define MEASURE_PCR	17		/* where no other is asked for */
#define MEASURE_PCRS	24
#define MEASURE_LOG	MIB(3)		/* of our log, which leaves room for the firmware's below LIMIT_EVENT_LOG */

struct measure_event {
	unsigned	 pcr;
	const char	*domain, *operation, *content;
	bool		 once;		/* not if the log has this very event already */
};

/*
 * -ERR_UNSUPPORTED: the platform or its kernel extends no registers; nothing has changed. -ERR_USAGE: eventlog_text. -ERR_LIMIT:
 * the log is full. -ERR_STORAGE: it cannot be written; if the register was extended already, the next call completes the log.
 * -ERR_EVIDENCE, and as measure_settle.
 */
int measure_event(const struct evidence_env *, const struct attester_ops *, const struct measure_event *, struct err *) must_check;

/*
 * To be called before evidence is collected: completes what a crash has left. While *lock is open (the caller closes it; -1 where
 * nothing is ever logged) nobody else adds to the log. -ERR_EVIDENCE: register and log contradict each other, or it cannot be told
 * whether they do: only a new start of the guest helps. -ERR_TIMEOUT: another process holds the log.
 */
int measure_settle(const struct evidence_env *, const struct attester_ops *, int *lock, struct err *) must_check;

#endif
