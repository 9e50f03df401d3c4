/*
 * tree.h: the writer: puts the entries of one layer into a directory (a flat
 * root), never outside of it. Everything goes by descriptors relative to the
 * root (openat2 RESOLVE_IN_ROOT), last components are never followed. Memory
 * does not grow with the number of entries (layers above the first: 11 to 21
 * bytes an entry to tell their own work from lower layers').
 */
#ifndef IMAGE_TREE_H
#define IMAGE_TREE_H

#include "image/tar.h"

enum device_nodes { DEVICES_CREATE, DEVICES_REFUSE, DEVICES_SKIP };

struct tree_options {
	int		  root;		/* O_DIRECTORY descriptor; borrowed */
	bool		  first_layer;	/* nothing below: whiteouts hide nothing */
	bool		  owners;	/* chown as the archive says (root); else entries stay the caller's */
	enum device_nodes devices;
	uint64_t	  max_bytes;	/* content written, holes of sparse files not counted */
	uint64_t	  max_entries;
};

struct tree_stats {
	uint64_t entries, bytes;
	uint64_t skipped_devices;	/* DEVICES_SKIP */
	uint64_t skipped_xattrs;	/* not possible on this file system or for this user */
};

struct tree;
int tree_open(const struct tree_options *, struct tree **out, struct err *) must_check;
/*
 * Applies one entry, whiteouts included; reads the content from r. -ERR_LAYER, -ERR_LIMIT,
 * -ERR_NOSPACE, -ERR_STORAGE. The message names the entry.
 */
int tree_apply(struct tree *, struct tar_reader *r, const struct tar_entry *, struct err *)
    must_check;
/* Puts back the times of the directory touched last. To be asked when all went well. */
int tree_finish(struct tree *, struct err *) must_check;
void tree_close(struct tree *);
const struct tree_stats *tree_stats(const struct tree *);

#endif
