/*
 * destination_archive.c: an image goes to an OCI layout in a tar file. Blobs come in any order and their sizes are
 * known late, so they are gathered in a staging directory first; the file gets its name when it is whole.
 */
#include "lib/base.h"

#include "agent/destination_setup.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/layout_out.h"
#include "image/layout.h"
#include "image/ustar.h"
#include "lib/sys.h"

#define NEW_FILE	"image.tar"
#define MAX_BLOBS	(LIMIT_LAYERS + 2)	/* configuration and manifest */
#define CHUNK		KIB(64)

struct archive_state {
	struct layout_out	out;
	struct digest		manifest;
	uint64_t		size;
	struct digest		blobs[MAX_BLOBS];	/* in their order, each once */
	size_t			nblobs;
};

static int
archive_open(struct destination_setup *d, struct err *e)
{
	struct archive_state *s = d->state;
	struct stat st;
	int rc = layout_out_open(d->ref.dir, d->ref.tag, &s->out, e);

	if (rc < 0)
		return rc;
	if (fstatat(s->out.staging.parent, s->out.staging.base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISREG(st.st_mode)) {
		layout_out_close(&s->out);
		return err_set(e, ERR_STORAGE, "%s: exists and is not a regular file", d->ref.dir);
	}
	return 0;
}

static int
archive_begin(struct destination_setup *d, maybe_unused enum store_what what, maybe_unused const char *digest,
    maybe_unused uint64_t size, int *fd, struct err *e)
{
	struct archive_state *s = d->state;

	return layout_out_begin(&s->out, fd, e);
}

static int
note_blob(struct archive_state *s, const struct digest *digest, struct err *e)
{
	for (size_t i = 0; i < s->nblobs; i++)
		if (strcmp(s->blobs[i].text, digest->text) == 0)
			return 0;
	if (s->nblobs == MAX_BLOBS)
		return err_set(e, ERR_LIMIT, "more than %d blobs", MAX_BLOBS);
	s->blobs[s->nblobs++] = *digest;
	return 0;
}

static int
archive_end(struct destination_setup *d, const struct digest *digest, maybe_unused uint64_t size, struct err *e)
{
	struct archive_state *s = d->state;
	int rc = layout_out_end(&s->out, digest, e);

	return rc < 0 ? rc : note_blob(s, digest, e);
}

static int
archive_commit(struct destination_setup *d, maybe_unused const char *media_type, const struct digest *manifest,
    uint64_t size, maybe_unused struct err *e)
{
	struct archive_state *s = d->state;

	s->manifest = *manifest;
	s->size = size;
	return 0;
}

/*
 * Writing the file.
 */

static int
put(int tar, const void *data, size_t n, struct err *e)
{
	return sys_write_all(tar, data, n) < 0 ? err_sys_as(e, ERR_STORAGE, "archive") : 0;
}

static int
put_header(int tar, const char *name, enum ustar_type type, uint64_t size, struct err *e)
{
	uint8_t block[USTAR_BLOCK];
	int rc = ustar_header(name, type, size, block, e);

	return rc < 0 ? rc : put(tar, block, sizeof(block), e);
}

static int
put_content(int tar, int from, uint64_t size, struct err *e)
{
	static const uint8_t zeros[USTAR_BLOCK];
	static uint8_t chunk[CHUNK];
	uint64_t left = size;

	while (left > 0) {
		ssize_t n = sys_read(from, chunk, (size_t)MIN(left, sizeof(chunk)));
		int rc;

		if (n <= 0)
			return n < 0 ? err_sys_as(e, ERR_STORAGE, "blob") :
			    err_set(e, ERR_STORAGE, "a blob has become shorter");
		rc = put(tar, chunk, (size_t)n, e);
		if (rc < 0)
			return rc;
		left -= (uint64_t)n;
	}
	return put(tar, zeros, ustar_padding(size), e);
}

/* A file of the staging directory, which is not needed there any more: no byte has to be stored twice for long. */
static int
put_file(int tar, int dir, const char *name, struct err *e)
{
	autoclose int fd = sys_openat(dir, name, O_RDONLY | O_CLOEXEC, 0);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys_as(e, ERR_STORAGE, "%s", name);
	rc = put_header(tar, name, USTAR_FILE, (uint64_t)st.st_size, e);
	if (rc == 0)
		rc = put_content(tar, fd, (uint64_t)st.st_size, e);
	if (rc == 0)
		(void)unlinkat(dir, name, 0);
	return rc;
}

static int
put_image(const struct archive_state *s, int tar, int dir, struct err *e)
{
	static const uint8_t end[2 * USTAR_BLOCK];
	int rc = put_file(tar, dir, "oci-layout", e);

	if (rc == 0)
		rc = put_file(tar, dir, "index.json", e);
	if (rc == 0)
		rc = put_header(tar, "blobs/", USTAR_DIRECTORY, 0, e);
	if (rc == 0)
		rc = put_header(tar, "blobs/sha256/", USTAR_DIRECTORY, 0, e);
	for (size_t i = s->nblobs; i-- > 0 && rc == 0;) {	/* the manifest first, the layers last */
		char path[160];

		layout_blob_path(&s->blobs[i], path, sizeof(path));
		rc = put_file(tar, dir, path, e);
	}
	return rc < 0 ? rc : put(tar, end, sizeof(end), e);
}

static int
archive_finish(struct destination_setup *d, struct err *e)
{
	struct archive_state *s = d->state;
	struct staging *staging = &s->out.staging;
	autoclose int tar = -1;
	int rc = layout_out_seal(&s->out, &s->manifest, (size_t)s->size, e);

	if (rc < 0)
		return rc;
	tar = sys_openat(staging->dir, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (tar < 0)
		return err_sys_as(e, ERR_STORAGE, "%s", d->ref.dir);
	rc = put_image(s, tar, staging->dir, e);
	if (rc == 0 && fsync(tar) < 0)
		rc = err_sys_as(e, ERR_STORAGE, "archive");
	return rc < 0 ? err_wrap(e, "%s", d->ref.dir) : staging_commit(staging, NEW_FILE, e);
}

static void
archive_close(struct destination_setup *d)
{
	struct archive_state *s = d->state;

	layout_out_close(&s->out);
}

const struct destination_ops destination_archive = {
	.transport = TRANSPORT_OCI_ARCHIVE,
	.state_size = sizeof(struct archive_state),
	.open = archive_open,
	.begin = archive_begin,
	.end = archive_end,
	.commit = archive_commit,
	.finish = archive_finish,
	.close = archive_close,
};
