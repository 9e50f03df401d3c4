/*
 * tar.h: reader of layer archives (v7, ustar, pax, GNU). Names are bytes,
 * headers are strict, one pass, no allocation per entry. The header functions
 * (tar_header.h, pax.h, sparse.h) are pure; struct tar_reader pulls from a
 * stream. What GNU tar, Go's archive/tar and libarchive read in different ways
 * is refused. Source: POSIX pax, GNU tar manual.
 */
#ifndef IMAGE_TAR_H
#define IMAGE_TAR_H

#include "image/pax.h"
#include "image/sparse.h"
#include "lib/limits.h"
#include "lib/stream.h"

enum tar_type {
	TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK_DEV, TAR_DIR, TAR_FIFO,
};

/* Everything in here is borrowed from the reader until the next entry. */
struct tar_entry {
	enum tar_type	type;
	const char	*path;		/* as written, never empty, at most LIMIT_PATH */
	const char	*link;		/* hard or symbolic link target; "" otherwise */
	uint32_t	mode;		/* low 12 bits */
	uint32_t	uid, gid;	/* never UINT32_MAX, which means "unchanged" to chown */
	struct timespec	mtime, atime;	/* atime: mtime, if the archive has none */
	uint32_t	major, minor;
	uint64_t	size;		/* of the file as it will be (sparse: logical size); 0 for all but files */
	bool		sparse;		/* segments hold the data, in rising order, the rest is holes */
	const struct tar_segment *segments;
	size_t		nsegments;
	const struct tar_xattr *xattrs;
	size_t		nxattrs;
};

struct tar_reader;

int tar_open(struct stream *from, struct tar_reader **out, struct err *) must_check;
void tar_close(struct tar_reader *);

/*
 * 1 and an entry, 0 at the end mark or the end of the stream, -ERR_LAYER,
 * -ERR_LIMIT. Unread data is skipped. What follows the end mark is never parsed.
 */
int tar_next(struct tar_reader *, const struct tar_entry **out, struct err *) must_check;

/*
 * The next stored bytes of the entry (sparse: the segments one after the other),
 * borrowed until the next call: 1 or more, 0 at its end, -err (also when the archive is cut).
 */
ssize_t tar_data(struct tar_reader *, const uint8_t **out, struct err *) must_check;

/* Once tar_next gave 0: reads the stream to its end, so that all of it is hashed. */
int tar_drain(struct tar_reader *, struct err *) must_check;

uint64_t tar_entries(const struct tar_reader *);	/* so far */

#endif
