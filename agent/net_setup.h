/*
 * net_setup.h: what the net role is told and given: options that verbs share, the files they
 * name, the defaults. For the monitor; a verb puts NET_OPTION_DEFS in its table.
 */
#ifndef AGENT_NET_SETUP_H
#define AGENT_NET_SETUP_H

#include "agent/options.h"
#include "image/reference.h"

struct net_options {
	const char	*ca_file, *authfile;
	bool		 tls_verify;
};
#define NET_OPTIONS	{ .tls_verify = true }

/* Lines of an option table that fill o, a struct net_options with static storage. */
#define NET_OPTION_DEFS(o) \
	{ "tls-verify", NULL, "=false: plain http to this registry", NULL, &(o).tls_verify }, \
	{ "ca-file", "FILE", "certificates that vouch for the registry (PEM)", &(o).ca_file, NULL }, \
	{ "authfile", "FILE", "registry credentials (containers-auth.json)", &(o).authfile, NULL }

/* Opens the files and sends everything over net, the control socket. -ERR_CONFIG. */
int net_set_up(int net, const struct net_options *, const struct image_ref *, struct err *) must_check;

#endif
