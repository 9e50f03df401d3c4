/* test_ttrpc.c: frames, the server's rules one by one, and a client that talks to it. */
#include "lib/base.h"

#include "lib/rpc.h"
#include "lib/ttrpc.h"

#include <sys/socket.h>

#include "lib/pb.h"
#include "lib/secret.h"
#include "lib/ttrpc.pb-c.h"
#include "tests/lib/echo.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define WAIT_MS	30000	/* for what must come */

static struct err e;

static void
add_frame(struct buf *out, uint32_t stream, uint8_t type, uint8_t flags, struct span data)
{
	struct ttrpc_frame f = { (uint32_t)data.len, stream, type, flags };

	if (ttrpc_frame_format(&f, out, &e) < 0 || buf_add_span(out, data, &e) < 0)
		abort();
}

static void
add_request(struct buf *out, uint32_t stream, const char *service, const char *method, const char *payload, int64_t nano)
{
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	autobuf data = BUF(MIB(1));

	r.service = pb_bytes(span_str(service));
	r.method = pb_bytes(span_str(method));
	r.payload = pb_bytes(span_str(payload));
	r.timeout_nano = nano;
	if (pb_format(&r.base, &data, &e) < 0)
		abort();
	add_frame(out, stream, TTRPC_REQUEST, 0, buf_span(&data));
}

/* Takes the next response off in: its status, its text or payload. */
static int
next_response(struct span *in, uint32_t *stream, char text[256])
{
	uint32_t len;
	uint8_t type, flags;
	struct span body, what;
	struct pb pb = { 0 };
	const Ttrpc__Response *r;
	int status = 0;

	if (!span_be32(in, &len) || !span_be32(in, stream) || !span_u8(in, &type) || !span_u8(in, &flags) ||
	    type != TTRPC_RESPONSE || flags != 0 || !span_take(in, len, &body) ||
	    pb_parse(body, &ttrpc__response__descriptor, "response", &pb, &e) < 0)
		return -1;
	r = (const Ttrpc__Response *)pb.message;
	what = pb_span(r->payload);
	if (r->status != NULL) {
		status = r->status->code;
		what = pb_span(r->status->message);
	}
	if (!span_to_cstr(what, text, 256))
		text[0] = '\0';
	pb_free(&pb);
	return status;
}

/* Feeds in to a fresh server; checks that there is one response, of this status, on this stream. */
static void
answered(struct span in, uint32_t want_stream, enum rpc_status want, const char *want_text, const char *name)
{
	struct echo echo = { 0 };
	autobuf out = BUF(MIB(1));
	struct span rest;
	uint32_t stream = 0;
	char text[256] = "";

	works(ttrpc_server_new(&echo_service, &echo, &echo.server, &e), "a session");
	works(echo_feed(echo.server, in, 7, &out, &e), "%s: is read", name);
	rest = buf_span(&out);
	is_int(next_response(&rest, &stream, text), want, "%s: the status", name);
	is_int(stream, want_stream, "%s: the stream", name);
	ok(strstr(text, want_text) != NULL, "%s: says '%s'", name, text);
	is_int(rest.len, 0, "%s: nothing else", name);
	rpc_server_free(echo.server);
}

static void
test_rules(void)
{
	autobuf in = BUF(MIB(1));
	autobuf large = BUF(MIB(1));

	add_request(&in, 1, "test.Echo", "Say", "hello", 0);
	answered(buf_span(&in), 1, RPC_OK, "hello", "a call");
	buf_reset(&in);
	add_request(&in, 4, "test.Echo", "Say", "hello", 0);
	answered(buf_span(&in), 4, RPC_INVALID_ARGUMENT, "odd", "an even stream");
	buf_reset(&in);
	add_request(&in, 1, "test.Echo2", "Say", "", 0);
	answered(buf_span(&in), 1, RPC_UNIMPLEMENTED, "service", "an unknown service");
	buf_reset(&in);
	add_request(&in, 1, "test.Echo", "say", "", 0);
	answered(buf_span(&in), 1, RPC_UNIMPLEMENTED, "method", "an unknown method");
	buf_reset(&in);
	add_request(&in, 1, "test.Echo", "Say", "", -1);
	answered(buf_span(&in), 1, RPC_DEADLINE_EXCEEDED, "time", "a time that has passed");
	buf_reset(&in);
	add_frame(&in, 9, TTRPC_REQUEST, 0, SPAN_LIT("\xff\xff"));
	answered(buf_span(&in), 9, RPC_INVALID_ARGUMENT, "read", "a request that is none");
	buf_reset(&in);
	add_frame(&in, 9, TTRPC_DATA, TTRPC_NO_DATA, SPAN_LIT(""));
	answered(buf_span(&in), 9, RPC_INVALID_ARGUMENT, "stream", "data of no stream");
	buf_reset(&in);
	add_frame(&in, 9, TTRPC_REQUEST, TTRPC_REMOTE_OPEN, SPAN_LIT("x"));
	answered(buf_span(&in), 9, RPC_UNIMPLEMENTED, "unary", "a stream of requests");
	buf_reset(&in);
	add_frame(&in, 3, 77, 0xff, SPAN_LIT("what is this"));
	add_frame(&in, 3, TTRPC_RESPONSE, 0, SPAN_LIT(""));
	add_frame(&in, 3, 0, 0, SPAN_LIT("zero"));
	add_request(&in, 3, "test.Echo", "Say", "after", 0);
	answered(buf_span(&in), 3, RPC_OK, "after", "unknown types are passed over");

	/* One byte below the limit of a message, and one above. */
	works(buf_reserve(&large, KIB(60) + 2, &e), "room");
	memset(large.data, 'x', KIB(60) + 1);
	buf_reset(&in);
	add_request(&in, 5, "test.Echo", "Say", (char *)large.data, 0);
	answered(buf_span(&in), 5, RPC_RESOURCE_EXHAUSTED, "too large", "a message too large");
	large.data[KIB(60)] = '\0';
	buf_reset(&in);
	add_request(&in, 5, "test.Echo", "Say", (char *)large.data, 0);
	answered(buf_span(&in), 5, RPC_OK, "", "the largest message");
}

static void
test_lengths(void)
{
	static const uint32_t lens[] = { MIB(4), MIB(4) + 1, 0xffffffff, KIB(61) + 1 };

	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		autobuf in = BUF(KIB(1));
		struct ttrpc_frame f = { lens[i], 11, TTRPC_REQUEST, 0 };

		works(ttrpc_frame_format(&f, &in, &e), "a head");
		works(buf_add_str(&in, "some of the body", &e), "and a bit");
		answered(buf_span(&in), 11, RPC_RESOURCE_EXHAUSTED, "too large", "a length beyond the limit");
	}
}

/* What was too large is passed over; then the next request is served. */
static void
test_after_large(void)
{
	struct ttrpc_frame f = { 200000, 11, TTRPC_REQUEST, 0 };
	struct echo echo = { 0 };
	autobuf in = BUF(KIB(300)), out = BUF(KIB(300));
	struct span rest;
	uint32_t stream;
	char text[256];

	works(ttrpc_server_new(&echo_service, &echo, &echo.server, &e), "a session");
	works(ttrpc_frame_format(&f, &in, &e), "a head");
	works(buf_reserve(&in, 200000, &e), "its body");
	in.len += 200000;
	add_request(&in, 13, "test.Echo", "Say", "next", 0);
	works(echo_feed(echo.server, buf_span(&in), 1000, &out, &e), "are read");
	rest = buf_span(&out);
	is_int(next_response(&rest, &stream, text), RPC_RESOURCE_EXHAUSTED, "the first is refused");
	is_int(next_response(&rest, &stream, text), RPC_OK, "the next is served");
	is_str(text, "next", "with its message");
	is_int(rpc_incomplete(echo.server), 0, "nothing is open");
	rpc_server_free(echo.server);
}

static void
test_calls(void)
{
	struct echo echo = { 0 };
	autobuf in = BUF(KIB(4)), out = BUF(KIB(4));
	struct span rest;
	uint32_t stream;
	char text[256];
	uint64_t first;

	works(ttrpc_server_new(&echo_service, &echo, &echo.server, &e), "a session");
	for (uint32_t id = 9; id >= 3; id -= 2)	/* falling ids; the fourth is one too many */
		add_request(&in, id, "test.Echo", "Wait", "x", 1500000);
	add_request(&in, 9, "test.Echo", "Wait", "again", 0);
	works(echo_feed(echo.server, buf_span(&in), 1000, &out, &e), "four calls, and one of a stream in use");
	is_int(echo.calls, 3, "three are on");
	is_int(echo.timeout_ms, 2, "parts of a millisecond count");
	rest = buf_span(&out);
	is_int(next_response(&rest, &stream, text), RPC_RESOURCE_EXHAUSTED, "one too many");
	is_int(stream, 3, "is the last");
	is_int(next_response(&rest, &stream, text), RPC_INVALID_ARGUMENT, "a stream in use");
	is_int(stream, 9, "is told");
	buf_reset(&out);
	works(rpc_answer(echo.server, 5, SPAN_LIT("five"), &e), "an answer, out of order");
	works(rpc_refuse(echo.server, 9, RPC_NOT_FOUND, "not here", &e), "a refusal");
	works(rpc_answer(echo.server, 5, SPAN_LIT("five"), &e), "an answer that nobody waits for");
	works(rpc_refuse(echo.server, 99, RPC_NOT_FOUND, "not here", &e), "a refusal that nobody waits for");
	works(echo_drain(echo.server, &out, &e), "come out");
	rest = buf_span(&out);
	is_int(next_response(&rest, &stream, text), RPC_OK, "the answer");
	ok(stream == 5 && strcmp(text, "five") == 0, "as it was");
	is_int(next_response(&rest, &stream, text), RPC_NOT_FOUND, "the refusal");
	ok(stream == 9 && strcmp(text, "not here") == 0, "as it was");
	is_int(rest.len, 0, "each once");

	is_int(rpc_incomplete(echo.server), 0, "no request is open");
	works(rpc_feed(echo.server, SPAN_LIT("\0"), &e), "a byte");
	first = rpc_incomplete(echo.server);
	ok(first != 0, "opens one");
	works(rpc_feed(echo.server, SPAN_LIT("\0\0\2\0\0\0\1\1\0x"), &e), "its head");
	ok(rpc_incomplete(echo.server) == first, "it is still that one");
	works(rpc_feed(echo.server, SPAN_LIT("y"), &e), "its body");
	is_int(rpc_incomplete(echo.server), 0, "is done");
	works(rpc_feed(echo.server, SPAN_LIT("\0"), &e), "another");
	ok(rpc_incomplete(echo.server) != first && rpc_incomplete(echo.server) != 0, "is another");
	ok(!rpc_over(echo.server), "it is never over by itself");
	rpc_server_free(echo.server);
}

/* What is secret and what is not lie in different places; frames stay whole, whichever comes while one is half written. */
static void
test_two_kinds(void)
{
	static const size_t cuts[] = { 0, 1, 10, 15 };

	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		struct echo echo = { 0 };
		autobuf in = BUF(KIB(4)), out = BUF(KIB(4));
		struct span rest, part = { NULL, 0 };
		uint32_t stream;
		char text[256];

		works(ttrpc_server_new(&echo_service, &echo, &echo.server, &e), "a session");
		add_request(&in, 1, "test.Echo", "Wait", "", 0);
		add_request(&in, 3, "test.Echo", "Say", "open", 0);
		works(rpc_feed(echo.server, buf_span(&in), &e), "a call that waits, and one that is answered");
		works(rpc_pending(echo.server, &part, &e), "the answer");
		ok(span_take(&part, cuts[i], &rest) && buf_add_span(&out, rest, &e) == 0, "%zu bytes of it go", cuts[i]);
		rpc_wrote(echo.server, cuts[i]);
		works(rpc_answer(echo.server, 1, SPAN_LIT("secret"), &e), "the other answer");
		works(echo_drain(echo.server, &out, &e), "all goes");
		rest = buf_span(&out);
		is_int(next_response(&rest, &stream, text), RPC_OK, "one is whole");
		ok(strcmp(text, stream == 3 ? "open" : "secret") == 0, "and right");
		is_int(next_response(&rest, &stream, text), RPC_OK, "the other, too");
		ok(strcmp(text, stream == 3 ? "open" : "secret") == 0, "and right");
		is_int(rest.len, 0, "nothing else");
		rpc_server_free(echo.server);
	}
}

/* Others hold all memory for secrets: an answer becomes a refusal, and what is no secret comes. */
static void
test_no_secret_memory(void)
{
	struct echo echo = { 0 };
	autobuf in = BUF(KIB(4)), out = BUF(KIB(4));
	struct {
		void	*p;
		size_t	 size;
	} held[1024];
	struct span rest;
	uint32_t stream;
	char text[256];
	size_t n = 0;

	works(ttrpc_server_new(&echo_service, &echo, &echo.server, &e), "a session");
	add_request(&in, 1, "test.Echo", "Wait", "", 0);
	works(rpc_feed(echo.server, buf_span(&in), &e), "a call");
	for (size_t size = KIB(64); size >= 64; size /= 2)
		while (n < ARRAY_LEN(held) && (held[n].p = secret_alloc(size)) != NULL)
			held[n++].size = size;
	works(rpc_answer(echo.server, 1, SPAN_LIT("secret"), &e), "its answer finds no room");
	works(echo_drain(echo.server, &out, &e), "something goes out");
	rest = buf_span(&out);
	is_int(next_response(&rest, &stream, text), RPC_RESOURCE_EXHAUSTED, "a refusal");
	is_str(text, "no memory for the answer", "which says so");
	rpc_server_free(echo.server);
	while (n-- > 0)
		secret_free(held[n].p, held[n].size);
}

/* Nothing but heads, as many as one feed holds. */
static void
test_flood(void)
{
	struct echo echo = { 0 };
	autobuf in = BUF(KIB(17)), out = BUF(MIB(1));
	struct ttrpc_frame f = { 0, 2, TTRPC_DATA, 0 };

	works(ttrpc_server_new(&echo_service, &echo, &echo.server, &e), "a session");
	while (in.len + TTRPC_HEADER <= RPC_FEED)
		if (ttrpc_frame_format(&f, &in, &e) < 0)
			abort();
	works(rpc_feed(echo.server, buf_span(&in), &e), "a feed of refused frames");
	works(echo_drain(echo.server, &out, &e), "is answered");
	rpc_server_free(echo.server);
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
	int rc = ttrpc_server_new(&echo_service, echo, &echo->server, f);

	*client = NULL;
	if (rc < 0)
		return rc;
	rc = ttrpc_client_new(what, client, f);
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

	for (size_t step = 1; step < 100; step += 13) {
		struct echo echo = { 0 };

		works(talk(&call, step, &echo, &c, &e), "a call in pieces of %zu", step);
		ok(c != NULL && c->done && c->status == RPC_OK && span_eq_str(buf_span(&c->answer), "hello"), "and its answer");
		is_int(echo.timeout_ms, 2500, "the time goes along");
		rpc_client_free(c);
	}
	other.method = "Shout";
	other.timeout_ms = -1;
	works(talk(&other, 50, &(struct echo){ 0 }, &c, &e), "a call of nothing");
	ok(c->done && c->status == RPC_UNIMPLEMENTED && span_eq_str(buf_span(&c->text), "no such method"), "is refused");
	rpc_client_free(c);
	rpc_client_free(NULL);
}

/* What servers send; each in one feed. */
static int
client_gets(struct span in, struct rpc_client **c)
{
	struct rpc_call small = call;

	small.max_answer = 10;
	*c = NULL;
	if (ttrpc_client_new(&small, c, &e) < 0)
		abort();
	return rpc_client_feed(*c, in, &e);
}

static void
test_answers(void)
{
	static const char go[] = "\0\0\0\7\0\0\0\1\2\0\x12\5\xa\3tdx", rust[] = "\0\0\0\x9\0\0\0\1\2\0\xa\0\x12\5\xa\3tdx";
	struct rpc_client *c;

	works(client_gets(SPAN_LIT(go), &c), "success without a status");
	ok(c->done && c->status == RPC_OK && span_eq_str(buf_span(&c->answer), "\n\3tdx"), "is one");
	works(rpc_client_feed(c, SPAN_LIT("whatever"), &e), "nothing is read after it");
	rpc_client_free(c);
	works(client_gets(SPAN_LIT(rust), &c), "success with an empty status");
	ok(c->done && c->status == RPC_OK && span_eq_str(buf_span(&c->answer), "\n\3tdx"), "is one");
	rpc_client_free(c);
	works(client_gets(SPAN_LIT("\0\0\0\0\0\0\0\1\2\0"), &c), "an empty answer");
	ok(c->done && c->status == RPC_OK && c->answer.len == 0, "is one");
	rpc_client_free(c);
	works(client_gets(SPAN_LIT("\0\0\0\1\0\0\0\3\2\0x\0\0\0\1\0\0\0\1\3\0x"), &c), "other streams, other types");
	ok(!c->done, "are passed over");
	rpc_client_free(c);
	fails(client_gets(SPAN_LIT("\0\0\x20\0\0\0\0\1\2\0"), &c), ERR_LIMIT, "an answer too large");
	rpc_client_free(c);
	fails(client_gets(SPAN_LIT("\0\0\0\x0d\0\0\0\1\2\0\x12\x0b" "01234567890"), &c), ERR_LIMIT, "a payload too large");
	rpc_client_free(c);
	fails(client_gets(SPAN_LIT("\0\0\0\1\0\0\0\1\2\0\xff"), &c), ERR_PARSE, "an answer that is none");
	rpc_client_free(c);
	works(client_gets(SPAN_LIT("\0\0\0\x0d\0\0\0\1\2\0\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), &c),
	    "a status that is none");
	fails(rpc_failure(c->status, buf_span(&c->text), &e), ERR_SYS, "fails all the same");
	rpc_client_free(c);
}

static void
test_statuses(void)
{
	is_str(rpc_status_name(RPC_UNAUTHENTICATED), "UNAUTHENTICATED", "a status has a name");
	is_str(rpc_status_name((enum rpc_status)99), "UNKNOWN", "what is none has, too");
	is_int(rpc_status_of(ERR_DECRYPT), RPC_PERMISSION_DENIED, "an error has a status");
	for (int i = 1; i < ERR_COUNT; i++)
		ok(rpc_status_of((enum err_code)i) > RPC_UNKNOWN || rpc_status_of((enum err_code)i) == RPC_CANCELLED,
		    "%s has one", err_name((enum err_code)i));
	fails(rpc_failure(RPC_UNAVAILABLE, SPAN_LIT("a\x1b[1mb"), &e), ERR_NET, "a refusal is an error");
	is_str(e.msg, "UNAVAILABLE: a\\x1b[1mb", "with its text, made harmless");
}

/* The descriptor's side: an answer, the end, nothing at all. */
static int
over_socket(struct span answer, bool closes, int64_t ms, struct buf *out, struct err *f)
{
	struct rpc_client *c = NULL;
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(f, "socketpair");
	if (write(fds[1], answer.p, answer.len) != (ssize_t)answer.len)
		abort();
	if (closes)
		(void)shutdown(fds[1], SHUT_WR);
	rc = ttrpc_client_new(&call, &c, f);
	if (rc == 0)
		rc = rpc_client_run(c, fds[0], ms, out, f);
	rpc_client_free(c);
	close(fds[0]);
	close(fds[1]);
	return rc;
}

static void
test_run(void)
{
	autobuf out = BUF_SECRET(100);

	works(over_socket(SPAN_LIT("\0\0\0\5\0\0\0\1\2\0\x12\3tdx"), false, WAIT_MS, &out, &e), "an answer");
	ok(span_eq_str(buf_span(&out), "tdx"), "comes");
	fails(over_socket(SPAN_LIT("\0\0\0"), true, WAIT_MS, &out, &e), ERR_NET, "a connection that ends");
	fails(over_socket(SPAN_LIT("\0\0\0"), false, 50, &out, &e), ERR_TIMEOUT, "one that says nothing more");
	fails(over_socket(SPAN_LIT("\0\0\0\4\0\0\0\1\2\0\x0a\2\x08\5"), false, WAIT_MS, &out, &e), ERR_NOTFOUND, "a refusal");
	is_int(out.len, 3, "nothing is added then");
}

static int
run_talk(maybe_unused void *arg, struct err *f)
{
	struct rpc_client *c;
	int rc = talk(&call, 20, &(struct echo){ 0 }, &c, f);

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

	if (ttrpc_server_new(&echo_service, &echo, &echo.server, &f) < 0)
		abort();
	(void)(echo_feed(echo.server, in, 5, &out, &f) < 0);
	rpc_server_free(echo.server);
}

static void
try_client(struct span in, maybe_unused void *arg)
{
	struct rpc_client *c;

	(void)(client_gets(in, &c) < 0);
	rpc_client_free(c);
}

int
main(void)
{
	autobuf in = BUF(KIB(1));

	test_rules();
	test_lengths();
	test_after_large();
	test_calls();
	test_two_kinds();
	test_no_secret_memory();
	test_flood();
	test_client();
	test_answers();
	test_statuses();
	test_run();
	ok(fault_each(FAULT_ALLOC, 0, false, run_talk, NULL) > 3, "every allocation can fail");
	add_request(&in, 1, "test.Echo", "Say", "hello", 5);
	add_request(&in, 3, "test.Echo", "Wait", "hello", 5);
	ok(mutate(buf_span(&in), SIZE_MAX, try_server, NULL) > 100, "mutants of requests");
	ok(mutate(SPAN_LIT("\0\0\0\xb\0\0\0\1\2\0\xa\4\x08\5\x12\0\x12\3tdx"), SIZE_MAX, try_client, NULL) > 100,
	    "mutants of answers");
	return tap_done();
}
