/*
 * tree_dir.c: finds and makes directories inside the root, whatever symbolic
 * links the layer has made there: by openat2, or component by component where
 * that is not to be had. Never opens anything outside of the root.
 */
#include "lib/base.h"

#include "image/tree_dir.h"

#include <linux/openat2.h>

#include <fcntl.h>

#include "image/tree_overlay.h"
#include "lib/sys.h"

enum {
	LINKS_MAX = 40,		/* as the kernel */
	DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	LOOK_FLAGS = O_PATH | O_NOFOLLOW | O_CLOEXEC,
};

bool
tree_path_set(struct tree_path *p, const char *name)
{
	size_t len = 0, base = 0;

	if (strlen(name) > LIMIT_PATH)
		return false;
	while (*name != '\0') {
		size_t n = strcspn(name, "/");

		if (n == 2 && memcmp(name, "..", 2) == 0) {
			while (len > 0 && p->text[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && name[0] == '.')) {
			if (len > 0)
				p->text[len++] = '/';
			memcpy(p->text + len, name, n);
			len += n;
		}
		name += name[n] == '/' ? n + 1 : n;
	}
	p->text[len] = '\0';
	for (base = len; base > 0 && p->text[base - 1] != '/';)
		base--;
	p->base = p->text + base;
	p->parent = base > 0 ? p->text : "";
	if (base > 0)
		p->text[base - 1] = '\0';
	return true;
}

int
tree_fail(struct err *e, const char *what)
{
	switch (errno) {
	case ENAMETOOLONG:
	case ELOOP:
	case ENOTDIR:
	case ENOENT:
		return err_sys_as(e, ERR_LAYER, "%s", what);
	default:
		return err_sys_as(e, ERR_STORAGE, "%s", what);
	}
}

void
tree_dir_init(struct tree_dir *d, int root, bool open_up, struct tree_overlay *overlay)
{
	*d = (struct tree_dir){
		.root = root, .open_up = open_up, .overlay = overlay, .fd = -1,
	};
}

void
tree_dir_fini(struct tree_dir *d)
{
	base_close(&d->fd);
	while (d->nopened > 0)
		base_close(&d->opened[--d->nopened].fd);
}

static bool
lacks_rights(const struct tree_dir *d, const struct stat *st)
{
	return d->open_up && (st->st_mode & S_IRWXU) != S_IRWXU;
}

/*
 * The walk, component by component. Nobody else moves directories in the tree,
 * so ".." leads where we came from.
 */
struct walk {
	struct tree_dir	*d;
	bool		 create;
	int		 at;			/* descriptor for looking up, owned */
	unsigned	 links;
	char		 rest[LIMIT_PATH + 1];	/* the way that is left */
};

static bool
move_to(struct walk *w, int fd)
{
	if (fd == -1)
		return false;
	base_close(&w->at);
	w->at = fd;
	return true;
}

static bool
move_up(struct walk *w)
{
	struct stat here, root;

	if (fstat(w->at, &here) == -1 || fstat(w->d->root, &root) == -1)
		return false;
	if (here.st_dev == root.st_dev && here.st_ino == root.st_ino)
		return true;
	return move_to(w, sys_openat(w->at, "..", LOOK_FLAGS | O_DIRECTORY, 0));
}

/* The link's target takes the place of its name in front of the rest. */
static bool
follow(struct walk *w, int link)
{
	char target[LIMIT_PATH + 1];
	ssize_t n = readlinkat(link, "", target, sizeof(target));
	size_t rest = strlen(w->rest);

	if (n == -1)
		return false;
	if (++w->links > LINKS_MAX) {
		errno = ELOOP;
		return false;
	}
	if ((size_t)n + 1 + rest > LIMIT_PATH) {
		errno = ENAMETOOLONG;
		return false;
	}
	memmove(w->rest + n + 1, w->rest, rest + 1);
	memcpy(w->rest, target, (size_t)n);
	w->rest[n] = '/';
	if (n > 0 && target[0] == '/')
		return move_to(w, sys_openat(w->d->root, ".", LOOK_FLAGS | O_DIRECTORY, 0));
	return true;
}

/* Keeps the descriptor and the mode to go back to. */
static bool
remember_opened(struct tree_dir *d, int fd, mode_t mode)
{
	if (fd == -1)
		return false;
	if (d->nopened == ARRAY_LEN(d->opened)) {
		base_close(&fd);
		errno = EMFILE;
		return false;
	}
	d->opened[d->nopened].fd = fd;
	d->opened[d->nopened++].mode = mode & 07777;
	return true;
}

/* A directory without rwx for its owner, who is not root, has them as long as we are below it. */
static bool
open_up(struct walk *w, const char *name, mode_t mode)
{
	return fchmodat(w->at, name, (mode & 07777) | S_IRWXU, 0) == 0 &&
	    remember_opened(w->d, sys_openat(w->at, name, DIR_FLAGS | O_NOFOLLOW, 0), mode);
}

static bool
start_at_root(struct walk *w)
{
	struct tree_dir *d = w->d;
	struct stat st;

	if (fstat(d->root, &st) == -1)
		return false;
	if (lacks_rights(d, &st) && (fchmod(d->root, (st.st_mode & 07777) | S_IRWXU) == -1 ||
	    !remember_opened(d, sys_openat(d->root, ".", DIR_FLAGS, 0), st.st_mode)))
		return false;
	return move_to(w, sys_openat(d->root, ".", LOOK_FLAGS | O_DIRECTORY, 0));
}

/* A new directory of this name, in the place of a whiteout or of nothing. */
static bool
make_directory(struct walk *w, const char *name, bool whiteout)
{
	struct stat st;

	if (fstat(w->at, &st) == -1 || (whiteout && unlinkat(w->at, name, 0) == -1) ||
	    mkdirat(w->at, name, 0755) == -1)
		return false;
	/* Neither the umask nor the new entry may show. */
	return fchmodat(w->at, name, 0755, 0) == 0 &&
	    utimensat(w->at, ".", (struct timespec[]){ st.st_atim, st.st_mtim }, 0) == 0;
}

static bool
make_missing(struct walk *w, const char *name)
{
	w->d->implied++;
	return make_directory(w, name, false);
}

/* Hides what the whiteout hid. What lower layers say of the name is void, so nothing is implied. */
static bool
replace_whiteout(struct walk *w, const char *name)
{
	autoclose int fd = -1;

	if (!make_directory(w, name, true))
		return false;
	fd = sys_openat(w->at, name, DIR_FLAGS | O_NOFOLLOW, 0);
	return fd != -1 && tree_overlay_mark(w->d->overlay, fd) == 0;
}

static int
look(const struct walk *w, const char *name, struct stat *st)
{
	autoclose int fd = sys_openat(w->at, name, LOOK_FLAGS, 0);

	return fd == -1 || fstat(fd, st) == -1 ? -1 : fd_steal(&fd);
}

/* The name as it is, or as it is made to be. */
static int
look_or_make(struct walk *w, const char *name, struct stat *st)
{
	autoclose int fd = look(w, name, st);

	if (!w->create)
		return fd_steal(&fd);
	if (fd == -1)
		return errno == ENOENT && make_missing(w, name) ? look(w, name, st) : -1;
	if (w->d->overlay != NULL && tree_overlay_is_whiteout(st))
		return replace_whiteout(w, name) ? look(w, name, st) : -1;
	return fd_steal(&fd);
}

static bool
step(struct walk *w, const char *name)
{
	autoclose int fd = -1;
	struct stat st;

	if (strcmp(name, "..") == 0)
		return move_up(w);
	fd = look_or_make(w, name, &st);
	if (fd == -1)
		return false;
	if (S_ISLNK(st.st_mode))
		return follow(w, fd);
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return false;
	}
	if (lacks_rights(w->d, &st) && !open_up(w, name, st.st_mode))
		return false;
	return move_to(w, fd_steal(&fd));
}

static bool
walk_on(struct walk *w)
{
	char name[NAME_MAX + 1];

	while (w->rest[0] != '\0') {
		size_t n = strcspn(w->rest, "/"), skip = w->rest[n] == '/' ? n + 1 : n;

		if (n > NAME_MAX) {
			errno = ENAMETOOLONG;
			return false;
		}
		memcpy(name, w->rest, n);
		name[n] = '\0';
		memmove(w->rest, w->rest + skip, strlen(w->rest + skip) + 1);
		if (n > 0 && strcmp(name, ".") != 0 && !step(w, name))
			return false;
	}
	return true;
}

static int
walk(struct tree_dir *d, const char *path, int flags, bool create)
{
	struct walk w = { .d = d, .create = create, .at = -1 };
	int fd = -1;

	memcpy(w.rest, path, strlen(path) + 1);
	if (start_at_root(&w) && walk_on(&w))
		fd = sys_openat(w.at, ".", flags, 0);
	base_close(&w.at);
	return fd;
}

/* openat2 does nearly always; the walk does what it can not. */
static int
resolve(struct tree_dir *d, const char *path, int flags, bool create)
{
	int fd = -1;

	if (!d->no_openat2) {
		fd = sys_openat2(d->root, path[0] == '\0' ? "." : path, flags, 0,
		    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
		if (fd == -1 && (errno == ENOSYS || errno == EPERM))
			d->no_openat2 = true;
	}
	if (d->no_openat2 || (fd == -1 && errno == ENOENT && create) ||
	    (fd == -1 && errno == ENOTDIR && create && d->overlay != NULL) ||
	    (fd == -1 && errno == EACCES && d->open_up))
		fd = walk(d, path, flags, create);
	return fd;
}

int
tree_dir_find(struct tree_dir *d, const char *path)
{
	autoclose int fd = resolve(d, path, O_PATH | O_DIRECTORY | O_CLOEXEC, false);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return -1;
	if (lacks_rights(d, &st))
		return walk(d, path, O_PATH | O_DIRECTORY | O_CLOEXEC, false);
	return fd_steal(&fd);
}

int
tree_dir_enter(struct tree_dir *d, const char *path, struct err *e)
{
	int rc;

	if (d->fd != -1 && !d->stale && strcmp(d->path, path) == 0)
		return 0;
	if ((rc = tree_dir_leave(d, e)) < 0)
		return rc;
	d->fd = resolve(d, path, DIR_FLAGS, true);
	if (d->fd == -1)
		return tree_fail(e, "parent directory");
	if (fstat(d->fd, &d->st) == -1)
		return tree_fail(e, "parent directory");
	if (lacks_rights(d, &d->st) && fchmod(d->fd, (d->st.st_mode & 07777) | S_IRWXU) == -1)
		return tree_fail(e, "parent directory: make writable");
	memcpy(d->path, path, strlen(path) + 1);
	d->stale = false;
	return 0;
}

int
tree_dir_leave(struct tree_dir *d, struct err *e)
{
	bool good = true;

	if (d->fd != -1) {
		if (lacks_rights(d, &d->st))
			good = fchmod(d->fd, d->st.st_mode & 07777) == 0;
		good = good && futimens(d->fd,
		    (struct timespec[]){ d->st.st_atim, d->st.st_mtim }) == 0;
	}
	for (size_t i = d->nopened; good && i-- > 0;)
		good = fchmod(d->opened[i].fd, d->opened[i].mode) == 0;
	if (!good)
		return tree_fail(e, "directory: restore mode and times");
	tree_dir_fini(d);
	return 0;
}
