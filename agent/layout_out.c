/* layout_out.c: see layout_out.h. */
#include "lib/base.h"

#include "agent/layout_out.h"

#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sys/stat.h>

#include "lib/fs.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "lib/sys.h"

#define MANIFEST_TYPE	"application/vnd.oci.image.manifest.v1+json"
#define REF_NAME	"org.opencontainers.image.ref.name"
#define NEW_BLOB	".new"

static const char *
hex_of(const struct digest *d)
{
	assert(d->alg == HASH_SHA256);
	return d->text + strlen("sha256:");
}

static int
make_layout(struct layout_out *o, struct err *e)
{
	static const char marker[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	int dir = o->staging.dir, rc;

	rc = fs_write_atomic(dir, "oci-layout", SPAN_LIT(marker), 0644, e);
	if (rc < 0)
		return rc;
	if (mkdirat(dir, "blobs", 0755) < 0 || mkdirat(dir, "blobs/sha256", 0755) < 0)
		return err_sys_as(e, ERR_STORAGE, "blobs");
	o->blobs = sys_openat(dir, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return o->blobs < 0 ? err_sys_as(e, ERR_STORAGE, "blobs") : 0;
}

int
layout_out_open(const char *dir, const char *tag, struct layout_out *out, struct err *e)
{
	int rc;

	*out = (struct layout_out){ .dir = dir, .tag = tag, .blobs = -1 };
	rc = staging_open(dir, NULL, STAGING_MERGE, &out->staging, e);
	if (rc < 0)
		return rc;
	rc = make_layout(out, e);
	if (rc < 0)
		layout_out_close(out);
	return rc;
}

void
layout_out_close(struct layout_out *o)
{
	base_close(&o->blobs);
	staging_close(&o->staging);
}

int
layout_out_add(struct layout_out *o, struct span data, struct digest *d, struct err *e)
{
	int rc = digest_of(HASH_SHA256, data, d, e);

	return rc < 0 ? rc : fs_write_atomic(o->blobs, hex_of(d), data, 0644, e);
}

int
layout_out_begin(struct layout_out *o, int *fd, struct err *e)
{
	*fd = sys_openat(o->blobs, NEW_BLOB, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return *fd < 0 ? err_sys_as(e, ERR_STORAGE, "new blob") : 0;
}

int
layout_out_end(struct layout_out *o, const struct digest *d, struct err *e)
{
	if (sys_renameat2(o->blobs, NEW_BLOB, o->blobs, hex_of(d), 0) < 0)
		return err_sys_as(e, ERR_STORAGE, "new blob");
	return 0;
}

static struct json_object *
index_entry(const struct layout_out *o, const struct digest *manifest, size_t size)
{
	struct json_object *entry = json_object_new_object(), *names;

	if (entry == NULL)
		return NULL;
	json_object_object_add(entry, "mediaType", json_object_new_string(MANIFEST_TYPE));
	json_object_object_add(entry, "digest", json_object_new_string(manifest->text));
	json_object_object_add(entry, "size", json_object_new_int64((int64_t)size));
	if (o->tag[0] == '\0')
		return entry;
	names = json_object_new_object();
	json_object_object_add(names, REF_NAME, json_object_new_string(o->tag));
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
write_index(struct layout_out *o, struct span old, int dir, const struct digest *manifest, size_t size,
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
	drop_tag(manifests, o->tag);
	json_object_array_add(manifests, index_entry(o, manifest, size));
	rc = fs_write_atomic(dir, "index.json", span_str(json_object_to_json_string_ext(index,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)), 0644, e);
	json_object_put(index);
	return rc;
}

/* Moves our blobs to those of a layout that is there; what is interrupted leaves blobs that nobody names. */
static int
move_blobs(struct layout_out *o, int layout, struct err *e)
{
	autoclose int to = -1;
	int copy = fcntl(o->blobs, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;
	int rc = 0;

	to = sys_openat(layout, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (to < 0 || d == NULL)
		rc = err_sys_as(e, ERR_STORAGE, "%s: blobs", o->dir);
	while (rc == 0 && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.' &&
		    sys_renameat2(o->blobs, entry->d_name, to, entry->d_name, 0) < 0)
			rc = err_sys_as(e, ERR_STORAGE, "%s: blobs", o->dir);
	if (d != NULL)
		closedir(d);
	return rc;
}

static int
merge(struct layout_out *o, const struct digest *manifest, size_t size, struct err *e)
{
	autobuf index = BUF(LIMIT_MANIFEST);
	autoclose int layout = sys_openat(AT_FDCWD, o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int rc;

	if (layout < 0)
		return err_sys_as(e, ERR_STORAGE, "%s", o->dir);
	rc = fs_read_file(layout, "index.json", &index, e);
	if (rc < 0)
		return err_set(e, ERR_STORAGE, "%s: exists and is not an image layout", o->dir);
	rc = move_blobs(o, layout, e);
	return rc < 0 ? rc : write_index(o, buf_span(&index), layout, manifest, size, e);
}

int
layout_out_seal(struct layout_out *o, const struct digest *manifest, size_t size, struct err *e)
{
	return write_index(o, (struct span){ NULL, 0 }, o->staging.dir, manifest, size, e);
}

/* A new layout gets its name, or our image is put into the one that is there. */
int
layout_out_commit(struct layout_out *o, const struct digest *manifest, size_t size, struct err *e)
{
	int rc;

	if (staging_target_exists(&o->staging))
		return merge(o, manifest, size, e);
	rc = layout_out_seal(o, manifest, size, e);
	/* Ciphertext is for everybody, as other layouts are. */
	if (rc == 0 && fchmod(o->staging.dir, 0755) < 0)
		rc = err_sys_as(e, ERR_STORAGE, "%s", o->dir);
	return rc < 0 ? rc : staging_commit(&o->staging, NULL, e);
}
