/*
 * scope.c: tells policy scopes that can match from those that never will. A scope
 * that silently matches nothing leaves its images to a broader one, which may accept
 * everything: here it is an error.
 */
#include "lib/base.h"

#include "image/policy.h"

#define NAME_MAX_LEN	255

static bool
has(struct span s, char c)
{
	return s.len > 0 && memchr(s.p, c, s.len) != NULL;
}

static bool
has_scheme(struct span s)
{
	for (size_t i = 0; i + 3 <= s.len; i++)
		if (memcmp(s.p + i, "://", 3) == 0)
			return true;
	return false;
}

static const char *
wildcard_complaint(struct span s)
{
	struct span host;

	if (s.len == 1)
		return "matches nothing; write \"\" for all images of docker";
	if (s.p[1] != '.' || has((struct span){ s.p + 1, s.len - 1 }, '*'))
		return "may have a * only as the first label, as in *.example.org";
	host = (struct span){ s.p + 2, s.len - 2 };
	if (has(host, '/'))
		return "may not go on behind the host; a wildcard stands for whole hosts";
	if (has(host, ':'))
		return "may not name a port; a wildcard stands for hosts with any port";
	return image_ref_domain_ok(host) ? NULL : "is not *. and a domain";
}

static const char *
domain_complaint(struct span domain)
{
	if (span_eq_str(domain, "index.docker.io"))
		return "matches nothing; write docker.io";
	if (!image_ref_is_domain(domain))
		return "is short; write the domain, too, as in docker.io/library/busybox";
	if (!image_ref_domain_ok(domain))
		return "does not begin with a host[:port]; write names in full, as in "
		    "docker.io/library/busybox:1";
	return NULL;
}

static const char *
path_complaint(struct span path)
{
	if (image_ref_path_ok(path))
		return NULL;
	for (size_t i = 0; i < path.len; i++)
		if (path.p[i] >= 'A' && path.p[i] <= 'Z')
			return "has upper case in the repository; those are always lower case";
	return "is not a domain and a repository";
}

/* domain/path with ":tag" or "@digest" behind it. */
static const char *
identity_complaint(struct span domain, struct span rest, struct span digest, bool has_digest)
{
	struct span path = rest, tag = { 0 };
	struct digest parsed;
	struct err ignored;
	bool has_tag = has(rest, ':');

	if (has_tag) {
		(void)span_split(&rest, ':', &path);
		tag = rest;
	}
	if (path_complaint(path) != NULL)
		return path_complaint(path);
	if (domain.len + 1 + path.len > NAME_MAX_LEN)
		return "is longer than any name";
	if (has_tag && has_digest)
		return "has both tag and digest; the tag takes no part then, leave it out";
	if (has_tag && !image_ref_tag_ok(tag))
		return "has something behind the colon that is not a tag";
	if (has_digest && digest_parse(digest, &parsed, &ignored) < 0)
		return "has something behind the @ that is not a digest";
	if ((has_tag || has_digest) && span_eq_str(domain, "docker.io") && !has(path, '/'))
		return "is short; write docker.io/library/ and the name";
	return NULL;
}

static const char *
docker_complaint(struct span s)
{
	struct span name, domain;
	bool has_digest = has(s, '@');

	if (has_scheme(s))
		return "has a scheme; write the name without it";
	if (s.p[0] == '*')
		return wildcard_complaint(s);
	if (has(s, '*'))
		return "may have a * only as the first label, as in *.example.org";
	if (s.p[s.len - 1] == '/')
		return "ends in /; leave it out";
	if (!span_split(&s, '@', &name) || !span_split(&name, '/', &domain))
		return "is not a name";
	if (domain_complaint(domain) != NULL)
		return domain_complaint(domain);
	if (name.len == 0)
		return has_digest ? "has a digest but no repository" : NULL;
	return identity_complaint(domain, name, s, has_digest);
}

static const char *
path_scope_complaint(struct span s)
{
	struct span part;

	if (s.p[0] != '/')
		return "is not an absolute path";
	if (s.len == 1)
		return "is the root; write \"\" for all directories";
	if (has(s, ':'))
		return "has a colon; name the path without a tag";
	if (s.p[s.len - 1] == '/')
		return "ends in /; leave it out";
	s = (struct span){ s.p + 1, s.len - 1 };
	while (span_split(&s, '/', &part))
		if (part.len == 0 || span_eq_str(part, ".") || span_eq_str(part, ".."))
			return "is not a clean path; leave out empty parts, . and ..";
	return NULL;
}

const char *
policy_scope_complaint(enum transport transport, struct span scope)
{
	if (scope.len == 0)
		return NULL;
	switch (transport) {
	case TRANSPORT_DOCKER:
		return docker_complaint(scope);
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
		return path_scope_complaint(scope);
	case TRANSPORT_DOCKER_ARCHIVE:
		break;
	}
	return "matches nothing; \"\" is the only scope of docker-archive";
}
