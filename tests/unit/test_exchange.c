/*
 * test_exchange.c: what becomes of an exchange whose reader is slow or gone. A server in a
 * child process answers every request with the same bytes; the rest is in tests/e2e.
 */
#include "lib/base.h"

#include "agent/exchange.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/sys.h"
#include "tests/lib/tap.h"

#define BODY	MIB(8)		/* more than sockets and pipe hold */
#define ZEROS	"sha256:0000000000000000000000000000000000000000000000000000000000000000"

static struct err e;
static struct loop *loop;
static int heads, dones, reader;
static uint64_t got;
static struct err failed;

static void
serve_one(int fd, const char *head, size_t body)
{
	static char chunk[65536];

	if (read(fd, chunk, sizeof(chunk)) <= 0 || write(fd, head, strlen(head)) < 0)
		return;
	memset(chunk, 'x', sizeof(chunk));
	for (size_t n; body > 0; body -= n) {
		n = MIN(body, sizeof(chunk));
		if (write(fd, chunk, n) != (ssize_t)n)
			return;
	}
}

/* A server at 127.0.0.1:*port; its pid. */
static pid_t
start_server(const char *head, size_t body, unsigned *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 5) < 0 ||
	    getsockname(s, (struct sockaddr *)&a, &size) < 0)
		abort();
	*port = ntohs(a.sin_port);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int fd = accept(s, NULL, NULL);

			serve_one(fd, head, body);
			close(fd);
		}
	}
	close(s);
	return pid;
}

static void
on_head(maybe_unused void *arg, maybe_unused uint32_t id, maybe_unused const struct http_head *head)
{
	heads++;
}

static void
on_progress(maybe_unused void *arg, maybe_unused uint32_t id, maybe_unused uint64_t bytes)
{
}

static void
on_end(maybe_unused void *arg)
{
	loop_stop(loop);
}

/* Long enough behind the last word for whatever should not come any more. */
static void
on_done(maybe_unused void *arg, maybe_unused uint32_t id, const struct err *fault)
{
	dones++;
	if (fault != NULL)
		failed = *fault;
	works(loop_timer(loop, 100, on_end, NULL, &e), "timer");
}

static const struct exchange_events events = { on_head, on_progress, on_done, NULL };

static void
on_bytes(maybe_unused void *arg, int fd, maybe_unused short revents)
{
	static uint8_t bytes[65536];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n > 0)
		got += (uint64_t)n;
	else
		loop_unwatch(loop, fd);
}

static void
start_reading(maybe_unused void *arg)
{
	works(loop_watch(loop, reader, POLLIN, on_bytes, NULL, &e), "the reader begins");
}

static void
give_up(maybe_unused void *arg)
{
	base_close(&reader);
}

/* Asks for a blob; after some time, then happens. */
static void
run(const char *head, size_t body, uint64_t max, loop_timer_fn then)
{
	struct exchange_request req = { .id = 1, .what = GET_BLOB, .wanted = ZEROS, .max = max,
	    .size = EXCHANGE_SIZE_UNKNOWN };
	struct client_options opt = { 0 };
	struct client *client = NULL;
	char name[64], host[32];
	unsigned port = 0;
	pid_t server = start_server(head, body, &port);
	int p[2];

	heads = dones = 0;
	got = 0;
	failed = (struct err){ 0 };
	snprintf(host, sizeof(host), "127.0.0.1:%u", port);
	snprintf(name, sizeof(name), "docker://%s/x", host);
	works(loop_new(&loop, &e), "a loop");
	opt.http.loop = loop;
	opt.plain_http = host;
	works(client_new(&opt, &client, &e), "a client");
	works(image_ref_parse(span_str(name), &req.ref, &e), "a name");
	if (pipe2(p, O_CLOEXEC) < 0)
		abort();
	reader = p[0];
	req.fd = p[1];
	works(loop_timer(loop, 100, then, NULL, &e), "a timer");
	exchange_start(client, &req, &events);
	works(loop_run(loop, &e), "until the end");
	is_int(dones, 1, "one last word");
	base_close(&reader);
	client_free(client);
	loop_free(loop);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static void
test_readers(void)
{
	static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n";

	run(good, BODY, BODY, start_reading);
	ok(failed.code == ERR_NONE, "a reader that begins late: %s", failed.msg);
	ok(got == BODY, "gets everything: %" PRIu64, got);
	is_int(heads, 1, "and one head");
	run(good, BODY, BODY, give_up);
	is_int(failed.code, ERR_CANCELLED, "a reader that goes while bytes wait for it");
	run(good, BODY, BODY / 2, start_reading);
	is_int(failed.code, ERR_LIMIT, "too much, seen when a slow reader goes on");
	run(good, BODY / 2, BODY, start_reading);
	ok(failed.code == ERR_NET, "an early end: %s", failed.msg);
}

static void
test_answers(void)
{
	run("HTTP/1.1 500 No\r\nRetry-After: 0\r\nConnection: close\r\n\r\n", BODY, BODY, start_reading);
	is_int(failed.code, ERR_REGISTRY, "an error with a long text");
	run("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, BODY, start_reading);
	ok(failed.code == ERR_NONE && heads == 1 && got == 0, "an empty body has a head, too");
	run("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", 0, BODY, start_reading);
	is_int(failed.code, ERR_AUTH, "a refusal without challenge");
	run("HTTP/1.1 307 No\r\nContent-Length: 0\r\n\r\n", 0, BODY, start_reading);
	is_int(failed.code, ERR_REGISTRY, "a redirect that leads nowhere");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	test_readers();
	test_answers();
	curl_global_cleanup();
	return tap_done();
}
