/* test_backends.c: roles that start when a call lies in their socket, and what becomes of calls when they die. */
#include "lib/base.h"

#include "agent/backends.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/sys.h"
#include "tests/lib/tap.h"

/* Roles are children that do nothing; the clock can be put forward. */
static struct {
	struct sys_ops	ops;
	int64_t		now;	/* so much later */
	int		started;
	bool		refuse;
	char		name[64];
	int		sockets[8];	/* at which numbers it had one */
	size_t		nsockets;
} fake;

static struct err e;
static struct monitor m;
static int lost[BACKEND_COUNT];

static int64_t
fake_now(void)
{
	return sys_real.now_ms() + fake.now;
}

static pid_t
fake_spawn(maybe_unused int image, char *const argv[], const int *fds, size_t nfds, maybe_unused unsigned flags)
{
	pid_t pid;

	if (fake.refuse) {
		errno = EAGAIN;
		return -1;
	}
	fake.started++;
	snprintf(fake.name, sizeof(fake.name), "%s", argv[0]);
	fake.nsockets = 0;
	for (size_t i = 3; i < nfds; i++)
		if (fds[i] >= 0)
			fake.sockets[fake.nsockets++] = (int)i;
	pid = fork();
	if (pid == 0) {
		for (int fd = 3; fd < 64; fd++) {
			bool mine = false;

			for (size_t i = 3; i < nfds; i++)
				mine = mine || fds[i] == fd;
			if (!mine)
				close(fd);
		}
		for (;;)
			pause();
	}
	return pid;
}

static void
on_lost(maybe_unused void *arg, enum backend which)
{
	lost[which]++;
}

static void
on_moment(void *arg)
{
	*(bool *)arg = true;
	loop_stop(m.loop);
}

/* What happens within a moment. */
static void
turn(void)
{
	bool over = false;

	works(loop_timer(m.loop, 50, on_moment, &over, &e), "a moment");
	while (!over && monitor_turn(&m, &e) == 0)
		continue;
	ok(over, "passes");
}

static void
ask(const struct backends *b, enum backend which)
{
	automsg call;

	msg_init(&call, M_CALL, 1);
	works(msg_put_u8(&call, CALL_TEE, &e), "a call");
	works(msg_send(backends_rpc_end(b, which), &call, 100, &e), "is sent");
}

static pid_t
child(enum role role)
{
	for (size_t i = 0; i < m.nchildren; i++)
		if (m.children[i].role == role && m.children[i].pid != 0)
			return m.children[i].pid;
	return 0;
}

/* It is dead, and so its sockets are closed, before the turn begins. */
static void
kill_role(enum role role)
{
	pid_t pid = child(role);
	siginfo_t unread;

	ok(pid > 0 && kill(pid, SIGKILL) == 0 && waitid(P_PID, (id_t)pid, &unread, WEXITED | WNOWAIT) == 0, "it is killed");
	turn();
}

static bool
status_has(const struct backends *b, const char *what)
{
	autobuf text = BUF(KIB(4));

	works(backends_status(b, &text, &e), "status");
	return memmem(text.data, text.len, what, strlen(what)) != NULL;
}

static void
test_life(struct backends *b)
{
	turn();
	is_int(fake.started, 0, "nothing is started without a call");
	ok(status_has(b, "\"name\":\"tee\",\"pid\":0,\"deaths\":0,\"down\":false"), "and status says so");
	ask(b, BACKEND_TEE);
	turn();
	is_int(fake.started, 1, "a call starts a role");
	is_str(fake.name, "cacao: tee", "the one that it is for");
	ok(fake.nsockets == 2 && fake.sockets[0] == FD_CONTROL && fake.sockets[1] == TEE_FD_RPC, "with its sockets in their places");
	ask(b, BACKEND_TEE);
	turn();
	is_int(fake.started, 1, "it takes the next ones itself");
	ask(b, BACKEND_KEY);
	turn();
	is_str(fake.name, "cacao: key", "key is started for its own");
	ok(fake.nsockets == 2 && fake.sockets[1] == KEY_FD_RPC, "with its sockets, too");
	is_int(lost[BACKEND_TEE] + lost[BACKEND_KEY], 0, "no call was lost");
}

static void
test_deaths(struct backends *b)
{
	kill_role(ROLE_TEE);
	is_int(lost[BACKEND_TEE], 1, "its calls are lost");
	is_int(lost[BACKEND_KEY], 0, "no other ones");
	is_int(fake.started, 2, "those that it had not read do not start another");
	ask(b, BACKEND_TEE);
	turn();
	is_int(fake.started, 3, "the next call does");
	kill_role(ROLE_TEE);
	ask(b, BACKEND_TEE);
	turn();
	kill_role(ROLE_TEE);
	ok(status_has(b, "\"deaths\":3,\"down\":true"), "three deaths within a minute: it is down");
	is_int(lost[BACKEND_TEE], 3, "three losses");
	ask(b, BACKEND_TEE);
	turn();
	is_int(fake.started, 4, "a call does not start it");
	is_int(lost[BACKEND_TEE], 4, "it is lost at once");
	fake.now += BACKENDS_WINDOW_MS;
	ok(status_has(b, "\"deaths\":3,\"down\":false"), "a minute later it is not down");
	ask(b, BACKEND_TEE);
	turn();
	is_int(fake.started, 5, "and is started");
}

static void
test_orders(struct backends *b, const struct config *c)
{
	int before = lost[BACKEND_KEY];
	pid_t pid = child(ROLE_KEY);

	backends_kill(b, BACKEND_KEY);
	is_int(lost[BACKEND_KEY], before + 1, "one that does not answer is ended");
	ok(pid > 0 && child(ROLE_KEY) == 0, "it is gone");
	backends_kill(b, BACKEND_KEY);
	is_int(lost[BACKEND_KEY], before + 1, "once");
	backends_settings(b, c);
	is_int(lost[BACKEND_TEE], 5, "new settings end who had others");
	ok(child(ROLE_TEE) == 0, "it is gone, too");
	fake.refuse = true;
	ask(b, BACKEND_KEY);
	turn();
	is_int(lost[BACKEND_KEY], before + 2, "a role that cannot be started loses its calls");
	fake.refuse = false;
	ask(b, BACKEND_KEY);
	turn();
	ok(child(ROLE_KEY) > 0, "another time it can");
	pid = child(ROLE_KEY);
	works(backends_renew(b, &e), "for a new rpc");
	ok(child(ROLE_KEY) == 0, "there are new roles");
	ask(b, BACKEND_KEY);
	turn();
	ok(child(ROLE_KEY) > 0 && child(ROLE_KEY) != pid, "at new sockets");
}

int
main(void)
{
	const struct backends_options opt = { .m = &m, .lost = on_lost };
	struct backends *b = NULL;
	struct config c;

	fake.ops = sys_real;
	fake.ops.now_ms = fake_now;
	fake.ops.spawn = fake_spawn;
	config_init(&c);
	works(monitor_open(&m, false, &e), "a monitor");
	sys = &fake.ops;
	works(backends_new(&opt, &b, &e), "backends");
	backends_settings(b, &c);
	test_life(b);
	test_deaths(b);
	test_orders(b, &c);
	backends_free(b);
	backends_free(NULL);
	monitor_close(&m);
	config_fini(&c);
	return tap_done();
}
