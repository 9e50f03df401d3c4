/*
 * outlet.h: bytes on their way into a pipe whose reader may be slow: what it has no room for waits
 * here, and the loop says when it is gone.
 */
#ifndef AGENT_OUTLET_H
#define AGENT_OUTLET_H

#include "lib/buf.h"
#include "lib/limits.h"
#include "lib/loop.h"

#define OUTLET_MAX	LIMIT_MANIFEST	/* bytes that may wait: a whole document */

struct outlet {
	struct loop	*loop;
	int		 fd;
	struct buf	 left;
	uint64_t	 taken;		/* all bytes that were given; they will be read in this order */
	bool		 waiting;	/* for room; little more should be given, and is kept */
	/* There is room again, all is written; or failed, and no more will be. */
	void		(*room)(void *arg, const struct err *failed);
	void		*arg;
};

/* Takes fd over, in any case. */
int outlet_open(struct outlet *, struct loop *, int fd, struct err *) must_check;
void outlet_close(struct outlet *);

/* Writes what there is room for, keeps the rest; all of it while waiting. -ERR_CANCELLED: nobody reads on. */
int outlet_write(struct outlet *, struct span, struct err *) must_check;
/* Keeps all of it for outlet_flush; outlet_forget drops what was kept. */
int outlet_keep(struct outlet *, struct span, struct err *) must_check;
int outlet_flush(struct outlet *, struct err *) must_check;
void outlet_forget(struct outlet *);

#endif
