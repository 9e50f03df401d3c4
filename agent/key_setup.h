/*
 * key_setup.h: --decryption-key and --aa-kbc-params: what the monitor opens for the key role.
 */
#ifndef AGENT_KEY_SETUP_H
#define AGENT_KEY_SETUP_H

#include "lib/err.h"
#include "lib/limits.h"

struct key_setup {
	const char	*kbc_params;	/* NULL: no broker */
	struct key_setup_file {
		const char	*name;		/* for messages; to its end or the first colon */
		int		 key, password;	/* password -1: none */
	}		 file[LIMIT_KEY_FILES];
	size_t		 n;
};

/*
 * keys: NULL-ended, each provider:attestation-agent:NAME::URI or FILE[:file=PATH|:fd=N]. Opens all of them, before
 * the caller opens anything by itself: N is a descriptor of whoever started us. -ERR_USAGE, -ERR_CONFIG; a password
 * in the text is refused and not repeated.
 */
int key_setup_open(const char *const keys[], const char *kbc_params, struct key_setup *out, struct err *) must_check;
void key_setup_close(struct key_setup *);

/* Sends everything to the key role whose control socket this is. */
int key_setup_send(const struct key_setup *, int key, bool allow_ctr, struct err *) must_check;

#endif
