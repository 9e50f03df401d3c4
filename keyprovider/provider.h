/*
 * provider.h: what a key provider does: wraps a layer's key with a key of its own, and unwraps it again. For callers
 * on this machine (the key provider protocol) and for our own commands. Callers choose keys by their ids and nothing
 * else: no file is read by their word.
 * Sources: parameters as coco_keyprovider has them; error texts as the attestation agent's.
 */
#ifndef KEYPROVIDER_PROVIDER_H
#define KEYPROVIDER_PROVIDER_H

#include "keyprovider/packet.h"
#include "keyprovider/protocol.h"

struct provider {
	/*
	 * Appends the 32-byte key with this id to a secret buffer. wrap: it may be made if there is none yet.
	 * -ERR_KEY_NOTFOUND.
	 */
	int			(*key)(void *arg, const struct kbs_uri *, bool wrap, struct buf *kek, struct err *);
	void			*arg;
	const char		*keys_path;	/* of the key file, or of the directory of keys: what "keypath=" may name; "" */
	const struct kbs_uri	*only;		/* taken where no key is named; NULL: one must be named */
	bool			 allow_ctr;	/* opens packets without authentication */
	bool			 allow_sample;	/* wraps and opens with the key that everybody knows */
};

/*
 * What stands behind "provider:attestation-agent:": a key id, or name=value pairs, or both, "::" between them:
 * keyid=ID, keypath=FILE, algorithm=A256GCM, sample=true|false. "Enabled" is what skopeo sends for nothing.
 */
struct provider_params {
	bool		named;		/* kid is given */
	bool		sample;
	struct kbs_uri	kid;
	char		keypath[512];	/* "" when none is given */
};
/* -ERR_PARSE, also for a name given twice; -ERR_UNSUPPORTED for other algorithms. */
int provider_params_parse(struct span, struct provider_params *out, struct err *) must_check;

/* Appends an annotation packet (v1, A256GCM). plain is not empty. -ERR_CONFIG for what the operator has not allowed. */
int provider_wrap(const struct provider *, struct span params, struct span plain, struct buf *packet,
    struct err *) must_check;
/* Appends what was wrapped. -ERR_DECRYPT, also for A256CTR that is not allowed. */
int provider_unwrap(const struct provider *, const struct packet *, struct buf *plain, struct err *) must_check;

/* A whole call: the answer's JSON is appended to a secret buffer. */
int provider_serve(const struct provider *, enum provider_op, struct span request, struct buf *reply,
    struct err *) must_check;

#endif
