/*
 * kbc.h: what a key broker client is: one const struct in one file, and one
 * line in the array of kbc.c. Chosen at run time by aa_kbc_params ("name::uri").
 * A module parses broker answers and holds keys; it never opens a socket or a
 * file by itself: all it may reach is in struct kbc_env.
 */
#ifndef KBC_KBC_H
#define KBC_KBC_H

#include "lib/buf.h"
#include "lib/uri.h"

enum kbc_need {			/* what the module uses; the rest of its env is NULL */
	KBC_FILES	= 1,
	KBC_NET		= 2,
	KBC_EVIDENCE	= 4,
};

/* Functions the caller supplies; 0 or -err as everywhere. */
struct kbc_env {
	/* Reads the n-th file of ops->files into out; -ERR_NOTFOUND when the guest has none. */
	int	(*file)(void *arg, size_t n, struct buf *out, struct err *);
	void	*arg;
};

struct kbc;

struct kbc_ops {
	const char		*name;		/* as written in aa_kbc_params */
	unsigned		 needs;		/* enum kbc_need */
	/*
	 * Names of files the module reads, in ops->files_dir, NULL-ended. The process that opens
	 * files passes them in this order. An absolute path as the uri of aa_kbc_params replaces files_dir.
	 */
	const char		*files_dir;
	const char *const	*files;
	size_t			 state_size;	/* bytes of secret memory, zeroed, wiped at close */
	int	(*open)(struct kbc *, struct err *);
	/* Bytes of a resource; secret is a secret buffer with its limit. -ERR_KEY_NOTFOUND. Optional. */
	int	(*get_resource)(struct kbc *, const struct kbs_uri *, struct buf *secret, struct err *);
	/* The 32-byte key that wraps layer keys under this id. -ERR_KEY_NOTFOUND. Optional. */
	int	(*get_key)(struct kbc *, const struct kbs_uri *, struct buf *secret, struct err *);
	void	(*close)(struct kbc *);		/* also after open failed; optional: state is wiped anyway */
};

struct kbc {
	const struct kbc_ops	*ops;
	const struct kbc_env	*env;
	const char		*uri;		/* of aa_kbc_params, may be "" */
	void			*state;
};

extern const struct kbc_ops *const kbcs[];	/* NULL-ended, in order of kbc.c */
extern const struct kbc_ops kbc_offline_fs;	/* the modules, one file each */

/* -ERR_CONFIG lists the names there are. */
const struct kbc_ops *kbc_find(const char *name, struct err *);
/* Directory of the module's files for this uri: an absolute path given as uri, else ops->files_dir. */
const char *kbc_files_dir(const struct kbc_ops *, const char *uri);

/* env and uri must outlive it. */
int kbc_open(const struct kbc_params *, const struct kbc_env *, struct kbc *out, struct err *) must_check;
void kbc_close(struct kbc *);
/* Appended to a secret buffer, all or nothing. -ERR_UNSUPPORTED when the module has no such operation. */
int kbc_get_resource(struct kbc *, const struct kbs_uri *, struct buf *secret, struct err *) must_check;
int kbc_get_key(struct kbc *, const struct kbs_uri *, struct buf *secret, struct err *) must_check;

#endif
