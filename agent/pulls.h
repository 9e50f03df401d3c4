/*
 * pulls.h: pulls that callers of the daemon want. Each is a process of its own (agent/pulljob.h) with its roles, so that one can
 * end, be killed or crash without the others. Who asks for the same image and bundle again joins the pull that is under
 * way. When a caller's time is over the pull goes on for pull.linger; when its connection is gone it ends.
 */
#ifndef AGENT_PULLS_H
#define AGENT_PULLS_H

#include "agent/config.h"
#include "agent/monitor.h"

#define PULLS_MAX	16	/* at a time, those whose result nobody has fetched yet included */

struct pulls;
struct pulls_options {
	struct monitor		*m;
	const struct config	*config;	/* as it is when a pull starts */
	/* The answer of a call, once; digest NULL: failed tells why. May come inside pulls_ask. */
	void			(*done)(void *arg, uint32_t call, const char *digest, const struct err *failed);
	void			*arg;
};
int pulls_new(const struct pulls_options *, struct pulls **out, struct err *) must_check;
void pulls_free(struct pulls *);	/* ends all; nobody is told; NULL is fine */

/* bundle: absolute, below one of SET_PULL_BUNDLES, not there or an empty directory. Failures come by done. */
void pulls_ask(struct pulls *, uint32_t call, const char *image, const char *bundle);
/* Nobody waits for this answer any more. closed: the connection is gone, too. */
void pulls_left(struct pulls *, uint32_t call, bool closed);
void pulls_left_all(struct pulls *);	/* all connections are gone */

/* For status: a line of JSON for each, "," between. */
int pulls_status(const struct pulls *, struct buf *out, struct err *) must_check;

#endif
