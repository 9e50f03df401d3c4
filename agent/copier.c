/*
 * copier.c: the role that reads manifests for encrypt, decrypt and inspect. It asks net or archive for bytes, key for
 * keys, the monitor for a crypt process for each layer, and tells the destination what goes where; no key and
 * no byte of a layer passes through it.
 */
#include "lib/base.h"

#include "agent/copier.h"

#include "agent/destination.h"
#include "agent/unwrap.h"
#include "image/pick.h"
#include "lib/sys.h"

/* An image on its way. */
struct copy {
	struct document		 doc, config;
	struct manifest		 manifest;
	struct rewrite_layer	*layers;	/* LIMIT_LAYERS at most */
};

static void
copy_init(struct copy *c)
{
	*c = (struct copy){ .doc = { .body = BUF(LIMIT_MANIFEST) }, .config = { .body = BUF(LIMIT_CONFIG) } };
}

static void
copy_fini(struct copy *c)
{
	for (size_t i = 0; c->layers != NULL && i < c->manifest.nlayers; i++)
		ocicrypt_wrapped_fini(&c->layers[i].wrapped);
	sys_free(c->layers);
	manifest_fini(&c->manifest);
	buf_free(&c->config.body);
	buf_free(&c->doc.body);
}

static int
read_image(struct copier *c, struct copy *copy, struct err *e)
{
	struct digest manifest, index;
	int rc = fetch_image(&c->env, &c->ref, &c->platform, &copy->doc, &manifest, &index, e);

	if (rc == 0)
		rc = manifest_parse(buf_span(&copy->doc.body), copy->doc.content_type, &copy->manifest, e);
	if (rc < 0)
		return err_wrap(e, "manifest");
	rc = fetch_config(&c->env, &c->ref, &copy->manifest.config, &copy->config, e);
	if (rc < 0)
		return err_wrap(e, "config %.19s…", copy->manifest.config.digest.text);
	/* One more, since an image may have none. */
	copy->layers = sys_alloc((copy->manifest.nlayers + 1) * sizeof(*copy->layers));
	return copy->layers == NULL ? err_set(e, ERR_NOMEM, "%zu layers", copy->manifest.nlayers) : 0;
}

static int
plan_encrypt(const struct copier *c, struct copy *copy, struct err *e)
{
	bool picked[LIMIT_LAYERS];
	const struct manifest *m = &copy->manifest;
	int rc = layers_pick(span_str(c->layers), m->nlayers, picked, e);

	for (size_t i = 0; i < m->nlayers && rc == 0; i++) {
		if (picked[i] && m->layers[i].encrypted)
			rc = err_set(e, ERR_IMAGE, "layer %zu of %zu is encrypted already%s", i + 1, m->nlayers,
			    c->layers[0] == '\0' ? "; --layer names the others" : "");
		copy->layers[i].how = picked[i] ? REWRITE_ENCRYPT : REWRITE_KEEP;
	}
	return rc;
}

/* All keys before the first layer byte: a missing one fails early. */
static int
plan_decrypt(struct copy *copy, struct err *e)
{
	const struct manifest *m = &copy->manifest;
	size_t encrypted = 0;

	for (size_t i = 0; i < m->nlayers; i++) {
		cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped wrapped = { 0 };
		struct ocicrypt_public public;
		uint8_t unused[32];
		int rc;

		if (!m->layers[i].encrypted)
			continue;
		encrypted++;
		copy->layers[i].how = REWRITE_DECRYPT;
		rc = ocicrypt_layer_public(&m->layers[i], &public, e);
		if (rc == 0)
			rc = ocicrypt_wrapped_keys(&m->layers[i], OCICRYPT_PROVIDER, &wrapped, e);
		if (rc == 0)
			rc = unwrap_ask(COPY_FD_KEY, (uint32_t)i, &wrapped, unused, e);
		if (rc < 0)
			return err_wrap(e, "layer %zu of %zu: key", i + 1, m->nlayers);
	}
	return encrypted > 0 ? 0 : err_set(e, ERR_IMAGE, "no layer of this image is encrypted");
}

/* The monitor shows progress; it needs no answer. */
static int
tell_plan(const struct manifest *manifest, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_COPY_PLAN, 0);
	rc = msg_put_u32(&m, (uint32_t)manifest->nlayers, e);
	for (size_t i = 0; i < manifest->nlayers && rc == 0; i++)
		rc = msg_put_u64(&m, manifest->layers[i].desc.size, e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &m, -1, e);
}

static int
move_layers(struct copier *c, struct copy *copy, struct err *e)
{
	const struct manifest *m = &copy->manifest;

	for (size_t i = 0; i < m->nlayers; i++) {
		int rc = copy_layer(c, i, &m->layers[i], &copy->layers[i], e);

		if (rc < 0)
			return err_wrap(e, "layer %zu of %zu (%.19s…)", i + 1, m->nlayers,
			    m->layers[i].desc.digest.text);
	}
	return 0;
}

/* The configuration as it is, the manifest as it has become, and the name. */
static int
finish_image(const struct copy *copy, struct copied *out, struct err *e)
{
	autobuf text = BUF(LIMIT_MANIFEST);
	struct rewrite r = { .provider = OCICRYPT_PROVIDER, .layers = copy->layers };
	int rc = destination_add(STORE_BLOB, buf_span(&copy->config.body), &r.config, e);

	if (rc < 0)
		return err_wrap(e, "config");
	rc = manifest_rewrite(&copy->manifest, &r, &text, e);
	if (rc == 0)
		rc = destination_add(STORE_MANIFEST, buf_span(&text), &out->manifest, e);
	if (rc == 0)
		rc = destination_commit(REWRITE_MANIFEST_TYPE, &out->manifest, text.len, e);
	if (rc < 0)
		return err_wrap(e, "new manifest");
	out->layers = copy->manifest.nlayers;
	out->encrypted = 0;
	for (size_t i = 0; i < out->layers; i++)
		out->encrypted += copy->layers[i].how == REWRITE_ENCRYPT ||
		    (copy->layers[i].how == REWRITE_KEEP && copy->manifest.layers[i].encrypted);
	return 0;
}

static int
copy_image(struct copier *c, struct copied *out, struct err *e)
{
	cleanup(copy_fini) struct copy copy;
	int rc;

	copy_init(&copy);
	rc = read_image(c, &copy, e);
	if (rc == 0)
		rc = c->action == ACTION_ENCRYPT ? plan_encrypt(c, &copy, e) : plan_decrypt(&copy, e);
	if (rc == 0)
		rc = tell_plan(&copy.manifest, e);
	if (rc == 0)
		rc = move_layers(c, &copy, e);
	return rc < 0 ? rc : finish_image(&copy, out, e);
}

static int
env_manifest(void *arg, const struct image_ref *ref, const char *wanted, struct document *out, struct err *e)
{
	return source_manifest(arg, ref, wanted, out, e);
}

static int
env_blob(void *arg, const struct image_ref *ref, const struct digest *d, struct document *out, struct err *e)
{
	return source_blob(arg, ref, d, out, e);
}

/* u8 action, str image, str os, str architecture, str variant, u8 did the user name these, str layers, u8 json. */
static int
take_setup(struct copier *c, const struct msg *m, struct err *e)
{
	char image[sizeof(c->ref.dir) + LIMIT_REFERENCE];
	struct msg_reader r = msg_reader(m);
	uint8_t action = msg_get_u8(&r);
	int rc;

	msg_get_str(&r, image, sizeof(image));
	msg_get_str(&r, c->platform.os, sizeof(c->platform.os));
	msg_get_str(&r, c->platform.architecture, sizeof(c->platform.architecture));
	msg_get_str(&r, c->platform.variant, sizeof(c->platform.variant));
	c->platform_named = msg_get_u8(&r) != 0;
	msg_get_str(&r, c->layers, sizeof(c->layers));
	c->json = msg_get_u8(&r) != 0;
	if (!msg_get_end(&r) || action >= ACTION_COUNT)
		return err_set(e, ERR_PROTO, "set-up");
	c->action = (enum copy_action)action;
	rc = image_ref_parse(span_str(image), &c->ref, e);
	if (rc < 0)
		return rc;
	c->source.layout = c->ref.transport == TRANSPORT_OCI ? COPY_FD_LAYOUT : -1;
	c->env = (struct fetch_env){ env_manifest, env_blob, &c->source };
	return 0;
}

static int
set_up(struct copier *c, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_COPY_SETUP, .max_len = KIB(16) },
		{ 0 },
	};
	automsg m;
	int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CRASH, "no set-up");
	return take_setup(c, &m, e);
}

static int
work(struct copier *c, struct copied *out, struct err *e)
{
	int rc = set_up(c, e);

	if (rc < 0)
		return rc;
	return c->action == ACTION_INSPECT ? inspect_image(c, e) : copy_image(c, out, e);
}

static int
report(const struct copied *done, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_COPY_DONE, 0);
	rc = msg_put_u8(&m, 0, e);
	if (rc == 0)
		rc = msg_put_str(&m, done->manifest.text, e);
	if (rc == 0)
		rc = msg_put_u32(&m, (uint32_t)done->layers, e);
	if (rc == 0)
		rc = msg_put_u32(&m, (uint32_t)done->encrypted, e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &m, -1, e);
}

static int
serve(struct err *e)
{
	struct copier c = { .source = { .layout = -1 } };
	struct copied done = { 0 };
	struct err failed = { 0 };

	if (work(&c, &done, &failed) < 0)
		return role_answer(FD_CONTROL, M_COPY_DONE, 0, &failed, e);
	return report(&done, e);
}

static int
prepare(struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	paths[0].fd = -1;
	return crypto_init(e);
}

const struct role_ops role_copy = {
	.name = "copy",
	.uid = UID_COPY,
	.words = WORD(STDIO) | WORD(FDPASS),
	.max_files = 32,
	.prepare = prepare,
	.serve = serve,
};
