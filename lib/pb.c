/* pb.c: see pb.h. */
#include "lib/base.h"

#include "lib/pb.h"

#include "lib/limits.h"

/*
 * Its own list of fields takes about twenty times the bytes of the shortest ones; the copies of their contents take
 * as much as the message. Ordinary messages need a tenth of that.
 */
#define BUDGET_FACTOR	32
#define BUDGET_BASE	KIB(4)

static void *
take(void *budget, size_t n)
{
	return budget_alloc(budget, n);
}

static void
give(void *budget, void *p)
{
	budget_free(budget, p);
}

int
pb_parse(struct span in, const ProtobufCMessageDescriptor *type, const char *what, struct pb *out, struct err *e)
{
	struct budget budget = { 0 };
	ProtobufCAllocator a = { .alloc = take, .free = give, .allocator_data = &budget };
	ProtobufCMessage *m;

	if (__builtin_mul_overflow(in.len, (size_t)BUDGET_FACTOR, &budget.max) ||
	    __builtin_add_overflow(budget.max, BUDGET_BASE, &budget.max))
		return err_set(e, ERR_LIMIT, "%s: too long", what);
	m = protobuf_c_message_unpack(type, &a, in.len, in.p);
	if (m == NULL)
		return err_set(e, ERR_PARSE, "%s: not a message of its kind", what);
	*out = (struct pb){ budget, m };
	return 0;
}

void
pb_free(struct pb *p)
{
	ProtobufCAllocator a = { .alloc = take, .free = give, .allocator_data = &p->budget };

	if (p->message != NULL)
		protobuf_c_message_free_unpacked(p->message, &a);
	p->message = NULL;
}

int
pb_format(const ProtobufCMessage *m, struct buf *out, struct err *e)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	int rc = buf_reserve(out, n, e);

	if (rc == 0 && n > 0)
		out->len += protobuf_c_message_pack(m, out->data + out->len);
	return rc;
}

struct span
pb_span(ProtobufCBinaryData d)
{
	return (struct span){ d.data, d.len };
}

ProtobufCBinaryData
pb_bytes(struct span s)
{
	/* Packing only reads. */
	return (ProtobufCBinaryData){ s.len, (uint8_t *)(uintptr_t)s.p };
}
