/*
 * tree_overlay.h: whiteouts in the form that overlayfs reads in a lower directory:
 * a character device 0:0 hides a name, trusted.overlay.opaque=y on a directory
 * hides all that lower layers have in it. Source: the kernel's
 * Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
 */
#ifndef IMAGE_TREE_OVERLAY_H
#define IMAGE_TREE_OVERLAY_H

#include <sys/stat.h>

#include "image/tree.h"
#include "image/whiteout.h"

struct tree_overlay {
	const struct tree_options	*options;
	struct written			 opaque;	/* inode numbers, each with the name "" */
	bool				 hides;		/* there are devices 0:0 */
};

int tree_overlay_init(struct tree_overlay *, const struct tree_options *, struct err *) must_check;
void tree_overlay_fini(struct tree_overlay *);

/* The device that hides a name: an archive may not bring one, so it is ours. */
bool tree_overlay_is_whiteout(const struct stat *);

/* Hides name, unless this layer has it: a directory of that name becomes opaque. -ERR_STORAGE, -ERR_LIMIT. */
int tree_overlay_hide(struct tree_overlay *, int dir, const char *name, uid_t, gid_t, struct err *) must_check;
/* Makes a directory opaque; whiteouts below it, which then show up in listings, go. -ERR_STORAGE, -ERR_LIMIT. */
int tree_overlay_clear(struct tree_overlay *, int dir, struct err *) must_check;
/* The same for a directory that was just made. -1 with errno. */
int tree_overlay_mark(struct tree_overlay *, int dir) must_check;

#endif
