/*
 * pull.h: one pull in order: reference → policy (the name) → manifest → platform → policy (signatures, encryption) →
 * configuration → keys → layers, each checked against what was promised before → runtime configuration. What touches the
 * world is in struct image_env: the caller decides, tests supply fakes.
 */
#ifndef IMAGE_PULL_H
#define IMAGE_PULL_H

#include "image/fetch.h"
#include "image/ocicrypt.h"
#include "image/policy.h"

struct layer_plan {
	size_t			 number, of;	/* 0-based, bottom first; of so many */
	const struct layer	*layer;
	const struct digest	*diff_id;
	uint8_t			 fingerprint[32];	/* of the layer's key; zeros for a plain layer */
};

struct image_env {
	/* As in struct fetch_env. */
	int	(*manifest)(void *, const struct image_ref *, const char *wanted, struct document *out, struct err *);
	int	(*blob)(void *, const struct image_ref *, const struct digest *, struct document *out, struct err *);
	/*
	 * Asks for a layer's key; it stays where keys are, known by the layer's number. The fingerprint tells that
	 * two layers have the same key and nonce, and only who had the key can have made it.
	 */
	int	(*unwrap)(void *, size_t number, const struct ocicrypt_wrapped *, uint8_t fingerprint[32], struct err *);
	/*
	 * Fetches, checks, decrypts and unpacks all layers, and puts the root together: 0 only when every check
	 * has passed. 1: it must be done in another way; the keys are asked for again, and then this, once.
	 * *failed: the layer whose fault it was; n when it was none's.
	 */
	int	(*layers)(void *, const struct image_ref *, const struct layer_plan plans[], size_t n,
		    size_t *failed, struct err *);
	/* The rootfs is complete: writes the runtime configuration. */
	int	(*bundle)(void *, const struct image_config *, struct err *);
	void	*arg;
	struct policy_env	policy;		/* for policies that ask for signatures */
};

struct pull_request {
	struct image_ref	ref;
	struct platform		platform;
	struct span		policy;		/* text of policy.json; empty: there is none */
	bool			allow_mixed;	/* plain and encrypted layers in one image */
	bool			only_verify;	/* policy, manifest and configuration; no key, no layer */
};

struct pull_result {
	struct digest	manifest;	/* of the manifest that was unpacked */
	struct digest	index;		/* through which it was chosen; text "" when none */
	size_t		layers, encrypted;
	bool		is_signed;	/* the policy asked for a signature, and there is one */
};

/* The message of an error begins with the stage: "policy: …", "manifest: …", "layer 2 of 5 (sha256:…): …". */
int pull_image(const struct pull_request *, const struct image_env *, struct pull_result *out, struct err *) must_check;

#endif
