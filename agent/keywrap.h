/*
 * keywrap.h: for whom the key role wraps the layer keys it makes.
 */
#ifndef AGENT_KEYWRAP_H
#define AGENT_KEYWRAP_H

#include "agent/keyring.h"
#include "keyprovider/jwe_wrap.h"

#define KEYWRAP_PROVIDERS	16	/* recipients by key provider */

struct keywrap {
	char		params[KEYWRAP_PROVIDERS][LIMIT_URI];
	size_t		nparams;
	struct pkey	jwe[JWE_RECIPIENTS];
	size_t		njwe;
	struct err	fault;		/* of the first recipient that could not be used: the answer to every wrapping */
};

void keywrap_fini(struct keywrap *);

/* params: as struct provider_params has them. Faults are told when something is to be wrapped. */
void keywrap_add_provider(struct keywrap *, const char *params);
void keywrap_add_file(struct keywrap *, enum ocicrypt_scheme, int fd, const char *name);

/*
 * Wraps a layer's key for all of them; digest: of its plain blob. out comes zeroed; -ERR_USAGE when there is no
 * recipient.
 */
int keywrap(const struct keywrap *, struct keyring *, const struct ocicrypt_private *, const char *digest,
    struct ocicrypt_wrapped *out, struct err *) must_check;

#endif
