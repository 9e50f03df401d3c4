/* redirect.h: where a redirect leads, and whether to go there. Pure. */
#ifndef AGENT_REDIRECT_H
#define AGENT_REDIRECT_H

#include "lib/buf.h"

/*
 * The absolute form of a Location, appended; *same_place: scheme, host and port are those of from.
 * -ERR_REGISTRY: no URL, not http, from https to less, or with credentials in it.
 */
int redirect_resolve(const char *from, const char *location, struct buf *out, bool *same_place,
    struct err *) must_check;

#endif
