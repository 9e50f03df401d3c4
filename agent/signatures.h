/*
 * signatures.h: where the pull role gets what a policy asks for: keys by their names, GPG signatures of a lookaside, cosign's of
 * the registry, and their verification. image/policy.h decides.
 */
#ifndef AGENT_SIGNATURES_H
#define AGENT_SIGNATURES_H

#include "agent/source.h"
#include "image/cosign.h"
#include "image/lookaside.h"
#include "image/policy.h"

struct signatures {
	struct source		*source;
	bool			 from_registry;	/* the image is: others have no signatures beside them */
	struct lookaside	*lookaside;
	struct err		 unusable;	/* what is wrong with its configuration, for whoever needs it */
	/* Counting through one kind of signatures: the digest they are for (0 manifest, 1 index), the first number of it. */
	size_t			 at, first;
	/* The signature image of that digest, while it is counted through. */
	struct document		 doc;
	struct cosign_image	 image;
	bool			 is_open;
	void			(*tell)(void *arg, const struct policy_note *);	/* as policy_env.tell */
	void			*arg;
};

/* tell, arg, from_registry: set afterwards. */
int signatures_init(struct signatures *, struct source *, struct err *) must_check;
void signatures_fini(struct signatures *);

/* One file of registries.d. What is wrong with it is told when a GPG signature is looked for. */
void signatures_add_config(struct signatures *, int fd);

/* The functions of the policy. s must outlive it. */
struct policy_env signatures_env(struct signatures *);

#endif
