/*
 * pieces.h: a source that hands out its bytes in pieces, and a reader that asks a stage for
 * pieces: what comes out must not depend on either.
 */
#ifndef TESTS_LIB_PIECES_H
#define TESTS_LIB_PIECES_H

#include "lib/base.h"
#include "lib/stream.h"

struct pieces {
	struct span	left;
	size_t		step;
};

static inline ssize_t
pieces_read(struct stream *s, void *p, size_t n, maybe_unused struct err *err)
{
	struct pieces *pieces = s->state;
	struct span taken = { NULL, 0 };

	n = MIN(MIN(n, pieces->step), pieces->left.len);
	if (n > 0 && span_take(&pieces->left, n, &taken))
		memcpy(p, taken.p, n);
	return (ssize_t)n;
}

static const struct stream_ops pieces_ops = { .name = "pieces", .read = pieces_read };

static inline struct stream
pieces_source(struct pieces *p)
{
	return (struct stream){ .ops = &pieces_ops, .state = p };
}

/* Reads the stage to its end, `step` bytes at a time, asks for its last word and closes it. */
static inline int
read_in_pieces(struct stream *top, size_t step, struct buf *out, struct err *err)
{
	uint8_t *chunk = malloc(step);
	ssize_t n;
	int rc = 0;

	assert(chunk != NULL);
	while ((n = stream_read(top, chunk, step, err)) > 0)
		if ((rc = buf_add(out, chunk, (size_t)n, err)) < 0)
			break;
	if (rc == 0)
		rc = n < 0 ? (int)n : stream_finish(top, err);
	stream_close(top);
	free(chunk);
	return rc;
}

#endif
