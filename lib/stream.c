/*
 * stream.c: reading and ending pipes of stages, the two sources, and the stage
 * that hashes what passes. Whatever a stage does not read is still pulled
 * through all stages below it before anybody is asked for a verdict.
 */
#include "lib/base.h"
#include "lib/stream.h"

#include "lib/codec.h"
#include "lib/sys.h"

enum { MAX_STAGES = 16, DRAIN_CHUNK = 16384 };

ssize_t
stream_read(struct stream *s, void *p, size_t n, struct err *e)
{
	ssize_t got;

	if (n == 0 || n > SSIZE_MAX)
		return err_set(e, ERR_BUG, "%s: read of %zu bytes", s->ops->name, n);
	if (s->failed != ERR_NONE)
		return err_set(e, s->failed, "%s: failed before", s->ops->name);
	if (s->ended)
		return 0;
	got = s->ops->read(s, p, n, e);
	if (got > (ssize_t)n)
		got = err_set(e, ERR_BUG, "%s: more bytes than asked for", s->ops->name);
	if (got < 0)
		s->failed = (enum err_code)-got;
	s->ended = got == 0;
	return got;
}

ssize_t
stream_read_full(struct stream *s, void *p, size_t n, struct err *e)
{
	uint8_t *at = p;
	size_t have = 0;

	while (have < n) {
		ssize_t got = stream_read(s, at + have, n - have, e);

		if (got < 0)
			return got;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

static int
drain(struct stream *s, struct err *e)
{
	uint8_t scratch[DRAIN_CHUNK];
	ssize_t got;

	do
		got = stream_read(s, scratch, sizeof(scratch), e);
	while (got > 0);
	return (int)got;
}

/*
 * Draining goes from the top down, so that every byte passes all stages that
 * must see it. Where it fails, the stages below the failure are still brought
 * to their end and asked first: "the blob is not what was promised" explains
 * more than "the archive is bad".
 */
int
stream_finish(struct stream *top, struct err *e)
{
	struct stream *chain[MAX_STAGES], *failed = NULL;
	struct err why;
	size_t n = 0;

	for (struct stream *s = top; s != NULL; s = s->from) {
		bool known = s->failed != ERR_NONE && failed != NULL;

		if (n == MAX_STAGES)
			return err_set(e, ERR_BUG, "stream: too many stages");
		chain[n++] = s;
		if (known || drain(s, &why) < 0)
			failed = s;	/* known: `why` came up from here */
	}
	while (n-- > 0) {
		struct stream *s = chain[n];
		int rc;

		if (s == failed) {
			*e = why;
			return -(int)why.code;
		}
		if (s->ops->finish != NULL && (rc = s->ops->finish(s, e)) < 0)
			return rc;
	}
	return 0;
}

void
stream_close(struct stream *top)
{
	while (top != NULL) {
		struct stream *below = top->from;

		if (top->ops != NULL && top->ops->close != NULL)
			top->ops->close(top);
		*top = (struct stream){ .ops = NULL };
		top = below;
	}
}

static void
close_state(struct stream *s)
{
	sys_free(s->state);
}

/* Sets up a stage with `size` zeroed bytes of state. */
static int
stage_init(struct stream *s, const struct stream_ops *ops, struct stream *from, size_t size,
    struct err *e)
{
	void *state = sys_alloc(size);

	if (state == NULL)
		return err_set(e, ERR_NOMEM, "%s: out of memory", ops->name);
	*s = (struct stream){ .ops = ops, .from = from, .state = state };
	return 0;
}

/*
 * Sources.
 */

struct fd_state {
	int		 fd;
	const char	*what;
};

static ssize_t
fd_read(struct stream *s, void *p, size_t n, struct err *e)
{
	const struct fd_state *st = s->state;
	ssize_t got = sys_read(st->fd, p, n);

	return got < 0 ? err_sys(e, "%s: read", st->what) : got;
}

static const struct stream_ops fd_ops = {
	.name	= "file",
	.read	= fd_read,
	.close	= close_state,
};

int
stream_fd(struct stream *s, int fd, const char *what, struct err *e)
{
	struct fd_state *st;
	int rc = stage_init(s, &fd_ops, NULL, sizeof(*st), e);

	if (rc < 0)
		return rc;
	st = s->state;
	st->fd = fd;
	st->what = what;
	return 0;
}

static ssize_t
span_read(struct stream *s, void *p, size_t n, maybe_unused struct err *e)
{
	struct span *left = s->state, taken = { NULL, 0 };

	n = MIN(n, left->len);
	if (n > 0 && span_take(left, n, &taken))
		memcpy(p, taken.p, taken.len);
	return (ssize_t)taken.len;
}

static const struct stream_ops span_ops = {
	.name	= "bytes",
	.read	= span_read,
	.close	= close_state,
};

int
stream_span(struct stream *s, struct span bytes, struct err *e)
{
	int rc = stage_init(s, &span_ops, NULL, sizeof(bytes), e);

	if (rc == 0)
		*(struct span *)s->state = bytes;
	return rc;
}

/*
 * The digest stage.
 */

struct digest_state {
	struct hash	*hash;
	enum hash_alg	 alg;
	bool		 check;
	uint8_t		 expected[HASH_MAX], value[HASH_MAX];
	uint64_t	 size, count;
	const char	*what;
};

static ssize_t
digest_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct digest_state *st = s->state;
	ssize_t got = stream_read(s->from, p, n, e);
	int rc;

	if (got <= 0)
		return got;
	if ((rc = hash_update(st->hash, p, (size_t)got, e)) < 0)
		return rc;
	st->count += (uint64_t)got;
	if (st->count > st->size)
		return err_set(e, ERR_DIGEST, "%s: more than the %" PRIu64 " bytes it must have",
		    st->what, st->size);
	return got;
}

static int
digest_finish(struct stream *s, struct err *e)
{
	struct digest_state *st = s->state;
	char want[2 * HASH_MAX + 1], got[2 * HASH_MAX + 1];
	size_t n = hash_size(st->alg);
	int rc;

	if ((rc = hash_final(st->hash, st->value, e)) < 0)
		return rc;
	if (st->size != UINT64_MAX && st->count != st->size)
		return err_set(e, ERR_DIGEST, "%s: %" PRIu64 " bytes, expected %" PRIu64,
		    st->what, st->count, st->size);
	if (!st->check || memcmp(st->value, st->expected, n) == 0)
		return 0;
	hex_encode(st->expected, n, want);
	hex_encode(st->value, n, got);
	return err_set(e, ERR_DIGEST, "%s: expected sha%zu:%s, got %s", st->what, 8 * n, want, got);
}

static void
digest_close(struct stream *s)
{
	struct digest_state *st = s->state;

	hash_free(st->hash);
	sys_free(st);
}

static const struct stream_ops digest_ops = {
	.name	= "digest",
	.read	= digest_read,
	.finish	= digest_finish,
	.close	= digest_close,
};

int
stream_digest(struct stream *s, struct stream *from, enum hash_alg alg, const uint8_t *expected,
    uint64_t size, const char *what, struct err *e)
{
	struct digest_state *st;
	struct hash *hash;
	int rc;

	if ((rc = hash_new(alg, &hash, e)) < 0)
		return rc;
	if ((rc = stage_init(s, &digest_ops, from, sizeof(*st), e)) < 0) {
		hash_free(hash);
		return rc;
	}
	st = s->state;
	*st = (struct digest_state){ .hash = hash, .alg = alg, .size = size, .what = what };
	if (expected != NULL) {
		st->check = true;
		memcpy(st->expected, expected, hash_size(alg));
	}
	return 0;
}

const uint8_t *
stream_digest_value(const struct stream *s)
{
	const struct digest_state *st = s->state;

	return st->value;
}

uint64_t
stream_digest_count(const struct stream *s)
{
	const struct digest_state *st = s->state;

	return st->count;
}
