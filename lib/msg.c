/*
 * msg.c: packets of twelve header bytes, a body and descriptors. The parser is
 * pure; sending and receiving wait with poll and a deadline.
 */
#include "lib/base.h"

#include "lib/msg.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "lib/secret.h"
#include "lib/sys.h"

void
msg_init(struct msg *m, uint16_t type, uint32_t id)
{
	*m = (struct msg){ .type = type, .id = id, .body = BUF(LIMIT_MSG) };
}

void
msg_fini(struct msg *m)
{
	buf_free(&m->body);
	for (size_t i = 0; i < m->nfds && !m->borrowed; i++)
		base_close(&m->fds[i]);
	m->nfds = 0;
}

int
msg_put_u8(struct msg *m, uint8_t v, struct err *e)
{
	return buf_add_u8(&m->body, v, e);
}

int
msg_put_u32(struct msg *m, uint32_t v, struct err *e)
{
	return buf_add_be32(&m->body, v, e);
}

int
msg_put_u64(struct msg *m, uint64_t v, struct err *e)
{
	return buf_add_be64(&m->body, v, e);
}

int
msg_put_bytes(struct msg *m, struct span s, struct err *e)
{
	int rc;

	if (s.len > LIMIT_MSG)
		return err_set(e, ERR_LIMIT, "message part of %zu bytes", s.len);
	rc = buf_add_be32(&m->body, (uint32_t)s.len, e);
	return rc < 0 ? rc : buf_add_span(&m->body, s, e);
}

int
msg_put_str(struct msg *m, const char *s, struct err *e)
{
	return msg_put_bytes(m, span_str(s), e);
}

int
msg_put_err(struct msg *m, const struct err *what, struct err *e)
{
	int rc;

	rc = msg_put_u32(m, (uint32_t)what->code, e);
	if (rc == 0)
		rc = msg_put_u32(m, (uint32_t)what->sys, e);
	return rc < 0 ? rc : msg_put_str(m, what->msg, e);
}

struct msg_reader
msg_reader(const struct msg *m)
{
	return (struct msg_reader){ .in = buf_span(&m->body) };
}

uint8_t
msg_get_u8(struct msg_reader *r)
{
	uint8_t v = 0;

	if (!r->bad && !span_u8(&r->in, &v))
		r->bad = true;
	return v;
}

uint32_t
msg_get_u32(struct msg_reader *r)
{
	uint32_t v = 0;

	if (!r->bad && !span_be32(&r->in, &v))
		r->bad = true;
	return v;
}

uint64_t
msg_get_u64(struct msg_reader *r)
{
	uint64_t v = 0;

	if (!r->bad && !span_be64(&r->in, &v))
		r->bad = true;
	return v;
}

struct span
msg_get_bytes(struct msg_reader *r, size_t max)
{
	uint32_t n = msg_get_u32(r);
	struct span out = { NULL, 0 };

	if (!r->bad && (n > max || !span_take(&r->in, n, &out)))
		r->bad = true;
	return r->bad ? (struct span){ NULL, 0 } : out;
}

void
msg_get_str(struct msg_reader *r, char *out, size_t size)
{
	struct span s = msg_get_bytes(r, size - 1);

	out[0] = '\0';
	if (!r->bad && !span_to_cstr(s, out, size))
		r->bad = true;
}

void
msg_get_err(struct msg_reader *r, struct err *out)
{
	uint32_t code = msg_get_u32(r);
	uint32_t sysno = msg_get_u32(r);

	msg_get_str(r, out->msg, sizeof(out->msg));
	if (code == ERR_NONE || code >= ERR_COUNT)
		r->bad = true;
	out->code = r->bad ? ERR_PROTO : (enum err_code)code;
	out->sys = r->bad ? 0 : (int)sysno;
}

bool
msg_get_end(struct msg_reader *r)
{
	return !r->bad && r->in.len == 0;
}

static const struct msg_rule *
find_rule(const struct msg_rule *rules, uint16_t type)
{
	for (; rules->type != 0; rules++)
		if (rules->type == type)
			return rules;
	return NULL;
}

int
msg_parse(struct span in, size_t nfds, const struct msg_rule *rules,
    struct msg *m, struct err *e)
{
	const struct msg_rule *rule;
	uint16_t type, zero;
	uint32_t id, len;
	int rc;

	if (!span_be16(&in, &type) || !span_be16(&in, &zero) ||
	    !span_be32(&in, &id) || !span_be32(&in, &len))
		return err_set(e, ERR_PROTO, "message shorter than its header");
	rule = find_rule(rules, type);
	if (rule == NULL)
		return err_set(e, ERR_PROTO, "message type %u not expected here", type);
	if (zero != 0 || len != in.len || len > rule->max_len)
		return err_set(e, ERR_PROTO, "message type %u: bad length", type);
	if (nfds != rule->fds)
		return err_set(e, ERR_PROTO, "message type %u: %zu descriptors, not %u",
		    type, nfds, rule->fds);
	msg_init(m, type, id);
	m->body.secret = rule->secret;
	rc = buf_add_span(&m->body, in, e);
	if (rc < 0)
		msg_fini(m);
	return rc;
}

/* Waits until fd is ready for events: 1, or -ERR_TIMEOUT. */
static int
wait_ready(int fd, short events, int64_t deadline, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline < 0 ? -1 : deadline - sys_now_ms();
		int n = poll(&p, 1, left < 0 ? (deadline < 0 ? -1 : 0) : (int)left);

		if (n > 0)
			return 1;
		if (n == 0)
			return err_set(e, ERR_TIMEOUT, "no message in time");
		if (errno != EINTR)
			return err_sys(e, "poll");
	}
}

static int64_t
deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : sys_now_ms() + timeout_ms;
}

int
msg_send(int fd, const struct msg *m, int timeout_ms, struct err *e)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int) * LIMIT_MSG_FDS)];
	} control = { 0 };
	autobuf head = BUF(MSG_HEADER);
	struct iovec iov[2];
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };
	int64_t deadline = deadline_of(timeout_ms);
	int rc;

	rc = buf_add_be16(&head, m->type, e);
	if (rc == 0)
		rc = buf_add_be16(&head, 0, e);
	if (rc == 0)
		rc = buf_add_be32(&head, m->id, e);
	if (rc == 0)
		rc = buf_add_be32(&head, (uint32_t)m->body.len, e);
	if (rc < 0)
		return rc;
	iov[0] = (struct iovec){ head.data, head.len };
	iov[1] = (struct iovec){ m->body.data, m->body.len };
	if (m->nfds > 0) {
		struct cmsghdr *c = &control.align;

		h.msg_control = control.bytes;
		h.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * m->nfds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * m->nfds);
		memcpy(CMSG_DATA(c), m->fds, sizeof(int) * m->nfds);
	}
	for (;;) {
		ssize_t n = sys->sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return err_set(e, ERR_CRASH, "the other process is gone");
		if (errno != EAGAIN)
			return err_sys(e, "sendmsg");
		rc = wait_ready(fd, POLLOUT, deadline, e);
		if (rc < 0)
			return rc;
	}
}

void
msg_put_fd(struct msg *m, int fd)
{
	assert(m->nfds < LIMIT_MSG_FDS);
	m->borrowed = true;
	m->fds[m->nfds++] = fd;
}

/* Takes the descriptors out of the control data; returns how many there are. */
static size_t
take_fds(struct msghdr *h, int fds[LIMIT_MSG_FDS])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < LIMIT_MSG_FDS)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

/* One packet into packet and fds. 1, 0 at the end, -err. */
static int
receive(int fd, struct buf *packet, int fds[LIMIT_MSG_FDS], size_t *nfds,
    int64_t deadline, struct err *e)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int) * LIMIT_MSG_FDS)];
	} control;
	struct iovec iov = { packet->data, packet->cap };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	int rc;

	for (;;) {
		h.msg_control = control.bytes;
		h.msg_controllen = sizeof(control.bytes);
		n = sys->recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n >= 0)
			break;
		/* Told once, when the peer closed with messages unread: its own last ones still wait behind it. */
		if (errno == EINTR || errno == ECONNRESET)
			continue;
		if (errno != EAGAIN)
			return err_sys(e, "recvmsg");
		rc = wait_ready(fd, POLLIN, deadline, e);
		if (rc < 0)
			return rc;
	}
	*nfds = take_fds(&h, fds);
	packet->len = (size_t)n;
	if ((h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		for (size_t i = 0; i < *nfds; i++)
			close(fds[i]);
		return err_set(e, ERR_PROTO, "message larger than any of ours");
	}
	return n > 0;
}

int
msg_recv(int fd, const struct msg_rule *rules, int timeout_ms, struct msg *m,
    struct err *e)
{
	autobuf packet = BUF(MSG_HEADER + LIMIT_MSG + 1);
	int fds[LIMIT_MSG_FDS];
	size_t nfds = 0;
	int rc;

	/* A type may be secret, and which one it is shows only afterwards. */
	for (const struct msg_rule *r = rules; r->type != 0; r++)
		packet.secret |= r->secret;
	msg_init(m, 0, 0);
	rc = buf_reserve(&packet, MSG_HEADER + LIMIT_MSG + 1, e);
	if (rc < 0)
		return rc;
	rc = receive(fd, &packet, fds, &nfds, deadline_of(timeout_ms), e);
	if (rc <= 0)
		return rc;
	rc = msg_parse(buf_span(&packet), nfds, rules, m, e);
	if (rc < 0) {
		for (size_t i = 0; i < nfds; i++)
			close(fds[i]);
		return rc;
	}
	memcpy(m->fds, fds, nfds * sizeof(fds[0]));
	m->nfds = nfds;
	return 1;
}

int
msg_pair(int fds[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(e, "socketpair");
	return 0;
}
