/*
 * rpc_role.h: the role rpc as a process of its own, without its sandbox, for tests that are its callers, the monitor, key and
 * tee. Time goes as fast as the test wants.
 */
#ifndef TESTS_LIB_RPC_ROLE_H
#define TESTS_LIB_RPC_ROLE_H

#include "lib/base.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "agent/callers.h"
#include "agent/services.h"
#include "lib/pb.h"
#include "lib/sys.h"
#include "lib/ttrpc.h"
#include "lib/ttrpc.pb-c.h"
#include "tests/lib/tap.h"

#define WAIT_MS	30000	/* for what must come */
#define HUB	1	/* owners */
#define OTHER	2

#define RESOURCE	"api.GetResourceService", "GetResource"
#define PULL		"api.ImagePullService", "PullImage"
#define TEE		"attestation_agent.AttestationAgentService", "GetTeeType"
#define EVIDENCE	"attestation_agent.AttestationAgentService", "GetEvidence"
#define STATUS		"cacao.AgentService", "Status"
#define VERSION		"cacao.AgentService", "Version"
#define OLD		"getresource.GetResourceService", "GetResource"

#define URI		"\x0a\x14kbs:///default/key/1"
#define IMAGE		"\x0a\7busybox\x12\6/run/b"

static struct err e;
static int64_t *ahead;	/* shared with the role: milliseconds of its clock before ours */

struct world {
	int	control, key, tee;
	pid_t	pid;
	char	name[40];	/* of the socket, without its NUL in front */
	int	listeners;
};

/* --- the role */

static inline int64_t
shifted_now_ms(void)
{
	return sys_real.now_ms() + __atomic_load_n(ahead, __ATOMIC_SEQ_CST);
}

/* Runs a role with these descriptors from FD_CONTROL on. */
static inline pid_t
run_role(const struct role_ops *role, const int *fds, int n)
{
	static struct sys_ops ops;
	struct sandbox_path paths[ROLE_MAX_PATHS];
	pid_t pid;
	int high[4];

	fflush(stdout);
	pid = fork();
	if (pid != 0)
		return pid;
	for (int i = 0; i < n; i++)
		high[i] = fcntl(fds[i], F_DUPFD, 500);
	for (int i = 0; i < n; i++)
		dup2(high[i], FD_CONTROL + i);
	close_range((unsigned)(FD_CONTROL + n), 1000, 0);
	signal(SIGPIPE, SIG_IGN);
	ops = sys_real;
	ops.now_ms = shifted_now_ms;
	sys = &ops;
	log_init(2, role->name, LOG_ERROR, false);
	if (role->prepare != NULL && role->prepare(paths, &e) < 0)
		exit(2);
	exit(role->serve(&e) < 0);
}

static inline void
start(struct world *w)
{
	int control[2], key[2], tee[2];

	if (msg_pair(control, &e) < 0 || msg_pair(key, &e) < 0 || msg_pair(tee, &e) < 0)
		abort();
	*w = (struct world){ .control = control[0], .key = key[0], .tee = tee[0] };
	w->pid = run_role(&role_rpc, (int[]){ control[1], key[1], tee[1] }, 3);
	close(control[1]);
	close(key[1]);
	close(tee[1]);
	snprintf(w->name, sizeof(w->name), "cacao-test-%d-%d", (int)getpid(), (int)w->pid);
}

/* Its exit status. */
static inline int
stop(struct world *w)
{
	int status = -1;

	close(w->control);
	waitpid(w->pid, &status, 0);
	if (w->key >= 0)
		close(w->key);
	close(w->tee);
	__atomic_store_n(ahead, 0, __ATOMIC_SEQ_CST);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- its monitor */

static inline int
order(struct world *w, struct msg *m)
{
	static const struct msg_rule rules[] = {
		{ .type = M_RPC_DONE, .max_len = KIB(1) }, { 0 },
	};
	automsg done;
	struct msg_reader r;
	int rc = msg_send(w->control, m, WAIT_MS, &e);

	msg_init(&done, 0, 0);
	if (rc == 0)
		rc = msg_recv(w->control, rules, WAIT_MS, &done, &e);
	if (rc <= 0)
		return rc < 0 ? rc : err_set(&e, ERR_CRASH, "rpc is gone");
	r = msg_reader(&done);
	return role_verdict(&r, &e);
}

static inline socklen_t
address_of(const struct world *w, int n, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "%s-%d", w->name, n);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a->sun_path + 1));
}

/* Its number; for connect_to. */
static inline int
offer(struct world *w, unsigned faces, uint32_t owner)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a;
	socklen_t len = address_of(w, w->listeners, &a);
	automsg m;

	if (bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 100) < 0)
		abort();
	msg_init(&m, M_RPC_LISTEN, 0);
	if (msg_put_u8(&m, PROVIDER_TTRPC, &e) < 0 || msg_put_u8(&m, (uint8_t)faces, &e) < 0 || msg_put_u32(&m, owner, &e) < 0)
		abort();
	msg_put_fd(&m, fd);
	works(order(w, &m), "a socket for %s", face_name((enum face)faces));
	return w->listeners++;
}

static inline int
set_up(struct world *w, const char *words)
{
	automsg m;

	msg_init(&m, M_RPC_SETUP, 0);
	if (msg_put_str(&m, words, &e) < 0 || msg_put_u8(&m, 1, &e) < 0)
		abort();
	return order(w, &m);
}

static inline void
lose(struct world *w, enum backend b)
{
	automsg m;

	msg_init(&m, M_RPC_LOST, 0);
	works(msg_put_u8(&m, (uint8_t)b, &e), "a message");
	works(msg_send(w->control, &m, WAIT_MS, &e), "the backend is lost");
}

/* The clock goes on; something has to happen for it to be looked at. */
static inline void
advance(struct world *w, int64_t ms)
{
	__atomic_add_fetch(ahead, ms, __ATOMIC_SEQ_CST);
	works(set_up(w, ""), "time goes by");
}

/* --- its backends */

static const struct msg_rule rpc_rules[] = {
	{ .type = M_CALL, .max_len = CALL_MAX },
	{ .type = M_CALL_PIPE, .max_len = CALL_MAX, .fds = 1 },
	{ .type = M_CALL_LEFT, .max_len = 1 },
	{ .type = M_RPC_STUCK, .max_len = 1 },
	{ 0 },
};

static inline bool
nothing_comes(int fd)
{
	automsg m;

	return msg_recv(fd, rpc_rules, 100, &m, &e) == -ERR_TIMEOUT;
}

/* The next message: of this type, with this body. */
#define arrives(fd, m, want, content, name) \
	do { \
		is_int(msg_recv((fd), rpc_rules, WAIT_MS, (m), &e), 1, name); \
		is_int((m)->type, (want), "of its type"); \
		ok(span_eq(buf_span(&(m)->body), SPAN_LIT(content)), "and content"); \
	} while (0)

static inline void
done(int fd, uint32_t id, const char *body, size_t len)
{
	automsg m;

	msg_init(&m, M_CALL_DONE, id);
	if (msg_put_u8(&m, 0, &e) < 0 || buf_add(&m.body, body, len, &e) < 0)
		abort();
	works(msg_send(fd, &m, WAIT_MS, &e), "an answer");
}

/* Writes so many bytes into the pipe of a call. */
static inline void
fill(struct msg *m, size_t n)
{
	static const char some[KIB(16)] = "bytes";

	while (n > 0) {
		ssize_t wrote = write(m->fds[0], some, MIN(n, sizeof(some)));

		if (wrote <= 0)
			break;
		n -= (size_t)wrote;
	}
	is_int(n, 0, "all bytes go into the pipe");
}

/* --- its callers */

static inline int
connect_to(const struct world *w, int n)
{
	static const struct timeval wait = { .tv_sec = WAIT_MS / 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;
	socklen_t len = address_of(w, n, &a);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 || connect(fd, (struct sockaddr *)&a, len) < 0)
		abort();
	return fd;
}

static inline void
call(int fd, uint32_t stream, const char *service, const char *method, struct span payload, int64_t ms)
{
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	autobuf frame = BUF(MIB(1));
	struct ttrpc_frame f = { .stream = stream, .type = TTRPC_REQUEST };

	r.service = pb_bytes(span_str(service));
	r.method = pb_bytes(span_str(method));
	r.payload = pb_bytes(payload);
	r.timeout_nano = ms * 1000000;
	f.len = (uint32_t)protobuf_c_message_get_packed_size(&r.base);
	if (ttrpc_frame_format(&f, &frame, &e) < 0 || pb_format(&r.base, &frame, &e) < 0)
		abort();
	is_int(send(fd, frame.data, frame.len, MSG_NOSIGNAL), frame.len, "%s is called", method);
}

static inline bool
read_exactly(int fd, uint8_t *to, size_t n)
{
	for (size_t have = 0; have < n;) {
		ssize_t got = read(fd, to + have, n - have);

		if (got <= 0)
			return false;
		have += (size_t)got;
	}
	return true;
}

/* The next response: its status, stream, and text or payload. -1: none came. */
static inline int
response(int fd, uint32_t *stream, struct buf *text)
{
	uint8_t head[TTRPC_HEADER];
	struct span in = { head, sizeof(head) };
	autobuf body = BUF(MIB(1));
	autopb pb = { 0 };
	const Ttrpc__Response *r;
	uint32_t len;

	buf_reset(text);
	if (!read_exactly(fd, head, sizeof(head)) || !span_be32(&in, &len) || !span_be32(&in, stream) ||
	    buf_reserve(&body, len, &e) < 0 || !read_exactly(fd, body.data, len))
		return -1;
	if (pb_parse((struct span){ body.data, len }, &ttrpc__response__descriptor, "response", &pb, &e) < 0)
		return -1;
	r = (const Ttrpc__Response *)pb.message;
	if (buf_add_span(text, pb_span(r->status != NULL ? r->status->message : r->payload), &e) < 0)
		abort();
	return r->status != NULL ? r->status->code : 0;
}

/* The next response is this. */
static inline void
responds(int fd, uint32_t want_stream, enum rpc_status want, const char *words, const char *name)
{
	autobuf text = BUF(MIB(1));
	uint32_t stream = 0;

	is_int(response(fd, &stream, &text), want, "%s: %s", name, rpc_status_name(want));
	is_int(stream, want_stream, "on its stream");
	if (!ok(memmem(buf_str(&text), text.len, words, strlen(words)) != NULL, "with its words"))
		printf("# '%s', not '%s'\n", buf_str(&text), words);
}

/* Is the connection closed by the other side? */
static inline bool
is_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, WAIT_MS) == 1 && read(fd, &byte, 1) <= 0;
}

/* To be called first. */
static inline void
begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	ahead = mmap(NULL, sizeof(*ahead), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ahead == MAP_FAILED)
		abort();
}

#endif
