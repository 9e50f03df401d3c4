/*
 * provider.c: see provider.h. Wrapping is always authenticated, whatever a caller asks for.
 */
#include "lib/base.h"
#include "keyprovider/provider.h"

/* What clients have seen in front of every error for years, and some look for. */
#define ERROR_PREFIX	"[ERROR:attestation-agent] AA-KBC key provider failed"

/* The key of everybody's first experiment, and its id. */
static const uint8_t sample_key[] = {
	0xd9, 0x9b, 0x77, 0x05, 0xb0, 0xba, 0x7a, 0x16, 0x82, 0x95, 0xb3, 0xa3, 0x36, 0x72, 0x70, 0xb0,
	0xdd, 0x9b, 0x37, 0x1b, 0xf5, 0x14, 0xca, 0x8b, 0x9b, 0xa7, 0xf0, 0xa3, 0x37, 0x11, 0xda, 0xea,
};
static const struct kbs_uri sample_kid = { .plugin = "resource", .path = "default/test-key/1" };

enum param { PARAM_KEYID, PARAM_KEYPATH, PARAM_ALGORITHM, PARAM_SAMPLE, PARAM_COUNT };

static const char *const param_names[PARAM_COUNT] = {
	[PARAM_KEYID]	  = "keyid=",
	[PARAM_KEYPATH]	  = "keypath=",
	[PARAM_ALGORITHM] = "algorithm=",
	[PARAM_SAMPLE]	  = "sample=",
};

/* PARAM_COUNT: s does not begin with the name of any. */
static enum param
find_param(struct span s)
{
	size_t i = 0;

	while (i < PARAM_COUNT && !span_starts(s, param_names[i]))
		i++;
	return (enum param)i;
}

/*
 * Takes what stands before the next "::" that a name follows: the address in a key id may hold "::", too. false at the
 * end.
 */
static bool
next_param(struct span *s, struct span *out)
{
	struct span rest;
	size_t n = 0;

	if (s->len == 0)
		return false;
	for (; n < s->len; n++) {
		rest = (struct span){ s->p + n, s->len - n };
		if (!span_starts(rest, "::"))
			continue;
		rest = (struct span){ rest.p + 2, rest.len - 2 };
		if (find_param(rest) == PARAM_COUNT)
			continue;
		*out = (struct span){ s->p, n };
		*s = rest;
		return true;
	}
	*out = *s;
	s->len = 0;
	return true;
}

static int
read_param(enum param which, struct span value, struct provider_params *p, struct err *e)
{
	bool legacy;

	switch (which) {
	case PARAM_KEYID:
		p->named = true;
		return kbs_uri_parse_kid(value, &p->kid, &legacy, e);
	case PARAM_KEYPATH:
		if (value.len == 0 || !span_to_cstr(value, p->keypath, sizeof(p->keypath)))
			return err_set(e, ERR_PARSE, "keypath is empty or too long");
		return 0;
	case PARAM_ALGORITHM:
		if (!span_eq_str(value, "A256GCM"))
			return err_set(e, ERR_UNSUPPORTED, "algorithm=%.*s: keys are wrapped with A256GCM only",
			    (int)MIN(value.len, (size_t)40), (const char *)value.p);
		return 0;
	case PARAM_SAMPLE:
		p->sample = span_eq_str(value, "true");
		if (!p->sample && !span_eq_str(value, "false"))
			return err_set(e, ERR_PARSE, "sample must be true or false");
		return 0;
	case PARAM_COUNT:
		break;
	}
	return err_set(e, ERR_BUG, "parameter %d", (int)which);
}

int
provider_params_parse(struct span text, struct provider_params *out, struct err *e)
{
	struct provider_params p = { .named = false };
	bool seen[PARAM_COUNT] = { false };
	struct span one, name;

	if (span_eq_str(text, "Enabled"))
		text.len = 0;
	while (next_param(&text, &one)) {
		enum param which = find_param(one);
		int rc;

		if (which == PARAM_COUNT)
			which = PARAM_KEYID;	/* by its value alone; only the first can come here */
		else
			(void)span_take(&one, strlen(param_names[which]), &name);
		if (seen[which])
			return err_set(e, ERR_PARSE, "%s stands twice", param_names[which]);
		seen[which] = true;
		rc = read_param(which, one, &p, e);
		if (rc < 0)
			return rc;
	}
	*out = p;
	return 0;
}

/* A caller may say where the key he names lies; he does not make us read it there. */
static int
check_keypath(const struct provider *p, const struct provider_params *params, const struct kbs_uri *kid, struct err *e)
{
	char inside[sizeof(params->keypath) + sizeof(kid->path)];

	snprintf(inside, sizeof(inside), "%s/%s", p->keys_path, kid->path);
	if (params->keypath[0] == '\0')
		return 0;
	if (p->keys_path[0] != '\0' && (strcmp(params->keypath, p->keys_path) == 0 ||
	    strcmp(params->keypath, inside) == 0))
		return 0;
	return err_set(e, ERR_CONFIG, "keypath=%s is no key of this provider (--keys), and no other file is read",
	    params->keypath);
}

static int
add_sample_key(const struct provider *p, struct buf *kek, struct err *e)
{
	if (!p->allow_sample)
		return err_set(e, ERR_CONFIG, "sample=true: everybody knows this key; only --allow-sample lets it be used");
	return buf_add(kek, sample_key, sizeof(sample_key), e);
}

int
provider_wrap(const struct provider *p, struct span text, struct span plain, struct buf *packet, struct err *e)
{
	autobuf kek = BUF_SECRET(64);
	struct provider_params params;
	const struct kbs_uri *kid;
	int rc = provider_params_parse(text, &params, e);

	if (rc < 0)
		return rc;
	if (params.sample) {
		if (params.named || params.keypath[0] != '\0')
			return err_set(e, ERR_PARSE, "sample=true brings a key id and a key of its own");
		kid = &sample_kid;
		rc = add_sample_key(p, &kek, e);
	} else {
		kid = params.named ? &params.kid : p->only;
		if (kid == NULL)
			return err_set(e, ERR_PARSE, "no key is named: keyid=kbs:///REPOSITORY/TYPE/TAG");
		rc = check_keypath(p, &params, kid, e);
		if (rc == 0)
			rc = p->key(p->arg, kid, true, &kek, e);
	}
	return rc < 0 ? rc : packet_wrap(kid, buf_span(&kek), plain, packet, e);
}

static bool
is_sample(const struct kbs_uri *kid)
{
	return strcmp(kid->plugin, sample_kid.plugin) == 0 && strcmp(kid->path, sample_kid.path) == 0;
}

int
provider_unwrap(const struct provider *p, const struct packet *packet, struct buf *plain, struct err *e)
{
	autobuf kek = BUF_SECRET(64);
	int rc;

	if (packet->wrap_type == WRAP_A256CTR && !p->allow_ctr)
		return err_set(e, ERR_DECRYPT, "the key is wrapped with A256CTR, which anybody can alter unseen; "
		    "--allow-ctr-wrapped-keys accepts it");
	if (p->allow_sample && is_sample(&packet->kid))
		rc = add_sample_key(p, &kek, e);
	else
		rc = p->key(p->arg, &packet->kid, false, &kek, e);
	if (rc == 0)
		rc = packet_unwrap(packet, buf_span(&kek), plain, e);
	return rc < 0 ? err_wrap(e, "kbs:///%s", packet->kid.path) : 0;
}

static int
unwrap_text(const struct provider *p, struct span text, struct buf *plain, struct err *e)
{
	cleanup(packet_fini) struct packet packet = { .iv_len = 0 };
	int rc = packet_parse(text, &packet, e);

	return rc < 0 ? rc : provider_unwrap(p, &packet, plain, e);
}

int
provider_serve(const struct provider *p, enum provider_op op, struct span json, struct buf *reply, struct err *e)
{
	cleanup(provider_request_fini) struct provider_request r = { .op = op };
	autobuf result = BUF_SECRET(LIMIT_PACKET);
	int rc = provider_request_parse(json, op, &r, e);

	if (rc == 0 && r.op == PROVIDER_WRAP)
		rc = provider_wrap(p, buf_span(&r.parameter), buf_span(&r.data), &result, e);
	else if (rc == 0)
		rc = unwrap_text(p, buf_span(&r.data), &result, e);
	if (rc == 0)
		rc = provider_reply_format(r.op, buf_span(&result), reply, e);
	return rc < 0 ? err_wrap(e, ERROR_PREFIX) : 0;
}
