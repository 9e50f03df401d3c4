/*
 * selftest.h: what a role may and may not do, tried from inside its sandbox. A probe is one deed; it is allowed
 * to the roles that its line says. Each runs in a process of its own, since some are deadly.
 */
#ifndef AGENT_SELFTEST_H
#define AGENT_SELFTEST_H

#include "agent/roles.h"

size_t selftest_count(void);
const char *selftest_name(size_t probe);
/* May this role do it? */
bool selftest_expected(size_t probe, enum role);
/* Is it Landlock alone that refuses it? Then a kernel without Landlock allows it. */
bool selftest_by_landlock(size_t probe);

/* Tries it, in the role's process: exit status 0: it worked, 1: it was refused. */
int selftest_probe(int probe);

#endif
