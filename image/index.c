/*
 * index.c: picks the manifest for a platform from an index (OCI) or manifest
 * list (docker). Every entry is checked, also those that are not taken.
 */
#include "lib/base.h"

#include "image/manifest.h"

#define OFFER_MAX	160	/* of the text that lists what there is */

struct entry {
	struct descriptor	desc;
	struct platform		platform;
	bool			has_platform;
	bool			eligible;	/* a manifest or index of an image */
	bool			nested;
};

struct choice {
	struct entry	best, only;
	int		rank;		/* of best; -1 when there is none yet */
	size_t		neligible;
	char		offers[OFFER_MAX];
	bool		more_offers;	/* than there was room for */
};

static const struct {
	const char	*media_type;
	bool		 index;
} entry_types[] = {
	{ "application/vnd.oci.image.manifest.v1+json", false },
	{ "application/vnd.docker.distribution.manifest.v2+json", false },
	{ "application/vnd.oci.image.index.v1+json", true },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", true },
};

/* Build records and the like, stored next to the images they describe. */
static bool
is_attachment(struct json_val v, const struct entry *en)
{
	struct json_val type = json_get(v, "artifactType");
	struct json_val refers = json_get(en->desc.annotations, "vnd.docker.reference.type");

	return (json_ok(type) && !json_str_eq(type, "")) ||
	    json_str_eq(refers, "attestation-manifest") ||
	    (strcmp(en->platform.os, "unknown") == 0 &&
	    strcmp(en->platform.architecture, "unknown") == 0);
}

static int
parse_entry(struct json_val v, const char *what, struct entry *out, struct err *e)
{
	struct entry en = { 0 };
	struct json_val platform = json_get(v, "platform");
	int rc = descriptor_parse(v, what, &en.desc, e);

	if (rc == 0 && json_ok(platform) && !json_is(platform, JSON_NULL)) {
		en.has_platform = true;
		rc = platform_from_json(platform, "platform", &en.platform, e);
		if (rc < 0)
			rc = err_wrap(e, "%s", what);
	}
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(entry_types); i++) {
		if (strcmp(en.desc.media_type, entry_types[i].media_type) != 0)
			continue;
		en.eligible = !is_attachment(v, &en);
		en.nested = entry_types[i].index;
	}
	*out = en;
	return 0;
}

static void
note_offer(const struct platform *p, struct choice *c)
{
	char text[PLATFORM_TEXT];
	size_t used = strlen(c->offers);

	platform_format(p, text);
	if (used + 2 + strlen(text) < sizeof(c->offers))
		snprintf(c->offers + used, sizeof(c->offers) - used, "%s%s",
		    used > 0 ? ", " : "", text);
	else
		c->more_offers = true;
}

static void
consider(const struct entry *en, const struct platform *want, struct choice *c)
{
	int rank;

	if (!en->eligible)
		return;
	c->neligible++;
	c->only = *en;
	if (!en->has_platform)
		return;
	note_offer(&en->platform, c);
	rank = platform_rank(&en->platform, want);
	if (rank < 0 || (c->rank >= 0 && rank >= c->rank))
		return;
	c->best = *en;
	c->rank = rank;
}

static int
consider_all(struct json_val list, const struct platform *want, struct choice *c, struct err *e)
{
	struct json_iter it = json_iter(list);

	if (!json_is(list, JSON_ARRAY))
		return err_set(e, ERR_PARSE, "manifests is not an array");
	if (json_count(list) > LIMIT_INDEX_ENTRIES)
		return err_set(e, ERR_LIMIT, "%zu entries, more than %d", json_count(list),
		    LIMIT_INDEX_ENTRIES);
	for (size_t i = 0; json_next(&it); i++) {
		struct entry en;
		char what[32];
		int rc;

		snprintf(what, sizeof(what), "manifests[%zu]", i);
		rc = parse_entry(it.val, what, &en, e);
		if (rc < 0)
			return rc;
		consider(&en, want, c);
	}
	return 0;
}

static int
no_match(const struct choice *c, const struct platform *want, struct err *e)
{
	char text[PLATFORM_TEXT];

	platform_format(want, text);
	return err_set(e, ERR_IMAGE, "the image is not made for %s; there is: %s%s", text,
	    c->offers[0] != '\0' ? c->offers : "nothing that names its platform",
	    c->more_offers ? ", ..." : "");
}

int
index_select(struct span text, const char *content_type, const struct platform *want,
    struct descriptor *out, bool *nested, struct err *e)
{
	struct choice c = { .rank = -1 };
	autojson doc = NULL;
	enum document_kind kind;
	int rc;

	if (text.len > LIMIT_MANIFEST)
		return err_set(e, ERR_LIMIT, "an index of %zu bytes", text.len);
	rc = json_parse(text, &doc, e);
	if (rc == 0)
		rc = document_kind(doc, content_type, &kind, e);
	if (rc == 0 && kind != DOCUMENT_INDEX)
		rc = err_set(e, ERR_IMAGE, "a manifest stands where an index is needed");
	if (rc == 0)
		rc = consider_all(json_get(json_root(doc), "manifests"), want, &c, e);
	if (rc < 0) {
		if (e->code == ERR_PARSE)
			e->code = ERR_IMAGE;
		return err_wrap(e, "index");
	}
	/* An entry that does not say what it is for will do only where there is no other. */
	if (c.rank < 0 && c.neligible == 1 && !c.only.has_platform)
		c.best = c.only;
	else if (c.rank < 0)
		return no_match(&c, want, e);
	c.best.desc.annotations = (struct json_val){ 0 };	/* the document ends here */
	*out = c.best.desc;
	*nested = c.best.nested;
	return 0;
}
