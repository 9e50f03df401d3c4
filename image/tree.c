/*
 * tree.c: writes the entries of a layer. Every name is resolved inside the root,
 * last components are never followed, and what stands in the way is removed, not
 * written through. No path of the layer ever reaches the kernel as a whole
 * without openat2's leash.
 */
#include "lib/base.h"

#include "image/tree.h"

#include <sys/sysmacros.h>

#include <fcntl.h>

#include "image/tree_dir.h"
#include "image/tree_overlay.h"
#include "image/tree_xattr.h"
#include "image/whiteout.h"
#include "lib/fs.h"
#include "lib/sys.h"

enum {
	MAJOR_MAX = (1 << 12) - 1,	/* what the kernel's dev_t holds */
	MINOR_MAX = (1 << 20) - 1,
};

struct tree {
	struct tree_options	options;
	struct tree_stats	stats;
	struct tree_dir		dir;		/* where the entry goes */
	struct tree_path	path, link;	/* of the entry; of a hard link's target */
	struct written		written;	/* on a flat root, unless it is the first layer */
	struct tree_overlay	overlay;
};

int
tree_open(const struct tree_options *options, struct tree **out, struct err *e)
{
	struct tree *t = sys_alloc(sizeof(*t));
	int rc;

	if (t == NULL)
		return err_set(e, ERR_NOMEM, "tree: out of memory");
	t->options = *options;
	tree_dir_init(&t->dir, options->root, geteuid() != 0,
	    options->overlay ? &t->overlay : NULL);
	if ((rc = written_init(&t->written, e)) < 0 ||
	    (rc = tree_overlay_init(&t->overlay, &t->options, e)) < 0) {
		sys_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void
tree_close(struct tree *t)
{
	if (t == NULL)
		return;
	tree_dir_fini(&t->dir);
	written_fini(&t->written);
	tree_overlay_fini(&t->overlay);
	sys_free(t);
}

int
tree_finish(struct tree *t, struct err *e)
{
	return tree_dir_leave(&t->dir, e);
}

const struct tree_stats *
tree_stats(const struct tree *t)
{
	return &t->stats;
}

/*
 * Attributes: owner, then xattrs (a change of owner clears capabilities), then mode (it
 * clears set-user-ID), then times.
 */

/* Of an open file or directory. was: as it is now; what is right already is left alone. */
static int
set_attributes(struct tree *t, int fd, const struct tar_entry *entry, const struct stat *was,
    struct err *e)
{
	struct tree_xattr_target target = { .fd = fd, .owners = t->options.owners };
	bool same_owner = was->st_uid == entry->uid && was->st_gid == entry->gid;
	int rc;

	if (t->options.owners && !same_owner && fchown(fd, entry->uid, entry->gid) == -1)
		return tree_fail(e, "set owner");
	if ((rc = tree_xattr_set(&target, entry, &t->stats.skipped_xattrs, e)) < 0)
		return rc;
	if ((was->st_mode & 07777) != entry->mode && fchmod(fd, entry->mode) == -1)
		return tree_fail(e, "set mode");
	if (futimens(fd, (struct timespec[]){ entry->atime, entry->mtime }) == -1)
		return tree_fail(e, "set times");
	return 0;
}

/* Of what cannot be opened: a link, device or fifo that was just made in the current directory. */
static int
set_attributes_at(struct tree *t, const struct tar_entry *entry, struct err *e)
{
	const char *base = t->path.base;
	int dir = t->dir.fd, rc;
	struct tree_xattr_target target = {
		.fd = -1, .dir = dir, .base = base, .owners = t->options.owners,
	};

	if (t->options.owners &&
	    fchownat(dir, base, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) == -1)
		return tree_fail(e, "set owner");
	if (entry->nxattrs > 0 &&
	    (rc = tree_xattr_set(&target, entry, &t->stats.skipped_xattrs, e)) < 0)
		return rc;
	if (entry->type != TAR_SYMLINK && fchmodat(dir, base, entry->mode, 0) == -1)
		return tree_fail(e, "set mode");
	if (utimensat(dir, base, (struct timespec[]){ entry->atime, entry->mtime },
	    AT_SYMLINK_NOFOLLOW) == -1)
		return tree_fail(e, "set times");
	return 0;
}

/*
 * What stands in the way.
 */

static int
remove_existing(struct tree *t, struct err *e)
{
	struct stat st;

	if (fstatat(t->dir.fd, t->path.base, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : tree_fail(e, "look at what is there");
	/* Its inode number, by which opaque directories are known, may be given to another one. */
	if (t->options.overlay && S_ISDIR(st.st_mode) && t->overlay.opaque.n > 0)
		return err_set(e, ERR_UNSUPPORTED, "directory replaced in a layer with opaque ones");
	/* The current directory may have been reached through either. */
	if (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))
		t->dir.stale = true;
	if (S_ISDIR(st.st_mode))
		return fs_remove_tree(t->dir.fd, t->path.base, e);
	if (unlinkat(t->dir.fd, t->path.base, 0) == -1)
		return tree_fail(e, "replace");
	return 0;
}

/*
 * Files.
 */

static int
create_file(struct tree *t, const struct tar_entry *entry, struct err *e)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	/* Writable to set xattrs; set-user-ID comes last. */
	mode_t mode = entry->nxattrs > 0 ? 0600 : entry->mode & 0777;
	int fd = sys_openat(t->dir.fd, t->path.base, flags, mode), rc;

	if (fd == -1 && errno == EEXIST) {
		if ((rc = remove_existing(t, e)) < 0)
			return rc;
		fd = sys_openat(t->dir.fd, t->path.base, flags, mode);
	}
	return fd == -1 ? tree_fail(e, "create") : fd;
}

static int
write_data(struct tree *t, int fd, const uint8_t *data, size_t n, struct err *e)
{
	if (n > t->options.max_bytes - t->stats.bytes)
		return err_set(e, ERR_LIMIT, "more than %" PRIu64 " bytes of content",
		    t->options.max_bytes);
	t->stats.bytes += n;
	if (sys_write_all(fd, data, n) == -1)
		return err_sys_as(e, ERR_STORAGE, "write");
	return 0;
}

static int
copy_plain(struct tree *t, int fd, struct tar_reader *r, struct err *e)
{
	const uint8_t *data = NULL;
	ssize_t n;
	int rc;

	while ((n = tar_data(r, &data, e)) > 0)
		if ((rc = write_data(t, fd, data, (size_t)n, e)) < 0)
			return rc;
	return (int)n;
}

/* One piece of the reader's may span several segments. */
static int
copy_sparse(struct tree *t, int fd, struct tar_reader *r, const struct tar_entry *entry,
    struct err *e)
{
	const uint8_t *data = NULL;
	ssize_t got = 0;
	int rc;

	if (entry->size > INT64_MAX || ftruncate(fd, (off_t)entry->size) == -1)
		return err_sys_as(e, ERR_STORAGE, "set size");
	for (size_t i = 0; i < entry->nsegments; i++) {
		uint64_t left = entry->segments[i].length;

		if (left > 0 && lseek(fd, (off_t)entry->segments[i].offset, SEEK_SET) == -1)
			return err_sys_as(e, ERR_STORAGE, "seek");
		while (left > 0) {
			size_t n;

			if (got == 0 && (got = tar_data(r, &data, e)) <= 0)
				return got < 0 ? (int)got :
				    err_set(e, ERR_BUG, "sparse map longer than its data");
			n = (size_t)MIN(left, (uint64_t)got);
			if ((rc = write_data(t, fd, data, n, e)) < 0)
				return rc;
			data += n;
			got -= (ssize_t)n;
			left -= n;
		}
	}
	return 0;
}

static int
make_file(struct tree *t, struct tar_reader *r, const struct tar_entry *entry, struct err *e)
{
	autoclose int fd = create_file(t, entry, e);
	struct stat st;
	int rc;

	if (fd < 0)
		return fd_steal(&fd);
	if (entry->sparse)
		rc = copy_sparse(t, fd, r, entry, e);
	else
		rc = entry->size > 0 ? copy_plain(t, fd, r, e) : 0;
	if (rc < 0)
		return rc;
	if (fstat(fd, &st) == -1)
		return tree_fail(e, "stat");
	return set_attributes(t, fd, entry, &st, e);
}

/*
 * Directories.
 */

/* The current entry took the place of a whiteout, or of what hides as one does. */
static int
hide_below(struct tree *t, struct err *e)
{
	return tree_overlay_hide(&t->overlay, t->dir.fd, t->path.base, 0, 0, e);
}

/* A directory that is there already stays with what is in it. */
static int
make_or_keep_directory(struct tree *t, bool *kept, struct err *e)
{
	struct stat st;
	int rc;

	*kept = false;
	if (mkdirat(t->dir.fd, t->path.base, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return tree_fail(e, "create directory");
	if (fstatat(t->dir.fd, t->path.base, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return tree_fail(e, "look at what is there");
	*kept = S_ISDIR(st.st_mode);
	if (*kept) {
		if (t->dir.open_up && fchmodat(t->dir.fd, t->path.base, S_IRWXU, 0) == -1)
			return tree_fail(e, "open up directory");
		return 0;
	}
	if ((rc = remove_existing(t, e)) < 0)
		return rc;
	if (mkdirat(t->dir.fd, t->path.base, 0700) == -1)
		return tree_fail(e, "create directory");
	return t->options.overlay ? hide_below(t, e) : 0;
}

/* What a lower layer said of it is replaced as a whole, as overlayfs does. */
static int
replace_attributes(struct tree *t, int fd, const struct tar_entry *entry, bool kept, struct err *e)
{
	struct stat st;
	int rc;

	if (kept && (rc = tree_xattr_clear(fd, e)) < 0)
		return rc;
	if (fstat(fd, &st) == -1)
		return tree_fail(e, "stat");
	return set_attributes(t, fd, entry, &st, e);
}

static int
make_directory(struct tree *t, const struct tar_entry *entry, struct err *e)
{
	autoclose int fd = -1;
	bool kept;
	int rc;

	if ((rc = make_or_keep_directory(t, &kept, e)) < 0)
		return rc;
	fd = sys_openat(t->dir.fd, t->path.base,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd == -1)
		return tree_fail(e, "open directory");
	return replace_attributes(t, fd, entry, kept, e);
}

/* The root itself can only be a directory, and is one already. */
static int
apply_root(struct tree *t, const struct tar_entry *entry, struct err *e)
{
	autoclose int fd = -1;
	int rc;

	if (entry->type != TAR_DIR)
		return err_set(e, ERR_LAYER, "the root can only be a directory");
	/* Its times, if it is the current directory, are put back before they are set. */
	if ((rc = tree_dir_leave(&t->dir, e)) < 0)
		return rc;
	t->stats.root_entry = true;
	if (t->dir.open_up && fchmod(t->options.root, S_IRWXU) == -1)
		return tree_fail(e, "open up root");
	fd = sys_openat(t->options.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd == -1)
		return tree_fail(e, "open root");
	return replace_attributes(t, fd, entry, true, e);
}

/*
 * Links, devices, fifos.
 */

static int
make_symlink(struct tree *t, const struct tar_entry *entry, struct err *e)
{
	int rc;

	if (symlinkat(entry->link, t->dir.fd, t->path.base) == -1) {
		if (errno != EEXIST)
			return tree_fail(e, "create symbolic link");
		if ((rc = remove_existing(t, e)) < 0)
			return rc;
		if (symlinkat(entry->link, t->dir.fd, t->path.base) == -1)
			return tree_fail(e, "create symbolic link");
	}
	return set_attributes_at(t, entry, e);
}

static int
link_fail(struct err *e)
{
	if (errno == EPERM)
		return err_set(e, ERR_LAYER, "link to a directory, or links are forbidden here");
	return tree_fail(e, "create link");
}

/* The name is there already: as another name of the target, which is fine, or as something else. */
static int
replace_by_link(struct tree *t, int from, struct err *e)
{
	struct stat here, there;
	int rc;

	if (fstatat(from, t->link.base, &there, AT_SYMLINK_NOFOLLOW) == -1 ||
	    fstatat(t->dir.fd, t->path.base, &here, AT_SYMLINK_NOFOLLOW) == -1)
		return tree_fail(e, "create link");
	if (here.st_dev == there.st_dev && here.st_ino == there.st_ino)
		return S_ISDIR(here.st_mode) ?
		    err_set(e, ERR_LAYER, "link to a directory") : 0;
	if ((rc = remove_existing(t, e)) < 0)
		return rc;
	return linkat(from, t->link.base, t->dir.fd, t->path.base, 0) == -1 ? link_fail(e) : 0;
}

/* A whiteout is no target: what it hides is of a lower layer, as is what is not there. */
static bool
link_target_exists(const struct tree *t, int from)
{
	struct stat st;

	return from != -1 && fstatat(from, t->link.base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !tree_overlay_is_whiteout(&st);
}

/* Attributes are those of the target: a link has none of its own. */
static int
make_hardlink(struct tree *t, const struct tar_entry *entry, struct err *e)
{
	autoclose int from = -1;

	if (!tree_path_set(&t->link, entry->link) || t->link.base[0] == '\0')
		return err_set(e, ERR_LAYER, "link to the root or to a name too long");
	from = tree_dir_find(&t->dir, t->link.parent);
	if (t->options.overlay && !link_target_exists(t, from))
		return err_set(e, ERR_UNSUPPORTED, "link to %s, which is not in this layer",
		    entry->link);
	if (from == -1)
		return tree_fail(e, "link target");
	if (linkat(from, t->link.base, t->dir.fd, t->path.base, 0) == 0)
		return 0;
	return errno == EEXIST ? replace_by_link(t, from, e) : link_fail(e);
}

static mode_t
node_type(enum tar_type type)
{
	return type == TAR_CHAR ? S_IFCHR : type == TAR_BLOCK_DEV ? S_IFBLK : S_IFIFO;
}

static int
check_device(const struct tree *t, const struct tar_entry *entry, struct err *e)
{
	/* To overlayfs this is a whiteout; no device has this number. */
	if (entry->type == TAR_CHAR && entry->major == 0 && entry->minor == 0)
		return err_set(e, ERR_LAYER, "character device 0:0");
	if (entry->major > MAJOR_MAX || entry->minor > MINOR_MAX)
		return err_set(e, ERR_LAYER, "device number %u:%u", entry->major, entry->minor);
	if (t->options.devices == DEVICES_REFUSE)
		return err_set(e, ERR_LAYER, "device nodes are refused here");
	return 0;
}

static int
make_node(struct tree *t, const struct tar_entry *entry, struct err *e)
{
	mode_t type = node_type(entry->type);
	int rc;

	if (entry->type != TAR_FIFO && (rc = check_device(t, entry, e)) < 0)
		return rc;
	if ((rc = remove_existing(t, e)) < 0)
		return rc;
	if (entry->type != TAR_FIFO && t->options.devices == DEVICES_SKIP) {
		t->stats.skipped_devices++;
		/* What lower layers have there goes all the same. */
		return t->options.overlay ? tree_overlay_hide(&t->overlay, t->dir.fd,
		    t->path.base, 0, 0, e) : 0;
	}
	if (mknodat(t->dir.fd, t->path.base, type | (entry->mode & 0777),
	    makedev(entry->major, entry->minor)) == -1)
		return tree_fail(e, "create device or fifo");
	return set_attributes_at(t, entry, e);
}

/*
 * Entries.
 */

static int
make(struct tree *t, struct tar_reader *r, const struct tar_entry *entry, struct err *e)
{
	switch (entry->type) {
	case TAR_FILE:
		return make_file(t, r, entry, e);
	case TAR_DIR:
		return make_directory(t, entry, e);
	case TAR_SYMLINK:
		return make_symlink(t, entry, e);
	case TAR_HARDLINK:
		return make_hardlink(t, entry, e);
	case TAR_CHAR:
	case TAR_BLOCK_DEV:
	case TAR_FIFO:
		return make_node(t, entry, e);
	}
	return err_set(e, ERR_BUG, "entry of type %d", (int)entry->type);
}

static int
apply_overlay_whiteout(struct tree *t, enum whiteout kind, const struct tar_entry *entry,
    struct err *e)
{
	struct stat root;

	if (kind == WHITEOUT_NAME)
		return tree_overlay_hide(&t->overlay, t->dir.fd,
		    t->path.base + sizeof(WHITEOUT_PREFIX) - 1, entry->uid, entry->gid, e);
	if (fstat(t->options.root, &root) == -1)
		return tree_fail(e, "look at root");
	if (root.st_ino == t->dir.st.st_ino && root.st_dev == t->dir.st.st_dev)
		return err_set(e, ERR_UNSUPPORTED, "the whole root opaque");
	return tree_overlay_clear(&t->overlay, t->dir.fd, e);
}

static int
apply_whiteout(struct tree *t, enum whiteout kind, const struct tar_entry *entry, struct err *e)
{
	if (kind == WHITEOUT_BAD)
		return err_set(e, ERR_LAYER, "whiteout without a name");
	if (kind == WHITEOUT_IGNORED)
		return 0;
	if (t->options.overlay)
		return apply_overlay_whiteout(t, kind, entry, e);
	if (t->options.first_layer)
		return 0;
	t->dir.stale = true;
	if (kind == WHITEOUT_OPAQUE)
		return whiteout_clear(&t->written, t->dir.fd, e);
	return whiteout_remove(&t->written, t->dir.fd,
	    t->path.base + sizeof(WHITEOUT_PREFIX) - 1, e);
}

static int
apply(struct tree *t, struct tar_reader *r, const struct tar_entry *entry, struct err *e)
{
	enum whiteout kind;
	int rc;

	if (++t->stats.entries > t->options.max_entries)
		return err_set(e, ERR_LIMIT, "more than %" PRIu64 " entries",
		    t->options.max_entries);
	if (!tree_path_set(&t->path, entry->path))
		return err_set(e, ERR_LIMIT, "name too long");
	if (t->path.base[0] == '\0')
		return apply_root(t, entry, e);
	if ((rc = tree_dir_enter(&t->dir, t->path.parent, e)) < 0)
		return rc;
	kind = whiteout_kind(t->path.base);
	if (kind != WHITEOUT_NONE)
		return apply_whiteout(t, kind, entry, e);
	if ((rc = make(t, r, entry, e)) < 0 || t->options.first_layer || t->options.overlay)
		return rc;
	return written_add(&t->written, t->dir.st.st_ino, t->path.base, e);
}

int
tree_apply(struct tree *t, struct tar_reader *r, const struct tar_entry *entry, struct err *e)
{
	int rc = apply(t, r, entry, e);

	t->stats.implied_dirs = t->dir.implied;
	return rc < 0 ? err_wrap(e, "%.200s", entry->path) : 0;
}
