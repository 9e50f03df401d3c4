/* callers.c: see callers.h. */
#include "lib/base.h"

#include "agent/callers.h"

#include <poll.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "lib/secret.h"
#include "lib/sys.h"

struct caller {
	struct callers		*all;
	int			 fd;		/* -1: a free place */
	struct rpc_server	*session;
	int64_t			 used;		/* when it last said something */
	uint64_t		 request;	/* not there yet; 0: none */
	int64_t			 request_since;
	int64_t			 unread_since;	/* -1: all that was written was taken */
	unsigned		 calls;		/* not answered yet */
	bool			 busy;		/* in a callback: it must not go now */
	bool			 broken;
};

struct listener {
	struct callers		*all;
	int			 fd;
	int			(*session)(const struct rpc_service *, void *, struct rpc_server **, struct err *);
};

struct callers {
	struct callers_options	 opt;
	struct rpc_service	 service;
	struct listener		 listeners[CALLERS_LISTENERS];
	size_t			 nlisteners;
	struct caller		 places[CALLERS_MAX];
	uint8_t			*in;		/* RPC_FEED in secret memory */
};

static void on_ready(void *arg, int fd, short revents);
static void on_stall(void *arg);

/* The next look at who stalls. If the timer cannot be set, the next event will try again. */
static void
watch_stalls(struct callers *all)
{
	int64_t first = -1, now = sys_now_ms();
	struct err e;

	for (size_t i = 0; i < CALLERS_MAX; i++) {
		const struct caller *c = &all->places[i];

		if (c->fd < 0)
			continue;
		if (c->request != 0 && (first < 0 || c->request_since < first))
			first = c->request_since;
		if (c->unread_since >= 0 && (first < 0 || c->unread_since < first))
			first = c->unread_since;
	}
	if (loop_timer(all->opt.loop, first < 0 ? -1 : MAX(first + CALLERS_STALL_MS - now, 0), on_stall, all, &e) < 0)
		log_warning("%s", e.msg);
}

static void
let_go(struct caller *c)
{
	c->broken = true;
	if (c->busy)
		return;
	loop_unwatch(c->all->opt.loop, c->fd);
	base_close(&c->fd);
	rpc_server_free(c->session);
	c->session = NULL;
	c->all->opt.gone(c->all->opt.arg, c, 0);
}

static void
on_stall(void *arg)
{
	struct callers *all = arg;
	int64_t before = sys_now_ms() - CALLERS_STALL_MS;

	for (size_t i = 0; i < CALLERS_MAX; i++) {
		struct caller *c = &all->places[i];

		if (c->fd >= 0 && ((c->request != 0 && c->request_since <= before) ||
		    (c->unread_since >= 0 && c->unread_since <= before))) {
			log_debug("a caller that stalls is let go");
			let_go(c);
		}
	}
	watch_stalls(all);
}

/* Writes what the socket takes. While something is left, nothing is read: that is the limit of what a caller can make us hold. */
static int
flush(struct caller *c, struct err *e)
{
	for (;;) {
		struct span out;
		ssize_t n;
		int rc = rpc_pending(c->session, &out, e);

		if (rc < 0)
			return rc;
		if (out.len == 0)
			break;
		n = sys_write(c->fd, out.p, out.len);
		if (n < 0 && errno != EAGAIN)
			return err_sys_as(e, ERR_NET, "write");
		if (n < 0) {
			if (c->unread_since < 0)
				c->unread_since = sys_now_ms();
			return loop_watch(c->all->opt.loop, c->fd, POLLOUT, on_ready, c, e);
		}
		rpc_wrote(c->session, (size_t)n);
		c->unread_since = -1;
	}
	c->unread_since = -1;
	return loop_watch(c->all->opt.loop, c->fd, POLLIN, on_ready, c, e);
}

/* After anything has happened to it. */
static void
settle(struct caller *c, int rc, struct err *e)
{
	if (rc == 0 && !c->broken)
		rc = flush(c, e);
	if (rc < 0 && rc != -ERR_CANCELLED)
		log_debug("a caller is let go: %s", e->msg);
	if (rc < 0 || c->broken || rpc_over(c->session)) {
		let_go(c);
	} else {
		uint64_t request = rpc_incomplete(c->session);

		if (request != c->request)
			c->request_since = sys_now_ms();
		c->request = request;
	}
	watch_stalls(c->all);
}

static int
read_some(struct caller *c, struct err *e)
{
	uint8_t *in = c->all->in;
	ssize_t n = sys_read(c->fd, in, RPC_FEED);
	int rc;

	if (n < 0)
		return errno == EAGAIN ? 0 : err_sys_as(e, ERR_NET, "read");
	if (n == 0)
		return err_set(e, ERR_CANCELLED, "it has closed");
	c->used = sys_now_ms();
	c->busy = true;
	rc = rpc_feed(c->session, (struct span){ in, (size_t)n }, e);
	c->busy = false;
	secret_wipe(in, (size_t)n);
	return rc;
}

static void
on_ready(void *arg, maybe_unused int fd, short revents)
{
	struct caller *c = arg;
	struct err e = { 0 };
	int rc = 0;

	if ((revents & POLLIN) != 0)
		rc = read_some(c, &e);
	else if ((revents & POLLOUT) == 0)
		rc = err_set(&e, ERR_CANCELLED, "it has closed");
	settle(c, rc, &e);
}

/* --- what sessions tell */

static void
on_call(void *arg, uint32_t stream, int method, int64_t timeout_ms, struct span message)
{
	struct caller *c = arg;

	c->calls++;
	c->all->opt.call(c->all->opt.arg, c, stream, method, timeout_ms, message);
}

static void
on_cancelled(void *arg, uint32_t stream)
{
	struct caller *c = arg;

	c->calls--;
	c->all->opt.gone(c->all->opt.arg, c, stream);
}

static void
answered(struct caller *c, int rc, struct err *e)
{
	c->calls--;
	if (!c->busy)
		settle(c, rc, e);
	else if (rc < 0)
		c->broken = true;
}

void
caller_answer(struct caller *c, uint32_t stream, struct span message)
{
	struct err e = { 0 };
	int rc = rpc_answer(c->session, stream, message, &e);

	answered(c, rc, &e);
}

void
caller_refuse(struct caller *c, uint32_t stream, enum rpc_status status, const char *why)
{
	struct err e = { 0 };
	int rc = rpc_refuse(c->session, stream, status, why, &e);

	answered(c, rc, &e);
}

/* --- coming */

/* A free place, or that of who was idle for longest; NULL if nobody is. */
static struct caller *
find_place(struct callers *all)
{
	struct caller *idle = NULL;

	for (size_t i = 0; i < CALLERS_MAX; i++) {
		struct caller *c = &all->places[i];

		if (c->fd < 0)
			return c;
		if (c->calls == 0 && c->request == 0 && c->unread_since < 0 && (idle == NULL || c->used < idle->used))
			idle = c;
	}
	if (idle != NULL)
		let_go(idle);
	return idle;
}

static void
on_listener(void *arg, int fd, maybe_unused short revents)
{
	struct listener *l = arg;
	int conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), rc;
	struct err e = { 0 };
	struct caller *c;

	if (conn < 0)
		return;
	c = find_place(l->all);
	if (c == NULL) {
		log_warning("too many callers: one is turned away");
		close(conn);
		return;
	}
	*c = (struct caller){ .all = l->all, .fd = conn, .used = sys_now_ms(), .unread_since = -1 };
	rc = l->session(&l->all->service, c, &c->session, &e);
	if (rc < 0) {
		log_warning("a caller is turned away: %s", e.msg);
		base_close(&c->fd);
		return;
	}
	settle(c, 0, &e);
}

int
callers_listen(struct callers *all, int fd,
    int (*session)(const struct rpc_service *, void *, struct rpc_server **, struct err *), struct err *e)
{
	struct listener *l = &all->listeners[all->nlisteners];
	int rc;

	if (all->nlisteners == CALLERS_LISTENERS)
		return err_set(e, ERR_LIMIT, "more than %d listening sockets", CALLERS_LISTENERS);
	*l = (struct listener){ all, fd, session };
	rc = loop_watch(all->opt.loop, fd, POLLIN, on_listener, l, e);
	if (rc == 0)
		all->nlisteners++;
	return rc;
}

int
callers_new(const struct callers_options *opt, struct callers **out, struct err *e)
{
	struct callers *all = sys_alloc(sizeof(*all));

	if (all == NULL)
		return err_set(e, ERR_NOMEM, "callers");
	all->in = secret_alloc(RPC_FEED);
	if (all->in == NULL) {
		sys_free(all);
		return err_set(e, ERR_NOMEM, "callers");
	}
	all->opt = *opt;
	all->service = (struct rpc_service){ opt->methods, opt->max_message, opt->max_message, opt->max_calls, on_call, on_cancelled };
	for (size_t i = 0; i < CALLERS_MAX; i++)
		all->places[i] = (struct caller){ .all = all, .fd = -1 };
	*out = all;
	return 0;
}

void
callers_free(struct callers *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < CALLERS_MAX; i++) {
		base_close(&all->places[i].fd);
		rpc_server_free(all->places[i].session);
	}
	for (size_t i = 0; i < all->nlisteners; i++)
		base_close(&all->listeners[i].fd);
	secret_free(all->in, RPC_FEED);
	sys_free(all);
}
