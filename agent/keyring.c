/*
 * keyring.c: the ways to unwrap a layer key. Whoever made the image chose which of them it offers; any one that
 * works is enough, and one that fails does not stop the others.
 */
#include "lib/base.h"

#include "agent/keyring.h"

#include "agent/keyask.h"
#include "agent/provider_call.h"
#include "keyprovider/jwe.h"
#include "keyprovider/kek.h"
#include "keyprovider/pkcs7.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define PASSWORD_MAX	KIB(1)

static int
read_file(void *arg, size_t n, struct buf *out, struct err *e)
{
	struct keyring *k = arg;

	if (n >= ROLE_MAX_FILES || k->files[n] < 0)
		return err_set(e, ERR_NOTFOUND, "no such file");
	return fs_read_fd(k->files[n], "broker file", out, e);
}

/* The key with this id, from wherever keys come from here. */
static int
find_key(void *arg, const struct kbs_uri *kid, bool wrap, struct buf *kek, struct err *e)
{
	struct keyring *k = arg;
	int rc;

	if (k->one_fault.code != ERR_NONE) {
		*e = k->one_fault;
		return -(int)e->code;
	}
	if (k->one.len > 0) {
		if (strcmp(kid->plugin, k->only.plugin) != 0 || strcmp(kid->path, k->only.path) != 0)
			return err_set(e, ERR_KEY_NOTFOUND, "the one key there is has the id kbs:///%s", k->only.path);
		return buf_add_span(kek, buf_span(&k->one), e);
	}
	if (k->source & KEY_SOURCE_DIRECTORY) {
		if (strcmp(kid->plugin, "resource") != 0)
			return err_set(e, ERR_KEY_NOTFOUND, "only kbs:///REPOSITORY/TYPE/TAG is a key's name");
		return keyask_key(k->ask, kid->path, wrap && (k->source & KEY_SOURCE_MAKE), kek, e);
	}
	rc = keyring_need_broker(k, e);
	return rc < 0 ? rc : kbc_get_key(&k->kbc, kid, kek, e);
}

void
keyring_init(struct keyring *k)
{
	*k = (struct keyring){
		.ask = -1,
		.one = BUF_SECRET(KEK_SIZE),
		.provider = { .key = find_key, .arg = k, .keys_path = k->keys_path },
		.env = { .file = read_file, .arg = k },
		.password = BUF_SECRET(PASSWORD_MAX),
	};
	for (size_t i = 0; i < ROLE_MAX_FILES; i++)
		k->files[i] = -1;
}

void
keyring_fini(struct keyring *k)
{
	if (k->open)
		kbc_close(&k->kbc);
	keyset_fini(&k->keys);
	buf_free(&k->password);
	buf_free(&k->one);
}

void
keyring_set_source(struct keyring *k, unsigned flags, const char *path)
{
	k->source = flags;
	k->provider.allow_sample = (flags & KEY_SOURCE_SAMPLE) != 0;
	snprintf(k->keys_path, sizeof(k->keys_path), "%s", path);
}

void
keyring_set_one(struct keyring *k, int fd, const char *kid)
{
	autobuf text = BUF_SECRET(KEK_FILE_MAX);
	struct err *e = &k->one_fault;
	bool legacy;
	int rc = kbs_uri_parse_kid(span_str(kid), &k->only, &legacy, e);

	if (rc == 0)
		rc = fs_read_fd(fd, "--keys", &text, e);
	if (rc == 0 && kek_parse(buf_span(&text), &k->one, e) < 0)
		rc = err_wrap(e, "--keys");
	if (rc == 0)
		k->provider.only = &k->only;
}

/*
 * The first line, without its end: what an editor leaves behind is no part of the password, and a pipe need not be
 * closed by who wrote into it.
 */
static int
read_line(int fd, struct buf *out, struct err *e)
{
	for (;;) {
		uint8_t byte;
		ssize_t n = sys_read(fd, &byte, 1);
		int rc;

		if (n < 0)
			return err_sys(e, "password");
		if (n == 0 || byte == '\n')
			return 0;
		rc = buf_add_u8(out, byte, e);
		if (rc < 0)
			return rc;
	}
}

static void
remember(struct keyring *k, const char *what, const struct err *why)
{
	if (k->fault.code == ERR_NONE)
		err_set(&k->fault, ERR_CONFIG, "--decryption-key %s: %s", what, why->msg);
}

void
keyring_add_password(struct keyring *k, int fd)
{
	struct err e;

	buf_reset(&k->password);
	if (read_line(fd, &k->password, &e) < 0)
		remember(k, "KEY:file=PATH or KEY:fd=N", &e);
}

void
keyring_add_file(struct keyring *k, int fd, const char *name)
{
	autobuf text = BUF_SECRET(LIMIT_KEY_FILE);
	struct err e;
	int rc;

	rc = k->keys.n < LIMIT_KEY_FILES ? fs_read_fd(fd, "key file", &text, &e) :
	    err_set(&e, ERR_LIMIT, "too many files");
	if (rc == 0)
		rc = keyfile_parse(buf_span(&text), buf_span(&k->password), &k->keys.file[k->keys.n], &e);
	buf_free(&k->password);
	if (rc < 0)
		remember(k, name, &e);
	else
		k->keys.n++;
}

int
keyring_need_broker(struct keyring *k, struct err *e)
{
	int rc;

	if (k->open)
		return 0;
	if (k->params_text[0] == '\0')
		return err_set(e, ERR_CONFIG, "no key broker is configured (--aa-kbc-params NAME::URI, or the setting kbc.params)");
	rc = kbc_params_parse(span_str(k->params_text), &k->params, e);
	if (rc == 0)
		rc = kbc_open(&k->params, &k->env, &k->kbc, e);
	k->open = rc == 0;
	return rc < 0 ? err_wrap(e, "%s", k->params.name) : 0;
}

/* Callers of old say "localhost" where their setting says "null", for brokers that have no address. */
static const char *
address_of(const struct kbc_params *p)
{
	return p->uri[0] == '\0' || strcmp(p->uri, "null") == 0 ? "localhost" : p->uri;
}

int
keyring_check_broker(const struct keyring *k, const char *text, struct err *e)
{
	struct kbc_params theirs, ours;
	int rc = kbc_params_parse(span_str(text), &theirs, e);

	if (rc == 0 && k->params_text[0] == '\0')
		rc = err_set(e, ERR_CONFIG, "the caller wants the broker %s, and none is configured", text);
	if (rc == 0)
		rc = kbc_params_parse(span_str(k->params_text), &ours, e);
	if (rc < 0)
		return rc;
	if (strcmp(theirs.name, ours.name) == 0 && strcmp(address_of(&theirs), address_of(&ours)) == 0)
		return 0;
	return err_set(e, ERR_CONFIG, "the caller wants the broker %s, and %s is configured", text, k->params_text);
}

/* Where nothing else was set up, keys are a broker's. */
static int
need_keys(struct keyring *k, struct err *e)
{
	bool other = k->source != 0 || k->one.len > 0 || k->one_fault.code != ERR_NONE;

	return other ? 0 : keyring_need_broker(k, e);
}

/*
 * It will stand in an image, and nobody could unwrap what has no key id or no data. A packet of a kind that is not known
 * here (another service's) may well be opened elsewhere.
 */
static int
check_packet(struct span text, struct err *e)
{
	cleanup(packet_fini) struct packet p = { .iv_len = 0 };
	struct err why = { 0 };
	int rc = packet_parse(text, &p, &why);

	if (rc == 0 || rc == -ERR_UNSUPPORTED)
		return 0;
	return err_set(e, why.code, "answer of the key provider: %s", why.msg);
}

/* Another key provider wraps or unwraps; each call has a connection of its own. */
static int
call_other(struct keyring *k, enum provider_op op, const char *parameter, struct span data, struct buf *result,
    struct err *e)
{
	autobuf request = BUF_SECRET(LIMIT_PROVIDER_JSON), reply = BUF_SECRET(LIMIT_PROVIDER_JSON);
	char authority[KEYASK_AUTHORITY];
	enum provider_transport transport;
	autoclose int fd = -1;
	int rc = provider_request_format(op, span_str(parameter), data, &request, e);

	if (rc == 0)
		rc = keyask_connect(k->ask, &transport, authority, &fd, e);
	if (rc == 0)
		rc = provider_call(fd, transport, authority, op, buf_span(&request), PROVIDER_CALL_MS, &reply, e);
	if (rc == 0)
		rc = provider_reply_parse(buf_span(&reply), op, result, e);
	if (rc == 0 && op == PROVIDER_WRAP)
		rc = check_packet(buf_span(result), e);
	return rc;
}

int
keyring_wrap(struct keyring *k, const char *params, struct span plain, struct buf *packet, struct err *e)
{
	autobuf theirs = BUF_SECRET(LIMIT_PACKET);
	int rc;

	if (k->source & KEY_SOURCE_PROVIDER) {
		rc = call_other(k, PROVIDER_WRAP, params, plain, &theirs, e);
		return rc < 0 ? rc : buf_add_span(packet, buf_span(&theirs), e);
	}
	rc = need_keys(k, e);
	return rc < 0 ? rc : provider_wrap(&k->provider, span_str(params), plain, packet, e);
}

/* Packet → key encryption key → private options. */
static int
open_packet(struct keyring *k, struct span text, struct buf *plain, struct err *e)
{
	cleanup(packet_fini) struct packet p = { .iv_len = 0 };
	int rc;

	/* Which broker it shall ask, for providers that want to be told; others get what skopeo says for nothing. */
	if (k->source & KEY_SOURCE_PROVIDER)
		return call_other(k, PROVIDER_UNWRAP, k->params_text[0] != '\0' ? k->params_text : "Enabled", text,
		    plain, e);
	rc = need_keys(k, e);
	if (rc == 0)
		rc = packet_parse(text, &p, e);
	if (rc < 0)
		return rc;
	if (p.legacy_kid)
		log_info("key id of an old form taken as kbs:///%s", p.kid.path);
	return provider_unwrap(&k->provider, &p, plain, e);
}

static int
open_jwe(struct keyring *k, struct span text, struct buf *plain, struct err *e)
{
	return jwe_unwrap(text, &k->keys, plain, e);
}

static int
open_pkcs7(struct keyring *k, struct span text, struct buf *plain, struct err *e)
{
	return pkcs7_unwrap(text, &k->keys, plain, e);
}

static int (*const open_fn[SCHEME_COUNT])(struct keyring *, struct span, struct buf *, struct err *) = {
	[SCHEME_PROVIDER] = open_packet,
	[SCHEME_JWE]	  = open_jwe,
	[SCHEME_PKCS7]	  = open_pkcs7,
};

/* Several parts: the first that opens counts; if none does, the first one's fault is told. */
static int
try_parts(struct keyring *k, enum ocicrypt_scheme scheme, struct span parts, struct ocicrypt_private *out,
    struct err *e)
{
	struct err first = { 0 };

	while (parts.len > 0) {
		autobuf text = BUF(LIMIT_PACKET);
		autobuf plain = BUF_SECRET(KIB(8));
		struct err here = { 0 };
		int rc = ocicrypt_next_wrapped(&parts, &text, &here);

		if (rc > 0)
			rc = open_fn[scheme](k, buf_span(&text), &plain, &here);
		if (rc == 0)
			rc = ocicrypt_private_parse(buf_span(&plain), out, &here);
		if (rc == 0)
			return 0;
		if (first.code == ERR_NONE)
			first = here;
	}
	*e = first;
	return -(int)first.code;
}

/* One error for all that was tried. The code is that of the first that had something to try with. */
static int
summarise(const struct err failed[SCHEME_COUNT], struct err *e)
{
	autobuf text = BUF(sizeof(e->msg));
	enum err_code code = ERR_NONE;
	struct err unread;

	for (int i = 0; i < SCHEME_COUNT; i++) {
		if (failed[i].code == ERR_NONE)
			continue;
		if (code == ERR_NONE || code == ERR_CONFIG)
			code = failed[i].code;
		if (buf_addf(&text, &unread, "%s%s: %.140s", text.len > 0 ? "; " : "",
		    ocicrypt_scheme_name(i), failed[i].msg) < 0)
			break;
	}
	return code == ERR_NONE ? err_set(e, ERR_IMAGE, "no wrapped key") : err_set(e, code, "%s", buf_str(&text));
}

int
keyring_unwrap(struct keyring *k, const struct span wrapped[SCHEME_COUNT], struct ocicrypt_private *out,
    struct err *e)
{
	struct err failed[SCHEME_COUNT] = { { 0 } };
	int tried = 0, last = 0;

	if (k->fault.code != ERR_NONE) {
		*e = k->fault;
		return -(int)e->code;
	}
	for (int i = 0; i < SCHEME_COUNT; i++) {
		if (wrapped[i].len == 0)
			continue;
		if (try_parts(k, i, wrapped[i], out, &failed[i]) == 0)
			return 0;
		tried++;
		last = i;
	}
	if (tried != 1)
		return summarise(failed, e);
	*e = failed[last];
	return err_wrap(e, "%s", ocicrypt_scheme_name(last));
}
