/*
 * sev_module.h: the kernel's module that shows injected secrets of SEV. Loading it takes CAP_SYS_MODULE and CAP_SYS_ADMIN, which
 * no role ever has: the monitor does it while it has them, before monitor_open, and only when the user or a setting
 * names SEV.
 */
#ifndef AGENT_SEV_MODULE_H
#define AGENT_SEV_MODULE_H

#include "lib/err.h"

/*
 * 0 also where there is nothing to be done: not root, secrets are shown already, or no such module below /lib/modules, where
 * it may be a part of the kernel. It stays loaded: what is taken the kernel wipes at once. -ERR_NO_TEE.
 */
int sev_module_load(struct err *) must_check;

#endif
