/*
 * copier.h: the parts of the copy role: copier.c decides what becomes of an image, copy_layer.c moves one layer
 * through its crypt process, inspector.c tells what an image is made of.
 */
#ifndef AGENT_COPIER_H
#define AGENT_COPIER_H

#include "agent/roles.h"
#include "agent/source.h"
#include "image/rewrite.h"

struct copier {
	enum copy_action	 action;
	struct image_ref	 ref;
	struct platform		 platform;
	bool			 platform_named;	/* by the user, not by this machine */
	char			 layers[KIB(4)];	/* as layers_pick() wants them */
	bool			 json;			/* inspect */
	struct source		 source;
	struct fetch_env	 env;
};

/* What M_COPY_DONE tells. */
struct copied {
	struct digest	manifest;
	size_t		layers, encrypted;
};

/*
 * Moves one layer from the source to the destination. On success out has its new digest, size and, where it was
 * encrypted, how. Keys to decrypt were asked for before.
 */
int copy_layer(struct copier *, size_t number, const struct layer *, struct rewrite_layer *out, struct err *) must_check;

/* Writes to COPY_FD_REPORT what the image is made of. */
int inspect_image(struct copier *, struct err *) must_check;

#endif
