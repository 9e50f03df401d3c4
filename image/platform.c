/*
 * platform.c: operating system, architecture and variant, under the names Go
 * gives them, and which variants serve in place of another.
 */
#include "lib/base.h"

#include "image/manifest.h"

/*
 * From most to least able: each runs what stands behind it. The last resort is
 * an entry without variant; names that mean the same as none are not listed.
 */
static const struct {
	const char	*architecture;
	const char	*same_as_none;
	bool		 any;		/* no variant wished: all of these will do */
	const char	*variants[5];
} tables[] = {
	{ "arm", NULL, true, { "v8", "v7", "v6", "v5" } },
	{ "arm64", "v8", false, { NULL } },
	{ "amd64", "v1", false, { "v4", "v3", "v2" } },
};

void
platform_host(struct platform *out)
{
	*out = (struct platform){
		.os = "linux",
#if defined(__x86_64__)
		.architecture = "amd64",
#elif defined(__aarch64__)
		.architecture = "arm64",
#elif defined(__s390x__)
		.architecture = "s390x",
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
		.architecture = "ppc64le",
#elif defined(__riscv) && __riscv_xlen == 64
		.architecture = "riscv64",
#elif defined(__loongarch64)
		.architecture = "loong64",
#else
#error "name this architecture as Go does"
#endif
	};
}

static bool
word_ok(const char *s)
{
	return *s != '\0' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-")] == '\0';
}

int
platform_parse(struct span text, struct platform *out, struct err *e)
{
	struct platform p = { 0 };
	struct span rest = text, os = { 0 }, architecture = { 0 }, variant = { 0 };
	bool good;

	good = span_split(&rest, '/', &os) && span_split(&rest, '/', &architecture);
	if (good && rest.len > 0) {
		variant = rest;
		good = span_to_cstr(variant, p.variant, sizeof(p.variant)) && word_ok(p.variant);
	}
	if (!good || !span_to_cstr(os, p.os, sizeof(p.os)) || !word_ok(p.os) ||
	    !span_to_cstr(architecture, p.architecture, sizeof(p.architecture)) ||
	    !word_ok(p.architecture))
		return err_set(e, ERR_PARSE, "platform \"%.*s\": write it as linux/amd64 or "
		    "linux/arm/v7", (int)MIN(text.len, 80), (const char *)text.p);
	*out = p;
	return 0;
}

int
platform_from_json(struct json_val v, const char *what, struct platform *out, struct err *e)
{
	struct platform p = { 0 };
	struct json_val variant = json_get(v, "variant");
	int rc;

	if (!json_is(v, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "%s is not an object", what);
	rc = json_cstr(json_get(v, "os"), "os", p.os, sizeof(p.os), e);
	if (rc == 0)
		rc = json_cstr(json_get(v, "architecture"), "architecture", p.architecture,
		    sizeof(p.architecture), e);
	if (rc == 0 && json_ok(variant))
		rc = json_cstr(variant, "variant", p.variant, sizeof(p.variant), e);
	if (rc < 0)
		return err_wrap(e, "%s", what);
	*out = p;
	return 0;
}

void
platform_format(const struct platform *p, char out[PLATFORM_TEXT])
{
	snprintf(out, PLATFORM_TEXT, "%s/%s%s%s", p->os, p->architecture,
	    p->variant[0] != '\0' ? "/" : "", p->variant);
}

/* Rank of a variant by the table of its architecture; offer and want are not the same. */
static int
rank_by_table(size_t table, const char *offer, const char *want)
{
	int from = -1, at = -1, n = 0;

	for (; tables[table].variants[n] != NULL; n++) {
		if (strcmp(tables[table].variants[n], want) == 0)
			from = n;
		if (strcmp(tables[table].variants[n], offer) == 0)
			at = n;
	}
	if (want[0] == '\0')
		return tables[table].any && at >= 0 ? 1 + at : -1;
	if (offer[0] == '\0')
		return 1 + n;
	return from >= 0 && at > from ? at - from : -1;
}

int
platform_rank(const struct platform *offer, const struct platform *want)
{
	const char *offered = offer->variant, *wanted = want->variant;
	size_t i = 0;

	if (strcmp(offer->os, want->os) != 0 ||
	    strcmp(offer->architecture, want->architecture) != 0)
		return -1;
	while (i < ARRAY_LEN(tables) && strcmp(tables[i].architecture, want->architecture) != 0)
		i++;
	if (i < ARRAY_LEN(tables) && tables[i].same_as_none != NULL) {
		offered = strcmp(offered, tables[i].same_as_none) == 0 ? "" : offered;
		wanted = strcmp(wanted, tables[i].same_as_none) == 0 ? "" : wanted;
	}
	if (strcmp(offered, wanted) == 0)
		return 0;
	if (i < ARRAY_LEN(tables))
		return rank_by_table(i, offered, wanted);
	return offered[0] == '\0' ? 1 : -1;
}
