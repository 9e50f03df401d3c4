/*
 * config_peer.c: the files of guest components' attestation agent and hub, of all versions, and the one key of kata-agent's file that
 * concerns us. They were written for other programs, so what is not known here is told of, and nothing else; but what is
 * known must be understood, and none of their switches turns a check off.
 */
#include "lib/base.h"

#include "agent/config_inside.h"
#include "agent/config_doc.h"

#include "image/registries.h"
#include "lib/log.h"

#define LEVELS	4		/* tables in tables, of those that we know */
#define PATH_SIZE	160

struct reader {
	struct config		*c;
	enum config_origin	 origin;
	const struct peer_key	*keys;
	bool			 image;		/* there is a table of this name */
};

struct peer_key {
	const char	*path;		/* NULL ends the table */
	int		(*take)(struct reader *, const struct peer_key *, struct doc_val, struct err *);
	enum setting	 set;
};

/* --- what becomes of a value */

static int
give(struct reader *r, enum setting s, const struct buf *text, struct doc_val v, struct err *e)
{
	return config_set(r->c, s, buf_span(text), r->origin, doc_line(v), e);
}

/* An empty text says nothing, as with the peers. */
static int
take_value(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	int rc = doc_text(v, &text, e);

	return rc < 0 || text.len == 0 ? rc : give(r, k->set, &text, v, e);
}

static int
take_nothing(maybe_unused struct reader *r, maybe_unused const struct peer_key *k, maybe_unused struct doc_val v,
    maybe_unused struct err *e)
{
	return 0;
}

/* One of Rust's words for a level as one of ours; NULL if it is none. */
static const char *
level_word(struct span word)
{
	static const char *const words[][2] = {
		{ "trace", "debug" }, { "debug", "debug" }, { "info", "info" }, { "warn", "warning" },
		{ "warning", "warning" }, { "error", "error" }, { "off", "error" },
	};
	char lower[16];

	if (!span_to_cstr(word, lower, sizeof(lower)))
		return NULL;
	for (char *p = lower; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(lower, words[i][0]) == 0)
			return words[i][1];
	return NULL;
}

/* "info,hyper=warn": the part for no module in particular counts; where there is none, nothing is said. */
static int
take_level(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	struct span left, part;
	const char *level = NULL;
	int rc = doc_text(v, &text, e);

	left = buf_span(&text);
	while (rc == 0 && span_split(&left, ',', &part)) {
		const char *found = level_word(part);

		if (found != NULL)
			level = found;
		else if (part.len > 0 && memchr(part.p, '=', part.len) == NULL)
			config_warn(r->c, "%s: there is no level of one of the names, so it does not count", k->path);
	}
	return rc < 0 || level == NULL ? rc : config_set(r->c, k->set, span_str(level), r->origin, doc_line(v), e);
}

static int
take_algorithm(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	int rc = doc_text(v, &text, e);

	if (rc == 0 && strcasecmp(buf_str(&text), "sha384") != 0 && strcasecmp(buf_str(&text), "sha-384") != 0)
		config_warn(r->c, "%s does not count: it is what the platform's registers take", k->path);
	return rc;
}

/* Up to 16 at a time; who asks for more gets that. */
static int
take_at_once(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	uint64_t n, max = settings[k->set].max;
	int rc = doc_text(v, &text, e);

	if (rc < 0)
		return rc;
	if (span_decimal(buf_span(&text), UINT32_MAX, &n) && n > max) {
		config_warn(r->c, "%s: %" PRIu64 " is the most", k->path, max);
		buf_reset(&text);
		rc = buf_addf(&text, e, "%" PRIu64, max);
	}
	return rc < 0 ? rc : give(r, k->set, &text, v, e);
}

/* What image-rs keeps there are layers. */
static int
take_work_dir(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	int rc = doc_text(v, &text, e);

	if (rc < 0 || text.len == 0)
		return rc;
	rc = buf_add_str(&text, text.data[text.len - 1] == '/' ? "cacao" : "/cacao", e);
	return rc < 0 ? rc : give(r, k->set, &text, v, e);
}

static int
take_socket(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	struct span path, scheme;
	int rc = doc_text(v, &text, e);

	if (rc < 0 || text.len == 0)
		return rc;
	path = buf_span(&text);
	if (!span_starts(path, "unix://"))
		return err_set(e, ERR_CONFIG, "must be unix:///…");
	(void)span_take(&path, strlen("unix://"), &scheme);
	return config_set(r->c, k->set, path, r->origin, doc_line(v), e);
}

/* Up to v0.13: one text for both. */
static int
take_proxy(struct reader *r, maybe_unused const struct peer_key *k, struct doc_val v, struct err *e)
{
	static const struct peer_key https = { .set = SET_IMAGE_HTTPS_PROXY }, http = { .set = SET_IMAGE_HTTP_PROXY };
	int rc = take_value(r, &https, v, e);

	return rc < 0 ? rc : take_value(r, &http, v, e);
}

/* A peer's switch does not turn a check off. */
static int
take_unsigned(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	int rc = doc_text(v, &text, e);

	if (rc == 0 && strcmp(buf_str(&text), "true") == 0)
		config_warn(r->c, "%s does not count: set %s = true in %s", k->path, settings[k->set].name, CONFIG_FILE);
	return rc;
}

static int
take_certificates(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	struct doc_iter it = doc_iter(v);
	autobuf all = BUF(LIMIT_TOML);
	int rc = 0;

	if (doc_kind(v) != DOC_LIST)
		return err_set(e, ERR_CONFIG, "must be a list of PEM certificates");
	while (rc == 0 && doc_next(&it)) {
		rc = doc_text(it.val, &all, e);
		if (rc == 0)
			rc = buf_add_u8(&all, '\n', e);
	}
	return rc < 0 || all.len == 0 ? rc : give(r, k->set, &all, v, e);
}

/* --- tables that become one value */

/* Members of a table that are not of the list are told of. */
static void
warn_others(struct reader *r, const char *path, struct doc_val table, const char *const known[])
{
	struct doc_iter it = doc_iter(table);

	while (doc_next(&it)) {
		size_t i = 0;

		while (known[i] != NULL && strcmp(it.key, known[i]) != 0)
			i++;
		if (known[i] == NULL)
			config_warn(r->c, "%s.%s is not known and does not count", path, it.key);
	}
}

/* A member's text, appended; *there tells whether it is there. */
static int
member(struct doc_val table, const char *name, struct buf *out, bool *there, struct err *e)
{
	struct doc_val v = doc_get(table, name);
	int rc;

	*there = doc_kind(v) != DOC_NOTHING;
	if (!*there)
		return 0;
	rc = doc_text(v, out, e);
	return rc < 0 ? err_wrap(e, "%s", name) : 0;
}

static int
need_table(struct doc_val v, struct err *e)
{
	return doc_kind(v) == DOC_TABLE ? 0 : err_set(e, ERR_CONFIG, "must be a table");
}

static int
take_kbc(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	static const char *const known[] = { "name", "url", "kbs_cert", NULL };
	autobuf params = BUF(LIMIT_TOML), cert = BUF(LIMIT_TOML);
	bool name, url, has_cert;
	int rc = need_table(v, e);

	if (rc == 0)
		rc = member(v, "name", &params, &name, e);
	if (rc == 0)
		rc = buf_add_str(&params, "::", e);
	if (rc == 0)
		rc = member(v, "url", &params, &url, e);
	if (rc == 0)
		rc = member(v, "kbs_cert", &cert, &has_cert, e);
	if (rc < 0)
		return rc;
	warn_others(r, k->path, v, known);
	if (!name)
		return err_set(e, ERR_CONFIG, "name is missing");
	rc = give(r, SET_KBC, &params, v, e);
	return rc < 0 || cert.len == 0 ? rc : give(r, SET_KBC_CERT, &cert, v, e);
}

static int
take_credential(struct reader *r, struct doc_val v, struct buf *lines, struct err *e)
{
	static const char *const known[] = { "resource_uri", "path", NULL };
	bool uri = false, path = false;
	int rc = need_table(v, e);

	if (rc == 0)
		rc = member(v, "resource_uri", lines, &uri, e);
	if (rc == 0)
		rc = buf_add_u8(lines, ' ', e);
	if (rc == 0)
		rc = member(v, "path", lines, &path, e);
	if (rc == 0)
		rc = buf_add_u8(lines, '\n', e);
	if (rc == 0 && (!uri || !path))
		rc = err_set(e, ERR_CONFIG, "each needs path and resource_uri");
	if (rc == 0)
		warn_others(r, "credentials", v, known);
	return rc;
}

static int
take_credentials(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	struct doc_iter it = doc_iter(v);
	autobuf lines = BUF(LIMIT_TOML);
	int rc = 0;

	if (doc_kind(v) != DOC_LIST)
		return err_set(e, ERR_CONFIG, "must be a list of tables");
	while (rc == 0 && doc_next(&it))
		rc = take_credential(r, it.val, &lines, e);
	return rc < 0 || lines.len == 0 ? rc : give(r, k->set, &lines, v, e);
}

/* --- registry_config: written again as TOML, which is what reads it later */

static int
write_text(struct doc_val v, struct buf *out, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	int rc = doc_text(v, &text, e);

	return rc < 0 ? rc : config_quote(buf_span(&text), out, e);
}

static int
write_flag(struct doc_val v, struct buf *out, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML);
	int rc = doc_text(v, &text, e);

	if (rc == 0 && strcmp(buf_str(&text), "true") != 0 && strcmp(buf_str(&text), "false") != 0)
		return err_set(e, ERR_CONFIG, "must be true or false");
	return rc < 0 ? rc : buf_add_span(out, buf_span(&text), e);
}

static int
write_member(struct doc_val table, const char *name, bool is_flag, struct buf *out, struct err *e)
{
	struct doc_val v = doc_get(table, name);
	int rc;

	if (doc_kind(v) == DOC_NOTHING)
		return 0;
	rc = buf_addf(out, e, "%s = ", name);
	if (rc == 0)
		rc = is_flag ? write_flag(v, out, e) : write_text(v, out, e);
	return rc < 0 ? err_wrap(e, "%s", name) : buf_add_u8(out, '\n', e);
}

static int
write_mirrors(struct reader *r, struct doc_val list, struct buf *out, struct err *e)
{
	static const char *const known[] = { "location", "insecure", NULL };
	struct doc_iter it = doc_iter(list);
	int rc = 0;

	if (doc_kind(list) == DOC_NOTHING)
		return 0;
	if (doc_kind(list) != DOC_LIST)
		return err_set(e, ERR_CONFIG, "mirror must be a list of tables");
	while (rc == 0 && doc_next(&it)) {
		rc = need_table(it.val, e);
		if (rc == 0)
			rc = buf_add_str(out, "[[registry.mirror]]\n", e);
		if (rc == 0)
			rc = write_member(it.val, "location", false, out, e);
		if (rc == 0)
			rc = write_member(it.val, "insecure", true, out, e);
		warn_others(r, "image.registry_config.registry.mirror", it.val, known);
	}
	return rc;
}

static int
write_registry(struct reader *r, struct doc_val v, struct buf *out, struct err *e)
{
	static const char *const known[] = { "prefix", "location", "insecure", "blocked", "mirror", NULL };
	int rc = need_table(v, e);

	if (rc == 0)
		rc = buf_add_str(out, "[[registry]]\n", e);
	if (rc == 0)
		rc = write_member(v, "prefix", false, out, e);
	if (rc == 0)
		rc = write_member(v, "location", false, out, e);
	if (rc == 0)
		rc = write_member(v, "insecure", true, out, e);
	if (rc == 0)
		rc = write_member(v, "blocked", true, out, e);
	if (rc == 0)
		rc = write_mirrors(r, doc_get(v, "mirror"), out, e);
	warn_others(r, "image.registry_config.registry", v, known);
	return rc;
}

static int
write_search(struct doc_val list, struct buf *out, struct err *e)
{
	struct doc_iter it = doc_iter(list);
	bool first = true;
	int rc;

	if (doc_kind(list) == DOC_NOTHING)
		return 0;
	if (doc_kind(list) != DOC_LIST)
		return err_set(e, ERR_CONFIG, "unqualified-search-registries must be a list");
	rc = buf_add_str(out, "unqualified-search-registries = [", e);
	while (rc == 0 && doc_next(&it)) {
		rc = buf_add_str(out, first ? "" : ", ", e);
		if (rc == 0)
			rc = write_text(it.val, out, e);
		first = false;
	}
	return rc < 0 ? rc : buf_add_str(out, "]\n", e);
}

static int
take_registries(struct reader *r, const struct peer_key *k, struct doc_val v, struct err *e)
{
	static const char *const known[] = { "unqualified-search-registries", "registry", NULL };
	struct doc_val list = doc_get(v, "registry");
	struct doc_iter it = doc_iter(list);
	autobuf text = BUF(LIMIT_TOML);
	autoregistries checked = NULL;
	int rc = need_table(v, e);

	if (rc == 0)
		rc = write_search(doc_get(v, "unqualified-search-registries"), &text, e);
	if (rc == 0 && doc_kind(list) != DOC_NOTHING && doc_kind(list) != DOC_LIST)
		rc = err_set(e, ERR_CONFIG, "registry must be a list of tables");
	while (rc == 0 && doc_next(&it))
		rc = write_registry(r, it.val, &text, e);
	if (rc == 0)
		rc = registries_parse(buf_span(&text), &checked, e);
	if (rc < 0)
		return rc;
	warn_others(r, k->path, v, known);
	return give(r, k->set, &text, v, e);
}

/* --- the files */

static const struct peer_key agent_keys[] = {
	{ "token_configs.kbs.url", take_value, SET_TOKEN_KBS_URL },
	{ "token_configs.kbs.cert", take_value, SET_TOKEN_KBS_CERT },
	{ "token_configs.kbs.tee_key_algorithm", take_value, SET_TOKEN_KBS_KEY },
	{ "token_configs.coco_as.url", take_value, SET_TOKEN_COCO_AS_URL },
	{ "eventlog_config.init_pcr", take_value, SET_EVENTLOG_PCR },
	{ "eventlog_config.enable_eventlog", take_value, SET_EVENTLOG },
	{ "eventlog_config.eventlog_algorithm", take_algorithm, SET_COUNT },
	{ "log.level", take_level, SET_LOG_LEVEL },
	{ NULL, NULL, SET_COUNT },
};

static const struct peer_key hub_keys[] = {
	{ "socket", take_socket, SET_HUB_SOCKET },
	{ "aa.aa_socket", take_nothing, SET_COUNT },		/* it is here */
	{ "kbc", take_kbc, SET_KBC },
	{ "credentials", take_credentials, SET_KBC_CREDENTIALS },
	{ "skip_sealed_secret_verification", take_unsigned, SET_SECRET_UNSIGNED },
	{ "log.level", take_level, SET_LOG_LEVEL },
	{ "image.work_dir", take_work_dir, SET_IMAGE_STORE },
	{ "image.max_concurrent_layer_downloads_per_image", take_at_once, SET_IMAGE_AT_ONCE },
	{ "image.image_security_policy_uri", take_value, SET_IMAGE_POLICY },
	{ "image.image_security_policy", take_value, SET_IMAGE_POLICY_TEXT },
	{ "image.sigstore_config_uri", take_value, SET_IMAGE_SIGSTORE },
	{ "image.sigstore_config", take_value, SET_IMAGE_SIGSTORE_TEXT },
	{ "image.authenticated_registry_credentials_uri", take_value, SET_IMAGE_AUTH },
	{ "image.registry_configuration_uri", take_value, SET_IMAGE_REGISTRIES },
	{ "image.registry_config", take_registries, SET_IMAGE_REGISTRIES_TEXT },
	{ "image.image_pull_proxy", take_proxy, SET_COUNT },	/* as text, up to v0.13 */
	{ "image.image_pull_proxy.https_proxy", take_value, SET_IMAGE_HTTPS_PROXY },
	{ "image.image_pull_proxy.http_proxy", take_value, SET_IMAGE_HTTP_PROXY },
	{ "image.image_pull_proxy.no_proxy", take_value, SET_IMAGE_NO_PROXY },
	{ "image.skip_proxy_ips", take_value, SET_IMAGE_NO_PROXY },	/* up to v0.13 */
	{ "image.extra_root_certificates", take_certificates, SET_IMAGE_CA },
	{ NULL, NULL, SET_COUNT },
};

/* kata-agent's: what else is in it is kata's business. */
static const struct peer_key kata_keys[] = {
	{ "aa_kbc_params", take_value, SET_KBC },
	{ NULL, NULL, SET_COUNT },
};

static const struct peer_key *
find_key(const struct peer_key *keys, const char *path)
{
	for (; keys->path != NULL; keys++)
		if (strcmp(keys->path, path) == 0)
			return keys;
	return NULL;
}

/* Is it a table in which a key of ours stands? */
static bool
leads_on(const struct peer_key *keys, const char *path)
{
	size_t n = strlen(path);

	for (; keys->path != NULL; keys++)
		if (strncmp(keys->path, path, n) == 0 && keys->path[n] == '.')
			return true;
	return false;
}

/* 1: it is a table to be gone into. */
static int
take(struct reader *r, const char *path, struct doc_val v, struct err *e)
{
	const struct peer_key *k = find_key(r->keys, path);
	uint32_t line = doc_line(v);
	int rc;

	if (doc_kind(v) == DOC_NOTHING)
		return 0;
	if (doc_kind(v) == DOC_TABLE && leads_on(r->keys, path)) {
		r->image |= strcmp(path, "image") == 0;
		return 1;
	}
	if (k == NULL && !leads_on(r->keys, path)) {
		if (r->keys != kata_keys)
			config_warn(r->c, "%s is not known and does not count", path);
		return 0;
	}
	rc = k != NULL ? k->take(r, k, v, e) : err_set(e, ERR_CONFIG, "must be a table");
	if (rc == 0 || (rc == -ERR_CONFIG && strncmp(e->msg, "line ", 5) == 0))
		return rc;
	return line > 0 ? err_wrap(e, "line %" PRIu32 ": %s", line, path) : err_wrap(e, "%s", path);
}

/* Down into the tables that are known, no deeper. */
static int
walk(struct reader *r, struct doc_val root, struct err *e)
{
	struct { struct doc_iter it; size_t len; } level[LEVELS] = { { doc_iter(root), 0 } };
	char path[PATH_SIZE] = "";
	size_t depth = 0;

	for (;;) {
		struct doc_iter *it = &level[depth].it;
		size_t len = level[depth].len;
		int rc;

		if (!doc_next(it)) {
			if (depth-- == 0)
				return 0;
			continue;
		}
		snprintf(path + len, sizeof(path) - len, "%s%s", len > 0 ? "." : "", it->key);
		rc = take(r, path, it->val, e);
		if (rc < 0)
			return rc;
		if (rc == 1 && depth + 1 < LEVELS) {
			level[depth + 1].it = doc_iter(it->val);
			level[++depth].len = strlen(path);
		}
	}
}

static int
read_file(struct reader *r, struct span text, struct err *e)
{
	autodoc doc = { 0 };
	int rc = doc_open(text, &doc, e);

	if (rc == 0)
		rc = walk(r, doc_root(&doc), e);
	return rc < 0 ? config_fault(e) : 0;
}

int
config_read_agent(struct config *c, struct span text, enum config_origin origin, struct err *e)
{
	struct reader r = { .c = c, .origin = origin, .keys = agent_keys };

	return read_file(&r, text, e);
}

int
config_read_hub(struct config *c, struct span text, enum config_origin origin, bool *image, struct err *e)
{
	struct reader r = { .c = c, .origin = origin, .keys = hub_keys };
	int rc = read_file(&r, text, e);

	if (rc == 0)
		*image = r.image;
	return rc;
}

int
config_read_kata(struct config *c, struct span text, struct err *e)
{
	struct reader r = { .c = c, .origin = ORIGIN_CMDLINE, .keys = kata_keys };

	return read_file(&r, text, e);
}
