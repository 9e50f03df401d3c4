/*
 * registries.h: the operator's table of registries (containers-registries.conf(5), as far
 * as it has a use here): where an image may be fetched from, in which order, and from
 * where never. It moves downloads only: the policy and signatures are asked about the name
 * the user gave, whatever stands here.
 */
#ifndef IMAGE_REGISTRIES_H
#define IMAGE_REGISTRIES_H

#include "image/reference.h"

struct registry_place {
	struct image_ref	ref;
	bool			insecure;	/* plain http, to this host and port only */
};

#define REGISTRY_MAX_PLACES	16

struct registries;

/*
 *   unqualified-search-registries = ["docker.io"]	the default; host[:port] each
 *   [[registry]]
 *   prefix = "host[:port][/path…][:tag|@digest]" or "*.host"; by default the location
 *   location = "host[:port][/path…]"
 *   insecure, blocked = false
 *   [[registry.mirror]]
 *   location, insecure
 *
 * -ERR_CONFIG for every fault, with its line: also for keys that are unknown, those of
 * containers/image included that have no use here, and prefixes that occur twice. An empty
 * text is a table without rules. -ERR_NOMEM. The text is not needed afterwards.
 */
int registries_parse(struct span toml, struct registries **out, struct err *) must_check;
void registries_free(struct registries *);
void registries_freep(struct registries **);
#define autoregistries cleanup(registries_freep) struct registries *

/*
 * Where to look for the image, best first; tag and digest are those of ref. An image of
 * docker.io is looked for in each search registry; then, each time, the rule with the longest
 * prefix decides: nowhere if it is blocked, else its mirrors, then its location (by default
 * the name itself).
 *
 * A prefix fits whole parts of the name from its start, the host in upper or lower case.
 * "*.host" fits any number of labels in front, not the host alone, and cannot make the name
 * itself insecure. A host without a port fits the host without a port, but when it is
 * blocked it fits all ports.
 *
 * Without a table (NULL), and for oci: layouts, the only place is ref itself, not insecure.
 * -ERR_CONFIG when all is blocked, when there are more places than REGISTRY_MAX_PLACES, or
 * when a rule leaves no valid name. On failure *n is untouched, out is not.
 */
int registries_places(const struct registries *, const struct image_ref *ref,
    struct registry_place out[REGISTRY_MAX_PLACES], size_t *n, struct err *) must_check;

#endif
