/*
 * policy.h: the image policy (containers-policy.json(5)): which images may be
 * pulled. Strict: anything unknown, doubled, empty or impossible makes the whole policy
 * invalid, and no policy is a refusal. First the name decides, before anything is fetched; then, when the
 * manifest is there, the rest. Nothing here opens or sends anything: signatures, keys and the program gpg are
 * asked for through struct policy_env.
 * policy.c (form of the document, scopes), policy_form.c (form of requirements), policy_check.c (decision), scope.c
 */
#ifndef IMAGE_POLICY_H
#define IMAGE_POLICY_H

#include "image/gpg.h"
#include "image/manifest.h"
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

/* What was fetched for the name that the caller gave. */
struct policy_subject {
	const struct image_ref	*ref;		/* as the caller gave it; never a mirror's */
	const struct digest	*manifest;	/* of the manifest's bytes, SHA-256 */
	const struct digest	*index;		/* of the index that led there; NULL when none did */
	const struct layer	*layers;
	size_t			 nlayers;
};

/* One signature. The buffers have their limits when they come, and are empty. */
struct policy_signature {
	struct buf	payload;	/* GPG: the OpenPGP message; cosign: what was signed */
	struct buf	signature;	/* cosign: the annotation, base64 */
	char		where[512];	/* for people: a URL, "NAME, layer 2"; when there is none: all places looked in */
};

/*
 * For people: what was found and decided, in order: the scope, and of each requirement its signatures, then itself. The
 * first two are told by who has read policy and manifest: `why` is their digest.
 */
enum policy_about { ABOUT_POLICY, ABOUT_IMAGE, ABOUT_SCOPE, ABOUT_SIGNATURE, ABOUT_REQUIREMENT, ABOUT_COUNT };
struct policy_note {
	enum policy_about	 about;
	size_t			 number;	/* of the requirement, of the signature in it; from 1 */
	bool			 good;
	const char		*name;		/* the scope; where the signature is; the type of the requirement */
	const char		*why;
};

/* Functions the caller supplies; 0 or -err as everywhere. Who leaves them out has no signatures. */
struct policy_env {
	/* A key or key ring, by what the policy calls it: a path, file:///… or kbs:///…. */
	int	(*key)(void *arg, const char *name, struct buf *out, struct err *);
	/*
	 * The n-th signature, from 0. 1: here it is; 0: there are no more, and `where` says where was looked;
	 * -ERR_IMAGE: this one cannot be used, there may be more. Any other error ends the requirement.
	 */
	int	(*simple_signature)(void *arg, const struct policy_subject *, size_t n,
		    struct policy_signature *out, struct err *);
	int	(*cosign_signature)(void *arg, const struct policy_subject *, size_t n,
		    struct policy_signature *out, struct err *);
	/*
	 * Verifies one OpenPGP message, with the keys of all rings and no others. 0 says only that gpg ran: gpg_judge()
	 * says how it went, and payload must not be looked at before.
	 */
	int	(*gpg)(void *arg, const struct span rings[], size_t n, struct span message,
		    struct gpg_verdict *out, struct buf *payload, struct err *);
	/*
	 * 0: the signature (base64) over the payload is by one of these keys (PEM). -ERR_CONFIG: one of the keys is none.
	 * -ERR_POLICY: the signature is not good.
	 */
	int	(*cosign)(void *arg, const struct span keys[], size_t n, struct span payload,
		    struct span signature, struct err *);
	/* Optional. */
	void	(*tell)(void *arg, const struct policy_note *);
	void	*arg;
};

/*
 * What can be said before anything is fetched: 0 if the image may be looked at;
 * -ERR_POLICY when a requirement rejects it, -ERR_UNSUPPORTED when the deciding list holds a requirement that nobody here
 * can check (reject goes first). The message names the scope that decided
 * ("docker: registry.example.org/ns", "default").
 * Scopes for docker (first hit wins): domain/path:tag or @digest, domain/path, its parents,
 * domain, "*.…" wildcards of the host without port, "", then default. For oci: the directory,
 * its parents up to but without "/", "", then default; the tag takes no part, as in
 * containers/image. oci-archive: the same with the path of the file. docker-archive: only "", then default.
 * These paths must be absolute and clean (realpath): -ERR_POLICY for others. Of env only `tell` is used, and only for a refusal.
 */
int policy_check_name(const struct policy *, const struct image_ref *, const struct policy_env *, struct err *) must_check;

/*
 * The whole decision; policy_check_name() is part of it. 0 if every requirement of the deciding list holds. -ERR_POLICY when one
 * does not: the message names the scope, the first such requirement, how many signatures there were, and why
 * they do not count. -ERR_UNSUPPORTED as above; other codes tell what kept it from being checked. A signature counts when at the same time it is good,
 * is for this manifest or for the index that led to it, and for this name; others beside it do no harm.
 */
int policy_check(const struct policy *, const struct policy_subject *, const struct policy_env *, struct err *) must_check;

/* Does the deciding list ask for a signature? Then who passed policy_check() has one. */
bool policy_asks_signature(const struct policy *, const struct image_ref *);

/* For the user: which scope decides for this image ("default", "docker: …"). out >= 600. */
void policy_scope_text(const struct policy *, const struct image_ref *, char *out, size_t size);

/* Why a scope can never match, and what to write instead; NULL if it is good. Pure. */
const char *policy_scope_complaint(enum transport, struct span scope);

#endif
