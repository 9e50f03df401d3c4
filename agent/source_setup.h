/*
 * source_setup.h: the monitor's side of where an image comes from: it opens what the user named, with its own
 * rights, and knows which role reads it.
 */
#ifndef AGENT_SOURCE_SETUP_H
#define AGENT_SOURCE_SETUP_H

#include "agent/monitor.h"
#include "image/reference.h"

struct source_setup {
	struct image_ref ref;
	char		 name[sizeof(((struct image_ref *)0)->dir) + LIMIT_REFERENCE];	/* as the roles get it */
	int		 fd;		/* layout or archive; -1: a registry */
	struct loop	*loop;		/* of the monitor */
	int		 ours, theirs;	/* socket by which pull has files of a layout opened; -1: it is none */
};

/*
 * Paths become absolute and free of links, since the policy knows them so, and what is opened is what
 * stands at that path: a link put there meanwhile is not followed. -ERR_PARSE, -ERR_IMAGE_NOTFOUND, …
 */
int source_open(const char *image, struct source_setup *out, struct err *) must_check;
void source_close(struct source_setup *);

bool source_has_net(const struct source_setup *);
/*
 * The role that fetches: net or archive, with pull's socket; an archive gets its set-up, net is the caller's. Of a
 * layout, pull gets `theirs`: its files are opened here, so that they may be readable for us alone. The
 * structure must live as long as the monitor's loop.
 */
int source_start(struct source_setup *, struct monitor *, int pull, int *control, struct err *) must_check;

#endif
