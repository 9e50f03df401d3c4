/*
 * unpack.c: puts the stages of one layer together and pulls: source, decompressor,
 * (read-ahead,) digest, archive, tree. The verdict is given only when the stream was read to its
 * very end, whatever the archive says of its own end.
 */
#include "lib/base.h"

#include "image/unpack.h"

#include <sys/eventfd.h>

#include "image/ahead.h"
#include "image/decompress.h"
#include "image/zstd.h"
#include "lib/sys.h"

struct pipeline {
	int		 wake;
	struct stream	 source, stages[2], ahead, digest;
	struct stream	*top;		/* what is open so far */
	bool		 sniffed;
};

static void
close_pipeline(struct pipeline *p)
{
	stream_close(p->top);
	base_close(&p->wake);
}

/* The bytes of the archive, not yet hashed: p->top. */
static int
open_plain(struct pipeline *p, const struct unpack_job *job, bool threads, struct err *e)
{
	unsigned window = job->max_window_log != 0 ? job->max_window_log : WINDOW_LOG_DEFAULT;
	int rc;

	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake == -1)
		return err_sys(e, "eventfd");
	if ((rc = stream_fd_until(&p->source, job->in, p->wake, "layer", e)) < 0)
		return rc;
	p->top = &p->source;
	if ((rc = stream_decompress(p->stages, p->top, job->compression, window, &p->top,
	    &p->sniffed, e)) < 0)
		return rc;
	if (!threads)
		return 0;
	if ((rc = stream_ahead(&p->ahead, p->top, p->wake, e)) < 0)
		return rc;
	p->top = &p->ahead;
	return 0;
}

static int
open_pipeline(struct pipeline *p, const struct unpack_job *job, bool threads, struct err *e)
{
	enum hash_alg alg = job->diff_id != NULL ? job->diff_id->alg : HASH_SHA256;
	int rc;

	if ((rc = open_plain(p, job, threads, e)) < 0)
		return rc;
	/* Compared here, not there: so that both digests are named in the form that people know. */
	rc = stream_digest(&p->digest, p->top, alg, NULL, UINT64_MAX, "diff_id", e);
	if (rc < 0)
		return rc;
	p->top = &p->digest;
	return 0;
}

static void
tar_free(struct tar_reader **r)
{
	tar_close(*r);
}

static void
tree_free(struct tree **t)
{
	tree_close(*t);
}

static int
apply_all(struct stream *from, struct tree *tree, struct err *e)
{
	cleanup(tar_free) struct tar_reader *reader = NULL;
	const struct tar_entry *entry = NULL;
	int rc;

	if ((rc = tar_open(from, &reader, e)) < 0)
		return rc;
	while ((rc = tar_next(reader, &entry, e)) == 1)
		if ((rc = tree_apply(tree, reader, entry, e)) < 0)
			return rc;
	if (rc < 0 || (rc = tar_drain(reader, e)) < 0)
		return rc;
	return tree_finish(tree, e);
}

static int
check_diff_id(const struct unpack_job *job, struct pipeline *p, struct digest *seen,
    struct err *e)
{
	int rc = stream_finish(&p->digest, e);

	if (rc < 0)
		return rc;
	digest_set(seen, job->diff_id != NULL ? job->diff_id->alg : HASH_SHA256,
	    stream_digest_value(&p->digest));
	if (job->diff_id == NULL || digest_equal(job->diff_id, seen))
		return 0;
	return err_set(e, ERR_DIGEST, "diff_id: expected %s, got %s", job->diff_id->text, seen->text);
}

/* Of a full disk people want to know how far it got. */
static int
tell_written(const struct tree_stats *stats, struct err *e)
{
	return err_wrap(e, "no room after %" PRIu64 " MiB of the layer, at entry %" PRIu64,
	    stats->bytes >> 20, stats->entries);
}

int
unpack_layer(const struct unpack_job *job, bool threads, struct unpack_result *out,
    struct err *e)
{
	cleanup(close_pipeline) struct pipeline p = { .wake = -1 };
	cleanup(tree_free) struct tree *tree = NULL;
	struct digest seen;
	int rc;

	if ((rc = open_pipeline(&p, job, threads, e)) < 0 ||
	    (rc = tree_open(&job->tree, &tree, e)) < 0)
		return rc;
	if ((rc = apply_all(&p.digest, tree, e)) < 0)
		return rc == -ERR_NOSPACE ? tell_written(tree_stats(tree), e) : rc;
	if ((rc = check_diff_id(job, &p, &seen, e)) < 0)
		return rc;
	*out = (struct unpack_result){
		.diff_id = seen, .unpacked = stream_digest_count(&p.digest),
		.stats = *tree_stats(tree), .sniffed = p.sniffed,
	};
	return 0;
}
