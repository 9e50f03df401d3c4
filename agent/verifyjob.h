/*
 * verifyjob.h: the monitor of verify and policy explain: the roles of a pull, up to the decision; no key is
 * unwrapped, no layer is fetched.
 */
#ifndef AGENT_VERIFYJOB_H
#define AGENT_VERIFYJOB_H

#include "agent/net_setup.h"
#include "agent/policy_setup.h"

struct verify_options {
	const char			*image, *policy, *platform, *kbc_params;
	const struct net_options	*net;
	struct signature_options	 signatures;
	bool				 mixed;
	bool				 explain;	/* print all that was found, not only the digest */
	bool				 json;
};

/* Prints what was asked for, also of an image that is refused, and returns the verdict. */
int verify_run(const struct verify_options *, struct err *) must_check;

#endif
