/*
 * staging.h: the place where something is made before it gets its name:
 * WORK/.cacao-staging/RANDOM, mode 0700, locked while its maker lives. What a killed maker left is removed by the
 * next one. Only a rename, after all checks, gives the final name.
 */
#ifndef AGENT_STAGING_H
#define AGENT_STAGING_H

#include "lib/err.h"

struct staging {
	int	parent;		/* directory of the target */
	char	base[256];	/* last component of the target */
	int	work, area;	/* WORK and WORK/.cacao-staging */
	char	name[33];	/* in area; "" while there is none */
	int	dir;		/* the staging directory, locked */
	int	rootfs;		/* its "rootfs", mode 0755; -1 when none was asked for */
};

enum {
	STAGING_ROOTFS	= 1,	/* with a rootfs in it */
	STAGING_MERGE	= 2,	/* the target may be there already: the caller merges */
	STAGING_NO_LINKS = 4,	/* the target is absolute, and no link may be on the way to it */
};

/*
 * target must not exist or be an empty directory. work NULL: the target's parent directory; it must be on the
 * same file system. -ERR_STORAGE.
 */
int staging_open(const char *target, const char *work, unsigned flags, struct staging *out, struct err *) must_check;
/* Removes what killed makers left for this target and WORK, as the next one would. false: somebody still holds something. */
bool staging_sweep(const char *target, const char *work);
/* Is there something under the target's name that is more than an empty directory? */
bool staging_target_exists(const struct staging *);
/* Gives the staging directory (what NULL), or what in it, the target's name. */
int staging_commit(struct staging *, const char *what, struct err *) must_check;
/* Removes what is left and closes. After commit there is nothing left to remove. */
void staging_close(struct staging *);

#endif
