/* test_grpc.c: the prefix, texts and times; the server's rules, asked by an nghttp2 client; our client against our server. */
#include "lib/base.h"

#include "lib/grpc.h"

#include "tests/lib/echo.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

static void
test_small_things(void)
{
	static const struct {
		const char	*text;
		int64_t		 ms;
	} times[] = {
		{ "1H", 3600000 }, { "2M", 120000 }, { "10S", 10000 }, { "7m", 7 }, { "1u", 1 }, { "1500u", 2 }, { "1n", 1 },
		{ "0n", 0 }, { "99999999H", 359999996400000 }, { "00000001S", 1000 },
	};
	static const char *const bad[] = { "", "S", "1", "1s", "-1S", "1 S", "123456789S", "1.5S", "S1" };
	autobuf out = BUF(8);
	char text[20], time[16];
	int64_t ms = -5;

	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		ok(grpc_timeout_parse(span_str(times[i].text), &ms) && ms == times[i].ms, "the time %s", times[i].text);
	ms = -5;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(!grpc_timeout_parse(span_str(bad[i]), &ms) && ms == -5, "'%s' is no time", bad[i]);
	grpc_timeout_format(50000, time);
	is_str(time, "50000m", "a time is written");
	grpc_timeout_format(0, time);
	is_str(time, "1m", "never as 0");
	grpc_timeout_format(INT64_MAX, time);
	is_str(time, "99999999S", "a long one, too");

	grpc_text_encode("a b%\n\xc3\xa4", text, sizeof(text));
	is_str(text, "a b%25%0A%C3%A4", "a text is encoded");
	grpc_text_encode("%%%%%%%%%%", text, sizeof(text));
	is_str(text, "%25%25%25%25%25%25", "and cut before a code");
	works(grpc_text_decode(SPAN_LIT("a%20b%c3%A4"), &out, &e), "a text is decoded");
	is_str(buf_str(&out), "a b\xc3\xa4", "as it was");
	buf_reset(&out);
	works(grpc_text_decode(SPAN_LIT("%%4%zz%4"), &out, &e), "what is no code");
	is_str(buf_str(&out), "%%4%zz%4", "stays");
	buf_reset(&out);
	works(grpc_text_decode(SPAN_LIT("0123456789"), &out, &e), "a long text");
	is_str(buf_str(&out), "01234567", "is cut");
}

static void
test_message(void)
{
	struct grpc_message m = { 0 };
	const char *why = "";
	autobuf out = BUF(100);

	ok(!grpc_message_whole(&m), "nothing is no message");
	is_int(grpc_message_add(&m, SPAN_LIT("\0\0\0"), 10, &why), RPC_OK, "a part of the prefix");
	is_int(grpc_message_add(&m, SPAN_LIT("\0\3a"), 10, &why), RPC_OK, "the rest, and a byte");
	ok(!grpc_message_whole(&m), "is not all");
	is_int(grpc_message_add(&m, SPAN_LIT("bc"), 10, &why), RPC_OK, "the others");
	ok(grpc_message_whole(&m) && span_eq_str(buf_span(&m.body), "abc"), "are the message");
	is_int(grpc_message_add(&m, SPAN_LIT("d"), 10, &why), RPC_INVALID_ARGUMENT, "another byte is too much");
	grpc_message_fini(&m);
	m = (struct grpc_message){ 0 };
	is_int(grpc_message_add(&m, SPAN_LIT("\0\0\0\0\xb"), 10, &why), RPC_RESOURCE_EXHAUSTED, "beyond the limit");
	m = (struct grpc_message){ 0 };
	is_int(grpc_message_add(&m, SPAN_LIT("\0\xff\xff\xff\xff"), 10, &why), RPC_RESOURCE_EXHAUSTED, "4 GiB");
	m = (struct grpc_message){ 0 };
	is_int(grpc_message_add(&m, SPAN_LIT("\1\0\0\0\1"), 10, &why), RPC_UNIMPLEMENTED, "compressed");
	m = (struct grpc_message){ 0 };
	is_int(grpc_message_add(&m, SPAN_LIT("\0\0\0\0\0"), 10, &why), RPC_OK, "an empty one");
	ok(grpc_message_whole(&m), "is whole");
	works(grpc_message_format(SPAN_LIT("hi"), &out, &e), "one is written");
	ok(span_eq(buf_span(&out), SPAN_LIT("\0\0\0\0\2hi")), "with its prefix");
}

/* --- an HTTP/2 client that may say anything */

#define HEADERS	12

struct peer {
	nghttp2_session	*http;
	struct echo	 echo;
	struct span	 body;		/* what it says; taken from the front */
	bool		 open;		/* says no end */
	char		 status[8], grpc[8], message[128], accept[32];
	struct buf	 got;
	uint32_t	 reset;		/* code of a reset by the server; ~0: none */
	unsigned	 closed;
};

static int
peer_header(maybe_unused nghttp2_session *h, maybe_unused const nghttp2_frame *f, const uint8_t *name, size_t nlen,
    const uint8_t *value, size_t vlen, maybe_unused uint8_t flags, void *arg)
{
	struct peer *p = arg;
	struct span n = { name, nlen }, v = { value, vlen };

	if (span_eq_str(n, ":status"))
		(void)span_to_cstr(v, p->status, sizeof(p->status));
	if (span_eq_str(n, "grpc-status"))
		(void)span_to_cstr(v, p->grpc, sizeof(p->grpc));
	if (span_eq_str(n, "grpc-message"))
		(void)span_to_cstr(v, p->message, sizeof(p->message));
	if (span_eq_str(n, "grpc-accept-encoding"))
		(void)span_to_cstr(v, p->accept, sizeof(p->accept));
	return 0;
}

static int
peer_data(maybe_unused nghttp2_session *h, maybe_unused uint8_t flags, maybe_unused int32_t id, const uint8_t *d, size_t n,
    void *arg)
{
	struct peer *p = arg;

	return buf_add(&p->got, d, n, &e) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
peer_frame(maybe_unused nghttp2_session *h, const nghttp2_frame *f, void *arg)
{
	if (f->hd.type == NGHTTP2_RST_STREAM)
		((struct peer *)arg)->reset = f->rst_stream.error_code;
	return 0;
}

static int
peer_close(maybe_unused nghttp2_session *h, maybe_unused int32_t id, maybe_unused uint32_t code, void *arg)
{
	((struct peer *)arg)->closed++;
	return 0;
}

static ssize_t
peer_read(maybe_unused nghttp2_session *h, maybe_unused int32_t id, uint8_t *to, size_t size, uint32_t *flags,
    nghttp2_data_source *source, maybe_unused void *arg)
{
	struct peer *p = source->ptr;
	struct span part;

	if (p->body.len == 0 && p->open)
		return NGHTTP2_ERR_DEFERRED;
	size = MIN(size, p->body.len);
	if (span_take(&p->body, size, &part))
		memcpy(to, part.p, size);
	if (p->body.len == 0 && !p->open)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)size;
}

static void
peer_open(struct peer *p)
{
	nghttp2_session_callbacks *cb;
	nghttp2_option *opt;

	*p = (struct peer){ .reset = ~0u, .got = BUF(MIB(1)) };
	if (nghttp2_session_callbacks_new(&cb) != 0 || nghttp2_option_new(&opt) != 0)
		abort();
	nghttp2_session_callbacks_set_on_header_callback(cb, peer_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, peer_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, peer_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, peer_close);
	nghttp2_option_set_no_http_messaging(opt, 1);
	if (nghttp2_session_client_new2(&p->http, cb, p, opt) != 0 ||
	    nghttp2_submit_settings(p->http, 0, NULL, 0) != 0)
		abort();
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	works(grpc_server_new(&echo_service, &p->echo, &p->echo.server, &e), "a session");
}

static void
peer_end(struct peer *p)
{
	rpc_server_free(p->echo.server);
	nghttp2_session_del(p->http);
	buf_free(&p->got);
}

/* Until neither has anything to say. */
static int
peer_talk(struct peer *p)
{
	for (;;) {
		const uint8_t *d;
		ssize_t n = nghttp2_session_mem_send(p->http, &d);
		struct span all = { d, n > 0 ? (size_t)n : 0 }, part, back;
		int rc = 0;

		while (rc == 0 && all.len > 0 && span_take(&all, MIN(all.len, RPC_FEED), &part))
			rc = rpc_feed(p->echo.server, part, &e);
		if (rc == 0)
			rc = rpc_pending(p->echo.server, &back, &e);
		if (rc < 0)
			return rc;
		if (back.len > 0 && nghttp2_session_mem_recv(p->http, back.p, back.len) < 0)
			return err_set(&e, ERR_PROTO, "the client does not understand");
		rpc_wrote(p->echo.server, back.len);
		if (n <= 0 && back.len == 0)
			return 0;
	}
}

/* headers: "name", "value", …, NULL, in place of the usual ones of the same name or besides. */
static int32_t
peer_ask(struct peer *p, struct span body, const char *const headers[])
{
	nghttp2_nv nv[HEADERS] = {
		grpc_header(":method", "POST"), grpc_header(":scheme", "http"), grpc_header(":path", "/test.Echo/Say"),
		grpc_header(":authority", "localhost"), grpc_header("content-type", "application/grpc"),
		grpc_header("te", "trailers"),
	};
	const nghttp2_data_provider data = { .source.ptr = p, .read_callback = peer_read };
	size_t n = 6;

	for (; headers != NULL && *headers != NULL; headers += 2) {
		size_t at = 0;

		while (at < n && !span_eq_str((struct span){ nv[at].name, nv[at].namelen }, headers[0]))
			at++;
		nv[at] = grpc_header(headers[0], headers[1]);
		n = MAX(n, at + 1);
	}
	p->body = body;
	return nghttp2_submit_request(p->http, NULL, nv, n, &data, NULL);
}

static const struct span hello = { (const uint8_t *)"\0\0\0\0\5hello", 10 };

/* One request; what comes back. */
static void
asked(struct span body, const char *const headers[], const char *http, const char *grpc, const char *text, const char *name)
{
	struct peer p;

	peer_open(&p);
	(void)peer_ask(&p, body, headers);
	works(peer_talk(&p), "%s: is read", name);
	is_str(p.status, http, "%s: the HTTP status", name);
	is_str(p.grpc, grpc, "%s: the status", name);
	ok(strstr(p.message, text) != NULL, "%s: says '%s'", name, p.message);
	is_int(p.closed, 1, "%s: the stream is closed", name);
	ok(p.got.len == 0 || strcmp(grpc, "0") == 0, "%s: no data but of an answer", name);
	if (strcmp(grpc, "12") == 0)
		is_str(p.accept, "identity", "%s: which encoding would do", name);
	peer_end(&p);
}

#define H(...)	(const char *const[]){ __VA_ARGS__, NULL }

static void
test_rules(void)
{
	autobuf many = BUF(KIB(20)), large = BUF(KIB(80));

	asked(hello, NULL, "200", "0", "", "a call");
	asked(hello, H("content-type", "application/grpc+proto"), "200", "0", "", "+proto");
	asked(hello, H("content-type", "application/grpc+json"), "415", "", "", "+json");
	asked(hello, H("content-type", "application/grpcx"), "415", "", "", "another type");
	asked(hello, H(":method", "PUT"), "405", "", "", "another method");
	asked(hello, H(":path", "/test.Echo/Shout"), "200", "12", "method", "an unknown method");
	asked(hello, H(":path", "/test.Other/Say"), "200", "12", "service", "an unknown service");
	asked(hello, H(":path", "/test.Echo/Say/"), "200", "12", "method", "a path with more");
	asked(hello, H(":path", "/test.Echo"), "200", "12", "method", "a path with less");
	asked(hello, H("grpc-encoding", "gzip"), "200", "12", "encoding", "gzip");
	asked(hello, H("grpc-encoding", "identity"), "200", "0", "", "identity");
	asked(hello, H("grpc-timeout", "10S"), "200", "0", "", "a time");
	asked(hello, H("grpc-timeout", "10"), "200", "3", "timeout", "a time that is none");
	asked(hello, H("grpc-timeout", "0n"), "200", "4", "time", "a time that is over");
	asked(SPAN_LIT("\1\0\0\0\1x"), NULL, "200", "12", "compressed", "a compressed message");
	asked(SPAN_LIT("\0\xff\xff\xff\xff"), NULL, "200", "8", "large", "a message of 4 GiB");
	asked(SPAN_LIT("\0\0\0\0\2x"), NULL, "200", "3", "whole", "half a message");
	asked(SPAN_LIT("\0\0\0"), NULL, "200", "3", "whole", "half a prefix");
	asked(SPAN_LIT(""), NULL, "200", "3", "whole", "no message");
	asked(SPAN_LIT("\0\0\0\0\1xy"), NULL, "200", "3", "more than one", "two messages");
	asked(SPAN_LIT("\0\0\0\0\0"), NULL, "200", "0", "", "the empty message");

	works(buf_reserve(&many, 9000, &e), "room");
	memset(many.data, 'h', 9000);
	asked(hello, H("x-long", buf_str(&many)), "200", "8", "headers", "a long header");
	works(buf_reserve(&large, KIB(60) + GRPC_PREFIX + 1, &e), "room");
	large.len = KIB(60) + GRPC_PREFIX;
	memcpy(large.data, "\0\0\0\xf0\0", GRPC_PREFIX);
	asked(buf_span(&large), NULL, "200", "0", "", "the largest message");
	memcpy(large.data, "\0\0\0\xf0\1", GRPC_PREFIX);
	large.len++;
	asked(buf_span(&large), NULL, "200", "8", "large", "one byte more");
}

/* Answers out of order, cancelled calls, one call too many. */
static void
test_calls(void)
{
	struct peer p;
	int32_t first, second;

	peer_open(&p);
	works(peer_talk(&p), "settings are exchanged");
	first = peer_ask(&p, hello, H(":path", "/test.Echo/Wait"));
	works(peer_talk(&p), "a call");
	second = peer_ask(&p, hello, H(":path", "/test.Echo/Wait"));
	works(peer_talk(&p), "and another");
	is_int(p.echo.calls, 2, "both are on");
	ok(p.echo.len == 5 && memcmp(p.echo.message, "hello", 5) == 0, "with their message");
	works(rpc_answer(p.echo.server, (uint32_t)second, SPAN_LIT("two"), &e), "the second is answered");
	works(rpc_answer(p.echo.server, (uint32_t)second, SPAN_LIT("two"), &e), "a second answer is none");
	works(peer_talk(&p), "goes out");
	ok(p.closed == 1 && span_eq(buf_span(&p.got), SPAN_LIT("\0\0\0\0\3two")), "as it was");
	works(rpc_refuse(p.echo.server, (uint32_t)first, RPC_NOT_FOUND, "no \"key\"\n", &e), "the first is refused");
	works(peer_talk(&p), "goes out");
	is_str(p.grpc, "5", "its status");
	is_str(p.message, "no \"key\"%0A", "and why");

	first = peer_ask(&p, hello, H(":path", "/test.Echo/Wait"));
	works(peer_talk(&p), "a call");
	(void)nghttp2_submit_rst_stream(p.http, 0, first, NGHTTP2_CANCEL);
	works(peer_talk(&p), "is cancelled");
	is_int(p.echo.cancelled, 1, "which is told");
	works(rpc_answer(p.echo.server, (uint32_t)first, SPAN_LIT("late"), &e), "a late answer is dropped");
	works(peer_talk(&p), "without a word");

	for (int i = 0; i < 4; i++) {
		(void)peer_ask(&p, hello, H(":path", "/test.Echo/Wait"));
		works(peer_talk(&p), "call %d", i);
	}
	is_int(p.echo.calls, 6, "no more at a time than the service takes");
	ok(!rpc_over(p.echo.server), "the session goes on");
	(void)nghttp2_session_terminate_session(p.http, 0);
	works(peer_talk(&p), "GOAWAY");
	peer_end(&p);
}

static void
test_incomplete(void)
{
	struct peer p;
	uint64_t first;

	peer_open(&p);
	p.open = true;
	works(peer_talk(&p), "settings are exchanged");
	is_int(rpc_incomplete(p.echo.server), 0, "no request is open");
	(void)peer_ask(&p, SPAN_LIT("\0\0"), NULL);
	works(peer_talk(&p), "a request without end");
	first = rpc_incomplete(p.echo.server);
	ok(first != 0, "is open");
	(void)peer_ask(&p, SPAN_LIT("\0\0"), NULL);
	works(peer_talk(&p), "another");
	ok(rpc_incomplete(p.echo.server) == first, "the oldest is told");
	peer_end(&p);
}

/* Frames of HTTP/2 that ask for answers, or for nothing. */
static void
test_floods(void)
{
	static const uint8_t ping[17] = { 0, 0, 8, 6 }, settings[9] = { 0, 0, 0, 4 };
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
	const struct {
		const uint8_t	*frame;
		size_t		 size;
		const char	*name;
	} floods[] = { { ping, sizeof(ping), "pings" }, { settings, sizeof(settings), "settings" } };

	for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
		struct echo echo = { 0 };
		autobuf in = BUF(MIB(1)), out = BUF(MIB(1));
		int rc;

		works(grpc_server_new(&echo_service, &echo, &echo.server, &e), "a session");
		works(echo_feed(echo.server, (struct span){ (const uint8_t *)preface, sizeof(preface) }, 1000, &out, &e), "begins");
		while (in.len + floods[i].size < RPC_FEED)
			if (buf_add(&in, floods[i].frame, floods[i].size, &e) < 0)
				abort();
		rc = rpc_feed(echo.server, buf_span(&in), &e);
		if (rc == 0)
			rc = echo_drain(echo.server, &out, &e);
		ok(rc < 0 || rpc_over(echo.server), "a flood of %s is the end", floods[i].name);
		rpc_server_free(echo.server);
	}
	{
		struct echo echo = { 0 };

		works(grpc_server_new(&echo_service, &echo, &echo.server, &e), "a session");
		fails(rpc_feed(echo.server, SPAN_LIT("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), &e), ERR_PARSE, "HTTP/1.1");
		rpc_server_free(echo.server);
	}
}

static const struct rpc_call call = {
	.authority = "localhost",
	.service = "test.Echo",
	.method = "Say",
	.message = { (const uint8_t *)"hello", 5 },
	.timeout_ms = 2500,
	.max_answer = KIB(60),
};

static int
talk(const struct rpc_call *what, size_t step, struct echo *echo, struct rpc_client **client, struct err *f)
{
	int rc = grpc_server_new(&echo_service, echo, &echo->server, f);

	*client = NULL;
	if (rc < 0)
		return rc;
	rc = grpc_client_new(what, client, f);
	if (rc == 0)
		rc = echo_talk(*client, echo->server, step, f);
	rpc_server_free(echo->server);
	return rc;
}

static void
test_client(void)
{
	struct rpc_call other = call;
	struct rpc_client *c;
	autobuf large = BUF(KIB(61));

	for (size_t step = 1; step < 200; step += 23) {
		struct echo echo = { 0 };

		works(talk(&call, step, &echo, &c, &e), "a call in pieces of %zu", step);
		ok(c != NULL && c->done && c->status == RPC_OK && span_eq_str(buf_span(&c->answer), "hello"), "and its answer");
		is_int(echo.timeout_ms, 2500, "the time goes along");
		rpc_client_free(c);
	}
	works(buf_reserve(&large, KIB(60), &e), "room");
	large.len = KIB(60);
	other.message = buf_span(&large);
	works(talk(&other, RPC_FEED, &(struct echo){ 0 }, &c, &e), "a large call");
	ok(c->done && c->status == RPC_OK && c->answer.len == KIB(60), "and its answer");
	rpc_client_free(c);
	other.max_answer = KIB(60) - 1;
	works(talk(&other, RPC_FEED, &(struct echo){ 0 }, &c, &e), "an answer");
	ok(c->done && c->status == RPC_RESOURCE_EXHAUSTED, "that is too large");
	rpc_client_free(c);
	other = call;
	other.method = "Shout";
	works(talk(&other, 50, &(struct echo){ 0 }, &c, &e), "a call of nothing");
	ok(c->done && c->status == RPC_UNIMPLEMENTED && span_eq_str(buf_span(&c->text), "no such method"), "is refused");
	rpc_client_free(c);
}

/* --- a server that may say anything: frames after an empty SETTINGS, headers as literals */

static void
add_http(struct buf *out, uint8_t type, uint8_t flags, struct span body)
{
	if (buf_add_u8(out, 0, &e) < 0 || buf_add_be16(out, (uint16_t)body.len, &e) < 0 || buf_add_u8(out, type, &e) < 0 ||
	    buf_add_u8(out, flags, &e) < 0 || buf_add_be32(out, type == NGHTTP2_SETTINGS ? 0 : 1, &e) < 0 ||
	    buf_add_span(out, body, &e) < 0)
		abort();
}

static void
add_headers(struct buf *out, bool last, const char *const headers[])
{
	autobuf block = BUF(KIB(20));

	for (; *headers != NULL; headers += 2) {
		size_t n = strlen(headers[0]), v = strlen(headers[1]);

		if (buf_add_u8(&block, 0, &e) < 0 || buf_add_u8(&block, (uint8_t)n, &e) < 0 ||
		    buf_add(&block, headers[0], n, &e) < 0 || buf_add_u8(&block, (uint8_t)v, &e) < 0 ||
		    buf_add(&block, headers[1], v, &e) < 0)
			abort();
	}
	add_http(out, NGHTTP2_HEADERS, (uint8_t)(NGHTTP2_FLAG_END_HEADERS | (last ? NGHTTP2_FLAG_END_STREAM : 0)), buf_span(&block));
}

static void
told(const char *const head[], struct span data, const char *const trailer[], enum rpc_status want, const char *text)
{
	autobuf in = BUF(KIB(20));
	struct rpc_client *c;
	struct span p;

	works(grpc_client_new(&call, &c, &e), "a client");
	do {
		works(rpc_client_pending(c, &p, &e), "says");
		rpc_client_wrote(c, p.len);
	} while (p.len > 0);
	add_http(&in, NGHTTP2_SETTINGS, 0, SPAN_LIT(""));
	add_headers(&in, trailer == NULL && data.len == 0, head);
	if (data.len > 0)
		add_http(&in, NGHTTP2_DATA, trailer == NULL ? NGHTTP2_FLAG_END_STREAM : 0, data);
	if (trailer != NULL)
		add_headers(&in, true, trailer);
	works(rpc_client_feed(c, buf_span(&in), &e), "an answer is read");
	ok(c->done && c->status == want && strstr(buf_str(&c->text), text) != NULL, "%s '%s'", rpc_status_name(c->status),
	    buf_str(&c->text));
	rpc_client_free(c);
}

static void
test_answers(void)
{
	static const char *const good[] = { ":status", "200", "content-type", "application/grpc", NULL };
	static const char *const zero[] = { "grpc-status", "0", NULL };

	told(good, hello, zero, RPC_OK, "");
	told(H(":status", "200", "grpc-status", "5", "grpc-message", "not%20here"), SPAN_LIT(""), NULL, RPC_NOT_FOUND, "not here");
	told(good, SPAN_LIT(""), H("grpc-status", "7"), RPC_PERMISSION_DENIED, "");
	told(H(":status", "503"), SPAN_LIT("<html>"), NULL, RPC_UNAVAILABLE, "gRPC");
	told(H(":status", "401"), SPAN_LIT(""), NULL, RPC_UNAUTHENTICATED, "gRPC");
	told(H(":status", "403"), SPAN_LIT(""), NULL, RPC_PERMISSION_DENIED, "gRPC");
	told(H(":status", "404"), SPAN_LIT(""), NULL, RPC_UNIMPLEMENTED, "gRPC");
	told(H(":status", "500"), SPAN_LIT(""), NULL, RPC_UNKNOWN, "gRPC");
	told(good, hello, NULL, RPC_UNKNOWN, "without status");
	told(good, SPAN_LIT(""), zero, RPC_INTERNAL, "without a whole");
	told(good, SPAN_LIT("\0\0\0\0\2x"), zero, RPC_INTERNAL, "without a whole");
	told(good, SPAN_LIT("\1\0\0\0\1x"), zero, RPC_INTERNAL, "compressed");
	told(good, SPAN_LIT("\0\0\0\0\1xy"), zero, RPC_INTERNAL, "more than one");
	told(good, SPAN_LIT("\0\xff\xff\xff\xff"), zero, RPC_RESOURCE_EXHAUSTED, "too large");
	told(good, hello, H("grpc-status", "17"), RPC_UNKNOWN, "");
	told(good, hello, H("grpc-status", "-1"), RPC_UNKNOWN, "");
	told(good, hello, H("grpc-status", ""), RPC_UNKNOWN, "");
}

static int
run_talk(maybe_unused void *arg, struct err *f)
{
	struct rpc_client *c;
	int rc = talk(&call, 100, &(struct echo){ 0 }, &c, f);

	if (rc == 0 && (!c->done || c->status != RPC_OK))
		rc = err_set(f, ERR_NOMEM, "refused");
	rpc_client_free(c);
	return rc;
}

static void
try_server(struct span in, maybe_unused void *arg)
{
	struct echo echo = { 0 };
	autobuf out = BUF(MIB(1));
	struct err f;

	if (grpc_server_new(&echo_service, &echo, &echo.server, &f) < 0)
		abort();
	(void)(echo_feed(echo.server, in, 11, &out, &f) < 0);
	rpc_server_free(echo.server);
}

/* What our client says in one call. */
static void
mutate_requests(void)
{
	autobuf said = BUF(KIB(4));
	struct rpc_client *c;
	struct span p;

	works(grpc_client_new(&call, &c, &e), "a client");
	do {
		works(rpc_client_pending(c, &p, &e), "says");
		works(buf_add_span(&said, p, &e), "something");
		rpc_client_wrote(c, p.len);
	} while (p.len > 0);
	rpc_client_free(c);
	ok(mutate(buf_span(&said), SIZE_MAX, try_server, NULL) > 100, "mutants of requests");
}

int
main(void)
{
	test_small_things();
	test_message();
	test_rules();
	test_calls();
	test_incomplete();
	test_floods();
	test_client();
	test_answers();
	ok(fault_each(FAULT_ALLOC, 0, false, run_talk, NULL) > 3, "every allocation can fail");
	mutate_requests();
	return tap_done();
}
