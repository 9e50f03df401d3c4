/*
 * fs.h: files by descriptor, never by a path that somebody else may have shaped.
 */
#ifndef LIB_FS_H
#define LIB_FS_H

#include "lib/buf.h"

/*
 * The whole file, appended; -ERR_LIMIT when out would hold more than out->max
 * (not more than one byte past it is read). The size the file tells is not
 * believed. `what` stands in the message. On failure out holds what it held.
 */
int fs_read_fd(int fd, const char *what, struct buf *out, struct err *) must_check;
/* The same by name, beneath dir (AT_FDCWD: anywhere, names given by the operator). -ERR_NOTFOUND when it is not there. */
int fs_read_file(int dir, const char *name, struct buf *out, struct err *) must_check;

/* Opens beneath dir: no symlink leads out, no magic links. O_CLOEXEC is added. -1 with errno. */
int fs_open_beneath(int dir, const char *path, int flags, mode_t mode);
/* Opens as if dir were "/": absolute links and ".." stay inside. O_CLOEXEC is added. -1 with errno. */
int fs_open_in_root(int dir, const char *path, int flags, mode_t mode);

/*
 * Removes what is called name (one entry, no path) in dir, of any depth, in
 * constant memory and with two descriptors; directories without permission
 * bits are opened up first. Follows no symlink, enters no mount point: that is
 * an error. Nobody else may be moving directories of the tree meanwhile. 0 if
 * it was not there. -ERR_STORAGE.
 */
int fs_remove_tree(int dir, const char *name, struct err *) must_check;
/* The same for all that is in a directory (not opened with O_PATH), which stays, with u+rwx. */
int fs_empty_dir(int fd, struct err *) must_check;

/*
 * A file that appears whole under its name (one entry, no path), in place of
 * the old one, or not at all; after a crash too. Has exactly this mode.
 */
int fs_write_atomic(int dir, const char *name, struct span, mode_t mode, struct err *) must_check;

/* mkdir -p for a path of the operator's; returns an O_DIRECTORY descriptor or -err. */
int fs_make_dirs(const char *path, mode_t mode, struct err *) must_check;

/*
 * Splits an operator's path: opens the parent, gives the last component, which
 * must be a name: not "", "/", "." or "..". Slashes at the end do not count.
 * Returns the descriptor or -err.
 */
int fs_open_parent(const char *path, char base[256], struct err *) must_check;

/* Random lower-case hex name of 2 * n digits (n <= 16) into out[2n+1]. */
int fs_random_name(char *out, size_t n, struct err *) must_check;

#endif
