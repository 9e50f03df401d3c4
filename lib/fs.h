/*
 * fs.h: files by descriptor, never by a path that somebody else may have shaped.
 */
#ifndef LIB_FS_H
#define LIB_FS_H

#include "lib/buf.h"

/* Whole file from the descriptor, or -ERR_LIMIT when it holds more than out->max. Appended. */
int fs_read_fd(int fd, const char *what, struct buf *out, struct err *) must_check;
/* The same by name, below dir (AT_FDCWD: anywhere, names given by the operator). -ERR_NOTFOUND when it is not there. */
int fs_read_file(int dir, const char *name, struct buf *out, struct err *) must_check;

/* Opens below dir: no symlink leads out, no magic links. -1 with errno. */
int fs_open_beneath(int dir, const char *path, int flags, mode_t mode);
/* Opens as if dir were "/": absolute links and ".." stay inside. -1 with errno. */
int fs_open_in_root(int dir, const char *path, int flags, mode_t mode);

/*
 * Removes everything called name in dir, of any depth, in constant memory and
 * with three descriptors; directories without permission bits are opened up
 * first. 0 if it was not there. -ERR_STORAGE.
 */
int fs_remove_tree(int dir, const char *name, struct err *) must_check;
/* Empties the directory itself. */
int fs_empty_dir(int fd, struct err *) must_check;

/* A file that appears whole under its name or not at all. */
int fs_write_atomic(int dir, const char *name, struct span, mode_t mode, struct err *) must_check;

/* mkdir -p for a path of the operator's; returns an O_DIRECTORY descriptor or -err. */
int fs_make_dirs(const char *path, mode_t mode, struct err *) must_check;

/* Splits an operator's path: opens the parent, gives the last component. "/" and "" are errors. Returns the descriptor or -err. */
int fs_open_parent(const char *path, char base[256], struct err *) must_check;

/* Random lower-case hex name of 2 * n digits (n <= 16) into out[2n+1]. */
int fs_random_name(char *out, size_t n, struct err *) must_check;

#endif
