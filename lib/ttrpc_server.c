/*
 * ttrpc_server.c: the serving side (lib/rpc.h). A bad request is answered on its stream and the connection stays:
 * callers such as kata-agent never connect again. Stream ids need not grow: with several callers in one
 * process a higher one may be written first.
 */
#include "lib/base.h"

#include "lib/rpc.h"

#include "lib/pb.h"
#include "lib/sys.h"
#include "lib/ttrpc.h"
#include "lib/ttrpc.pb-c.h"

#define ENVELOPE	KIB(1)	/* names, metadata and what else stands around a message */

struct server {
	struct rpc_server	 base;
	struct ttrpc_reader	 reader;
	uint64_t		 requests;	/* begun, ever */
	struct waiting {
		uint32_t	 stream;
		bool		 plain;
	}			 calls[RPC_CALLS];	/* that wait for an answer */
	unsigned		 ncalls;
	struct buf		 plain, secret;	/* whole frames to be written */
	struct buf		*writing;	/* which of both has begun to go; NULL: neither */
	size_t			 written;	/* of it */
};

static struct server *
of(struct rpc_server *s)
{
	return (struct server *)s;
}

static bool
find_call(const struct server *s, uint32_t stream, unsigned *at)
{
	for (unsigned i = 0; i < s->ncalls; i++) {
		if (s->calls[i].stream == stream) {
			*at = i;
			return true;
		}
	}
	return false;
}

static int
respond(struct buf *out, uint32_t stream, const Ttrpc__Response *r, struct err *e)
{
	struct ttrpc_frame f = {
		.len = (uint32_t)protobuf_c_message_get_packed_size(&r->base),
		.stream = stream,
		.type = TTRPC_RESPONSE,
	};
	size_t before = out->len;
	int rc = ttrpc_frame_format(&f, out, e);

	if (rc == 0)
		rc = pb_format(&r->base, out, e);
	if (rc < 0)
		out->len = before;
	return rc;
}

static int
respond_status(struct server *s, uint32_t stream, enum rpc_status status, const char *why, struct err *e)
{
	Ttrpc__Status st = TTRPC__STATUS__INIT;
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;

	st.code = (int32_t)status;
	st.message = pb_bytes(span_str(why));
	r.status = &st;
	return respond(&s->plain, stream, &r, e);
}

/* 0 for none; negative from the caller means that it has passed; parts of a millisecond count as a whole one. */
static int64_t
timeout_ms(int64_t nano)
{
	return nano == 0 ? -1 : nano < 0 ? 0 : nano / 1000000 + (nano % 1000000 != 0);
}

static int
start_call(struct server *s, uint32_t stream, const Ttrpc__Request *r, struct err *e)
{
	const struct rpc_service *service = s->base.service;
	int64_t timeout = timeout_ms(r->timeout_nano);
	int method = rpc_find(service->methods, pb_span(r->service), pb_span(r->method));
	unsigned at;

	if (method < 0)
		return respond_status(s, stream, RPC_UNIMPLEMENTED, method == -1 ? "no such service" : "no such method", e);
	if (r->payload.len > service->max_message)
		return respond_status(s, stream, RPC_RESOURCE_EXHAUSTED, "the request is too large", e);
	if (timeout == 0)
		return respond_status(s, stream, RPC_DEADLINE_EXCEEDED, "the time was over when the call came", e);
	if (find_call(s, stream, &at))
		return respond_status(s, stream, RPC_INVALID_ARGUMENT, "the stream is in use", e);
	if (s->ncalls == service->max_calls)
		return respond_status(s, stream, RPC_RESOURCE_EXHAUSTED, "too many calls at a time", e);
	s->calls[s->ncalls++] = (struct waiting){ stream, service->methods[method].plain };
	service->call(s->base.arg, stream, service->methods[method].id, timeout, pb_span(r->payload));
	return 0;
}

static int
take_request(struct server *s, struct err *e)
{
	uint32_t stream = s->reader.frame.stream;
	struct err bad;
	autopb pb = { 0 };

	if (pb_parse(buf_span(&s->reader.body), &ttrpc__request__descriptor, "request", &pb, &bad) < 0)
		return respond_status(s, stream, RPC_INVALID_ARGUMENT, "the request cannot be read", e);
	return start_call(s, stream, (const Ttrpc__Request *)pb.message, e);
}

static int
refuse_frame(struct server *s, enum rpc_status status, const char *why, struct err *e)
{
	ttrpc_skip(&s->reader);
	return respond_status(s, s->reader.frame.stream, status, why, e);
}

static int
take_head(struct server *s, struct err *e)
{
	const struct ttrpc_frame *f = &s->reader.frame;
	struct err full;

	s->requests++;
	if (f->type == TTRPC_DATA)
		return refuse_frame(s, RPC_INVALID_ARGUMENT, "no such stream: only unary calls are served", e);
	if (f->type != TTRPC_REQUEST) {
		ttrpc_skip(&s->reader);
		return 0;
	}
	if (f->stream % 2 == 0)
		return refuse_frame(s, RPC_INVALID_ARGUMENT, "stream ids of callers are odd", e);
	if (f->len > MIN(s->base.service->max_message + ENVELOPE, TTRPC_MAX))
		return refuse_frame(s, RPC_RESOURCE_EXHAUSTED, "the request is too large", e);
	if ((f->flags & ~TTRPC_REMOTE_CLOSED) != 0)
		return refuse_frame(s, RPC_UNIMPLEMENTED, "only unary calls are served", e);
	if (ttrpc_keep(&s->reader, &full) < 0)
		return refuse_frame(s, RPC_RESOURCE_EXHAUSTED, "no memory for the request", e);
	return 0;
}

static int
feed(struct rpc_server *base, struct span in, struct err *e)
{
	struct server *s = of(base);

	for (;;) {
		enum ttrpc_event event = ttrpc_read(&s->reader, &in);
		int rc;

		if (event == TTRPC_MORE)
			return 0;
		rc = event == TTRPC_HEAD ? take_head(s, e) : take_request(s, e);
		if (rc < 0)
			return rc;
	}
}

/* false: nobody waits for it. *plain: what kind of answer it has. */
static bool
end_call(struct server *s, uint32_t stream, bool *plain)
{
	unsigned at;

	if (!find_call(s, stream, &at))
		return false;
	*plain = s->calls[at].plain;
	s->calls[at] = s->calls[--s->ncalls];
	return true;
}

static int
answer(struct rpc_server *base, uint32_t stream, struct span message, struct err *e)
{
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;
	struct server *s = of(base);
	bool plain;
	int rc;

	if (!end_call(s, stream, &plain))
		return 0;
	if (message.len > base->service->max_answer)
		return respond_status(s, stream, RPC_INTERNAL, "the answer is too large", e);
	r.payload = pb_bytes(message);
	rc = respond(plain ? &s->plain : &s->secret, stream, &r, e);
	return rc == -ERR_NOMEM ? respond_status(s, stream, RPC_RESOURCE_EXHAUSTED, "no memory for the answer", e) : rc;
}

static int
refuse(struct rpc_server *base, uint32_t stream, enum rpc_status status, const char *why, struct err *e)
{
	bool plain;

	return end_call(of(base), stream, &plain) ? respond_status(of(base), stream, status, why, e) : 0;
}

/* The other kind has its turn when all of this one is gone: frames stay whole. */
static int
pending(struct rpc_server *base, struct span *out, maybe_unused struct err *e)
{
	struct server *s = of(base);

	if (s->writing == NULL && s->secret.len > 0)
		s->writing = &s->secret;
	else if (s->writing == NULL && s->plain.len > 0)
		s->writing = &s->plain;
	*out = (struct span){ NULL, 0 };
	if (s->writing != NULL)
		*out = (struct span){ s->writing->data + s->written, s->writing->len - s->written };
	return 0;
}

static void
wrote(struct rpc_server *base, size_t n)
{
	struct server *s = of(base);

	if (s->writing == NULL)
		return;
	s->written += n;
	assert(s->written <= s->writing->len);
	if (s->written == s->writing->len) {
		buf_free(s->writing);
		s->writing = NULL;
		s->written = 0;
	}
}

static uint64_t
incomplete(const struct rpc_server *base)
{
	const struct server *s = (const struct server *)base;

	return s->reader.have > 0 ? s->requests + (s->reader.have < TTRPC_HEADER) : 0;
}

static bool
over(maybe_unused const struct rpc_server *base)
{
	return false;	/* the peer closes */
}

static void
free_server(struct rpc_server *base)
{
	struct server *s = of(base);

	ttrpc_reader_fini(&s->reader);
	buf_free(&s->plain);
	buf_free(&s->secret);
	sys_free(s);
}

static const struct rpc_server_ops ops = {
	.feed = feed,
	.answer = answer,
	.refuse = refuse,
	.pending = pending,
	.wrote = wrote,
	.incomplete = incomplete,
	.over = over,
	.free = free_server,
};

int
ttrpc_server_new(const struct rpc_service *service, void *arg, struct rpc_server **out, struct err *e)
{
	/* All answers, and a refusal of each frame that fits in one feed. */
	size_t most = service->max_calls * (service->max_answer + 64) + 16 * RPC_FEED;
	struct server *s = sys_alloc(sizeof(*s));

	assert(service->max_calls <= RPC_CALLS);
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "ttrpc session");
	s->base = (struct rpc_server){ &ops, service, arg };
	s->plain = (struct buf)BUF(most);
	s->secret = (struct buf)BUF_SECRET(most);
	*out = &s->base;
	return 0;
}
