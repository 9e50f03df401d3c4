/*
 * simple_signing.h: what a signature says: the payload, and whether its name is that of
 * the image. Both kinds of signatures, GPG simple signing and cosign, have it. The
 * signature over it must have been checked before.
 * Sources: containers-signature(5), containers-policy.json(5).
 */
#ifndef IMAGE_SIMPLE_SIGNING_H
#define IMAGE_SIMPLE_SIGNING_H

#include "image/reference.h"
#include "lib/json.h"

enum payload_kind { PAYLOAD_GPG, PAYLOAD_COSIGN };

struct payload {
	char		reference[LIMIT_REFERENCE + 1];	/* what was signed as; may be no name at all */
	struct digest	digest;				/* of the manifest that was signed */
};

/*
 * -ERR_PARSE for everything that is not exactly of this form: members unknown, missing, doubled or of another type, another
 * critical.type, data behind. The members of "optional" are free, but "creator" is a string and "timestamp" an
 * integer; only cosign's may be null.
 */
int payload_parse(struct span text, enum payload_kind, struct payload *out, struct err *) must_check;

/* The rule "signedIdentity". */
enum identity_rule {
	MATCH_REPO_DIGEST_OR_EXACT,	/* the default */
	MATCH_EXACT,
	MATCH_REPOSITORY,
	EXACT_REFERENCE,
	EXACT_REPOSITORY,
	REMAP_IDENTITY,
};

struct identity {
	enum identity_rule	rule;
	char			name[LIMIT_REFERENCE + 1];	/* dockerReference, dockerRepository or prefix */
	char			signed_prefix[256];		/* remapIdentity */
};

/*
 * The member signedIdentity, which may be absent. -ERR_PARSE: unknown rule or member, a name that is none,
 * exactReference without tag and digest, a prefix with one.
 */
int identity_parse(struct json_val, struct identity *out, struct err *) must_check;
const char *identity_name(const struct identity *);	/* "matchExact", … */

/*
 * Is a signature made for signed_as one for this image? The image's tag takes no part when it has a digest.
 * Images that are not of a registry have no name: only exactReference and exactRepository can accept them.
 */
bool identity_accepts(const struct identity *, const struct image_ref *image, const char *signed_as);

#endif
