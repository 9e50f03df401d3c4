/*
 * policy.h: the image policy (containers-policy.json(5)): which images may be
 * pulled. Strict: anything unknown, doubled, empty or impossible makes the whole policy
 * invalid, and no policy is a refusal. This part decides insecureAcceptAnything
 * and reject; requirements that need signatures are known by name and form, and refused
 * as not supported yet.
 * policy.c, scope.c
 */
#ifndef IMAGE_POLICY_H
#define IMAGE_POLICY_H

#include "image/reference.h"
#include "lib/json.h"

struct policy;

/*
 * text must outlive it. -ERR_POLICY_INVALID for every fault (also empty text and text that
 * is no JSON).
 */
int policy_parse(struct span text, struct policy **out, struct err *) must_check;
void policy_free(struct policy *);
void policy_freep(struct policy **);

/*
 * 0 if the image may be pulled; -ERR_POLICY when a requirement rejects it,
 * -ERR_UNSUPPORTED when the deciding list holds a requirement that this build cannot check
 * (reject goes first). The message names the scope that decided
 * ("docker: registry.example.org/ns", "default").
 * Scopes for docker (first hit wins): domain/path:tag or @digest, domain/path, its parents,
 * domain, "*.…" wildcards of the host without port, "", then default. For oci: the directory,
 * its parents up to but without "/", "", then default; the tag takes no part, as in
 * containers/image. oci-archive: the same with the path of the file. docker-archive: only "", then default.
 * These paths must be absolute and clean (realpath): -ERR_POLICY for others.
 */
int policy_check(const struct policy *, const struct image_ref *, struct err *) must_check;

/* For the user: which scope decides for this image ("default", "docker: …"). out >= 600. */
void policy_scope_text(const struct policy *, const struct image_ref *, char *out, size_t size);

/* Why a scope can never match, and what to write instead; NULL if it is good. Pure. */
const char *policy_scope_complaint(enum transport, struct span scope);

#endif
