/*
 * tarball.h: an archive of an image as a file: tar, as it is or compressed once by gzip or zstd. Its members are
 * listed once; each is then read on its own. As it is, what lies before a member is passed over by
 * seeking; compressed, it is read again. The only file that knows libarchive is tarball.c.
 */
#ifndef IMAGE_TARBALL_H
#define IMAGE_TARBALL_H

#include "image/members.h"

struct tarball;

/* fd stays the caller's and must stay open; it must be one to seek in. -ERR_IMAGE, -ERR_LIMIT. */
int tarball_open(int fd, struct tarball **out, struct err *) must_check;
void tarball_close(struct tarball *);
const struct member *tarball_find(const struct tarball *, const char *name);	/* NULL: there is none */

const struct members *tarball_members(const struct tarball *);	/* all, by name */

/* The bytes of a member. Several may be read at once. */
struct tarball_reader;
int tarball_read_open(const struct tarball *, const struct member *, struct tarball_reader **out,
    struct err *) must_check;
/* 1..n bytes; 0 when all of member->size have come; -ERR_IMAGE when the archive is cut or has changed. */
ssize_t tarball_read(struct tarball_reader *, void *, size_t n, struct err *) must_check;
void tarball_read_close(struct tarball_reader *);

/* A whole small member, appended. -ERR_IMAGE_NOTFOUND, -ERR_LIMIT. */
int tarball_load(const struct tarball *, const char *name, struct buf *out, struct err *) must_check;

#endif
