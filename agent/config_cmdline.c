/*
 * config_cmdline.c: the kernel's command line, as guest components and kata-agent of all versions use it. Whoever starts the
 * machine writes it and reads it: nothing secret may stand there, and it says no more about protection than config_set lets it.
 */
#include "lib/base.h"

#include "agent/config_inside.h"

#include "lib/uri.h"

#define NAME	64

/* Blanks of ASCII; the kernel's own quoting is not known to the peers, either. */
static bool
next_word(struct span *in, struct span *word)
{
	static const char blanks[] = " \t\n\v\f\r";
	size_t n = 0;

	while (in->len > 0 && memchr(blanks, in->p[0], sizeof(blanks) - 1) != NULL) {
		in->p++;
		in->len--;
	}
	while (n < in->len && memchr(blanks, in->p[n], sizeof(blanks) - 1) == NULL)
		n++;
	return n > 0 && span_take(in, n, word);
}

static int
take_value(struct config *c, enum setting s, maybe_unused const char *name, struct span value, struct err *e)
{
	return config_set(c, s, value, ORIGIN_CMDLINE, 0, e);
}

/* The last "::" of the pair: a host may be [::1]. */
static bool
split_pair(struct span pair, struct span *uri, struct span *path)
{
	for (size_t at = pair.len; at >= 2; at--)
		if (pair.p[at - 1] == ':' && pair.p[at - 2] == ':') {
			*uri = (struct span){ pair.p, at - 2 };
			*path = (struct span){ pair.p + at, pair.len - at };
			return true;
		}
	return false;
}

/* URI::PATH[,URI::PATH…] */
static int
take_resources(struct config *c, enum setting s, const char *name, struct span value, struct err *e)
{
	autobuf lines = BUF(LIMIT_TOML);
	struct span pair, uri, path;
	int rc = 0;

	while (rc == 0 && span_split(&value, ',', &pair)) {
		if (!split_pair(pair, &uri, &path))
			return err_set(e, ERR_CONFIG, "%s must be URI::PATH, with \",\" between", name);
		rc = buf_add_span(&lines, uri, e);
		if (rc == 0)
			rc = buf_add_u8(&lines, ' ', e);
		if (rc == 0)
			rc = buf_add_span(&lines, path, e);
		if (rc == 0)
			rc = buf_add_u8(&lines, '\n', e);
	}
	return rc < 0 ? rc : config_set(c, s, buf_span(&lines), ORIGIN_CMDLINE, 0, e);
}

/* Whatever it says: a policy is asked about every image. */
static int
take_verification(struct config *c, maybe_unused enum setting s, const char *name, struct span value,
    maybe_unused struct err *e)
{
	if (!span_eq_str(value, "true") && !span_eq_str(value, "1"))
		config_warn(c, "%s does not count: signatures are checked where the policy asks for them", name);
	return 0;
}

static const struct parameter {
	const char	*name;
	bool		 image;
	int		(*take)(struct config *, enum setting, const char *name, struct span value, struct err *);
	enum setting	 set;
} parameters[] = {
	{ "agent.aa_kbc_params", false, take_value, SET_KBC },
	{ "cdh.kbs_resources", false, take_resources, SET_KBC_CREDENTIALS },
	{ "agent.config_file", false, take_value, SET_KATA_CONFIG },
	{ "agent.https_proxy", true, take_value, SET_IMAGE_HTTPS_PROXY },
	{ "agent.http_proxy", true, take_value, SET_IMAGE_HTTP_PROXY },
	{ "agent.no_proxy", true, take_value, SET_IMAGE_NO_PROXY },
	{ "agent.image_registry_auth", true, take_value, SET_IMAGE_AUTH },
	{ "agent.image_policy_file", true, take_value, SET_IMAGE_POLICY },
	{ "agent.image_policy", true, take_value, SET_IMAGE_POLICY },		/* kata CC-0.8 */
	{ "agent.container_policy_file", true, take_value, SET_IMAGE_POLICY },	/* kata CC-0.2 */
	{ "agent.simple_signing_sigstore_config", true, take_value, SET_IMAGE_SIGSTORE },
	{ "agent.enable_signature_verification", true, take_verification, SET_COUNT },
};

static bool
has(struct span text, const char *word)
{
	return memmem(text.p, text.len, word, strlen(word)) != NULL;
}

/* Parameters of ours and of the peers that nobody may give there, whatever they are for. */
static bool
is_secret_name(struct span name)
{
	static const char *const ours[] = { "agent.", "cdh.", "aa.", "cacao." };
	static const char *const words[] = { "password", "passwd", "passphrase", "secret", "private_key", "api_key", "apikey",
	    "token" };
	bool mine = false;
	char lower[NAME] = "";

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		mine |= span_starts(name, ours[i]);
	for (size_t i = 0; i < name.len && i < sizeof(lower) - 1; i++)
		lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] - 'A' + 'a' : name.p[i]);
	for (size_t i = 0; mine && i < ARRAY_LEN(words); i++)
		if (has(span_str(lower), words[i]))
			return true;
	return false;
}

/* A user before a host, or credentials where only their place may stand. */
static bool
is_secret_value(const struct parameter *p, struct span value)
{
	const uint8_t *at = memchr(value.p, '@', value.len);

	if (p->set == SET_IMAGE_AUTH)
		return value.len > 0 && value.p[0] != '/' && !span_starts(value, "file://") && !span_starts(value, "kbs");
	return at != NULL && (p->set == SET_KBC || p->set == SET_IMAGE_HTTPS_PROXY || p->set == SET_IMAGE_HTTP_PROXY);
}

static const struct parameter *
find(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
		if (span_eq_str(name, parameters[i].name))
			return &parameters[i];
	return NULL;
}

static int
take(struct config *c, struct span word, bool images, struct err *e)
{
	struct span name, value = word;
	const struct parameter *p;

	if (!span_split(&value, '=', &name))
		return 0;
	p = find(name);
	if (is_secret_name(name) || (p != NULL && is_secret_value(p, value))) {
		config_warn(c, "%.*s on the kernel's command line looks like a secret, and the host reads it there: it does not "
		    "count", (int)MIN(name.len, (size_t)NAME), (const char *)name.p);
		return 0;
	}
	if (p == NULL || value.len == 0 || (p->image && !images))
		return 0;
	return p->take(c, p->set, p->name, value, e);
}

int
config_read_cmdline(struct config *c, struct span line, bool images, struct err *e)
{
	struct span word;
	int rc = 0;

	while (rc == 0 && next_word(&line, &word))
		rc = take(c, word, images, e);
	return rc < 0 ? config_fault(e) : 0;
}
