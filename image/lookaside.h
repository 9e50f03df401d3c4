/*
 * lookaside.h: where GPG signatures of images are kept: containers-registries.d(5), of several files one table, and the
 * URL of each signature. Reading only; who fetches decides whether plain http may be used.
 */
#ifndef IMAGE_LOOKASIDE_H
#define IMAGE_LOOKASIDE_H

#include "image/reference.h"

#define LOOKASIDE_DEFAULT	"file:///var/lib/containers/sigstore"

struct lookaside;

int lookaside_new(struct lookaside **out, struct err *) must_check;
void lookaside_free(struct lookaside *);

/*
 * Adds one file (YAML):
 *   default-docker: { lookaside: URL }
 *   docker: { SCOPE: { lookaside: URL }, … }
 * sigstore is the old name of lookaside and counts if that is not there; other members of these sections (for writing, for
 * other tools) are passed over. Sections and URLs may be null. A scope, or the default, that stands in several files must say
 * the same. URL is https://…, http://… or file:///…. -ERR_CONFIG with the line, and nothing of the file is added;
 * also for other members beside the two, scopes that can never match, aliases, tags, several documents.
 */
int lookaside_add(struct lookaside *, struct span yaml, struct err *) must_check;

/*
 * The URL under which the signatures of this image (of a registry) are: the most specific scope that names one
 * (name:tag or name@digest, name, its parents, host[:port], *.domain), then the default, then LOOKASIDE_DEFAULT. Borrowed.
 */
const char *lookaside_base(const struct lookaside *, const struct image_ref *);

/* "BASE/path@sha256=hex/signature-N", appended; N counts from 1. -ERR_LIMIT. */
int lookaside_url(const char *base, const struct image_ref *, const struct digest *, size_t n, struct buf *out,
    struct err *) must_check;

#endif
