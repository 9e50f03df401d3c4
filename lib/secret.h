/*
 * secret.h: memory for keys and resources. One arena: locked, left out of core
 * files and of forks, between two guard pages; every block is wiped when freed.
 * Struct bufs marked secret use it; so should every structure that holds a key.
 */
#ifndef LIB_SECRET_H
#define LIB_SECRET_H

#include "lib/base.h"

/*
 * Zeroed memory from the arena, NULL when it is full (it is 1 MiB, or 4 MiB of
 * address space where only part could be locked) or the size is 0.
 */
void *secret_alloc(size_t) must_check;
void secret_free(void *, size_t);	/* the size it was asked with; NULL is fine */
void secret_wipe(void *, size_t);	/* not optimised away */

/*
 * Process-wide: undumpable, no core file, everything locked by mlockall if
 * RLIMIT_MEMLOCK allows it, else the arena alone. Returns true if all of the
 * process is locked; *arena_locked tells of the arena.
 */
bool secret_lock_process(bool *arena_locked);

/* For tests: bytes in use. */
size_t secret_in_use(void);

#endif
