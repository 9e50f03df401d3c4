/*
 * progress.h: how a long pull looks: a line that is drawn anew on a terminal, a plain line for each
 * layer and every few seconds elsewhere. Always on standard error.
 */
#ifndef AGENT_PROGRESS_H
#define AGENT_PROGRESS_H

#include "lib/base.h"

struct progress {
	bool		terminal;
	uint32_t	layer;		/* 1-based; 0: none yet */
	uint32_t	complete;	/* the last layer whose end was shown */
	int64_t		layer_start, shown;
	bool		open;		/* a drawn line is not ended yet */
};

void progress_init(struct progress *);
/* layer is 0-based. */
void progress_update(struct progress *, uint32_t layer, uint32_t layers, uint64_t bytes, uint64_t of);
void progress_end(struct progress *);

#endif
