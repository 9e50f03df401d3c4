/*
 * pull_setup.h: the monitor's side of pull and verify: it starts the roles that fetch, hold keys and decide,
 * and tells the last of them what is wanted.
 */
#ifndef AGENT_PULL_SETUP_H
#define AGENT_PULL_SETUP_H

#include "agent/monitor.h"
#include "agent/policy_setup.h"
#include "agent/source_setup.h"
#include "image/manifest.h"
#include "image/tree.h"

struct pull_setup {
	const char		*policy;	/* file or kbs:///…; NULL: POLICY_DEFAULT, where it is there */
	const char		*policy_text;	/* what such a file would hold; policy wins */
	struct platform		 platform;
	bool			 mixed, root_mode;
	bool			 verify;	/* no layers; M_POLICY_NOTE tells everything */
	enum device_nodes	 devices;
	unsigned		 window_log;	/* of zstd */
};

struct pull_roles {
	int	net, key, pull;		/* control sockets; -1 where none is */
};
#define PULL_ROLES	{ -1, -1, -1 }

/* Starts net or archive, key and pull. staging and config (-1: verify) become pull's. */
int pull_roles_start(struct pull_roles *, struct monitor *, struct source_setup *, int staging, int config,
    struct err *) must_check;
void pull_roles_close(struct pull_roles *);

/* Sends policy and set-up; the pull role begins. */
int pull_setup_send(const struct pull_setup *, struct policy_setup *, const char *image, int pull, struct err *) must_check;

#endif
