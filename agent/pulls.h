/*
 * pulls.h: pulls that callers of the daemon want. Each is a process of its own (agent/pulljob.h) with its roles, so that one can
 * end, be killed or crash without the others. Who asks for the same image and bundle again joins the pull that is under
 * way. When a caller's time is over the pull goes on for pull.linger; when its connection is gone it ends.
 */
#ifndef AGENT_PULLS_H
#define AGENT_PULLS_H

#include "agent/config.h"
#include "agent/monitor.h"

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

/*
 * bundle: absolute, below one of SET_PULL_BUNDLES, no link on the way, not there or an empty directory. Failures come by done.
 * At most FLIGHTS_MAX (agent/flights.h) at a time.
 */
void pulls_ask(struct pulls *, uint32_t call, const char *image, const char *bundle);
/* Nobody waits for this answer any more. closed: the connection is gone, too. */
void pulls_left(struct pulls *, uint32_t call, bool closed);
void pulls_left_all(struct pulls *);	/* all connections are gone */

/*
 * A bundle as a caller names it, written in one way: absolute, without "..", below one of the directories that bundles lists.
 * Which of it is a link is looked at when it is made. -ERR_STORAGE.
 */
int pulls_bundle(const char *bundles, const char *path, char out[LIMIT_PATH + 1], struct err *) must_check;

/* A job of the same kind: writes the files of kbc.credentials. What fails is in the log. */
void pulls_credentials(struct pulls *);

/* For status: a line of JSON for each, "," between. */
int pulls_status(const struct pulls *, struct buf *out, struct err *) must_check;

#endif
