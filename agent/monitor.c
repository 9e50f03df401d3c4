/*
 * monitor.c: children, their log and their end.
 */
#include "lib/base.h"

#include "agent/monitor.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "agent/userns.h"
#include "kbc/kbc.h"
#include "lib/sys.h"

/* Our own executable: by /proc where there is one, else by the name it was started with. */
static int
open_image(struct err *e)
{
	const char *name = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0 && name != NULL)
		fd = open(name, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "own executable") : fd;
}

/* In root mode the roles can take uids of their own; a root of a small user namespace cannot. */
static bool
can_change_uid(void)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return false;
	pid = fork();
	if (pid == 0)
		_exit(setresuid(UID_NET, UID_NET, UID_NET) == 0 ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

#define CAP(c)	(1ULL << CAP_##c)

/*
 * As root: what the roles take with them (nothing can be regained by exec), what it takes to give
 * them their uids, lock their memory and end them, and to read and remove what the layers brought.
 */
static int
shed_capabilities(bool mounts, struct err *e)
{
	return sandbox_drop_capabilities("monitor", (mounts ? CAP(SYS_ADMIN) : 0) | CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) |
	    CAP(FSETID) | CAP(MKNOD) | CAP(SETFCAP) | CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) |
	    CAP(KILL) | CAP(IPC_LOCK) | CAP(SYS_RESOURCE), e);
}

static int
open_signals(struct monitor *m, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, "signals");
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return m->signals < 0 ? err_sys(e, "signals") : 0;
}

/* Whole lines of the roles' log, escaped again: a role may have been taken over. */
static void
pass_line(const char *line, size_t len)
{
	char safe[2048];

	if (len == 0)
		return;
	log_escape(line, len, safe, sizeof(safe) - 1);
	len = strlen(safe);
	safe[len++] = '\n';
	(void)(sys_write_all(2, safe, len) < 0);
}

static void
on_log(void *arg, int fd, maybe_unused short revents)
{
	struct monitor *m = arg;
	ssize_t n = sys_read(fd, m->partial + m->npartial, sizeof(m->partial) - m->npartial);
	char *end;

	if (n <= 0)
		return;
	m->npartial += (size_t)n;
	while ((end = memchr(m->partial, '\n', m->npartial)) != NULL) {
		size_t len = (size_t)(end - m->partial);

		pass_line(m->partial, len);
		memmove(m->partial, end + 1, m->npartial - len - 1);
		m->npartial -= len + 1;
	}
	if (m->npartial == sizeof(m->partial)) {
		pass_line(m->partial, m->npartial);
		m->npartial = 0;
	}
}

static void
on_signal(void *arg, int fd, maybe_unused short revents)
{
	struct monitor *m = arg;
	struct signalfd_siginfo info;

	while (sys_read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			m->interrupted = true;
	loop_stop(m->loop);
}

int
monitor_open(struct monitor *m, bool mounts, struct err *e)
{
	return monitor_open_image(m, -1, mounts, e);
}

int
monitor_open_image(struct monitor *m, int image, bool mounts, struct err *e)
{
	int pipes[2], rc;

	*m = (struct monitor){ .image = image, .log_in = -1, .log_out = -1, .signals = -1 };
	if (m->image < 0)
		m->image = open_image(e);
	if (m->image < 0)
		return m->image;
	m->root_mode = can_change_uid();
	if (!m->root_mode)
		userns_enter();
	else if (shed_capabilities(mounts, e) < 0)
		return -(int)e->code;
	/* Not earlier: an undumpable process may not write its own id maps. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys_as(e, ERR_SANDBOX, "monitor");
	m->children = sys_alloc(MONITOR_MAX_CHILDREN * sizeof(*m->children));
	if (m->children == NULL)
		return err_set(e, ERR_NOMEM, "monitor");
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "log pipe");
	m->log_in = pipes[0];
	m->log_out = pipes[1];
	rc = open_signals(m, e);
	if (rc == 0)
		rc = loop_new(&m->loop, e);
	if (rc == 0)
		rc = loop_watch(m->loop, m->log_in, POLLIN, on_log, m, e);
	if (rc == 0)
		rc = loop_watch(m->loop, m->signals, POLLIN, on_signal, m, e);
	return rc;
}

static void
note_end(struct monitor *m, const struct child *c, int status)
{
	const char *name = roles[c->role]->name;

	if (!WIFSIGNALED(status))
		return;
	log_error("the %s process was killed by signal %d (%s)", name, WTERMSIG(status),
	    strsignal(WTERMSIG(status)));
	if (m->crash.code == ERR_NONE)
		err_set(&m->crash, ERR_CRASH, "the %s process was killed by signal %d",
		    name, WTERMSIG(status));
}

/* Takes in every child that has ended. */
static void
reap(struct monitor *m)
{
	for (size_t i = 0; i < m->nchildren; i++) {
		struct child *c = &m->children[i];
		int status;

		if (c->pid != 0 && waitpid(c->pid, &status, WNOHANG) == c->pid) {
			note_end(m, c, status);
			c->pid = 0;
		}
	}
}

void
monitor_end_all(struct monitor *m)
{
	for (size_t i = 0; i < m->nchildren; i++) {
		struct child *c = &m->children[i];

		if (c->pid == 0)
			continue;
		kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
		c->pid = 0;
	}
}

void
monitor_close(struct monitor *m)
{
	monitor_end_all(m);
	base_close(&m->log_out);
	if (m->log_in >= 0) {
		struct pollfd p = { .fd = m->log_in, .events = POLLIN };

		while (poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
			on_log(m, m->log_in, POLLIN);
		pass_line(m->partial, m->npartial);
	}
	loop_free(m->loop);
	base_close(&m->log_in);
	base_close(&m->signals);
	base_close(&m->image);
	sys_free(m->children);
	m->children = NULL;
	m->nchildren = 0;
}

static struct child *
free_slot(struct monitor *m)
{
	reap(m);
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].pid == 0)
			return &m->children[i];
	return m->nchildren < MONITOR_MAX_CHILDREN ? &m->children[m->nchildren++] : NULL;
}

int
monitor_spawn(struct monitor *m, enum role role, const int *fds, size_t n, int out,
    int probe, int without, pid_t *pid, struct err *e)
{
	const struct role_start start = {
		.log = log_current(),
		.root_mode = m->root_mode,
		.probe = probe,
		.without = without,
	};
	char text[ROLE_ARGS][32], *argv[ROLE_ARGS];
	int all[3 + 8] = { -1, out, m->log_out };
	struct child *c = free_slot(m);

	assert(n <= 8);
	if (c == NULL)
		return err_set(e, ERR_LIMIT, "too many processes");
	for (size_t i = 0; i < n; i++)
		all[3 + i] = fds[i];
	role_args(roles[role], &start, text, argv);
	c->role = role;
	c->pid = sys->spawn(m->image, argv, all, 3 + n, SYS_SPAWN_DIE_WITH_PARENT);
	if (c->pid < 0) {
		c->pid = 0;
		return err_sys(e, "start %s", roles[role]->name);
	}
	*pid = c->pid;
	return 0;
}

int
monitor_start(struct monitor *m, enum role role, const int *own, size_t n, int *control,
    pid_t *pid, struct err *e)
{
	autoclose int ours = -1, theirs = -1;
	int pair[2], fds[8], rc;
	pid_t started;

	assert(n < ARRAY_LEN(fds));
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	ours = pair[0];
	fds[0] = theirs = pair[1];
	for (size_t i = 0; i < n; i++)
		fds[1 + i] = own[i];
	rc = monitor_spawn(m, role, fds, 1 + n, -1, -1, -1, &started, e);
	if (rc < 0)
		return rc;
	*control = fd_steal(&ours);
	if (pid != NULL)
		*pid = started;
	return 0;
}

void
monitor_end(struct monitor *m, pid_t *pid)
{
	for (size_t i = 0; i < m->nchildren && *pid != 0; i++) {
		struct child *c = &m->children[i];

		if (c->pid != *pid)
			continue;
		kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
		c->pid = 0;
	}
	*pid = 0;
}

struct wanted {
	struct monitor		*m;
	const struct msg_rule	*rules;
	struct msg		*msg;
	struct err		*err;
	bool			 heard;
	int			 rc;
};

static void
on_message(void *arg, int fd, maybe_unused short revents)
{
	struct wanted *w = arg;

	w->rc = msg_recv(fd, w->rules, 0, w->msg, w->err);
	w->heard = w->rc != -ERR_TIMEOUT;
	loop_stop(w->m->loop);
}

int
monitor_died(const struct monitor *m, const char *text, struct err *e)
{
	if (m->crash.code == ERR_NONE)
		return err_set(e, ERR_CRASH, "%s", text);
	*e = m->crash;
	return -(int)e->code;
}

int
monitor_await(struct monitor *m, int fd, const struct msg_rule *rules, struct msg *out,
    struct err *e)
{
	struct wanted w = { .m = m, .rules = rules, .msg = out, .err = e };
	int rc;

	msg_init(out, 0, 0);
	rc = loop_watch(m->loop, fd, POLLIN, on_message, &w, e);
	while (rc == 0 && !w.heard && !m->interrupted) {
		rc = loop_run(m->loop, e);
		reap(m);
	}
	loop_unwatch(m->loop, fd);
	if (rc < 0)
		return rc;
	if (!w.heard)
		return err_set(e, ERR_CANCELLED, "interrupted");
	return w.rc;
}

int
monitor_answer(struct monitor *m, int fd, const char *name, const struct msg_rule *rules, struct msg *answer,
    struct msg_reader *rest, struct err *e)
{
	int rc = monitor_await(m, fd, rules, answer, e);
	char died[64];

	if (rc < 0)
		return rc;
	if (rc == 0) {
		snprintf(died, sizeof(died), "the %s process died", name);
		return monitor_died(m, died, e);
	}
	*rest = msg_reader(answer);
	return role_verdict(rest, e);
}

int
monitor_turn(struct monitor *m, struct err *e)
{
	int rc = loop_run(m->loop, e);

	reap(m);
	return rc;
}

int
monitor_wait(struct monitor *m, pid_t pid, int timeout_ms, int *status, struct err *e)
{
	int64_t deadline = sys_now_ms() + timeout_ms;
	bool killed = false;
	pid_t got;

	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].pid == pid)
			m->children[i].pid = 0;
	while ((got = waitpid(pid, status, WNOHANG)) != pid) {
		if (got < 0 && errno != EINTR)
			return err_sys(e, "wait");
		if (!killed && sys_now_ms() >= deadline)
			killed = kill(pid, SIGKILL) == 0;
		(void)poll(NULL, 0, 1);
	}
	return killed ? err_set(e, ERR_TIMEOUT, "a process did not end by itself") : 0;
}

int
monitor_send_file(int control, uint8_t which, int fd, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_FILE, 0);
	rc = msg_put_u8(&m, which, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, fd);
	return msg_send(control, &m, -1, e);
}

int
monitor_text_fd(struct span text, struct err *e)
{
	autoclose int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd < 0 || sys_write_all(fd, text.p, text.len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "file in memory");
	return fd_steal(&fd);
}

int
monitor_send_text(int control, uint8_t which, const char *text, struct err *e)
{
	autoclose int fd = monitor_text_fd(span_str(text), e);

	return fd < 0 ? fd : monitor_send_file(control, which, fd, e);
}

int
monitor_send_link(int key, uint32_t layer, int fd, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_KEY_LINK, 0);
	rc = msg_put_u32(&m, layer, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, fd);
	return msg_send(key, &m, -1, e);
}

/* A missing file is the module's matter, when it is asked for; one that is there must open. */
static int
send_kbc_files(int key, const char *text, struct err *e)
{
	struct kbc_params params;
	const struct kbc_ops *ops;
	int rc = kbc_params_parse(span_str(text), &params, e);

	if (rc < 0)
		return rc;
	ops = kbc_find(params.name, e);
	if (ops == NULL)
		return -(int)e->code;
	for (size_t i = 0; ops->files != NULL && ops->files[i] != NULL && rc == 0; i++) {
		autoclose int fd = -1;
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", kbc_files_dir(ops, params.uri), ops->files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			rc = monitor_send_file(key, (uint8_t)i, fd, e);
		else if (errno != ENOENT)
			rc = err_sys_as(e, ERR_CONFIG, "%s: %s", params.name, path);
	}
	return rc;
}

int
monitor_set_up_key(int key, const char *kbc_params, bool allow_ctr, struct err *e)
{
	automsg m;
	int rc = kbc_params != NULL ? send_kbc_files(key, kbc_params, e) : 0;

	msg_init(&m, M_KEY_SETUP, 0);
	if (rc == 0)
		rc = msg_put_str(&m, kbc_params != NULL ? kbc_params : "", e);
	if (rc == 0)
		rc = msg_put_u8(&m, allow_ctr, e);
	return rc < 0 ? rc : msg_send(key, &m, -1, e);
}
