/*
 * storage.h: where the content of images may be written in the clear, and whether it fits.
 * What a host or a file server stores is theirs to read and to change: an encrypted image
 * unpacked there is encrypted no more.
 */
#ifndef AGENT_STORAGE_H
#define AGENT_STORAGE_H

#include "lib/err.h"

/*
 * 0 if plaintext may be written into the directory: it lies in memory (tmpfs, ramfs), or at or
 * below one of the trusted directories (".." leads there), or on a local disk, which in a
 * confidential guest must be encrypted by dm-crypt. Never on virtiofs, 9p, FUSE, or a network
 * file system that is not trusted by name. -ERR_STORAGE; the message begins with what and
 * names --trusted-storage.
 */
int storage_check(int dir, const char *what, const char *const *trusted, size_t ntrusted,
    struct err *) must_check;

/* The same with the value of --trusted-storage: DIRs with ":" between; NULL: none. -ERR_USAGE. */
int storage_check_list(int dir, const char *what, const char *trusted, struct err *) must_check;

/* -ERR_NOSPACE when the file system has less than `need` bytes free: says which, and how much. */
int storage_room(int dir, const char *what, uint64_t need, struct err *) must_check;

/* Behind an error NOSPACE: which file system is full. Leaves others alone. Returns -code. */
int storage_explain(int dir, struct err *);

#endif
