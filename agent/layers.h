/*
 * layers.h: for the pull role: the layers of one image, several at once. Each has its pair of
 * processes and its stream of bytes; here they are started, heard, judged, and told of. No layer
 * byte comes by here.
 */
#ifndef AGENT_LAYERS_H
#define AGENT_LAYERS_H

#include "agent/source.h"
#include "image/tree.h"

struct layers_request {
	struct source		*source;
	const struct image_ref	*ref;
	const struct layer_plan	*plans;
	size_t			 n;
	bool			 owners;
	enum device_nodes	 devices;
	uint8_t			 window_log;	/* of zstd: no larger window is accepted */
	bool			 flat;		/* whatever the monitor prefers */
};

/*
 * 0 when every layer is in its place and every check has passed, or with the first fault; layers
 * finished until then stay in the store. *failed as image_env.layers has it. The monitor
 * says whether layers lie one beside the other (overlay) or are applied in order to one root (flat),
 * and which are there already. 1: one beside the other cannot make this image, flat must be set.
 */
int layers_pull(const struct layers_request *, size_t *failed, struct err *) must_check;

/* The name of a layer in the store: everything that makes its content (docs/pull.md). 64 hex digits. */
int layers_store_name(const struct layers_request *, const struct layer_plan *, char out[65], struct err *) must_check;

#endif
