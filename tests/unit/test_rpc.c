/*
 * test_rpc.c: the role rpc as a process of its own, without its sandbox: this test is its callers, the monitor, key and tee.
 * Time goes as fast as the test wants.
 */
#include "lib/base.h"

#include "agent/services.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "agent/callers.h"
#include "lib/pb.h"
#include "lib/sys.h"
#include "lib/ttrpc.h"
#include "lib/ttrpc.pb-c.h"
#include "tests/lib/tap.h"

#define WAIT_MS	5000
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

static int64_t
shifted_now_ms(void)
{
	return sys_real.now_ms() + __atomic_load_n(ahead, __ATOMIC_SEQ_CST);
}

/* Runs a role with these descriptors from FD_CONTROL on. */
static pid_t
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

static void
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
static int
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

static int
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

static socklen_t
address_of(const struct world *w, int n, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "%s-%d", w->name, n);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a->sun_path + 1));
}

/* Its number; for connect_to. */
static int
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

static int
set_up(struct world *w, const char *words)
{
	automsg m;

	msg_init(&m, M_RPC_SETUP, 0);
	if (msg_put_str(&m, words, &e) < 0 || msg_put_u8(&m, 1, &e) < 0)
		abort();
	return order(w, &m);
}

static void
lose(struct world *w, enum backend b)
{
	automsg m;

	msg_init(&m, M_RPC_LOST, 0);
	works(msg_put_u8(&m, (uint8_t)b, &e), "a message");
	works(msg_send(w->control, &m, WAIT_MS, &e), "the backend is lost");
}

/* The clock goes on; something has to happen for it to be looked at. */
static void
advance(struct world *w, int64_t ms)
{
	__atomic_add_fetch(ahead, ms, __ATOMIC_SEQ_CST);
	works(set_up(w, ""), "time goes by");
}

/* --- its backends */

static const struct msg_rule rules[] = {
	{ .type = M_CALL, .max_len = CALL_MAX },
	{ .type = M_CALL_PIPE, .max_len = CALL_MAX, .fds = 1 },
	{ .type = M_CALL_LEFT, .max_len = 1 },
	{ .type = M_RPC_STUCK, .max_len = 1 },
	{ 0 },
};

static bool
nothing_comes(int fd)
{
	automsg m;

	return msg_recv(fd, rules, 100, &m, &e) == -ERR_TIMEOUT;
}

/* The next message: of this type, with this body. */
#define arrives(fd, m, want, content, name) \
	do { \
		is_int(msg_recv((fd), rules, WAIT_MS, (m), &e), 1, name); \
		is_int((m)->type, (want), "of its type"); \
		ok(span_eq(buf_span(&(m)->body), SPAN_LIT(content)), "and content"); \
	} while (0)

static void
done(int fd, uint32_t id, const char *body, size_t len)
{
	automsg m;

	msg_init(&m, M_CALL_DONE, id);
	if (msg_put_u8(&m, 0, &e) < 0 || buf_add(&m.body, body, len, &e) < 0)
		abort();
	works(msg_send(fd, &m, WAIT_MS, &e), "an answer");
}

/* Writes so many bytes into the pipe of a call. */
static void
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

static int
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

static void
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

static bool
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
static int
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
static void
responds(int fd, uint32_t want_stream, enum rpc_status want, const char *words, const char *name)
{
	autobuf text = BUF(MIB(1));
	uint32_t stream = 0;

	is_int(response(fd, &stream, &text), want, "%s: %s", name, rpc_status_name(want));
	is_int(stream, want_stream, "on its stream");
	if (!ok(memmem(buf_str(&text), text.len, words, strlen(words)) != NULL, "with its words"))
		printf("# '%s', not '%s'\n", buf_str(&text), words);
}

/* --- tests */

static void
test_doors(void)
{
	struct world w;
	int hub, attestation, old, fd;

	start(&w);
	hub = offer(&w, FACE_HUB, HUB);
	attestation = offer(&w, FACE_ATTESTATION, OTHER);
	old = offer(&w, FACE_KEYPROVIDER, OTHER);
	fd = connect_to(&w, hub);
	call(fd, 1, VERSION, SPAN_LIT(""), 0);
	responds(fd, 1, RPC_UNIMPLEMENTED, "this socket", "our own method at the hub's door");
	call(fd, 3, TEE, SPAN_LIT(""), 0);
	responds(fd, 3, RPC_UNIMPLEMENTED, "this socket", "another's");
	call(fd, 5, "api.SealedSecretService", "UnsealSecret", SPAN_LIT("\x0a\1x"), 0);
	responds(fd, 5, RPC_UNAVAILABLE, "[CDH] [ERROR]: Unseal Secret failed: this version has no sealed secrets", "none yet");
	call(fd, 7, RESOURCE, SPAN_LIT("\x08\1"), 0);
	responds(fd, 7, RPC_INVALID_ARGUMENT, "not a message", "a message that is none");
	call(fd, 9, "api.GetResourceService", "getResource", SPAN_LIT(""), 0);
	responds(fd, 9, RPC_UNIMPLEMENTED, "no such method", "no method");
	close(fd);
	fd = connect_to(&w, attestation);
	call(fd, 1, RESOURCE, SPAN_LIT(URI), 0);
	responds(fd, 1, RPC_UNIMPLEMENTED, "this socket", "a resource at the attestation's door");
	call(fd, 3, "attestation_agent.AttestationAgentService", "GetAdditionalTees", SPAN_LIT(""), 0);
	responds(fd, 3, RPC_OK, "", "what is answered at once");
	close(fd);
	fd = connect_to(&w, old);
	call(fd, 1, RESOURCE, SPAN_LIT(URI), 0);
	responds(fd, 1, RPC_UNIMPLEMENTED, "this socket", "a resource at the key provider's door");
	close(fd);
	ok(nothing_comes(w.control) && nothing_comes(w.key) && nothing_comes(w.tee), "nobody was asked for any of it");
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_backends(void)
{
	struct world w;
	automsg m, lost;
	struct err why;
	int fd;

	start(&w);
	fd = connect_to(&w, offer(&w, FACE_OWN, HUB));
	call(fd, 1, PULL, SPAN_LIT(IMAGE), 0);
	arrives(w.control, &m, M_CALL, "\x07\0\0\0\7busybox\0\0\0\6/run/b", "a pull");
	call(fd, 3, TEE, SPAN_LIT(""), 0);
	call(fd, 5, STATUS, SPAN_LIT(""), 0);
	msg_init(&lost, M_CALL_DONE, m.id);
	(void)(err_set(&why, ERR_POLICY, "why") < 0);
	works(msg_put_u8(&lost, 1, &e), "a refusal");
	works(msg_put_err(&lost, &why, &e), "of it");
	works(msg_send(w.control, &lost, WAIT_MS, &e), "is sent");
	responds(fd, 1, RPC_PERMISSION_DENIED, "Image policy rejected: Denied by policy: why", "a pull that is refused");
	msg_fini(&m);
	arrives(w.tee, &m, M_CALL, "\x05", "which TEE it is");
	done(w.tee, m.id, "\0\0\0\3tdx", 7);
	responds(fd, 3, RPC_OK, "tdx", "is told");
	msg_fini(&m);
	arrives(w.control, &m, M_CALL, "\x08", "the status");
	done(w.control, m.id, "\0\0\0\2{}", 6);
	responds(fd, 5, RPC_OK, "{}", "is told");
	call(fd, 7, VERSION, SPAN_LIT(""), 0);
	responds(fd, 7, RPC_OK, "\"version\"", "the version");
	msg_fini(&m);
	call(fd, 9, TEE, SPAN_LIT(""), 0);
	arrives(w.tee, &m, M_CALL, "\x05", "which TEE it is");
	done(w.tee, m.id, "x", 1);
	responds(fd, 9, RPC_INTERNAL, "cannot be read", "an answer that is none");
	close(fd);
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_pipes(void)
{
	struct world w;
	automsg m;
	int fd;

	start(&w);
	fd = connect_to(&w, offer(&w, FACE_OWN, HUB));
	call(fd, 1, RESOURCE, SPAN_LIT(URI), 0);
	arrives(w.key, &m, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "a resource");
	is_int(write(m.fds[0], "small", 5), 5, "a small one");
	done(w.key, m.id, "", 0);
	responds(fd, 1, RPC_OK, "small", "comes");
	msg_fini(&m);
	call(fd, 3, RESOURCE, SPAN_LIT(URI), 0);
	arrives(w.key, &m, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the next");
	fill(&m, LIMIT_RESOURCE);
	done(w.key, m.id, "", 0);
	responds(fd, 3, RPC_OK, "bytes", "the largest comes");
	msg_fini(&m);
	call(fd, 5, RESOURCE, SPAN_LIT(URI), 0);
	arrives(w.key, &m, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the next");
	fill(&m, LIMIT_RESOURCE);
	is_int(write(m.fds[0], "x", 1), 1, "a byte more");
	responds(fd, 5, RPC_RESOURCE_EXHAUSTED, "larger than", "is too much");
	done(w.key, m.id, "", 0);
	msg_fini(&m);
	call(fd, 7, EVIDENCE, SPAN_LIT("\x0a\3abc"), 0);
	arrives(w.tee, &m, M_CALL_PIPE, "\4\0\0\0\3abc", "evidence");
	fill(&m, CALL_EVIDENCE_MAX);
	done(w.tee, m.id, "", 0);
	responds(fd, 7, RPC_OK, "bytes", "comes, too");
	close(fd);
	is_int(stop(&w), 0, "it ends with its monitor");
}

/* Key gets two at a time, in order; who waits may give up. */
static void
test_depth(void)
{
	struct world w;
	automsg a, b, c;
	int fd;

	start(&w);
	fd = connect_to(&w, offer(&w, FACE_OWN, HUB));
	for (uint32_t stream = 1; stream <= 7; stream += 2)
		call(fd, stream, RESOURCE, SPAN_LIT(URI), stream == 5 ? 1000 : 0);
	arrives(w.key, &a, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the first");
	arrives(w.key, &b, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the second");
	ok(nothing_comes(w.key), "no third");
	advance(&w, 2000);
	responds(fd, 5, RPC_DEADLINE_EXCEEDED, "time", "the third gives up");
	done(w.key, b.id, "", 0);
	responds(fd, 3, RPC_OK, "", "the second is done before the first");
	arrives(w.key, &c, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "then the fourth comes");
	done(w.key, c.id, "", 0);
	responds(fd, 7, RPC_OK, "", "and is done");
	/* The first's time is over; key still has it, and until it says so one place less. */
	advance(&w, 60000);
	responds(fd, 1, RPC_DEADLINE_EXCEEDED, "time", "the first");
	for (uint32_t stream = 9; stream <= 11; stream += 2)
		call(fd, stream, RESOURCE, SPAN_LIT(URI), 0);
	msg_fini(&c);
	arrives(w.key, &c, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "one more");
	ok(nothing_comes(w.key), "and only one");
	is_int(write(a.fds[0], "x", 1), -1, "nobody reads what was given up");
	done(w.key, a.id, "", 0);
	msg_fini(&b);
	arrives(w.key, &b, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the next");
	close(fd);
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_left(void)
{
	struct world w;
	automsg a, b, left;
	int fd, hub;

	start(&w);
	hub = offer(&w, FACE_HUB, HUB);
	fd = connect_to(&w, hub);
	call(fd, 1, PULL, SPAN_LIT(IMAGE), 1000);
	arrives(w.control, &a, M_CALL, "\x07\0\0\0\7busybox\0\0\0\6/run/b", "a pull");
	msg_init(&left, 0, 0);
	__atomic_add_fetch(ahead, 2000, __ATOMIC_SEQ_CST);
	call(fd, 3, PULL, SPAN_LIT(IMAGE), 0);
	for (int i = 0; i < 2; i++) {
		automsg m;

		is_int(msg_recv(w.control, rules, WAIT_MS, &m, &e), 1, "a message");
		if (m.type == M_CALL_LEFT)
			ok(m.id == a.id && span_eq(buf_span(&m.body), SPAN_LIT("\0")), "the first pull's time is over");
		else
			b.id = m.id;
	}
	responds(fd, 1, RPC_DEADLINE_EXCEEDED, "time", "the caller is told");
	done(w.control, a.id, "\0\0\0\x09sha256:ab", 13);
	call(fd, 5, "api.SealedSecretService", "UnsealSecret", SPAN_LIT(""), 0);
	responds(fd, 5, RPC_UNAVAILABLE, "sealed", "the late answer is passed over");
	close(fd);
	arrives(w.control, &left, M_CALL_LEFT, "\1", "the caller of the second is gone");
	is_int(left.id, b.id, "it is that");
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_lost(void)
{
	struct world w;
	automsg a, b, c, stuck;
	int fd;

	start(&w);
	fd = connect_to(&w, offer(&w, FACE_OWN, HUB));
	for (uint32_t stream = 1; stream <= 5; stream += 2)
		call(fd, stream, RESOURCE, SPAN_LIT(URI), 0);
	arrives(w.key, &a, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the first");
	arrives(w.key, &b, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the second");
	lose(&w, BACKEND_KEY);
	responds(fd, 1, RPC_UNAVAILABLE, "died", "the first");
	responds(fd, 3, RPC_UNAVAILABLE, "died", "the second");
	arrives(w.key, &c, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the third goes to the next one");
	done(w.key, a.id, "", 0);
	is_int(write(c.fds[0], "third", 5), 5, "which answers");
	done(w.key, c.id, "", 0);
	responds(fd, 5, RPC_OK, "third", "what is late is passed over");

	call(fd, 7, RESOURCE, SPAN_LIT(URI), 10);
	msg_fini(&a);
	arrives(w.key, &a, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "another");
	responds(fd, 7, RPC_DEADLINE_EXCEEDED, "time", "gives up soon");
	advance(&w, 60000);
	ok(nothing_comes(w.control), "key may take longer than that");
	advance(&w, 5000);
	arrives(w.control, &stuck, M_RPC_STUCK, "\1", "but not for ever");
	advance(&w, 5000);
	ok(nothing_comes(w.control), "it is told once");
	lose(&w, BACKEND_KEY);
	call(fd, 9, RESOURCE, SPAN_LIT(URI), 0);
	msg_fini(&b);
	arrives(w.key, &b, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the next one works");
	done(w.key, b.id, "", 0);
	responds(fd, 9, RPC_OK, "", "again");
	lose(&w, BACKEND_TEE);
	call(fd, 11, VERSION, SPAN_LIT(""), 0);
	responds(fd, 11, RPC_OK, "version", "tee was not even there");
	close(fd);
	close(w.key);
	w.key = -1;
	is_int(stop(&w), 1, "without its key socket it ends");
}

/* Is the connection closed by the other side? */
static bool
is_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, WAIT_MS) == 1 && read(fd, &byte, 1) <= 0;
}

static void
test_owners(void)
{
	struct world w;
	int hub, other, a, b, late;
	struct sockaddr_un address;
	automsg m;
	socklen_t len;

	start(&w);
	hub = offer(&w, FACE_HUB, HUB);
	other = offer(&w, FACE_OWN, OTHER);
	a = connect_to(&w, hub);
	b = connect_to(&w, other);
	msg_init(&m, M_RPC_CLOSE, 0);
	works(msg_put_u32(&m, HUB, &e), "a message");
	works(order(&w, &m), "the hub's owner goes");
	ok(is_closed(a), "its callers are closed");
	call(b, 1, VERSION, SPAN_LIT(""), 0);
	responds(b, 1, RPC_OK, "version", "others stay");
	late = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	len = address_of(&w, hub, &address);
	ok(connect(late, (struct sockaddr *)&address, len) < 0, "its socket is closed");
	close(a);
	close(b);
	close(late);
	for (int i = 0; i < CALLERS_LISTENERS + 3; i++) {
		msg_fini(&m);
		msg_init(&m, M_RPC_CLOSE, 0);
		if (msg_put_u32(&m, HUB, &e) < 0)
			abort();
		(void)offer(&w, FACE_HUB, HUB);
		works(order(&w, &m), "open and closed");
	}
	is_int(stop(&w), 0, "it ends with its monitor");
}

static int
crowd(struct world *w, int door, int fds[CALLERS_LOCAL + 1])
{
	int closed = 0;

	for (int i = 0; i <= CALLERS_LOCAL; i++) {
		fds[i] = connect_to(w, door);
		call(fds[i], 1, VERSION, SPAN_LIT(""), 0);
		if (i < CALLERS_LOCAL)
			responds(fds[i], 1, RPC_OK, "version", "one of many");
	}
	for (int i = 0; i <= CALLERS_LOCAL; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLIN };
		char bytes[100];

		if (poll(&p, 1, i == 0 || i == CALLERS_LOCAL ? 500 : 0) == 1)
			closed += read(fds[i], bytes, sizeof(bytes)) <= 0;
	}
	return closed;
}

static void
test_crowd(void)
{
	int fds[CALLERS_LOCAL + 1], door, other, fd;
	struct world w;

	start(&w);
	door = offer(&w, FACE_OWN, HUB);
	other = offer(&w, FACE_OWN, OTHER);
	is_int(crowd(&w, door, fds), 1, "one too many: one had to go");
	ok(is_closed(fds[0]), "the one that was idle for longest");
	for (int i = 0; i <= CALLERS_LOCAL; i++)
		close(fds[i]);
	works(set_up(&w, "pull"), "a daemon");
	is_int(crowd(&w, door, fds), 1, "one too many");
	ok(is_closed(fds[CALLERS_LOCAL]), "it is the new one");
	fd = connect_to(&w, other);
	call(fd, 1, VERSION, SPAN_LIT(""), 0);
	responds(fd, 1, RPC_OK, "version", "at another socket there is room");
	close(fd);
	for (int i = 0; i <= CALLERS_LOCAL; i++)
		close(fds[i]);
	fails(set_up(&w, "pull\nevidence"), ERR_CONFIG, "a word that is none");
	is_int(stop(&w), 0, "it ends with its monitor");
}

/* 64 calls of one connection at a time, and no more. */
static void
test_flight(void)
{
	struct world w;
	automsg m;
	int fd, got = 0;

	start(&w);
	fd = connect_to(&w, offer(&w, FACE_OWN, HUB));
	for (uint32_t i = 0; i < 65; i++)
		call(fd, 2 * i + 1, PULL, SPAN_LIT(IMAGE), 0);
	responds(fd, 129, RPC_RESOURCE_EXHAUSTED, "too many", "one too many");
	while (msg_recv(w.control, rules, 300, &m, &e) == 1) {
		got++;
		done(w.control, m.id, "\0\0\0\x09sha256:ab", 13);
		msg_fini(&m);
	}
	is_int(got, 64, "all others are under way at once");
	for (uint32_t i = 0; i < 64; i++)
		responds(fd, 2 * i + 1, RPC_OK, "sha256:ab", "one of them");
	close(fd);
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_uids(void)
{
	struct world w;
	int door, status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		skip("not root", "a caller of another uid");
		return;
	}
	start(&w);
	door = offer(&w, FACE_OWN, HUB);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (setuid(65534) < 0)
			_exit(2);
		_exit(is_closed(connect_to(&w, door)) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "a caller of another uid is closed at once");
	is_int(stop(&w), 0, "it ends with its monitor");
}

/* --- with the key role behind it */

static void
give_file(int control, uint8_t which, const char *text)
{
	autoclose int fd = memfd_create("file", MFD_CLOEXEC);
	automsg m;

	if (write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	msg_init(&m, M_FILE, 0);
	works(msg_put_u8(&m, which, &e), "a file");
	msg_put_fd(&m, fd);
	works(msg_send(control, &m, WAIT_MS, &e), "is given");
}

static void
set_up_key(int control)
{
	automsg m;

	msg_init(&m, M_KEY_SETUP, 0);
	if (msg_put_str(&m, "offline_fs_kbc::null", &e) < 0 || msg_put_u8(&m, 0, &e) < 0)
		abort();
	works(msg_send(control, &m, WAIT_MS, &e), "key is set up");
	give_file(control, 0, "{}");
	give_file(control, 1, "{\"default/key/1\":\"c2VjcmV0\",\"default/security-policy/test\":\"cG9saWN5\"}");
}

static void
test_key(void)
{
	int control[2], dummy[2], key[2], status = -1, fd, old;
	struct world w;
	pid_t pid;

	start(&w);
	if (msg_pair(control, &e) < 0 || msg_pair(dummy, &e) < 0 || msg_pair(key, &e) < 0)
		abort();
	/* key at the other end of rpc's socket: that is the one which this test has */
	pid = run_role(&role_key, (int[]){ control[1], dummy[1], w.key }, 3);
	close(control[1]);
	close(key[0]);
	close(key[1]);
	set_up_key(control[0]);
	fd = connect_to(&w, offer(&w, FACE_HUB, HUB));
	call(fd, 1, RESOURCE, SPAN_LIT(URI), 0);
	responds(fd, 1, RPC_OK, "secret", "a resource");
	call(fd, 3, RESOURCE, SPAN_LIT("\x0a\x14kbs:///default/key/2"), 0);
	responds(fd, 3, RPC_NOT_FOUND, "[CDH] [ERROR]: Get Resource failed", "one that is not there");
	call(fd, 5, RESOURCE, SPAN_LIT("\x0a\5/a/b/"), 0);
	responds(fd, 5, RPC_INVALID_ARGUMENT, "", "no URI");
	old = connect_to(&w, offer(&w, FACE_GETRESOURCE, HUB));

	call(old, 1, OLD, SPAN_LIT("\x0a\x0e/default/key/1\x12\x0eoffline_fs_kbc\x1a\x09localhost"), 0);
	responds(old, 1, RPC_OK, "secret", "the old form");
	call(old, 3, OLD, SPAN_LIT("\x0a\x0eoffline_fs_kbc\x12\4null\x1a\x11{\"name\":\"Policy\"}"), 0);
	responds(old, 3, RPC_OK, "policy", "the oldest");
	call(old, 5, OLD, SPAN_LIT("\x0a\x0e/default/key/1\x12\x0eoffline_fs_kbc"), 0);
	responds(old, 5, RPC_OK, "secret", "without an address");
	call(old, 7, OLD, SPAN_LIT("\x0a\x0e/default/key/1\x12\x0eoffline_fs_kbc\x1a\4host"), 0);
	responds(old, 7, RPC_FAILED_PRECONDITION, "offline_fs_kbc::host, and offline_fs_kbc::null", "at another address");
	call(old, 9, OLD, SPAN_LIT("\x0a\x0e/default/key/1\x12\6cc_kbc\x1a\4null"), 0);
	responds(old, 9, RPC_FAILED_PRECONDITION, "cc_kbc::null", "another broker");
	close(fd);
	close(old);
	close(control[0]);
	is_int(stop(&w), 0, "rpc ends with its monitor");
	waitpid(pid, &status, 0);
	is_int(status, 0, "and key");
	close(dummy[0]);
	close(dummy[1]);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	ahead = mmap(NULL, sizeof(*ahead), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ahead == MAP_FAILED)
		return 1;
	test_doors();
	test_backends();
	test_pipes();
	test_depth();
	test_left();
	test_lost();
	test_owners();
	test_crowd();
	test_flight();
	test_uids();
	test_key();
	return tap_done();
}
