/*
 * unpack.h: one plain (already decrypted) layer blob from a descriptor onto a flat
 * root: decompress | diff_id, untar — two threads over one ring of buffers.
 */
#ifndef IMAGE_UNPACK_H
#define IMAGE_UNPACK_H

#include "image/manifest.h"
#include "image/tree.h"

struct unpack_job {
	int			 in;		/* blob bytes; read to its end */
	enum compression	 compression;
	unsigned		 max_window_log; /* of zstd; 0: the default of image/zstd.h */
	const struct digest	*diff_id;	/* NULL: not known (aa-cli unpack), only computed */
	struct tree_options	 tree;
};

struct unpack_result {
	struct digest		 diff_id;	/* what was seen */
	uint64_t		 unpacked;	/* bytes of the tar stream */
	struct tree_stats	 stats;
	bool			 sniffed;	/* media type and first bytes disagreed */
};

/*
 * 0 only if the stream ended as it must, every check passed and diff_id is equal (-ERR_DIGEST). The root
 * is half-written after any error: the caller throws it away. threads = false: one after the other (tests, fuzzing).
 */
int unpack_layer(const struct unpack_job *, bool threads, struct unpack_result *out, struct err *) must_check;

#endif
