/* test_address.c: addresses of key providers, and listening on them. */
#include "lib/base.h"

#include "agent/address.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/lib/tap.h"

static struct err e;

static void
test_parse(void)
{
	static const struct {
		const char		*text;
		enum provider_transport	 transport;
		const char		*path, *host;
		uint16_t		 port;
	} good[] = {
		{ "grpc:127.0.0.1:50000", PROVIDER_GRPC, "", "127.0.0.1", 50000 },
		{ "grpc:[::1]:1", PROVIDER_GRPC, "", "::1", 1 },
		{ "ttrpc:host.example.org:65535", PROVIDER_TTRPC, "", "host.example.org", 65535 },
		{ "grpc:unix:///run/x.sock", PROVIDER_GRPC, "/run/x.sock", "", 0 },
		{ "ttrpc:unix:///x", PROVIDER_TTRPC, "/x", "", 0 },
		{ "cmd:/usr/bin/kp", PROVIDER_CMD, "/usr/bin/kp", "", 0 },
	};
	static const char *const bad[] = {
		"", "grpc", "grpc:", "grpc:1.2.3.4", "grpc:1.2.3.4:", "grpc::1", "grpc:1.2.3.4:0", "grpc:1.2.3.4:65536",
		"grpc:1.2.3.4:-1", "grpc:1.2.3.4:1x", "grpc:::1:50000", "grpc:[]:1", "grpc:a b:1", "grpc:a/b:1", "grpc:u@h:1",
		"grpc:unix:", "grpc:unix://", "grpc:unix://x", "grpc:unix:/x", "cmd:", "cmd:kp", "cmd:./kp", "GRPC:127.0.0.1:1",
		"http://127.0.0.1:1", "127.0.0.1:50000", "unix:///x",
	};
	struct address a, before;
	char text[400];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		works(address_parse(good[i].text, ADDRESS_NAMED, &a, &e), "%s", good[i].text);
		ok(a.transport == good[i].transport && strcmp(a.path, good[i].path) == 0 &&
		    strcmp(a.host, good[i].host) == 0 && a.port == good[i].port, "is what it says");
	}
	memset(&a, 'x', sizeof(a));
	before = a;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(address_parse(bad[i], ADDRESS_NAMED, &a, &e), ERR_USAGE, "'%s'", bad[i]);
	ok(memcmp(&a, &before, sizeof(a)) == 0, "nothing is given then");
	works(address_parse("127.0.0.1:50000", ADDRESS_GRPC, &a, &e), "a bare one, where that is allowed");
	ok(a.transport == PROVIDER_GRPC && a.port == 50000, "is gRPC");

	snprintf(text, sizeof(text), "grpc:%0240d:1", 0);
	fails(address_parse(text, ADDRESS_NAMED, &a, &e), ERR_USAGE, "a host of 240 characters");
	snprintf(text, sizeof(text), "grpc:unix:///%0106d", 0);
	works(address_parse(text, ADDRESS_NAMED, &a, &e), "a path of 107 bytes");
	snprintf(text, sizeof(text), "grpc:unix:///%0107d", 0);
	fails(address_parse(text, ADDRESS_NAMED, &a, &e), ERR_USAGE, "one of 108");
}

/* As kata-agent and its like write them. */
static void
test_peers(void)
{
	static const char *const bad[] = {
		"unix://@name", "unix://x", "Vsock://-1:1", "vsock://", "vsock://1", "vsock://-2:1", "vsock://1:", "vsock://1:4294967296",
		"vsock://x:1", "vsock://1:1:1", "tcp://1.2.3.4:5", "/run/x.sock",
	};
	struct address a;

	works(address_parse("unix:///run/x.sock", ADDRESS_PEERS, &a, &e), "unix");
	ok(a.transport == PROVIDER_TTRPC && strcmp(a.path, "/run/x.sock") == 0, "is ttrpc");
	works(address_parse("127.0.0.1:50000", ADDRESS_PEERS, &a, &e), "host and port");
	ok(a.transport == PROVIDER_GRPC && a.port == 50000, "is gRPC");
	works(address_parse("vsock://-1:1024", ADDRESS_PEERS, &a, &e), "vsock");
	ok(a.transport == PROVIDER_TTRPC && a.vsock && a.cid == UINT32_MAX && a.vsock_port == 1024, "of any CID");
	works(address_parse("grpc:vsock://3:7", ADDRESS_PEERS, &a, &e), "with its transport");
	ok(a.transport == PROVIDER_GRPC && a.vsock && a.cid == 3 && a.vsock_port == 7, "and CID");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(address_parse(bad[i], ADDRESS_PEERS, &a, &e), ERR_USAGE, "'%s'", bad[i]);
	fails(address_parse("grpc:vsock://3:7", ADDRESS_NAMED, &a, &e), ERR_USAGE, "vsock where it is not expected");
}

static int
listens(const char *text)
{
	struct address a;
	int rc = address_parse(text, ADDRESS_NAMED, &a, &e);

	return rc < 0 ? rc : address_listen(&a, &e);
}

static void
test_loopback(void)
{
	static const char *const others[] = {
		"grpc:0.0.0.0:50000", "grpc:[::]:50000", "grpc:128.0.0.1:1", "grpc:126.255.255.255:1", "grpc:example.org:1",
		"grpc:[::2]:1", "grpc:[::ffff:127.0.0.1]:1", "grpc:127.1:1", "grpc:localhost.example.org:1", "cmd:/bin/true",
	};

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		fails(listens(others[i]), ERR_USAGE, "nobody listens on %s", others[i]);
}

/* Its listener is still open in a process that is about to end. fd is closed. */
static void
test_dying(const struct address *a, int fd)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		(void)poll(NULL, 0, 100);
		_exit(0);
	}
	close(fd);
	fd = address_listen(a, &e);
	ok(child > 0 && fd >= 0, "who is dying is waited for");
	close(fd);
	ok(waitpid(child, &status, 0) == child, "and is gone");
}

static void
test_unix(void)
{
	char dir[] = "/tmp/cacao-address.XXXXXX", text[64];
	struct address a;
	struct stat st;
	int fd, other;

	if (!ok(mkdtemp(dir) != NULL, "a directory"))
		return;
	snprintf(text, sizeof(text), "grpc:unix://%s/sock", dir);
	works(address_parse(text, ADDRESS_NAMED, &a, &e), "a socket in it");
	fails(address_connect_unix(&a, &e), ERR_NET, "nobody is there");
	fd = address_listen(&a, &e);
	ok(fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, "is listened on, without waiting");
	ok(lstat(a.path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600, "by its owner alone");
	other = address_connect_unix(&a, &e);
	ok(other >= 0, "can be connected to");
	close(other);
	fails(address_listen(&a, &e), ERR_CONFIG, "not by two");
	test_dying(&a, fd);
	fd = address_listen(&a, &e);
	ok(fd >= 0, "one that nobody serves is replaced");
	address_unlink(&a, fd);
	close(fd);
	ok(lstat(a.path, &st) < 0, "and removed at the end");

	fd = open(a.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	fails(address_listen(&a, &e), ERR_CONFIG, "a file is not replaced");
	ok(unlink(a.path) == 0, "by nobody but us");
	ok(symlink("/nowhere", a.path) == 0, "a symbolic link");
	fails(address_listen(&a, &e), ERR_CONFIG, "is not replaced");
	(void)unlink(a.path);
	ok(chmod(dir, 0777) == 0, "a directory that everybody writes to");
	fails(address_listen(&a, &e), ERR_CONFIG, "is none for a socket");
	ok(chmod(dir, 01777) == 0, "but a sticky one");
	fd = address_listen(&a, &e);
	ok(fd >= 0, "is");
	address_unlink(&a, fd);
	close(fd);
	ok(rmdir(dir) == 0, "nothing is left");
}

int
main(void)
{
	test_parse();
	test_peers();
	test_loopback();
	test_unix();
	return tap_done();
}
