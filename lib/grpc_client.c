/* grpc_client.c: the calling side (lib/rpc.h) over nghttp2: one stream, one message there, one back, and a status. */
#include "lib/base.h"

#include "lib/grpc.h"

#include "lib/sys.h"

#define SESSION_MEMORY	MIB(1)

struct client {
	struct rpc_client	 base;
	struct budget		 memory;
	nghttp2_session		*http;
	int32_t			 stream;
	struct buf		 out;		/* secret: prefix and request */
	size_t			 sent;
	struct grpc_message	 in;
	size_t			 max, headers;
	uint64_t		 http_status;
	bool			 has_status;	/* base.status is the server's word */
	struct span		 pending;
};

static struct client *
of(struct rpc_client *c)
{
	return (struct client *)c;
}

/* What we say ourselves of an answer that is none. */
static void
fail(struct client *c, enum rpc_status status, const char *why)
{
	struct err full;

	c->base.status = status;
	c->has_status = true;
	buf_reset(&c->base.text);
	(void)(buf_add_str(&c->base.text, why, &full) < 0);
}

/* The same, without waiting for the rest: the connection is not used again. */
static void
give_up(struct client *c, enum rpc_status status, const char *why)
{
	fail(c, status, why);
	c->base.done = true;
}

static enum rpc_status
status_of_http(uint64_t status)
{
	switch (status) {
	case 401:
		return RPC_UNAUTHENTICATED;
	case 403:
		return RPC_PERMISSION_DENIED;
	case 404:
		return RPC_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504:
		return RPC_UNAVAILABLE;
	default:
		return RPC_UNKNOWN;
	}
}

static int
on_header(maybe_unused nghttp2_session *http, const nghttp2_frame *f, const uint8_t *name, size_t name_len,
    const uint8_t *value, size_t value_len, maybe_unused uint8_t flags, void *arg)
{
	struct span n = { name, name_len }, v = { value, value_len };
	struct client *c = arg;
	struct err full;
	uint64_t number;

	if (f->hd.stream_id != c->stream || c->base.done)
		return 0;
	c->headers += name_len + value_len;
	if (c->headers > GRPC_HEADERS) {
		give_up(c, RPC_INTERNAL, "too many headers");
		return 0;
	}
	if (span_eq_str(n, ":status")) {
		c->http_status = span_decimal(v, 999, &number) ? number : 0;
	} else if (span_eq_str(n, "grpc-status") && !c->has_status) {
		c->base.status = span_decimal(v, RPC_STATUS_COUNT - 1, &number) ? (enum rpc_status)number : RPC_UNKNOWN;
		c->has_status = true;
	} else if (span_eq_str(n, "grpc-message")) {
		buf_reset(&c->base.text);
		if (grpc_text_decode(v, &c->base.text, &full) < 0)
			return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return 0;
}

static int
on_data(maybe_unused nghttp2_session *http, maybe_unused uint8_t flags, int32_t id, const uint8_t *data, size_t len,
    void *arg)
{
	struct client *c = arg;
	enum rpc_status status;
	const char *why;

	/* Of an HTTP error it is a page for people. */
	if (id != c->stream || c->base.done || c->http_status != 200 || c->has_status)
		return 0;
	status = grpc_message_add(&c->in, (struct span){ data, len }, c->max, &why);
	if (status != RPC_OK)
		give_up(c, status == RPC_RESOURCE_EXHAUSTED ? status : RPC_INTERNAL, why);
	return 0;
}

/* The end of the stream is the answer, of whatever kind. */
static int
on_close(maybe_unused nghttp2_session *http, int32_t id, uint32_t code, void *arg)
{
	struct client *c = arg;

	if (id != c->stream || c->base.done)
		return 0;
	if (!c->has_status && code == NGHTTP2_REFUSED_STREAM)
		fail(c, RPC_UNAVAILABLE, "the server takes no calls now");
	else if (!c->has_status && code != NGHTTP2_NO_ERROR)
		fail(c, RPC_INTERNAL, "the server ended the call without an answer");
	else if (!c->has_status && c->http_status != 200)
		fail(c, status_of_http(c->http_status), "the server does not speak gRPC");
	else if (!c->has_status)
		fail(c, RPC_UNKNOWN, "an answer without status");
	else if (c->base.status == RPC_OK && !grpc_message_whole(&c->in))
		fail(c, RPC_INTERNAL, "an answer without a whole message");
	if (c->base.status == RPC_OK)
		buf_move(&c->base.answer, &c->in.body);
	c->base.done = true;
	return 0;
}

static ssize_t
give_data(maybe_unused nghttp2_session *http, maybe_unused int32_t id, uint8_t *to, size_t size, uint32_t *flags,
    nghttp2_data_source *source, maybe_unused void *arg)
{
	struct client *c = source->ptr;
	size_t n = MIN(size, c->out.len - c->sent);

	memcpy(to, c->out.data + c->sent, n);
	c->sent += n;
	if (c->sent == c->out.len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int
broken(int rc, struct err *e)
{
	return err_set(e, rc == NGHTTP2_ERR_NOMEM ? ERR_NOMEM : ERR_NET, "HTTP/2: %s", nghttp2_strerror(rc));
}

static int
feed(struct rpc_client *base, struct span in, struct err *e)
{
	struct client *c = of(base);
	ssize_t n = nghttp2_session_mem_recv(c->http, in.p, in.len);

	if (n < 0)
		return broken((int)n, e);
	if (!base->done && nghttp2_session_want_read(c->http) == 0 && nghttp2_session_want_write(c->http) == 0)
		return err_set(e, ERR_NET, "HTTP/2: the connection is over");
	return 0;
}

static int
pending(struct rpc_client *base, struct span *out, struct err *e)
{
	struct client *c = of(base);

	if (c->pending.len == 0) {
		ssize_t n = nghttp2_session_mem_send(c->http, &c->pending.p);

		if (n < 0)
			return broken((int)n, e);
		c->pending.len = (size_t)n;
	}
	*out = c->pending;
	return 0;
}

static void
wrote(struct rpc_client *base, size_t n)
{
	struct span gone;

	(void)span_take(&of(base)->pending, n, &gone);
}

static void
free_client(struct rpc_client *base)
{
	struct client *c = of(base);

	nghttp2_session_del(c->http);
	grpc_message_fini(&c->in);
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
open_session(struct client *c)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS },
	};
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_mem mem = grpc_memory(&c->memory);
	int rc = nghttp2_session_callbacks_new(&cb);

	if (rc == 0) {
		nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
		nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
		rc = nghttp2_session_client_new3(&c->http, cb, c, NULL, &mem);
	}
	if (rc != 0)
		c->http = NULL;		/* it may have been set and freed */
	nghttp2_session_callbacks_del(cb);
	return rc < 0 ? rc : nghttp2_submit_settings(c->http, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
}

static int
submit(struct client *c, const struct rpc_call *call)
{
	const nghttp2_data_provider data = { .source.ptr = c, .read_callback = give_data };
	char path[256], timeout[16];
	nghttp2_nv nv[8];
	size_t n = 0;

	snprintf(path, sizeof(path), "/%s/%s", call->service, call->method);
	nv[n++] = grpc_header(":method", "POST");
	nv[n++] = grpc_header(":scheme", "http");
	nv[n++] = grpc_header(":path", path);
	nv[n++] = grpc_header(":authority", call->authority);
	nv[n++] = grpc_header("content-type", "application/grpc");
	nv[n++] = grpc_header("te", "trailers");
	if (call->timeout_ms >= 0) {
		grpc_timeout_format(call->timeout_ms, timeout);
		nv[n++] = grpc_header("grpc-timeout", timeout);
	}
	c->stream = nghttp2_submit_request(c->http, NULL, nv, n, &data, NULL);
	return c->stream < 0 ? c->stream : 0;
}

int
grpc_client_new(const struct rpc_call *call, struct rpc_client **out, struct err *e)
{
	struct client *c = sys_alloc(sizeof(*c));
	int rc;

	if (c == NULL)
		return err_set(e, ERR_NOMEM, "gRPC session");
	c->base.ops = &ops;
	c->base.text = (struct buf)BUF(GRPC_TEXT);
	c->base.answer = (struct buf)BUF_SECRET(call->max_answer);
	c->max = call->max_answer;
	c->memory.max = SESSION_MEMORY;
	c->out = (struct buf)BUF_SECRET(GRPC_PREFIX + call->message.len);
	rc = grpc_message_format(call->message, &c->out, e);
	if (rc == 0) {
		int http = open_session(c);

		if (http == 0)
			http = submit(c, call);
		rc = http < 0 ? broken(http, e) : 0;
	}
	if (rc < 0)
		free_client(&c->base);
	else
		*out = &c->base;
	return rc;
}
