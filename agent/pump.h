/*
 * pump.h: bytes between a TCP connection and a socket, for who may speak to the network but not touch it: the net role
 * connects and carries, and looks at nothing.
 */
#ifndef AGENT_PUMP_H
#define AGENT_PUMP_H

#include "lib/loop.h"

#define PUMP_CONNECT_MS	10000

/*
 * Connects to HOST:PORT (nothing else is served meanwhile) and carries until either side closes. fd is taken over when
 * it succeeds. -ERR_NET, -ERR_TIMEOUT.
 */
int pump_start(struct loop *, const char *host_port, int fd, struct err *) must_check;

#endif
