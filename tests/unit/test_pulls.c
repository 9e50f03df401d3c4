/*
 * test_pulls.c: the daemon's pulls, with processes that only play a job: what they do is the name of their image. Those that
 * sweep, or that shall be known to be at work, tell so on a pipe. The daemon's clock goes when the test says so.
 */
#include "lib/base.h"

#include "agent/pulls.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "agent/flights.h"
#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

#define BUNDLES	"/run/kata-containers\n/srv/b/"

static struct err e;
static struct monitor m;
static struct config config;
static struct pulls *pulls;
static int spawned, told[2];
static bool refuse_spawn;
static int64_t now = 1000;

/* --- the job */

static void
answer(int control, const char *image)
{
	struct err failed = { 0 };
	automsg out;

	if (strcmp(image, "bad") == 0) {
		err_set(&failed, ERR_POLICY, "not this one");
		_exit(role_answer(control, M_JOB_DONE, 0, &failed, &failed) < 0);
	}
	msg_init(&out, M_JOB_DONE, 0);
	if (msg_put_u8(&out, 0, &failed) < 0 || msg_put_str(&out, "sha256:good", &failed) < 0 ||
	    (strcmp(image, "noise") == 0 && msg_put_u8(&out, 0, &failed) < 0) || msg_send(control, &out, -1, &failed) < 0)
		_exit(1);
	_exit(0);
}

static void
play(int control)
{
	static const struct msg_rule rules[] = {
		{ .type = M_JOB_CONFIG, .fds = 1 },
		{ .type = M_JOB_PULL, .max_len = KIB(8) },
		{ .type = M_JOB_SWEEP, .max_len = KIB(8) },
		{ 0 },
	};

	for (;;) {
		char name[100], bundle[LIMIT_PATH + 1];
		const char *image = name + strlen("docker://");
		struct msg_reader r;
		automsg got;

		if (msg_recv(control, rules, -1, &got, &e) <= 0)
			_exit(1);
		r = msg_reader(&got);
		if (got.type == M_JOB_CONFIG)
			continue;
		if (got.type == M_JOB_SWEEP) {
			msg_get_str(&r, bundle, sizeof(bundle));
			_exit(sys_write_all(told[1], bundle, strlen(bundle)) < 0);
		}
		msg_get_str(&r, name, sizeof(name));
		if (strncmp(name, "docker://", strlen("docker://")) != 0 || strstr(image, "://") != NULL)
			_exit(1);
		if (strcmp(image, "crash") == 0)
			_exit(9);
		if (strcmp(image, "stubborn") == 0)
			signal(SIGTERM, SIG_IGN);
		if ((strcmp(image, "stubborn") == 0 || strcmp(image, "busy") == 0) && sys_write_all(told[1], "at work", 7) < 0)
			_exit(1);
		if (strcmp(image, "stubborn") == 0 || strcmp(image, "busy") == 0 || strcmp(image, "slow") == 0)
			poll(NULL, 0, -1);
		if (strcmp(image, "later") == 0)
			poll(NULL, 0, 200);
		answer(control, image);
	}
}

static pid_t
fake_spawn(maybe_unused int image, maybe_unused char *const argv[], const int *fds, size_t nfds,
    maybe_unused unsigned flags)
{
	pid_t pid;

	if (refuse_spawn || nfds != 5 || fds[4] != m.image) {
		errno = EAGAIN;
		return -1;
	}
	spawned++;
	pid = fork();
	if (pid == 0) {
		int control = dup(fds[3]);	/* and nothing else of it may stay open, or its end is not seen */

		for (int fd = 3; fd < 64; fd++)
			if (fd != control && fd != told[1])
				close(fd);
		play(control);
	}
	return pid;
}

/* --- the daemon */

static struct {
	int		count;
	uint32_t	call[8];
	char		what[8][32];
} heard;

static void
on_done(maybe_unused void *arg, uint32_t call, const char *digest, const struct err *failed)
{
	size_t n = (size_t)heard.count;

	if (n == ARRAY_LEN(heard.call))
		return;
	heard.call[n] = call;
	snprintf(heard.what[n], sizeof(heard.what[n]), "%s", digest != NULL ? digest : err_name(failed->code));
	heard.count++;
}

static void
on_time(maybe_unused void *arg)
{
	loop_stop(m.loop);
}

static int64_t
fake_now(void)
{
	return now;
}

/* What is ready, and what is due. */
static void
turn(void)
{
	(void)(loop_timer(m.loop, 0, on_time, NULL, &e) < 0);
	(void)(loop_run(m.loop, &e) < 0);
}

/* For 30 seconds of the real clock at most. */
#define until(cond) \
	for (int64_t last = sys_real.now_ms() + 30000; !(cond) && sys_real.now_ms() < last; poll(NULL, 0, 1)) \
		turn()

/* Until n answers are there. */
static void
run_until(int n)
{
	until(heard.count >= n);
}

static void
begin(void)
{
	memset(&heard, 0, sizeof(heard));
	spawned = 0;
	refuse_spawn = false;
}

/* Once more so many bytes of what jobs tell; whole words, in whatever order. */
static const char *
told_next(size_t n)
{
	struct pollfd p = { .fd = told[0], .events = POLLIN };
	static char text[200];
	ssize_t got;

	memset(text, 0, sizeof(text));
	for (size_t len = 0; len < n; len += (size_t)got)
		if (poll(&p, 1, 30000) != 1 || (got = read(told[0], text + len, n - len)) <= 0)
			break;
	return text;
}

static bool
was_swept(const char *bundle)
{
	return strcmp(told_next(strlen(bundle)), bundle) == 0;
}

static bool
none_swept(void)
{
	struct pollfd p = { .fd = told[0], .events = POLLIN };

	return poll(&p, 1, 100) == 0;
}

/* Has the status this in it? "": is it empty? */
static bool
shows(const char *text, bool say)
{
	autobuf out = BUF(KIB(64));
	bool good;

	if (pulls_status(pulls, &out, &e) < 0)
		return false;
	good = text[0] == '\0' ? out.len == 0 : strstr(buf_str(&out), text) != NULL;
	if (!good && say)
		printf("# %s\n", buf_str(&out));
	return good;
}

static bool
status_has(const char *text)
{
	return shows(text, true);
}

/* It has, or will have. */
static bool
status_gets(const char *text)
{
	until(shows(text, false));
	return status_has(text);
}

/* --- */

static void
test_bundle(void)
{
	static const struct {
		const char	*path, *want;
	} good[] = {
		{ "/run/kata-containers/a", "/run/kata-containers/a" },
		{ "/run/kata-containers/a/b/", "/run/kata-containers/a/b" },
		{ "//run/./kata-containers//a", "/run/kata-containers/a" },
		{ "/srv/b/x", "/srv/b/x" },
		{ "/srv/b/..x/...", "/srv/b/..x/..." },
	};
	static const char *const bad[] = {
		"", "/", "a", "run/kata-containers/a", "/proc", "/etc", "/run", "/run/kata-containers", "/run/kata-containers/",
		"/run/kata-containers/.", "/run/kata-containersx/a", "/run/kata-container/a", "/srv/b", "/srv/bx/a",
		"/run/kata-containers/../etc", "/run/kata-containers/a/..", "/run/kata-containers/..", "/../run/kata-containers/a",
	};
	char out[LIMIT_PATH + 1], longest[LIMIT_PATH + 100];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		works(pulls_bundle(BUNDLES, good[i].path, out, &e), "%s", good[i].path);
		is_str(out, good[i].want, "written as");
	}
	snprintf(out, sizeof(out), "as it was");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(pulls_bundle(BUNDLES, bad[i], out, &e), ERR_STORAGE, "refused: '%s'", bad[i]);
	fails(pulls_bundle("", "/run/kata-containers/a", out, &e), ERR_STORAGE, "no directory, no bundle");
	is_str(out, "as it was", "output untouched");
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "/srv/b/", 7);
	longest[LIMIT_PATH] = '\0';
	works(pulls_bundle(BUNDLES, longest, out, &e), "the longest path");
	longest[LIMIT_PATH] = 'x';
	longest[LIMIT_PATH + 1] = '\0';
	fails(pulls_bundle(BUNDLES, longest, out, &e), ERR_STORAGE, "one byte more");
}

static void
test_results(void)
{
	begin();
	pulls_ask(pulls, 1, "good", "/srv/b/1");
	pulls_ask(pulls, 2, "bad", "/srv/b/2");
	is_int(spawned, 2, "two processes");
	run_until(2);
	for (int i = 0; i < 2; i++)
		is_str(heard.what[i], heard.call[i] == 1 ? "sha256:good" : "POLICY", "call %u", heard.call[i]);
	ok(none_swept(), "who told his result has tidied up himself");

	begin();
	pulls_ask(pulls, 3, "crash", "/srv/b/3");
	run_until(1);
	is_str(heard.what[0], "CRASH", "a crash is one failed call");
	ok(was_swept("/srv/b/3"), "and what it left is removed");

	begin();
	pulls_ask(pulls, 4, "noise", "/srv/b/4");
	run_until(1);
	is_str(heard.what[0], "PROTO", "an answer that is none");
	ok(status_has(""), "nothing is left");

	begin();
	refuse_spawn = true;
	pulls_ask(pulls, 5, "good", "/srv/b/5");
	is_int(heard.count, 1, "what cannot start is told at once");
	ok(status_has(""), "and takes no place");
}

static void
test_refused(void)
{
	char name[700];

	begin();
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	pulls_ask(pulls, 1, name, "/srv/b/1");
	pulls_ask(pulls, 2, "", "/srv/b/1");
	pulls_ask(pulls, 3, "good", "/etc/x");
	is_int(heard.count, 3, "all answered at once");
	is_str(heard.what[0], "PARSE", "too long a name");
	is_str(heard.what[1], "PARSE", "no name");
	is_str(heard.what[2], "STORAGE", "a bundle elsewhere");
	is_int(spawned, 0, "nothing is started for them");
}

static void
test_one_for_two(void)
{
	begin();
	pulls_ask(pulls, 1, "later", "/srv/b/1");
	pulls_ask(pulls, 2, "docker://later", "/srv/b//1/");
	pulls_ask(pulls, 3, "good", "/srv/b/1");
	is_int(spawned, 1, "one process for two callers");
	is_str(heard.what[0], "STORAGE", "another image is refused");
	ok(status_has("\"image\":\"docker://later\",\"bundle\":\"/srv/b/1\",\"state\":\"running\",\"callers\":2"), "status");
	run_until(3);
	is_str(heard.what[1], "sha256:good", "one result");
	is_str(heard.what[2], "sha256:good", "for both");
}

static void
set(const char *linger)
{
	config_fini(&config);
	config_init(&config);
	works(config_set(&config, SET_PULL_BUNDLES, span_str("/srv/b"), ORIGIN_FILE, 0, &e), "settings");
	works(config_set(&config, SET_PULL_LINGER, span_str(linger), ORIGIN_FILE, 0, &e), "lingering for %s s", linger);
}

/* Asks, and goes when the job is at work. */
static void
ask_and_go(const char *image)
{
	begin();
	pulls_ask(pulls, 1, image, "/srv/b/1");
	is_str(told_next(strlen("at work")), "at work", "%s: it is at work", image);
	pulls_left(pulls, 1, true);
	ok(status_has("\"ending\""), "%s: it ends", image);
}

static void
over(const char *image)
{
	ok(status_gets(""), "%s: it is over", image);
	is_int(heard.count, 0, "%s: nobody is told", image);
	ok(was_swept("/srv/b/1"), "%s: what it left is removed", image);
}

static void
test_closed(void)
{
	const char *both;

	ask_and_go("busy");	/* who is asked ends: the clock stands still */
	over("busy");
	ask_and_go("stubborn");
	now += FLIGHT_END_MS - 1;
	turn();
	ok(none_swept(), "it has a second");
	turn();
	ok(status_has("\"ending\""), "all of it");
	now += 2;		/* then it is killed */
	over("stubborn");

	begin();
	pulls_ask(pulls, 1, "slow", "/srv/b/1");
	pulls_ask(pulls, 2, "slow", "/srv/b/2");
	pulls_left_all(pulls);
	ok(status_gets(""), "all at once");
	both = told_next(2 * strlen("/srv/b/1"));
	ok(strstr(both, "/srv/b/1") != NULL && strstr(both, "/srv/b/2") != NULL, "what they left is removed: %s", both);
}

static void
test_linger(void)
{
	begin();
	pulls_ask(pulls, 1, "later", "/srv/b/1");
	pulls_left(pulls, 1, false);
	ok(status_has("\"lingering\",\"callers\":0"), "late: it goes on");
	pulls_ask(pulls, 2, "later", "/srv/b/1");
	is_int(spawned, 1, "a retry joins it");
	run_until(1);
	is_str(heard.what[0], "sha256:good", "and hears the result");
	is_int((int)heard.call[0], 2, "it alone");

	begin();
	pulls_ask(pulls, 1, "later", "/srv/b/1");
	pulls_left(pulls, 1, false);
	ok(status_gets("\"kept\""), "over while nobody waits: its result is kept");
	is_int(heard.count, 0, "for who comes back");
	pulls_ask(pulls, 2, "later", "/srv/b/1");
	is_int(spawned, 2, "but not where its bundle is gone");
	run_until(1);
	is_str(heard.what[0], "sha256:good", "there it is pulled anew");

	begin();
	set("0");
	pulls_ask(pulls, 3, "slow", "/srv/b/1");
	pulls_left(pulls, 3, false);
	ok(status_gets(""), "then late is as good as gone");
	ok(was_swept("/srv/b/1"), "with all it left");
}

/* Whatever fails, the caller hears it, and nothing is left. */
static int
ask_once(maybe_unused void *arg, struct err *err)
{
	struct pulls *mine;
	struct pulls_options opt = { .m = &m, .config = &config, .done = on_done };
	int rc = pulls_new(&opt, &mine, err);

	if (rc < 0)
		return rc;
	begin();
	pulls_ask(mine, 1, "slow", "/srv/b/1");
	pulls_free(mine);
	if (heard.count == 1)
		return err_set(err, ERR_SYS, "%s", heard.what[0]);
	return heard.count;
}

static void
test_faults(void)
{
	ok(fault_each(FAULT_ALLOC, 0, true, ask_once, NULL) > 3, "every allocation fails once");
	ok(fault_each(FAULT_IO, EMFILE, true, ask_once, NULL) > 3, "every call of the world fails once");
}

/* As the image of what is really spawned (test_faults) this program only lives. */
int
main(int argc, char *argv[])
{
	struct sys_ops mine = sys_real;
	struct pulls_options opt = { .m = &m, .config = &config, .done = on_done };

	while (argc > 0 && role_is(argv[0]))
		pause();
	mine.spawn = fake_spawn;
	mine.now_ms = fake_now;
	sys = &mine;
	log_init(2, "test", LOG_ERROR, false);
	m = (struct monitor){ .image = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), .log_in = -1, .log_out = -1, .signals = -1 };
	m.children = sys_alloc(MONITOR_MAX_CHILDREN * sizeof(*m.children));
	config_init(&config);
	if (m.children == NULL || pipe2(told, O_CLOEXEC) < 0 || loop_new(&m.loop, &e) < 0)
		return 1;
	set("60");
	works(pulls_new(&opt, &pulls, &e), "pulls");
	test_bundle();
	test_results();
	test_refused();
	test_one_for_two();
	test_closed();
	test_linger();
	test_faults();
	pulls_ask(pulls, 1, "slow", "/srv/b/1");
	pulls_free(pulls);
	until(waitpid(-1, NULL, WNOHANG) < 0);	/* what swept may be about to end */
	ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "with the daemon all end");
	pulls_free(NULL);
	config_fini(&config);
	monitor_close(&m);
	return tap_done();
}
