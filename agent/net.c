/*
 * net.c: the role with the network, and the only one. It fetches what pull asks for and
 * writes the bytes where pull says; it decides nothing about them and holds no key but
 * registry credentials.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include <ares.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>

#include "agent/exchange.h"
#include "lib/crypto.h"
#include "lib/fs.h"

struct net {
	struct loop		*loop;
	struct http		*http;
	struct exchange_events	 events;
	struct buf		 ca, auth;
	char			 plain_http[4096];
	struct err		 unusable;	/* why the CA file or the authfile is; every request hears it */
	struct err		*err;		/* of serve */
	int			 rc;
};

/* What name resolution reads, each time anew; missing files are no error. */
static const char *const resolver_files[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf",
};

static int
prepare(struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	size_t n = 0;
	int rc;

	rc = crypto_init(e);
	if (rc < 0)
		return rc;
	/* TLS and resolver state that opens files or fetches algorithms must come before the sandbox. */
	if (ares_library_init(ARES_LIB_INIT_ALL) != 0 ||
	    curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_BUG, "libcurl does not start");
	for (size_t i = 0; i < ARRAY_LEN(resolver_files); i++) {
		int fd = open(resolver_files[i], O_PATH | O_CLOEXEC);

		if (fd >= 0)
			paths[n++] = (struct sandbox_path){ .fd = fd, .only_rule = true };
	}
	paths[n].fd = -1;
	return 0;
}

static void
stop(struct net *n, int rc)
{
	n->rc = rc;
	loop_stop(n->loop);
}

static void
tell(struct net *n, const struct msg *m)
{
	int rc = msg_send(NET_FD_PULL, m, -1, n->err);

	if (rc < 0)
		stop(n, rc == -ERR_CRASH ? 0 : rc);
}

static void
on_head(void *arg, uint32_t id, const struct http_head *head)
{
	struct net *n = arg;
	automsg m;

	msg_init(&m, M_GET_HEAD, id);
	if (msg_put_str(&m, head->content_type, n->err) < 0 ||
	    msg_put_str(&m, head->content_digest, n->err) < 0)
		stop(n, -ERR_NOMEM);
	else
		tell(n, &m);
}

/* Never waits: pull may be reading the body and nothing else, and the next one counts as well. */
static void
on_progress(maybe_unused void *arg, uint32_t id, uint64_t bytes)
{
	struct err ignored;
	automsg m;

	msg_init(&m, M_GET_PROGRESS, id);
	if (msg_put_u64(&m, bytes, &ignored) == 0)
		(void)(msg_send(NET_FD_PULL, &m, 0, &ignored) < 0);
}

static void
on_done(void *arg, uint32_t id, const struct err *failed)
{
	struct net *n = arg;
	int rc = role_answer(NET_FD_PULL, M_GET_DONE, id, failed, n->err);

	if (rc < 0)
		stop(n, rc == -ERR_CRASH ? 0 : rc);
}

static int
take_get(struct net *n, struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	struct exchange_request req = { .id = m->id, .fd = -1 };
	char reference[LIMIT_REFERENCE + 1];
	int rc;

	req.blob = msg_get_u8(&r) != 0;
	msg_get_str(&r, reference, sizeof(reference));
	msg_get_str(&r, req.wanted, sizeof(req.wanted));
	req.max = msg_get_u64(&r);
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "request that cannot be read");
	rc = image_ref_parse_docker(span_str(reference), &req.ref, e);
	if (rc < 0)
		return rc;
	if (n->unusable.code != ERR_NONE) {
		on_done(n, m->id, &n->unusable);
		return 0;
	}
	req.fd = fd_steal(&m->fds[0]);
	exchange_start(n->http, &req, &n->events);
	return 0;
}

static void
on_pull(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_GET, .max_len = KIB(4), .fds = 1 },
		{ 0 },
	};
	struct net *n = arg;
	automsg m;
	int rc = msg_recv(NET_FD_PULL, rules, 0, &m, n->err);

	if (rc > 0)
		rc = take_get(n, &m, n->err);
	else if (rc == 0)
		stop(n, 0);
	if (rc < 0 && rc != -ERR_TIMEOUT)
		stop(n, rc);
}

/* No CA at all is a choice; an authfile that says nothing is a mistake. */
static void
take_file(struct net *n, int fd, const char *what, struct buf *out)
{
	struct err e = { 0 };
	int rc = fs_read_fd(fd, what, out, &e);

	if (rc == 0 && out == &n->auth && out->len == 0)
		rc = err_set(&e, ERR_CONFIG, "%s: empty", what);
	if (rc == 0)
		return;
	n->unusable = e;
	if (rc != -ERR_NOMEM)
		n->unusable.code = ERR_CONFIG;
}

/* The monitor says nothing after the set-up; its end is ours. */
static void
on_control(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	stop(arg, 0);
}

static int
set_up(struct net *n, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_FILE, .max_len = 1, .fds = 1 },
		{ .type = M_NET_SETUP, .max_len = KIB(8) },
		{ 0 },
	};

	for (;;) {
		automsg m;
		struct msg_reader r;
		int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

		if (rc <= 0)
			return rc < 0 ? rc : err_set(e, ERR_CRASH, "no set-up");
		r = msg_reader(&m);
		if (m.type == M_NET_SETUP) {
			msg_get_str(&r, n->plain_http, sizeof(n->plain_http));
			return msg_get_end(&r) ? 0 : err_set(e, ERR_PROTO, "set-up");
		}
		if (msg_get_u8(&r) == NET_FILE_CA)
			take_file(n, m.fds[0], "CA file", &n->ca);
		else
			take_file(n, m.fds[0], "authfile", &n->auth);
	}
}

static int
serve_with(struct net *n, struct err *e)
{
	struct http_options opt = {
		.loop = n->loop,
		.plain_http = n->plain_http,
	};
	int rc = set_up(n, e);

	if (rc < 0)
		return rc;
	opt.ca = buf_span(&n->ca);
	opt.authfile = buf_span(&n->auth);
	rc = http_new(&opt, &n->http, e);
	if (rc == 0)
		rc = loop_watch(n->loop, NET_FD_PULL, POLLIN, on_pull, n, e);
	if (rc == 0)
		rc = loop_watch(n->loop, FD_CONTROL, POLLIN, on_control, n, e);
	return rc < 0 ? rc : loop_run(n->loop, e);
}

static int
serve(struct err *e)
{
	struct net n = {
		.ca = BUF(LIMIT_CA_BUNDLE),
		.auth = BUF_SECRET(LIMIT_AUTHFILE),
		.err = e,
	};
	int rc;

	n.events = (struct exchange_events){ on_head, on_progress, on_done, &n };
	rc = loop_new(&n.loop, e);
	if (rc == 0)
		rc = serve_with(&n, e);
	http_free(n.http);
	loop_free(n.loop);
	buf_free(&n.auth);
	buf_free(&n.ca);
	return rc < 0 ? rc : n.rc;
}

const struct role_ops role_net = {
	.name = "net",
	.uid = UID_NET,
	.words = WORD(STDIO) | WORD(FDPASS) | WORD(FILE_READ) | WORD(INET),
	.max_files = 256,
	.prepare = prepare,
	.serve = serve,
};
