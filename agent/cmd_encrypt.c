/*
 * cmd_encrypt.c: aa-cli encrypt: an image layout with every layer encrypted. Keys are made and wrapped in
 * the key role and used in a crypt role for each layer; this process only rewrites the manifest.
 */
#include "lib/base.h"

#include <fcntl.h>
#include <json-c/json.h>

#include "agent/cli.h"
#include "agent/keyjob.h"
#include "agent/layout_out.h"
#include "image/layout.h"
#include "image/ocicrypt.h"
#include "image/reference.h"
#include "lib/codec.h"
#include "lib/fs.h"
#include "lib/sys.h"

static struct {
	const char	*recipient, *kbc_params;
} opt;

static const struct option_def options[] = {
	{ "recipient", "RECIPIENT", "provider:attestation-agent:KEYID, a key of the broker", &opt.recipient, NULL },
	{ "aa-kbc-params", "NAME::URI", "the key broker that knows the key (offline_fs_kbc::/dir)", &opt.kbc_params, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "SRC is oci:DIR[:TAG], DST the same; a layout that is there already gets the new image besides\n"
    "its others. KEYID is kbs:///REPOSITORY/TYPE/TAG. Each layer gets a key of its own, wrapped with the one named\n"
    "(AES-256-GCM) and written into the manifest. The manifest's digest is printed. Sign afterwards: encryption\n"
    "does not say who made an image.\n\n"
    "Examples:\n"
    "  skopeo copy docker://registry.example.org/app:v1 oci:plain:v1\n"
    "  aa-cli encrypt --recipient provider:attestation-agent:kbs:///default/key/app \\\n"
    "      --aa-kbc-params offline_fs_kbc::keys oci:plain:v1 oci:secret:v1\n"
    "  skopeo copy oci:secret:v1 docker://registry.example.org/app:secret\n";

struct job {
	struct monitor		 m;
	struct layout_out	 out;
	int			 key;		/* control of the key role */
	int			 src;		/* source layout */
	const char		*kid;
	struct image_ref	 from, to;
	struct manifest		 manifest;
	struct json_object	*json;		/* the manifest, being rewritten */
};

static int
open_blob(const struct job *j, const struct digest *d, int *fd, struct err *e)
{
	char path[160];

	layout_blob_path(d, path, sizeof(path));
	*fd = fs_open_beneath(j->src, path, O_RDONLY | O_CLOEXEC, 0);
	return *fd < 0 ? err_sys_as(e, ERR_IMAGE, "%s", d->text) : 0;
}

static int
read_blob(const struct job *j, const struct digest *d, struct buf *out, struct err *e)
{
	autoclose int fd = -1;
	int rc = open_blob(j, d, &fd, e);

	if (rc == 0)
		rc = fs_read_fd(fd, d->text, out, e);
	return rc < 0 ? rc : digest_check(d, buf_span(out), "blob", e);
}

static int
set_string(struct json_object *o, const char *name, const char *value, struct err *e)
{
	struct json_object *text = json_object_new_string(value);

	if (text == NULL || json_object_object_add(o, name, text) != 0)
		return err_set(e, ERR_NOMEM, "manifest");
	return 0;
}

static int
add_annotation(struct json_object *layer, const char *name, struct span value, struct err *e)
{
	autobuf text = BUF(LIMIT_ANNOTATION);
	struct json_object *annotations;
	int rc = base64_encode(value, &text, e);

	if (rc < 0)
		return rc;
	if (!json_object_object_get_ex(layer, "annotations", &annotations)) {
		annotations = json_object_new_object();
		if (annotations == NULL ||
		    json_object_object_add(layer, "annotations", annotations) != 0)
			return err_set(e, ERR_NOMEM, "manifest");
	}
	return set_string(annotations, name, buf_str(&text), e);
}

/* What the crypt role made of one layer. */
struct made {
	struct digest		digest;
	uint64_t		size;
	struct ocicrypt_public	public;
};

static int
take_made(const struct msg *m, struct made *out, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char text[160];
	struct span hmac;
	int rc = role_verdict(&r, e);

	if (rc < 0)
		return rc;
	msg_get_str(&r, text, sizeof(text));
	out->size = msg_get_u64(&r);
	hmac = msg_get_bytes(&r, sizeof(out->public.hmac));
	if (!msg_get_end(&r) || hmac.len != sizeof(out->public.hmac))
		return err_set(e, ERR_PROTO, "result that cannot be read");
	memcpy(out->public.hmac, hmac.p, hmac.len);
	return digest_parse(span_str(text), &out->digest, e);
}

static int
send_job(int control, const struct descriptor *d, int in, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_CRYPT_MAKE, 0);
	rc = msg_put_str(&m, d->digest.text, e);
	if (rc == 0)
		rc = msg_put_u64(&m, d->size, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, in);
	return msg_send(control, &m, -1, e);
}

/* Runs one crypt role from the open blob to the open output; its key waits in the key role. */
static int
run_crypt(struct job *j, uint32_t number, int in, int out, struct made *made, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CRYPT_DONE, .max_len = KIB(1) }, { 0 },
	};
	autoclose int ours = -1, link_key = -1, link_crypt = -1;
	automsg answer;
	int pair[2], rc;

	msg_init(&answer, 0, 0);
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	link_key = pair[0];
	link_crypt = pair[1];
	rc = monitor_send_link(j->key, number, link_key, e);
	base_close(&link_key);
	if (rc == 0)
		rc = monitor_start(&j->m, ROLE_CRYPT, (int[]){ out, link_crypt }, 2, &ours, NULL, e);
	base_close(&link_crypt);
	if (rc == 0)
		rc = send_job(ours, &j->manifest.layers[number].desc, in, e);
	if (rc == 0)
		rc = monitor_await(&j->m, ours, rules, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the crypt process died");
	return rc < 0 ? rc : take_made(&answer, made, e);
}

static int
rewrite_layer(struct job *j, uint32_t number, const struct made *made, struct span packet,
    struct err *e)
{
	autobuf public = BUF(KIB(1));
	struct json_object *layers = NULL, *layer, *size;
	char type[160];
	int rc;

	json_object_object_get_ex(j->json, "layers", &layers);
	layer = json_object_array_get_idx(layers, number);
	snprintf(type, sizeof(type), "%s+encrypted", j->manifest.layers[number].desc.media_type);
	rc = set_string(layer, "mediaType", type, e);
	if (rc == 0)
		rc = set_string(layer, "digest", made->digest.text, e);
	size = json_object_new_int64((int64_t)made->size);
	if (rc == 0 && (size == NULL || json_object_object_add(layer, "size", size) != 0))
		rc = err_set(e, ERR_NOMEM, "manifest");
	if (rc == 0)
		rc = ocicrypt_public_format(&made->public, &public, e);
	if (rc == 0)
		rc = add_annotation(layer, OCICRYPT_PUBOPTS, buf_span(&public), e);
	if (rc == 0)
		rc = add_annotation(layer, OCICRYPT_KEYS_PROVIDER OCICRYPT_PROVIDER, packet, e);
	return rc;
}

static int
encrypt_layer(struct job *j, uint32_t number, struct err *e)
{
	const struct layer *l = &j->manifest.layers[number];
	autobuf packet = BUF(LIMIT_PACKET);
	autoclose int in = -1, out = -1;
	struct made made = { 0 };
	int rc;

	if (l->encrypted)
		return err_set(e, ERR_IMAGE, "is encrypted already");
	if (strncmp(l->desc.media_type, "application/vnd.oci.image.layer.", 32) != 0)
		return err_set(e, ERR_UNSUPPORTED, "is of a docker type; make an OCI image of it "
		    "first (skopeo copy --format oci)");
	rc = keyjob_wrap(&j->m, j->key, number, j->kid, l->desc.digest.text, &packet, e);
	if (rc == 0)
		rc = open_blob(j, &l->desc.digest, &in, e);
	if (rc == 0)
		rc = layout_out_begin(&j->out, &out, e);
	if (rc == 0)
		rc = run_crypt(j, number, in, out, &made, e);
	if (rc == 0)
		rc = layout_out_end(&j->out, &made.digest, e);
	return rc < 0 ? rc : rewrite_layer(j, number, &made, buf_span(&packet), e);
}

static int
encrypt_layers(struct job *j, struct err *e)
{
	for (uint32_t i = 0; i < j->manifest.nlayers; i++) {
		int rc = encrypt_layer(j, i, e);

		if (rc < 0)
			return err_wrap(e, "layer %u of %zu", i + 1, j->manifest.nlayers);
	}
	return 0;
}

static int
read_manifest(struct job *j, struct buf *text, struct err *e)
{
	autobuf index = BUF(LIMIT_MANIFEST);
	struct descriptor d;
	int rc;

	j->src = sys_openat(AT_FDCWD, j->from.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (j->src < 0)
		return err_sys_as(e, ERR_IMAGE_NOTFOUND, "%s", j->from.dir);
	rc = fs_read_file(j->src, "index.json", &index, e);
	if (rc == 0)
		rc = layout_find(buf_span(&index), j->from.tag, &d, e);
	if (rc == 0)
		rc = read_blob(j, &d.digest, text, e);
	if (rc == 0)
		rc = manifest_parse(buf_span(text), d.media_type, &j->manifest, e);
	if (rc < 0)
		return rc;
	/* The strict reader has accepted it: json-c sees the same, and keeps what it does not know. */
	j->json = json_tokener_parse(buf_str(text));
	return j->json == NULL ? err_set(e, ERR_NOMEM, "manifest") : 0;
}

static int
copy_config(struct job *j, struct err *e)
{
	autobuf config = BUF(LIMIT_CONFIG);
	struct digest d;
	int rc = read_blob(j, &j->manifest.config.digest, &config, e);

	return rc < 0 ? err_wrap(e, "config") : layout_out_add(&j->out, buf_span(&config), &d, e);
}

static int
encrypt_image(struct job *j, struct digest *manifest, struct err *e)
{
	autobuf text = BUF(LIMIT_MANIFEST);
	const char *out;
	int rc;

	rc = read_manifest(j, &text, e);
	if (rc == 0)
		rc = keyjob_start(&j->m, opt.kbc_params, &j->key, e);
	if (rc == 0)
		rc = encrypt_layers(j, e);
	if (rc == 0)
		rc = copy_config(j, e);
	if (rc < 0)
		return rc;
	out = json_object_to_json_string_ext(j->json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	rc = layout_out_add(&j->out, span_str(out), manifest, e);
	return rc < 0 ? rc : layout_out_commit(&j->out, manifest, strlen(out), e);
}

static int
check_arguments(struct job *j, const char **operands, struct err *e)
{
	static const char provider[] = "provider:attestation-agent:";
	struct image_ref *refs[] = { &j->from, &j->to };

	if (opt.recipient == NULL || opt.kbc_params == NULL)
		return err_set(e, ERR_USAGE, "wants --recipient and --aa-kbc-params");
	if (strncmp(opt.recipient, provider, strlen(provider)) != 0)
		return err_set(e, ERR_UNSUPPORTED, "--recipient: only %sKEYID is supported yet", provider);
	j->kid = opt.recipient + strlen(provider);
	for (size_t i = 0; i < 2; i++) {
		int rc = image_ref_parse(span_str(operands[i]), refs[i], e);

		if (rc < 0)
			return rc;
		if (refs[i]->transport != TRANSPORT_OCI)
			return err_set(e, ERR_UNSUPPORTED, "%s: only oci:DIR[:TAG] is supported yet", operands[i]);
	}
	if (j->to.tag[0] == '@')
		return err_set(e, ERR_USAGE, "%s: @N names an image that is there, not a new one", operands[1]);
	return 0;
}

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	struct job j = { .key = -1, .src = -1 };
	struct digest manifest;
	int rc = check_arguments(&j, operands, e);

	if (rc == 0)
		rc = crypto_init(e);
	if (rc < 0)
		return rc;
	rc = monitor_open(&j.m, false, e);
	if (rc == 0)
		rc = layout_out_open(j.to.dir, j.to.tag, &j.out, e);
	if (rc == 0) {
		rc = encrypt_image(&j, &manifest, e);
		layout_out_close(&j.out);
	}
	monitor_close(&j.m);
	json_object_put(j.json);
	manifest_fini(&j.manifest);
	base_close(&j.key);
	base_close(&j.src);
	if (rc == 0)
		printf("%s\n", manifest.text);
	return rc;
}

const struct cli_verb verb_encrypt = {
	.name = "encrypt",
	.operands = "SRC DST",
	.summary = "encrypt the layers of an image layout",
	.more = more,
	.options = options,
	.min = 2,
	.max = 2,
	.run = run,
};
