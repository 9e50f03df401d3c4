/* teejob.h: the monitor's side of evidence. */
#ifndef AGENT_TEEJOB_H
#define AGENT_TEEJOB_H

#include "agent/monitor.h"
#include "evidence/measure.h"
#include "evidence/snp.h"

struct tee_ask {
	const char		*platform;	/* NULL: the first that shows itself */
	bool			 allow_sample;
	enum evidence_form	 form;
	struct span		 data;		/* report data */
};

/* The directory of our event log, if it is not there. */
int teejob_make_dir(struct err *) must_check;
/* measures: it will be asked to; then the directory is made. */
int teejob_start(struct monitor *, bool measures, int *control, struct err *) must_check;
/* Evidence into out; platform: whose it is. */
int teejob_get(struct monitor *, int control, const struct tee_ask *, struct buf *out, char platform[32], struct err *) must_check;

/* The event into a register of this platform (NULL: the first that shows itself) and into the log; errors as measure_event. */
int teejob_measure(struct monitor *, int control, const char *platform, const struct measure_event *, struct err *) must_check;

/* The secret of this GUID (evidence/sev_secret.h) to fd, which is the caller's and for another role to read. */
int teejob_secret(struct monitor *, int control, const char *guid, int fd, struct err *) must_check;

/* The derived key (evidence/snp.h) to fd, the same. */
int teejob_key(struct monitor *, int control, const struct snp_key_question *, int fd, struct err *) must_check;

#endif
