/*
 * policy_setup.h: the monitor's side of a policy: it opens the files that the policy names, has the broker asked for resources of
 * public kinds, and starts gpg with an empty home of its own, for the pull role.
 */
#ifndef AGENT_POLICY_SETUP_H
#define AGENT_POLICY_SETUP_H

#include "agent/monitor.h"

#define GPG_DEFAULT	"/usr/bin/gpg"

struct policy_setup {
	struct monitor	*m;
	int		 key;		/* control of the key role; -1: there is no broker to ask */
	const char	*gpg;		/* the program */
	int		 tmp;		/* where homes are made; -1: none was yet */
	const char	*tmp_path;
	char		 home[48];	/* name of the one there is; "" for none */
	pid_t		 pid;		/* of the gpg role; 0: none */
};
#define POLICY_SETUP	{ .key = -1, .tmp = -1 }

/* What pull may send for it. */
#define POLICY_RULES \
	{ .type = M_POLICY_OPEN, .max_len = KIB(8) }, \
	{ .type = M_GPG_START }

/*
 * What the policy, or the operator, calls name: an absolute path or kbs:///…. A new descriptor or -err: -ERR_CONFIG, and
 * -ERR_NOTFOUND when there is none.
 */
int policy_setup_open(struct policy_setup *, const char *name, struct err *) must_check;

/* Sends the policy (NULL: POLICY_DEFAULT, if it is there) and where signatures are kept to pull: M_FILE. */
int policy_setup_send(struct policy_setup *, int pull, const char *policy, const char *sigstore, struct err *) must_check;

/* Answers one message that POLICY_RULES lists. */
int policy_setup_serve(struct policy_setup *, int pull, const struct msg *, struct err *) must_check;

/* Ends gpg and removes its home. */
void policy_setup_close(struct policy_setup *);

#endif
