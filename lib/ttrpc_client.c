/* ttrpc_client.c: the calling side (lib/rpc.h): stream 1, one request, its response. */
#include "lib/base.h"

#include "lib/rpc.h"

#include "lib/pb.h"
#include "lib/sys.h"
#include "lib/ttrpc.h"
#include "lib/ttrpc.pb-c.h"

#define STREAM		1
#define ENVELOPE	KIB(4)	/* of the answer: a status with its text */

struct client {
	struct rpc_client	base;
	struct ttrpc_reader	reader;
	size_t			max;
	struct buf		out;	/* secret */
	size_t			written;
};

static struct client *
of(struct rpc_client *c)
{
	return (struct client *)c;
}

static int
take_head(struct client *c, struct err *e)
{
	const struct ttrpc_frame *f = &c->reader.frame;

	if (f->type != TTRPC_RESPONSE || f->stream != STREAM) {
		ttrpc_skip(&c->reader);
		return 0;
	}
	if (f->len > MIN(c->max + ENVELOPE, TTRPC_MAX))
		return err_set(e, ERR_LIMIT, "the answer is too large");
	return ttrpc_keep(&c->reader, e);
}

static int
take_response(struct client *c, struct err *e)
{
	struct rpc_client *base = &c->base;
	const Ttrpc__Response *r;
	autopb pb = { 0 };
	int rc = pb_parse(buf_span(&c->reader.body), &ttrpc__response__descriptor, "the answer", &pb, e);

	if (rc < 0)
		return rc;
	r = (const Ttrpc__Response *)pb.message;
	if (r->status != NULL && r->status->code != 0) {
		struct span text = pb_span(r->status->message);

		text.len = MIN(text.len, base->text.max);
		base->status = (enum rpc_status)r->status->code;
		rc = buf_add_span(&base->text, text, e);
	} else {
		rc = buf_add_span(&base->answer, pb_span(r->payload), e);
	}
	base->done = rc == 0;
	return rc;
}

static int
feed(struct rpc_client *base, struct span in, struct err *e)
{
	struct client *c = of(base);

	while (!base->done) {
		enum ttrpc_event event = ttrpc_read(&c->reader, &in);
		int rc;

		if (event == TTRPC_MORE)
			return 0;
		rc = event == TTRPC_HEAD ? take_head(c, e) : take_response(c, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
pending(struct rpc_client *base, struct span *out, maybe_unused struct err *e)
{
	struct client *c = of(base);

	*out = (struct span){ c->out.data + c->written, c->out.len - c->written };
	return 0;
}

static void
wrote(struct rpc_client *base, size_t n)
{
	struct client *c = of(base);

	c->written += n;
	assert(c->written <= c->out.len);
}

static void
free_client(struct rpc_client *base)
{
	struct client *c = of(base);

	ttrpc_reader_fini(&c->reader);
	buf_free(&c->out);
	buf_free(&base->text);
	buf_free(&base->answer);
	sys_free(c);
}

static const struct rpc_client_ops ops = {
	.feed = feed,
	.pending = pending,
	.wrote = wrote,
	.free = free_client,
};

static int
format_request(const struct rpc_call *call, struct buf *out, struct err *e)
{
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	struct ttrpc_frame f = { .stream = STREAM, .type = TTRPC_REQUEST };
	size_t len;
	int rc;

	r.service = pb_bytes(span_str(call->service));
	r.method = pb_bytes(span_str(call->method));
	r.payload = pb_bytes(call->message);
	if (call->timeout_ms >= 0)
		r.timeout_nano = MIN(MAX(call->timeout_ms, 1), INT64_MAX / 1000000) * 1000000;
	len = protobuf_c_message_get_packed_size(&r.base);
	if (len > TTRPC_MAX)
		return err_set(e, ERR_LIMIT, "the request is too large");
	f.len = (uint32_t)len;
	rc = buf_reserve(out, TTRPC_HEADER + len, e);
	if (rc == 0)
		rc = ttrpc_frame_format(&f, out, e);
	return rc < 0 ? rc : pb_format(&r.base, out, e);
}

int
ttrpc_client_new(const struct rpc_call *call, struct rpc_client **out, struct err *e)
{
	struct client *c = sys_alloc(sizeof(*c));
	int rc;

	if (c == NULL)
		return err_set(e, ERR_NOMEM, "ttrpc session");
	c->base.ops = &ops;
	c->base.text = (struct buf)BUF(KIB(1));
	c->base.answer = (struct buf)BUF_SECRET(call->max_answer);
	c->max = call->max_answer;
	c->out = (struct buf)BUF_SECRET(TTRPC_HEADER + TTRPC_MAX);
	rc = format_request(call, &c->out, e);
	if (rc < 0)
		free_client(&c->base);
	else
		*out = &c->base;
	return rc;
}
