/*
 * provider_link.h: --keyprovider: the monitor's side of another key provider. For each call of the key role it makes
 * a connection and hands it over: to a unix socket by itself, to HOST:PORT through a net role that only carries bytes, to
 * a command by starting it.
 */
#ifndef AGENT_PROVIDER_LINK_H
#define AGENT_PROVIDER_LINK_H

#include "agent/address.h"
#include "agent/key_source.h"

#define PROVIDER_LINK_OPTION	"grpc:HOST:PORT, grpc:unix:///PATH, ttrpc: the same, or cmd:PATH: another key provider"

struct provider_link {
	struct address	 address;
	struct monitor	*monitor;
	int		 net;		/* control of the net role; -1: not started */
	pid_t		 command;	/* of the last call; 0: none */
};

/* -ERR_USAGE. */
int provider_link_open(const char *address, struct provider_link *out, struct err *) must_check;
/* Before key_source_start; both structures must live as long as the monitor's loop. */
void provider_link_use(struct provider_link *, struct monitor *, struct key_source *);
void provider_link_close(struct provider_link *);	/* all zeros is fine */

#endif
