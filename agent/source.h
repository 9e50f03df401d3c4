/*
 * source.h: where an image's bytes come from, for the pull role: a registry through the net
 * or archive process, or an OCI layout whose files the monitor opens. Nothing is checked here but lengths.
 */
#ifndef AGENT_SOURCE_H
#define AGENT_SOURCE_H

#include "image/pull.h"
#include "lib/msg.h"

struct source {
	int	layout;		/* socket to the monitor; -1: the net or archive process */
	uint32_t next_id;	/* of the next exchange */
};

int source_manifest(struct source *, const struct image_ref *, const char *wanted,
    struct document *out, struct err *) must_check;
int source_blob(struct source *, const struct image_ref *, const struct digest *,
    struct document *out, struct err *) must_check;

/* An index of what refers to a manifest of a registry's image, nothing of it checked. */
int source_referrers(struct source *, const struct image_ref *, const struct digest *, struct document *out,
    struct err *) must_check;
/* What is at this URL, appended; of a registry's image, which nothing is done with. */
int source_url(struct source *, const struct image_ref *, const char *url, struct buf *out, struct err *) must_check;

/*
 * Starts a blob as a stream: *fd is what to read it from. *id: the exchange whose M_GET_DONE will come
 * from net; 0 when none will.
 */
int source_stream(struct source *, const struct image_ref *, const struct digest *,
    uint64_t size, int *fd, uint32_t *id, struct err *) must_check;

extern const struct msg_rule source_net_rules[];	/* what net may say to pull */

#endif
