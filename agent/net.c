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
#include "agent/pump.h"
#include "agent/push.h"
#include "lib/crypto.h"
#include "lib/fs.h"

struct net {
	struct loop		*loop;
	struct client		*client;
	struct exchange_events	 events;
	struct buf		 ca;		/* of all CA files */
	struct buf		 auth[LOGIN_FILES];
	size_t			 nauth;
	struct registries	*registries;
	char			 plain_http[NET_PLAIN_HTTP_MAX + 1];
	struct buf		 proxies[3];	/* of http, of https, none for; secret */
	uint32_t		 timeout_s;
	bool			 pushes;	/* this image; else it fetches */
	struct image_ref	 pushed;
	struct push		*push;
	struct err		 unusable;	/* why a file of the operator is; every request hears it */
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
	uint8_t what;
	int rc;

	what = msg_get_u8(&r);
	msg_get_str(&r, reference, sizeof(reference));
	msg_get_str(&r, req.wanted, sizeof(req.wanted));
	req.max = msg_get_u64(&r);
	req.size = msg_get_u64(&r);
	if (!msg_get_end(&r) || what >= GET_COUNT)
		return err_set(e, ERR_PROTO, "request that cannot be read");
	req.what = (enum get_what)what;
	rc = image_ref_parse_docker(span_str(reference), &req.ref, e);
	if (rc < 0)
		return rc;
	if (n->unusable.code != ERR_NONE) {
		on_done(n, m->id, &n->unusable);
		return 0;
	}
	req.fd = fd_steal(&m->fds[0]);
	exchange_start(n->client, &req, &n->events);
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

/* What is wrong with a file is the operator's to correct, and told to whoever asks for something. */
static void
note_unusable(struct net *n, const struct err *e)
{
	n->unusable = *e;
	if (e->code != ERR_NOMEM)
		n->unusable.code = ERR_CONFIG;
}

/* No CA at all is a choice; an authfile that says nothing is a mistake. */
static int
take_auth(struct net *n, int fd, struct err *e)
{
	struct buf *auth = &n->auth[n->nauth];
	int rc;

	if (n->nauth == LOGIN_FILES)
		return err_set(e, ERR_LIMIT, "more than %d auth files", LOGIN_FILES);
	rc = fs_read_fd(fd, "authfile", auth, e);
	if (rc == 0 && auth->len == 0)
		rc = err_set(e, ERR_CONFIG, "authfile: empty");
	if (rc == 0)
		n->nauth++;
	return rc;
}

static int
take_registries(struct net *n, int fd, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	int rc = fs_read_fd(fd, "registries", &text, e);

	return rc < 0 ? rc : registries_parse(buf_span(&text), &n->registries, e);
}

/* Files of authorities follow each other; the last line of one may lack its end. */
static int
take_ca(struct net *n, int fd, struct err *e)
{
	autobuf one = BUF(LIMIT_CA_BUNDLE);
	int rc = fs_read_fd(fd, "CA file", &one, e);

	if (rc == 0)
		rc = buf_add_span(&n->ca, buf_span(&one), e);
	return rc < 0 ? rc : buf_add_u8(&n->ca, '\n', e);
}

static void
take_file(struct net *n, uint8_t which, int fd)
{
	struct err e = { 0 };
	int rc;

	switch (which) {
	case NET_FILE_CA:
		rc = take_ca(n, fd, &e);
		break;
	case NET_FILE_AUTH:
		rc = take_auth(n, fd, &e);
		break;
	case NET_FILE_REGISTRIES:
		rc = take_registries(n, fd, &e);
		break;
	default:
		rc = err_set(&e, ERR_BUG, "file %d", which);
	}
	if (rc < 0)
		note_unusable(n, &e);
}

static int
take_set_up(struct net *n, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	int rc = 0;

	msg_get_str(&r, n->plain_http, sizeof(n->plain_http));
	n->timeout_s = msg_get_u32(&r);
	for (size_t i = 0; i < ARRAY_LEN(n->proxies) && rc == 0; i++) {
		n->proxies[i] = (struct buf)BUF_SECRET(NET_PROXY_MAX + 1);
		rc = buf_add_span(&n->proxies[i], msg_get_bytes(&r, NET_PROXY_MAX), e);
	}
	if (rc == 0 && !msg_get_end(&r))
		rc = err_set(e, ERR_PROTO, "set-up");
	return rc;
}

static int
take_push(struct net *n, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char image[LIMIT_REFERENCE + 16];

	msg_get_str(&r, image, sizeof(image));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "set-up");
	n->pushes = true;
	return image_ref_parse(span_str(image), &n->pushed, e);
}

static void
on_push_over(void *arg, int rc)
{
	stop(arg, rc);
}

/* Carries bytes between HOST:PORT and a descriptor of whoever has no network of its own. */
static int
take_pump(struct net *n, struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	struct err failed = { 0 };
	char where[300];
	int rc;

	msg_get_str(&r, where, sizeof(where));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "pump");
	rc = pump_start(n->loop, where, m->fds[0], &failed);
	if (rc == 0)
		m->fds[0] = -1;
	return role_answer(FD_CONTROL, M_PUMP_DONE, m->id, rc < 0 ? &failed : NULL, e);
}

/* After the set-up the monitor says nothing but this; its end is ours. */
static void
on_control(void *arg, int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_PUMP, .max_len = 400, .fds = 1 },
		{ 0 },
	};
	struct net *n = arg;
	automsg m;
	int rc = msg_recv(fd, rules, 0, &m, n->err);

	if (rc > 0)
		rc = take_pump(n, &m, n->err);
	else if (rc == 0)
		stop(n, 0);
	if (rc < 0 && rc != -ERR_TIMEOUT)
		stop(n, rc);
}

static int
set_up(struct net *n, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_FILE, .max_len = 1, .fds = 1 },
		{ .type = M_NET_PUSH, .max_len = KIB(1) },
		{ .type = M_NET_SETUP, .max_len = KIB(16), .secret = true },
		{ 0 },
	};

	for (;;) {
		automsg m;
		struct msg_reader r;
		int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

		if (rc <= 0)
			return rc < 0 ? rc : err_set(e, ERR_CRASH, "no set-up");
		if (m.type == M_NET_SETUP)
			return take_set_up(n, &m, e);
		if (m.type == M_NET_PUSH) {
			rc = take_push(n, &m, e);
			if (rc < 0)
				return rc;
			continue;
		}
		r = msg_reader(&m);
		take_file(n, msg_get_u8(&r), m.fds[0]);
	}
}

static int
serve_with(struct net *n, struct err *e)
{
	/* One that only carries has nobody to fetch for; the number is then free for what is opened. */
	const bool fetches = fcntl(NET_FD_PULL, F_GETFD) >= 0;
	int rc = set_up(n, e);
	struct client_options opt = {
		.http = {
			.loop = n->loop,
			.ca = buf_span(&n->ca),
			.http_proxy = buf_str(&n->proxies[0]),
			.https_proxy = buf_str(&n->proxies[1]),
			.no_proxy = buf_str(&n->proxies[2]),
		},
		.plain_http = n->plain_http,
		.registries = n->registries,
		.timeout_ms = (int64_t)n->timeout_s * 1000,
	};

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n->nauth; i++)
		opt.authfiles[i] = buf_span(&n->auth[i]);
	rc = client_new(&opt, &n->client, e);
	if (rc == 0 && n->pushes)
		rc = push_new(n->client, NET_FD_PULL, &n->pushed, &n->unusable,
		    &(struct push_events){ on_push_over, n }, &n->push, e);
	else if (rc == 0 && fetches)
		rc = loop_watch(n->loop, NET_FD_PULL, POLLIN, on_pull, n, e);
	if (rc == 0)
		rc = loop_watch(n->loop, FD_CONTROL, POLLIN, on_control, n, e);
	return rc < 0 ? rc : loop_run(n->loop, e);
}

static void
clean_up(struct net *n)
{
	push_free(n->push);
	client_free(n->client);
	loop_free(n->loop);
	registries_free(n->registries);
	buf_free(&n->ca);
	for (size_t i = 0; i < LOGIN_FILES; i++)
		buf_free(&n->auth[i]);
	for (size_t i = 0; i < ARRAY_LEN(n->proxies); i++)
		buf_free(&n->proxies[i]);
}

static int
serve(struct err *e)
{
	struct net n = {
		.ca = BUF(LIMIT_CA_BUNDLE),
		.err = e,
	};
	int rc;

	for (size_t i = 0; i < LOGIN_FILES; i++)
		n.auth[i] = (struct buf)BUF_SECRET(LIMIT_AUTHFILE);
	n.events = (struct exchange_events){ on_head, on_progress, on_done, &n };
	rc = loop_new(&n.loop, e);
	if (rc == 0)
		rc = serve_with(&n, e);
	clean_up(&n);
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
