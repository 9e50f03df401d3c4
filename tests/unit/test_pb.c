/* test_pb.c: memory that is counted and wiped, and protobuf messages in it. */
#include "lib/base.h"

#include "lib/budget.h"
#include "lib/limits.h"
#include "lib/pb.h"

#include "lib/ttrpc.pb-c.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

static void
test_budget(void)
{
	struct budget b = { .max = 1000 };
	uint8_t *p = budget_alloc(&b, 100), *q, *none;

	if (!ok(p != NULL && p[0] == 0 && p[99] == 0, "a block, zeroed"))
		return;
	ok(b.used >= 100, "it is counted");
	none = budget_alloc(&b, 1000);
	ok(none == NULL, "not more than there is");
	none = budget_alloc(&b, SIZE_MAX - 3);
	ok(none == NULL, "not where the size overflows");
	memset(p, 'x', 100);
	q = budget_realloc(&b, p, 200);
	if (!ok(q != NULL && q[0] == 'x' && q[99] == 'x' && q[100] == 0, "grows with what it holds"))
		return;
	p = q;
	if (p == NULL)
		return;
	none = budget_realloc(&b, q, 2000);
	ok(none == NULL && p[99] == 'x', "keeps it where it cannot grow");
	p = budget_realloc(&b, p, 10);
	ok(p != NULL && p[9] == 'x', "shrinks");
	q = budget_alloc(&b, 0);
	ok(q != NULL, "size 0 is a block, too");
	budget_free(&b, p);
	budget_free(&b, q);
	budget_free(&b, NULL);
	is_int(b.used, 0, "all is given back");
}

/* service "s", method "mm", payload of a NUL, timeout 5, an unknown field 9, metadata k=v */
static const uint8_t request[] = {
	0x0a, 1, 's', 0x12, 2, 'm', 'm', 0x1a, 1, 0, 0x20, 5, 0x48, 7, 0x2a, 6, 0x0a, 1, 'k', 0x12, 1, 'v',
};
static const struct span valid = { request, sizeof(request) };

static void
test_parse(void)
{
	struct pb pb = { 0 };
	const Ttrpc__Request *r;

	works(pb_parse(valid, &ttrpc__request__descriptor, "request", &pb, &e), "a message");
	r = (const Ttrpc__Request *)pb.message;
	ok(span_eq_str(pb_span(r->service), "s") && span_eq_str(pb_span(r->method), "mm"), "its texts");
	ok(r->payload.len == 1 && r->payload.data[0] == 0, "a NUL in bytes");
	is_int(r->timeout_nano, 5, "a number");
	ok(r->n_metadata == 1 && span_eq_str(pb_span(r->metadata[0]->key), "k"), "a list of messages");
	ok(pb.budget.used > 0 && pb.budget.used <= pb.budget.max, "its memory is counted");
	pb_free(&pb);
	is_int(pb.budget.used, 0, "and given back");
	pb_free(&pb);

	works(pb_parse((struct span){ NULL, 0 }, &ttrpc__request__descriptor, "request", &pb, &e), "the empty message");
	pb_free(&pb);
	pb.message = NULL;
	fails(pb_parse((struct span){ request, 2 }, &ttrpc__request__descriptor, "request", &pb, &e), ERR_PARSE,
	    "a message cut short");
	ok(pb.message == NULL && strstr(e.msg, "request") != NULL, "which is named, and nothing given");
	fails(pb_parse(SPAN_LIT("\x0b\x0b\x0c\x0c"), &ttrpc__request__descriptor, "request", &pb, &e), ERR_PARSE, "groups");
	fails(pb_parse(SPAN_LIT("\x0a\xff\xff\xff\xff\x0f"), &ttrpc__request__descriptor, "request", &pb, &e), ERR_PARSE,
	    "a length beyond the message");
}

/* As many fields as fit, each of which costs far more memory than bytes. */
static void
test_bombs(void)
{
	autobuf in = BUF(MIB(1));
	struct pb pb = { 0 };
	int rc;

	for (size_t i = 0; i < 20000; i++)
		(void)(buf_add(&in, "\x2a\x00", 2, &e) < 0);
	rc = pb_parse(buf_span(&in), &ttrpc__request__descriptor, "request", &pb, &e);
	ok(rc == -ERR_PARSE || pb.budget.used <= 32 * in.len + KIB(4), "many empty messages stay in the budget");
	pb_free(&pb);
	buf_reset(&in);
	for (size_t i = 0; i < 20000; i++)
		(void)(buf_add(&in, "\x48\x01", 2, &e) < 0);
	rc = pb_parse(buf_span(&in), &ttrpc__request__descriptor, "request", &pb, &e);
	ok(rc == -ERR_PARSE || pb.budget.used <= 32 * in.len + KIB(4), "so do many unknown fields");
	pb_free(&pb);
}

static void
test_format(void)
{
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;
	autobuf out = BUF(32), small = BUF(4);

	r.payload = pb_bytes(SPAN_LIT("hello"));
	works(pb_format(&r.base, &out, &e), "is written");
	ok(span_eq(buf_span(&out), SPAN_LIT("\x12\x05hello")), "as it should be");
	fails(pb_format(&r.base, &small, &e), ERR_LIMIT, "not beyond the buffer");
	is_int(small.len, 0, "which is untouched then");
	r.payload = pb_bytes(SPAN_LIT(""));
	works(pb_format(&r.base, &out, &e), "the empty message");
	is_int(out.len, 7, "adds nothing");
}

static int
run(maybe_unused void *arg, struct err *f)
{
	autopb pb = { 0 };

	return pb_parse(valid, &ttrpc__request__descriptor, "request", &pb, f);
}

static void
try(struct span in, maybe_unused void *arg)
{
	autopb pb = { 0 };
	struct err f;

	(void)(pb_parse(in, &ttrpc__request__descriptor, "request", &pb, &f) < 0);
}

int
main(void)
{
	test_budget();
	test_parse();
	test_bombs();
	test_format();
	ok(fault_each(FAULT_ALLOC, 0, false, run, NULL) > 2, "every allocation can fail");
	ok(mutate(valid, SIZE_MAX, try, NULL) > 100, "mutants");
	return tap_done();
}
