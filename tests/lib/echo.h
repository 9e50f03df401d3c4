/* echo.h: a service for tests of sessions: notes what it is asked, and answers when the test says so, or with an echo. */
#ifndef TESTS_LIB_ECHO_H
#define TESTS_LIB_ECHO_H

#include "lib/rpc.h"

enum { ECHO_SAY = 7, ECHO_WAIT = 8 };

static const struct rpc_method echo_methods[] = {
	{ "test.Echo", "Say", ECHO_SAY, true },	/* answered at once */
	{ "test.Echo", "Wait", ECHO_WAIT, false },	/* by the test */
	{ NULL, NULL, 0, false },
};

struct echo {
	struct rpc_server	*server;
	unsigned		 calls, cancelled;
	uint32_t		 stream;	/* of the last call or cancellation */
	int			 method;
	int64_t			 timeout_ms;
	uint8_t			 message[256];
	size_t			 len;		/* of the last message; what is longer is not kept */
};

static inline void
echo_call(void *arg, uint32_t stream, int method, int64_t timeout_ms, struct span message)
{
	struct echo *c = arg;
	struct err e;

	c->calls++;
	c->stream = stream;
	c->method = method;
	c->timeout_ms = timeout_ms;
	c->len = message.len;
	if (message.len > 0 && message.len <= sizeof(c->message))
		memcpy(c->message, message.p, message.len);
	if (method == ECHO_SAY)
		(void)(rpc_answer(c->server, stream, message, &e) < 0);
}

static inline void
echo_cancelled(void *arg, uint32_t stream)
{
	struct echo *c = arg;

	c->cancelled++;
	c->stream = stream;
}

static const struct rpc_service echo_service = {
	.methods = echo_methods,
	.max_message = KIB(60),
	.max_answer = KIB(60),
	.max_calls = 3,
	.call = echo_call,
	.cancelled = echo_cancelled,
};

/* Moves what is pending of the server to out. */
static inline int
echo_drain(struct rpc_server *s, struct buf *out, struct err *e)
{
	for (;;) {
		struct span p;
		int rc = rpc_pending(s, &p, e);

		if (rc < 0 || p.len == 0)
			return rc;
		rc = buf_add_span(out, p, e);
		if (rc < 0)
			return rc;
		rpc_wrote(s, p.len);
	}
}

/* Feeds in pieces of `step` bytes and takes what comes back. */
static inline int
echo_feed(struct rpc_server *s, struct span in, size_t step, struct buf *out, struct err *e)
{
	struct span piece;
	int rc = 0;

	while (rc == 0 && in.len > 0 && span_take(&in, MIN(step, in.len), &piece)) {
		rc = rpc_feed(s, piece, e);
		if (rc == 0)
			rc = echo_drain(s, out, e);
	}
	return rc;
}

/* A client against a server, until neither has anything to say, in pieces of `step` bytes. */
static inline int
echo_talk(struct rpc_client *c, struct rpc_server *s, size_t step, struct err *e)
{
	for (;;) {
		struct span there, back;
		int rc = rpc_client_pending(c, &there, e);

		if (rc == 0) {
			there.len = MIN(there.len, step);
			if (there.len > 0)
				rc = rpc_feed(s, there, e);
			rpc_client_wrote(c, there.len);
		}
		if (rc == 0)
			rc = rpc_pending(s, &back, e);
		if (rc < 0)
			return rc;
		back.len = MIN(back.len, step);
		if (back.len > 0)
			rc = rpc_client_feed(c, back, e);
		rpc_wrote(s, back.len);
		if (rc < 0 || (there.len == 0 && back.len == 0))
			return rc;
	}
}

#endif
