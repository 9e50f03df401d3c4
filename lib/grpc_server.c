/*
 * grpc_server.c: the serving side (lib/rpc.h) over nghttp2, with prior knowledge and in the clear. Any number of calls
 * of one connection at a time, up to the service's limit; what HTTP/2 lets a peer ask for is bounded: header
 * lists, settings, pings, resets, continuation frames, and all memory of the session.
 */
#include "lib/base.h"

#include "lib/grpc.h"

#include "lib/sys.h"

#define SESSION_MEMORY	KIB(768)	/* nghttp2's own: header tables, frames being written, streams */
#define ACKS		256		/* pings and settings that wait to be answered */
#define TEXT		KIB(2)		/* of grpc-message, encoded */

struct stream {
	struct stream		*next;
	struct server		*server;
	int32_t			 id;
	uint64_t		 number;
	enum { READING, CALLED, ANSWERED } state;
	bool			 heard;		/* the peer has said all */
	size_t			 headers;	/* bytes */
	bool			 post, grpc, encoded;
	int			 method;	/* as rpc_find */
	int64_t			 timeout_ms;
	bool			 bad_timeout;
	struct grpc_message	 in;
	struct buf		 out;		/* secret: prefix and answer */
	size_t			 sent;
};

struct server {
	struct rpc_server	 base;
	struct budget		 memory;
	nghttp2_session		*http;
	struct stream		*streams;	/* the oldest last */
	uint64_t		 count;
	struct span		 pending;	/* of nghttp2, not written yet */
};

static struct server *
of(struct rpc_server *s)
{
	return (struct server *)s;
}

static struct stream *
find(struct server *s, int32_t id)
{
	return nghttp2_session_get_stream_user_data(s->http, id);
}

/* --- answering */

static int
submit(struct stream *st, const nghttp2_nv *nv, size_t n, const nghttp2_data_provider *data)
{
	st->state = ANSWERED;
	return nghttp2_submit_response(st->server->http, st->id, nv, n, data);
}

/* Once the answer is out, whatever else the peer would send of this call is not wanted. */
static int
on_sent(nghttp2_session *http, const nghttp2_frame *f, void *arg)
{
	struct stream *st = find(arg, f->hd.stream_id);

	if (st == NULL || st->heard || f->hd.type != NGHTTP2_HEADERS || (f->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	return nghttp2_submit_rst_stream(http, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR) == 0 ?
	    0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
submit_status(struct stream *st, enum rpc_status status, const char *why)
{
	char text[TEXT], number[12];
	nghttp2_nv nv[5];

	snprintf(number, sizeof(number), "%d", (int)status);
	grpc_text_encode(why, text, sizeof(text));
	nv[0] = grpc_header(":status", "200");
	nv[1] = grpc_header("content-type", "application/grpc");
	nv[2] = grpc_header("grpc-status", number);
	nv[3] = grpc_header("grpc-message", text);
	nv[4] = grpc_header("grpc-accept-encoding", "identity");
	return submit(st, nv, status == RPC_UNIMPLEMENTED ? 5 : 4, NULL);
}

static int
submit_http(struct stream *st, const char *status)
{
	const nghttp2_nv nv[] = { grpc_header(":status", status) };

	return submit(st, nv, ARRAY_LEN(nv), NULL);
}

static ssize_t
give_data(nghttp2_session *http, int32_t id, uint8_t *to, size_t size, uint32_t *flags, nghttp2_data_source *source,
    maybe_unused void *arg)
{
	const nghttp2_nv trailer[] = { grpc_header("grpc-status", "0") };
	struct stream *st = source->ptr;
	size_t n = MIN(size, st->out.len - st->sent);

	memcpy(to, st->out.data + st->sent, n);
	st->sent += n;
	if (st->sent < st->out.len)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	if (nghttp2_submit_trailer(http, id, trailer, ARRAY_LEN(trailer)) != 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	return (ssize_t)n;
}

static int
submit_answer(struct stream *st)
{
	const nghttp2_nv nv[] = {
		grpc_header(":status", "200"),
		grpc_header("content-type", "application/grpc"),
	};
	const nghttp2_data_provider data = { .source.ptr = st, .read_callback = give_data };

	return submit(st, nv, ARRAY_LEN(nv), &data);
}

/* --- asking: nghttp2 tells of frames; 0, or an error of nghttp2, which ends the session */

static int
on_begin_headers(nghttp2_session *http, const nghttp2_frame *f, void *arg)
{
	struct server *s = arg;
	struct stream *st;

	if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	st = budget_alloc(&s->memory, sizeof(*st));
	if (st == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	*st = (struct stream){
		.next = s->streams,
		.server = s,
		.id = f->hd.stream_id,
		.number = ++s->count,
		.method = -1,
		.timeout_ms = -1,
		.out = BUF_SECRET(GRPC_PREFIX + s->base.service->max_answer),
	};
	s->streams = st;
	return nghttp2_session_set_stream_user_data(http, st->id, st);
}

/* "/service/method" */
static int
find_method(const struct rpc_service *service, struct span path)
{
	struct span first, name;

	if (!span_starts(path, "/") || !span_split(&path, '/', &first) || !span_split(&path, '/', &name))
		return -1;
	return rpc_find(service->methods, name, path);
}

static int
on_header(maybe_unused nghttp2_session *http, const nghttp2_frame *f, const uint8_t *name, size_t name_len,
    const uint8_t *value, size_t value_len, maybe_unused uint8_t flags, void *arg)
{
	struct span n = { name, name_len }, v = { value, value_len };
	struct stream *st = find(arg, f->hd.stream_id);

	if (st == NULL || f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	st->headers += name_len + value_len;
	if (span_eq_str(n, ":method"))
		st->post = span_eq_str(v, "POST");
	else if (span_eq_str(n, ":path"))
		st->method = find_method(st->server->base.service, v);
	else if (span_eq_str(n, "content-type"))
		st->grpc = span_eq_str(v, "application/grpc") || span_starts(v, "application/grpc+proto") ||
		    span_starts(v, "application/grpc;");
	else if (span_eq_str(n, "grpc-encoding"))
		st->encoded = !span_eq_str(v, "identity");
	else if (span_eq_str(n, "grpc-timeout"))
		st->bad_timeout = !grpc_timeout_parse(v, &st->timeout_ms);
	return 0;
}

/* All headers are there. */
static int
check_request(struct stream *st)
{
	if (st->headers > GRPC_HEADERS)
		return submit_status(st, RPC_RESOURCE_EXHAUSTED, "too many headers");
	if (!st->post)
		return submit_http(st, "405");
	if (!st->grpc)
		return submit_http(st, "415");
	if (st->method < 0)
		return submit_status(st, RPC_UNIMPLEMENTED, st->method == -1 ? "no such service" : "no such method");
	if (st->encoded)
		return submit_status(st, RPC_UNIMPLEMENTED, "no encoding but identity is supported");
	if (st->bad_timeout)
		return submit_status(st, RPC_INVALID_ARGUMENT, "grpc-timeout cannot be read");
	if (st->timeout_ms == 0)
		return submit_status(st, RPC_DEADLINE_EXCEEDED, "the time was over when the call came");
	return 0;
}

/* The peer has said all it will say in this call. */
static int
start_call(struct stream *st)
{
	const struct rpc_service *service = st->server->base.service;

	st->heard = true;
	if (st->state != READING)
		return 0;
	if (!grpc_message_whole(&st->in))
		return submit_status(st, RPC_INVALID_ARGUMENT, "no whole message");
	st->state = CALLED;
	service->call(st->server->base.arg, (uint32_t)st->id, service->methods[st->method].id, st->timeout_ms,
	    buf_span(&st->in.body));
	grpc_message_fini(&st->in);
	return 0;
}

static int
on_frame(maybe_unused nghttp2_session *http, const nghttp2_frame *f, void *arg)
{
	struct stream *st = find(arg, f->hd.stream_id);
	int rc = 0;

	if (st == NULL || (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA))
		return 0;
	st->heard = (f->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	if (f->hd.type == NGHTTP2_HEADERS && f->headers.cat == NGHTTP2_HCAT_REQUEST)
		rc = check_request(st);
	if (rc == 0 && st->heard)
		rc = start_call(st);
	return rc == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
on_data(maybe_unused nghttp2_session *http, maybe_unused uint8_t flags, int32_t id, const uint8_t *data, size_t len,
    void *arg)
{
	struct stream *st = find(arg, id);
	enum rpc_status status;
	const char *why;

	if (st == NULL || st->state != READING)
		return 0;
	status = grpc_message_add(&st->in, (struct span){ data, len }, st->server->base.service->max_message, &why);
	if (status == RPC_OK)
		return 0;
	grpc_message_fini(&st->in);
	return submit_status(st, status, why) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void
free_stream(struct stream *st)
{
	grpc_message_fini(&st->in);
	buf_free(&st->out);
	budget_free(&st->server->memory, st);
}

static int
on_close(maybe_unused nghttp2_session *http, int32_t id, maybe_unused uint32_t code, void *arg)
{
	struct server *s = arg;
	struct stream *st = find(s, id), **at = &s->streams;

	if (st == NULL)
		return 0;
	while (*at != st)
		at = &(*at)->next;
	*at = st->next;
	if (st->state == CALLED)
		s->base.service->cancelled(s->base.arg, (uint32_t)id);
	free_stream(st);
	return 0;
}

/* --- the session */

static int
broken(int rc, struct err *e)
{
	return err_set(e, rc == NGHTTP2_ERR_NOMEM ? ERR_NOMEM : ERR_PARSE, "HTTP/2: %s", nghttp2_strerror(rc));
}

static int
feed(struct rpc_server *base, struct span in, struct err *e)
{
	ssize_t n = nghttp2_session_mem_recv(of(base)->http, in.p, in.len);

	return n < 0 ? broken((int)n, e) : 0;
}

static int
answer(struct rpc_server *base, uint32_t id, struct span message, struct err *e)
{
	struct stream *st = find(of(base), (int32_t)id);
	int rc;

	if (st == NULL || st->state != CALLED)
		return 0;
	st->out.secret = !base->service->methods[st->method].plain;
	if (message.len > base->service->max_answer)
		rc = submit_status(st, RPC_INTERNAL, "the answer is too large");
	else if (grpc_message_format(message, &st->out, e) < 0)
		rc = submit_status(st, RPC_RESOURCE_EXHAUSTED, "no memory for the answer");
	else
		rc = submit_answer(st);
	return rc == 0 ? 0 : broken(rc, e);
}

static int
refuse(struct rpc_server *base, uint32_t id, enum rpc_status status, const char *why, struct err *e)
{
	struct stream *st = find(of(base), (int32_t)id);
	int rc = st != NULL && st->state == CALLED ? submit_status(st, status, why) : 0;

	return rc == 0 ? 0 : broken(rc, e);
}

static int
pending(struct rpc_server *base, struct span *out, struct err *e)
{
	struct server *s = of(base);

	if (s->pending.len == 0) {
		ssize_t n = nghttp2_session_mem_send(s->http, &s->pending.p);

		if (n < 0)
			return broken((int)n, e);
		s->pending.len = (size_t)n;
	}
	*out = s->pending;
	return 0;
}

static void
wrote(struct rpc_server *base, size_t n)
{
	struct span gone;

	(void)span_take(&of(base)->pending, n, &gone);
}

static uint64_t
incomplete(const struct rpc_server *base)
{
	uint64_t oldest = 0;

	for (const struct stream *st = ((const struct server *)base)->streams; st != NULL; st = st->next)
		if (!st->heard)
			oldest = st->number;
	return oldest;
}

static bool
over(const struct rpc_server *base)
{
	const struct server *s = (const struct server *)base;

	return nghttp2_session_want_read(s->http) == 0 && nghttp2_session_want_write(s->http) == 0;
}

static void
free_server(struct rpc_server *base)
{
	struct server *s = of(base);

	/* Deleting a session tells of no stream. */
	while (s->streams != NULL) {
		struct stream *st = s->streams;

		s->streams = st->next;
		free_stream(st);
	}
	nghttp2_session_del(s->http);
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

static int
open_session(struct server *s)
{
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_option *opt = NULL;
	nghttp2_mem mem = grpc_memory(&s->memory);
	int rc = nghttp2_session_callbacks_new(&cb);

	if (rc == 0)
		rc = nghttp2_option_new(&opt);
	if (rc == 0) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
		nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
		nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
		nghttp2_option_set_no_closed_streams(opt, 1);
		nghttp2_option_set_max_outbound_ack(opt, ACKS);
		rc = nghttp2_session_server_new3(&s->http, cb, s, opt, &mem);
	}
	if (rc != 0)
		s->http = NULL;		/* it may have been set and freed */
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	return rc;
}

int
grpc_server_new(const struct rpc_service *service, void *arg, struct rpc_server **out, struct err *e)
{
	/*
	 * More streams than that are refused by HTTP/2, and their callers try again. NO_RFC7540_PRIORITIES is left out:
	 * with it nghttp2 1.52 uses an item that it has freed when memory runs out, and a peer may use up its budget.
	 */
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, service->max_calls },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS },
	};
	struct server *s = sys_alloc(sizeof(*s));
	int rc;

	assert(service->max_calls <= RPC_CALLS);
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "gRPC session");
	s->base = (struct rpc_server){ &ops, service, arg };
	s->memory.max = SESSION_MEMORY;
	rc = open_session(s);
	if (rc == 0)
		rc = nghttp2_submit_settings(s->http, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
	if (rc != 0) {
		free_server(&s->base);
		return broken(rc, e);
	}
	*out = &s->base;
	return 0;
}
