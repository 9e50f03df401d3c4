/* staging.c: locked, private, swept. */
#include "lib/base.h"

#include "agent/staging.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "agent/overlay.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/sys.h"

#define AREA	".cacao-staging"
#define TRIES	16

#define DIR_FLAGS	(O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

static bool
is_empty(int dir)
{
	int fd = openat(dir, ".", DIR_FLAGS);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	bool empty = d != NULL;

	while (empty && (entry = readdir(d)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (d != NULL)
		closedir(d);
	else
		base_close(&fd);
	return empty;
}

static int
check_target(const struct staging *s, const char *target, struct err *e)
{
	autoclose int fd = sys_openat(s->parent, s->base, DIR_FLAGS, 0);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return err_set(e, ERR_STORAGE, "%s: exists and is not a directory", target);
	if (fd < 0)
		return err_sys_as(e, ERR_STORAGE, "%s", target);
	if (!is_empty(fd))
		return err_set(e, ERR_STORAGE, "%s: exists and is not empty; "
		    "choose another place or remove it", target);
	return 0;
}

bool
staging_target_exists(const struct staging *s)
{
	struct err ignored;

	return check_target(s, "", &ignored) < 0;
}

/* What killed makers left: everything whose lock is free. */
static void
sweep(int area)
{
	int fd = openat(area, ".", DIR_FLAGS);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (d == NULL) {
		base_close(&fd);
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		autoclose int left = -1;
		struct err e;

		if (entry->d_name[0] == '.')
			continue;
		left = openat(area, entry->d_name, DIR_FLAGS);
		if (left < 0 || flock(left, LOCK_EX | LOCK_NB) < 0)
			continue;
		(void)(overlay_unmount(left, &e) < 0);	/* only root can have mounted; removal stops at mounts */
		if (fs_remove_tree(area, entry->d_name, &e) < 0)
			log_warning("remains of an interrupted run: %s", e.msg);
		else
			log_info("removed the remains of an interrupted run");
	}
	closedir(d);
}

/* 1, or 0 when somebody has just removed it, being the last to use it. */
static int
open_area(struct staging *s, struct err *e)
{
	struct stat area, parent;

	if (mkdirat(s->work, AREA, 0700) < 0 && errno != EEXIST)
		return err_sys_as(e, ERR_STORAGE, AREA);
	s->area = sys_openat(s->work, AREA, DIR_FLAGS, 0);
	if (s->area < 0 && errno == ENOENT)
		return 0;
	if (s->area < 0 || fstat(s->area, &area) < 0 || fstat(s->parent, &parent) < 0)
		return err_sys_as(e, ERR_STORAGE, AREA);
	if (area.st_uid != geteuid() || (area.st_mode & 0077) != 0) {
		base_close(&s->area);	/* nor ours to remove */
		return err_set(e, ERR_STORAGE, AREA ": belongs to somebody else; choose another "
		    "place with --work-dir");
	}
	if (area.st_dev != parent.st_dev)
		return err_set(e, ERR_STORAGE, "--work-dir must be on the file system of the target");
	return 1;
}

/* A locked directory of the name, unless a sweeper was there between mkdir and lock: then it may be gone. */
static bool
make_locked(struct staging *s)
{
	struct stat st;

	if (mkdirat(s->area, s->name, 0700) < 0)
		return false;
	s->dir = sys_openat(s->area, s->name, DIR_FLAGS, 0);
	if (s->dir >= 0 && flock(s->dir, LOCK_EX | LOCK_NB) == 0 &&
	    fstat(s->dir, &st) == 0 && st.st_nlink > 0)
		return true;
	base_close(&s->dir);
	errno = ENOENT;
	return false;
}

static int
make_dir(struct staging *s, struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		int rc = fs_random_name(s->name, 16, e);

		if (rc == 0)
			rc = open_area(s, e);
		if (rc < 0)
			return rc;
		if (rc > 0 && make_locked(s))
			return 0;
		if (rc > 0 && errno != ENOENT && errno != EEXIST)
			return err_sys_as(e, ERR_STORAGE, AREA);
		base_close(&s->area);
	}
	s->name[0] = '\0';
	return err_set(e, ERR_STORAGE, AREA ": cannot be used");
}

static int
make_rootfs(struct staging *s, struct err *e)
{
	if (mkdirat(s->dir, "rootfs", 0755) < 0)
		return err_sys_as(e, ERR_STORAGE, "rootfs");
	s->rootfs = sys_openat(s->dir, "rootfs", DIR_FLAGS, 0);
	if (s->rootfs < 0 || fchmod(s->rootfs, 0755) < 0)
		return err_sys_as(e, ERR_STORAGE, "rootfs");
	return 0;
}

static int
open_parent(const char *target, unsigned flags, struct staging *s, struct err *e)
{
	autoclose int fd = fs_open_parent(target, s->base, e);
	char path[PATH_MAX];
	size_t len;

	if (fd < 0 || !(flags & STAGING_NO_LINKS))
		return fd_steal(&fd);
	len = strlen(target) - strlen(s->base);
	if (target[0] != '/' || len >= sizeof(path) || strcmp(target + len, s->base) != 0)
		return err_set(e, ERR_STORAGE, "%s: not a plain absolute path", target);
	memcpy(path, target, len);
	path[len] = '\0';
	base_close(&fd);
	fd = sys_openat2(AT_FDCWD, path, DIR_FLAGS, 0, RESOLVE_NO_SYMLINKS);
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_STORAGE, "%s: there is a link on the way", target);
	return fd < 0 ? err_sys_as(e, ERR_STORAGE, "%s", path) : fd_steal(&fd);
}

static int
open_places(const char *target, const char *work, unsigned flags, struct staging *s, struct err *e)
{
	s->parent = open_parent(target, flags, s, e);
	if (s->parent < 0)
		return s->parent;
	if (work == NULL)
		s->work = fcntl(s->parent, F_DUPFD_CLOEXEC, 3);
	else
		s->work = fs_make_dirs(work, 0700, e);
	if (s->work < 0)
		return work == NULL ? err_sys(e, "directory") : s->work;
	return flags & STAGING_MERGE ? 0 : check_target(s, target, e);
}

int
staging_open(const char *target, const char *work, unsigned flags, struct staging *out,
    struct err *e)
{
	struct staging s = { .parent = -1, .work = -1, .area = -1, .dir = -1, .rootfs = -1 };
	int rc;

	rc = open_places(target, work, flags, &s, e);
	if (rc == 0)
		rc = make_dir(&s, e);
	if (rc == 0) {
		sweep(s.area);
		rc = flags & STAGING_ROOTFS ? make_rootfs(&s, e) : 0;
	}
	if (rc < 0) {
		staging_close(&s);
		return rc;
	}
	*out = s;
	return 0;
}

bool
staging_sweep(const char *target, const char *work)
{
	autoclose int place = -1, area = -1;
	struct err e;
	char base[256];

	place = work != NULL ? sys_openat(AT_FDCWD, work, DIR_FLAGS, 0) : fs_open_parent(target, base, &e);
	if (place >= 0)
		area = sys_openat(place, AREA, DIR_FLAGS, 0);
	if (area < 0)
		return true;
	sweep(area);
	return unlinkat(place, AREA, AT_REMOVEDIR) == 0;	/* fails while others use it */
}

int
staging_commit(struct staging *s, const char *what, struct err *e)
{
	int from = what == NULL ? s->area : s->dir;
	const char *name = what == NULL ? s->name : what;

	if (sys_renameat2(from, name, s->parent, s->base, 0) < 0)
		return err_sys_as(e, ERR_STORAGE, "%s: final name", s->base);
	if (what == NULL)
		s->name[0] = '\0';
	return 0;
}

void
staging_close(struct staging *s)
{
	struct err e;

	base_close(&s->rootfs);
	if (s->name[0] != '\0' && s->area >= 0 && fs_remove_tree(s->area, s->name, &e) < 0)
		log_warning("staging directory: %s", e.msg);
	base_close(&s->dir);
	if (s->area >= 0)
		(void)unlinkat(s->work, AREA, AT_REMOVEDIR);	/* fails while others use it */
	base_close(&s->area);
	base_close(&s->work);
	base_close(&s->parent);
}
