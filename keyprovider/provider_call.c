/* provider_call.c: see provider_call.h. */
#include "lib/base.h"
#include "keyprovider/provider_call.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "keyprovider/packet.h"
#include "lib/sys.h"

enum { CHUNK = 4096 };

/* Waits until fd is ready for events: 0, or -ERR_TIMEOUT at the deadline. */
static int
await(int fd, short events, int64_t deadline, struct err *e)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left = deadline - sys_now_ms();
		int n;

		if (left <= 0)
			return err_set(e, ERR_TIMEOUT, "no answer in time");
		n = poll(&p, 1, (int)MIN(left, (int64_t)INT_MAX));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
	}
}

static int
send_all(int fd, struct span s, int64_t deadline, struct err *e)
{
	while (s.len > 0) {
		struct span sent;
		ssize_t n;
		int rc = await(fd, POLLOUT, deadline, e);

		if (rc < 0)
			return rc;
		n = sys_write(fd, s.p, s.len);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return err_sys_as(e, ERR_NET, "it did not take the request");
		(void)span_take(&s, (size_t)n, &sent);
	}
	return 0;
}

/* One byte more than there may be is not stored. */
static int
receive_all(int fd, int64_t deadline, struct buf *out, struct err *e)
{
	for (;;) {
		ssize_t n;
		int rc = await(fd, POLLIN, deadline, e);

		if (rc == 0)
			rc = buf_reserve(out, MIN((size_t)CHUNK, out->max - out->len), e);
		if (rc < 0)
			return rc;
		if (out->len == out->max)
			return err_set(e, ERR_LIMIT, "more than %zu bytes", out->max - 1);
		n = sys_read(fd, out->data + out->len, MIN((size_t)CHUNK, out->max - out->len));
		if (n == 0)
			return 0;
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return err_sys_as(e, ERR_NET, "no answer");
		out->len += (size_t)n;
	}
}

int
provider_call_cmd(int fd, maybe_unused const char *authority, maybe_unused enum provider_op op, struct span request,
    int64_t deadline, struct buf *reply, struct err *e)
{
	autobuf answer = BUF_SECRET(LIMIT_PROVIDER_JSON + 1);
	int rc = 0;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "key provider's socket");
	rc = send_all(fd, request, deadline, e);
	if (rc == 0 && shutdown(fd, SHUT_WR) < 0)
		rc = err_sys_as(e, ERR_NET, "it did not take the request");
	if (rc == 0)
		rc = receive_all(fd, deadline, &answer, e);
	if (rc == 0 && answer.len == 0)
		rc = err_set(e, ERR_NET, "it ended without an answer");
	return rc < 0 ? rc : buf_add_span(reply, buf_span(&answer), e);
}

/*
 * It will stand in an image, and nobody could unwrap what has no key id or no data. A packet of a kind that is not known
 * here (another service's) may well be opened elsewhere.
 */
static int
check_packet(struct span text, struct err *e)
{
	cleanup(packet_fini) struct packet p = { .iv_len = 0 };
	struct err why = { 0 };
	int rc = packet_parse(text, &p, &why);

	if (rc == 0 || rc == -ERR_UNSUPPORTED)
		return 0;
	return err_set(e, why.code, "answer of the key provider: %s", why.msg);
}

int
provider_call(provider_transport_fn transport, int fd, const char *authority, enum provider_op op, struct span parameter,
    struct span data, int64_t deadline, struct buf *result, struct err *e)
{
	autobuf request = BUF_SECRET(LIMIT_PROVIDER_JSON), reply = BUF_SECRET(LIMIT_PROVIDER_JSON);
	autobuf found = BUF_SECRET(LIMIT_PACKET);
	int rc = provider_request_format(op, parameter, data, &request, e);

	if (rc == 0 && transport(fd, authority, op, buf_span(&request), deadline, &reply, e) < 0)
		rc = err_wrap(e, "key provider");
	if (rc == 0)
		rc = provider_reply_parse(buf_span(&reply), op, &found, e);
	if (rc == 0 && op == PROVIDER_WRAP)
		rc = check_packet(buf_span(&found), e);
	return rc < 0 ? rc : buf_add_span(result, buf_span(&found), e);
}
