/*
 * recipients.h: --recipient: for whom layers are encrypted. The monitor opens the files; the key role reads them.
 */
#ifndef AGENT_RECIPIENTS_H
#define AGENT_RECIPIENTS_H

#include "image/ocicrypt.h"

#define RECIPIENTS_MAX	16

struct recipients {
	struct recipient {
		enum ocicrypt_scheme	 scheme;
		const char		*text;	/* parameters of the key provider, or the file's name */
		int			 fd;	/* of the file; -1: a key provider */
	}	one[RECIPIENTS_MAX];
	size_t	n;
};

/*
 * texts: NULL-ended, each provider:attestation-agent:KEYID[::NAME=VALUE] or jwe:FILE. They must outlive it. -ERR_USAGE,
 * -ERR_CONFIG; -ERR_UNSUPPORTED for the schemes of ocicrypt that are not written here, and what would be needed.
 */
int recipients_open(const char *const texts[], struct recipients *out, struct err *) must_check;
void recipients_close(struct recipients *);

/* Does one of them need our own keys (--keys or a broker) or another key provider? */
bool recipients_need_keys(const struct recipients *);

/* Sends all of them to the key role whose control socket this is. */
int recipients_send(const struct recipients *, int key, struct err *) must_check;

#endif
