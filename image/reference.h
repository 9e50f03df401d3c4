/*
 * reference.h: names of images, by the grammar and normalisation of
 * containers/image (docker/reference): "busybox" is docker.io/library/busybox:latest.
 * Pure: no file, no network.
 */
#ifndef IMAGE_REFERENCE_H
#define IMAGE_REFERENCE_H

#include "image/digest.h"
#include "lib/limits.h"

enum transport { TRANSPORT_DOCKER, TRANSPORT_OCI };

struct image_ref {
	enum transport	transport;
	char		domain[256];	/* docker: host[:port]; "docker.io" for the default */
	char		path[256];	/* docker: "library/busybox"; domain + "/" + path <= 255 */
	char		tag[129];	/* "" when none; "latest" if there is no digest either */
	bool		has_digest;
	struct digest	digest;
	char		dir[4096];	/* oci: the directory; its tag (may be "") is in `tag` */
};

/*
 * "docker://NAME", "oci:DIR[:TAG]", or a bare NAME (as kata-agent sends it).
 * -ERR_PARSE with what is wrong; -ERR_UNSUPPORTED for other known transports;
 * -ERR_LIMIT for names longer than LIMIT_REFERENCE. DIR must not hold a colon: the
 * rest would be taken for a tag by others. The name "oci:x" is such a DIR; the image
 * called oci on docker.io is "docker://oci:x".
 */
int image_ref_parse(struct span, struct image_ref *out, struct err *) must_check;
/* Only the docker grammar, without transport. */
int image_ref_parse_docker(struct span, struct image_ref *out, struct err *) must_check;

/* The host to contact: docker.io is registry-1.docker.io, else the domain. */
const char *image_ref_host(const struct image_ref *);
/* What is asked for: the digest text if there is one, else the tag. */
const char *image_ref_wanted(const struct image_ref *);
/*
 * The name for people, and the one the policy is asked about: with a digest the tag
 * is dropped (image references with both are treated as by digest). out >= LIMIT_REFERENCE + 1.
 */
void image_ref_format(const struct image_ref *, char *out, size_t size);

/* Parts of the grammar, for policy scopes and realms. */
bool image_ref_domain_ok(struct span);	/* host[:port] */
bool image_ref_path_ok(struct span);	/* lower-case components joined by "/" */
bool image_ref_tag_ok(struct span);
/* Is the part before the first "/" a domain ("." or ":" in it, or "localhost")? */
bool image_ref_is_domain(struct span first);

#endif
