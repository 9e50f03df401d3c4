/*
 * policy_setup.h: the monitor's side of a policy that asks for signatures: it opens what the policy names, has the broker asked
 * for resources of public kinds, and starts gpg with an empty home of its own, all for the pull role.
 */
#ifndef AGENT_POLICY_SETUP_H
#define AGENT_POLICY_SETUP_H

#include "agent/monitor.h"

#define POLICY_DEFAULT		"/etc/cacao/policy.json"
#define GPG_DEFAULT		"/usr/bin/gpg"
#define SIGSTORE_DEFAULT	"/etc/containers/registries.d"

struct signature_options {
	const char	*gpg;		/* the program; NULL: GPG_DEFAULT */
	const char	*sigstore;	/* file, directory or kbs:///…; NULL: SIGSTORE_DEFAULT, where it is there */
	const char	*sigstore_text;	/* what such a file would hold; sigstore wins */
};

/* Lines of an option table that fill o, a struct signature_options with static storage. */
#define SIGNATURE_OPTION_DEFS(o) \
	{ "gpg", "FILE", "the program that checks GPG signatures (default " GPG_DEFAULT ")", &(o).gpg, NULL }, \
	{ "sigstore-config", "FILE|DIR|kbs:///…", "where GPG signatures are (default " SIGSTORE_DEFAULT ")", \
	    &(o).sigstore, NULL }

struct policy_setup {
	struct monitor	*m;
	int		 key;		/* control of the key role; -1: none */
	bool		 has_broker;	/* one that may say what is accepted */
	struct signature_options opt;
	int		 tmp;		/* the directory of homes; -1 */
	char		 home[64];	/* the one there is; "" for none */
	pid_t		 pid;		/* of the gpg role; 0: none */
};
#define POLICY_SETUP(options)	{ .key = -1, .opt = (options), .tmp = -1 }

/* What pull may ask for. */
#define POLICY_RULES \
	{ .type = M_POLICY_OPEN, .max_len = PATH_MAX + 4 }, \
	{ .type = M_GPG_START }

/* When the roles have been started. */
void policy_setup_begin(struct policy_setup *, struct monitor *, int key, bool has_broker);

/*
 * Sends to pull the policy (a file or kbs:///…; or else its text; both NULL: POLICY_DEFAULT, where it is there) and where
 * signatures are kept.
 */
int policy_setup_send(struct policy_setup *, const char *policy, const char *text, int pull, struct err *) must_check;

/* Answers one message that POLICY_RULES lists. */
int policy_setup_serve(struct policy_setup *, int pull, const struct msg *, struct err *) must_check;

/* Ends gpg and removes its home. */
void policy_setup_close(struct policy_setup *);

#endif
