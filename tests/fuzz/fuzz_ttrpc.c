/* fuzz_ttrpc.c: bytes of a caller to a server, and the same bytes to a client. The first byte: in pieces of how many. */
#include "lib/base.h"

#include "tests/lib/echo.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
feed_client(struct span in, size_t step)
{
	static const struct rpc_call call = {
		.service = "test.Echo", .method = "Say", .message = { (const uint8_t *)"hi", 2 }, .max_answer = KIB(1),
	};
	struct rpc_client *c;
	struct span piece;
	struct err e;
	int rc = 0;

	if (ttrpc_client_new(&call, &c, &e) < 0)
		return;
	while (rc == 0 && in.len > 0 && span_take(&in, MIN(step, in.len), &piece))
		rc = rpc_client_feed(c, piece, &e);
	rpc_client_free(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct echo echo = { 0 };
	autobuf out = BUF(MIB(4));
	struct span in = { data, size };
	struct err e;
	uint8_t step;

	if (!span_u8(&in, &step))
		return 0;
	step = (uint8_t)MAX(step, 1);
	if (ttrpc_server_new(&echo_service, &echo, &echo.server, &e) == 0) {
		(void)(echo_feed(echo.server, in, step, &out, &e) < 0);
		if (echo.method == ECHO_WAIT)
			(void)(rpc_refuse(echo.server, echo.stream, RPC_NOT_FOUND, "late", &e) < 0);
		rpc_server_free(echo.server);
	}
	feed_client(in, step);
	return 0;
}
