/*
 * simple_signing.c: payloads of signatures and the rules by which the name in them is compared with the
 * image's. Names are compared after normalisation, as fields, never as pieces of text.
 */
#include "lib/base.h"

#include "image/simple_signing.h"

#define TYPE_GPG	"atomic container signature"
#define TYPE_COSIGN	"cosign container image signature"

/* An object with exactly these members. */
static int
exactly(struct json_val v, const char *what, const char *const members[], struct err *e)
{
	if (!json_is(v, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "payload: %s is not an object", what);
	for (size_t i = 0; members[i] != NULL; i++)
		if (!json_ok(json_get(v, members[i])))
			return err_set(e, ERR_PARSE, "payload: %s has no member %s", what, members[i]);
	return json_only(v, what, members, e);
}

/* An integer as Go reads one: a sign and digits. */
static bool
is_integer(struct json_val v)
{
	struct span s = json_is(v, JSON_NUMBER) ? json_raw(v) : (struct span){ NULL, 0 };
	uint64_t ignored;

	if (s.len > 0 && s.p[0] == '-')
		s = (struct span){ s.p + 1, s.len - 1 };
	return span_decimal(s, INT64_MAX, &ignored);
}

static int
check_optional(struct json_val v, enum payload_kind kind, struct err *e)
{
	struct json_val creator = json_get(v, "creator"), timestamp = json_get(v, "timestamp");

	if (kind == PAYLOAD_COSIGN && json_is(v, JSON_NULL))
		return 0;
	if (!json_is(v, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "payload: optional is not an object");
	if (json_ok(creator) && !json_is(creator, JSON_STRING))
		return err_set(e, ERR_PARSE, "payload: optional.creator is not a string");
	if (json_ok(timestamp) && !is_integer(timestamp))
		return err_set(e, ERR_PARSE, "payload: optional.timestamp is not an integer");
	return 0;
}

static int
read_critical(struct json_val v, enum payload_kind kind, struct payload *p, struct err *e)
{
	static const char *const members[] = { "type", "image", "identity", NULL };
	static const char *const image_members[] = { "docker-manifest-digest", NULL };
	static const char *const identity_members[] = { "docker-reference", NULL };
	const char *type = kind == PAYLOAD_GPG ? TYPE_GPG : TYPE_COSIGN;
	struct json_val image = json_get(v, "image"), identity = json_get(v, "identity");
	char digest[sizeof(p->digest.text)];
	int rc = exactly(v, "critical", members, e);

	if (rc == 0 && !json_str_eq(json_get(v, "type"), type))
		rc = err_set(e, ERR_PARSE, "payload: critical.type is not \"%s\"", type);
	if (rc == 0)
		rc = exactly(image, "critical.image", image_members, e);
	if (rc == 0)
		rc = exactly(identity, "critical.identity", identity_members, e);
	if (rc == 0)
		rc = json_cstr(json_get(image, image_members[0]), "docker-manifest-digest", digest,
		    sizeof(digest), e);
	if (rc == 0)
		rc = digest_parse(span_str(digest), &p->digest, e);
	if (rc == 0)
		rc = json_cstr(json_get(identity, identity_members[0]), "docker-reference", p->reference,
		    sizeof(p->reference), e);
	return rc;
}

int
payload_parse(struct span text, enum payload_kind kind, struct payload *out, struct err *e)
{
	static const char *const members[] = { "critical", "optional", NULL };
	struct payload p = { 0 };
	autojson doc = NULL;
	struct json_val root;
	int rc = json_parse(text, &doc, e);

	if (rc < 0)
		return err_wrap(e, "payload");
	root = json_root(doc);
	rc = exactly(root, "the document", members, e);
	if (rc == 0)
		rc = read_critical(json_get(root, "critical"), kind, &p, e);
	if (rc == 0)
		rc = check_optional(json_get(root, "optional"), kind, e);
	if (rc == 0)
		*out = p;
	return rc;
}

static const struct {
	const char	*type;
	const char	*members[4];
} rules[] = {
	[MATCH_REPO_DIGEST_OR_EXACT] = { "matchRepoDigestOrExact", { "type" } },
	[MATCH_EXACT] = { "matchExact", { "type" } },
	[MATCH_REPOSITORY] = { "matchRepository", { "type" } },
	[EXACT_REFERENCE] = { "exactReference", { "type", "dockerReference" } },
	[EXACT_REPOSITORY] = { "exactRepository", { "type", "dockerRepository" } },
	[REMAP_IDENTITY] = { "remapIdentity", { "type", "prefix", "signedPrefix" } },
};

const char *
identity_name(const struct identity *id)
{
	return rules[id->rule].type;
}

static bool
has_tag_or_digest(const struct image_ref *r)
{
	return r->tag[0] != '\0' || r->has_digest;
}

/* host[:port], or with a path behind; no tag, no digest. */
static bool
prefix_ok(const char *text)
{
	struct span rest = span_str(text), domain;

	if (!span_split(&rest, '/', &domain) || !image_ref_domain_ok(domain))
		return false;
	return domain.len == strlen(text) || image_ref_path_ok(rest);
}

static int
check_names(const struct identity *id, struct err *e)
{
	struct image_ref r;

	if (id->rule == REMAP_IDENTITY) {
		if (prefix_ok(id->name) && prefix_ok(id->signed_prefix))
			return 0;
		return err_set(e, ERR_PARSE, "signedIdentity: prefix and signedPrefix are host[:port], and a path "
		    "without tag and digest");
	}
	if (image_ref_parse_named(span_str(id->name), &r, e) < 0)
		return err_wrap(e, "signedIdentity");
	if (id->rule == EXACT_REFERENCE && !has_tag_or_digest(&r))
		return err_set(e, ERR_PARSE, "signedIdentity: dockerReference has neither tag nor digest");
	return 0;
}

int
identity_parse(struct json_val v, struct identity *out, struct err *e)
{
	struct identity id = { .rule = MATCH_REPO_DIGEST_OR_EXACT };
	size_t rule = 0;
	int rc;

	if (!json_ok(v)) {
		*out = id;
		return 0;
	}
	while (rule < ARRAY_LEN(rules) && !json_str_eq(json_get(v, "type"), rules[rule].type))
		rule++;
	if (rule == ARRAY_LEN(rules))
		return err_set(e, ERR_PARSE, "signedIdentity: its type is missing or unknown");
	id.rule = (enum identity_rule)rule;
	rc = json_only(v, "signedIdentity", rules[rule].members, e);
	if (rc == 0 && rules[rule].members[1] != NULL)
		rc = json_cstr(json_get(v, rules[rule].members[1]), rules[rule].members[1], id.name,
		    sizeof(id.name), e);
	if (rc == 0 && rules[rule].members[2] != NULL)
		rc = json_cstr(json_get(v, rules[rule].members[2]), rules[rule].members[2],
		    id.signed_prefix, sizeof(id.signed_prefix), e);
	if (rc == 0 && rules[rule].members[1] != NULL)
		rc = check_names(&id, e);
	if (rc == 0)
		*out = id;
	return rc;
}

static bool
same_repository(const struct image_ref *a, const struct image_ref *b)
{
	return strcmp(a->domain, b->domain) == 0 && strcmp(a->path, b->path) == 0;
}

/* Both with tag or digest, and the same in every part. */
static bool
same_reference(const struct image_ref *a, const struct image_ref *b)
{
	return has_tag_or_digest(a) && has_tag_or_digest(b) && same_repository(a, b) &&
	    strcmp(a->tag, b->tag) == 0 && a->has_digest == b->has_digest &&
	    (!a->has_digest || digest_equal(&a->digest, &b->digest));
}

/* For a digest any name of the repository will do: that the digest is the signed one is checked by itself. */
static bool
repo_digest_or_exact(const struct image_ref *image, const struct image_ref *signed_ref)
{
	if (!image->has_digest)
		return same_reference(image, signed_ref);
	return has_tag_or_digest(signed_ref) && same_repository(image, signed_ref);
}

/* image under its new name; false when that is none. Names that prefix does not lead keep theirs. */
static bool
remap(const struct identity *id, const struct image_ref *image, struct image_ref *out)
{
	size_t len = strlen(id->name);
	char name[sizeof(image->domain) + sizeof(image->path)], text[sizeof(name) + sizeof(id->signed_prefix)];
	struct err ignored;

	*out = *image;
	snprintf(name, sizeof(name), "%s/%s", image->domain, image->path);
	if (strncmp(name, id->name, len) != 0 || (name[len] != '\0' && name[len] != '/'))
		return true;
	snprintf(text, sizeof(text), "%s%s", id->signed_prefix, name + len);
	if (image_ref_parse_named(span_str(text), out, &ignored) < 0)
		return false;
	/* A short name would have got a domain that nobody wrote. */
	snprintf(name, sizeof(name), "%s/%s", out->domain, out->path);
	if (strcmp(name, text) != 0)
		return false;
	memcpy(out->tag, image->tag, sizeof(out->tag));
	out->has_digest = image->has_digest;
	out->digest = image->digest;
	return true;
}

/* exactReference and exactRepository: the name stands in the policy, the image's own takes no part. */
static bool
accepts_named(const struct identity *id, const struct image_ref *signed_ref)
{
	struct image_ref want;
	struct err ignored;

	if (image_ref_parse_named(span_str(id->name), &want, &ignored) < 0)
		return false;
	return id->rule == EXACT_REFERENCE ? same_reference(&want, signed_ref) :
	    same_repository(&want, signed_ref);
}

bool
identity_accepts(const struct identity *id, const struct image_ref *image, const char *signed_as)
{
	struct image_ref own = *image, signed_ref, other;
	struct err ignored;

	if (image_ref_parse_named(span_str(signed_as), &signed_ref, &ignored) < 0)
		return false;
	if (id->rule == EXACT_REFERENCE || id->rule == EXACT_REPOSITORY)
		return accepts_named(id, &signed_ref);
	if (image->transport != TRANSPORT_DOCKER)
		return false;
	if (own.has_digest)
		memset(own.tag, 0, sizeof(own.tag));
	switch (id->rule) {
	case MATCH_EXACT:
		return same_reference(&own, &signed_ref);
	case MATCH_REPO_DIGEST_OR_EXACT:
		return repo_digest_or_exact(&own, &signed_ref);
	case MATCH_REPOSITORY:
		return same_repository(&own, &signed_ref);
	case REMAP_IDENTITY:
		return remap(id, &own, &other) && repo_digest_or_exact(&other, &signed_ref);
	case EXACT_REFERENCE:
	case EXACT_REPOSITORY:
		break;
	}
	return false;
}
