/* provider_link.c: see provider_link.h. */
#include "lib/base.h"

#include "agent/provider_link.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/pump.h"

extern char **environ;

int
provider_link_open(const char *text, struct provider_link *out, struct err *e)
{
	struct provider_link l = { .net = -1 };
	int rc = address_parse(text, ADDRESS_NAMED, &l.address, e);

	if (rc < 0)
		return err_wrap(e, "--keyprovider");
	*out = l;
	return 0;
}

static int
stream_pair(int *ours, int *theirs, struct err *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	*ours = pair[0];
	*theirs = pair[1];
	return 0;
}

/* --- a command: with our environment, as ocicrypt starts them */

static void
end_command(struct provider_link *l)
{
	if (l->command == 0)
		return;
	kill(l->command, SIGKILL);
	(void)waitpid(l->command, NULL, 0);
	l->command = 0;
}

static _Noreturn void
become_command(const char *path, int fd)
{
	char *argv[] = { (char *)(uintptr_t)path, NULL };
	sigset_t none;

	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
	    dup2(fd, STDIN_FILENO) >= 0 && dup2(fd, STDOUT_FILENO) >= 0)
		execve(path, argv, environ);
	_exit(127);
}

static int
start_command(struct provider_link *l, int *fd, struct err *e)
{
	autoclose int ours = -1, theirs = -1;
	pid_t pid;
	int rc;

	if (access(l->address.path, X_OK) < 0)
		return err_sys_as(e, ERR_CONFIG, "%s", l->address.path);
	rc = stream_pair(&ours, &theirs, e);
	if (rc < 0)
		return rc;
	end_command(l);
	pid = fork();
	if (pid < 0)
		return err_sys(e, "%s", l->address.path);
	if (pid == 0)
		become_command(l->address.path, theirs);
	l->command = pid;
	*fd = fd_steal(&ours);
	return 0;
}

/* --- HOST:PORT */

static int
start_net(struct provider_link *l, struct err *e)
{
	automsg m;
	int rc;

	if (l->net >= 0)
		return 0;
	rc = monitor_start(l->monitor, ROLE_NET, NULL, 0, &l->net, NULL, e);
	/* Nothing is plain, no limit, no proxies: it fetches nothing. */
	msg_init(&m, M_NET_SETUP, 0);
	if (rc == 0)
		rc = msg_put_str(&m, "", e);
	if (rc == 0)
		rc = msg_put_u32(&m, 0, e);
	for (int i = 0; i < 3 && rc == 0; i++)
		rc = msg_put_str(&m, "", e);
	return rc < 0 ? rc : msg_send(l->net, &m, -1, e);
}

static int
await_pump(int net, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_PUMP_DONE, .max_len = KIB(1) }, { 0 },
	};
	struct msg_reader r;
	automsg m;
	int rc = msg_recv(net, rules, PUMP_CONNECT_MS + 5000, &m, e);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CRASH, "the net process died");
	r = msg_reader(&m);
	rc = role_verdict(&r, e);
	return rc == 0 && !msg_get_end(&r) ? err_set(e, ERR_PROTO, "answer that cannot be read") : rc;
}

static void
format_host(const struct address *a, char out[300])
{
	bool six = strchr(a->host, ':') != NULL;

	snprintf(out, 300, "%s%s%s:%u", six ? "[" : "", a->host, six ? "]" : "", a->port);
}

static int
start_pump(struct provider_link *l, int *fd, struct err *e)
{
	autoclose int ours = -1, theirs = -1;
	char host[300];
	automsg m;
	int rc = start_net(l, e);

	msg_init(&m, M_PUMP, 0);
	format_host(&l->address, host);
	if (rc == 0)
		rc = msg_put_str(&m, host, e);
	if (rc == 0)
		rc = stream_pair(&ours, &theirs, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, theirs);
	rc = msg_send(l->net, &m, -1, e);
	if (rc == 0)
		rc = await_pump(l->net, e);
	if (rc == 0)
		*fd = fd_steal(&ours);
	return rc;
}

/* --- for the key role */

static int
make_connection(struct provider_link *l, int *fd, struct err *e)
{
	int rc;

	if (l->address.transport == PROVIDER_CMD)
		return start_command(l, fd, e);
	if (l->address.path[0] == '\0')
		return start_pump(l, fd, e);
	rc = address_connect_unix(&l->address, e);
	if (rc < 0)
		return rc;
	*fd = rc;
	return 0;
}

static int
hand_over(void *arg, int socket, uint32_t id, struct err *e)
{
	struct provider_link *l = arg;
	char host[300] = "localhost";
	autoclose int fd = -1;
	automsg m;
	int rc = make_connection(l, &fd, e);

	if (rc < 0)
		return rc;
	if (l->address.path[0] == '\0')
		format_host(&l->address, host);
	msg_init(&m, M_KEY_PROVIDER, id);
	rc = msg_put_u8(&m, (uint8_t)l->address.transport, e);
	if (rc == 0)
		rc = msg_put_str(&m, host, e);
	msg_put_fd(&m, fd);
	return rc < 0 ? rc : msg_send(socket, &m, -1, e);
}

void
provider_link_use(struct provider_link *l, struct monitor *m, struct key_source *s)
{
	l->monitor = m;
	s->connect = hand_over;
	s->arg = l;
}

void
provider_link_close(struct provider_link *l)
{
	end_command(l);
	if (l->monitor != NULL)
		base_close(&l->net);
}
