/* test_msg.c: messages between our processes: framing, rules, descriptors, the reader that remembers. */
#include "lib/base.h"

#include "lib/msg.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

enum { T_TEXT = 1, T_FD, T_SECRET };

static const struct msg_rule rules[] = {
	{ .type = T_TEXT, .max_len = 64 },
	{ .type = T_FD, .max_len = 0, .fds = 2 },
	{ .type = T_SECRET, .max_len = LIMIT_MSG, .secret = true },
	{ 0 },
};

static struct err e;

static void
put_everything(struct msg *m)
{
	const struct err what = { .code = ERR_DIGEST, .sys = 5, .msg = "layer 3: digest" };

	msg_init(m, T_SECRET, 77);
	works(msg_put_u8(m, 200, &e), "put u8");
	works(msg_put_u32(m, 0xdeadbeef, &e), "put u32");
	works(msg_put_u64(m, UINT64_MAX - 1, &e), "put u64");
	works(msg_put_str(m, "hello", &e), "put str");
	works(msg_put_bytes(m, SPAN_LIT("\0\1\2"), &e), "put bytes");
	works(msg_put_err(m, &what, &e), "put err");
}

static void
test_round_trip(void)
{
	struct msg_reader r;
	automsg out, in;
	struct err got;
	char text[16];
	int pair[2];

	msg_init(&in, 0, 0);
	put_everything(&out);
	works(msg_pair(pair, &e), "pair");
	works(msg_send(pair[0], &out, 1000, &e), "send");
	is_int(msg_recv(pair[1], rules, 1000, &in, &e), 1, "receive");
	ok(in.type == T_SECRET && in.id == 77 && in.body.secret, "type, id and secrecy");
	r = msg_reader(&in);
	is_int(msg_get_u8(&r), 200, "u8");
	ok(msg_get_u32(&r) == 0xdeadbeef, "u32");
	ok(msg_get_u64(&r) == UINT64_MAX - 1, "u64");
	msg_get_str(&r, text, sizeof(text));
	is_str(text, "hello", "str");
	ok(span_eq(msg_get_bytes(&r, 8), SPAN_LIT("\0\1\2")), "bytes");
	msg_get_err(&r, &got);
	ok(got.code == ERR_DIGEST && got.sys == 5, "err");
	is_str(got.msg, "layer 3: digest", "text of err");
	ok(msg_get_end(&r), "nothing left over");
	close(pair[0]);
	is_int(msg_recv(pair[1], rules, 1000, &in, &e), 0, "the end of the peer");
	close(pair[1]);
}

static void
test_reader_remembers(void)
{
	struct msg_reader r;
	automsg m;
	char small[4];

	msg_init(&m, T_TEXT, 0);
	works(msg_put_str(&m, "longer than that", &e), "a string");
	works(msg_put_u8(&m, 1, &e), "and a byte");
	r = msg_reader(&m);
	msg_get_str(&r, small, sizeof(small));
	is_str(small, "", "a string too long gives nothing");
	is_int(msg_get_u8(&r), 0, "what follows a fault is zero");
	ok(!msg_get_end(&r), "and the end knows it");
	r = msg_reader(&m);
	(void)msg_get_bytes(&r, 64);
	ok(!msg_get_end(&r), "a byte left over is a fault");
	msg_fini(&m);
	msg_init(&m, T_TEXT, 0);
	works(msg_put_bytes(&m, SPAN_LIT("a\0b"), &e), "a NUL inside");
	r = msg_reader(&m);
	msg_get_str(&r, small, sizeof(small));
	ok(!msg_get_end(&r), "is no string");
}

static int
parse_bytes(const uint8_t *p, size_t len, size_t nfds)
{
	automsg m;
	int rc;

	msg_init(&m, 0, 0);
	rc = msg_parse((struct span){ p, len }, nfds, rules, &m, &e);
	return rc;
}

static void
test_rules(void)
{
	uint8_t head[MSG_HEADER + 70] = { 0, T_TEXT, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0 };

	works(parse_bytes(head, MSG_HEADER, 0), "an empty message");
	for (size_t n = 0; n < MSG_HEADER; n++)
		fails(parse_bytes(head, n, 0), ERR_PROTO, "a header of %zu bytes", n);
	fails(parse_bytes(head, MSG_HEADER, 1), ERR_PROTO, "a descriptor nobody asked for");
	fails(parse_bytes(head, MSG_HEADER + 1, 0), ERR_PROTO, "a byte more than it says");
	head[11] = 1;
	fails(parse_bytes(head, MSG_HEADER, 0), ERR_PROTO, "a byte less than it says");
	works(parse_bytes(head, MSG_HEADER + 1, 0), "as many as it says");
	head[11] = 65;
	fails(parse_bytes(head, MSG_HEADER + 65, 0), ERR_PROTO, "more than its rule allows");
	head[11] = 0;
	head[3] = 1;
	fails(parse_bytes(head, MSG_HEADER, 0), ERR_PROTO, "flags");
	head[3] = 0;
	head[1] = 99;
	fails(parse_bytes(head, MSG_HEADER, 0), ERR_PROTO, "a type without a rule");
	head[1] = 0;
	fails(parse_bytes(head, MSG_HEADER, 0), ERR_PROTO, "type 0");
	head[1] = T_FD;
	fails(parse_bytes(head, MSG_HEADER, 1), ERR_PROTO, "too few descriptors");
	works(parse_bytes(head, MSG_HEADER, 2), "the right number");
}

static void
test_descriptors(void)
{
	struct stat a, b;
	automsg out, in;
	int pair[2], null = open(".", O_RDONLY);

	msg_init(&in, 0, 0);
	works(msg_pair(pair, &e), "pair");
	msg_init(&out, T_FD, 0);
	msg_put_fd(&out, null);
	msg_put_fd(&out, null);
	works(msg_send(pair[0], &out, -1, &e), "send two");
	is_int(msg_recv(pair[1], rules, 1000, &in, &e), 1, "receive them");
	is_int((long long)in.nfds, 2, "there are two");
	ok(in.fds[0] != null && fstat(in.fds[0], &a) == 0 && fstat(null, &b) == 0 &&
	    a.st_ino == b.st_ino, "copies of the same file");
	ok((fcntl(in.fds[0], F_GETFD) & FD_CLOEXEC) != 0, "closed on exec");
	out.nfds = 1;
	works(msg_send(pair[0], &out, -1, &e), "send one");
	fails(msg_recv(pair[1], rules, 1000, &in, &e), ERR_PROTO, "one is not two");
	msg_fini(&out);
	ok(fcntl(null, F_GETFD) >= 0, "what was put stays its owner's");
	close(null);
	close(pair[0]);
	close(pair[1]);
}

static void
test_waiting(void)
{
	static uint8_t big[LIMIT_MSG + 100];
	automsg in, out;
	int pair[2], sent = 0;

	msg_init(&in, 0, 0);
	works(msg_pair(pair, &e), "pair");
	fails(msg_recv(pair[1], rules, 20, &in, &e), ERR_TIMEOUT, "nothing comes");
	fails(msg_recv(pair[1], rules, 0, &in, &e), ERR_TIMEOUT, "nothing is there");
	ok(send(pair[0], big, sizeof(big), 0) > 0, "a packet larger than any of ours");
	fails(msg_recv(pair[1], rules, 1000, &in, &e), ERR_PROTO, "is refused");
	msg_init(&out, T_SECRET, 0);
	works(msg_put_bytes(&out, (struct span){ big, 60000 }, &e), "a large message");
	while (sent < 1000 && msg_send(pair[0], &out, 10, &e) == 0)
		sent++;
	ok(sent > 0 && sent < 1000 && e.code == ERR_TIMEOUT, "a full socket ends in time");
	close(pair[1]);
	fails(msg_send(pair[0], &out, -1, &e), ERR_CRASH, "the peer is gone");
	close(pair[0]);
}

/* A process that answers before it has read everything, and ends. */
static void
test_last_words(void)
{
	automsg in, end, out;
	int pair[2];

	msg_init(&in, 0, 0);
	msg_init(&end, 0, 0);
	msg_init(&out, T_TEXT, 5);
	works(msg_pair(pair, &e), "pair");
	works(msg_put_str(&out, "unread", &e), "a message");
	works(msg_send(pair[0], &out, 1000, &e), "is sent");
	works(msg_send(pair[1], &out, 1000, &e), "an answer");
	close(pair[1]);
	is_int(msg_recv(pair[0], rules, 1000, &in, &e), 1, "the answer of one that ended without reading");
	is_int(msg_recv(pair[0], rules, 1000, &end, &e), 0, "and then its end");
	close(pair[0]);
}

static void
try_mutant(struct span s, maybe_unused void *arg)
{
	automsg m;
	struct msg_reader r;
	struct err what;

	msg_init(&m, 0, 0);
	if (msg_parse(s, 0, rules, &m, &what) < 0)
		return;
	r = msg_reader(&m);
	msg_get_err(&r, &what);
	(void)!msg_get_end(&r);
}

static int
once(maybe_unused void *arg, struct err *why)
{
	automsg out, in;
	int pair[2], rc;

	msg_init(&in, 0, 0);
	msg_init(&out, T_TEXT, 1);
	rc = msg_pair(pair, why);
	if (rc < 0)
		return rc;
	rc = msg_put_str(&out, "some text", why);
	if (rc == 0)
		rc = msg_send(pair[0], &out, 100, why);
	if (rc == 0)
		rc = msg_recv(pair[1], rules, 100, &in, why);
	close(pair[0]);
	close(pair[1]);
	return rc < 0 ? rc : 0;
}

int
main(void)
{
	uint8_t valid[MSG_HEADER + 14] = { 0, T_TEXT, 0, 0, 0, 0, 0, 9, 0, 0, 0, 14, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 'h', 'i' };

	test_round_trip();
	test_reader_remembers();
	test_rules();
	test_descriptors();
	test_waiting();
	test_last_words();
	ok(mutate((struct span){ valid, sizeof(valid) }, sizeof(valid), try_mutant, NULL) > 300, "mutants");
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, once, NULL) > 0, "no memory at any point");
	ok(fault_each(FAULT_IO, EIO, false, once, NULL) > 0, "no I/O at any point");
	ok(fault_each(FAULT_IO, EINTR, true, once, NULL) >= 0, "interrupted at any point");
	return tap_done();
}
