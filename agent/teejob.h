/* teejob.h: the monitor's side of evidence. */
#ifndef AGENT_TEEJOB_H
#define AGENT_TEEJOB_H

#include "agent/monitor.h"
#include "evidence/evidence.h"

struct tee_ask {
	const char		*platform;	/* NULL: the first that shows itself */
	bool			 allow_sample;
	enum evidence_form	 form;
	struct span		 data;		/* report data */
};

int teejob_start(struct monitor *, int *control, struct err *) must_check;
/* Evidence into out; platform: whose it is. */
int teejob_get(struct monitor *, int control, const struct tee_ask *, struct buf *out, char platform[32], struct err *) must_check;

#endif
