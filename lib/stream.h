/*
 * stream.h: a pipe of stages, each ignorant of its neighbours. Reading a stage
 * pulls from the one below: fetch → digest → MAC → cipher → decompressor → … A
 * new cipher or compression is one file with one struct stream_ops.
 */
#ifndef LIB_STREAM_H
#define LIB_STREAM_H

#include "lib/buf.h"
#include "lib/crypto.h"

struct stream;

struct stream_ops {
	const char	*name;		/* for messages: "gzip", "digest" */
	/* 1..n bytes, 0 at the end (and again when asked again), or -err. Never more than n. */
	ssize_t		(*read)(struct stream *, void *, size_t n, struct err *);
	/*
	 * The last word, asked once after read gave 0: digest, MAC, length. 0 or
	 * -err. Stages below have been asked before. Optional.
	 */
	int		(*finish)(struct stream *, struct err *);
	void		(*close)(struct stream *);	/* frees state; optional */
};

struct stream {
	const struct stream_ops	*ops;
	struct stream		*from;	/* the stage below, not owned; NULL for a source */
	void			*state;
	bool			 ended;		/* read gave 0 */
	enum err_code		 failed;	/* what read gave; ERR_NONE: nothing failed */
};

/* Pulls; sets ended. After -err or the end nothing more is asked of ops->read; n is not 0. */
ssize_t stream_read(struct stream *, void *, size_t, struct err *) must_check;
/* Reads until n bytes are there or the end: count or -err. */
ssize_t stream_read_full(struct stream *, void *, size_t, struct err *) must_check;
/*
 * Drains what is left of every stage, from the top down so that each byte passes all that must
 * see it, then asks finish of each from the source up; the first error on the way up counts (a
 * failure while draining at the place of its stage). To be called when the top has ended.
 */
int stream_finish(struct stream *top, struct err *) must_check;
/* Closes the top and all below. */
void stream_close(struct stream *top);

/* Sources. The descriptor and the bytes stay the caller's. */
int stream_fd(struct stream *, int fd, const char *what, struct err *) must_check;
int stream_span(struct stream *, struct span, struct err *) must_check;

/*
 * Passes bytes on and hashes them; finish compares digest (-ERR_DIGEST) and, unless
 * size is UINT64_MAX, their count: more bytes than size fail at once, fewer at finish.
 * expected is hash_size(alg) bytes; NULL: only computes (read by stream_digest_value after finish).
 */
int stream_digest(struct stream *, struct stream *from, enum hash_alg, const uint8_t *expected,
    uint64_t size, const char *what, struct err *) must_check;
const uint8_t *stream_digest_value(const struct stream *);
uint64_t stream_digest_count(const struct stream *);

#endif
