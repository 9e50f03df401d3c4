/*
 * relay.c: runs in the guest of the boot test and carries bytes to a program on the host and back, by PORT, a port of
 * virtio-serial: relay NODE PORT, requests of the kernel and their answers, where NODE is /dev/cuse or /dev/tsm_relay;
 * relay vsock:NUMBER PORT, connections, one after the other. Of the kernel's protocols it knows only that messages
 * begin with their length and that the kernel wants each in one piece.
 */
#include "lib/base.h"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>

#include "lib/limits.h"

#define MESSAGE_MAX	KIB(256)	/* more than the kernel moves at once */

static uint8_t message[MESSAGE_MAX];

static int
failed(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	return -1;
}

static int
write_all(int fd, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, message + done, size - done);

		if (n < 0)
			return failed("write");
		done += (size_t)n;
	}
	return 0;
}

/* Until one of both ends, by either function; the first of them takes what comes from the first end. */
static int
both_ways(int first, int second, int (*forth)(int from, int to), int (*back)(int from, int to))
{
	struct pollfd ends[2] = { { .fd = first, .events = POLLIN }, { .fd = second, .events = POLLIN } };
	int rc = 0;

	while (rc == 0) {
		if (poll(ends, ARRAY_LEN(ends), -1) < 0)
			return failed("poll");
		if (ends[0].revents != 0)
			rc = forth(first, second);
		if (rc == 0 && ends[1].revents != 0)
			rc = back(second, first);
	}
	return rc;
}

/* --- requests of the kernel */

static int
read_from_host(int port, size_t from, size_t to)
{
	while (from < to) {
		ssize_t n = read(port, message + from, to - from);

		if (n <= 0)
			return failed(n < 0 ? "read from the host" : "the host hung up");
		from += (size_t)n;
	}
	return 0;
}

static int
answer(int port, int node)
{
	uint32_t size;

	if (read_from_host(port, 0, sizeof(size)) < 0)
		return -1;
	memcpy(&size, message, sizeof(size));
	if (size < sizeof(size) || size > MESSAGE_MAX) {
		errno = EMSGSIZE;
		return failed("answer of the host");
	}
	if (read_from_host(port, sizeof(size), size) < 0)
		return -1;
	/* Who asked may have gone meanwhile. */
	if (write(node, message, size) < 0 && errno != ENOENT)
		return failed("answer to the kernel");
	return 0;
}

static int
request(int node, int port)
{
	ssize_t n = read(node, message, MESSAGE_MAX);

	if (n < 0)
		return errno == EINTR || errno == ENOENT ? 0 : failed("request of the kernel");
	return write_all(port, (size_t)n);
}

/* --- connections */

/* 1: it has ended. */
static int
some(int from, int to)
{
	ssize_t n = read(from, message, MESSAGE_MAX);

	if (n <= 0)
		return 1;
	return write_all(to, (size_t)n);
}

static int
listen_at(const char *number)
{
	const struct sockaddr_vm at = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
	    .svm_port = (unsigned)strtoul(number, NULL, 10) };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0)
		return failed("vsock");
	puts("ready");
	fflush(stdout);
	return fd;
}

static int
connections(int listener, int port)
{
	int rc, fd;

	do {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return failed("accept");
		rc = both_ways(fd, port, some, some);
		close(fd);
	} while (rc >= 0);
	return rc;
}

int
main(int argc, char *argv[])
{
	bool vsock = argc == 3 && strncmp(argv[1], "vsock:", 6) == 0;
	int from, port;

	if (argc != 3)
		return 2;
	from = vsock ? listen_at(argv[1] + 6) : open(argv[1], O_RDWR | O_CLOEXEC);
	port = open(argv[2], O_RDWR | O_CLOEXEC);
	if (from < 0 || port < 0)
		return -failed("open");
	if (vsock)
		return -connections(from, port);
	return -both_ways(from, port, request, answer);
}
