/*
 * reference.c: names of images. Every byte of a name is matched by a class in
 * the grammar below before it is copied, so what comes out can be put into a URL
 * as it is. Grammar and normalisation are those of docker/reference.
 */
#include "lib/base.h"

#include "image/reference.h"

#define NAME_MAX_LEN	255	/* domain + "/" + path */
#define TAG_MAX_LEN	128
#define DEFAULT_DOMAIN	"docker.io"

/* Transports of skopeo that cacao does not have. */
static const char *const other_transports[] = {
	"atomic", "containers-storage", "dir", "docker-daemon", "ostree", "sif", "tarball",
};

/* Those of files; the name of the registry's is "docker", too. */
static const struct {
	const char	*name;
	enum transport	 transport;
} local_transports[] = {
	{ "oci", TRANSPORT_OCI },
	{ "oci-archive", TRANSPORT_OCI_ARCHIVE },
	{ "docker-archive", TRANSPORT_DOCKER_ARCHIVE },
};

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool
is_lower(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_alnum(uint8_t c)
{
	return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool
is_hex(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Index of the first c, or the length when there is none. */
static size_t
find(struct span s, char c)
{
	size_t i = 0;

	while (i < s.len && s.p[i] != (uint8_t)c)
		i++;
	return i;
}

static struct span
head(struct span s, size_t n)
{
	return (struct span){ s.p, n };
}

static struct span
tail(struct span s, size_t from)
{
	return (struct span){ s.p + from, s.len - from };
}

static bool
label_ok(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	return s.len > 0 && s.p[0] != '-' && s.p[s.len - 1] != '-';
}

bool
image_ref_domain_ok(struct span s)
{
	size_t colon = find(s, ':');
	struct span host = head(s, colon);
	uint64_t port;

	if (colon < s.len && (!span_decimal(tail(s, colon + 1), 65535, &port) || port == 0))
		return false;
	for (;;) {
		size_t dot = find(host, '.');

		if (!label_ok(head(host, dot)))
			return false;
		if (dot == host.len)
			return true;
		host = tail(host, dot + 1);
	}
}

/* Between two letters or digits: one ".", "_", "__", or any number of "-". */
static bool
separator_ok(struct span s)
{
	for (size_t i = 1; i < s.len; i++)
		if (s.p[i] != s.p[0])
			return false;
	switch (s.p[0]) {
	case '.':
		return s.len == 1;
	case '_':
		return s.len <= 2;
	default:
		return s.p[0] == '-';
	}
}

static bool
component_ok(struct span s)
{
	size_t i = 0;

	for (;;) {
		size_t from = i;

		while (i < s.len && (is_lower(s.p[i]) || is_digit(s.p[i])))
			i++;
		if (i == from)
			return false;
		if (i == s.len)
			return true;
		from = i;
		while (i < s.len && !is_lower(s.p[i]) && !is_digit(s.p[i]))
			i++;
		if (!separator_ok((struct span){ s.p + from, i - from }))
			return false;
	}
}

bool
image_ref_path_ok(struct span s)
{
	for (;;) {
		size_t slash = find(s, '/');

		if (!component_ok(head(s, slash)))
			return false;
		if (slash == s.len)
			return true;
		s = tail(s, slash + 1);
	}
}

bool
image_ref_tag_ok(struct span s)
{
	if (s.len == 0 || s.len > TAG_MAX_LEN || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '.' && s.p[i] != '-')
			return false;
	return true;
}

bool
image_ref_is_domain(struct span s)
{
	return find(s, '.') < s.len || find(s, ':') < s.len || span_eq_str(s, "localhost");
}

static bool
looks_like_id(struct span s)
{
	size_t i = 0;

	while (i < s.len && is_hex(s.p[i]))
		i++;
	return s.len == 64 && i == s.len;
}

static int
parse_error(struct err *e, struct span text, const char *why)
{
	return err_set(e, ERR_PARSE, "image name \"%.*s\": %s",
	    (int)MIN(text.len, 200), (const char *)text.p, why);
}

/* Takes "@digest" off the end. */
static int
cut_digest(struct span *s, struct image_ref *r, struct err *e)
{
	size_t at = find(*s, '@');
	int rc;

	if (at == s->len)
		return 0;
	rc = digest_parse(tail(*s, at + 1), &r->digest, e);
	if (rc < 0)
		return err_wrap(e, "image name");
	r->has_digest = true;
	*s = head(*s, at);
	return 0;
}

/* Takes ":tag" off the end: behind the last colon, if no "/" comes after it. */
static int
cut_tag(struct span *s, struct image_ref *r, struct err *e)
{
	size_t colon = s->len;

	while (colon > 0 && s->p[colon - 1] != ':' && s->p[colon - 1] != '/')
		colon--;
	if (colon == 0 || s->p[colon - 1] == '/')
		return 0;
	if (!image_ref_tag_ok(tail(*s, colon)) ||
	    !span_to_cstr(tail(*s, colon), r->tag, sizeof(r->tag)))
		return parse_error(e, *s, "a tag is 1 to 128 of A-Z a-z 0-9 _ . - and does not "
		    "begin with . or -");
	*s = head(*s, colon - 1);
	return 0;
}

static const char *
path_complaint(struct span path)
{
	for (size_t i = 0; i < path.len; i++)
		if (path.p[i] >= 'A' && path.p[i] <= 'Z')
			return "the repository must be in lower case";
	return "the repository must be a-z 0-9, with single . _ __ or - between, in parts "
	    "joined by /";
}

/* What is left is domain and path: checks, completes and stores them. */
static int
set_name(struct span name, struct image_ref *r, struct err *e)
{
	struct span domain = span_str(DEFAULT_DOMAIN), path = name;
	const char *prefix = "";
	size_t slash = find(name, '/');

	if (slash < name.len && image_ref_is_domain(head(name, slash))) {
		domain = head(name, slash);
		path = tail(name, slash + 1);
	}
	if (span_eq_str(domain, "index.docker.io"))
		domain = span_str(DEFAULT_DOMAIN);
	if (span_eq_str(domain, DEFAULT_DOMAIN) && find(path, '/') == path.len)
		prefix = "library/";
	if (!image_ref_domain_ok(domain))
		return parse_error(e, name, "the part before the first / is not a host[:port]");
	if (!image_ref_path_ok(path))
		return parse_error(e, name, path_complaint(path));
	if (domain.len + 1 + strlen(prefix) + path.len > NAME_MAX_LEN)
		return parse_error(e, name, "longer than 255 characters");
	snprintf(r->domain, sizeof(r->domain), "%.*s", (int)domain.len, (const char *)domain.p);
	snprintf(r->path, sizeof(r->path), "%s%.*s", prefix, (int)path.len,
	    (const char *)path.p);
	return 0;
}

int
image_ref_parse_named(struct span text, struct image_ref *out, struct err *e)
{
	struct image_ref r = { .transport = TRANSPORT_DOCKER };
	struct span rest = text;
	int rc;

	if (text.len == 0)
		return err_set(e, ERR_PARSE, "the image name is empty");
	if (text.len > LIMIT_REFERENCE)
		return err_set(e, ERR_LIMIT, "image name of %zu bytes", text.len);
	if (looks_like_id(text))
		return parse_error(e, text, "an image id is no name");
	rc = cut_digest(&rest, &r, e);
	if (rc == 0)
		rc = cut_tag(&rest, &r, e);
	if (rc == 0)
		rc = set_name(rest, &r, e);
	if (rc == 0)
		*out = r;
	return rc;
}

int
image_ref_parse_docker(struct span text, struct image_ref *out, struct err *e)
{
	int rc = image_ref_parse_named(text, out, e);

	if (rc == 0 && out->tag[0] == '\0' && !out->has_digest)
		snprintf(out->tag, sizeof(out->tag), "latest");
	return rc;
}

/* What an image layout may call an image: letters and digits, joined by one of -._:@+/ or by "--". */
static bool
layout_name_ok(struct span s)
{
	size_t i = 0;

	for (;;) {
		size_t from = i;

		while (i < s.len && is_alnum(s.p[i]))
			i++;
		if (i == from)
			return false;
		if (i == s.len)
			return true;
		if (s.p[i] == 0 || strchr("-._:@+/", s.p[i]) == NULL)
			return false;
		i += i + 1 < s.len && s.p[i] == '-' && s.p[i + 1] == '-' ? 2 : 1;
	}
}

static bool
position_ok(struct span s)
{
	uint64_t ignored;

	return s.len > 1 && s.p[0] == '@' && span_decimal(tail(s, 1), LIMIT_INDEX_ENTRIES, &ignored);
}

bool
image_ref_position(const char *tag, uint64_t *out)
{
	return tag[0] == '@' && span_decimal(span_str(tag + 1), LIMIT_INDEX_ENTRIES, out);
}

static int
name_in_layout(struct span name, struct image_ref *r, struct err *e)
{
	if ((image_ref_tag_ok(name) || layout_name_ok(name) || position_ok(name)) &&
	    span_to_cstr(name, r->tag, sizeof(r->tag)))
		return 0;
	return err_set(e, ERR_PARSE, "%s: \"%.*s\" is no name of an image in it", r->dir,
	    (int)MIN(name.len, 150), (const char *)name.p);
}

/* Names in such an archive are those of docker, and always with a tag. */
static int
name_in_docker_archive(struct span name, struct image_ref *r, struct err *e)
{
	struct image_ref named;
	int rc;

	if (position_ok(name))
		return name_in_layout(name, r, e);
	rc = image_ref_parse_docker(name, &named, e);
	if (rc < 0)
		return rc;
	if (named.has_digest)
		return err_set(e, ERR_PARSE, "docker-archive: names in it have a tag, never a digest");
	memcpy(r->domain, named.domain, sizeof(r->domain));
	memcpy(r->path, named.path, sizeof(r->path));
	memcpy(r->tag, named.tag, sizeof(r->tag));
	return 0;
}

/* Like containers/image: the first colon ends the path, which may hold none itself. */
static int
parse_local(enum transport transport, struct span text, struct image_ref *out, struct err *e)
{
	struct image_ref r = { .transport = transport };
	size_t colon = find(text, ':');
	struct span name = tail(text, MIN(colon + 1, text.len));
	int rc = 0;

	if (colon == 0)
		return err_set(e, ERR_PARSE, "the image name has no path");
	if (!span_to_cstr(head(text, colon), r.dir, sizeof(r.dir)))
		return err_set(e, ERR_PARSE, "the path in the image name is too long or holds a NUL");
	if (name.len > 0 && transport == TRANSPORT_DOCKER_ARCHIVE)
		rc = name_in_docker_archive(name, &r, e);
	else if (name.len > 0)
		rc = name_in_layout(name, &r, e);
	if (rc == 0)
		*out = r;
	return rc;
}

int
image_ref_parse(struct span text, struct image_ref *out, struct err *e)
{
	size_t colon = find(text, ':');
	struct span rest, scheme = head(text, colon);

	if (text.len == 0)
		return err_set(e, ERR_PARSE, "the image name is empty");
	if (span_starts(text, "docker://"))
		return image_ref_parse_docker(tail(text, strlen("docker://")), out, e);
	rest = tail(text, colon);
	for (size_t i = 0; i < ARRAY_LEN(local_transports) && rest.len > 0; i++)
		if (span_eq_str(scheme, local_transports[i].name))
			return parse_local(local_transports[i].transport, tail(rest, 1), out, e);
	for (size_t i = 0; i < ARRAY_LEN(other_transports); i++)
		if (rest.len > 0 && span_eq_str(scheme, other_transports[i]))
			return err_set(e, ERR_UNSUPPORTED, "the transport %s: is not supported; there are "
			    "docker://, oci:, oci-archive: and docker-archive:", other_transports[i]);
	if (span_starts(rest, "://"))
		return parse_error(e, text, "no scheme but docker:// goes in front of a name");
	return image_ref_parse_docker(text, out, e);
}

const char *
image_ref_transport(enum transport t)
{
	for (size_t i = 0; i < ARRAY_LEN(local_transports); i++)
		if (local_transports[i].transport == t)
			return local_transports[i].name;
	return "docker";
}

const char *
image_ref_host(const struct image_ref *r)
{
	return strcmp(r->domain, DEFAULT_DOMAIN) == 0 ? "registry-1.docker.io" : r->domain;
}

const char *
image_ref_wanted(const struct image_ref *r)
{
	return r->has_digest ? r->digest.text : r->tag;
}

void
image_ref_format(const struct image_ref *r, char *out, size_t size)
{
	const char *colon = r->tag[0] != '\0' ? ":" : "";

	if (r->transport == TRANSPORT_DOCKER)
		snprintf(out, size, "%s/%s%s%s", r->domain, r->path, r->has_digest ? "@" : ":",
		    image_ref_wanted(r));
	else if (r->domain[0] != '\0')
		snprintf(out, size, "%s:%s:%s/%s:%s", image_ref_transport(r->transport), r->dir,
		    r->domain, r->path, r->tag);
	else
		snprintf(out, size, "%s:%s%s%s", image_ref_transport(r->transport), r->dir, colon, r->tag);
}
