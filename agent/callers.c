/* callers.c: see callers.h. */
#include "lib/base.h"

#include "agent/callers.h"

#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "lib/secret.h"
#include "lib/sys.h"

/* A host's requests are small (PullImage is the largest), and it shall not fill the memory for secrets. */
#define HOST_MESSAGE	KIB(8)
#define HOST_CALLS	8

struct caller {
	struct callers		*all;
	struct listener		*door;
	int			 fd;		/* -1: a free place */
	struct rpc_server	*session;
	bool			 host;
	char			 name[24];
	int64_t			 used;		/* when it last said something */
	uint64_t		 request;	/* not there yet; 0: none */
	int64_t			 request_since;
	int64_t			 unread_since;	/* -1: all that was written was taken */
	unsigned		 calls;		/* not answered yet */
	bool			 busy;		/* in a callback: it must not go now */
	bool			 broken;
};

typedef int (*session_fn)(const struct rpc_service *, void *, struct rpc_server **, struct err *);

struct listener {
	struct callers		*all;
	int			 fd;		/* -1: a free place */
	session_fn		 session;
	uint64_t		 methods;
	uint32_t		 owner;
};

struct callers {
	struct callers_options	 opt;
	struct rpc_service	 local, host;
	uint64_t		 host_methods;
	bool			 keep_idle;
	int64_t			 complained;	/* when; 0: never */
	struct listener		 listeners[CALLERS_LISTENERS];
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

/* --- who may do what */

void
callers_set_host(struct callers *all, uint64_t methods)
{
	all->host_methods = methods;
}

void
callers_keep_idle(struct callers *all)
{
	all->keep_idle = true;
}

enum caller_right
caller_right(const struct caller *c, int method)
{
	uint64_t bit = UINT64_C(1) << method;

	if (c->host)
		return (c->all->host_methods & bit) != 0 ? CALLER_MAY : CALLER_FORBIDDEN;
	return (c->door->methods & bit) != 0 ? CALLER_MAY : CALLER_NOT_HERE;
}

unsigned
caller_calls(const struct caller *c)
{
	return c->calls;
}

const char *
caller_name(const struct caller *c)
{
	return c->name;
}

/* Who it is; false: nobody that is served here. */
static bool
introduce(struct caller *c, const struct sockaddr_storage *from)
{
	struct sockaddr_vm vm;
	struct ucred who;
	socklen_t len = sizeof(who);

	switch (from->ss_family) {
	case AF_UNIX:
		if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
			return false;
		snprintf(c->name, sizeof(c->name), "uid %u", who.uid);
		return who.uid == 0 || who.uid == geteuid();
	case AF_VSOCK:
		memcpy(&vm, from, sizeof(vm));
		snprintf(c->name, sizeof(c->name), "cid %u", vm.svm_cid);
		c->host = true;
		return true;
	default:
		snprintf(c->name, sizeof(c->name), "tcp");
		return true;
	}
}

/* --- coming and going */

/* A free place, or that of who was idle for longest at this door; NULL if nobody is, or may be sent away. */
static struct caller *
find_place(struct listener *door, unsigned most)
{
	struct caller *places = door->all->places, *idle = NULL, *free_one = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < CALLERS_MAX; i++) {
		struct caller *c = &places[i];

		if (c->fd < 0 && free_one == NULL)
			free_one = c;
		if (c->fd < 0 || c->door != door)
			continue;
		n++;
		if (c->calls == 0 && c->request == 0 && c->unread_since < 0 && (idle == NULL || c->used < idle->used))
			idle = c;
	}
	if (n < most && free_one != NULL)
		return free_one;
	if (idle == NULL || door->all->keep_idle)
		return NULL;
	let_go(idle);
	return idle;
}

/* Once a second: who knocks again and again does not fill the log. */
static void
log_turned_away(struct callers *all, const char *name, const char *why)
{
	int64_t now = sys_now_ms();

	if (all->complained != 0 && now - all->complained < 1000)
		return;
	all->complained = now;
	log_warning("a caller (%s) is turned away: %s", name[0] != '\0' ? name : "no name", why);
}

static void
welcome(struct listener *door, int conn, const struct sockaddr_storage *from)
{
	struct caller new = { .all = door->all, .door = door, .fd = conn, .used = sys_now_ms(), .unread_since = -1 };
	struct err e = { 0 };
	struct caller *c;
	int rc;

	if (!introduce(&new, from)) {
		log_turned_away(door->all, new.name, "another user's process");
		close(conn);
		return;
	}
	c = find_place(door, new.host ? CALLERS_HOST : CALLERS_LOCAL);
	if (c == NULL) {
		log_turned_away(door->all, new.name, "there are too many");
		close(conn);
		return;
	}
	*c = new;
	rc = door->session(c->host ? &c->all->host : &c->all->local, c, &c->session, &e);
	if (rc < 0) {
		log_turned_away(door->all, new.name, e.msg);
		base_close(&c->fd);
		return;
	}
	settle(c, 0, &e);
}

static void
on_listener(void *arg, int fd, maybe_unused short revents)
{
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(from);
	int conn = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (conn >= 0)
		welcome(arg, conn, &from);
}

int
callers_listen(struct callers *all, int fd, session_fn session, uint64_t methods, uint32_t owner, struct err *e)
{
	struct listener *l = all->listeners;
	int rc;

	while (l < all->listeners + CALLERS_LISTENERS && l->fd >= 0)
		l++;
	if (l == all->listeners + CALLERS_LISTENERS)
		return err_set(e, ERR_LIMIT, "more than %d listening sockets", CALLERS_LISTENERS);
	rc = loop_watch(all->opt.loop, fd, POLLIN, on_listener, l, e);
	if (rc == 0)
		*l = (struct listener){ all, fd, session, methods, owner };
	return rc;
}

void
callers_close(struct callers *all, uint32_t owner)
{
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (all->places[i].fd >= 0 && all->places[i].door->owner == owner)
			let_go(&all->places[i]);
	for (size_t i = 0; i < CALLERS_LISTENERS; i++) {
		struct listener *l = &all->listeners[i];

		if (l->fd < 0 || l->owner != owner)
			continue;
		loop_unwatch(all->opt.loop, l->fd);
		base_close(&l->fd);
	}
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
	all->local = (struct rpc_service){
		opt->methods, opt->max_message, opt->max_answer, opt->max_calls, on_call, on_cancelled
	};
	all->host = all->local;
	all->host.max_message = MIN(opt->max_message, HOST_MESSAGE);
	all->host.max_calls = MIN(opt->max_calls, HOST_CALLS);
	for (size_t i = 0; i < CALLERS_MAX; i++)
		all->places[i] = (struct caller){ .all = all, .fd = -1 };
	for (size_t i = 0; i < CALLERS_LISTENERS; i++)
		all->listeners[i].fd = -1;
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
	for (size_t i = 0; i < CALLERS_LISTENERS; i++)
		base_close(&all->listeners[i].fd);
	secret_free(all->in, RPC_FEED);
	sys_free(all);
}
