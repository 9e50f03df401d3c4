/*
 * overlay.c: mounts layers. mount(2) takes names in one page of text and knows no
 * descriptors: so it is called with a directory of short links to the layers as the
 * working directory, which is put back. Nothing here reads what layers hold.
 */
#include "lib/base.h"

#include "agent/overlay.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <fcntl.h>

#include "agent/staging.h"
#include "image/tree_xattr.h"
#include "lib/fs.h"
#include "lib/sys.h"

/*
 * Nothing of a layer may lead elsewhere: redirects are neither made nor followed ("off" would
 * follow them), files are copied up whole.
 */
#define OPTIONS	",upperdir=../upper,workdir=../work,index=off,metacopy=off,redirect_dir=nofollow"

enum {
	DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
	OPTIONS_MAX = 4096,	/* the page, the NUL included */
};

static int
open_dir(int dir, const char *name, struct err *e)
{
	int fd = sys_openat(dir, name, DIR_FLAGS, 0);

	return fd == -1 ? err_sys_as(e, ERR_STORAGE, "overlay: %s", name) : fd;
}

/* A new directory with exactly this mode. */
static int
make_dir(int dir, const char *name, mode_t mode, struct err *e)
{
	if (mkdirat(dir, name, 0700) == -1 || fchmodat(dir, name, mode, 0) == -1)
		return err_sys_as(e, ERR_STORAGE, "overlay: make %s", name);
	return 0;
}

/*
 * The working directory.
 */

/* Goes to dir; the descriptor of where we were, for leave_dir. */
static int
enter_dir(int dir, struct err *e)
{
	autoclose int before = sys_openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	if (before == -1 || fchdir(dir) == -1)
		return err_sys_as(e, ERR_STORAGE, "overlay: working directory");
	return fd_steal(&before);
}

/* rc, unless there is no way back. */
static int
leave_dir(int before, int rc, struct err *e)
{
	return fchdir(before) == -1 ? err_sys(e, "overlay: no way back from a directory") : rc;
}

static int
mount_from(int lower, const char *options, struct err *e)
{
	autoclose int before = enter_dir(lower, e);
	int rc = 0;

	if (before < 0)
		return fd_steal(&before);
	/* Without MS_NODEV and MS_NOSUID: it is the root of a container. */
	if (mount("overlay", "../../rootfs", "overlay", 0, options) == -1)
		rc = err_sys_as(e, ERR_UNSUPPORTED, "overlay: mount");
	return leave_dir(before, rc, e);
}

int
overlay_bind(int stage, struct err *e)
{
	autoclose int before = enter_dir(stage, e);
	int rc = 0;

	if (before < 0)
		return fd_steal(&before);
	if (mount("rootfs", "rootfs", NULL, MS_BIND, NULL) == -1)
		rc = err_sys_as(e, ERR_STORAGE, "rootfs: mount");
	return leave_dir(before, rc, e);
}

int
overlay_unmount(int stage, struct err *e)
{
	autoclose int before = enter_dir(stage, e);
	int rc = 0;

	if (before < 0)
		return fd_steal(&before);
	/* EINVAL: no mount point. */
	if (umount2("rootfs", MNT_DETACH | UMOUNT_NOFOLLOW) == -1 && errno != EINVAL &&
	    errno != ENOENT)
		rc = err_sys_as(e, ERR_STORAGE, "overlay: unmount");
	return leave_dir(before, rc, e);
}

/*
 * The merged root has the attributes of the upper directory: here those that a
 * flat root would have got.
 */

static int
copy_xattr(int from, int to, const char *name, struct err *e)
{
	static uint8_t value[LIMIT_XATTR_VALUE];
	ssize_t n = fgetxattr(from, name, value, sizeof(value));

	if (n == -1 || fsetxattr(to, name, value, (size_t)n, 0) == -1)
		return err_sys_as(e, ERR_STORAGE, "overlay: attribute %s of the root", name);
	return 0;
}

static int
copy_xattrs(int from, int to, struct err *e)
{
	char names[KIB(64)];	/* XATTR_LIST_MAX */
	ssize_t n = flistxattr(from, names, sizeof(names));
	int rc;

	if (n == -1 && errno != ENOTSUP)
		return err_sys_as(e, ERR_STORAGE, "overlay: attributes of the root");
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1)
		if (!tree_xattr_is_dropped(span_str(names + at)) &&
		    (rc = copy_xattr(from, to, names + at, e)) < 0)
			return rc;
	return 0;
}

static int
copy_attributes(int from, int to, struct err *e)
{
	struct stat st;
	int rc = copy_xattrs(from, to, e);

	if (rc < 0)
		return rc;
	if (fstat(from, &st) == -1 || fchown(to, st.st_uid, st.st_gid) == -1 ||
	    fchmod(to, st.st_mode & 07777) == -1 ||
	    futimens(to, (struct timespec[]){ st.st_atim, st.st_mtim }) == -1)
		return err_sys_as(e, ERR_STORAGE, "overlay: owner, mode and times of the root");
	return 0;
}

static int
make_upper(int overlay, const struct overlay_layer *layers, size_t n, struct err *e)
{
	autoclose int from = -1, upper = -1;
	int rc = make_dir(overlay, "upper", 0755, e);

	while (n > 0 && !layers[n - 1].root_entry)
		n--;
	if (rc < 0 || n == 0)
		return rc;
	if ((from = open_dir(AT_FDCWD, layers[n - 1].path, e)) < 0)
		return fd_steal(&from);
	if ((upper = open_dir(overlay, "upper", e)) < 0)
		return fd_steal(&upper);
	return copy_attributes(from, upper, e);
}

/*
 * Links "0", "1", … to the layers, bottom first, and the list of them, top first.
 */

static bool
comes_again(const struct overlay_layer *layers, size_t n, size_t i)
{
	for (size_t above = i + 1; above < n; above++)
		if (strcmp(layers[above].path, layers[i].path) == 0)
			return true;
	return false;
}

static int
link_layer(int lower, size_t i, const char *path, struct err *e)
{
	char link[24];
	struct stat st;

	snprintf(link, sizeof(link), "%zu", i);
	if (symlinkat(path, lower, link) == -1 || fstatat(lower, link, &st, 0) == -1)
		return err_sys_as(e, ERR_STORAGE, "overlay: layer %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_STORAGE, "overlay: layer %s is no directory", path);
	return 0;
}

static int
link_layers(int lower, const struct overlay_layer *layers, size_t n, char options[OPTIONS_MAX],
    struct err *e)
{
	size_t len = (size_t)snprintf(options, OPTIONS_MAX, "lowerdir");
	int rc;

	for (size_t i = n; i-- > 0;) {
		if (comes_again(layers, n, i))
			continue;
		if ((rc = link_layer(lower, i, layers[i].path, e)) < 0)
			return rc;
		len += (size_t)snprintf(options + len, OPTIONS_MAX - len, "%c%zu",
		    i + 1 == n ? '=' : ':', i);
	}
	snprintf(options + len, OPTIONS_MAX - len, "%s", OPTIONS);
	return 0;
}

static int
make_and_mount(int stage, const struct overlay_layer *layers, size_t n, struct err *e)
{
	static_assert(sizeof("lowerdir=") + sizeof("000:") * OVERLAY_LAYERS_MAX + sizeof(OPTIONS) <
	    OPTIONS_MAX, "the options of a mount fit");
	autoclose int overlay = -1, lower = -1;
	char options[OPTIONS_MAX];
	int rc;

	if ((overlay = open_dir(stage, "overlay", e)) < 0)
		return fd_steal(&overlay);
	if ((rc = make_dir(overlay, "lower", 0700, e)) < 0 ||
	    (rc = make_dir(overlay, "work", 0700, e)) < 0 ||
	    (rc = make_upper(overlay, layers, n, e)) < 0)
		return rc;
	if ((lower = open_dir(overlay, "lower", e)) < 0)
		return fd_steal(&lower);
	if ((rc = link_layers(lower, layers, n, options, e)) < 0)
		return rc;
	return mount_from(lower, options, e);
}

int
overlay_mount(int stage, const struct overlay_layer *layers, size_t n, struct err *e)
{
	struct err ignored;
	int rc;

	if (n == 0 || n > OVERLAY_LAYERS_MAX)
		return err_set(e, ERR_UNSUPPORTED, "overlay: %zu layers", n);
	if ((rc = make_dir(stage, "overlay", 0700, e)) < 0)
		return rc;
	if ((rc = make_and_mount(stage, layers, n, e)) < 0 &&
	    overlay_unmount(stage, &ignored) == 0)
		(void)!fs_remove_tree(stage, "overlay", &ignored);
	return rc;
}

/*
 * The probe: a file and a directory with something in it below; above, a whiteout and
 * an opaque directory of these names.
 */

static int
make_probe_layers(int store, struct err *e)
{
	autoclose int dir = -1;
	int rc;

	if ((rc = make_dir(store, "bottom", 0700, e)) < 0 || (rc = make_dir(store, "top", 0700, e)) < 0)
		return rc;
	if (mkdirat(store, "bottom/dir", 0700) == -1 || mkdirat(store, "top/dir", 0700) == -1 ||
	    mknodat(store, "bottom/file", S_IFREG | 0600, 0) == -1 ||
	    mknodat(store, "bottom/dir/file", S_IFREG | 0600, 0) == -1)
		return err_sys_as(e, ERR_STORAGE, "overlay: try the store");
	if (mknodat(store, "top/file", S_IFCHR, makedev(0, 0)) == -1)
		return err_sys_as(e, ERR_UNSUPPORTED, "overlay: make a whiteout in the store");
	if ((dir = open_dir(store, "top/dir", e)) < 0)
		return fd_steal(&dir);
	if (fsetxattr(dir, OVERLAY_OPAQUE, "y", 1, 0) == -1)
		return err_sys_as(e, ERR_UNSUPPORTED, "overlay: make a directory of the store opaque");
	return 0;
}

static int
look_at_probe(int stage, struct err *e)
{
	struct stat st;

	if (fstatat(stage, "rootfs/dir", &st, 0) == -1 ||
	    fstatat(stage, "rootfs/file", &st, 0) != -1 ||
	    fstatat(stage, "rootfs/dir/file", &st, 0) != -1)
		return err_set(e, ERR_UNSUPPORTED, "overlay: what is removed does not disappear");
	/* Makes a whiteout, then an opaque directory, in the upper directory. */
	if (unlinkat(stage, "rootfs/dir", AT_REMOVEDIR) == -1 ||
	    mkdirat(stage, "rootfs/dir", 0700) == -1)
		return err_sys_as(e, ERR_UNSUPPORTED, "overlay: write");
	return 0;
}

/* The absolute path of what is in a directory. */
static int
path_of(int dir, const char *name, char path[PATH_MAX], struct err *e)
{
	char parent[PATH_MAX];
	autoclose int before = enter_dir(dir, e);
	int rc = 0;

	if (before < 0)
		return fd_steal(&before);
	/* "(unreachable)" stands before what lies outside of our root. */
	if (getcwd(parent, sizeof(parent)) == NULL)
		rc = err_sys_as(e, ERR_STORAGE, "overlay: path of the store");
	else if (parent[0] != '/' || snprintf(path, PATH_MAX, "%s/%s", parent, name) >= PATH_MAX)
		rc = err_set(e, ERR_STORAGE, "overlay: the store has no path, or too long a one");
	return leave_dir(before, rc, e);
}

static int
probe_with(int layers, int stage, struct err *e)
{
	char bottom[PATH_MAX], top[PATH_MAX];
	struct overlay_layer list[] = { { .path = bottom }, { .path = top } };
	struct err later;
	int rc, end;

	if ((rc = path_of(layers, "bottom", bottom, e)) < 0 ||
	    (rc = path_of(layers, "top", top, e)) < 0 || (rc = make_probe_layers(layers, e)) < 0 ||
	    (rc = overlay_mount(stage, list, ARRAY_LEN(list), e)) < 0)
		return rc;
	rc = look_at_probe(stage, e);
	if ((end = overlay_unmount(stage, &later)) == 0)
		end = fs_remove_tree(stage, "overlay", &later);
	if (rc == 0 && end < 0)
		*e = later;
	return rc < 0 ? rc : end;
}

int
overlay_probe(int store, int stage, struct err *e)
{
	char work[PATH_MAX], target[PATH_MAX];
	struct staging layers;
	int rc;

	/* What is killed on the way is swept like other things in the making. */
	if ((rc = path_of(store, "", work, e)) < 0 || (rc = path_of(store, "probe", target, e)) < 0 ||
	    (rc = staging_open(target, work, 0, &layers, e)) < 0)
		return rc;
	rc = probe_with(layers.dir, stage, e);
	staging_close(&layers);
	return rc;
}
