/*
 * tarball.c: libarchive with the tar format and no other, with the one filter that the first bytes ask for and no
 * other. It reads through us, so that several readers share one descriptor, each with a place of its own.
 */
#include "lib/base.h"

#include "image/tarball.h"

#include <archive.h>
#include <archive_entry.h>

#include "lib/limits.h"
#include "lib/sys.h"

#define CHUNK	(64 << 10)

enum filter { FILTER_NONE, FILTER_GZIP, FILTER_ZSTD };

struct tarball {
	int		fd;
	uint64_t	size;		/* of the file */
	enum filter	filter;
	struct members	members;
};

struct tarball_reader {
	const struct tarball	*t;
	struct archive		*a;
	uint64_t		 pos;		/* of the file: what libarchive gets next */
	uint64_t		 left;		/* of the member */
	uint8_t			 chunk[CHUNK];
};

static ssize_t
read_at(int fd, uint64_t pos, void *p, size_t n)
{
	if (pos > INT64_MAX || lseek(fd, (off_t)pos, SEEK_SET) < 0)
		return -1;
	return sys_read(fd, p, n);
}

/*
 * What libarchive calls.
 */

static la_ssize_t
give_chunk(struct archive *a, void *arg, const void **out)
{
	struct tarball_reader *r = arg;
	ssize_t n = read_at(r->t->fd, r->pos, r->chunk, sizeof(r->chunk));

	if (n < 0) {
		archive_set_error(a, errno, "%s", strerror(errno));
		return ARCHIVE_FATAL;
	}
	r->pos += (uint64_t)n;
	*out = r->chunk;
	return n;
}

/* Never beyond the end: there libarchive shall read, and see that the archive is cut. */
static la_int64_t
skip_over(maybe_unused struct archive *a, void *arg, la_int64_t request)
{
	struct tarball_reader *r = arg;
	uint64_t n = MIN((uint64_t)request, r->t->size - MIN(r->pos, r->t->size));

	r->pos += n;
	return (la_int64_t)n;
}

static int
complain(struct tarball_reader *r, struct err *e)
{
	const char *why = archive_error_string(r->a);

	if (archive_errno(r->a) == ENOMEM)
		return err_set(e, ERR_NOMEM, "archive: out of memory");
	return err_set(e, ERR_IMAGE, "archive: %s", why != NULL ? why : "it cannot be read");
}

static int
support(struct tarball_reader *r)
{
	int rc = archive_read_support_format_tar(r->a);

	if (rc == ARCHIVE_OK && r->t->filter == FILTER_GZIP)
		rc = archive_read_support_filter_gzip(r->a);
	if (rc == ARCHIVE_OK && r->t->filter == FILTER_ZSTD)
		rc = archive_read_support_filter_zstd(r->a);
	return rc;
}

static int
start(struct tarball_reader *r, struct err *e)
{
	int filters = r->t->filter == FILTER_NONE ? 1 : 2;	/* one is the file itself */

	r->a = archive_read_new();
	if (r->a == NULL)
		return err_set(e, ERR_NOMEM, "archive: out of memory");
	if (support(r) != ARCHIVE_OK)
		return err_set(e, ERR_BUG, "archive: this build of libarchive lacks a filter");
	archive_read_set_read_callback(r->a, give_chunk);
	archive_read_set_skip_callback(r->a, skip_over);
	archive_read_set_callback_data(r->a, r);
	if (archive_read_open1(r->a) != ARCHIVE_OK)
		return complain(r, e);
	if (archive_filter_count(r->a) != filters)
		return err_set(e, ERR_IMAGE, "archive: compressed more than once");
	return 0;
}

static int
open_at(const struct tarball *t, uint64_t at, struct tarball_reader **out, struct err *e)
{
	struct tarball_reader *r = sys_alloc(sizeof(*r));
	int rc;

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "archive: out of memory");
	r->t = t;
	r->pos = at;
	rc = start(r, e);
	if (rc < 0)
		tarball_read_close(r);
	else
		*out = r;
	return rc;
}

void
tarball_read_close(struct tarball_reader *r)
{
	if (r == NULL)
		return;
	archive_read_free(r->a);
	sys_free(r);
}

/* 1 and an entry, 0 at the end. A warning is about a name that cannot be told in this locale, or about xattrs. */
static int
next_entry(struct tarball_reader *r, struct archive_entry **out, struct err *e)
{
	int rc = archive_read_next_header(r->a, out);

	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return complain(r, e);
	if (archive_entry_size(*out) < 0)
		return err_set(e, ERR_IMAGE, "archive: a member of negative size");
	return 1;
}

/*
 * The list.
 */

static int
read_head(struct tarball_reader *r, struct member *m, struct err *e)
{
	la_ssize_t n = archive_read_data(r->a, m->head, MIN(sizeof(m->head), m->size));

	if (n < 0)
		return complain(r, e);
	m->nhead = (size_t)n;
	return 0;
}

static int
list_entry(struct tarball *t, struct tarball_reader *r, struct archive_entry *entry, struct err *e)
{
	const char *name = archive_entry_pathname(entry), *target = archive_entry_hardlink(entry);
	enum member_kind kind = MEMBER_FILE;
	struct member *m;
	int rc;

	/* What has no name that can be told is none of an image's parts; neither is a directory. */
	if (name == NULL || archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	if (target != NULL) {
		kind = MEMBER_HARDLINK;
	} else if (archive_entry_filetype(entry) == AE_IFLNK) {
		kind = MEMBER_SYMLINK;
		target = archive_entry_symlink(entry);
	} else if (archive_entry_filetype(entry) != AE_IFREG) {
		return err_set(e, ERR_IMAGE, "archive: \"%.100s\" is neither file, directory nor link", name);
	}
	rc = members_add(&t->members, kind, name, target != NULL ? target : "", &m, e);
	if (rc < 0 || kind != MEMBER_FILE)
		return rc;
	m->at = (uint64_t)archive_read_header_position(r->a);
	m->size = (uint64_t)archive_entry_size(entry);
	return read_head(r, m, e);
}

/* Directories and names that cannot be told count as well, as do their bytes: nothing is read without end. */
static int
list_all(struct tarball *t, struct err *e)
{
	struct tarball_reader *r;
	uint64_t bytes = 0;
	size_t n = 0;
	int rc = open_at(t, 0, &r, e);

	if (rc < 0)
		return rc;
	for (;;) {
		struct archive_entry *entry;

		rc = next_entry(r, &entry, e);
		if (rc <= 0)
			break;
		if (n++ == LIMIT_MEMBERS ||
		    __builtin_add_overflow(bytes, (uint64_t)archive_entry_size(entry), &bytes) ||
		    bytes > LIMIT_LAYER_BYTES) {
			rc = err_set(e, ERR_LIMIT, "archive: more than %d members or %llu bytes",
			    LIMIT_MEMBERS, LIMIT_LAYER_BYTES);
			break;
		}
		rc = list_entry(t, r, entry, e);
		if (rc < 0)
			break;
	}
	tarball_read_close(r);
	return rc < 0 ? rc : members_seal(&t->members, e);
}

static int
choose_filter(struct tarball *t, struct err *e)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	uint8_t head[4] = { 0 };

	if (read_at(t->fd, 0, head, sizeof(head)) < 0)
		return err_sys_as(e, ERR_IMAGE, "archive");
	if (memcmp(head, gzip, sizeof(gzip)) == 0)
		t->filter = FILTER_GZIP;
	else if (memcmp(head, zstd, sizeof(zstd)) == 0)
		t->filter = FILTER_ZSTD;
	return 0;
}

int
tarball_open(int fd, struct tarball **out, struct err *e)
{
	struct tarball *t = sys_alloc(sizeof(*t));
	off_t size = lseek(fd, 0, SEEK_END);
	int rc;

	if (t == NULL)
		return err_set(e, ERR_NOMEM, "archive: out of memory");
	t->fd = fd;
	t->size = (uint64_t)size;
	rc = size < 0 ? err_sys_as(e, ERR_IMAGE, "archive: not a file to seek in") : choose_filter(t, e);
	if (rc == 0)
		rc = list_all(t, e);
	if (rc < 0)
		tarball_close(t);
	else
		*out = t;
	return rc;
}

void
tarball_close(struct tarball *t)
{
	if (t == NULL)
		return;
	members_fini(&t->members);
	sys_free(t);
}

const struct member *
tarball_find(const struct tarball *t, const char *name)
{
	return members_find(&t->members, name);
}

const struct members *
tarball_members(const struct tarball *t)
{
	return &t->members;
}

/*
 * One member.
 */

/* Starts at its header; in a compressed archive all before it is passed again. */
static int
seek_member(struct tarball_reader *r, const struct member *m, struct err *e)
{
	uint64_t at = r->t->filter == FILTER_NONE ? 0 : m->at;
	struct archive_entry *entry;
	int rc;

	do
		rc = next_entry(r, &entry, e);
	while (rc > 0 && (uint64_t)archive_read_header_position(r->a) < at);
	if (rc < 0)
		return rc;
	if (rc == 0 || (uint64_t)archive_read_header_position(r->a) != at ||
	    (uint64_t)archive_entry_size(entry) != m->size)
		return err_set(e, ERR_IMAGE, "archive: it was changed while it was read");
	return 0;
}

int
tarball_read_open(const struct tarball *t, const struct member *m, struct tarball_reader **out, struct err *e)
{
	struct tarball_reader *r;
	int rc = open_at(t, t->filter == FILTER_NONE ? m->at : 0, &r, e);

	if (rc < 0)
		return rc;
	r->left = m->size;
	rc = seek_member(r, m, e);
	if (rc < 0)
		tarball_read_close(r);
	else
		*out = r;
	return rc;
}

ssize_t
tarball_read(struct tarball_reader *r, void *p, size_t n, struct err *e)
{
	la_ssize_t got;

	if (r->left == 0)
		return 0;
	got = archive_read_data(r->a, p, MIN(n, r->left));
	if (got < 0)
		return complain(r, e);
	if (got == 0)
		return err_set(e, ERR_IMAGE, "archive: it is cut inside a member");
	r->left -= (uint64_t)got;
	return got;
}

/* There is room for it. */
static int
read_all(struct tarball_reader *r, struct buf *out, struct err *e)
{
	size_t size = (size_t)r->left, len = 0;

	while (len < size) {
		ssize_t got = tarball_read(r, out->data + out->len + len, size - len, e);

		if (got < 0)
			return (int)got;
		len += (size_t)got;
	}
	out->len += len;
	return 0;
}

int
tarball_load(const struct tarball *t, const char *name, struct buf *out, struct err *e)
{
	const struct member *m = tarball_find(t, name);
	struct tarball_reader *r;
	int rc;

	if (m == NULL)
		return err_set(e, ERR_IMAGE_NOTFOUND, "%s: the archive has no such file", name);
	if (m->size > out->max - out->len)
		return err_set(e, ERR_LIMIT, "%s: %" PRIu64 " bytes, at most %zu are read", name, m->size, out->max);
	rc = buf_reserve(out, (size_t)m->size, e);
	if (rc < 0)
		return rc;
	rc = tarball_read_open(t, m, &r, e);
	if (rc < 0)
		return rc;
	rc = read_all(r, out, e);
	tarball_read_close(r);
	return rc;
}
