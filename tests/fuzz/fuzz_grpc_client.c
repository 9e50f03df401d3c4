/* fuzz_grpc_client.c: what a server answers to a call. The first byte: in pieces of how many. */
#include "lib/base.h"

#include "lib/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* All that waits to be sent goes nowhere. */
static int
drain(struct rpc_client *c, struct err *e)
{
	struct span out;
	int rc;

	while ((rc = rpc_client_pending(c, &out, e)) == 0 && out.len > 0)
		rpc_client_wrote(c, out.len);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rpc_call call = {
		.authority = "localhost", .service = "test.Echo", .method = "Say",
		.message = { (const uint8_t *)"hi", 2 }, .timeout_ms = 100, .max_answer = KIB(1),
	};
	struct span in = { data, size }, piece;
	struct rpc_client *c;
	struct err e;
	uint8_t step;
	int rc;

	if (!span_u8(&in, &step) || grpc_client_new(&call, &c, &e) < 0)
		return 0;
	rc = drain(c, &e);
	while (rc == 0 && in.len > 0 && span_take(&in, MIN((size_t)MAX(step, 1), in.len), &piece)) {
		rc = rpc_client_feed(c, piece, &e);
		if (rc == 0)
			rc = drain(c, &e);
	}
	if (c->done && c->status != RPC_OK && rpc_failure(c->status, buf_span(&c->text), &e) >= 0)
		abort();
	rpc_client_free(c);
	return 0;
}
