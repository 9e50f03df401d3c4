/* handover.c: see handover.h. */
#include "lib/base.h"

#include "agent/handover.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "agent/roles.h"
#include "lib/fs.h"
#include "lib/sandbox.h"
#include "lib/sys.h"

#define SOCKET		"start.sock"
#define MEET_MS		5000	/* for somebody who is becoming the agent right now */
#define SERVED_MS	30000	/* until all sockets of a starter are served */

/* --- meeting */

static int
open_dir(const char *path, struct err *e)
{
	autoclose int dir = fs_make_dirs(path, 0700, e);
	struct stat st;

	if (dir < 0)
		return dir;
	if (fstat(dir, &st) < 0)
		return err_sys_as(e, ERR_CONFIG, "%s", path);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG, "%s: wants to be a directory of our own that nobody else writes to", path);
	return fd_steal(&dir);
}

static int
socket_address(const char *run_dir, struct sockaddr_un *out, struct err *e)
{
	int n;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(out->sun_path, sizeof(out->sun_path), "%s/" SOCKET, run_dir);
	if (n < 0 || (size_t)n >= sizeof(out->sun_path))
		return err_set(e, ERR_USAGE, "--run-dir: more than %zu characters", sizeof(out->sun_path) - sizeof(SOCKET) - 1);
	return 0;
}

static int
connect_agent(const struct sockaddr_un *where)
{
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return fd < 0 || sys_connect(fd, (const struct sockaddr *)where, sizeof(*where)) < 0 ? -1 : fd_steal(&fd);
}

/* With the lock: nobody else can be serving it. */
static int
listen_for_starters(const struct sockaddr_un *where, struct handover *h, struct err *e)
{
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(0177);
	int rc;

	(void)unlinkat(h->dir, SOCKET, 0);
	rc = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)where, sizeof(*where));
	(void)umask(mask);
	if (rc < 0 || listen(fd, 8) < 0)
		return err_sys_as(e, ERR_CONFIG, "%s", where->sun_path);
	h->listener = fd_steal(&fd);
	return 1;
}

int
handover_meet(const char *run_dir, struct handover *h, int *conn, struct err *e)
{
	int64_t deadline = sys_now_ms() + MEET_MS;
	struct sockaddr_un where;
	int rc = socket_address(run_dir, &where, e);

	if (rc < 0)
		return rc;
	h->dir = open_dir(run_dir, e);
	if (h->dir < 0)
		return h->dir;
	h->lock = sys_openat(h->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (h->lock < 0)
		return err_sys_as(e, ERR_CONFIG, "%s/lock", run_dir);
	while (sys_now_ms() < deadline) {
		int fd = connect_agent(&where);

		if (fd >= 0) {
			*conn = fd;
			return 0;
		}
		if (flock(h->lock, LOCK_EX | LOCK_NB) == 0)
			return listen_for_starters(&where, h, e);
		(void)poll(NULL, 0, 10);
	}
	return err_set(e, ERR_TIMEOUT, "%s: there is an agent, and it does not answer", run_dir);
}

void
handover_close(struct handover *h)
{
	if (h->listener >= 0)
		(void)unlinkat(h->dir, SOCKET, 0);
	base_close(&h->listener);
	base_close(&h->lock);
	base_close(&h->dir);
}

/* --- the starter */

static int
send_listener(int conn, const struct face_listen *l, int fd, struct err *e)
{
	struct address_file file = address_file(&l->address);
	automsg m;
	int rc;

	msg_init(&m, M_FACE_LISTEN, 0);
	rc = msg_put_u8(&m, (uint8_t)l->address.transport, e);
	if (rc == 0)
		rc = msg_put_u8(&m, (uint8_t)l->face, e);
	if (rc == 0)
		rc = msg_put_str(&m, l->text, e);
	if (rc == 0)
		rc = msg_put_u64(&m, file.ino, e);
	if (rc == 0)
		rc = msg_put_u64(&m, file.made, e);
	msg_put_fd(&m, fd);
	return rc < 0 ? rc : msg_send(conn, &m, SERVED_MS, e);
}

static int
send_start(int conn, const struct face_start *f, struct err *e)
{
	char config[PATH_MAX] = "";
	automsg m;
	int rc;

	if (f->config != NULL && realpath(f->config, config) == NULL)
		return err_sys_as(e, ERR_CONFIG, "%s", f->config);
	msg_init(&m, M_FACE_START, 0);
	rc = msg_put_u8(&m, (uint8_t)f->program, e);
	if (rc == 0)
		rc = msg_put_str(&m, config, e);
	if (rc == 0)
		rc = msg_put_u8(&m, f->initdata, e);
	return rc < 0 ? rc : msg_send(conn, &m, SERVED_MS, e);
}

int
handover_send(int conn, const struct face_start *f, const int fds[FACE_LISTEN], struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_FACE_DONE, .max_len = KIB(1) }, { 0 },
	};
	struct msg_reader r;
	automsg answer;
	int rc = 0;

	msg_init(&answer, 0, 0);
	for (size_t i = 0; i < f->n && rc == 0; i++)
		rc = send_listener(conn, &f->listen[i], fds[i], e);
	if (rc == 0)
		rc = send_start(conn, f, e);
	if (rc == 0)
		rc = msg_recv(conn, rules, SERVED_MS, &answer, e);
	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CRASH, "the agent is gone");
	r = msg_reader(&answer);
	rc = role_verdict(&r, e);
	return rc == 0 && !msg_get_end(&r) ? err_set(e, ERR_PROTO, "answer that cannot be read") : rc;
}

int
handover_stay(int conn, struct err *e)
{
	struct sandbox_path none = { .fd = -1 };
	struct sandbox s = {
		.role = "face", .words = WORD(STDIO), .paths = &none, .seccomp = SANDBOX_REQUIRE, .landlock = SANDBOX_TRY,
	};
	struct pollfd p = { .fd = conn, .events = POLLIN };
	uint8_t byte;

#if defined(__SANITIZE_ADDRESS__) || defined(CACAO_NO_SECCOMP)
	s.seccomp = s.landlock = SANDBOX_OFF;	/* the sanitizers' own calls; never in what is shipped */
#endif
	if (sandbox_enter(&s, e) < 0)
		return -(int)e->code;
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		continue;
	return sys_read(conn, &byte, sizeof(byte)) > 0 ? 0 : err_set(e, ERR_CRASH, "the agent is gone");
}

/* --- the agent */

void
handover_own(const struct face_start *f, const int fds[FACE_LISTEN], struct handed *out)
{
	*out = (struct handed){ .program = f->program, .pid = getpid(), .n = f->n, .initdata = f->initdata };
	for (size_t i = 0; i < f->n; i++) {
		struct handed_listen *l = &out->listen[i];

		l->fd = fds[i];
		l->transport = f->listen[i].address.transport;
		l->face = f->listen[i].face;
		l->file = address_file(&f->listen[i].address);
		snprintf(l->text, sizeof(l->text), "%s", f->listen[i].text);
	}
	if (f->config != NULL)
		(void)span_to_cstr(span_str(f->config), out->config, sizeof(out->config));
}

int
handover_accept(const struct handover *h, pid_t *pid)
{
	autoclose int fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -1;
	if (peer.uid != geteuid() && peer.uid != 0) {
		log_warning("user %u may not start a part of this agent", peer.uid);
		return -1;
	}
	*pid = peer.pid;
	return fd_steal(&fd);
}

static int
take_listener(struct msg *m, struct handed *h, struct err *e)
{
	struct handed_listen *l = &h->listen[h->n];
	struct msg_reader r = msg_reader(m);
	uint8_t transport = msg_get_u8(&r), face = msg_get_u8(&r);

	if (h->n == FACE_LISTEN)
		return err_set(e, ERR_PROTO, "more than %d sockets", FACE_LISTEN);
	msg_get_str(&r, l->text, sizeof(l->text));
	l->file.ino = msg_get_u64(&r);
	l->file.made = msg_get_u64(&r);
	if (!msg_get_end(&r) || (transport != PROVIDER_GRPC && transport != PROVIDER_TTRPC) ||
	    (face & (face - 1)) != 0 || face == 0 || face >= FACE_OWN)
		return err_set(e, ERR_PROTO, "listening socket");
	l->fd = m->fds[0];
	m->fds[0] = -1;
	l->transport = (enum provider_transport)transport;
	l->face = (enum face)face;
	h->n++;
	return 0;
}

static int
take_start(const struct msg *m, struct handed *h, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t program = msg_get_u8(&r);

	msg_get_str(&r, h->config, sizeof(h->config));
	h->initdata = msg_get_u8(&r) != 0;
	if (!msg_get_end(&r) || program >= PROGRAM_COUNT)
		return err_set(e, ERR_PROTO, "start");
	h->program = (enum program)program;
	return 1;
}

int
handover_take(int conn, struct handed *h, bool *closed, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_FACE_LISTEN, .max_len = 320, .fds = 1 },
		{ .type = M_FACE_START, .max_len = PATH_MAX + 16 },
		{ 0 },
	};
	automsg m;
	int rc = msg_recv(conn, rules, 0, &m, e);

	*closed = rc == 0;
	if (rc == -ERR_TIMEOUT)
		return 0;
	if (rc <= 0)
		return rc;
	return m.type == M_FACE_START ? take_start(&m, h, e) : take_listener(&m, h, e);
}

int
handover_answer(int conn, const struct err *failed, struct err *e)
{
	return role_answer(conn, M_FACE_DONE, 0, failed, e);
}

void
handover_part(int conn)
{
	struct err e;

	(void)(handover_answer(conn, NULL, &e) < 0);	/* who is gone himself need not know */
}

/* Who was killed and started again may be listening there already, before his death is seen. */
static void
remove_file(const struct handed_listen *l)
{
	struct address_file now;
	struct address a;
	struct err e;

	if (address_parse(l->text, ADDRESS_PEERS, &a, &e) < 0)
		return;
	now = address_file(&a);
	if (now.ino == l->file.ino && now.made == l->file.made)
		address_unlink(&a, l->fd);
}

void
handed_close(struct handed *h)
{
	for (size_t i = 0; i < h->n; i++) {
		remove_file(&h->listen[i]);
		base_close(&h->listen[i].fd);
	}
	h->n = 0;
}
