/*
 * destination_setup.h: the monitor's side of where an image goes: it checks what the user named, makes files with
 * its own rights, and gives the copy role a socket that takes M_STORE. One file for each kind of destination.
 */
#ifndef AGENT_DESTINATION_SETUP_H
#define AGENT_DESTINATION_SETUP_H

#include "agent/monitor.h"
#include "agent/net_setup.h"
#include "image/reference.h"

struct destination_setup {
	const struct destination_ops	*ops;
	struct image_ref		 ref;
	const struct net_options	*net;		/* borrowed: for a registry */
	void				*state;		/* of ops */
	struct loop			*loop;		/* of the monitor */
	int				 ours, theirs;	/* socket of copy, where the monitor serves it; -1 */
	bool				 open, committed;
};

/*
 * One kind. Where `start` is set, another process serves M_STORE and the three after it are never called. What
 * was opened is closed by `close`, which leaves nothing of an image that was not finished.
 */
struct destination_ops {
	enum transport	 transport;
	size_t		 state_size;
	/* Is it a place where an image can be put? Nothing of the image's bytes has been read yet. */
	int	(*open)(struct destination_setup *, struct err *);
	/* Starts what serves; *theirs becomes copy's end of the socket. */
	int	(*start)(struct destination_setup *, struct monitor *, int *theirs, struct err *);
	/* As in destination.h; begin may say 1. Digests that are told are SHA-256. */
	int	(*begin)(struct destination_setup *, enum store_what, const char *digest, uint64_t size, int *fd,
		    struct err *);
	int	(*end)(struct destination_setup *, const struct digest *, uint64_t size, struct err *);
	int	(*commit)(struct destination_setup *, const char *media_type, const struct digest *manifest,
		    uint64_t size, struct err *);
	/* Every role has ended, nobody can write any more: gives files their name. NULL: nothing is left to do. */
	int	(*finish)(struct destination_setup *, struct err *);
	void	(*close)(struct destination_setup *);
};
extern const struct destination_ops destination_layout, destination_archive, destination_registry;

/*
 * operand: oci:DIR[:TAG], … The structure must stay where it is. On failure there is nothing to close.
 * -ERR_PARSE, -ERR_USAGE, -ERR_UNSUPPORTED, -ERR_STORAGE.
 */
int destination_open(const char *operand, const struct net_options *, struct destination_setup *,
    struct err *) must_check;
/* Afterwards `theirs` is what copy gets. It must live as long as the monitor's loop. */
int destination_start(struct destination_setup *, struct monitor *, struct err *) must_check;
/* After the last role has ended: without a commit it is an error. */
int destination_finish(struct destination_setup *, struct err *) must_check;
/* Closed or never opened are fine. */
void destination_close(struct destination_setup *);

#endif
