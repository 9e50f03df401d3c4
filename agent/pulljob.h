/*
 * pulljob.h: one pull from its options to its bundle, as the monitor of its own roles: for aa-cli pull, and for the daemon in a
 * process of its own.
 */
#ifndef AGENT_PULLJOB_H
#define AGENT_PULLJOB_H

#include "agent/net_setup.h"
#include "agent/policy_setup.h"

#define PULL_STORE_DEFAULT	"/var/lib/cacao"
#define PULL_AT_ONCE_DEFAULT	"3"

/* As the command line has them (cmd_pull.c says what each means); NULL: its default. */
struct pulljob_options {
	const char		*image, *bundle;
	const char		*policy, *policy_text, *kbc_params, *work_dir, *platform, *device_nodes,
				*window_log, *snapshot, *store, *at_once, *trusted, *measure;
	const char		*decryption_keys[OPTION_LIST];
	bool			 mixed, ctr, json;
	bool			 quiet;		/* no progress */
	const char		*tee;		/* whose registers measure means; NULL: the first platform that shows itself */
	/* For callers that are not who started the program. */
	bool			 no_links;	/* on the way to bundle, which is absolute */
	bool			 mount_point;	/* rootfs is one in any case, where root may mount */
	bool			 distrusted_broker;	/* the host chose it: it decides neither what is accepted nor where from */
	struct net_options	 net;
	struct signature_options signatures;
	int			 image_fd;	/* of this executable, becomes the pull's; -1: it is opened */
};
#define PULLJOB_OPTIONS	{ .net = NET_OPTIONS, .image_fd = -1 }

struct pulljob_result {
	char	digest[160];	/* of the manifest */
	size_t	layers;
	bool	overlay;	/* else all are in one root */
};

/* 0: the bundle is there, whole. On failure nothing is left but layers in the store. */
int pulljob_run(const struct pulljob_options *, struct pulljob_result *, struct err *) must_check;

#endif
