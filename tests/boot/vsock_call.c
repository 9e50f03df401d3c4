/*
 * vsock_call.c: carries what is on standard input to a vsock port, and one frame of an answer to standard output; busybox
 * knows no vsock. usage: vsock_call CID PORT
 */
#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
main(int argc, char *argv[])
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK };
	static char bytes[65536];
	size_t have = 0, want = 10;
	uint32_t len;
	ssize_t n;
	int s = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (argc != 3)
		return 2;
	to.svm_cid = (unsigned)strtoul(argv[1], NULL, 10);
	to.svm_port = (unsigned)strtoul(argv[2], NULL, 10);
	alarm(120);	/* a pull tries five times before it gives up */
	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("vsock_call");
		return 1;
	}
	while ((n = read(0, bytes, sizeof(bytes))) > 0)
		if (write(s, bytes, (size_t)n) != n)
			return 1;
	while (have < want && (n = read(s, bytes + have, sizeof(bytes) - have)) > 0) {
		have += (size_t)n;
		memcpy(&len, bytes, sizeof(len));
		if (have >= 10)
			want = 10 + (size_t)ntohl(len);
	}
	return have >= want && fwrite(bytes, 1, have, stdout) == have ? 0 : 1;
}
