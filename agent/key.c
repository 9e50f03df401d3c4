/*
 * key.c: the role with the keys: the broker module, resources, wrapping and unwrapping.
 * It has no network socket and reads no image bytes; a layer's key leaves only on
 * the socket that the monitor links to that layer's crypt process.
 */
#include "lib/base.h"

#include "agent/keywrap.h"
#include "agent/services.h"

#include <fcntl.h>
#include <poll.h>

#include "lib/crypto.h"
#include "lib/secret.h"
#include "lib/sys.h"

struct layer_key {
	bool			used;
	struct ocicrypt_private	private;
};

struct keeper {
	struct keyring		 ring;
	struct keywrap		 wrap;
	struct layer_key	*keys;		/* LIMIT_LAYERS in secret memory */
	bool			 ready;		/* for calls: M_KEY_SETUP has come */
};

#define KEYS_SIZE	(LIMIT_LAYERS * sizeof(struct layer_key))

static int
prepare(maybe_unused struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	int rc = pkey_wipe_openssl(e);

	return rc < 0 ? rc : crypto_init(e);
}

/*
 * Names the key to processes that must not have it: a store of unpacked layers gives one out
 * only to who shows the fingerprint it was put in with.
 */
static int
fingerprint(const struct ocicrypt_private *p, uint8_t out[32], struct err *e)
{
	static const char purpose[] = "cacao layer store";
	struct hmac *h;
	int rc = hmac_new((struct span){ p->key, sizeof(p->key) }, &h, e);

	if (rc < 0)
		return rc;
	rc = hmac_update(h, purpose, strlen(purpose), e);
	if (rc == 0)
		rc = hmac_update(h, p->nonce, sizeof(p->nonce), e);
	if (rc == 0)
		rc = hmac_final(h, out, e);
	hmac_free(h);
	return rc;
}

static int
send_fingerprint(uint32_t id, const uint8_t print[32], struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_UNWRAP_DONE, id);
	rc = msg_put_u8(&m, 0, e);
	if (rc == 0)
		rc = msg_put_bytes(&m, (struct span){ print, 32 }, e);
	return rc < 0 ? rc : msg_send(KEY_FD_PULL, &m, -1, e);
}

static int
answer_unwrap(struct keeper *k, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint32_t layer = msg_get_u32(&r);
	struct span wrapped[SCHEME_COUNT];
	struct err failed = { 0 };
	struct layer_key *key;
	uint8_t print[32];
	int rc;

	for (int i = 0; i < SCHEME_COUNT; i++)
		wrapped[i] = msg_get_bytes(&r, LIMIT_ANNOTATION);
	if (!msg_get_end(&r) || layer >= LIMIT_LAYERS)
		return err_set(e, ERR_PROTO, "request that cannot be read");
	key = &k->keys[layer];
	rc = keyring_unwrap(&k->ring, wrapped, &key->private, &failed);
	if (rc == 0)
		rc = fingerprint(&key->private, print, &failed);
	if (rc < 0)
		return role_answer(KEY_FD_PULL, M_UNWRAP_DONE, m->id, &failed, e);
	key->used = true;
	return send_fingerprint(m->id, print, e);
}

/* Sends the waiting key of a layer to its crypt process and forgets it. */
static int
link_crypt(struct keeper *k, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint32_t layer = msg_get_u32(&r);
	struct ocicrypt_private *p;
	automsg out;
	int rc;

	if (!msg_get_end(&r) || layer >= LIMIT_LAYERS || !k->keys[layer].used)
		return err_set(e, ERR_PROTO, "link for a layer without key");
	p = &k->keys[layer].private;
	msg_init(&out, M_LAYER_KEY, 0);
	out.body.secret = true;
	rc = msg_put_bytes(&out, (struct span){ p->key, sizeof(p->key) }, e);
	if (rc == 0)
		rc = msg_put_bytes(&out, (struct span){ p->nonce, sizeof(p->nonce) }, e);
	if (rc == 0)
		rc = msg_send(m->fds[0], &out, 5000, e);
	secret_wipe(&k->keys[layer], sizeof(k->keys[layer]));
	if (rc == -ERR_CRASH)	/* that layer has failed already; others go on */
		rc = 0;
	return rc;
}

static int
write_resource(struct keeper *k, const char *text, int fd, struct err *e)
{
	autobuf secret = BUF_SECRET(LIMIT_RESOURCE);
	struct kbs_uri uri;
	int rc;

	rc = kbs_uri_parse(span_str(text), &uri, e);
	if (rc == 0)
		rc = keyring_need_broker(&k->ring, e);
	if (rc == 0)
		rc = kbc_get_resource(&k->ring.kbc, &uri, &secret, e);
	if (rc == 0 && sys_write_all(fd, secret.data, secret.len) < 0)
		rc = err_sys(e, "output");
	return rc;
}

static int
answer_resource(struct keeper *k, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	struct err failed = { 0 };
	char text[LIMIT_URI];
	int rc;

	msg_get_str(&r, text, sizeof(text));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "request that cannot be read");
	rc = write_resource(k, text, m->fds[0], &failed);
	return role_answer(FD_CONTROL, M_KEY_DONE, m->id, rc < 0 ? &failed : NULL, e);
}

/* Makes a layer key, keeps it for M_KEY_LINK, and wraps it for every recipient. */
static int
make_key(struct keeper *k, uint32_t layer, const char *digest, struct ocicrypt_wrapped *out, struct err *e)
{
	struct layer_key *key;
	int rc;

	if (layer >= LIMIT_LAYERS)
		return err_set(e, ERR_PROTO, "layer %u", layer);
	key = &k->keys[layer];
	rc = crypto_random(&key->private, sizeof(key->private), e);
	if (rc == 0)
		rc = keywrap(&k->wrap, &k->ring, &key->private, digest, out, e);
	key->used = rc == 0;
	return rc;
}

static int
answer_wrap(struct keeper *k, const struct msg *m, struct err *e)
{
	cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped made = { 0 };
	struct msg_reader r = msg_reader(m);
	struct err failed = { 0 };
	uint32_t layer = msg_get_u32(&r);
	char digest[160];
	automsg out;
	int rc;

	msg_get_str(&r, digest, sizeof(digest));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "request that cannot be read");
	if (make_key(k, layer, digest, &made, &failed) < 0)
		return role_answer(FD_CONTROL, M_KEY_DONE, m->id, &failed, e);
	msg_init(&out, M_KEY_DONE, m->id);
	rc = msg_put_u8(&out, 0, e);
	for (int i = 0; i < SCHEME_COUNT && rc == 0; i++)
		rc = msg_put_bytes(&out, buf_span(&made.value[i]), e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &out, -1, e);
}

static int
add_recipient(struct keeper *k, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char params[LIMIT_URI];

	msg_get_str(&r, params, sizeof(params));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "recipient");
	keywrap_add_provider(&k->wrap, params);
	return 0;
}

static int
add_recipient_file(struct keeper *k, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t scheme = msg_get_u8(&r);
	char name[256];

	msg_get_str(&r, name, sizeof(name));
	if (!msg_get_end(&r) || scheme >= SCHEME_COUNT)
		return err_set(e, ERR_PROTO, "recipient");
	keywrap_add_file(&k->wrap, (enum ocicrypt_scheme)scheme, m->fds[0], name);
	return 0;
}

static int
set_up(struct keeper *k, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);

	msg_get_str(&r, k->ring.params_text, sizeof(k->ring.params_text));
	k->ring.provider.allow_ctr = msg_get_u8(&r) != 0;
	k->ready = true;
	return msg_get_end(&r) ? 0 : err_set(e, ERR_PROTO, "set-up");
}

static int
set_source(struct keeper *k, const struct msg *m, struct err *e)
{
	char path[sizeof(k->ring.keys_path)];
	struct msg_reader r = msg_reader(m);
	uint8_t flags = msg_get_u8(&r);

	msg_get_str(&r, path, sizeof(path));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "source of keys");
	keyring_set_source(&k->ring, flags, path);
	return 0;
}

static int
set_one(struct keeper *k, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char kid[LIMIT_URI];

	msg_get_str(&r, kid, sizeof(kid));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "the one key");
	keyring_set_one(&k->ring, m->fds[0], kid);
	return 0;
}

static int
take_key_file(struct keeper *k, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char name[256];

	msg_get_str(&r, name, sizeof(name));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "key file");
	keyring_add_file(&k->ring, m->fds[0], name);
	return 0;
}

static int
take_file(struct keeper *k, struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t n = msg_get_u8(&r);

	if (!msg_get_end(&r) || n >= ROLE_MAX_FILES || k->ring.files[n] >= 0)
		return err_set(e, ERR_PROTO, "set-up file");
	k->ring.files[n] = fd_steal(&m->fds[0]);
	return 0;
}

/* One message of the monitor: 1 go on, 0 it is gone. */
static int
from_monitor(struct keeper *k, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_FILE, .max_len = 1, .fds = 1 },
		{ .type = M_KEY_PASSWORD, .fds = 1 },
		{ .type = M_KEY_FILE, .max_len = KIB(1), .fds = 1 },
		{ .type = M_KEY_SETUP, .max_len = KIB(1) },
		{ .type = M_KEY_SOURCE, .max_len = KIB(1) },
		{ .type = M_KEY_ONE, .max_len = KIB(2), .fds = 1 },
		{ .type = M_KEY_RECIPIENT, .max_len = KIB(2) },
		{ .type = M_KEY_RECIPIENT_FILE, .max_len = KIB(1), .fds = 1 },
		{ .type = M_KEY_RESOURCE, .max_len = KIB(2), .fds = 1 },
		{ .type = M_KEY_WRAP, .max_len = KIB(2) },
		{ .type = M_KEY_LINK, .max_len = 4, .fds = 1 },
		{ 0 },
	};
	automsg m;
	int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

	if (rc <= 0)
		return rc;
	switch (m.type) {
	case M_FILE:
		rc = take_file(k, &m, e);
		break;
	case M_KEY_PASSWORD:
		keyring_add_password(&k->ring, m.fds[0]);
		break;
	case M_KEY_FILE:
		rc = take_key_file(k, &m, e);
		break;
	case M_KEY_SETUP:
		rc = set_up(k, &m, e);
		break;
	case M_KEY_SOURCE:
		rc = set_source(k, &m, e);
		break;
	case M_KEY_ONE:
		rc = set_one(k, &m, e);
		break;
	case M_KEY_RECIPIENT:
		rc = add_recipient(k, &m, e);
		break;
	case M_KEY_RECIPIENT_FILE:
		rc = add_recipient_file(k, &m, e);
		break;
	case M_KEY_RESOURCE:
		rc = answer_resource(k, &m, e);
		break;
	case M_KEY_WRAP:
		rc = answer_wrap(k, &m, e);
		break;
	default:
		rc = link_crypt(k, &m, e);
		break;
	}
	return rc < 0 ? rc : 1;
}

static int
from_pull(struct keeper *k, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_UNWRAP, .max_len = LIMIT_ANNOTATION + 4 + (size_t)4 * SCHEME_COUNT },
		{ 0 },
	};
	automsg m;
	int rc = msg_recv(KEY_FD_PULL, rules, -1, &m, e);

	if (rc <= 0)
		return rc;
	rc = answer_unwrap(k, &m, e);
	return rc < 0 ? rc : 1;
}

/* A resource for somebody outside. Some say which broker they mean: it must be the one there is. */
static int
answer_call_resource(struct keeper *k, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t call = msg_get_u8(&r);
	char uri[LIMIT_URI], broker[CALL_BROKER];
	struct err failed = { 0 };
	int rc;

	msg_get_str(&r, uri, sizeof(uri));
	msg_get_str(&r, broker, sizeof(broker));
	if (!msg_get_end(&r) || call != CALL_RESOURCE)
		return err_set(e, ERR_PROTO, "call that cannot be read");
	rc = broker[0] != '\0' ? keyring_check_broker(&k->ring, broker, &failed) : 0;
	if (rc == 0)
		rc = write_resource(k, uri, m->fds[0], &failed);
	return role_answer(KEY_FD_RPC, M_CALL_DONE, m->id, rc < 0 ? &failed : NULL, e);
}

/* A call of somebody outside, as rpc passes it on; it knows its answer by the id. */
static int
answer_call(struct keeper *k, const struct msg *m, struct err *e)
{
	autobuf reply = BUF_SECRET(LIMIT_PROVIDER_JSON);
	struct msg_reader r = msg_reader(m);
	uint8_t op = msg_get_u8(&r);
	struct span request = msg_get_bytes(&r, LIMIT_PROVIDER_JSON);
	struct err failed = { 0 };
	automsg answer;
	int rc;

	if (!msg_get_end(&r) || op > PROVIDER_AS_ASKED)
		return err_set(e, ERR_PROTO, "call that cannot be read");
	if (provider_serve(&k->ring.provider, (enum provider_op)op, request, &reply, &failed) < 0)
		return role_answer(KEY_FD_RPC, M_CALL_DONE, m->id, &failed, e);
	msg_init(&answer, M_CALL_DONE, m->id);
	answer.body.secret = true;
	rc = msg_put_u8(&answer, 0, e);
	if (rc == 0)
		rc = msg_put_bytes(&answer, buf_span(&reply), e);
	return rc < 0 ? rc : msg_send(KEY_FD_RPC, &answer, -1, e);
}

static int
from_rpc(struct keeper *k, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CALL, .max_len = CALL_MAX, .secret = true },
		{ .type = M_CALL_PIPE, .max_len = KIB(2), .fds = 1, .secret = true },
		{ 0 },
	};
	automsg m;
	int rc = msg_recv(KEY_FD_RPC, rules, -1, &m, e);

	if (rc <= 0)
		return rc;
	rc = m.type == M_CALL_PIPE ? answer_call_resource(k, &m, e) : answer_call(k, &m, e);
	return rc < 0 ? rc : 1;
}

/* Many commands leave some of them closed; the numbers are then free for what is received. */
static int
if_open(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

static int
serve_until_gone(struct keeper *k, struct err *e)
{
	struct pollfd p[] = {
		{ .fd = FD_CONTROL, .events = POLLIN },
		{ .fd = if_open(KEY_FD_PULL), .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	int rpc = if_open(KEY_FD_RPC);

	k->ring.ask = if_open(KEY_FD_ASK);
	for (;;) {
		int rc = 1;

		/* A call may be what this role was started for: it lies there before the monitor has said anything. */
		p[2].fd = k->ready ? rpc : -1;
		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		/* The monitor first: its link is older than the request that waits behind it. */
		if (p[0].revents != 0)
			rc = from_monitor(k, e);
		else if (p[1].revents != 0)
			rc = from_pull(k, e);
		else if (p[2].revents != 0)
			rc = from_rpc(k, e);
		if (rc <= 0)
			return rc;
	}
}

static int
serve(struct err *e)
{
	static struct keeper k;
	int rc;

	keyring_init(&k.ring);
	k.keys = secret_alloc(KEYS_SIZE);
	if (k.keys == NULL)
		return err_set(e, ERR_NOMEM, "key table");
	rc = serve_until_gone(&k, e);
	keyring_fini(&k.ring);
	keywrap_fini(&k.wrap);
	secret_free(k.keys, KEYS_SIZE);
	return rc;
}

const struct role_ops role_key = {
	.name = "key",
	.uid = UID_KEY,
	.words = WORD(STDIO) | WORD(FDPASS),
	.max_files = 64,
	.secrets = true,
	.prepare = prepare,
	.serve = serve,
};
