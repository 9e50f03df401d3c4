/* tee.h: the tee role from inside: the places of the kernel that it may touch, and collecting from them. */
#ifndef AGENT_TEE_H
#define AGENT_TEE_H

#include "evidence/evidence.h"

struct tee_request {
	const char		*platform;	/* "": the first that shows itself */
	bool			 sample;
	enum evidence_form	 form;
	struct span		 data;		/* what is bound */
};
/* Collects, with the log settled before, and writes to fd. */
int tee_collect(const struct tee_request *, int fd, const struct attester_ops **, struct err *) must_check;

extern const struct evidence_env tee_env;	/* allow_sample is false */

#endif
