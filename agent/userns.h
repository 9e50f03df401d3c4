/*
 * userns.h: user mode: the same uid inside a new user namespace, so that the unpacking role may
 * work on its own files whatever their permission bits say.
 */
#ifndef AGENT_USERNS_H
#define AGENT_USERNS_H

#include "lib/base.h"

/* Best effort: where the kernel, a missing /proc or the caller's sandbox forbid it, all goes on without. */
bool userns_enter(void);

#endif
