/*
 * fuzz_qgs.c: any bytes as an answer of the host's quote service, by vsock with its length in front, or as what an ioctl left in
 * the shared buffer; and as the file that names the port.
 */
#include "lib/base.h"

#include "evidence/tdx_device.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "evidence/bytes.h"
#include "evidence/qgs.h"
#include "evidence/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int far_end = -1;	/* of the vsock: stays open, or writing to it would end the process */

static int
host_open(void *arg, const char *path, maybe_unused int flags)
{
	const struct span *answer = arg;
	bool conf = strcmp(path, "/etc/tdx-attest.conf") == 0;

	/* An even length: by vsock. */
	if ((conf && answer->len % 2 == 0) || strcmp(path, "/dev/tdx_guest") == 0) {
		int fd = memfd_create("host", MFD_CLOEXEC);

		if (fd < 0 || (conf && pwrite(fd, "port=4050", 9, 0) != 9))
			abort();
		return fd;
	}
	errno = ENOENT;
	return -1;
}

static int
host_ioctl(void *arg, maybe_unused int fd, unsigned long request, void *argument)
{
	const struct span *answer = arg;
	uint8_t *bytes = argument;

	if (request == TDX_GET_REPORT0) {
		bytes[64] = TDREPORT_TYPE_TDX;
		memcpy(bytes + 64 + TDREPORT_DATA, bytes, EVIDENCE_DATA);
		return 0;
	}
	bytes = (uint8_t *)(uintptr_t)le64(bytes);
	memcpy(bytes + TDX_BUF_STATUS, answer->p, MIN(answer->len, (size_t)TDX_BUF_SIZE - TDX_BUF_STATUS));
	return 0;
}

static int
host_vsock(void *arg, maybe_unused uint32_t port)
{
	const struct span *answer = arg;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	(void)(send(pair[1], answer->p, MIN(answer->len, (size_t)KIB(64)), MSG_DONTWAIT) < 0);
	(void)shutdown(pair[1], SHUT_WR);
	far_end = pair[1];
	return pair[0];
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const uint8_t data[EVIDENCE_DATA] = { 1 };
	struct span answer = { bytes, n }, quote = { NULL, 0 };
	const struct evidence_env env = {
		.open = host_open, .ioctl = host_ioctl, .vsock = host_vsock, .arg = &answer,
	};
	autobuf out = BUF(LIMIT_REPORT);
	uint32_t port = 0;
	struct err e;

	if (qgs_port(answer, &port) && port > 65535)
		abort();
	if (qgs_response(answer, &quote, &e) == 0 && buf_add_span(&out, quote, &e) < 0)
		return 0;
	buf_reset(&out);
	(void)(tdx_device_quote(&env, data, &out, &e) < 0);
	base_close(&far_end);
	return 0;
}
