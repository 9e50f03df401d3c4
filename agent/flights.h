/*
 * flights.h: which pulls are under way, who waits for them, and what comes next: events in, actions out. It starts no
 * process and reads no clock; agent/pulls.c does that for it.
 */
#ifndef AGENT_FLIGHTS_H
#define AGENT_FLIGHTS_H

#include "lib/err.h"
#include "lib/limits.h"

#define FLIGHTS_MAX	16	/* at a time, results that nobody has fetched yet included */
#define FLIGHT_CALLERS	64	/* of one pull */
#define FLIGHT_END_MS	1000	/* between asking a pull to end and killing it */

enum flight_state {
	FLIGHT_FREE,
	FLIGHT_RUNNING,
	FLIGHT_ENDING,		/* was asked to end; who asks for it now waits for a new one */
	FLIGHT_KEPT,		/* over; its result waits for a caller that comes back */
	FLIGHT_STATES
};

struct flight {
	enum flight_state state;
	char		 image[LIMIT_REFERENCE + 16];
	char		 bundle[LIMIT_PATH + 1];
	struct flight_caller {
		uint32_t	call;
		bool		late;		/* its time is over, its connection open */
	}		 callers[FLIGHT_CALLERS];
	size_t		 ncallers;
	int64_t		 until;		/* of a pull without callers in time: its end; ENDING: the kill; -1: none */
	char		 digest[160];	/* KEPT; "": failed */
	struct err	 failed;
};

struct flights_ops {
	int	(*start)(void *arg, size_t slot, struct err *);	/* flights.flight[slot] tells what */
	void	(*end)(void *arg, size_t slot, bool now);	/* asks it to end; now: kills it */
	void	(*answer)(void *arg, uint32_t call, const char *digest, const struct err *failed);
	bool	(*is_there)(void *arg, const char *bundle);	/* that was pulled a while ago */
};

struct flights {
	const struct flights_ops *ops;
	void		*arg;
	int64_t		 linger_ms;	/* how long a pull, and then its result, is for callers whose time was over */
	struct flight	 flight[FLIGHTS_MAX];
};

/*
 * Who asks for what is under way joins it. Another image for a bundle in the making: -ERR_STORAGE to the caller; too many:
 * -ERR_LIMIT. Texts must fit.
 */
void flights_ask(struct flights *, uint32_t call, const char *image, const char *bundle, int64_t now);
/*
 * Nobody waits for this answer any more. Without callers in time a pull goes on for linger_ms; when the last
 * caller's connection is closed, it ends. closed may follow for a call that was late before.
 */
void flights_left(struct flights *, uint32_t call, bool closed, int64_t now);
void flights_left_all(struct flights *, int64_t now);	/* all connections are closed */
/* What was started is over: digest, or NULL and failed. */
void flights_over(struct flights *, size_t slot, const char *digest, const struct err *failed, int64_t now);
/* Does what is due; flights_next() tells when to come again, -1: there is nothing to wait for. */
void flights_tick(struct flights *, int64_t now);
int64_t flights_next(const struct flights *);

size_t flight_callers(const struct flight *);	/* who wait for it */

#endif
