/* test_callers.c: who callers are and what they may; connections come from where this test says. test_rpc.c has the rest. */
#include "lib/base.h"

#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int accept_from(int, struct sockaddr *, socklen_t *, int);
#define accept4 accept_from
#include "agent/callers.c"
#undef accept4

#include "lib/ttrpc.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;
static unsigned cid;	/* where callers seem to come from; 0: unix, as they do */
static int called;
static const char *name_seen;

static const struct rpc_method methods[] = {
	{ "test.Door", "Zero", 0, true }, { "test.Door", "One", 1, true }, { "test.Door", "Last", 63, true },
	{ NULL, NULL, 0, true },
};

static int
accept_from(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
	struct sockaddr_vm vm = { .svm_family = AF_VSOCK, .svm_cid = cid };
	int conn = accept4(fd, from, len, flags);

	if (conn >= 0 && cid != 0)
		memcpy(from, &vm, sizeof(vm));
	return conn;
}

static void
on_door_call(maybe_unused void *arg, struct caller *c, uint32_t stream, int method, maybe_unused int64_t timeout_ms,
    maybe_unused struct span message)
{
	called++;
	name_seen = caller_name(c);
	caller_refuse(c, stream, RPC_ABORTED, caller_right(c, method) == CALLER_MAY ? "may" :
	    caller_right(c, method) == CALLER_FORBIDDEN ? "forbidden" : "not here");
}

static void
on_door_gone(maybe_unused void *arg, maybe_unused struct caller *c, maybe_unused uint32_t stream)
{
}

struct house {
	struct loop	*loop;
	struct callers	*all;
	struct sockaddr_un address;
	socklen_t	 len;
};

static int
open_door(struct house *h, uint64_t which, struct err *f)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	h->address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	h->len = sizeof(sa_family_t);
	if (bind(fd, (struct sockaddr *)&h->address, h->len) < 0 || listen(fd, 100) < 0)	/* the kernel names it */
		abort();
	h->len = sizeof(h->address);
	if (getsockname(fd, (struct sockaddr *)&h->address, &h->len) < 0)
		abort();
	rc = callers_listen(h->all, fd, ttrpc_server_new, which, 7, f);
	if (rc == 0)
		(void)fd_steal(&fd);
	return rc;
}

static int
build(struct house *h, struct err *f)
{
	struct callers_options opt = {
		.methods = methods, .max_message = KIB(60), .max_answer = KIB(60), .max_calls = 64,
		.call = on_door_call, .gone = on_door_gone,
	};
	int rc;

	*h = (struct house){ .loop = NULL };
	rc = loop_new(&h->loop, f);
	opt.loop = h->loop;
	if (rc == 0)
		rc = callers_new(&opt, &h->all, f);
	return rc;
}

static void
leave_house(struct house *h)
{
	callers_free(h->all);
	loop_free(h->loop);
}

static void
on_pause(void *arg)
{
	loop_stop(arg);
}

static void
turn(struct house *h)
{
	if (loop_timer(h->loop, 30, on_pause, h->loop, &e) < 0 || loop_run(h->loop, &e) < 0)
		abort();
}

static int
come(struct house *h, unsigned from)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cid = from;
	if (connect(fd, (struct sockaddr *)&h->address, h->len) < 0)
		abort();
	turn(h);
	return fd;
}

/* Calls a method; what the refusal says. */
static bool
hears(struct house *h, int fd, const char *method, size_t payload, const char *want)
{
	autobuf frame = BUF(KIB(100)), text = BUF(KIB(1));
	struct ttrpc_frame f = { .stream = 1, .type = TTRPC_REQUEST };
	char in[1000] = "";
	ssize_t n;

	works(buf_addf(&text, &e, "\x0a\x09test.Door\x12%c%s", (int)strlen(method), method), "a request");
	if (payload > 0) {
		works(buf_addf(&text, &e, "\x1a%c%c", (int)(payload & 0x7f) | 0x80, (int)(payload >> 7)), "with a message");
		text.max = KIB(100);
		works(buf_reserve(&text, payload, &e), "of that length");
		text.len += payload;
	}
	f.len = (uint32_t)text.len;
	if (ttrpc_frame_format(&f, &frame, &e) < 0 || buf_add_span(&frame, buf_span(&text), &e) < 0 ||
	    write(fd, frame.data, frame.len) != (ssize_t)frame.len)
		abort();
	turn(h);
	n = read(fd, in, sizeof(in) - 1);
	return n > 0 && memmem(in, (size_t)n, want, strlen(want)) != NULL;
}

static bool
is_gone(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

static void
test_rights(void)
{
	struct house h;
	int fd;

	works(build(&h, &e), "a house");
	works(open_door(&h, UINT64_C(1) << 63 | 1, &e), "with a door");
	fd = come(&h, 0);
	ok(hears(&h, fd, "Zero", 0, "may"), "what this door offers");
	ok(name_seen != NULL && strncmp(name_seen, "uid ", 4) == 0, "its caller is '%s'", name_seen);
	ok(hears(&h, fd, "Last", 0, "may"), "the last one, too");
	ok(hears(&h, fd, "One", 0, "not here"), "what it does not");
	ok(hears(&h, fd, "Zero", 10000, "may"), "a large message");
	close(fd);
	fd = come(&h, VMADDR_CID_HOST);
	ok(hears(&h, fd, "Zero", 0, "forbidden"), "nothing is for the host by itself");
	is_str(name_seen, "cid 2", "it has a name, too");
	callers_set_host(h.all, 2 | UINT64_C(1) << 63);
	ok(hears(&h, fd, "Zero", 0, "forbidden"), "what was not said");
	ok(hears(&h, fd, "Last", 0, "may"), "what was said");
	ok(hears(&h, fd, "One", 0, "may"), "also what this door has not for others");
	ok(hears(&h, fd, "Last", 9000, "too large"), "it may send less");
	close(fd);
	for (unsigned other = 1; other < 5; other += 2) {
		fd = come(&h, other);
		ok(hears(&h, fd, "Zero", 0, "forbidden"), "what says it is CID %u is the host", other);
		close(fd);
	}
	leave_house(&h);
}

static void
test_places(void)
{
	int fds[CALLERS_HOST + 1], fd;
	struct house h;

	works(build(&h, &e), "a house");
	works(open_door(&h, 1, &e), "with a door");
	callers_keep_idle(h.all);
	for (int i = 0; i <= CALLERS_HOST; i++)
		fds[i] = come(&h, VMADDR_CID_HOST);
	ok(is_gone(fds[CALLERS_HOST]) && !is_gone(fds[0]), "the host has few places");
	works(open_door(&h, 1, &e), "another door");
	fd = come(&h, 0);
	ok(hears(&h, fd, "Zero", 0, "may"), "has places of its own");
	callers_close(h.all, 8);
	ok(!is_gone(fd), "another owner goes");
	callers_close(h.all, 7);
	ok(is_gone(fd) && is_gone(fds[0]), "the owner goes");
	for (int i = 0; i <= CALLERS_HOST; i++)
		close(fds[i]);
	close(fd);
	for (int i = 0; i < CALLERS_LISTENERS; i++)
		works(open_door(&h, 1, &e), "doors");
	fails(open_door(&h, 1, &e), ERR_LIMIT, "one too many");
	leave_house(&h);
	callers_free(NULL);
}

static int
run_build(maybe_unused void *arg, struct err *f)
{
	struct house h;
	int rc = build(&h, f);

	if (rc == 0)
		rc = open_door(&h, 1, f);
	leave_house(&h);
	return rc;
}

int
main(void)
{
	log_init(2, "test", LOG_ERROR, false);
	test_rights();
	test_places();
	ok(fault_each(FAULT_ALLOC, 0, false, run_build, NULL) > 2, "no memory, at each place");
	ok(called > 0, "calls came");
	return tap_done();
}
