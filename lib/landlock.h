/*
 * landlock.h: the kernel's Landlock interface, all versions up to 6. The headers of
 * Debian 12 end at version 2; what a kernel lacks is masked out by its version.
 * Source: Documentation/userspace-api/landlock.rst.
 */
#ifndef LIB_LANDLOCK_H
#define LIB_LANDLOCK_H

#include <linux/landlock.h>

#include "lib/base.h"

struct landlock_attr {		/* struct landlock_ruleset_attr of version 6 */
	uint64_t handled_access_fs, handled_access_net, scoped;
};

#define LANDLOCK_FS_TRUNCATE	(1ULL << 14)	/* version 3 */
#define LANDLOCK_FS_IOCTL_DEV	(1ULL << 15)	/* version 5 */
#define LANDLOCK_NET_ALL	3ULL		/* bind and connect TCP; version 4 */
#define LANDLOCK_SCOPE_ALL	3ULL		/* abstract sockets, signals; version 6 */

#define LANDLOCK_FS_READ \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LANDLOCK_FS_WRITE \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
	    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
	    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | \
	    LANDLOCK_ACCESS_FS_REFER | LANDLOCK_FS_TRUNCATE)
/* Those that make sense for a rule on a single file. */
#define LANDLOCK_FS_FILE \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	    LANDLOCK_FS_TRUNCATE)

/* Every access that a kernel of this version can refuse. */
static inline uint64_t
landlock_fs_of_abi(int abi)
{
	uint64_t all = LANDLOCK_FS_READ | LANDLOCK_FS_WRITE | LANDLOCK_ACCESS_FS_EXECUTE;

	if (abi < 2)
		all &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
	if (abi < 3)
		all &= ~LANDLOCK_FS_TRUNCATE;
	if (abi >= 5)
		all |= LANDLOCK_FS_IOCTL_DEV;
	return all;
}

#endif
