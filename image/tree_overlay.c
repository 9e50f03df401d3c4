/*
 * tree_overlay.c: makes whiteouts and opaque directories. All that stands in the
 * layer's directory is of this layer, so that a name that is there already wins
 * over its whiteout, whichever came first.
 */
#include "lib/base.h"

#include "image/tree_overlay.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <fcntl.h>

#include "image/tree_dir.h"
#include "lib/sys.h"

enum {
	DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
};

int
tree_overlay_init(struct tree_overlay *o, const struct tree_options *options, struct err *e)
{
	*o = (struct tree_overlay){ .options = options };
	return written_init(&o->opaque, e);
}

void
tree_overlay_fini(struct tree_overlay *o)
{
	written_fini(&o->opaque);
}

bool
tree_overlay_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int
set_opaque(const struct tree_options *options, int dir)
{
	if (options->opaque != NULL)
		return options->opaque(options->opaque_arg, dir);
	return fsetxattr(dir, "trusted.overlay.opaque", "y", 1, 0);
}

int
tree_overlay_mark(struct tree_overlay *o, int dir)
{
	struct stat st;
	struct err e;

	if (fstat(dir, &st) == -1 || set_opaque(o->options, dir) == -1)
		return -1;
	if (written_add(&o->opaque, st.st_ino, "", &e) == 0)
		return 0;
	errno = ENOMEM;
	return -1;
}

/* 1 if the directory or one above it is opaque, 0 if none is. */
static int
is_inside_opaque(const struct tree_overlay *o, int dir, struct err *e)
{
	autoclose int at = -1;
	struct stat st, root;

	if (o->opaque.n == 0)
		return 0;
	if (fstat(o->options->root, &root) == -1 || fstat(dir, &st) == -1)
		return tree_fail(e, "look at directory");
	while (!written_has(&o->opaque, st.st_ino, "")) {
		int up;

		if (st.st_ino == root.st_ino && st.st_dev == root.st_dev)
			return 0;
		up = sys_openat(at == -1 ? dir : at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
		if (up == -1)
			return tree_fail(e, "open directory above");
		base_close(&at);
		at = up;
		if (fstat(at, &st) == -1)
			return tree_fail(e, "look at directory");
	}
	return 1;
}

int
tree_overlay_clear(struct tree_overlay *o, int dir, struct err *e)
{
	int inside = is_inside_opaque(o, dir, e);

	if (inside != 0)	/* nothing of lower layers is seen here as it is */
		return MIN(inside, 0);
	if (tree_overlay_mark(o, dir) == -1)
		return tree_fail(e, "make directory opaque");
	return o->hides ? whiteout_clear_devices(dir, e) : 0;
}

static int
clear_by_name(struct tree_overlay *o, int dir, const char *name, struct err *e)
{
	autoclose int fd = sys_openat(dir, name, DIR_FLAGS, 0);

	return fd == -1 ? tree_fail(e, "open directory") : tree_overlay_clear(o, fd, e);
}

int
tree_overlay_hide(struct tree_overlay *o, int dir, const char *name, uid_t uid, gid_t gid,
    struct err *e)
{
	struct stat st;
	int inside;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode) ? clear_by_name(o, dir, name, e) : 0;
	if (errno != ENOENT)
		return tree_fail(e, "look at what is there");
	if ((inside = is_inside_opaque(o, dir, e)) != 0)
		return MIN(inside, 0);
	if (mknodat(dir, name, S_IFCHR, makedev(0, 0)) == -1)
		return tree_fail(e, "create whiteout");
	o->hides = true;
	if (o->options->owners && fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) == -1)
		return tree_fail(e, "set owner");
	return 0;
}
