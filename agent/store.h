/*
 * store.h: layers that were verified and unpacked, for use below overlay mounts: STORE/layers/NAME-FLAGS.
 * The name is made of all that makes the content (agent/layers.h), so what is found under it need
 * not be checked again: the store is a directory of ours that nobody else may enter. For the monitor.
 */
#ifndef AGENT_STORE_H
#define AGENT_STORE_H

#include "agent/staging.h"

#define STORE_NAME	65	/* hex digits and NUL */

struct store {
	int	dir, layers;		/* STORE and STORE/layers */
	char	path[PATH_MAX];		/* absolute, without links */
};

/* Makes what is missing. Of another user, or open to others: -ERR_STORAGE. */
int store_open(const char *path, struct store *out, struct err *) must_check;
void store_close(struct store *);

/*
 * Empties the store if what is in it was made before this boot: whoever had its disk meanwhile may have changed it. boot: the file
 * that tells one boot from another (STORE_BOOT_ID). Without it -ERR_STORAGE, unless the store is in memory.
 */
#define STORE_BOOT_ID	"/proc/sys/kernel/random/boot_id"
int store_of_this_boot(const char *path, const char *boot, struct err *) must_check;

/* What must be known of a layer to put others above and below it. It is part of the file name. */
enum {
	STORE_BASE	= 1,	/* leaves directories to the layers below: right only as the lowest one */
	STORE_ROOT	= 2,	/* says what owner, mode, … the root has */
	STORE_FLAGS	= 4	/* so many combinations */
};
/* Its flags, or -1: it is not there. */
int store_find(const struct store *, const char *name);
/* Where it lies, for a mount. -ERR_LIMIT. */
int store_path(const struct store *, const char *name, unsigned flags, char out[PATH_MAX], struct err *) must_check;

/* A layer in the making; nobody else makes one of the same name meanwhile, in any process. */
struct store_entry {
	int		lock;
	char		name[STORE_NAME];
	struct staging	staging;	/* its rootfs is where to unpack */
};
/* 1: it is ours to make. 0: somebody else makes it, or has just made it: store_find() tells. */
int store_begin(const struct store *, const char *name, struct store_entry *out, struct err *) must_check;
/* Gives it its name. Nobody may write to it any more. */
int store_finish(struct store_entry *, unsigned flags, struct err *) must_check;
void store_end(struct store_entry *);	/* finished or not; removes what is not */

#endif
