/*
 * reference.h: names of images, by the grammar and normalisation of
 * containers/image (docker/reference): "busybox" is docker.io/library/busybox:latest.
 * Pure: no file, no network.
 */
#ifndef IMAGE_REFERENCE_H
#define IMAGE_REFERENCE_H

#include "image/digest.h"
#include "lib/limits.h"

enum transport {
	TRANSPORT_DOCKER,		/* a registry */
	TRANSPORT_OCI,			/* an image layout in a directory */
	TRANSPORT_OCI_ARCHIVE,		/* the same as a tar file */
	TRANSPORT_DOCKER_ARCHIVE,	/* what docker save writes */
};

struct image_ref {
	enum transport	transport;
	char		domain[256];	/* host[:port]; "docker.io" for the default; docker-archive: may be "" */
	char		path[256];	/* "library/busybox"; domain + "/" + path <= 255 */
	char		tag[129];	/* "" when none; docker: "latest" if there is no digest either */
	bool		has_digest;
	struct digest	digest;
	char		dir[4096];	/* all but docker: directory or file; the name in it (may be "") is in `tag` */
};

/*
 * "docker://NAME", "oci:DIR[:NAME]", "oci-archive:FILE[:NAME]", "docker-archive:FILE[:REF]", or a bare NAME
 * (as kata-agent sends it). In place of the NAME or REF in a directory or file, "@N" is its image number N.
 * -ERR_PARSE with what is wrong; -ERR_UNSUPPORTED for other known transports;
 * -ERR_LIMIT for names longer than LIMIT_REFERENCE. DIR and FILE must not hold a colon: the
 * rest would be taken for a tag by others. The name "oci:x" is such a DIR; the image
 * called oci on docker.io is "docker://oci:x".
 */
int image_ref_parse(struct span, struct image_ref *out, struct err *) must_check;
/* Only the docker grammar, without transport. */
int image_ref_parse_docker(struct span, struct image_ref *out, struct err *) must_check;
/* The same, but a name without tag and digest gets no tag: what policies and signatures say is meant as it stands. */
int image_ref_parse_named(struct span, struct image_ref *out, struct err *) must_check;

/* Its name: "docker", "oci", … */
const char *image_ref_transport(enum transport);
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
/* "@N" of an image in a directory or file: true and the number. */
bool image_ref_position(const char *tag, uint64_t *out);
/* Is the part before the first "/" a domain ("." or ":" in it, or "localhost")? */
bool image_ref_is_domain(struct span first);

#endif
