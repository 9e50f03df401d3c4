/*
 * rpc.c: the role that callers talk to. It takes their frames apart and passes what is in them to key, in whose place
 * it holds no keys; its sockets come open from the monitor, and it cannot connect to anything.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include <poll.h>

#include "agent/callers.h"
#include "keyprovider/keyprovider.pb-c.h"
#include "keyprovider/protocol.h"
#include "lib/fs.h"
#include "lib/pb.h"
#include "lib/sys.h"

#define SERVICE		"keyprovider.KeyProviderService"
#define ENVELOPE	64	/* of a message around its JSON */
#define CALLS		64	/* of all callers together; each holds its request in secret memory */
#define CALLS_OF_ONE	16
#define CALLS_AT_KEY	2	/* key serves one after the other: the next one is always there */
#define CALL_MS		60000	/* where the caller sets no time */

static const struct rpc_method methods[] = {
	{ SERVICE, "WrapKey", PROVIDER_WRAP },
	{ SERVICE, "UnWrapKey", PROVIDER_UNWRAP },
	{ NULL, NULL, 0 },
};

struct call {
	uint32_t	 id;		/* 0: free; the lowest has waited for longest */
	struct caller	*caller;
	uint32_t	 stream;
	enum provider_op op;
	int64_t		 deadline;
	bool		 sent;		/* to key; json is empty then */
	struct buf	 json;		/* secret */
};

struct rpc {
	struct loop	*loop;
	struct callers	*callers;
	struct call	 calls[CALLS];
	uint32_t	 last_id;
	unsigned	 at_key;	/* calls that key has not answered, wanted or not */
	struct err	*err;		/* of serve */
	int		 rc;
};

static void on_deadline(void *arg);

static void
stop(struct rpc *r, int rc)
{
	r->rc = rc;
	loop_stop(r->loop);
}

static void
forget(struct call *c)
{
	buf_free(&c->json);
	*c = (struct call){ 0 };
}

static void
watch_deadlines(struct rpc *r)
{
	int64_t first = -1;
	int rc;

	for (size_t i = 0; i < CALLS; i++)
		if (r->calls[i].id != 0 && (first < 0 || r->calls[i].deadline < first))
			first = r->calls[i].deadline;
	rc = loop_timer(r->loop, first < 0 ? -1 : MAX(first - sys_now_ms(), 0), on_deadline, r, r->err);
	if (rc < 0)
		stop(r, rc);
}

static int
send_call(int key, uint32_t id, enum provider_op op, struct span json, int timeout_ms, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_CALL, id);
	m.body.secret = true;
	rc = msg_put_u8(&m, (uint8_t)op, e);
	if (rc == 0)
		rc = msg_put_bytes(&m, json, e);
	return rc < 0 ? rc : msg_send(key, &m, timeout_ms, e);
}

static struct call *
longest_waiting(struct rpc *r)
{
	struct call *next = NULL;

	for (size_t i = 0; i < CALLS; i++) {
		struct call *c = &r->calls[i];

		if (c->id != 0 && !c->sent && (next == NULL || c->id < next->id))
			next = c;
	}
	return next;
}

/* Gives key the next calls. */
static void
pass_on(struct rpc *r)
{
	struct call *c;

	while (r->at_key < CALLS_AT_KEY && (c = longest_waiting(r)) != NULL) {
		struct err e = { 0 };
		int rc = send_call(RPC_FD_KEY, c->id, c->op, buf_span(&c->json), 0, &e);

		if (rc == -ERR_TIMEOUT && r->at_key > 0)
			break;	/* no room in the socket; key's next answer makes some */
		if (rc < 0) {
			*r->err = e;
			stop(r, rc);
			break;
		}
		buf_free(&c->json);
		c->sent = true;
		r->at_key++;
	}
	watch_deadlines(r);
}

static void
on_deadline(void *arg)
{
	struct rpc *r = arg;
	int64_t now = sys_now_ms();

	for (size_t i = 0; i < CALLS; i++) {
		struct call c = r->calls[i];

		if (c.id == 0 || c.deadline > now)
			continue;
		forget(&r->calls[i]);
		caller_refuse(c.caller, c.stream, RPC_DEADLINE_EXCEEDED, "no answer in time");
	}
	watch_deadlines(r);
}

static int
keep_call(struct rpc *r, struct call *c, struct span message, struct err *e)
{
	autopb pb = { 0 };
	struct span json;
	int rc = pb_parse(message, &keyprovider__json__descriptor, "the message", &pb, e);

	if (rc < 0)
		return rc;
	json = pb_span(((const Keyprovider__Json *)pb.message)->text);
	if (json.len > LIMIT_PROVIDER_JSON)
		return err_set(e, ERR_LIMIT, "the request is too large");
	c->json = (struct buf)BUF_SECRET(MAX(json.len, 1));
	rc = buf_add_span(&c->json, json, e);
	if (rc < 0)
		return rc;
	if (++r->last_id == 0)	/* 0 is that of no call */
		r->last_id = 1;
	c->id = r->last_id;
	return 0;
}

static void
on_call(void *arg, struct caller *caller, uint32_t stream, int method, int64_t timeout_ms, struct span message)
{
	struct rpc *r = arg;
	struct call *c = r->calls;
	struct err e = { 0 };

	while (c < r->calls + CALLS && c->id != 0)
		c++;
	if (c == r->calls + CALLS) {
		caller_refuse(caller, stream, RPC_RESOURCE_EXHAUSTED, "too many calls at a time");
		return;
	}
	*c = (struct call){
		.caller = caller,
		.stream = stream,
		.op = (enum provider_op)method,
		.deadline = sys_now_ms() + (timeout_ms >= 0 && timeout_ms < CALL_MS ? timeout_ms : CALL_MS),
	};
	if (keep_call(r, c, message, &e) < 0) {
		forget(c);
		caller_refuse(caller, stream, rpc_status_of(e.code), e.msg);
		return;
	}
	pass_on(r);
}

static void
on_gone(void *arg, struct caller *caller, uint32_t stream)
{
	struct rpc *r = arg;

	for (size_t i = 0; i < CALLS; i++) {
		struct call *c = &r->calls[i];

		if (c->id != 0 && c->caller == caller && (stream == 0 || stream == c->stream))
			forget(c);
	}
}

/* --- key's answers */

static const struct msg_rule key_rules[] = {
	{ .type = M_CALL_DONE, .max_len = LIMIT_PROVIDER_JSON + 8, .secret = true }, { 0 },
};

static void
answer(const struct call *c, struct span json)
{
	autobuf message = BUF_SECRET(LIMIT_PROVIDER_JSON + ENVELOPE);
	Keyprovider__Json m = KEYPROVIDER__JSON__INIT;
	struct err e = { 0 };

	m.text = pb_bytes(json);
	if (pb_format(&m.base, &message, &e) < 0)
		caller_refuse(c->caller, c->stream, rpc_status_of(e.code), e.msg);
	else
		caller_answer(c->caller, c->stream, buf_span(&message));
}

/* The answer's JSON, or -err with key's error in *failed; -ERR_PROTO in *failed where it cannot be read. */
static int
read_answer(const struct msg *m, struct span *json, struct err *failed)
{
	struct msg_reader in = msg_reader(m);
	int rc = role_verdict(&in, failed);

	if (rc < 0)
		return rc;
	*json = msg_get_bytes(&in, LIMIT_PROVIDER_JSON);
	return msg_get_end(&in) ? 0 : err_set(failed, ERR_PROTO, "answer that cannot be read");
}

static void
take_answer(struct rpc *r, const struct msg *m)
{
	struct err failed = { 0 };
	struct span json;
	int rc = read_answer(m, &json, &failed);

	r->at_key--;
	for (size_t i = 0; i < CALLS; i++) {
		struct call c = r->calls[i];

		if (c.id == 0 || c.id != m->id)
			continue;
		forget(&r->calls[i]);
		if (rc < 0)
			caller_refuse(c.caller, c.stream, rpc_status_of(failed.code), failed.msg);
		else
			answer(&c, json);
		break;
	}
	pass_on(r);
}

static void
on_key(void *arg, int fd, maybe_unused short revents)
{
	struct rpc *r = arg;
	automsg m;
	int rc = msg_recv(fd, key_rules, 0, &m, r->err);

	if (rc > 0 && r->at_key > 0)
		take_answer(r, &m);
	else if (rc > 0)
		stop(r, err_set(r->err, ERR_PROTO, "an answer to nothing"));
	else if (rc == 0)
		stop(r, err_set(r->err, ERR_CRASH, "the key process is gone"));
	else if (rc != -ERR_TIMEOUT)
		stop(r, rc);
}

/* --- one request on a pipe: ocicrypt's "cmd" */

static int
serve_pipe(int in, int out, struct err *e)
{
	autobuf json = BUF_SECRET(LIMIT_PROVIDER_JSON);
	struct span reply = { 0 };
	automsg m;
	int rc = fs_read_fd(in, "the request", &json, e);

	msg_init(&m, 0, 0);
	if (rc == 0)
		rc = send_call(RPC_FD_KEY, 1, PROVIDER_AS_ASKED, buf_span(&json), -1, e);
	if (rc < 0)
		return rc;
	rc = msg_recv(RPC_FD_KEY, key_rules, -1, &m, e);
	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CRASH, "the key process is gone");
	rc = read_answer(&m, &reply, e);
	if (rc == 0 && sys_write_all(out, reply.p, reply.len) < 0)
		rc = err_sys(e, "standard output");
	return rc;
}

/* --- the monitor */

static int
take_listener(struct rpc *r, struct msg *m, struct err *e)
{
	struct msg_reader in = msg_reader(m);
	uint8_t transport = msg_get_u8(&in);
	int rc;

	if (!msg_get_end(&in) || (transport != PROVIDER_GRPC && transport != PROVIDER_TTRPC))
		return err_set(e, ERR_PROTO, "listening socket");
	rc = callers_listen(r->callers, m->fds[0], transport == PROVIDER_GRPC ? grpc_server_new : ttrpc_server_new, e);
	if (rc == 0)
		m->fds[0] = -1;
	return rc;
}

static void
on_control(void *arg, int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_RPC_LISTEN, .max_len = 1, .fds = 1 },
		{ .type = M_RPC_PIPE, .fds = 2 },
		{ 0 },
	};
	struct rpc *r = arg;
	struct err failed = { 0 };
	automsg m;
	int rc = msg_recv(fd, rules, 0, &m, r->err);

	if (rc > 0) {
		rc = m.type == M_RPC_PIPE ? serve_pipe(m.fds[0], m.fds[1], &failed) : take_listener(r, &m, &failed);
		rc = role_answer(fd, M_RPC_DONE, m.id, rc < 0 ? &failed : NULL, r->err);
	} else if (rc == 0) {
		stop(r, 0);
	}
	if (rc < 0 && rc != -ERR_TIMEOUT)
		stop(r, rc);
}

static int
serve_with(struct rpc *r, struct err *e)
{
	const struct callers_options opt = {
		.loop = r->loop,
		.methods = methods,
		.max_message = LIMIT_PROVIDER_JSON + ENVELOPE,
		.max_calls = CALLS_OF_ONE,
		.call = on_call,
		.gone = on_gone,
		.arg = r,
	};
	int rc = callers_new(&opt, &r->callers, e);

	if (rc == 0)
		rc = loop_watch(r->loop, RPC_FD_KEY, POLLIN, on_key, r, e);
	if (rc == 0)
		rc = loop_watch(r->loop, FD_CONTROL, POLLIN, on_control, r, e);
	return rc < 0 ? rc : loop_run(r->loop, e);
}

static int
serve(struct err *e)
{
	struct rpc r = { .err = e };
	int rc = loop_new(&r.loop, e);

	if (rc == 0)
		rc = serve_with(&r, e);
	callers_free(r.callers);
	loop_free(r.loop);
	for (size_t i = 0; i < CALLS; i++)
		forget(&r.calls[i]);
	return rc < 0 ? rc : r.rc;
}

const struct role_ops role_rpc = {
	.name = "rpc",
	.uid = UID_RPC,
	.words = WORD(STDIO) | WORD(FDPASS) | WORD(ACCEPT),
	.max_files = CALLERS_MAX + CALLERS_LISTENERS + 32,
	.secrets = true,
	.serve = serve,
};
