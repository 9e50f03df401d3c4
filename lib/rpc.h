/*
 * rpc.h: what ttrpc and gRPC have in common. A session is bytes in and bytes out, without a socket: whoever owns one
 * feeds what was read, writes what is pending, and is told of whole calls. Sessions hold secrets: their buffers are
 * wiped. Only unary calls.
 */
#ifndef LIB_RPC_H
#define LIB_RPC_H

#include "lib/buf.h"
#include "lib/limits.h"

enum rpc_status {	/* of gRPC; ttrpc has taken them over */
	RPC_OK, RPC_CANCELLED, RPC_UNKNOWN, RPC_INVALID_ARGUMENT, RPC_DEADLINE_EXCEEDED, RPC_NOT_FOUND,
	RPC_ALREADY_EXISTS, RPC_PERMISSION_DENIED, RPC_RESOURCE_EXHAUSTED, RPC_FAILED_PRECONDITION, RPC_ABORTED,
	RPC_OUT_OF_RANGE, RPC_UNIMPLEMENTED, RPC_INTERNAL, RPC_UNAVAILABLE, RPC_DATA_LOSS, RPC_UNAUTHENTICATED,
	RPC_STATUS_COUNT
};
const char *rpc_status_name(enum rpc_status);		/* "UNKNOWN" for what is none */
enum rpc_status rpc_status_of(enum err_code);		/* as err.def says */
/* The failure that a caller sees: "STATUS: text", text foreign and possibly not UTF-8. Returns -code. */
int rpc_failure(enum rpc_status, struct span text, struct err *);

/* --- serving */

struct rpc_method {
	const char	*service, *name;	/* "package.Service", "Method" */
	int		 id;			/* the owner's */
	bool		 plain;			/* what it answers is no secret: it takes none of the memory for those */
};

struct rpc_service {
	const struct rpc_method	*methods;	/* ended by service NULL */
	size_t			 max_message;	/* of a request, below 4 MiB */
	size_t			 max_answer;	/* the same */
	unsigned		 max_calls;	/* of one peer at a time, at most RPC_CALLS */
	/*
	 * A whole request, of a stream that has no other in flight; message is borrowed. timeout_ms: -1 for none.
	 * To be answered once, now or later, by rpc_answer or rpc_refuse.
	 */
	void			(*call)(void *arg, uint32_t stream, int method, int64_t timeout_ms, struct span message);
	/* The peer wants no answer any more; the stream's id may come again. */
	void			(*cancelled)(void *arg, uint32_t stream);
};
#define RPC_CALLS	64

struct rpc_server;
struct rpc_server_ops {
	int	 (*feed)(struct rpc_server *, struct span, struct err *);
	int	 (*answer)(struct rpc_server *, uint32_t stream, struct span message, struct err *);
	int	 (*refuse)(struct rpc_server *, uint32_t stream, enum rpc_status, const char *why, struct err *);
	int	 (*pending)(struct rpc_server *, struct span *, struct err *);
	void	 (*wrote)(struct rpc_server *, size_t);
	uint64_t (*incomplete)(const struct rpc_server *);
	bool	 (*over)(const struct rpc_server *);
	void	 (*free)(struct rpc_server *);
};
struct rpc_server {	/* the first member of each kind */
	const struct rpc_server_ops	*ops;
	const struct rpc_service	*service;	/* stays the owner's, as arg does */
	void				*arg;
};

int ttrpc_server_new(const struct rpc_service *, void *arg, struct rpc_server **out, struct err *) must_check;
int grpc_server_new(const struct rpc_service *, void *arg, struct rpc_server **out, struct err *) must_check;

/*
 * At most RPC_FEED bytes a time, and not before all that was pending is written: this bounds what a peer can make
 * a session hold. A failure of any of the three is the end of the session, and of no other.
 */
#define RPC_FEED	KIB(16)
int rpc_feed(struct rpc_server *, struct span, struct err *) must_check;
/* A stream that is not waiting for an answer (any more) is no error: the answer is dropped. */
int rpc_answer(struct rpc_server *, uint32_t stream, struct span message, struct err *) must_check;
int rpc_refuse(struct rpc_server *, uint32_t stream, enum rpc_status, const char *why, struct err *) must_check;
/* What is to be written next, none: empty; borrowed until rpc_wrote says how much of it went. */
int rpc_pending(struct rpc_server *, struct span *, struct err *) must_check;
void rpc_wrote(struct rpc_server *, size_t);
/* Which request has begun and is not there yet (the oldest); 0: none. Never the same number for two. */
uint64_t rpc_incomplete(const struct rpc_server *);
bool rpc_over(const struct rpc_server *);	/* nothing will come of it any more: close */
void rpc_server_free(struct rpc_server *);	/* NULL is fine; calls in flight are not told of */

/* --- calling: one call on a fresh connection */

struct rpc_call {
	const char	*authority;	/* gRPC's :authority; "localhost" for unix sockets */
	const char	*service, *method;
	struct span	 message;
	int64_t		 timeout_ms;	/* told to the server; -1: none */
	size_t		 max_answer;
};

struct rpc_client;
struct rpc_client_ops {
	int	 (*feed)(struct rpc_client *, struct span, struct err *);
	int	 (*pending)(struct rpc_client *, struct span *, struct err *);
	void	 (*wrote)(struct rpc_client *, size_t);
	void	 (*free)(struct rpc_client *);
};
struct rpc_client {
	const struct rpc_client_ops	*ops;
	bool				 done;		/* an answer is there */
	enum rpc_status			 status;
	struct buf			 text;		/* why, if the status is not RPC_OK */
	struct buf			 answer;	/* secret */
};

int ttrpc_client_new(const struct rpc_call *, struct rpc_client **out, struct err *) must_check;
int grpc_client_new(const struct rpc_call *, struct rpc_client **out, struct err *) must_check;
int rpc_client_feed(struct rpc_client *, struct span, struct err *) must_check;
int rpc_client_pending(struct rpc_client *, struct span *, struct err *) must_check;
void rpc_client_wrote(struct rpc_client *, size_t);
void rpc_client_free(struct rpc_client *);	/* NULL is fine */

/*
 * Drives a client over a connected stream until its answer is there: appended to out, or the server's refusal as
 * rpc_failure. -ERR_TIMEOUT, -ERR_NET where the connection ends. fd becomes non-blocking.
 */
int rpc_client_run(struct rpc_client *, int fd, int64_t timeout_ms, struct buf *out, struct err *) must_check;

/* --- shared by both */

/* -1: no such service, -2: no such method of it; else the method's place. */
int rpc_find(const struct rpc_method *, struct span service, struct span name);

#endif
