/*
 * address.h: where something is asked by gRPC or ttrpc: grpc:HOST:PORT, grpc:unix:///PATH, ttrpc: the same, cmd:PATH.
 * We listen at such an address, or somebody else is asked there.
 */
#ifndef AGENT_ADDRESS_H
#define AGENT_ADDRESS_H

#include "agent/roles.h"

struct address {
	enum provider_transport	transport;
	char			path[1024];	/* of the unix socket or of the command; "" for HOST:PORT */
	char			host[240];	/* without brackets; "" for vsock */
	uint16_t		port;
	bool			vsock;		/* cid and vsock_port say where */
	uint32_t		cid, vsock_port;	/* VMADDR_CID_ANY: any */
};

/* What stands for an address without its transport. */
enum address_bare {
	ADDRESS_NAMED,	/* it must be there */
	ADDRESS_GRPC,	/* HOST:PORT and unix:///PATH mean grpc */
	ADDRESS_PEERS,	/* HOST:PORT means grpc, unix:///PATH and vsock://CID:PORT ttrpc: as guest components have it */
};
/* -ERR_USAGE. Sockets without a file ("unix://@NAME") have no owner, and are refused. */
int address_parse(const char *text, enum address_bare, struct address *out, struct err *) must_check;

/*
 * A listening, non-blocking socket, on loopback, a unix socket or vsock. A unix socket is for its owner alone (0600),
 * in a directory that nobody else can write to; one that nobody serves any more is replaced. Returns the
 * descriptor; -ERR_USAGE, -ERR_CONFIG.
 */
int address_listen(const struct address *, struct err *) must_check;
/* Which file a unix socket has: another one may take its place. 0: it has none. */
struct address_file {
	uint64_t	ino, made;	/* made: its st_mtim, ns */
};
struct address_file address_file(const struct address *);
/* Removes the unix socket that address_listen made. */
void address_unlink(const struct address *, int fd);

/* Connects to a unix socket: the descriptor, or -ERR_NET. */
int address_connect_unix(const struct address *, struct err *) must_check;

#endif
