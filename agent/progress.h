/*
 * progress.h: how a long pull looks. For people, on standard error: a line that is drawn anew on a terminal,
 * elsewhere a line for each layer and every few seconds. For programs, on standard output: one JSON
 * object a line (docs/pull.md).
 */
#ifndef AGENT_PROGRESS_H
#define AGENT_PROGRESS_H

#include "agent/roles.h"

struct progress {
	enum { PROGRESS_LINES, PROGRESS_TERMINAL, PROGRESS_JSON } style;
	struct progress_layer {
		enum stage	stage;
		uint64_t	bytes, of;
		int64_t		start, shown;	/* milliseconds; 0: not yet */
	}		layers[LIMIT_LAYERS];
	uint32_t	n;			/* 0: not yet known */
	int64_t		start, shown;
	bool		open;			/* a drawn line is not ended yet */
};

void progress_init(struct progress *, bool json);
/* There is a layer (0-based) of this many bytes; again from the beginning if it was told of. */
void progress_expect(struct progress *, uint32_t layer, uint64_t size);
/* News of a layer that is expected. Repeats are thinned out. */
void progress_update(struct progress *, uint32_t layer, enum stage, uint64_t bytes);
/* The pull is over; what is printed next begins on a line of its own. */
void progress_end(struct progress *);

#endif
