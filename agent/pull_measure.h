/* pull_measure.h: measure.pull: an event for each image, into a runtime register and the log, before the image gets its name. */
#ifndef AGENT_PULL_MEASURE_H
#define AGENT_PULL_MEASURE_H

#include "agent/monitor.h"

enum measure_mode {
	MEASURE_OFF,
	MEASURE_ON,		/* what cannot be measured is told, and runs all the same */
	MEASURE_REQUIRED,	/* what cannot be measured does not run */
};

/* NULL or "off", "on", "required"; -ERR_USAGE. */
int measure_mode_parse(const char *text, enum measure_mode *, struct err *) must_check;

/* The event's content: {"image":"…", "digest":"…"}. -ERR_USAGE: the name is not UTF-8. */
int pull_measure_content(const char *image, const char *digest, struct buf *out, struct err *) must_check;

/*
 * The event of one image, by the name that was asked for, once as long as the guest runs, into a register of this platform (NULL:
 * the first that shows itself). Starts a tee role, which ends with the monitor. With MEASURE_REQUIRED, errors as measure_event.
 */
int pull_measure(struct monitor *, enum measure_mode, const char *platform, const char *image, const char *digest,
    struct err *) must_check;

#endif
