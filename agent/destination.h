/*
 * destination.h: where a copied image goes, for the copy role: blobs as streams whose digest may be known only at
 * their end, then the manifest, then the image's name. Who serves it is the monitor's choice: it does so itself for
 * a layout or an archive (destination_setup.h), net does for a registry. The messages are the same.
 */
#ifndef AGENT_DESTINATION_H
#define AGENT_DESTINATION_H

#include "agent/roles.h"
#include "image/digest.h"

/*
 * Begins a blob. digest (sha256): "" when it is known at the end only; size: how many bytes there will be. 0 and *fd, to
 * which exactly these bytes are written before it is closed; 1: the destination has this blob. One at a time.
 */
int destination_begin(enum store_what, const char *digest, uint64_t size, int *fd, struct err *) must_check;
/* All bytes are written and every copy of the descriptor is closed. Tells of a fault on their way, too. */
int destination_end(const struct digest *, uint64_t size, struct err *) must_check;
/* Bytes that are at hand, as one blob. */
int destination_add(enum store_what, struct span, struct digest *, struct err *) must_check;
/* The manifest was the last thing added: the image gets its name. */
int destination_commit(const char *media_type, const struct digest *manifest, uint64_t size, struct err *) must_check;

#endif
