/*
 * tar_header.h: one 512-byte header block of an archive as a struct. Pure: no
 * allocation, no I/O. Source: POSIX pax ("ustar Interchange Format"), GNU tar
 * manual ("Basic Tar Format").
 */
#ifndef IMAGE_TAR_HEADER_H
#define IMAGE_TAR_HEADER_H

#include "lib/buf.h"

#define TAR_BLOCK	512

enum tar_format { TAR_V7, TAR_USTAR, TAR_GNU };

struct tar_header {
	enum tar_format	format;
	char		type;			/* as written; NUL is an old regular file */
	uint64_t	size;
	uint32_t	mode;			/* low 12 bits */
	int64_t		uid, gid, mtime;	/* not yet checked: pax may replace them */
	int64_t		major, minor;		/* 0 unless it is a device */
	uint64_t	real_size;		/* of an old GNU sparse file, else 0 */
	char		name[155 + 1 + 100 + 1];
	char		link[100 + 1];
};

/* block is TAR_BLOCK bytes. -ERR_LAYER. */
int tar_header_parse(struct span block, struct tar_header *out, struct err *) must_check;

bool tar_block_is_zero(struct span block);

/*
 * A number field: octal with spaces in front and spaces or NULs behind (an empty one is 0),
 * or base 256 in two's complement when the top bit is set. false for anything else.
 */
bool tar_number(struct span field, int64_t *out);

/* The field up to its first NUL, or all of it. */
struct span tar_text(struct span field);

#endif
