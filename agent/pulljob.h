/*
 * pulljob.h: one pull from its options to its bundle, as the monitor of its own roles: for aa-cli pull, and for the daemon in a
 * process of its own.
 */
#ifndef AGENT_PULLJOB_H
#define AGENT_PULLJOB_H

#include "agent/config.h"
#include "agent/net_setup.h"
#include "agent/policy_setup.h"
#include "agent/options.h"

/* As the command line has them (cmd_pull.c says what each means); NULL: its default. */
struct pulljob_options {
	const char		*image, *bundle;
	const char		*policy, *kbc_params, *work_dir, *platform, *device_nodes,
				*window_log, *snapshot, *store, *at_once, *trusted, *measure;
	const char		*decryption_keys[OPTION_LIST];
	bool			 mixed, ctr, json;
	bool			 quiet;		/* no progress */
	struct net_options	 net;
	struct signature_options signatures;
	int			 image_fd;	/* of this executable; -1: it is opened */
};

/* 0 and the manifest's digest; the bundle is there, whole. On failure nothing is left but layers in the store. */
int pulljob_run(const struct pulljob_options *, char digest[160], bool *overlay, struct err *) must_check;

#endif
