/* test_handover.c: who becomes the agent, and what a name that starts later hands to it. */
#include "lib/base.h"

#include "agent/handover.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/roles.h"
#include "lib/fs.h"
#include "tests/lib/tap.h"

static struct err e;
static char dir[] = "/tmp/cacao-handover.XXXXXX";

/* A name in a process of its own: hands over one socket and ends. */
static pid_t
start_name(const char *run_dir, enum err_code want)
{
	struct face_start f = { .program = PROGRAM_HUB, .n = 1, .config = "/dev/null", .run_dir = run_dir };
	struct handover h = HANDOVER;
	int fds[FACE_LISTEN] = { -1, -1, -1, -1 }, conn = -1, rc;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(f.listen[0].text, sizeof(f.listen[0].text), "unix://%s/hub.sock", run_dir);
	f.listen[0].face = FACE_HUB;
	rc = address_parse(f.listen[0].text, ADDRESS_PEERS, &f.listen[0].address, &e);
	if (rc == 0)
		rc = fds[0] = address_listen(&f.listen[0].address, &e);
	if (rc >= 0)
		rc = handover_meet(run_dir, &h, &conn, &e);
	if (rc == 0)
		rc = handover_send(conn, &f, fds, &e);
	_exit(rc == -(int)want ? 0 : 1);
}

static bool
wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 30000) == 1;
}

static int
take_all(int conn, struct handed *h, bool *closed)
{
	int rc;

	do
		rc = wait_readable(conn) ? handover_take(conn, h, closed, &e) : -1;
	while (rc == 0 && !*closed);
	return rc;
}

static void
test_one_agent(void)
{
	struct handover first = HANDOVER, second = HANDOVER;
	int conn = -1, nobody = -1;
	struct stat st;

	is_int(handover_meet(dir, &first, &nobody, &e), 1, "the first one is the agent");
	is_int(handover_meet(dir, &second, &conn, &e), 0, "the second one is not");
	ok(conn >= 0 && nobody < 0, "and is connected to it");
	ok(fstatat(first.dir, "start.sock", &st, 0) == 0 && (st.st_mode & 0777) == 0600, "by a socket for us alone");
	base_close(&conn);
	handover_close(&second);
	handover_close(&first);
	ok(access(dir, F_OK) == 0, "the directory stays");
	is_int(handover_meet(dir, &first, &nobody, &e), 1, "after its end another one can be");
	/* One that was killed leaves its socket. */
	base_close(&first.listener);
	handover_close(&first);
	is_int(handover_meet(dir, &first, &nobody, &e), 1, "after it was killed, too");
	handover_close(&first);
}

static void
test_handing(void)
{
	struct handover h = HANDOVER;
	struct handed got = { 0 };
	bool closed = false;
	int conn = -1, status = -1;
	pid_t pid = 0, child;

	is_int(handover_meet(dir, &h, &conn, &e), 1, "the agent");
	child = start_name(dir, ERR_NONE);
	conn = wait_readable(h.listener) ? handover_accept(&h, &pid) : -1;
	ok(conn >= 0 && pid == child, "a name knocks, and is known");
	is_int(take_all(conn, &got, &closed), 1, "hands over all it has");
	ok(got.program == PROGRAM_HUB && got.n == 1 && got.listen[0].face == FACE_HUB &&
	    got.listen[0].transport == PROVIDER_TTRPC && strcmp(got.config, "/dev/null") == 0 && !got.initdata, "and it is right");
	ok((fcntl(got.listen[0].fd, F_GETFL) & O_NONBLOCK) != 0, "the socket is one");
	works(handover_answer(conn, NULL, &e), "it is told");
	ok(waitpid(child, &status, 0) == child && status == 0, "and heard it");
	is_int(handover_take(conn, &got, &closed, &e), 0, "it has ended");
	ok(closed, "which can be seen");
	close(conn);
	handed_close(&got);

	child = start_name(dir, ERR_CONFIG);
	conn = wait_readable(h.listener) ? handover_accept(&h, &pid) : -1;
	got = (struct handed){ 0 };
	is_int(take_all(conn, &got, &closed), 1, "another one");
	works(handover_answer(conn, &(struct err){ .code = ERR_CONFIG, .msg = "not so" }, &e), "is refused");
	ok(waitpid(child, &status, 0) == child && status == 0, "and knows why");
	close(conn);
	handed_close(&got);

	child = start_name(dir, ERR_CRASH);
	conn = wait_readable(h.listener) ? handover_accept(&h, &pid) : -1;
	got = (struct handed){ 0 };
	is_int(take_all(conn, &got, &closed), 1, "the agent ends");
	close(conn);
	ok(waitpid(child, &status, 0) == child && status == 0, "its starter is told");
	handed_close(&got);
	handover_close(&h);
}

static void
send_raw(int conn, uint16_t type, const uint8_t *bytes, size_t n, int fd)
{
	automsg m;

	msg_init(&m, type, 0);
	works(buf_add(&m.body, bytes, n, &e), "a message");
	if (fd >= 0)
		msg_put_fd(&m, fd);
	works(msg_send(conn, &m, 1000, &e), "is sent");
}

#define FILE_OF	0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2	/* inode, time */

/* A starter is root, but a bad one may not become a fault of the agent. */
static void
test_bad(void)
{
	static const uint8_t own[] = { PROVIDER_TTRPC, FACE_OWN, 0, 0, 0, 1, 'x', FILE_OF }, two[] = { PROVIDER_TTRPC, 3, 0, 0, 0, 1, 'x', FILE_OF },
	    cmd[] = { PROVIDER_CMD, FACE_HUB, 0, 0, 0, 1, 'x', FILE_OF }, program[] = { PROGRAM_COUNT, 0, 0, 0, 0, 0 };
	static const struct {
		const uint8_t	*bytes;
		size_t		 n;
		uint16_t	 type;
	} bad[] = {
		{ own, sizeof(own), M_FACE_LISTEN }, { two, sizeof(two), M_FACE_LISTEN }, { cmd, sizeof(cmd), M_FACE_LISTEN },
		{ own, 3, M_FACE_LISTEN }, { program, sizeof(program), M_FACE_START }, { program, 0, M_FACE_START },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct handed h = { 0 };
		bool closed;
		int pair[2];

		works(msg_pair(pair, &e), "a pair");
		send_raw(pair[0], bad[i].type, bad[i].bytes, bad[i].n, bad[i].type == M_FACE_LISTEN ? 0 : -1);
		fails(handover_take(pair[1], &h, &closed, &e), ERR_PROTO, "bad message %zu", i);
		close(pair[0]);
		close(pair[1]);
	}
}

static void
test_refused(void)
{
	struct handover h = HANDOVER;
	char longer[200];
	int conn = -1;

	memset(longer, 'a', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	fails(handover_meet(longer, &h, &conn, &e), ERR_USAGE, "a directory of 199 characters");
	ok(chmod(dir, 0777) == 0, "a directory that others write to");
	fails(handover_meet(dir, &h, &conn, &e), ERR_CONFIG, "is refused");
	handover_close(&h);
	ok(chmod(dir, 0700) == 0, "back");
}

int
main(void)
{
	autoclose int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!ok(mkdtemp(dir) != NULL, "a directory"))
		return tap_done();
	test_one_agent();
	test_handing();
	test_bad();
	test_refused();
	works(fs_remove_tree(tmp, dir + strlen("/tmp/"), &e), "cleaned up");
	return tap_done();
}
