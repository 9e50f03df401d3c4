/*
 * members.h: what an archive of an image holds: its files by name, and the links between them. Pure. Names are
 * made plain ("./a//b" is "a/b"); what leads out of the archive is refused, and so is a name that stands twice.
 */
#ifndef IMAGE_MEMBERS_H
#define IMAGE_MEMBERS_H

#include "lib/buf.h"

#define MEMBER_NAME	256		/* with its NUL; those of images have 140 at most */
#define LIMIT_MEMBERS	16384		/* 512 layers of old archives are 2048; several images may share one */

enum member_kind { MEMBER_FILE, MEMBER_SYMLINK, MEMBER_HARDLINK };

struct member {
	enum member_kind kind;
	char		 name[MEMBER_NAME];
	char		 target[MEMBER_NAME];	/* of links: the name meant */
	uint64_t	 at;			/* of its first header, in the archive as it is without compression */
	uint64_t	 size;
	uint8_t		 head[4];		/* its first bytes, to tell how it is compressed */
	size_t		 nhead;
};

struct members {
	struct member	*list;		/* owned */
	size_t		 n, room;
};

/*
 * A new member; target is that of a link as written (of a hard link from the top, of a symbolic one from where it
 * stands). *out is to be filled and lives until the next call. -ERR_IMAGE, -ERR_LIMIT, -ERR_NOMEM.
 */
int members_add(struct members *, enum member_kind, const char *name, const char *target,
    struct member **out, struct err *) must_check;
/* When all are there, before the first search: -ERR_IMAGE when a name stands twice. */
int members_seal(struct members *, struct err *) must_check;
/* The file that the name leads to, through a few links at most; NULL when there is none. */
const struct member *members_find(const struct members *, const char *name);
void members_fini(struct members *);

#endif
