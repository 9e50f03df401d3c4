/*
 * tee_calls.h: what the tee role does for callers of the daemon: evidence, the platform's name, events. What they may have is
 * what the settings say.
 */
#ifndef AGENT_TEE_CALLS_H
#define AGENT_TEE_CALLS_H

#include "evidence/caller.h"
#include "lib/msg.h"

struct tee_calls {
	char			platform[32];	/* "": the first there is */
	bool			ready, sample, eventlog;
	enum caller_mode	mode;
	uint32_t		pcr;		/* of events that name none */
};

/* M_TEE_SETUP. Before it comes, callers wait. */
int tee_calls_set_up(const struct msg *, struct tee_calls *, struct err *) must_check;
/* Takes a call from TEE_FD_RPC and answers it: 1, 0: rpc is gone. */
int tee_calls_serve(const struct tee_calls *, struct err *) must_check;

#endif
