/*
 * secret.h: memory for keys and resources. One arena of 1 MiB: locked if the
 * limit allows, left out of core files and of forks (a child reads zeros),
 * between two guard pages; every block is wiped when freed. Struct bufs marked
 * secret use it; so should every structure that holds a key. One thread only.
 */
#ifndef LIB_SECRET_H
#define LIB_SECRET_H

#include "lib/base.h"

/*
 * Zeroed memory from the arena, aligned to 64 bytes. NULL when nothing of that
 * size is free in one piece, when the size is 0, or when the kernel will not
 * keep the arena out of core files and forks. A buffer that grows needs old and
 * new place at once. Memory is given even if it could not be locked:
 * secret_lock_process tells.
 */
void *secret_alloc(size_t) must_check;
/* Wipes and frees. The size it was asked with; NULL is fine; anything else ends the process. */
void secret_free(void *, size_t);
void secret_wipe(void *, size_t);	/* not optimised away */

/*
 * Process-wide: undumpable (so no ptrace by equals and no core), core size 0,
 * RLIMIT_MEMLOCK raised as far as it goes. Where it then is unlimited, all
 * pages are locked as they are touched; else the arena alone, if it fits:
 * under a limit mlockall would make later allocations fail. Returns true if
 * all of the process is locked; *arena_locked tells of the arena.
 */
bool secret_lock_process(bool *arena_locked);

/* For tests: bytes asked for and not freed. */
size_t secret_in_use(void);

#endif
