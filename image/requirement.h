/*
 * requirement.h: the policy from inside, for its own files: one reader of requirements, used to check a policy when it
 * comes and again to decide, so that both see the same. Nobody else includes this.
 */
#ifndef IMAGE_REQUIREMENT_H
#define IMAGE_REQUIREMENT_H

#include "image/policy.h"
#include "image/simple_signing.h"

enum requirement_kind {
	REQUIRE_NOTHING,	/* insecureAcceptAnything */
	REQUIRE_REJECT,
	REQUIRE_GPG,		/* signedBy */
	REQUIRE_COSIGN,		/* sigstoreSigned */
	REQUIRE_ENCRYPTED,	/* ours: cacao.layersEncrypted */
	REQUIRE_UNKNOWABLE,	/* part of the language, but not of this program */
};

struct requirement {
	enum requirement_kind	kind;
	const char		*type;		/* as it is written */
	const char		*unknowable;	/* what cannot be checked */
	struct json_val		 keys;		/* a string, or an array of them */
	bool			 inline_keys;	/* keys themselves, not their names */
	struct identity		 identity;
	char			 kid_prefix[LIMIT_URI + 1];	/* "": any key */
};

/* -ERR_PARSE: where, and what is wrong with it. Values are checked, too. */
int requirement_read(struct json_val, const char *where, struct requirement *out, struct err *) must_check;

/* 1 to LIMIT_POLICY_KEYS. */
size_t requirement_nkeys(const struct requirement *);
/* The n-th key (decoded), or its name, appended. */
int requirement_key(const struct requirement *, size_t n, struct buf *out, struct err *) must_check;

/* The list of requirements that decides, and the name of its scope. */
#define SCOPE_TEXT	600
struct decision {
	struct json_val	list;
	char		scope[SCOPE_TEXT];
};
void policy_decide(const struct policy *, const struct image_ref *, struct decision *);
/* Of all but docker: the path must be absolute and clean, else no scope can be looked up. -ERR_POLICY. */
int policy_check_path(const struct image_ref *, struct err *) must_check;

/* Are all layers encrypted, and only for keys whose id begins so ("": any)? -ERR_POLICY. */
int encrypted_check(const struct layer layers[], size_t n, const char *kid_prefix, struct err *) must_check;

#endif
