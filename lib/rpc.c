/* rpc.c: statuses, the table of methods, and a client on a descriptor. */
#include "lib/base.h"

#include "lib/rpc.h"

#include <fcntl.h>
#include <poll.h>

#include "lib/log.h"
#include "lib/sys.h"

static const char *const names[RPC_STATUS_COUNT] = {
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
};

/* What a caller can do about each; the rest has no code of its own here. */
static const enum err_code codes[RPC_STATUS_COUNT] = {
	[RPC_CANCELLED]			= ERR_CANCELLED,
	[RPC_DEADLINE_EXCEEDED]		= ERR_TIMEOUT,
	[RPC_NOT_FOUND]			= ERR_NOTFOUND,
	[RPC_RESOURCE_EXHAUSTED]	= ERR_LIMIT,
	[RPC_UNIMPLEMENTED]		= ERR_UNSUPPORTED,
	[RPC_UNAVAILABLE]		= ERR_NET,
	[RPC_UNAUTHENTICATED]		= ERR_AUTH,
};

const char *
rpc_status_name(enum rpc_status s)
{
	return (unsigned)s < RPC_STATUS_COUNT ? names[s] : names[RPC_UNKNOWN];
}

enum rpc_status
rpc_status_of(enum err_code code)
{
	for (int s = 0; s < RPC_STATUS_COUNT; s++)
		if (strcmp(names[s], err_rpc_status(code)) == 0)
			return (enum rpc_status)s;
	return RPC_UNKNOWN;
}

int
rpc_failure(enum rpc_status s, struct span text, struct err *e)
{
	enum err_code code = (unsigned)s < RPC_STATUS_COUNT ? codes[s] : ERR_NONE;
	char safe[300];

	log_escape(text.p, text.len, safe, sizeof(safe));
	return err_set(e, code != ERR_NONE ? code : ERR_SYS, "%s%s%s", rpc_status_name(s), text.len > 0 ? ": " : "", safe);
}

int
rpc_find(const struct rpc_method *m, struct span service, struct span name)
{
	int found = -1;

	for (int i = 0; m[i].service != NULL; i++) {
		if (!span_eq_str(service, m[i].service))
			continue;
		if (span_eq_str(name, m[i].name))
			return i;
		found = -2;
	}
	return found;
}

int
rpc_feed(struct rpc_server *s, struct span in, struct err *e)
{
	assert(in.len <= RPC_FEED);
	return s->ops->feed(s, in, e);
}

int
rpc_answer(struct rpc_server *s, uint32_t stream, struct span message, struct err *e)
{
	return s->ops->answer(s, stream, message, e);
}

int
rpc_refuse(struct rpc_server *s, uint32_t stream, enum rpc_status status, const char *why, struct err *e)
{
	return s->ops->refuse(s, stream, status, why, e);
}

int
rpc_pending(struct rpc_server *s, struct span *out, struct err *e)
{
	return s->ops->pending(s, out, e);
}

void
rpc_wrote(struct rpc_server *s, size_t n)
{
	s->ops->wrote(s, n);
}

uint64_t
rpc_incomplete(const struct rpc_server *s)
{
	return s->ops->incomplete(s);
}

bool
rpc_over(const struct rpc_server *s)
{
	return s->ops->over(s);
}

void
rpc_server_free(struct rpc_server *s)
{
	if (s != NULL)
		s->ops->free(s);
}

int
rpc_client_feed(struct rpc_client *c, struct span in, struct err *e)
{
	return c->done ? 0 : c->ops->feed(c, in, e);
}

int
rpc_client_pending(struct rpc_client *c, struct span *out, struct err *e)
{
	return c->ops->pending(c, out, e);
}

void
rpc_client_wrote(struct rpc_client *c, size_t n)
{
	c->ops->wrote(c, n);
}

void
rpc_client_free(struct rpc_client *c)
{
	if (c != NULL)
		c->ops->free(c);
}

/* Writes what goes without waiting; *more tells whether some is left. */
static int
write_some(struct rpc_client *c, int fd, bool *more, struct err *e)
{
	for (;;) {
		struct span out;
		ssize_t n;
		int rc = rpc_client_pending(c, &out, e);

		*more = rc == 0 && out.len > 0;
		if (rc < 0 || !*more)
			return rc;
		n = sys_write(fd, out.p, out.len);
		if (n < 0)
			return errno == EAGAIN ? 0 : err_sys_as(e, ERR_NET, "write");
		rpc_client_wrote(c, (size_t)n);
	}
}

static int
read_some(struct rpc_client *c, int fd, struct err *e)
{
	autobuf in = BUF_SECRET(RPC_FEED);
	ssize_t n;
	int rc = buf_reserve(&in, RPC_FEED, e);

	if (rc < 0)
		return rc;
	n = sys_read(fd, in.data, RPC_FEED);
	if (n < 0)
		return errno == EAGAIN ? 0 : err_sys_as(e, ERR_NET, "read");
	if (n == 0)
		return err_set(e, ERR_NET, "the connection was closed without an answer");
	return rpc_client_feed(c, (struct span){ in.data, (size_t)n }, e);
}

static int
wait_for(int fd, short events, int64_t deadline, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = deadline - sys_now_ms();

	if (left <= 0)
		return err_set(e, ERR_TIMEOUT, "no answer in time");
	if (poll(&p, 1, (int)MIN(left, INT_MAX)) < 0 && errno != EINTR)
		return err_sys(e, "poll");
	return 0;
}

int
rpc_client_run(struct rpc_client *c, int fd, int64_t timeout_ms, struct buf *out, struct err *e)
{
	int64_t deadline = sys_now_ms() + timeout_ms;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "connection");
	while (!c->done) {
		bool more;
		int rc = write_some(c, fd, &more, e);

		if (rc == 0)
			rc = wait_for(fd, (short)(more ? POLLIN | POLLOUT : POLLIN), deadline, e);
		if (rc == 0)
			rc = read_some(c, fd, e);
		if (rc < 0)
			return rc;
	}
	if (c->status != RPC_OK)
		return rpc_failure(c->status, buf_span(&c->text), e);
	return buf_add_span(out, buf_span(&c->answer), e);
}
