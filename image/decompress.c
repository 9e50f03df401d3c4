/*
 * decompress.c: looks at the first bytes of a layer and hands them out again, to the stage that
 * they call for. Only the outermost compression is undone: gzip in gzip is no archive.
 */
#include "lib/base.h"

#include "image/decompress.h"

#include "image/gzip.h"
#include "image/zstd.h"
#include "lib/sys.h"

struct peek {
	uint8_t	head[4];
	size_t	pos, len;
};

static ssize_t
peek_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct peek *k = s->state;

	if (k->pos == k->len)
		return stream_read(s->from, p, n, e);
	n = MIN(n, k->len - k->pos);
	memcpy(p, k->head + k->pos, n);
	k->pos += n;
	return (ssize_t)n;
}

static void
peek_close(struct stream *s)
{
	sys_free(s->state);
}

static const struct stream_ops peek_ops = {
	.name	= "first bytes",
	.read	= peek_read,
	.close	= peek_close,
};

static enum compression
compression_of(const struct peek *k)
{
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd }, skippable[] = { 0x2a, 0x4d, 0x18 };

	if (k->len >= 2 && k->head[0] == 0x1f && k->head[1] == 0x8b)
		return COMPRESSION_GZIP;
	if (k->len == 4 && (memcmp(k->head, zstd, 4) == 0 ||
	    ((k->head[0] & 0xf0) == 0x50 && memcmp(k->head + 1, skippable, 3) == 0)))
		return COMPRESSION_ZSTD;
	return COMPRESSION_NONE;
}

static int
open_peek(struct stream *s, struct stream *from, enum compression *found, struct err *e)
{
	struct peek *k = sys_alloc(sizeof(*k));
	ssize_t got;

	if (k == NULL)
		return err_set(e, ERR_NOMEM, "layer: out of memory");
	got = stream_read_full(from, k->head, sizeof(k->head), e);
	if (got < 0) {
		sys_free(k);
		return (int)got;
	}
	k->len = (size_t)got;
	*found = compression_of(k);
	*s = (struct stream){ .ops = &peek_ops, .from = from, .state = k };
	return 0;
}

int
stream_decompress(struct stream stages[2], struct stream *from, enum compression said,
    unsigned window_log, struct stream **top, bool *sniffed, struct err *e)
{
	struct stream peek;
	enum compression found = COMPRESSION_NONE;
	int rc;

	if ((rc = open_peek(&peek, from, &found, e)) < 0)
		return rc;
	if (found == COMPRESSION_ZSTD)
		rc = stream_zstd(&stages[1], &stages[0], window_log, e);
	else if (found == COMPRESSION_GZIP)
		rc = stream_gzip(&stages[1], &stages[0], e);
	if (rc < 0) {
		peek_close(&peek);
		return rc;
	}
	stages[0] = peek;
	*top = found == COMPRESSION_NONE ? &stages[0] : &stages[1];
	*sniffed = found != said;
	return 0;
}
