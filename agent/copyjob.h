/*
 * copyjob.h: the monitor of encrypt, decrypt and inspect: it opens what the user named, starts the roles, gives each
 * layer its crypt process, and lets the result have its name at the very end.
 */
#ifndef AGENT_COPYJOB_H
#define AGENT_COPYJOB_H

#include "agent/key_source.h"
#include "agent/net_setup.h"
#include "agent/provider_link.h"
#include "agent/roles.h"

struct copy_options {
	enum copy_action		 action;
	const char			*source, *destination;	/* destination NULL: inspect */
	const char			*platform;		/* NULL: this machine's */
	const char *const		*layers;		/* NULL-ended: "0", "-1", "1,2"; NULL: all */
	const char *const		*recipients;		/* encrypt: for whom; NULL-ended */
	struct key_source_options	 keys;
	const char			*kbc_params;
	const char			*keyprovider;		/* another one, that wraps and unwraps; NULL: none */
	const char *const		*decryption_keys;	/* NULL-ended; NULL: none */
	const struct net_options	*net;
	bool				 json;
};

/*
 * All of it, with what it prints: progress, then the digest, or what inspect found. On failure nothing is left at the
 * destination.
 */
int copyjob_run(const struct copy_options *, struct err *) must_check;

#endif
