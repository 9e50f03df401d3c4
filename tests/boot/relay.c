/*
 * relay.c: runs in the guest of the boot test and carries requests of the kernel to a program on the host and its
 * answers back: relay NODE PORT, where NODE is /dev/cuse or /dev/tsm_relay and PORT a port of virtio-serial. Of
 * either protocol it knows only that messages begin with their length and that the kernel wants each in one piece.
 */
#include "lib/base.h"

#include <fcntl.h>
#include <poll.h>

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
write_to_host(int port, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(port, message + done, size - done);

		if (n < 0)
			return failed("write to the host");
		done += (size_t)n;
	}
	return 0;
}

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
	return write_to_host(port, (size_t)n);
}

int
main(int argc, char *argv[])
{
	struct pollfd ends[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int rc = 0;

	if (argc != 3)
		return 2;
	ends[0].fd = open(argv[1], O_RDWR | O_CLOEXEC);
	ends[1].fd = open(argv[2], O_RDWR | O_CLOEXEC);
	if (ends[0].fd < 0 || ends[1].fd < 0)
		return -failed("open");
	while (rc == 0) {
		if (poll(ends, ARRAY_LEN(ends), -1) < 0 && errno != EINTR)
			rc = failed("poll");
		if (rc == 0 && ends[0].revents != 0)
			rc = request(ends[0].fd, ends[1].fd);
		if (rc == 0 && ends[1].revents != 0)
			rc = answer(ends[1].fd, ends[0].fd);
	}
	return 1;
}
