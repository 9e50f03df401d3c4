/*
 * tree_xattr.h: which extended attributes of an archive are set, and how.
 */
#ifndef IMAGE_TREE_XATTR_H
#define IMAGE_TREE_XATTR_H

#include "image/tar.h"

/*
 * true for those that an image may not set: they belong to overlayfs, to the
 * policy of the machine, or are ACLs and the like. Pure.
 */
bool tree_xattr_is_dropped(struct span name);

struct tree_xattr_target {
	int		 fd;		/* open, or -1 and: */
	int		 dir;
	const char	*base;		/* link, device or fifo in dir */
	bool		 owners;	/* root: security.capability must be set */
};

/* All of an entry. What cannot be set here adds to *skipped. -ERR_STORAGE. */
int tree_xattr_set(const struct tree_xattr_target *, const struct tar_entry *, uint64_t *skipped,
    struct err *) must_check;

/* Removes those that a lower layer may have set. */
int tree_xattr_clear(int fd, struct err *) must_check;

#endif
