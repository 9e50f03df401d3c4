/*
 * backends.h: the roles that answer callers, started at first need: rpc talks to each over a pair of sockets that is
 * there from the beginning, and its role is started when a call lies in it. One that dies costs the calls it had; the next call
 * starts it again, but after three deaths within a minute not for another one.
 */
#ifndef AGENT_BACKENDS_H
#define AGENT_BACKENDS_H

#include "agent/config.h"
#include "agent/monitor.h"
#include "agent/services.h"

#define BACKENDS_DEATHS		3
#define BACKENDS_WINDOW_MS	60000

/* When a role died: the last times, the oldest first; 0: none. */
struct deaths {
	int64_t		at[BACKENDS_DEATHS];
	unsigned	n;	/* ever */
};
void deaths_note(struct deaths *);
bool deaths_too_many(const struct deaths *);	/* BACKENDS_DEATHS within the window */

struct backends;
struct backends_options {
	struct monitor	*m;
	/* It has died, or could not be started: whatever rpc had given it is lost. */
	void		(*lost)(void *arg, enum backend);
	void		*arg;
};
int backends_new(const struct backends_options *, struct backends **out, struct err *) must_check;
void backends_free(struct backends *);	/* ends their roles; NULL is fine */

/* What a new rpc gets of this one. Whatever an old rpc was answered is gone, and so are the roles that answered. */
int backends_renew(struct backends *, struct err *) must_check;
int backends_rpc_end(const struct backends *, enum backend);

/* From now on; a role that has begun with other settings is ended. */
void backends_settings(struct backends *, const struct config *);
/* It does not answer: it is killed. */
void backends_kill(struct backends *, enum backend);

/* For status: an object for each, "," between. */
int backends_status(const struct backends *, struct buf *out, struct err *) must_check;

#endif
