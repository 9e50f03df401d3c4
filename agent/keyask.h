/*
 * keyask.h: what the key role asks the monitor for, which may open what the role may not: key files of a directory,
 * and connections to another key provider.
 */
#ifndef AGENT_KEYASK_H
#define AGENT_KEYASK_H

#include "agent/roles.h"

#define KEYASK_AUTHORITY	256	/* of a key provider: "host:port", for protocols that want it */

/* Appends the key called path (REPOSITORY/TYPE/TAG) to a secret buffer. make: a new one if there is none. */
int keyask_key(int ask, const char *path, bool make, struct buf *kek, struct err *) must_check;

/* A connection for one call. */
int keyask_connect(int ask, enum provider_transport *, char authority[KEYASK_AUTHORITY], int *fd,
    struct err *) must_check;

#endif
