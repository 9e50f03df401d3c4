/*
 * cmd_encrypt.c: aa-cli encrypt: an image layout with every layer encrypted. Keys are made and wrapped in
 * the key role and used in a crypt role for each layer; this process only rewrites the manifest.
 */
#include "lib/base.h"

#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sys/stat.h>

#include "agent/cli.h"
#include "agent/keyjob.h"
#include "agent/staging.h"
#include "image/layout.h"
#include "image/ocicrypt.h"
#include "image/reference.h"
#include "lib/codec.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define MANIFEST_TYPE	"application/vnd.oci.image.manifest.v1+json"
#define REF_NAME	"org.opencontainers.image.ref.name"

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
	struct staging		 out;
	int			 key;		/* control of the key role */
	int			 src, blobs;	/* source layout; our blobs/sha256 */
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

/* Writes bytes as a blob named by their digest. */
static int
write_blob(const struct job *j, struct span data, struct digest *d, struct err *e)
{
	int rc = digest_of(HASH_SHA256, data, d, e);

	return rc < 0 ? rc : fs_write_atomic(j->blobs, d->text + strlen("sha256:"), data, 0644, e);
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
	rc = msg_send(control, &m, -1, e);
	m.nfds = 0;
	return rc;
}

/* Runs one crypt role from the open blob to the open output; its key waits in the key role. */
static int
run_crypt(struct job *j, uint32_t number, int in, int out, struct made *made, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CRYPT_DONE, .max_len = KIB(1) }, { 0 },
	};
	autoclose int ours = -1, theirs = -1, link_key = -1, link_crypt = -1;
	automsg answer;
	int pair[2], rc;
	pid_t pid;

	msg_init(&answer, 0, 0);
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	ours = pair[0];
	theirs = pair[1];
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	link_key = pair[0];
	link_crypt = pair[1];
	rc = monitor_send_link(j->key, number, link_key, e);
	base_close(&link_key);
	if (rc == 0)
		rc = monitor_spawn(&j->m, ROLE_CRYPT, (int[]){ theirs, out, link_crypt }, 3,
		    -1, -1, -1, &pid, e);
	base_close(&theirs);
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
	struct json_object *layers, *layer, *size;
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
	struct made made;
	int rc;

	if (l->encrypted)
		return err_set(e, ERR_IMAGE, "is encrypted already");
	if (strncmp(l->desc.media_type, "application/vnd.oci.image.layer.", 32) != 0)
		return err_set(e, ERR_UNSUPPORTED, "is of a docker type; make an OCI image of it "
		    "first (skopeo copy --format oci)");
	rc = keyjob_wrap(&j->m, j->key, number, j->kid, l->desc.digest.text, &packet, e);
	if (rc == 0)
		rc = open_blob(j, &l->desc.digest, &in, e);
	if (rc < 0)
		return rc;
	out = sys_openat(j->blobs, ".new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (out < 0)
		return err_sys_as(e, ERR_STORAGE, "new blob");
	rc = run_crypt(j, number, in, out, &made, e);
	if (rc == 0 && sys_renameat2(j->blobs, ".new", j->blobs,
	    made.digest.text + strlen("sha256:"), 0) < 0)
		rc = err_sys_as(e, ERR_STORAGE, "new blob");
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
make_layout(struct job *j, struct err *e)
{
	static const char marker[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	int rc;

	rc = fs_write_atomic(j->out.dir, "oci-layout", SPAN_LIT(marker), 0644, e);
	if (rc < 0)
		return rc;
	if (mkdirat(j->out.dir, "blobs", 0755) < 0 || mkdirat(j->out.dir, "blobs/sha256", 0755) < 0)
		return err_sys_as(e, ERR_STORAGE, "blobs");
	j->blobs = sys_openat(j->out.dir, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return j->blobs < 0 ? err_sys_as(e, ERR_STORAGE, "blobs") : 0;
}

static int
copy_config(struct job *j, struct err *e)
{
	autobuf config = BUF(LIMIT_CONFIG);
	struct digest d;
	int rc = read_blob(j, &j->manifest.config.digest, &config, e);

	return rc < 0 ? err_wrap(e, "config") : write_blob(j, buf_span(&config), &d, e);
}

static struct json_object *
index_entry(const struct job *j, const struct digest *manifest, size_t size)
{
	struct json_object *entry = json_object_new_object(), *names;

	if (entry == NULL)
		return NULL;
	json_object_object_add(entry, "mediaType", json_object_new_string(MANIFEST_TYPE));
	json_object_object_add(entry, "digest", json_object_new_string(manifest->text));
	json_object_object_add(entry, "size", json_object_new_int64((int64_t)size));
	if (j->to.tag[0] == '\0')
		return entry;
	names = json_object_new_object();
	json_object_object_add(names, REF_NAME, json_object_new_string(j->to.tag));
	json_object_object_add(entry, "annotations", names);
	return entry;
}

/* Takes away what has this tag now: a tag names one image. */
static void
drop_tag(struct json_object *manifests, const char *tag)
{
	for (size_t i = json_object_array_length(manifests); i-- > 0;) {
		struct json_object *entry = json_object_array_get_idx(manifests, i), *names, *name;

		if (json_object_object_get_ex(entry, "annotations", &names) &&
		    json_object_object_get_ex(names, REF_NAME, &name) &&
		    strcmp(json_object_get_string(name), tag) == 0)
			json_object_array_del_idx(manifests, i, 1);
	}
}

/* The index of the layout that is there, or of a new one, with our image in it. */
static int
write_index(struct job *j, struct span old, int dir, const struct digest *manifest, size_t size,
    struct err *e)
{
	static const char fresh[] = "{\"schemaVersion\":2,\"manifests\":[]}";
	autojson strict = NULL;
	struct json_object *index, *manifests;
	int rc;

	if (old.len == 0)
		old = SPAN_LIT(fresh);
	rc = json_parse(old, &strict, e);
	if (rc == 0 && !json_is(json_get(json_root(strict), "manifests"), JSON_ARRAY))
		rc = err_set(e, ERR_IMAGE, "no list of manifests");
	if (rc < 0)
		return err_wrap(e, "index.json");
	index = json_tokener_parse((const char *)old.p);
	if (index == NULL || !json_object_object_get_ex(index, "manifests", &manifests))
		return err_set(e, ERR_NOMEM, "index.json");
	drop_tag(manifests, j->to.tag);
	json_object_array_add(manifests, index_entry(j, manifest, size));
	rc = fs_write_atomic(dir, "index.json", span_str(json_object_to_json_string_ext(index,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)), 0644, e);
	json_object_put(index);
	return rc;
}

/* Moves our blobs to those of a layout that is there; what is interrupted leaves blobs that nobody names. */
static int
move_blobs(struct job *j, int layout, struct err *e)
{
	autoclose int to = -1;
	int copy = fcntl(j->blobs, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;
	int rc = 0;

	to = sys_openat(layout, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (to < 0 || d == NULL)
		rc = err_sys_as(e, ERR_STORAGE, "%s: blobs", j->to.dir);
	while (rc == 0 && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.' &&
		    sys_renameat2(j->blobs, entry->d_name, to, entry->d_name, 0) < 0)
			rc = err_sys_as(e, ERR_STORAGE, "%s: blobs", j->to.dir);
	if (d != NULL)
		closedir(d);
	return rc;
}

static int
merge(struct job *j, const struct digest *manifest, size_t size, struct err *e)
{
	autobuf index = BUF(LIMIT_MANIFEST);
	autoclose int layout = sys_openat(AT_FDCWD, j->to.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int rc;

	if (layout < 0)
		return err_sys_as(e, ERR_STORAGE, "%s", j->to.dir);
	rc = fs_read_file(layout, "index.json", &index, e);
	if (rc < 0)
		return err_set(e, ERR_STORAGE, "%s: exists and is not an image layout", j->to.dir);
	rc = move_blobs(j, layout, e);
	return rc < 0 ? rc : write_index(j, buf_span(&index), layout, manifest, size, e);
}

/* A new layout gets its name, or our image is put into the one that is there. */
static int
commit(struct job *j, const struct digest *manifest, size_t size, struct err *e)
{
	int rc;

	if (staging_target_exists(&j->out))
		return merge(j, manifest, size, e);
	rc = write_index(j, (struct span){ NULL, 0 }, j->out.dir, manifest, size, e);
	/* Ciphertext is for everybody, as other layouts are. */
	if (rc == 0 && fchmod(j->out.dir, 0755) < 0)
		rc = err_sys_as(e, ERR_STORAGE, "%s", j->to.dir);
	return rc < 0 ? rc : staging_commit(&j->out, NULL, e);
}

static int
encrypt_image(struct job *j, struct digest *manifest, struct err *e)
{
	autobuf text = BUF(LIMIT_MANIFEST);
	const char *out;
	int rc;

	rc = read_manifest(j, &text, e);
	if (rc == 0)
		rc = make_layout(j, e);
	if (rc == 0)
		rc = keyjob_start(&j->m, opt.kbc_params, &j->key, e);
	if (rc == 0)
		rc = encrypt_layers(j, e);
	if (rc == 0)
		rc = copy_config(j, e);
	if (rc < 0)
		return rc;
	out = json_object_to_json_string_ext(j->json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	rc = write_blob(j, span_str(out), manifest, e);
	return rc < 0 ? rc : commit(j, manifest, strlen(out), e);
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
	return 0;
}

static int
run(const char **operands, unused size_t n, struct err *e)
{
	struct job j = { .key = -1, .src = -1, .blobs = -1 };
	struct digest manifest;
	int rc = check_arguments(&j, operands, e);

	if (rc == 0)
		rc = crypto_init(e);
	if (rc < 0)
		return rc;
	rc = monitor_open(&j.m, e);
	if (rc == 0)
		rc = staging_open(j.to.dir, NULL, STAGING_MERGE, &j.out, e);
	if (rc == 0) {
		rc = encrypt_image(&j, &manifest, e);
		staging_close(&j.out);
	}
	monitor_close(&j.m);
	json_object_put(j.json);
	manifest_fini(&j.manifest);
	base_close(&j.key);
	base_close(&j.src);
	base_close(&j.blobs);
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
