/*
 * zstd.c: the zstd stage, over libzstd. The library finds the frames and holds at most one
 * window and two buffers of 128 KiB; here is what feeds it and what judges how it ended.
 */
#include "lib/base.h"

#include "image/zstd.h"

/* For an allocator of one's own. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "lib/sys.h"

enum { INPUT = 128 << 10 };

struct zstd {
	ZSTD_DCtx	*engine;
	ZSTD_inBuffer	 in;		/* what of input is not yet used */
	bool		 in_frame;	/* the last frame is not complete, or not yet all handed out */
	bool		 any;		/* a frame was complete */
	unsigned	 window_log;
	uint8_t		 input[INPUT];
};

static void *
engine_alloc(maybe_unused void *arg, size_t size)
{
	/* Not zeroed: of a large window only what is used becomes memory. */
	return sys_realloc(NULL, size);
}

static void
engine_release(maybe_unused void *arg, void *p)
{
	sys_free(p);
}

static int
bad(struct err *e, const char *why)
{
	return err_set(e, ERR_LAYER, "zstd: %s", why);
}

static int
refuse_window(const struct zstd *z, struct err *e)
{
	return err_set(e, ERR_LIMIT, "zstd: a frame wants a window of more than 2^%u bytes "
	    "(--zstd-window-log allows up to 2^%d)", z->window_log, WINDOW_LOG_MAX);
}

static int
explain(const struct zstd *z, size_t result, struct err *e)
{
	ZSTD_ErrorCode code = ZSTD_getErrorCode(result);

	if (code == ZSTD_error_memory_allocation)
		return err_set(e, ERR_NOMEM, "zstd: out of memory");
	if (code == ZSTD_error_frameParameter_windowTooLarge)
		return refuse_window(z, e);
	if (code == ZSTD_error_prefix_unknown)
		return bad(e, z->any ? "something follows the data" : "not zstd data");
	return err_set(e, ERR_LAYER, "zstd: damaged data (%s)", ZSTD_getErrorName(result));
}

/* 1 when at least one byte is there, 0 at the end. */
static int
refill(struct zstd *z, struct stream *from, struct err *e)
{
	ssize_t got;

	if (z->in.pos < z->in.size)
		return 1;
	got = stream_read(from, z->input, INPUT, e);
	if (got < 0)
		return (int)got;
	z->in = (ZSTD_inBuffer){ z->input, (size_t)got, 0 };
	return got > 0;
}

/* One step of the engine; fails when it neither takes nor gives, so that no loop is for ever. */
static int
run(struct zstd *z, ZSTD_outBuffer *out, struct err *e)
{
	size_t before = z->in.pos, rc = ZSTD_decompressStream(z->engine, out, &z->in);

	if (ZSTD_isError(rc))
		return explain(z, rc, e);
	if (out->pos == 0 && z->in.pos == before && before < z->in.size)
		return bad(e, "damaged data");
	z->in_frame = rc != 0;
	z->any |= rc == 0;
	return 0;
}

static ssize_t
zstd_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct zstd *z = s->state;
	ZSTD_outBuffer out = { p, n, 0 };
	int rc;

	for (;;) {
		/* Inside a frame the engine may hold output although it has all the input. */
		if ((z->in_frame || z->in.pos < z->in.size) && (rc = run(z, &out, e)) < 0)
			return rc;
		if (out.pos > 0)
			return (ssize_t)out.pos;
		if ((rc = refill(z, s->from, e)) < 0)
			return rc;
		if (rc == 0)
			break;
	}
	if (z->in_frame)
		return bad(e, "cut inside the data");
	return z->any ? 0 : bad(e, "no data at all");
}

static void
zstd_close(struct stream *s)
{
	struct zstd *z = s->state;

	ZSTD_freeDCtx(z->engine);
	sys_free(z);
}

static const struct stream_ops zstd_ops = {
	.name	= "zstd",
	.read	= zstd_read,
	.close	= zstd_close,
};

int
stream_zstd(struct stream *s, struct stream *from, unsigned window_log, struct err *e)
{
	const ZSTD_customMem memory = { engine_alloc, engine_release, NULL };
	struct zstd *z = sys_alloc(sizeof(*z));

	if (z == NULL)
		return err_set(e, ERR_NOMEM, "zstd: out of memory");
	z->window_log = window_log;
	z->engine = ZSTD_createDCtx_advanced(memory);
	if (z->engine == NULL) {
		sys_free(z);
		return err_set(e, ERR_NOMEM, "zstd: out of memory");
	}
	*s = (struct stream){ .ops = &zstd_ops, .from = from, .state = z };
	if (window_log < WINDOW_LOG_MIN || window_log > WINDOW_LOG_MAX || ZSTD_isError(
	    ZSTD_DCtx_setParameter(z->engine, ZSTD_d_windowLogMax, (int)window_log))) {
		zstd_close(s);
		return err_set(e, ERR_BUG, "zstd: a window of 2^%u bytes", window_log);
	}
	return 0;
}

int
window_log_parse(const char *text, unsigned *out, struct err *e)
{
	unsigned n = 0;

	if (text == NULL) {
		*out = WINDOW_LOG_DEFAULT;
		return 0;
	}
	for (size_t i = 0; text[i] >= '0' && text[i] <= '9' && i < 2; i++)
		n = n * 10 + (unsigned)(text[i] - '0');
	if (strlen(text) != 2 || n < WINDOW_LOG_MIN || n > WINDOW_LOG_MAX)
		return err_set(e, ERR_USAGE, "--zstd-window-log is %d to %d, not '%s'",
		    WINDOW_LOG_MIN, WINDOW_LOG_MAX, text);
	*out = n;
	return 0;
}
