/*
 * rpc.c: the role that callers talk to. It takes their frames apart and passes what is in them to key, tee and the monitor, in
 * whose place it holds no keys and has no rights; its sockets come open from the monitor, and it cannot connect to anything.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include <fcntl.h>
#include <poll.h>

#include "agent/calls.h"
#include "keyprovider/protocol.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define ENVELOPE	64	/* of a message around its JSON */
#define CALLS_OF_ONE	64
#define PAUSE_MS	50
#define PIPES		8	/* large answers under way, and those given up whose backend still writes */

struct rpc {
	struct loop	*loop;
	struct callers	*callers;
	struct calls	*calls;
	struct err	*err;		/* of serve */
	int		 rc;
};

static void
stop(struct rpc *r, int rc)
{
	r->rc = rc;
	loop_stop(r->loop);
}

static void
on_broken(void *arg, const struct err *e)
{
	struct rpc *r = arg;

	*r->err = *e;
	stop(r, -(int)e->code);
}

/* --- callers */

static void
on_call(void *arg, struct caller *caller, uint32_t stream, int method, int64_t timeout_ms, struct span message)
{
	struct rpc *r = arg;

	calls_call(r->calls, caller, stream, method, timeout_ms, message);
}

static void
on_gone(void *arg, struct caller *caller, uint32_t stream)
{
	struct rpc *r = arg;

	calls_gone(r->calls, caller, stream);
}

/* --- key and tee */

static const struct msg_rule key_rules[] = {
	{ .type = M_CALL_DONE, .max_len = CALL_MAX, .secret = true }, { 0 },
};

static const struct msg_rule tee_rules[] = {
	{ .type = M_CALL_DONE, .max_len = KIB(1) }, { 0 },
};

static void on_backend(void *arg, int fd, short revents);

static void
on_pause_over(void *arg)
{
	struct rpc *r = arg;
	int rc = loop_watch(r->loop, RPC_FD_KEY, POLLIN, on_backend, r, r->err);

	if (rc < 0)
		stop(r, rc);
}

/* There is no memory for secrets, since callers hold it just now: the answer waits. */
static int
pause_key(struct rpc *r)
{
	int rc = loop_watch(r->loop, RPC_FD_KEY, 0, on_backend, r, r->err);

	return rc < 0 ? rc : loop_timer(r->loop, PAUSE_MS, on_pause_over, r, r->err);
}

static void
on_backend(void *arg, int fd, maybe_unused short revents)
{
	bool key = fd == RPC_FD_KEY;
	struct rpc *r = arg;
	automsg m;
	int rc = msg_recv(fd, key ? key_rules : tee_rules, 0, &m, r->err);

	if (rc > 0)
		calls_done(r->calls, key ? BACKEND_KEY : BACKEND_TEE, &m);
	else if (rc == 0)
		rc = err_set(r->err, ERR_CRASH, "the %s process is gone", key ? "key" : "tee");
	else if (rc == -ERR_NOMEM && key)
		rc = pause_key(r);
	if (rc < 0 && rc != -ERR_TIMEOUT)
		stop(r, rc);
}

/* --- one request on a pipe: ocicrypt's "cmd" */

static int
serve_pipe(int in, int out, struct err *e)
{
	autobuf json = BUF_SECRET(LIMIT_PROVIDER_JSON);
	struct span reply = { 0 };
	struct msg_reader r;
	automsg ask, m;
	int rc = fs_read_fd(in, "the request", &json, e);

	msg_init(&m, 0, 0);
	msg_init(&ask, M_CALL, 1);
	ask.body.secret = true;
	if (rc == 0)
		rc = msg_put_u8(&ask, CALL_AS_ASKED, e);
	if (rc == 0)
		rc = msg_put_bytes(&ask, buf_span(&json), e);
	if (rc == 0)
		rc = msg_send(RPC_FD_KEY, &ask, -1, e);
	if (rc < 0)
		return rc;
	rc = msg_recv(RPC_FD_KEY, key_rules, -1, &m, e);
	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CRASH, "the key process is gone");
	r = msg_reader(&m);
	rc = role_verdict(&r, e);
	if (rc < 0)
		return rc;
	reply = msg_get_bytes(&r, LIMIT_PROVIDER_JSON);
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "answer that cannot be read");
	if (sys_write_all(out, reply.p, reply.len) < 0)
		rc = err_sys(e, "standard output");
	return rc;
}

/* --- the monitor */

static int
take_listener(struct rpc *r, struct msg *m, struct err *e)
{
	struct msg_reader in = msg_reader(m);
	uint8_t transport = msg_get_u8(&in), faces = msg_get_u8(&in);
	uint32_t owner = msg_get_u32(&in);
	int rc;

	if (!msg_get_end(&in) || (transport != PROVIDER_GRPC && transport != PROVIDER_TTRPC))
		return err_set(e, ERR_PROTO, "listening socket");
	rc = callers_listen(r->callers, m->fds[0], transport == PROVIDER_GRPC ? grpc_server_new : ttrpc_server_new,
	    services_of(faces), owner, e);
	if (rc == 0)
		m->fds[0] = -1;
	return rc;
}

static int
set_up(struct rpc *r, const struct msg *m, struct err *e)
{
	struct msg_reader in = msg_reader(m);
	char words[256];
	uint64_t methods;
	uint8_t log_all;
	int rc;

	msg_get_str(&in, words, sizeof(words));
	log_all = msg_get_u8(&in);
	if (!msg_get_end(&in))
		return err_set(e, ERR_PROTO, "set-up");
	rc = services_by_words(words, &methods, e);
	if (rc < 0)
		return rc;
	callers_set_host(r->callers, methods);
	callers_keep_idle(r->callers);
	calls_log_all(r->calls, log_all != 0);
	return 0;
}

static int
close_face(struct rpc *r, const struct msg *m, struct err *e)
{
	struct msg_reader in = msg_reader(m);
	uint32_t owner = msg_get_u32(&in);

	if (!msg_get_end(&in))
		return err_set(e, ERR_PROTO, "owner");
	callers_close(r->callers, owner);
	return 0;
}

static int
lose(struct rpc *r, const struct msg *m, struct err *e)
{
	struct msg_reader in = msg_reader(m);
	uint8_t backend = msg_get_u8(&in);

	if (!msg_get_end(&in) || (backend != BACKEND_KEY && backend != BACKEND_TEE))
		return err_set(e, ERR_PROTO, "backend");
	calls_lost(r->calls, (enum backend)backend);
	return 0;
}

/* What is answered by M_RPC_DONE. */
static int
do_order(struct rpc *r, struct msg *m, struct err *e)
{
	switch (m->type) {
	case M_RPC_LISTEN:
		return take_listener(r, m, e);
	case M_RPC_SETUP:
		return set_up(r, m, e);
	case M_RPC_CLOSE:
		return close_face(r, m, e);
	default:
		return serve_pipe(m->fds[0], m->fds[1], e);
	}
}

static int
take_message(struct rpc *r, struct msg *m, struct err *e)
{
	struct err failed = { 0 };
	int rc;

	if (m->type == M_CALL_DONE) {
		calls_done(r->calls, BACKEND_MONITOR, m);
		return 0;
	}
	if (m->type == M_RPC_LOST)
		return lose(r, m, e);
	rc = do_order(r, m, &failed);
	return role_answer(FD_CONTROL, M_RPC_DONE, m->id, rc < 0 ? &failed : NULL, e);
}

static void
on_control(void *arg, int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_RPC_LISTEN, .max_len = 6, .fds = 1 },
		{ .type = M_RPC_PIPE, .fds = 2 },
		{ .type = M_RPC_SETUP, .max_len = 300 },
		{ .type = M_RPC_CLOSE, .max_len = 4 },
		{ .type = M_RPC_LOST, .max_len = 1 },
		{ .type = M_CALL_DONE, .max_len = CALL_MAX },
		{ 0 },
	};
	struct rpc *r = arg;
	automsg m;
	int rc = msg_recv(fd, rules, 0, &m, r->err);

	if (rc > 0)
		rc = take_message(r, &m, r->err);
	else if (rc == 0)
		stop(r, 0);
	if (rc < 0 && rc != -ERR_TIMEOUT)
		stop(r, rc);
}

/* --- the role */

/* Its number is free for what is received, where the monitor has left it closed. */
static int
if_open(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

static int
make_parts(struct rpc *r, struct err *e)
{
	const struct calls_options calls = {
		.loop = r->loop,
		.fd = {
			[BACKEND_NONE] = -1, [BACKEND_HERE] = -1, [BACKEND_KEY] = RPC_FD_KEY,
			[BACKEND_TEE] = if_open(RPC_FD_TEE), [BACKEND_MONITOR] = FD_CONTROL,
		},
		.broken = on_broken,
		.arg = r,
	};
	const struct callers_options callers = {
		.loop = r->loop,
		.methods = services_methods(),
		.max_message = LIMIT_PROVIDER_JSON + ENVELOPE,
		.max_answer = SERVICES_ANSWER,
		.max_calls = CALLS_OF_ONE,
		.call = on_call,
		.gone = on_gone,
		.arg = r,
	};
	int rc = calls_new(&calls, &r->calls, e);

	if (rc == 0)
		rc = callers_new(&callers, &r->callers, e);
	if (rc == 0)
		rc = loop_watch(r->loop, RPC_FD_KEY, POLLIN, on_backend, r, e);
	if (rc == 0 && calls.fd[BACKEND_TEE] >= 0)
		rc = loop_watch(r->loop, RPC_FD_TEE, POLLIN, on_backend, r, e);
	return rc < 0 ? rc : loop_watch(r->loop, FD_CONTROL, POLLIN, on_control, r, e);
}

static int
serve(struct err *e)
{
	struct rpc r = { .err = e };
	int rc = loop_new(&r.loop, e);

	if (rc == 0)
		rc = make_parts(&r, e);
	if (rc == 0)
		rc = loop_run(r.loop, e);
	callers_free(r.callers);
	calls_free(r.calls);
	loop_free(r.loop);
	return rc < 0 ? rc : r.rc;
}

const struct role_ops role_rpc = {
	.name = "rpc",
	.uid = UID_RPC,
	.words = WORD(STDIO) | WORD(FDPASS) | WORD(ACCEPT),
	.max_files = CALLERS_MAX + CALLERS_LISTENERS + PIPES + 32,
	.secrets = true,
	.serve = serve,
};
