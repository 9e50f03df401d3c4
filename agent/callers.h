/*
 * callers.h: the connections of callers: accepts, reads, writes, and lets nobody hold up anybody else. A caller that sends
 * half a request, or does not read its answer, is cut off after a while. Who may come, and what he may call: by unix sockets,
 * root and who runs this process, the methods of that socket; by TCP, whoever is on this machine; by vsock, what the host may,
 * whatever number the kernel tells for the other side: it has it from the host. No caller is ever a reason to stop.
 */
#ifndef AGENT_CALLERS_H
#define AGENT_CALLERS_H

#include "lib/loop.h"
#include "lib/rpc.h"

#define CALLERS_MAX		192
#define CALLERS_LISTENERS	16
#define CALLERS_LOCAL		64	/* of one socket */
#define CALLERS_HOST		8	/* of one vsock socket: the host cannot keep others out */
#define CALLERS_STALL_MS	20000	/* for a request to be sent to its end, or an answer to be read */

struct caller;		/* one connection; gone after its `gone` */

struct callers_options {
	struct loop			*loop;
	const struct rpc_method		*methods;	/* ids: 0 to 63 */
	size_t				 max_message, max_answer;
	unsigned			 max_calls;	/* of one caller at a time */
	/* A call; to be answered by caller_answer or caller_refuse, also at once. message is borrowed. */
	void	(*call)(void *arg, struct caller *, uint32_t stream, int method, int64_t timeout_ms, struct span message);
	/* Nobody waits for the answer any more; stream 0: nor for any other of this caller, which is no more. */
	void	(*gone)(void *arg, struct caller *, uint32_t stream);
	void	*arg;
};

struct callers;
int callers_new(const struct callers_options *, struct callers **out, struct err *) must_check;
void callers_free(struct callers *);	/* NULL is fine; nobody is told */

/* Serves a listening, non-blocking socket, which is taken over. methods: bits by id. */
int callers_listen(struct callers *, int fd,
    int (*session)(const struct rpc_service *, void *arg, struct rpc_server **, struct err *), uint64_t methods,
    uint32_t owner, struct err *) must_check;
/* The sockets of this owner and their callers go. */
void callers_close(struct callers *, uint32_t owner);

/* What the host may call by vsock, at any socket; nothing before this is said. */
void callers_set_host(struct callers *, uint64_t methods);
/*
 * Where there are too many callers of a socket the one that was idle for longest has to go, unless this is set: then the
 * new one is turned away. kata-agent has one connection, mostly idle, and never makes another.
 */
void callers_keep_idle(struct callers *);

enum caller_right { CALLER_MAY, CALLER_NOT_HERE, CALLER_FORBIDDEN };	/* not at this socket; not by the host */
enum caller_right caller_right(const struct caller *, int method);
unsigned caller_calls(const struct caller *);		/* that he waits for, the one he is just making included */
const char *caller_name(const struct caller *);		/* for the log: "uid 0", "cid 2", "tcp" */

void caller_answer(struct caller *, uint32_t stream, struct span message);
void caller_refuse(struct caller *, uint32_t stream, enum rpc_status, const char *why);

#endif
