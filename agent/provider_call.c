/* provider_call.c: see provider_call.h. */
#include "lib/base.h"

#include "agent/provider_call.h"

#include <fcntl.h>
#include <poll.h>

#include "keyprovider/keyprovider.pb-c.h"
#include "lib/pb.h"
#include "lib/rpc.h"
#include "lib/sys.h"

#define SERVICE		"keyprovider.KeyProviderService"
#define ENVELOPE	64	/* of a message around its JSON */

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

/* A command reads its input to the end before it answers. */
static int
write_request(int fd, struct span in, int64_t deadline, struct err *e)
{
	while (in.len > 0) {
		ssize_t n = sys_write(fd, in.p, in.len);
		struct span gone;
		int rc = 0;

		if (n >= 0)
			(void)span_take(&in, (size_t)n, &gone);
		else if (errno == EAGAIN)
			rc = wait_for(fd, POLLOUT, deadline, e);
		else
			rc = err_sys_as(e, ERR_NET, "the command does not read");
		if (rc < 0)
			return rc;
	}
	return shutdown(fd, SHUT_WR) < 0 ? err_sys_as(e, ERR_NET, "command") : 0;
}

static int
read_reply(int fd, int64_t deadline, struct buf *reply, struct err *e)
{
	for (;;) {
		size_t room = MIN(reply->max - reply->len, KIB(4));
		int rc = room > 0 ? buf_reserve(reply, room, e) : err_set(e, ERR_LIMIT, "the answer is too large");
		ssize_t n;

		if (rc < 0)
			return rc;
		n = sys_read(fd, reply->data + reply->len, room);
		if (n == 0)
			return 0;
		if (n > 0)
			reply->len += (size_t)n;
		else if (errno == EAGAIN)
			rc = wait_for(fd, POLLIN, deadline, e);
		else
			rc = err_sys_as(e, ERR_NET, "command");
		if (rc < 0)
			return rc;
	}
}

static int
call_command(int fd, struct span request, int64_t timeout_ms, struct buf *reply, struct err *e)
{
	autobuf text = BUF_SECRET(LIMIT_PROVIDER_JSON + 1);
	int64_t deadline = sys_now_ms() + timeout_ms;
	int flags = fcntl(fd, F_GETFL), rc;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "command");
	rc = write_request(fd, request, deadline, e);
	if (rc == 0)
		rc = read_reply(fd, deadline, &text, e);
	if (rc == 0 && text.len == 0)
		rc = err_set(e, ERR_DECRYPT, "the command gives no answer");
	return rc < 0 ? rc : buf_add_span(reply, buf_span(&text), e);
}

static int
run_client(int fd, enum provider_transport t, const struct rpc_call *call, struct buf *answer, struct err *e)
{
	struct rpc_client *c = NULL;
	int rc = t == PROVIDER_GRPC ? grpc_client_new(call, &c, e) : ttrpc_client_new(call, &c, e);

	if (rc == 0)
		rc = rpc_client_run(c, fd, call->timeout_ms, answer, e);
	if (rc < 0 && c != NULL && c->done && (e->code == ERR_SYS || e->code == ERR_PARSE))
		e->code = ERR_DECRYPT;
	rpc_client_free(c);
	return rc < 0 ? -(int)e->code : 0;
}

static int
take_json(struct span answer, struct buf *reply, struct err *e)
{
	autopb pb = { 0 };
	int rc = pb_parse(answer, &keyprovider__json__descriptor, "the answer", &pb, e);

	return rc < 0 ? rc : buf_add_span(reply, pb_span(((const Keyprovider__Json *)pb.message)->text), e);
}

static int
call_service(int fd, enum provider_transport t, const char *authority, enum provider_op op, struct span request,
    int64_t timeout_ms, struct buf *reply, struct err *e)
{
	autobuf message = BUF_SECRET(LIMIT_PROVIDER_JSON + ENVELOPE), answer = BUF_SECRET(LIMIT_PROVIDER_JSON + ENVELOPE);
	Keyprovider__Json json = KEYPROVIDER__JSON__INIT;
	struct rpc_call call = {
		.authority = authority,
		.service = SERVICE,
		.method = op == PROVIDER_WRAP ? "WrapKey" : "UnWrapKey",
		.timeout_ms = timeout_ms,
		.max_answer = LIMIT_PROVIDER_JSON + ENVELOPE,
	};
	int rc;

	json.text = pb_bytes(request);
	rc = pb_format(&json.base, &message, e);
	call.message = buf_span(&message);
	if (rc == 0)
		rc = run_client(fd, t, &call, &answer, e);
	return rc < 0 ? rc : take_json(buf_span(&answer), reply, e);
}

int
provider_call(int fd, enum provider_transport t, const char *authority, enum provider_op op, struct span request,
    int64_t timeout_ms, struct buf *reply, struct err *e)
{
	if (t == PROVIDER_CMD)
		return call_command(fd, request, timeout_ms, reply, e);
	return call_service(fd, t, authority, op, request, timeout_ms, reply, e);
}
