/*
 * fs.c: files by descriptor. Names from outside are opened by openat2 alone,
 * so that the kernel, not this program, decides what lies beneath what.
 */
#include "lib/base.h"
#include "lib/fs.h"

#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>

#include "lib/codec.h"
#include "lib/secret.h"
#include "lib/sys.h"

/* Of <linux/openat2.h>, which musl has no copy of. */
#ifndef RESOLVE_NO_XDEV
#define RESOLVE_NO_XDEV		0x01
#define RESOLVE_NO_MAGICLINKS	0x02
#define RESOLVE_NO_SYMLINKS	0x04
#define RESOLVE_BENEATH		0x08
#define RESOLVE_IN_ROOT		0x10
#endif

enum {
	READ_MIN = 4096,	/* where the size is not known */
	MARKS = 2048,		/* as deep as a path of LIMIT_PATH can lead */
	TEMP_BYTES = 8,		/* of chance, in a temporary name */
};

/* 1 if a byte is left to read, 0 at the end, -1 with errno. */
static int
more_to_read(int fd)
{
	uint8_t byte;
	ssize_t n = sys_read(fd, &byte, 1);

	secret_wipe(&byte, 1);
	return (int)n;
}

/* All of a file that tells its size and a byte, so that its end is seen. */
static size_t
first_chunk(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size < READ_MIN)
		return READ_MIN;
	return (size_t)st.st_size + 1;
}

/* The size told may be wrong in either direction: only read() is believed. */
static int
read_rest(int fd, struct buf *out, struct err *e)
{
	size_t chunk = first_chunk(fd);
	int more;

	while (out->len < out->max) {
		size_t want = MIN(chunk, out->max - out->len);
		ssize_t n;
		int rc = buf_reserve(out, want, e);

		if (rc < 0)
			return rc;
		n = sys_read(fd, out->data + out->len, want);
		if (n == -1)
			return err_sys(e, "read");
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		chunk = out->cap - 1 - out->len;
		if (chunk == 0)
			chunk = READ_MIN;
	}
	more = more_to_read(fd);
	if (more == -1)
		return err_sys(e, "read");
	if (more > 0)
		return err_set(e, ERR_LIMIT, "more than %zu bytes", out->max);
	return 0;
}

int
fs_read_fd(int fd, const char *what, struct buf *out, struct err *e)
{
	size_t before = out->len;
	int rc = read_rest(fd, out, e);

	if (rc == 0)
		return 0;
	if (out->data != NULL)
		secret_wipe(out->data + before, out->len - before);
	out->len = before;
	return err_wrap(e, "%s", what);
}

int
fs_read_file(int dir, const char *name, struct buf *out, struct err *e)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY;
	autoclose int fd = dir == AT_FDCWD ? sys_openat(dir, name, flags, 0) :
	    fs_open_beneath(dir, name, flags, 0);

	if (fd == -1)
		return err_sys_as(e, errno == ENOENT ? ERR_NOTFOUND : ERR_SYS,
		    "%s", name);
	return fs_read_fd(fd, name, out, e);
}

int
fs_open_beneath(int dir, const char *path, int flags, mode_t mode)
{
	return sys_openat2(dir, path, flags | O_CLOEXEC, mode,
	    RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

int
fs_open_in_root(int dir, const char *path, int flags, mode_t mode)
{
	return sys_openat2(dir, path, flags | O_CLOEXEC, mode,
	    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/*
 * Removing trees. One directory is open at a time: the way down is by the name
 * of a child that is not empty, the way up by "..", where reading goes on at a
 * mark (below MARKS levels, from the start). Without marks a directory of many
 * full ones would be read from its start for each. Mount points, even of the
 * same file system, are never crossed.
 */

static int
storage(struct err *e, const char *what, const char *name)
{
	return err_sys_as(e, ERR_STORAGE, "%s %s", what, name);
}

/* If it is not ours to change, what fails next will say so. */
static void
allow_changes(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (~st.st_mode & S_IRWXU) != 0)
		(void)fchmod(fd, S_IRWXU);
}

/* A directory we may list, search and change, or NULL with errno. */
static DIR *
open_dir(int parent, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	autoclose int fd = sys_openat2(parent, name, flags, 0, RESOLVE_NO_XDEV);
	struct stat st;
	DIR *d;

	if (fd == -1 && errno == EACCES &&
	    fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode) && fchmodat(parent, name, S_IRWXU, 0) == 0)
		fd = sys_openat2(parent, name, flags, 0, RESOLVE_NO_XDEV);
	if (fd == -1)
		return NULL;
	allow_changes(fd);
	d = fdopendir(fd);
	if (d != NULL)
		(void)fd_steal(&fd);
	return d;
}

static void
close_dir(DIR **d)
{
	int saved = errno;

	if (*d != NULL)
		(void)closedir(*d);
	*d = NULL;
	errno = saved;
}

/* The next entry but "." and "..", or NULL with errno (0 at the end). */
static struct dirent *
next_entry(DIR *d)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(d);
	} while (entry != NULL && (strcmp(entry->d_name, ".") == 0 ||
	    strcmp(entry->d_name, "..") == 0));
	return entry;
}

/* 1: gone. 0: a directory that is not empty. -1 with errno. */
static int
remove_entry(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 1;
	if (errno != EISDIR)
		return -1;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return 1;
	return errno == ENOTEMPTY || errno == EEXIST ? 0 : -1;
}

/*
 * Removes entries from where d stands until one is met that is a directory
 * with something in it: 1, its name in child and its place in *where. 0 when
 * a whole pass found nothing: names may be skipped while others vanish.
 */
static int
sweep(DIR *d, char child[NAME_MAX + 1], long *where, struct err *e)
{
	bool clean = false;

	for (;;) {
		long here = telldir(d);
		struct dirent *entry = next_entry(d);
		int rc;

		if (entry == NULL) {
			if (errno != 0)
				return storage(e, "read", "a directory");
			if (clean)
				return 0;
			clean = true;
			rewinddir(d);
			continue;
		}
		clean = false;
		rc = remove_entry(dirfd(d), entry->d_name);
		if (rc == -1)
			return storage(e, "remove", entry->d_name);
		if (rc == 0) {
			snprintf(child, NAME_MAX + 1, "%s", entry->d_name);
			*where = here;
			return 1;
		}
	}
}

/* Empties the directory and closes it, or that where it had to stop. */
static int
empty(DIR *top, struct err *e)
{
	cleanup(close_dir) DIR *at = top;
	char child[NAME_MAX + 1];
	long marks[MARKS], where = 0;
	uint64_t depth = 0;

	for (;;) {
		int rc = sweep(at, child, &where, e);
		const char *to = rc > 0 ? child : "..";
		DIR *next;

		if (rc < 0 || (rc == 0 && depth == 0))
			return rc;
		next = open_dir(dirfd(at), to);
		if (next == NULL)
			return storage(e, "open", to);
		close_dir(&at);
		at = next;
		if (rc > 0) {
			if (depth < MARKS)
				marks[depth] = where;
			depth++;
		} else if (--depth < MARKS) {
			seekdir(at, marks[depth]);
		}
	}
}

int
fs_empty_dir(int fd, struct err *e)
{
	DIR *d;

	allow_changes(fd);
	d = open_dir(fd, ".");
	if (d == NULL)
		return storage(e, "open", "the directory to be emptied");
	return empty(d, e);
}

/* A name for one entry of a directory, which no path can hide in. */
static bool
is_entry_name(const char *name)
{
	return *name != '\0' && strchr(name, '/') == NULL &&
	    strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int
refuse_name(struct err *e, const char *name)
{
	return err_set(e, ERR_BUG, "'%s' is not the name of an entry", name);
}

int
fs_remove_tree(int dir, const char *name, struct err *e)
{
	DIR *d;
	int rc;

	if (!is_entry_name(name))
		return refuse_name(e, name);
	rc = remove_entry(dir, name);
	if (rc > 0)
		return 0;
	if (rc == -1)
		return storage(e, "remove", name);
	d = open_dir(dir, name);
	if (d == NULL)
		return storage(e, "open", name);
	rc = empty(d, e);
	if (rc < 0)
		return err_wrap(e, "remove %s", name);
	if (unlinkat(dir, name, AT_REMOVEDIR) == -1)
		return storage(e, "remove", name);
	return 0;
}

/* The bytes in a new file `temp`, on the disk; or no such file. */
static int
write_new(int dir, const char *temp, struct span s, mode_t mode,
    struct err *e)
{
	autoclose int fd = sys_openat(dir, temp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc;

	if (fd == -1)
		return storage(e, "create", temp);
	/* The mode asked for, whatever the umask; and nobody reads it before. */
	if (sys_write_all(fd, s.p, s.len) == 0 && fchmod(fd, mode) == 0 &&
	    fsync(fd) == 0)
		return 0;
	rc = storage(e, "write", temp);
	(void)unlinkat(dir, temp, 0);
	return rc;
}

int
fs_write_atomic(int dir, const char *name, struct span s, mode_t mode,
    struct err *e)
{
	char temp[1 + 2 * TEMP_BYTES + 1] = ".";
	int rc;

	if (!is_entry_name(name))
		return refuse_name(e, name);
	rc = fs_random_name(temp + 1, TEMP_BYTES, e);
	if (rc == 0)
		rc = write_new(dir, temp, s, mode, e);
	if (rc < 0)
		return err_wrap(e, "write %s", name);
	if (sys_renameat2(dir, temp, dir, name, 0) == -1) {
		rc = storage(e, "write", name);
		(void)unlinkat(dir, temp, 0);
	}
	return rc;
}

/* The directory `name` in *dir, made if it is not there, takes its place. */
static int
enter(int *dir, const char *name, mode_t mode, int flags)
{
	autoclose int next = -1;

	if (mkdirat(*dir, name, mode) == -1 && errno != EEXIST)
		return -1;
	next = sys_openat(*dir, name, O_DIRECTORY | O_CLOEXEC | flags, 0);
	if (next == -1)
		return -1;
	base_close(dir);
	*dir = fd_steal(&next);
	return 0;
}

int
fs_make_dirs(const char *path, mode_t mode, struct err *e)
{
	/* An empty path opens nothing. */
	const char *start = *path == '/' ? "/" : *path != '\0' ? "." : "";
	autoclose int dir = sys_openat(AT_FDCWD, start,
	    O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	struct span rest = span_str(path), part;
	char name[NAME_MAX + 1];

	if (dir == -1)
		return storage(e, "open the start of", path);
	while (span_split(&rest, '/', &part)) {
		if (part.len == 0)
			continue;
		if (!span_to_cstr(part, name, sizeof(name))) {
			errno = ENAMETOOLONG;
			return storage(e, "make", path);
		}
		/* Directories on the way need not be readable. */
		if (enter(&dir, name, mode, O_PATH) == -1)
			return storage(e, "make", path);
	}
	if (enter(&dir, ".", mode, O_RDONLY) == -1)
		return storage(e, "open", path);
	return fd_steal(&dir);
}

/* The path without slashes at its end. */
static struct span
trimmed(const char *path)
{
	struct span s = span_str(path);

	while (s.len > 0 && s.p[s.len - 1] == '/')
		s.len--;
	return s;
}

int
fs_open_parent(const char *path, char base[256], struct err *e)
{
	struct span all = trimmed(path), last = all;
	char parent[PATH_MAX], name[256];
	const uint8_t *slash = all.len > 0 ?
	    memrchr(all.p, '/', all.len) : NULL;
	int fd;

	if (slash != NULL) {
		size_t skip = (size_t)(slash - all.p) + 1;

		last = (struct span){ all.p + skip, all.len - skip };
		all.len = skip;
	} else {
		all = SPAN_LIT(".");
	}
	if (!span_to_cstr(last, name, sizeof(name)) || !is_entry_name(name) ||
	    !span_to_cstr(all, parent, sizeof(parent)))
		return err_set(e, ERR_STORAGE,
		    "'%s' does not end in the name of a file", path);
	fd = sys_openat(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	    0);
	if (fd == -1)
		return storage(e, "open", parent);
	memcpy(base, name, strlen(name) + 1);
	return fd;
}

int
fs_random_name(char *out, size_t n, struct err *e)
{
	uint8_t bytes[16];

	if (n > sizeof(bytes))
		return err_set(e, ERR_BUG, "a random name of %zu bytes", n);
	if (sys_random(bytes, n) == -1)
		return err_sys(e, "random numbers");
	hex_encode(bytes, n, out);
	return 0;
}
