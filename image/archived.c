/*
 * archived.c: from digests to members. What docker save writes has no digests of its own: those of plain layers
 * are their diff_ids, those of compressed ones are in their names or are computed.
 */
#include "lib/base.h"

#include "image/archived.h"

#include "image/docker_archive.h"
#include "image/layout.h"
#include "lib/sys.h"

/* A blob of docker's by its digest. */
struct known {
	struct digest		 digest;
	const struct member	*member;
};

struct archived {
	struct image_ref	 ref;
	struct tarball		*tar;
	/* docker-archive: */
	struct buf		 manifest;
	struct digest		 digest;	/* of the manifest */
	struct known		*known;		/* layers, then the configuration */
	size_t			 nknown;
};

static enum compression
compression_of(const struct member *m)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };

	if (m->nhead == sizeof(m->head) && memcmp(m->head, gzip, sizeof(gzip)) == 0)
		return COMPRESSION_GZIP;
	if (m->nhead == sizeof(m->head) && memcmp(m->head, zstd, sizeof(zstd)) == 0)
		return COMPRESSION_ZSTD;
	return COMPRESSION_NONE;
}

static int
hash_all(struct tarball_reader *r, struct hash *h, struct digest *out, struct err *e)
{
	uint8_t chunk[16 << 10], value[HASH_MAX];
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = tarball_read(r, chunk, sizeof(chunk), e)) != 0)
		rc = n < 0 ? (int)n : hash_update(h, chunk, (size_t)n, e);
	if (rc == 0)
		rc = hash_final(h, value, e);
	if (rc == 0)
		digest_set(out, HASH_SHA256, value);
	return rc;
}

static int
hash_member(const struct archived *a, const struct member *m, struct digest *out, struct err *e)
{
	struct tarball_reader *r = NULL;
	struct hash *h = NULL;
	int rc = hash_new(HASH_SHA256, &h, e);

	if (rc == 0)
		rc = tarball_read_open(a->tar, m, &r, e);
	if (rc == 0)
		rc = hash_all(r, h, out, e);
	tarball_read_close(r);
	hash_free(h);
	return rc;
}

/* Is the member called blobs/sha256/HEX? Whoever reads it will see whether that is true. */
static bool
digest_in_name(const struct member *m, struct digest *out)
{
	static const char prefix[] = "blobs/sha256/";
	char text[sizeof(out->text)];
	struct err ignored;

	if (strncmp(m->name, prefix, strlen(prefix)) != 0)
		return false;
	snprintf(text, sizeof(text), "sha256:%.100s", m->name + strlen(prefix));
	return digest_parse(span_str(text), out, &ignored) == 0;
}

static int
describe_layer(const struct archived *a, const char *name, const struct digest *diff_id, struct layer *out,
    const struct member **member, struct err *e)
{
	const struct member *m = tarball_find(a->tar, name);
	int rc = 0;

	if (m == NULL)
		return err_set(e, ERR_IMAGE_NOTFOUND, "layer \"%.100s\": the archive has no such file", name);
	out->compression = compression_of(m);
	out->desc.size = m->size;
	if (out->compression == COMPRESSION_NONE)
		out->desc.digest = *diff_id;
	else if (!digest_in_name(m, &out->desc.digest))
		rc = hash_member(a, m, &out->desc.digest, e);
	*member = m;
	return rc;
}

static int
describe_layers(struct archived *a, const struct docker_archive *d, const struct digest *diff_ids,
    struct layer *layers, struct err *e)
{
	for (size_t i = 0; i < d->nlayers; i++) {
		char name[DOCKER_ARCHIVE_NAME];
		int rc = docker_archive_layer(d, i, name, e);

		if (rc == 0)
			rc = describe_layer(a, name, &diff_ids[i], &layers[i], &a->known[i].member, e);
		if (rc < 0)
			return rc;
		a->known[i].digest = layers[i].desc.digest;
	}
	a->nknown = d->nlayers;
	return 0;
}

/* With room for the layers: their diff_ids and descriptors live here only. */
static int
make_manifest_of(struct archived *a, const struct docker_archive *d, struct span config, struct digest *diff_ids,
    struct layer *layers, struct err *e)
{
	struct known *k = &a->known[d->nlayers];
	int rc = docker_archive_diff_ids(config, d->nlayers, diff_ids, e);

	if (rc == 0)
		rc = describe_layers(a, d, diff_ids, layers, e);
	if (rc == 0)
		rc = digest_of(HASH_SHA256, config, &k->digest, e);
	if (rc < 0)
		return rc;
	k->member = tarball_find(a->tar, d->config);
	a->nknown++;
	rc = docker_archive_manifest(&k->digest, config.len, layers, d->nlayers, &a->manifest, e);
	return rc < 0 ? rc : digest_of(HASH_SHA256, buf_span(&a->manifest), &a->digest, e);
}

static int
make_manifest(struct archived *a, const struct docker_archive *d, struct err *e)
{
	autobuf config = BUF(LIMIT_CONFIG);
	struct digest *diff_ids = sys_alloc((d->nlayers + 1) * sizeof(*diff_ids));
	struct layer *layers = sys_alloc((d->nlayers + 1) * sizeof(*layers));
	int rc = tarball_load(a->tar, d->config, &config, e);

	a->known = sys_alloc((d->nlayers + 1) * sizeof(*a->known));
	if (rc == 0 && (diff_ids == NULL || layers == NULL || a->known == NULL))
		rc = err_set(e, ERR_NOMEM, "archive: out of memory");
	if (rc == 0)
		rc = make_manifest_of(a, d, buf_span(&config), diff_ids, layers, e);
	sys_free(layers);
	sys_free(diff_ids);
	return rc;
}

static int
open_docker(struct archived *a, struct err *e)
{
	cleanup(docker_archive_fini) struct docker_archive d = { 0 };
	autobuf text = BUF(LIMIT_MANIFEST);
	int rc = tarball_load(a->tar, "manifest.json", &text, e);

	if (rc == 0)
		rc = docker_archive_choose(buf_span(&text), &a->ref, &d, e);
	return rc < 0 ? rc : make_manifest(a, &d, e);
}

int
archived_open(int fd, const struct image_ref *ref, struct archived **out, struct err *e)
{
	struct archived *a = sys_alloc(sizeof(*a));
	int rc;

	if (a == NULL)
		return err_set(e, ERR_NOMEM, "archive: out of memory");
	a->ref = *ref;
	a->manifest.max = LIMIT_MANIFEST;
	rc = tarball_open(fd, &a->tar, e);
	if (rc == 0 && ref->transport == TRANSPORT_DOCKER_ARCHIVE)
		rc = open_docker(a, e);
	if (rc < 0)
		archived_close(a);
	else
		*out = a;
	return rc;
}

void
archived_close(struct archived *a)
{
	if (a == NULL)
		return;
	tarball_close(a->tar);
	buf_free(&a->manifest);
	sys_free(a->known);
	sys_free(a);
}

const struct tarball *
archived_tarball(const struct archived *a)
{
	return a->tar;
}

static int
manifest_of_layout(const struct archived *a, struct archived_part *out, struct err *e)
{
	autobuf index = BUF(LIMIT_MANIFEST);
	struct descriptor d;
	int rc = tarball_load(a->tar, "index.json", &index, e);

	if (rc == 0)
		rc = layout_find(buf_span(&index), a->ref.tag, &d, e);
	if (rc == 0)
		rc = archived_blob(a, &d.digest, out, e);
	if (rc < 0)
		return rc;
	snprintf(out->content_type, sizeof(out->content_type), "%s", d.media_type);
	snprintf(out->digest, sizeof(out->digest), "%s", d.digest.text);
	return 0;
}

/* Its type stands in the manifest as well. */
static void
made_manifest(const struct archived *a, struct archived_part *out)
{
	*out = (struct archived_part){ .bytes = buf_span(&a->manifest) };
	snprintf(out->digest, sizeof(out->digest), "%s", a->digest.text);
}

int
archived_manifest(const struct archived *a, struct archived_part *out, struct err *e)
{
	if (a->ref.transport != TRANSPORT_DOCKER_ARCHIVE)
		return manifest_of_layout(a, out, e);
	made_manifest(a, out);
	return 0;
}

static const struct member *
find_blob(const struct archived *a, const struct digest *d)
{
	char path[160];

	for (size_t i = 0; i < a->nknown; i++)
		if (digest_equal(&a->known[i].digest, d))
			return a->known[i].member;
	if (a->ref.transport == TRANSPORT_DOCKER_ARCHIVE)
		return NULL;
	layout_blob_path(d, path, sizeof(path));
	return tarball_find(a->tar, path);
}

int
archived_blob(const struct archived *a, const struct digest *d, struct archived_part *out, struct err *e)
{
	const struct member *m = find_blob(a, d);

	if (m != NULL)
		*out = (struct archived_part){ .member = m };
	else if (a->manifest.len > 0 && digest_equal(&a->digest, d))
		made_manifest(a, out);
	else
		return err_set(e, ERR_IMAGE_NOTFOUND, "%s: the archive has no such blob", d->text);
	return 0;
}
