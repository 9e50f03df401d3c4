/*
 * net_setup.h: what the net role is told and given: options that verbs share, the files they
 * name, the defaults. For the monitor; a verb puts NET_OPTION_DEFS in its table.
 */
#ifndef AGENT_NET_SETUP_H
#define AGENT_NET_SETUP_H

#include "agent/options.h"
#include "image/reference.h"

struct net_options {
	const char	*ca_files[OPTION_LIST];
	const char	*authfile, *registries, *timeout, *http_proxy, *https_proxy, *no_proxy;
	bool		 tls_verify, no_creds;
	/* Of settings, not of a command line: */
	const char	*ca, *registries_text;	/* what such files would hold; ca besides ca_files; "": no table */
	const char	*plain_http;		/* hosts, "," between; the image's own is by tls_verify */
	bool		 from_settings;		/* a proxy may have credentials: nobody else can read where it stands */
};
#define NET_OPTIONS	{ .tls_verify = true }

#define REGISTRIES_DEFAULT	"/etc/cacao/registries.toml"

/* Lines of an option table that fill o, a struct net_options with static storage. */
#define NET_OPTION_DEFS(o) \
	{ "tls-verify", NULL, "=false: plain http to this registry", NULL, &(o).tls_verify }, \
	{ "ca-file", "FILE|DIR...", "PEM certificates that vouch for the registry (DIR: *.crt, *.pem)", \
	    (o).ca_files, NULL }, \
	{ "authfile", "FILE", "registry credentials (default: where podman and docker keep them)", \
	    &(o).authfile, NULL }, \
	{ "no-creds", NULL, "no credentials, wherever they are", NULL, &(o).no_creds }, \
	{ "registries", "FILE", "mirrors and blocked places (default " REGISTRIES_DEFAULT ")", \
	    &(o).registries, NULL }, \
	{ "timeout", "DURATION", "for all of the network's work: 90s, 10m, 1h (default: none)", \
	    &(o).timeout, NULL }, \
	{ "https-proxy", "URL", "proxy for https (default: $https_proxy)", &(o).https_proxy, NULL }, \
	{ "http-proxy", "URL", "proxy for http (default: $http_proxy)", &(o).http_proxy, NULL }, \
	{ "no-proxy", "LIST", "who is asked without: host, .suffix, address, net/bits, * ($no_proxy)", \
	    &(o).no_proxy, NULL }

/* Opens the files and sends everything over net, the control socket. -ERR_CONFIG, -ERR_USAGE. */
int net_set_up(int net, const struct net_options *, const struct image_ref *, struct err *) must_check;

/* "90", "90s", "10m", "1h": seconds, more than none, at most a day. -ERR_USAGE. */
int net_parse_timeout(const char *text, uint32_t *seconds, struct err *) must_check;
/* A proxy as a URL of http or https. on_command_line: without credentials. -ERR_USAGE, -ERR_CONFIG; no part of it is told. */
int net_check_proxy(const char *url, bool on_command_line, struct err *) must_check;

#endif
