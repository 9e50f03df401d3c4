/* ready.h: telling whoever started us that we can be called. */
#ifndef AGENT_READY_H
#define AGENT_READY_H

#include "lib/err.h"

/* fd: gets a line and is closed; -1: nobody. And systemd, where $NOTIFY_SOCKET names it. -ERR_CONFIG. */
int ready_tell(int *fd, struct err *) must_check;

#endif
