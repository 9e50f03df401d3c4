/*
 * address.h: where a key provider is: grpc:HOST:PORT, grpc:unix:///PATH, ttrpc: the same, cmd:PATH. Ours listens at
 * such an address, or one of others is asked there.
 */
#ifndef AGENT_ADDRESS_H
#define AGENT_ADDRESS_H

#include "agent/roles.h"

struct address {
	enum provider_transport	transport;
	char			path[1024];	/* of the unix socket or of the command; "" for HOST:PORT */
	char			host[240];	/* without brackets */
	uint16_t		port;
};

/* -ERR_USAGE. bare: HOST:PORT and unix:///PATH alone mean grpc. */
int address_parse(const char *text, bool bare, struct address *out, struct err *) must_check;

/*
 * A listening, non-blocking socket, on loopback or a unix socket only. A unix socket is for its owner alone (0600),
 * in a directory that nobody else can write to; one that nobody serves any more is replaced. Returns the
 * descriptor; -ERR_USAGE, -ERR_CONFIG.
 */
int address_listen(const struct address *, struct err *) must_check;
/* Removes the unix socket that address_listen made. */
void address_unlink(const struct address *, int fd);

/* Connects to a unix socket: the descriptor, or -ERR_NET. */
int address_connect_unix(const struct address *, struct err *) must_check;

#endif
