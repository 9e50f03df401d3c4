/* store.c: see store.h. Locks are ranges of one file: nothing is left behind by whoever dies. */
#include "lib/base.h"

#include "agent/store.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lib/fs.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "lib/sys.h"

#define LAYERS		"layers"
#define LOCK		"lock"
#define BOOT		"boot"
#define DIR_FLAGS	(O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

static int
check_owner(int dir, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_sys_as(e, ERR_STORAGE, "%s", path);
	if (st.st_uid != geteuid() || (st.st_mode & 0077) != 0)
		return err_set(e, ERR_STORAGE, "%s: a layer store must belong to us and be closed to others "
		    "(chmod 700)", path);
	return 0;
}

static int
open_dirs(struct store *s, const char *path, struct err *e)
{
	char *absolute;
	int rc;

	s->dir = fs_make_dirs(path, 0700, e);
	if (s->dir < 0)
		return s->dir;
	rc = check_owner(s->dir, path, e);
	if (rc < 0)
		return rc;
	if (mkdirat(s->dir, LAYERS, 0700) < 0 && errno != EEXIST)
		return err_sys_as(e, ERR_STORAGE, "%s/" LAYERS, path);
	s->layers = sys_openat(s->dir, LAYERS, DIR_FLAGS, 0);
	if (s->layers < 0)
		return err_sys_as(e, ERR_STORAGE, "%s/" LAYERS, path);
	absolute = realpath(path, NULL);
	if (absolute == NULL)
		return err_sys_as(e, ERR_STORAGE, "%s", path);
	snprintf(s->path, sizeof(s->path), "%s", absolute);
	free(absolute);
	return 0;
}

int
store_open(const char *path, struct store *out, struct err *e)
{
	struct store s = { .dir = -1, .layers = -1 };
	int rc = open_dirs(&s, path, e);

	if (rc < 0)
		store_close(&s);
	else
		*out = s;
	return rc;
}

void
store_close(struct store *s)
{
	base_close(&s->layers);
	base_close(&s->dir);
}

/* --- across boots */

static bool
in_memory(int dir)
{
	struct statfs fs;

	return sys_fstatfs(dir, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* With the lock on file, so that of two that come first one empties it and the other waits. */
static int
compare_boot(const struct store *s, int file, struct span now, struct err *e)
{
	autobuf then = BUF(KIB(4));
	int rc = fs_read_fd(file, BOOT, &then, e);

	if (rc < 0 || span_eq(buf_span(&then), now))
		return rc;
	rc = fs_empty_dir(s->layers, e);
	if (rc < 0)
		return rc;
	if (then.len > 0)
		log_info("%s: what was made before this boot is removed", s->path);
	if (ftruncate(file, 0) < 0 || lseek(file, 0, SEEK_SET) < 0 || sys_write_all(file, now.p, now.len) < 0)
		return err_sys_as(e, ERR_STORAGE, "%s/" BOOT, s->path);
	return 0;
}

int
store_of_this_boot(const char *path, const char *boot, struct err *e)
{
	autobuf now = BUF(KIB(4));
	autoclose int file = -1;
	struct store s;
	int rc = store_open(path, &s, e);

	if (rc < 0)
		return rc;
	rc = fs_read_file(AT_FDCWD, boot, &now, e);
	if (rc < 0 && in_memory(s.dir)) {
		store_close(&s);
		return 0;
	}
	if (rc < 0 || now.len == 0)
		rc = err_set(e, ERR_STORAGE, "%s: cannot be read, so nobody can tell whether layers are of this boot", boot);
	if (rc == 0) {
		file = sys_openat(s.dir, BOOT, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		rc = file < 0 || flock(file, LOCK_EX) < 0 ? err_sys_as(e, ERR_STORAGE, "%s/" BOOT, s.path) :
		    compare_boot(&s, file, buf_span(&now), e);
	}
	store_close(&s);
	return rc;
}

/* --- layers */

static void
file_name(const char *name, unsigned flags, char out[NAME_MAX])
{
	snprintf(out, NAME_MAX, "%s-%u", name, flags);
}

int
store_find(const struct store *s, const char *name)
{
	for (unsigned flags = 0; flags < STORE_FLAGS; flags++) {
		char file[NAME_MAX];
		struct stat st;

		file_name(name, flags, file);
		if (fstatat(s->layers, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			return (int)flags;
	}
	return -1;
}

int
store_path(const struct store *s, const char *name, unsigned flags, char out[PATH_MAX], struct err *e)
{
	char file[NAME_MAX];
	int n;

	file_name(name, flags, file);
	n = snprintf(out, PATH_MAX, "%s/" LAYERS "/%s", s->path, file);
	return n < PATH_MAX ? 0 : err_set(e, ERR_LIMIT, "%s: too long a path for a layer store", s->path);
}

/* One byte of the lock file for each name; two names that share one only wait for each other. */
static off_t
lock_place(const char *name)
{
	char head[16];

	snprintf(head, sizeof(head), "%.15s", name);
	return (off_t)strtoull(head, NULL, 16);
}

/* The lock of a name: 1 and the descriptor that holds it; 0 when it is taken. */
static int
take_lock(const struct store *s, const char *name, int *out, struct err *e)
{
	struct flock range = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = lock_place(name), .l_len = 1,
	};
	autoclose int fd = sys_openat(s->dir, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys_as(e, ERR_STORAGE, "%s/" LOCK, s->path);
	/* Of the open file, not of the process: two pulls of one process exclude each other, too. */
	if (fcntl(fd, F_OFD_SETLK, &range) < 0)
		return errno == EAGAIN || errno == EACCES ? 0 :
		    err_sys_as(e, ERR_STORAGE, "%s/" LOCK, s->path);
	*out = fd_steal(&fd);
	return 1;
}

static int
open_staging(const struct store *s, const char *name, struct staging *out, struct err *e)
{
	char target[PATH_MAX];
	int rc = store_path(s, name, 0, target, e);

	return rc < 0 ? rc : staging_open(target, s->path, STAGING_ROOTFS, out, e);
}

int
store_begin(const struct store *s, const char *name, struct store_entry *out, struct err *e)
{
	autoclose int lock = -1;
	int rc = take_lock(s, name, &lock, e);

	if (rc <= 0)
		return rc;
	if (store_find(s, name) >= 0)
		return 0;
	rc = open_staging(s, name, &out->staging, e);
	if (rc < 0)
		return rc;
	snprintf(out->name, sizeof(out->name), "%s", name);
	out->lock = fd_steal(&lock);
	return 1;
}

int
store_finish(struct store_entry *entry, unsigned flags, struct err *e)
{
	char file[NAME_MAX];

	file_name(entry->name, flags, file);
	snprintf(entry->staging.base, sizeof(entry->staging.base), "%s", file);
	return staging_commit(&entry->staging, "rootfs", e);
}

void
store_end(struct store_entry *entry)
{
	if (entry->name[0] == '\0')
		return;
	staging_close(&entry->staging);
	base_close(&entry->lock);
	entry->name[0] = '\0';
}
