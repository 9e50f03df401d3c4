/*
 * keyring.h: what the key role can wrap and unwrap layer keys with: a broker or keys of the operator's, and private
 * keys from files. Errors say which way failed and why, never what was read.
 */
#ifndef AGENT_KEYRING_H
#define AGENT_KEYRING_H

#include "agent/roles.h"
#include "image/ocicrypt.h"
#include "kbc/kbc.h"
#include "keyprovider/keyfile.h"
#include "keyprovider/provider.h"

struct keyring {
	unsigned		 source;	/* enum key_source_flag; 0: keys are the broker's */
	int			 ask;		/* KEY_FD_ASK; -1: not there */
	char			 keys_path[KEY_SOURCE_PATH];
	struct kbs_uri		 only;		/* id of the one key there is */
	struct buf		 one;		/* that key; empty: there is none such */
	struct err		 one_fault;	/* why it could not be used: the answer to who needs a key */
	struct provider		 provider;	/* wraps and unwraps with all of these */
	char			 params_text[600];	/* aa_kbc_params; "" for none */
	struct kbc_params	 params;
	struct kbc_env		 env;
	struct kbc		 kbc;
	bool			 open;
	int			 files[ROLE_MAX_FILES];	/* of the broker module; -1: not there */
	struct keyset		 keys;		/* private keys and certificates */
	struct buf		 password;	/* of the next of them */
	struct err		 fault;		/* of the first that could not be used: the answer to every unwrapping */
};

void keyring_init(struct keyring *);
void keyring_fini(struct keyring *);

/* The broker is opened at the first request, so that its fault is that request's answer. */
int keyring_need_broker(struct keyring *, struct err *) must_check;

/* Is this NAME::URI of a caller our broker? -ERR_CONFIG names both. An address that is "null" or not there is localhost. */
int keyring_check_broker(const struct keyring *, const char *, struct err *) must_check;

/* What is set up instead of a broker (enum key_source_flag). */
void keyring_set_source(struct keyring *, unsigned flags, const char *path);
/* The one key there is. A fault is told when a key would be needed. */
void keyring_set_one(struct keyring *, int fd, const char *kid);

/* A password, then the key file it is for. Faults are told when the key would be needed. */
void keyring_add_password(struct keyring *, int fd);
void keyring_add_file(struct keyring *, int fd, const char *name);

/*
 * Wrapped keys by each scheme, as in struct ocicrypt_wrapped. The schemes are tried in order, and of each all parts,
 * until one opens.
 */
int keyring_unwrap(struct keyring *, const struct span wrapped[SCHEME_COUNT], struct ocicrypt_private *out,
    struct err *) must_check;

/* Wraps for one recipient by key provider (struct provider_params): by our keys, or by another provider. */
int keyring_wrap(struct keyring *, const char *params, struct span plain, struct buf *packet, struct err *) must_check;

#endif
