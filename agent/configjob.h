/*
 * configjob.h: the monitor's side of settings. It opens the files that there are; each is read by a config role of its own, so
 * that neither the monitor nor the reader of another file meets what is in it.
 */
#ifndef AGENT_CONFIGJOB_H
#define AGENT_CONFIGJOB_H

#include "agent/config.h"
#include "agent/monitor.h"

struct config_source {
	const char	*own;		/* NULL: CONFIG_FILE, if it is there; one that is named must be there */
	const char	*agent, *hub;	/* files of guest components that the starter named; NULL: none */
	const char	*cmdline;	/* NULL: /proc/cmdline, if it is there */
};

/*
 * Everything merged into *out, which config_init has begun; it is untouched on failure. The warnings are in it; nothing is
 * logged. -ERR_CONFIG names file and line. A later start's settings come into those that hold by config_merge.
 */
int configjob_read(struct monitor *, const struct config_source *, struct config *out, struct err *) must_check;

#endif
