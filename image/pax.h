/*
 * pax.h: pax extended headers: records "length key=value\n". Gathers the keys that shape the
 * tree; others are skipped. Strict: exact lengths, no key of ours twice, no empty
 * values, no NUL. Pure but for the growing of two lists. Source: POSIX pax,
 * "pax Extended Header"; GNU tar manual (GNU.sparse.*); star (SCHILY.xattr.*).
 */
#ifndef IMAGE_PAX_H
#define IMAGE_PAX_H

#include "image/sparse.h"

enum pax_key {
	PAX_PATH, PAX_LINKPATH, PAX_SIZE, PAX_UID, PAX_GID, PAX_MTIME, PAX_ATIME,
	PAX_SPARSE_MAJOR, PAX_SPARSE_MINOR, PAX_SPARSE_NAME, PAX_SPARSE_SIZE,
	PAX_SPARSE_REALSIZE, PAX_SPARSE_NUMBLOCKS, PAX_SPARSE_MAP,
	PAX_KEYS		/* how many there are */
};

struct tar_xattr {
	struct span	name;	/* without SCHILY.xattr.; 1..255 bytes, no NUL */
	struct span	value;
};

struct pax {
	struct span	 value[PAX_KEYS];	/* borrowed from the text; p is NULL when not there */
	struct tar_xattr *xattrs;		/* owned array of borrowed spans */
	size_t		 nxattrs, xattrs_cap;
	size_t		 xattrs_size;		/* names and values */
	struct sparse	 sparse;		/* segments of form 0.0 */
	bool		 half_segment;		/* an offset waits for its length */
	uint64_t	 offset;
};

void pax_reset(struct pax *);		/* keeps the memory */
void pax_fini(struct pax *);
bool pax_has(const struct pax *, enum pax_key);

/* An extended header ("x") into a struct that was reset. -ERR_LAYER, -ERR_LIMIT, -ERR_NOMEM. */
int pax_parse(struct span text, struct pax *out, struct err *) must_check;

/*
 * A global header ("g"): is skipped, since most readers of layers do so. One that
 * would change names, sizes, owners or xattrs where it is honoured is refused.
 */
int pax_check_global(struct span text, struct err *) must_check;

/* "[-]seconds[.fraction]"; what is finer than a nanosecond is cut off. */
bool pax_time(struct span, struct timespec *out);

#endif
