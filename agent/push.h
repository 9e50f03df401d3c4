/*
 * push.h: net as a destination (M_STORE): an image on its way into a registry. One blob at a time; the
 * manifest waits until it is named. Only the net role links this.
 */
#ifndef AGENT_PUSH_H
#define AGENT_PUSH_H

#include "agent/client.h"

struct push;

struct push_events {
	/* The peer is gone (0), or what it said cannot be (-err, in *e of push_new): the end. */
	void	(*over)(void *arg, int rc);
	void	*arg;
};

/*
 * Serves the socket until it is over; the reference names the image. e must outlive it. unusable: why nothing can be
 * uploaded (code NONE: no reason); every blob hears it.
 */
int push_new(struct client *, int socket, const struct image_ref *, const struct err *unusable,
    const struct push_events *, struct push **out, struct err *e) must_check;
void push_free(struct push *);

#endif
