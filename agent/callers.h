/*
 * callers.h: the connections of callers: accepts, reads, writes, and lets nobody hold up anybody else. A caller that sends
 * half a request, or does not read its answer, is cut off after a while; where there are too many, the
 * one that was idle for longest has to go. No caller is ever a reason to stop.
 */
#ifndef AGENT_CALLERS_H
#define AGENT_CALLERS_H

#include "lib/loop.h"
#include "lib/rpc.h"

#define CALLERS_MAX		128
#define CALLERS_LISTENERS	16
#define CALLERS_STALL_MS	20000	/* for a request to be sent to its end, or an answer to be read */

struct caller;		/* one connection; gone after its `gone` */

struct callers_options {
	struct loop			*loop;
	const struct rpc_method		*methods;
	size_t				 max_message;
	unsigned			 max_calls;	/* of one caller at a time */
	/* A call; to be answered by caller_answer or caller_refuse, also at once. message is borrowed. */
	void	(*call)(void *arg, struct caller *, uint32_t stream, int method, int64_t timeout_ms, struct span message);
	/* Nobody waits for the answer any more; stream 0: nor for any other of this caller. */
	void	(*gone)(void *arg, struct caller *, uint32_t stream);
	void	*arg;
};

struct callers;
int callers_new(const struct callers_options *, struct callers **out, struct err *) must_check;
void callers_free(struct callers *);	/* NULL is fine; nobody is told */

/* Serves a listening, non-blocking socket, which is taken over. */
int callers_listen(struct callers *, int fd,
    int (*session)(const struct rpc_service *, void *arg, struct rpc_server **, struct err *), struct err *) must_check;

void caller_answer(struct caller *, uint32_t stream, struct span message);
void caller_refuse(struct caller *, uint32_t stream, enum rpc_status, const char *why);

#endif
