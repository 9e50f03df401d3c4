/*
 * tree.h: the writer: puts the entries of one layer into a directory, onto lower
 * layers (a flat root) or alone (for overlayfs), never outside of it. Everything
 * goes by descriptors relative to the root (openat2 RESOLVE_IN_ROOT), last
 * components are never followed. Memory does not grow with the number of entries
 * (flat, above the first layer: 11 to 21 bytes an entry to tell the layer's own
 * work from lower layers'; overlay: as much for an opaque directory).
 *
 * overlay: the root is empty at first and receives this layer alone, as a lower
 * directory of overlayfs. Deletions become whiteouts and opaque directories, in
 * any order of entries, at any position of the layer (first_layer counts for
 * nothing). Merged by overlayfs, the layers give what they give on a flat root, if
 *  - none but the lowest has implied_dirs (below);
 *  - the merged root gets the attributes of the topmost layer with root_entry.
 * What has no such form is -ERR_UNSUPPORTED; the image then takes a flat root:
 *  - a hard link to what only a lower layer may have (the message names it);
 *  - the root itself opaque, which overlayfs does not heed;
 *  - a directory replaced by something else where the layer has opaque ones.
 * Listings of a directory that no lower layer has show the names of its whiteouts.
 */
#ifndef IMAGE_TREE_H
#define IMAGE_TREE_H

#include "image/tar.h"

enum device_nodes { DEVICES_CREATE, DEVICES_REFUSE, DEVICES_SKIP };

struct tree_options {
	int		  root;		/* O_DIRECTORY descriptor; borrowed */
	bool		  first_layer;	/* nothing below: whiteouts hide nothing */
	bool		  overlay;	/* this layer alone, see above */
	bool		  owners;	/* chown as the archive says (root); else entries stay the caller's */
	enum device_nodes devices;
	uint64_t	  max_bytes;	/* content written, holes of sparse files not counted */
	uint64_t	  max_entries;
	/*
	 * overlay: sets trusted.overlay.opaque=y on the directory, or is NULL: done here. It takes
	 * CAP_SYS_ADMIN, which who reads archives should not have. 0 or -1 with errno.
	 */
	int		(*opaque)(void *arg, int dir);
	void		 *opaque_arg;
};

struct tree_stats {
	uint64_t entries, bytes;
	uint64_t skipped_devices;	/* DEVICES_SKIP */
	uint64_t skipped_xattrs;	/* not possible on this file system or for this user */
	/*
	 * Directories made (0755, of root) for entries that came without them, or before them. With
	 * overlay each may hide a lower directory's owner and mode, or a lower link to a directory.
	 */
	uint64_t implied_dirs;
	bool	 root_entry;		/* the layer says owner, mode, … of the root */
};

struct tree;
int tree_open(const struct tree_options *, struct tree **out, struct err *) must_check;
/*
 * Applies one entry, whiteouts included; reads the content from r. -ERR_LAYER, -ERR_LIMIT,
 * -ERR_NOSPACE, -ERR_STORAGE, -ERR_UNSUPPORTED (overlay). The message names the entry.
 */
int tree_apply(struct tree *, struct tar_reader *r, const struct tar_entry *, struct err *)
    must_check;
/* Puts back the times of the directory touched last. To be asked when all went well. */
int tree_finish(struct tree *, struct err *) must_check;
void tree_close(struct tree *);
const struct tree_stats *tree_stats(const struct tree *);

#endif
