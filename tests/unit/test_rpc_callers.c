/* test_rpc_callers.c: the role rpc and those around it: crowds, strangers, who stalls, its monitor's words, and key behind it. */
#include "lib/base.h"

#include "tests/lib/rpc_role.h"

static void
test_owners(void)
{
	struct world w;
	int hub, other, a, b, late;
	struct sockaddr_un address;
	automsg m;
	socklen_t len;

	start(&w);
	hub = offer(&w, FACE_HUB, HUB);
	other = offer(&w, FACE_OWN, OTHER);
	a = connect_to(&w, hub);
	b = connect_to(&w, other);
	msg_init(&m, M_RPC_CLOSE, 0);
	works(msg_put_u32(&m, HUB, &e), "a message");
	works(order(&w, &m), "the hub's owner goes");
	ok(is_closed(a), "its callers are closed");
	call(b, 1, VERSION, SPAN_LIT(""), 0);
	responds(b, 1, RPC_OK, "version", "others stay");
	late = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	len = address_of(&w, hub, &address);
	ok(connect(late, (struct sockaddr *)&address, len) < 0, "its socket is closed");
	close(a);
	close(b);
	close(late);
	for (int i = 0; i < CALLERS_LISTENERS + 3; i++) {
		msg_fini(&m);
		msg_init(&m, M_RPC_CLOSE, 0);
		if (msg_put_u32(&m, HUB, &e) < 0)
			abort();
		(void)offer(&w, FACE_HUB, HUB);
		works(order(&w, &m), "open and closed");
	}
	is_int(stop(&w), 0, "it ends with its monitor");
}

/* One more than there are places. This one has to go; how many did? */
static int
crowd(struct world *w, int door, int fds[CALLERS_LOCAL + 1], int goes)
{
	int closed = 0;

	for (int i = 0; i <= CALLERS_LOCAL; i++) {
		fds[i] = connect_to(w, door);
		if (i == CALLERS_LOCAL)
			break;		/* it may be closed already */
		call(fds[i], 1, VERSION, SPAN_LIT(""), 0);
		responds(fds[i], 1, RPC_OK, "version", "one of many");
	}
	ok(is_closed(fds[goes]), "number %d has to go", goes);
	for (int i = 0; i <= CALLERS_LOCAL; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLIN };

		closed += poll(&p, 1, 0) == 1;
	}
	return closed;
}

static void
test_crowd(void)
{
	int fds[CALLERS_LOCAL + 1], door, other, fd;
	struct world w;

	start(&w);
	door = offer(&w, FACE_OWN, HUB);
	other = offer(&w, FACE_OWN, OTHER);
	is_int(crowd(&w, door, fds, 0), 1, "one too many: who was idle for longest, nobody else");
	call(fds[CALLERS_LOCAL], 1, VERSION, SPAN_LIT(""), 0);
	responds(fds[CALLERS_LOCAL], 1, RPC_OK, "version", "the new one is served");
	for (int i = 0; i <= CALLERS_LOCAL; i++)
		close(fds[i]);
	works(set_up(&w, "pull"), "a daemon");
	is_int(crowd(&w, door, fds, CALLERS_LOCAL), 1, "one too many: it is the new one");
	fd = connect_to(&w, other);
	call(fd, 1, VERSION, SPAN_LIT(""), 0);
	responds(fd, 1, RPC_OK, "version", "at another socket there is room");
	close(fd);
	for (int i = 0; i <= CALLERS_LOCAL; i++)
		close(fds[i]);
	fails(set_up(&w, "pull\nevidence"), ERR_CONFIG, "a word that is none");
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_uids(void)
{
	struct world w;
	int door, status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		skip("not root", "a caller of another uid");
		return;
	}
	start(&w);
	door = offer(&w, FACE_OWN, HUB);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (setuid(65534) < 0)
			_exit(2);
		_exit(is_closed(connect_to(&w, door)) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "a caller of another uid is closed at once");
	is_int(stop(&w), 0, "it ends with its monitor");
}

/* Half a request, an answer that is not read, and one that is read late. */
static void
test_stalls(void)
{
	autobuf text = BUF(MIB(1));
	struct pollfd p = { .events = POLLIN };
	uint32_t stream = 0;
	struct world w;
	int door, fd, half, late;
	automsg m;

	start(&w);
	door = offer(&w, FACE_OWN, HUB);
	half = connect_to(&w, door);
	fd = connect_to(&w, door);
	late = connect_to(&w, door);
	is_int(write(half, "\0\0\0\5\0\0\0", 7), 7, "half a head");
	call(fd, 1, EVIDENCE, SPAN_LIT(""), 0);
	call(late, 1, EVIDENCE, SPAN_LIT(""), 0);
	for (int i = 0; i < 2; i++) {
		arrives(w.tee, &m, M_CALL_PIPE, "\4\0\0\0\0", "evidence");
		fill(&m, CALL_EVIDENCE_MAX);
		done(w.tee, m.id, "", 0);
		msg_fini(&m);
	}
	advance(&w, 15000);
	is_int(response(late, &stream, &text), RPC_OK, "an answer that is read late");
	is_int(text.len, CALL_EVIDENCE_MAX + 4, "comes whole");
	p.fd = half;
	is_int(poll(&p, 1, 100), 0, "the half request is waited for");
	advance(&w, 6000);
	ok(is_closed(half), "not for ever");
	is_int(response(fd, &stream, &text), -1, "what was not read is cut off");
	call(late, 3, VERSION, SPAN_LIT(""), 0);
	responds(late, 3, RPC_OK, "version", "who has read is served");
	close(fd);
	close(half);
	close(late);
	is_int(stop(&w), 0, "it ends with its monitor");
}

/* One request on a pipe; answered by key as any other. */
static void
test_pipe_request(void)
{
	static const char *const refusals[] = { "", "what is too much" };
	struct world w;
	automsg ask, m;
	int in[2], out[2];
	char text[100] = "";

	start(&w);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		if (pipe(in) < 0 || pipe(out) < 0 || write(in[1], "{}", 2) != 2)
			abort();
		close(in[1]);
		msg_init(&ask, M_RPC_PIPE, 5);
		msg_put_fd(&ask, in[0]);
		msg_put_fd(&ask, out[1]);
		works(msg_send(w.control, &ask, WAIT_MS, &e), "a request on a pipe");
		close(in[0]);
		close(out[1]);
		arrives(w.key, &m, M_CALL, "\2\0\0\0\2{}", "goes to key");
		done(w.key, m.id, refusals[i][0] == '\0' ? "\0\0\0\3abc" : "?", refusals[i][0] == '\0' ? 7 : 1);
		is_int(read(out[0], text, sizeof(text)), refusals[i][0] == '\0' ? 3 : 0, "its answer is there, if it is one");
		close(out[0]);
		msg_fini(&ask);
		msg_fini(&m);
		/* M_RPC_DONE comes in the way of nothing else here. */
		is_int(msg_recv(w.control, (struct msg_rule[]){ { .type = M_RPC_DONE, .max_len = KIB(1) }, { 0 } }, WAIT_MS, &m, &e),
		    1, "done");
		is_int(m.body.data[0], i, "well, or not");
		msg_fini(&m);
	}
	msg_init(&ask, 0, 0);
	msg_init(&m, 0, 0);
	is_int(stop(&w), 0, "it ends with its monitor");
}

/* Words of our own parts that are none: of a socket it is told, of what cannot be answered it is the end. */
static void
breaks(uint16_t type, struct span body, bool from_key, const char *name)
{
	struct world w;
	automsg m;

	start(&w);
	msg_init(&m, type, 1);
	if (buf_add_span(&m.body, body, &e) < 0)
		abort();
	works(msg_send(from_key ? w.key : w.control, &m, WAIT_MS, &e), "%s", name);
	ok(is_closed(w.tee), "is the end");
	is_int(stop(&w), 1, "and told");
}

static void
test_breaches(void)
{
	struct world w;
	automsg m;

	start(&w);
	msg_init(&m, M_RPC_LISTEN, 0);
	if (buf_add(&m.body, "\7\1\0\0\0\1", 6, &e) < 0)
		abort();
	msg_put_fd(&m, 0);
	fails(order(&w, &m), ERR_PROTO, "a socket of no transport");
	msg_fini(&m);
	msg_init(&m, M_RPC_SETUP, 0);
	fails(order(&w, &m), ERR_PROTO, "a set-up of nothing");
	msg_fini(&m);
	msg_init(&m, M_RPC_CLOSE, 0);
	fails(order(&w, &m), ERR_PROTO, "nobody's sockets");
	is_int(stop(&w), 0, "it goes on");
	breaks(M_RPC_LOST, SPAN_LIT("\0"), false, "the loss of nobody");
	breaks(M_CALL, SPAN_LIT(""), false, "a call of the monitor");
	breaks(M_CALL, SPAN_LIT(""), true, "a call of key");
}

/* --- with the key role behind it */

static void
give_file(int control, uint8_t which, const char *text)
{
	autoclose int fd = memfd_create("file", MFD_CLOEXEC);
	automsg m;

	if (write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	msg_init(&m, M_FILE, 0);
	works(msg_put_u8(&m, which, &e), "a file");
	msg_put_fd(&m, fd);
	works(msg_send(control, &m, WAIT_MS, &e), "is given");
}

static void
set_up_key(int control)
{
	automsg m;

	msg_init(&m, M_KEY_SETUP, 0);
	if (msg_put_str(&m, "offline_fs_kbc::null", &e) < 0 || msg_put_u8(&m, 0, &e) < 0)
		abort();
	works(msg_send(control, &m, WAIT_MS, &e), "key is set up");
	give_file(control, 0, "{}");
	give_file(control, 1, "{\"default/key/1\":\"c2VjcmV0\",\"default/security-policy/test\":\"cG9saWN5\"}");
}

static void
test_key(void)
{
	int control[2], dummy[2], key[2], status = -1, fd, old;
	struct world w;
	pid_t pid;

	start(&w);
	if (msg_pair(control, &e) < 0 || msg_pair(dummy, &e) < 0 || msg_pair(key, &e) < 0)
		abort();
	/* key at the other end of rpc's socket: that is the one which this test has */
	pid = run_role(&role_key, (int[]){ control[1], dummy[1], w.key }, 3);
	close(control[1]);
	close(key[0]);
	close(key[1]);
	set_up_key(control[0]);
	fd = connect_to(&w, offer(&w, FACE_HUB, HUB));
	call(fd, 1, RESOURCE, SPAN_LIT(URI), 0);
	responds(fd, 1, RPC_OK, "secret", "a resource");
	call(fd, 3, RESOURCE, SPAN_LIT("\x0a\x14kbs:///default/key/2"), 0);
	responds(fd, 3, RPC_NOT_FOUND, "[CDH] [ERROR]: Get Resource failed", "one that is not there");
	call(fd, 5, RESOURCE, SPAN_LIT("\x0a\5/a/b/"), 0);
	responds(fd, 5, RPC_INVALID_ARGUMENT, "", "no URI");
	old = connect_to(&w, offer(&w, FACE_GETRESOURCE, HUB));

	call(old, 1, OLD, SPAN_LIT("\x0a\x0e/default/key/1\x12\x0eoffline_fs_kbc\x1a\x09localhost"), 0);
	responds(old, 1, RPC_OK, "secret", "the old form");
	call(old, 3, OLD, SPAN_LIT("\x0a\x0eoffline_fs_kbc\x12\4null\x1a\x11{\"name\":\"Policy\"}"), 0);
	responds(old, 3, RPC_OK, "policy", "the oldest");
	call(old, 5, OLD, SPAN_LIT("\x0a\x0e/default/key/1\x12\x0eoffline_fs_kbc"), 0);
	responds(old, 5, RPC_OK, "secret", "without an address");
	call(old, 7, OLD, SPAN_LIT("\x0a\x0e/default/key/1\x12\x0eoffline_fs_kbc\x1a\4host"), 0);
	responds(old, 7, RPC_FAILED_PRECONDITION, "offline_fs_kbc::host, and offline_fs_kbc::null", "at another address");
	call(old, 9, OLD, SPAN_LIT("\x0a\x0e/default/key/1\x12\6cc_kbc\x1a\4null"), 0);
	responds(old, 9, RPC_FAILED_PRECONDITION, "cc_kbc::null", "another broker");
	close(fd);
	close(old);
	close(control[0]);
	is_int(stop(&w), 0, "rpc ends with its monitor");
	waitpid(pid, &status, 0);
	is_int(status, 0, "and key");
	close(dummy[0]);
	close(dummy[1]);
}

int
main(void)
{
	begin();
	test_owners();
	test_crowd();
	test_uids();
	test_stalls();
	test_pipe_request();
	test_breaches();
	test_key();
	return tap_done();
}
