/*
 * whiteout.h: names that say "removed by this layer", and the removal of what
 * lower layers put there, while that which this layer wrote itself stays. For
 * flat roots; the form for overlayfs: tree_overlay.h. Source: OCI image-spec, layer.md, "Whiteouts".
 */
#ifndef IMAGE_WHITEOUT_H
#define IMAGE_WHITEOUT_H

#include "lib/err.h"

enum whiteout {
	WHITEOUT_NONE,		/* an ordinary name */
	WHITEOUT_NAME,		/* ".wh.NAME" */
	WHITEOUT_OPAQUE,	/* ".wh..wh..opq": all of the directory */
	WHITEOUT_IGNORED,	/* other ".wh..wh.": book-keeping of aufs */
	WHITEOUT_BAD,		/* ".wh.", ".wh..", ".wh..." */
};
#define WHITEOUT_PREFIX	".wh."

/* Of a last component. Pure. */
enum whiteout whiteout_kind(const char *base);

/*
 * What this layer wrote, as keyed hashes of directory inode and name: 11 to 21 bytes an
 * entry at most. The key is random, so that an archive cannot be made to collide.
 */
struct written {
	uint64_t	 key[2];
	uint64_t	*slots;		/* open addressing; 0 is an empty slot */
	size_t		 n, cap;
};

int written_init(struct written *, struct err *) must_check;
void written_fini(struct written *);
int written_add(struct written *, ino_t dir, const char *name, struct err *) must_check;
bool written_has(const struct written *, ino_t dir, const char *name);

/*
 * Removes name in the directory, or all that is in the directory, but for what
 * was written; directories that hold such stay. It is fine when there is nothing.
 * -ERR_STORAGE, -ERR_LIMIT when directories are nested too deep.
 */
int whiteout_remove(const struct written *, int dir, const char *name, struct err *) must_check;
int whiteout_clear(const struct written *, int dir, struct err *) must_check;
/* Removes the devices 0:0, at any depth. The same errors. */
int whiteout_clear_devices(int dir, struct err *) must_check;

#endif
