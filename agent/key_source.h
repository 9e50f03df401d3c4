/*
 * key_source.h: --keys PATH [--kid ID] [--make-keys] [--allow-sample]: the monitor's side of wrapping keys that are
 * files of the operator's, and of connections to another key provider. It opens and makes files; the key
 * role reads them.
 */
#ifndef AGENT_KEY_SOURCE_H
#define AGENT_KEY_SOURCE_H

#include "agent/monitor.h"

struct key_source_options {
	const char	*keys;		/* NULL: none; a file with one key, or a directory of REPOSITORY/TYPE/TAG */
	const char	*kid;		/* of the one key; NULL for a directory */
	bool		 make, sample;
};

/* For a verb's table. */
#define KEY_SOURCE_OPTION_DEFS(o) \
	{ "keys", "PATH", "keys instead of a broker's: a directory of REPOSITORY/TYPE/TAG, or a file with one", \
	    &(o).keys, NULL }, \
	{ "kid", "KEYID", "the name of the key in that file", &(o).kid, NULL }

/* For those that wrap. */
#define KEY_SOURCE_WRAP_DEFS(o) \
	{ "make-keys", NULL, "make a key that the directory does not have", NULL, &(o).make }, \
	{ "allow-sample", NULL, "allow sample=true: the key that everybody knows", NULL, &(o).sample }

struct key_source {
	struct key_source_options opt;
	unsigned	 flags;		/* enum key_source_flag */
	int		 fd;		/* of opt.keys; -1: there is none */
	int		 ours;		/* socket by which the key role asks */
	struct loop	*loop;		/* of the monitor */
	/*
	 * Set by the caller before key_source_start() where another key provider wraps and unwraps: sends
	 * M_KEY_PROVIDER on this socket (with this id) for one call. NULL: there is no other.
	 */
	int		(*connect)(void *arg, int socket, uint32_t id, struct err *);
	void		*arg;
};

/* -ERR_USAGE, -ERR_CONFIG. Opens opt.keys. */
int key_source_open(const struct key_source_options *, struct key_source *out, struct err *) must_check;
void key_source_close(struct key_source *);

/*
 * Starts the key role; pull and rpc are its other sockets, or -1. What it is to use besides is the caller's to send. The
 * structure must live as long as the monitor's loop.
 */
int key_source_start(struct key_source *, struct monitor *, int pull, int rpc, int *control, struct err *) must_check;

#endif
