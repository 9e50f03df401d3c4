/*
 * sparse.h: the map of a sparse file in the four forms that archives have: old
 * GNU header blocks, and pax GNU.sparse 0.0 (records), 0.1 (a list in one
 * record), 1.0 (text in front of the data). Pure but for the growing of the map.
 * Source: GNU tar manual, "Storing Sparse Files".
 */
#ifndef IMAGE_SPARSE_H
#define IMAGE_SPARSE_H

#include "lib/buf.h"
#include "lib/limits.h"

struct tar_segment {		/* data at offset; everything between segments is a hole */
	uint64_t	offset, length;
};

struct sparse {
	struct tar_segment	*segments;	/* owned; rising, not overlapping */
	size_t			 n, cap;
	/* While a map of form 1.0 is read: */
	uint64_t		 number, left;	/* digits so far; numbers still to come */
	uint64_t		 offset;	/* of the segment whose length comes next */
	unsigned		 digits;
	bool			 counted;
};

void sparse_reset(struct sparse *);	/* keeps the memory */
void sparse_fini(struct sparse *);

/* -ERR_LAYER when it does not lie behind the last one, -ERR_LIMIT when there are too many. */
int sparse_add(struct sparse *, uint64_t offset, uint64_t length, struct err *) must_check;

/* Form 0.1: "offset,length,offset,length,…". */
int sparse_parse_list(struct sparse *, struct span list, struct err *) must_check;

/*
 * Old GNU: the 24-byte slots in a header or an extension block. *more: an
 * extension block follows.
 */
int sparse_parse_header(struct sparse *, struct span block, bool *more, struct err *) must_check;
int sparse_parse_extension(struct sparse *, struct span block, bool *more, struct err *) must_check;

/* Form 1.0, block by block: 1 when the map is complete, 0 when it goes on in the next block. */
int sparse_feed(struct sparse *, struct span block, struct err *) must_check;

/* Against the logical size and the number of bytes stored. -ERR_LAYER. */
int sparse_check(const struct sparse *, uint64_t size, uint64_t stored, struct err *) must_check;

#endif
