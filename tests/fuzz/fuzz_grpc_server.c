/*
 * fuzz_grpc_server.c: what a caller sends after the preface and empty settings, to a gRPC server. The first byte: in
 * pieces of how many; 0: without preface.
 */
#include "lib/base.h"

#include "tests/lib/echo.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
	struct echo echo = { 0 };
	autobuf out = BUF(MIB(4));
	struct span in = { data, size };
	struct err e;
	uint8_t step;
	int rc = 0;

	if (!span_u8(&in, &step) || grpc_server_new(&echo_service, &echo, &echo.server, &e) < 0)
		return 0;
	if (step > 0)
		rc = echo_feed(echo.server, (struct span){ (const uint8_t *)begin, sizeof(begin) }, 100, &out, &e);
	if (rc == 0)
		rc = echo_feed(echo.server, in, MAX(step, 1), &out, &e);
	if (rc == 0 && echo.method == ECHO_WAIT) {
		rc = rpc_refuse(echo.server, echo.stream, RPC_NOT_FOUND, "late", &e);
		if (rc == 0)
			(void)(echo_drain(echo.server, &out, &e) < 0);
	}
	(void)rpc_incomplete(echo.server);
	(void)rpc_over(echo.server);
	rpc_server_free(echo.server);
	return 0;
}
