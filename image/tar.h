/*
 * tar.h: reader of layer archives (v7, ustar, pax, GNU). Names are bytes,
 * headers are strict, one pass, no allocation per entry. The header functions
 * are pure; struct tar_reader pulls from a stream. Source: POSIX pax, GNU tar manual.
 */
#ifndef IMAGE_TAR_H
#define IMAGE_TAR_H

#include "lib/limits.h"
#include "lib/stream.h"

enum tar_type {
	TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK, TAR_DIR, TAR_FIFO,
};

struct tar_xattr {		/* both borrowed from the reader until the next entry */
	struct span	name;	/* without SCHILY.xattr. */
	struct span	value;
};

struct tar_segment {		/* of a sparse file: data at offset */
	uint64_t	offset, length;
};

struct tar_entry {
	enum tar_type	type;
	char		*path;		/* as written, no NUL inside; borrowed */
	char		*link;		/* hard or symbolic link target; "" otherwise */
	uint32_t	mode;		/* low 12 bits */
	uint32_t	uid, gid;
	int64_t		mtime_s, atime_s;
	uint32_t	mtime_ns, atime_ns;
	bool		has_mtime, has_atime;
	uint32_t	major, minor;
	uint64_t	size;		/* bytes of content as the file will be (sparse: logical size); 0 for all but files */
	bool		sparse;		/* segments hold the data, in rising order, the rest is holes */
	const struct tar_segment *segments;
	size_t		nsegments;
	const struct tar_xattr *xattrs;
	size_t		nxattrs;
};

struct tar_reader;

int tar_open(struct stream *from, struct tar_reader **out, struct err *) must_check;
void tar_close(struct tar_reader *);
/* 1 and an entry (borrowed until the next call), 0 at the end mark or the end of the stream, -ERR_LAYER, -ERR_LIMIT. Unread data is skipped. */
int tar_next(struct tar_reader *, const struct tar_entry **out, struct err *) must_check;
/* Stored data of the entry (sparse: the segments one after the other): 1..n bytes, 0 at its end, -err (also when the archive is cut). */
ssize_t tar_read(struct tar_reader *, void *, size_t, struct err *) must_check;
uint64_t tar_entries(const struct tar_reader *);	/* so far */

#endif
