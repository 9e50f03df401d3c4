/* ttrpc.c: frames. Whoever reads them decides at the head whether the body is worth memory. */
#include "lib/base.h"

#include "lib/ttrpc.h"

int
ttrpc_frame_format(const struct ttrpc_frame *f, struct buf *out, struct err *e)
{
	int rc = buf_reserve(out, TTRPC_HEADER, e);

	if (rc == 0)
		rc = buf_add_be32(out, f->len, e);
	if (rc == 0)
		rc = buf_add_be32(out, f->stream, e);
	if (rc == 0)
		rc = buf_add_u8(out, f->type, e);
	return rc < 0 ? rc : buf_add_u8(out, f->flags, e);
}

/* Up to n bytes from the front of in. */
static struct span
up_to(struct span *in, size_t n)
{
	struct span out = { in->p, 0 };

	(void)span_take(in, MIN(n, in->len), &out);
	return out;
}

static bool
read_head(struct ttrpc_reader *r, struct span *in)
{
	struct span part = up_to(in, TTRPC_HEADER - r->have), head = { r->head, TTRPC_HEADER };

	if (part.len > 0)
		memcpy(r->head + r->have, part.p, part.len);
	r->have += part.len;
	return r->have == TTRPC_HEADER && span_be32(&head, &r->frame.len) && span_be32(&head, &r->frame.stream) &&
	    span_u8(&head, &r->frame.type) && span_u8(&head, &r->frame.flags);
}

/* ttrpc_keep has made room for all of it. */
static bool
read_body(struct ttrpc_reader *r, struct span *in)
{
	struct span part = up_to(in, r->frame.len - r->body.len);

	if (part.len > 0)
		memcpy(r->body.data + r->body.len, part.p, part.len);
	r->body.len += part.len;
	return r->body.len == r->frame.len;
}

enum ttrpc_event
ttrpc_read(struct ttrpc_reader *r, struct span *in)
{
	if (r->fate == TTRPC_KEEP && r->have == 0) {	/* the body was seen */
		buf_free(&r->body);
		r->fate = TTRPC_UNDECIDED;
	}
	if (r->fate == TTRPC_SKIP) {
		r->left -= (uint32_t)up_to(in, r->left).len;
		if (r->left > 0)
			return TTRPC_MORE;
		r->have = 0;
		r->fate = TTRPC_UNDECIDED;
	}
	if (r->fate == TTRPC_UNDECIDED)
		return read_head(r, in) ? TTRPC_HEAD : TTRPC_MORE;
	if (!read_body(r, in))
		return TTRPC_MORE;
	r->have = 0;
	return TTRPC_BODY;
}

int
ttrpc_keep(struct ttrpc_reader *r, struct err *e)
{
	int rc;

	r->body = (struct buf)BUF_SECRET(r->frame.len);
	rc = buf_reserve(&r->body, r->frame.len, e);
	if (rc == 0)
		r->fate = TTRPC_KEEP;
	return rc;
}

void
ttrpc_skip(struct ttrpc_reader *r)
{
	r->left = r->frame.len;
	r->fate = TTRPC_SKIP;
}

void
ttrpc_reader_fini(struct ttrpc_reader *r)
{
	buf_free(&r->body);
}
