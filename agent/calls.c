/* calls.c: see calls.h. */
#include "lib/base.h"

#include "agent/calls.h"

#include <fcntl.h>
#include <poll.h>

#include "lib/sys.h"

#define STUCK_MS	5000	/* after the most time that a call may have */
#define SEND_MS		5000	/* for the monitor to take what it must not miss */
#define WHY		700	/* an error with the words before it */
/* The shared ones, one for each caller, and a few that a backend still has though their caller is gone. */
#define PLACES		(CALLS_MAX + CALLERS_MAX + 8)
#define LATE_MAX	16	/* as many as there are pulls at a time */

/* key and tee serve one after the other: the next one is always there. The monitor serves all at once. */
static const unsigned depths[BACKEND_COUNT] = { [BACKEND_KEY] = 2, [BACKEND_TEE] = 2, [BACKEND_MONITOR] = 64 };

struct request {
	uint32_t		 id;		/* 0: free; the lowest has waited for longest */
	const struct service	*row;
	struct caller		*caller;	/* NULL: nobody waits any more, but the backend has it */
	uint32_t		 stream;
	int64_t			 since, deadline;
	int64_t			 stuck;		/* when its backend should have answered long ago; -1: that was told */
	bool			 shared;	/* its caller had others in flight: one of CALLS_MAX */
	bool			 sent;		/* to the backend; ask is empty then */
	struct buf		 ask;		/* of M_CALL */
	int			 pipe;		/* read end; -1: none */
	struct buf		 bytes;		/* what came through it */
};

struct calls {
	struct calls_options	 opt;
	struct request		 calls[PLACES];
	/* Calls of the monitor whose time was over, for when their connections are closed; the oldest is forgotten. */
	struct late {
		uint32_t	 id;		/* 0: free */
		struct caller	*caller;
	}			 late[LATE_MAX];
	unsigned		 nlate;		/* that there ever were */
	uint32_t		 last_id;
	bool			 log_all;
};

static void on_time(void *arg);

/* --- the end of a call */

static void
forget(struct calls *cs, struct request *c)
{
	if (c->pipe >= 0)
		loop_unwatch(cs->opt.loop, c->pipe);
	base_close(&c->pipe);
	buf_free(&c->ask);
	buf_free(&c->bytes);
	*c = (struct request){ .pipe = -1 };
}

static void
log_call(const struct calls *cs, const struct request *c, const char *how)
{
	log_msg(cs->log_all ? LOG_INFO : LOG_DEBUG, "%s/%s for %s: %s, %" PRId64 " ms", c->row->method.service,
	    c->row->method.name, caller_name(c->caller), how, sys_now_ms() - c->since);
}

/* What a caller is told may be the end of it: then calls_gone comes, for its other calls. So the call itself goes first. */
static void
refuse(struct calls *cs, struct request *c, enum rpc_status status, const struct err *why)
{
	struct request was = *c;
	char text[WHY];

	if (was.caller == NULL) {
		forget(cs, c);
		return;
	}
	log_call(cs, c, rpc_status_name(status));
	forget(cs, c);
	services_explain(was.row, why, text, sizeof(text));
	caller_refuse(was.caller, was.stream, status, text);
}

static void
answer(struct calls *cs, struct request *c, struct span message)
{
	struct request was = *c;

	log_call(cs, c, "OK");
	forget(cs, c);
	caller_answer(was.caller, was.stream, message);
}

static void
refuse_as(struct calls *cs, struct request *c, enum rpc_status status, const char *why)
{
	struct err e;

	(void)(err_set(&e, ERR_SYS, "%s", why) < 0);
	refuse(cs, c, status, &e);
}

static void
refuse_for(struct calls *cs, struct request *c, const struct err *why)
{
	refuse(cs, c, rpc_status_of(why->code), why);
}

/* Tells the monitor; a message that it does not take is lost. */
static void
tell_monitor(const struct calls *cs, uint16_t type, uint32_t id, uint8_t what)
{
	struct err e;
	automsg m;
	int rc;

	msg_init(&m, type, id);
	rc = msg_put_u8(&m, what, &e);
	if (rc == 0)
		rc = msg_send(cs->opt.fd[BACKEND_MONITOR], &m, SEND_MS, &e);
	if (rc < 0)
		log_warning("the monitor does not listen: %s", e.msg);
}

/* Nobody waits for it any more. */
static void
leave(struct calls *cs, struct request *c, bool closed)
{
	if (c->sent && c->row->backend == BACKEND_MONITOR) {
		tell_monitor(cs, M_CALL_LEFT, c->id, closed);
		if (!closed)
			cs->late[cs->nlate++ % LATE_MAX] = (struct late){ c->id, c->caller };
	}
	if (!c->sent || c->row->backend == BACKEND_MONITOR) {
		forget(cs, c);
		return;
	}
	c->caller = NULL;
	if (c->pipe >= 0)
		loop_unwatch(cs->opt.loop, c->pipe);
	base_close(&c->pipe);
	buf_free(&c->bytes);
}

/* The caller gets no answer; the backend may have one yet. */
static void
give_up(struct calls *cs, struct request *c, enum rpc_status status, const char *why)
{
	struct caller *caller = c->caller;
	uint32_t stream = c->stream;

	log_call(cs, c, rpc_status_name(status));
	leave(cs, c, false);
	caller_refuse(caller, stream, status, why);
}

/* --- large answers */

/* What is there. *end: nothing more will come. */
static int
read_pipe(struct request *c, bool *end, struct err *e)
{
	for (;;) {
		size_t room = c->row->pipe - c->bytes.len;
		uint8_t more;
		ssize_t n;
		int rc = buf_reserve(&c->bytes, MIN(room, KIB(16)), e);

		if (rc < 0)
			return rc;
		n = room > 0 ? sys_read(c->pipe, c->bytes.data + c->bytes.len, MIN(room, KIB(16))) :
		    sys_read(c->pipe, &more, 1);
		if (n < 0 && errno != EAGAIN)
			return err_sys(e, "answer");
		*end = n == 0;
		if (n <= 0)
			return 0;
		if (room == 0)
			return err_set(e, ERR_LIMIT, "the answer is larger than %zu bytes", c->row->pipe);
		c->bytes.len += (size_t)n;
	}
}

static void
on_pipe(void *arg, int fd, maybe_unused short revents)
{
	struct calls *cs = arg;
	struct request *c = cs->calls;
	struct err failed;
	bool end = false;

	while (c < cs->calls + PLACES && (c->id == 0 || c->pipe != fd))
		c++;
	if (c == cs->calls + PLACES)
		return;
	if (read_pipe(c, &end, &failed) == 0) {
		if (end)
			loop_unwatch(cs->opt.loop, fd);
		return;
	}
	give_up(cs, c, rpc_status_of(failed.code), failed.msg);
}

/* The ends of a new one; -1 where the call needs none. */
static int
open_pipe(struct calls *cs, struct request *c, int *theirs, struct err *e)
{
	int ends[2], rc;

	if (c->row->pipe == 0)
		return 0;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys_as(e, ERR_LIMIT, "pipe");
	rc = fcntl(ends[1], F_SETFL, 0) < 0 ? err_sys(e, "pipe") : 0;	/* they wait */
	if (rc == 0)
		rc = loop_watch(cs->opt.loop, ends[0], POLLIN, on_pipe, cs, e);
	if (rc < 0) {
		close(ends[0]);
		close(ends[1]);
		return rc;
	}
	c->pipe = ends[0];
	*theirs = ends[1];
	return 0;
}

/* --- to the backends */

static unsigned
at_backend(const struct calls *cs, enum backend b)
{
	unsigned n = 0;

	for (size_t i = 0; i < PLACES; i++)
		n += cs->calls[i].id != 0 && cs->calls[i].sent && cs->calls[i].row->backend == b;
	return n;
}

static struct request *
longest_waiting(struct calls *cs, enum backend b)
{
	struct request *next = NULL;

	for (size_t i = 0; i < PLACES; i++) {
		struct request *c = &cs->calls[i];

		if (c->id != 0 && !c->sent && c->row->backend == b && (next == NULL || c->id < next->id))
			next = c;
	}
	return next;
}

/* -ERR_TIMEOUT: there is no room in the socket now. */
static int
send_call(struct calls *cs, struct request *c, struct err *e)
{
	autoclose int theirs = -1;
	automsg m;
	int rc = open_pipe(cs, c, &theirs, e);

	msg_init(&m, theirs >= 0 ? M_CALL_PIPE : M_CALL, c->id);
	if (rc < 0)
		return rc;
	if (theirs >= 0)
		msg_put_fd(&m, theirs);
	buf_move(&m.body, &c->ask);
	rc = msg_send(cs->opt.fd[c->row->backend], &m, 0, e);
	if (rc == 0) {
		c->sent = true;
		c->stuck = sys_now_ms() + c->row->limit_ms + STUCK_MS;
		return 0;
	}
	buf_move(&c->ask, &m.body);
	if (c->pipe >= 0)
		loop_unwatch(cs->opt.loop, c->pipe);
	base_close(&c->pipe);
	return rc;
}

static void
watch_time(struct calls *cs)
{
	int64_t first = INT64_MAX;
	struct err e;
	int rc;

	for (size_t i = 0; i < PLACES; i++) {
		const struct request *c = &cs->calls[i];

		if (c->id != 0 && c->caller != NULL)
			first = MIN(first, c->deadline);
		if (c->id != 0 && c->caller == NULL && c->stuck >= 0)
			first = MIN(first, c->stuck);
	}
	rc = loop_timer(cs->opt.loop, first == INT64_MAX ? -1 : MAX(first - sys_now_ms(), 0), on_time, cs, &e);
	if (rc < 0)
		cs->opt.broken(cs->opt.arg, &e);
}

/* Gives a backend its next calls. */
static void
pass_on(struct calls *cs, enum backend b)
{
	struct request *c;

	while (at_backend(cs, b) < depths[b] && (c = longest_waiting(cs, b)) != NULL) {
		struct err e = { 0 };
		int rc = send_call(cs, c, &e);

		if (rc == -ERR_TIMEOUT && at_backend(cs, b) > 0)
			break;	/* its next answer makes room */
		if (rc == -ERR_TIMEOUT)
			refuse_as(cs, c, RPC_UNAVAILABLE, "whoever has to answer takes no calls");
		else if (rc < 0)
			refuse_for(cs, c, &e);
		if (rc == -ERR_CRASH) {
			cs->opt.broken(cs->opt.arg, &e);
			break;
		}
	}
	watch_time(cs);
}

static void
on_time(void *arg)
{
	struct calls *cs = arg;
	int64_t now = sys_now_ms();

	for (size_t i = 0; i < PLACES; i++) {
		struct request *c = &cs->calls[i];

		if (c->id == 0)
			continue;
		if (c->caller != NULL && c->deadline <= now) {
			give_up(cs, c, RPC_DEADLINE_EXCEEDED, "no answer in time");
		} else if (c->caller == NULL && c->stuck >= 0 && c->stuck <= now) {
			c->stuck = -1;
			tell_monitor(cs, M_RPC_STUCK, 0, (uint8_t)c->row->backend);
		}
	}
	pass_on(cs, BACKEND_MONITOR);
}

/* --- from callers */

/* Reads the request into ask. 0, or why not. */
static int
take_request(struct request *c, struct span message, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_CALL, 0);
	m.body.secret = !c->row->plain;
	rc = msg_put_u8(&m, (uint8_t)c->row->call, e);
	if (rc == 0)
		rc = c->row->ask(message, &m, e);
	if (rc == 0)
		buf_move(&c->ask, &m.body);
	return rc;
}

static void
answer_here(struct calls *cs, struct request *c)
{
	static const struct span nothing = { NULL, 0 };
	struct msg_reader in = { .in = nothing };
	autobuf out = BUF(SERVICES_ANSWER);
	struct err failed = { 0 };

	if (c->row->answer(&in, nothing, &out, &failed) < 0)
		refuse_for(cs, c, &failed);
	else
		answer(cs, c, buf_span(&out));
}

static void
start(struct calls *cs, struct request *c, struct span message)
{
	enum caller_right right = caller_right(c->caller, (int)(c->row - services));
	enum backend b = c->row->backend;
	struct err e = { 0 };

	if (right == CALLER_FORBIDDEN) {
		refuse_as(cs, c, RPC_PERMISSION_DENIED, "not for callers by vsock (vsock.host_methods)");
	} else if (right == CALLER_NOT_HERE) {
		refuse_as(cs, c, RPC_UNIMPLEMENTED, "this socket does not offer it");
	} else if (b == BACKEND_NONE) {
		(void)(err_set(&e, ERR_UNSUPPORTED, "this version has no %s", c->row->feature) < 0);
		refuse(cs, c, RPC_UNAVAILABLE, &e);
	} else if (take_request(c, message, &e) < 0) {
		refuse_for(cs, c, &e);
	} else if (b == BACKEND_HERE) {
		answer_here(cs, c);
	} else if (cs->opt.fd[b] < 0) {
		refuse_as(cs, c, RPC_UNAVAILABLE, "there is nobody here to answer it");
	} else {
		pass_on(cs, b);
	}
}

/*
 * A free place; NULL if there are too many calls. The only one of its caller always has one: however much others ask for, nobody
 * is kept from being served.
 */
static struct request *
find_place(struct calls *cs, bool shared)
{
	struct request *place = NULL;
	unsigned taken = 0;

	for (size_t i = 0; i < PLACES; i++) {
		taken += cs->calls[i].id != 0 && cs->calls[i].shared;
		if (place == NULL && cs->calls[i].id == 0)
			place = &cs->calls[i];
	}
	return shared && taken >= CALLS_MAX ? NULL : place;
}

void
calls_call(struct calls *cs, struct caller *caller, uint32_t stream, int method, int64_t timeout_ms, struct span message)
{
	const struct service *row = &services[method];
	int64_t now = sys_now_ms();
	bool shared = caller_calls(caller) > 1;
	struct request *c = find_place(cs, shared);

	if (c == NULL) {
		caller_refuse(caller, stream, RPC_RESOURCE_EXHAUSTED, "too many calls at a time");
		return;
	}
	if (++cs->last_id == 0)		/* 0 is that of no call */
		cs->last_id = 1;
	*c = (struct request){
		.id = cs->last_id,
		.row = row,
		.caller = caller,
		.stream = stream,
		.shared = shared,
		.since = now,
		.deadline = now + (timeout_ms >= 0 ? MIN(timeout_ms, row->limit_ms) : row->limit_ms),
		.pipe = -1,
		.bytes = { .max = row->pipe, .secret = !row->plain },
	};
	start(cs, c, message);
}

/* What he was late for goes on no longer. */
static void
end_late(struct calls *cs, const struct caller *caller)
{
	for (size_t i = 0; i < LATE_MAX; i++) {
		struct late *l = &cs->late[i];

		if (l->id == 0 || l->caller != caller)
			continue;
		tell_monitor(cs, M_CALL_LEFT, l->id, true);
		*l = (struct late){ 0 };
	}
}

void
calls_gone(struct calls *cs, struct caller *caller, uint32_t stream)
{
	if (stream == 0)
		end_late(cs, caller);
	for (size_t i = 0; i < PLACES; i++) {
		struct request *c = &cs->calls[i];

		if (c->id == 0 || c->caller != caller || (stream != 0 && stream != c->stream))
			continue;
		log_call(cs, c, rpc_status_name(RPC_CANCELLED));
		leave(cs, c, true);
	}
	pass_on(cs, BACKEND_MONITOR);
}

/* --- from the backends */

static void
take_answer(struct calls *cs, struct request *c, const struct msg *m)
{
	autobuf out = { .max = c->row->pipe + CALL_MAX, .secret = !c->row->plain };
	struct msg_reader in = msg_reader(m);
	struct err failed = { 0 };
	bool end;
	int rc = role_verdict(&in, &failed);

	if (rc == 0 && c->caller != NULL && c->pipe >= 0)
		rc = read_pipe(c, &end, &failed);
	if (rc == 0 && c->caller != NULL)
		rc = c->row->answer(&in, buf_span(&c->bytes), &out, &failed);
	if (rc < 0 || c->caller == NULL)
		refuse_for(cs, c, &failed);
	else
		answer(cs, c, buf_span(&out));
}

void
calls_done(struct calls *cs, enum backend b, const struct msg *m)
{
	for (size_t i = 0; i < PLACES; i++) {
		struct request *c = &cs->calls[i];

		if (c->id != 0 && c->id == m->id && c->sent && c->row->backend == b) {
			take_answer(cs, c, m);
			break;
		}
	}
	pass_on(cs, b);
}

void
calls_lost(struct calls *cs, enum backend b)
{
	for (size_t i = 0; i < PLACES; i++) {
		struct request *c = &cs->calls[i];

		if (c->id != 0 && c->sent && c->row->backend == b)
			refuse_as(cs, c, RPC_UNAVAILABLE, "the process that had to answer it died; the next call starts another");
	}
	pass_on(cs, b);
}

void
calls_log_all(struct calls *cs, bool all)
{
	cs->log_all = all;
}

int
calls_new(const struct calls_options *opt, struct calls **out, struct err *e)
{
	struct calls *cs = sys_alloc(sizeof(*cs));

	if (cs == NULL)
		return err_set(e, ERR_NOMEM, "calls");
	cs->opt = *opt;
	for (size_t i = 0; i < PLACES; i++)
		cs->calls[i].pipe = -1;
	*out = cs;
	return 0;
}

void
calls_free(struct calls *cs)
{
	if (cs == NULL)
		return;
	for (size_t i = 0; i < PLACES; i++)
		forget(cs, &cs->calls[i]);
	sys_free(cs);
}
