/*
 * test_fs.c: reading what lies about its size, names that try to lead out,
 * trees deeper than any path, files that appear whole or not at all.
 */
#include "lib/base.h"
#include "lib/fs.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>

#include "lib/secret.h"
#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;
static char path[PATH_MAX];	/* a directory of our own */
static int top = -1;		/* the same, open */

static bool
there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
put(int dir, const char *name, const char *text)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC,
	    0600);

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		printf("# cannot make %s: %s\n", name, strerror(errno));
}

static int
entries(int dir)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
	int n = -2;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n;
}

static int
open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
test_read(void)
{
	autobuf b = BUF(10), small = BUF(4), none = BUF(0), page = BUF(8192);
	autobuf proc = BUF(1 << 20), secret = BUF_SECRET(100000);
	char *big = calloc(1, 5000);
	int fd;

	assert(big != NULL);
	put(top, "five", "12345");
	put(top, "empty", "");
	works(fs_read_file(top, "five", &b, &e), "read");
	works(fs_read_file(top, "five", &b, &e), "append");
	is_str(buf_str(&b), "1234512345", "up to the limit");
	fails(fs_read_file(top, "five", &b, &e), ERR_LIMIT, "past the limit");
	is_str(buf_str(&b), "1234512345", "nothing changed");
	works(fs_read_file(top, "empty", &b, &e), "no byte fits in no room");
	works(fs_read_file(top, "empty", &none, &e), "empty, limit 0");
	fails(fs_read_file(top, "five", &small, &e), ERR_LIMIT, "too large");
	is_int(small.len, 0, "nothing kept");
	ok(small.data == NULL || memcmp(small.data, "\0\0\0\0", 4) == 0,
	    "and wiped");
	fails(fs_read_file(top, "missing", &b, &e), ERR_NOTFOUND, "missing");
	fails(fs_read_file(top, ".", &proc, &e), ERR_SYS, "a directory");
	works(fs_read_file(AT_FDCWD, "/proc/self/status", &proc, &e),
	    "a file that says it is empty");
	ok(proc.len > 100 && strncmp(buf_str(&proc), "Name:", 5) == 0,
	    "its text");
	memset(big, 'x', 4999);
	put(top, "big", big);
	works(fs_read_file(top, "big", &secret, &e), "into a secret buffer");
	ok(secret.len == 4999 && secret.cap == 8192,
	    "with no growth but the first");
	fd = open("/dev/zero", O_RDONLY);
	fails(fs_read_fd(fd, "zeros", &page, &e), ERR_LIMIT, "without an end");
	ok(strncmp(e.msg, "zeros: ", 7) == 0, "the message names it");
	close(fd);
	fails(fs_read_fd(-1, "what", &proc, &e), ERR_SYS, "not open");
	free(big);
}

static size_t asked;

static ssize_t
counting_read(int fd, void *out, size_t size)
{
	ssize_t n = read(fd, out, size);

	asked += size;
	return n;
}

static void
test_read_bound(void)
{
	struct sys_ops table = sys_real;
	autobuf b = BUF(5000);
	autoclose int fd = open("/dev/zero", O_RDONLY);

	table.read = counting_read;
	sys = &table;
	fails(fs_read_fd(fd, "zeros", &b, &e), ERR_LIMIT, "an endless file");
	sys = &sys_real;
	is_int(asked, 5001, "no more than max + 1 bytes are asked for");
}

static void
test_beneath(void)
{
	static const char *const bad[] = {
		"../x", "/etc/passwd", "d/../../x", "out", "up", "d/up2",
		"proc",
	};
	int fd;

	mkdirat(top, "d", 0700);
	put(top, "d/in", "in");
	(void)!symlinkat("/etc/passwd", top, "out");
	(void)!symlinkat("..", top, "up");
	(void)!symlinkat("../../x", top, "d/up2");
	(void)!symlinkat("/proc/self/exe", top, "proc");
	(void)!symlinkat("in", top, "d/good");
	(void)!symlinkat("/d/in", top, "rooted");
	(void)!symlinkat("../../../d/in", top, "d/climbs");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(fs_open_beneath(top, bad[i], O_RDONLY, 0) == -1,
		    "does not lead out: %s", bad[i]);
	fd = fs_open_beneath(top, "d/good", O_RDONLY, 0);
	ok(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC),
	    "a link inside is followed, closed on exec");
	base_close(&fd);
	fd = fs_open_in_root(top, "rooted", O_RDONLY, 0);
	ok(fd >= 0, "an absolute link stays inside");
	base_close(&fd);
	fd = fs_open_in_root(top, "d/climbs", O_RDONLY, 0);
	ok(fd >= 0, "and so does one that climbs");
	base_close(&fd);
	ok(fs_open_in_root(top, "out", O_RDONLY, 0) == -1 && errno == ENOENT,
	    "/etc/passwd of the root is not ours");
	fails(fs_read_file(top, "out", &(struct buf)BUF(10), &e), ERR_SYS,
	    "read_file does not lead out");
	works(fs_empty_dir(top, &e), "empty the directory");
	is_int(entries(top), 0, "all gone");
}

static void
test_remove_simple(void)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/a", "a/" };

	works(fs_remove_tree(top, "missing", &e), "what is not there");
	put(top, "file", "x");
	works(fs_remove_tree(top, "file", &e), "a file");
	mkdirat(top, "dir", 0700);
	works(fs_remove_tree(top, "dir", &e), "an empty directory");
	(void)!mkfifoat(top, "fifo", 0600);
	works(fs_remove_tree(top, "fifo", &e), "a fifo");
	ok(!there(top, "file") && !there(top, "dir") && !there(top, "fifo"),
	    "all gone");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(fs_remove_tree(top, bad[i], &e), ERR_BUG,
		    "not an entry: '%s'", bad[i]);
	fails(fs_remove_tree(-1, "x", &e), ERR_STORAGE, "a bad descriptor");
	fails(fs_empty_dir(-1, &e), ERR_STORAGE, "a bad directory");
}

static void
test_remove_links(void)
{
	mkdirat(top, "kept", 0700);
	put(top, "kept/file", "x");
	mkdirat(top, "tree", 0700);
	(void)!symlinkat("../kept", top, "tree/dir");
	(void)!symlinkat("../kept/file", top, "tree/file");
	(void)!symlinkat("nowhere", top, "tree/dangling");
	(void)!symlinkat("kept", top, "link");
	works(fs_remove_tree(top, "tree", &e), "a tree of symlinks");
	works(fs_remove_tree(top, "link", &e), "a symlink to a directory");
	ok(!there(top, "tree") && !there(top, "link"), "gone");
	ok(there(top, "kept/file"), "what they pointed to is there");
	works(fs_remove_tree(top, "kept", &e), "and can be removed");
}

/* depth directories inside one another, a file and a second one in each. */
static void
make_deep(const char *name, int depth)
{
	int dir = dup(top);

	for (int i = 0; i < depth && dir != -1; i++) {
		const char *step = i == 0 ? name : "d";
		int next;

		if (i % 16 == 0)
			put(dir, "file", "x");
		if (i % 64 == 0)
			mkdirat(dir, "empty", 0700);
		mkdirat(dir, step, 0700);
		next = openat(dir, step, O_RDONLY | O_DIRECTORY);
		close(dir);
		dir = next;
	}
	ok(dir != -1, "made %d directories in one another", depth);
	base_close(&dir);
}

static void
test_remove_deep(void)
{
	int before = open_fds();

	make_deep("deep", 5000);
	works(fs_remove_tree(top, "deep", &e), "deeper than any path");
	ok(!there(top, "deep"), "gone");
	is_int(open_fds(), before, "no descriptor left open");
	works(fs_empty_dir(top, &e), "the rest");
	is_int(entries(top), 0, "gone too");
}

static void
test_remove_wide(void)
{
	char name[32];

	mkdirat(top, "wide", 0700);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "wide/%d", i);
		if (i % 4 == 0) {
			mkdirat(top, name, 0700);
			snprintf(name, sizeof(name), "wide/%d/f", i);
		}
		put(top, name, "");
	}
	works(fs_remove_tree(top, "wide", &e), "thousands of entries");
	ok(!there(top, "wide"), "gone");
}

/* One half by name, one with the directory that holds them, closed too. */
static int
remove_modes(size_t n)
{
	autoclose int u = openat(top, "u", O_RDONLY | O_DIRECTORY);
	char name[32];

	for (size_t i = 0; i < n; i += 2) {
		snprintf(name, sizeof(name), "m%zu", i);
		if (fs_remove_tree(u, name, &e) < 0 || there(u, name))
			return 1;
	}
	if (fchmod(u, 0) == -1 || fs_empty_dir(u, &e) < 0)
		return 2;
	return entries(u) == 0 ? 0 : 3;
}

/* Large trees, in memory if that can be had: making them takes ext4 long. */
static void
test_remove_large(void)
{
	char large[] = "/dev/shm/test_fs.XXXXXX";
	bool in_memory = mkdtemp(large) != NULL;
	int was = top;

	if (in_memory)
		top = open(large, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_remove_deep();
	test_remove_wide();
	if (in_memory) {
		base_close(&top);
		is_int(rmdir(large), 0, "nothing is left");
	}
	top = was;
}

/* As an ordinary user, to whom modes mean something. */
static int
remove_closed(void)
{
	static const mode_t modes[] = { 0, 0100, 0200, 0400, 0500, 0600 };
	char name[32];

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) == -1)
		return 9;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		snprintf(name, sizeof(name), "u/m%zu", i);
		if (mkdirat(top, name, 0700) == -1)
			return 8;
		snprintf(name, sizeof(name), "u/m%zu/sub", i);
		if (mkdirat(top, name, 0700) == -1)
			return 8;
		snprintf(name, sizeof(name), "u/m%zu/sub/file", i);
		put(top, name, "");
		snprintf(name, sizeof(name), "u/m%zu/sub", i);
		if (fchmodat(top, name, modes[i], 0) == -1)
			return 7;
		snprintf(name, sizeof(name), "u/m%zu", i);
		if (fchmodat(top, name, modes[i], 0) == -1)
			return 7;
	}
	return remove_modes(ARRAY_LEN(modes));
}

/* Not our directory, and not empty: the error says so. */
static int
remove_others(void)
{
	if (setresuid(65534, 65534, 65534) == -1)
		return 9;
	return fs_remove_tree(top, "mine", &e) == -ERR_STORAGE ? 0 : 1;
}

static int
in_child(int (*run)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int rc = run();

		if (rc != 0)
			printf("# child: %d: %s\n", rc, e.msg);
		fflush(stdout);
		_exit(rc);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid ||
	    !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void
test_remove_modes(void)
{
	mkdirat(top, "u", 0700);
	if (geteuid() == 0 && fchownat(top, "u", 65534, 65534, 0) == -1)
		return;
	if (fchmod(top, 0711) == -1)
		return;
	is_int(in_child(remove_closed), 0, "directories without permissions");
	works(fs_remove_tree(top, "u", &e), "the rest");
	if (geteuid() != 0) {
		skip("needs root", "directories of others");
		return;
	}
	mkdirat(top, "mine", 0755);
	put(top, "mine/file", "x");
	is_int(in_child(remove_others), 0, "directories of others");
	ok(there(top, "mine/file"), "stay");
	works(fs_remove_tree(top, "mine", &e), "until their owner comes");
}

static int
remove_mounts(void)
{
	if (unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		return 77;
	/* The descriptor is of the old name space, in which nothing mounts. */
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top == -1 || fchdir(top) == -1 ||
	    mount("tmpfs", "m/other", "tmpfs", 0, NULL) == -1 ||
	    mount("kept", "m/bound", NULL, MS_BIND, NULL) == -1)
		return 77;
	put(top, "m/other/file", "x");
	if (fs_remove_tree(top, "m", &e) != -ERR_STORAGE ||
	    !there(top, "m/other/file"))
		return 1;
	if (umount("m/other") == -1 ||
	    fs_remove_tree(top, "m", &e) != -ERR_STORAGE)
		return 2;
	return there(top, "kept/file") ? 0 : 3;
}

static void
test_remove_mounts(void)
{
	int rc;

	mkdirat(top, "kept", 0700);
	put(top, "kept/file", "x");
	mkdirat(top, "m", 0700);
	mkdirat(top, "m/other", 0700);
	mkdirat(top, "m/bound", 0700);
	rc = in_child(remove_mounts);
	if (rc == 77)
		skip("needs the right to mount", "mounts are not entered");
	else
		is_int(rc, 0, "mounts are not entered");
	works(fs_empty_dir(top, &e), "clean up");
}

static int
run_remove(void *arg, struct err *err)
{
	(void)arg;
	mkdirat(top, "t", 0700);
	mkdirat(top, "t/a", 0700);
	mkdirat(top, "t/a/b", 0700);
	put(top, "t/a/b/file", "x");
	return fs_remove_tree(top, "t", err);
}

static void
test_remove_faults(void)
{
	int before = open_fds();

	is_int(fault_each(FAULT_IO, EIO, false, run_remove, NULL), 5,
	    "each open made to fail");
	is_int(open_fds(), before, "no descriptor left open");
	ok(!there(top, "t"), "and removed in the end");
}

static void
test_write(void)
{
	autobuf b = BUF(100);
	struct stat st;
	mode_t mask = umask(0277);

	works(fs_write_atomic(top, "f", SPAN_LIT("one"), 0640, &e), "write");
	ok(fstatat(top, "f", &st, 0) == 0 && (st.st_mode & 07777) == 0640,
	    "the mode, whatever the umask");
	umask(mask);
	works(fs_write_atomic(top, "f", SPAN_LIT("two\0x"), 0600, &e),
	    "again");
	works(fs_read_file(top, "f", &b, &e), "read back");
	ok(span_eq(buf_span(&b), SPAN_LIT("two\0x")), "in place of the old");
	works(fs_write_atomic(top, "f", (struct span){ 0 }, 0600, &e),
	    "an empty one");
	is_int(entries(top), 1, "no other file is left");
	mkdirat(top, "d", 0700);
	fails(fs_write_atomic(top, "d", SPAN_LIT("x"), 0600, &e), ERR_STORAGE,
	    "over a directory");
	is_int(entries(top), 2, "nothing is left of it");
	fails(fs_write_atomic(top, "d/f", SPAN_LIT("x"), 0600, &e), ERR_BUG,
	    "a path is not a name");
	fails(fs_write_atomic(top, "..", SPAN_LIT("x"), 0600, &e), ERR_BUG,
	    "nor is '..'");
	fails(fs_write_atomic(-1, "f", SPAN_LIT("x"), 0600, &e), ERR_STORAGE,
	    "a bad descriptor");
}

static int
run_write(void *arg, struct err *err)
{
	(void)arg;
	return fs_write_atomic(top, "f", SPAN_LIT("new"), 0600, err);
}

/* Either the old contents or the new, and nothing beside it. */
static int
run_write_checked(void *arg, struct err *err)
{
	autoclose int fd = -1;
	int rc, got;
	char text[8] = "";
	bool *good = arg;

	put(top, "f", "old");
	rc = run_write(NULL, err);
	fd = openat(top, "f", O_RDONLY);
	got = (int)read(fd, text, sizeof(text) - 1);
	*good &= got == 3 && strcmp(text, rc == 0 ? "new" : "old") == 0 &&
	    entries(top) == 1;
	unlinkat(top, "f", 0);
	return rc;
}

static void
test_write_faults(void)
{
	bool good = true;

	works(fs_empty_dir(top, &e), "start with nothing");
	is_int(fault_each(FAULT_IO, EIO, false, run_write_checked, &good), 4,
	    "chance, open, write and rename made to fail");
	is_int(fault_each(FAULT_IO, ENOSPC, false, run_write_checked, &good),
	    4, "the disk full");
	is_int(fault_each(FAULT_SHORT, 0, false, run_write_checked, &good), 0,
	    "a byte at a time");
	ok(good, "each time the old file or the new one, and nothing beside");
}

static int
run_read(void *arg, struct err *err)
{
	autobuf b = BUF(100000);
	int rc = fs_read_file(top, "f", &b, err);

	(void)arg;
	if (rc == 0 && b.len != 9000)
		return err_set(err, ERR_BUG, "%zu bytes", b.len);
	if (rc < 0 && b.len != 0)
		return 1;
	return rc;
}

static void
test_read_faults(void)
{
	static char text[9001];

	memset(text, 'x', 9000);
	put(top, "f", text);
	is_int(fault_each(FAULT_IO, EIO, false, run_read, NULL), 3,
	    "open and reads made to fail");
	is_int(fault_each(FAULT_ALLOC, 0, false, run_read, NULL), 1,
	    "the allocation made to fail");
	is_int(fault_each(FAULT_SHORT, 0, false, run_read, NULL), 0,
	    "a byte at a time");
	works(fs_empty_dir(top, &e), "clean up");
}

static void
test_make_dirs(void)
{
	char text[PATH_MAX + 400], deep[300];
	struct stat st;
	int fd;

	snprintf(text, sizeof(text), "%s//a/b/../c///", path);
	fd = fs_make_dirs(text, 0750, &e);
	works(fd, "make directories");
	ok(there(top, "a/b") && fstatat(top, "a/c", &st, 0) == 0 &&
	    (st.st_mode & 07777) == 0750, "all are there, with their mode");
	ok(fd >= 0 && mkdirat(fd, "x", 0700) == 0 && there(top, "a/c/x") &&
	    entries(fd) == 1, "the descriptor is of the last, to be read");
	base_close(&fd);
	fd = fs_make_dirs(text, 0700, &e);
	works(fd, "again");
	base_close(&fd);
	fd = fs_make_dirs("/", 0700, &e);
	works(fd, "the root");
	base_close(&fd);
	fd = fs_make_dirs("tests", 0700, &e);
	works(fd, "a relative path");
	base_close(&fd);
	fails(fs_make_dirs("", 0700, &e), ERR_STORAGE, "no path");
	put(top, "file", "");
	snprintf(text, sizeof(text), "%s/file/x", path);
	fails(fs_make_dirs(text, 0700, &e), ERR_STORAGE, "a file on the way");
	memset(deep, 'n', 299);
	deep[299] = '\0';
	snprintf(text, sizeof(text), "%s/%s", path, deep);
	fails(fs_make_dirs(text, 0700, &e), ERR_STORAGE, "a name too long");
	works(fs_empty_dir(top, &e), "clean up");
}

static int
run_make_dirs(void *arg, struct err *err)
{
	autoclose int fd = fs_make_dirs(arg, 0700, err);

	return fd < 0 ? fd : 0;
}

static int
run_open_parent(void *arg, struct err *err)
{
	char base[256];
	autoclose int fd = fs_open_parent(arg, base, err);

	return fd < 0 ? fd : 0;
}

static void
test_paths(void)
{
	static const char *const bad[] = {
		"", "/", "//", ".", "..", "a/..", "a/.", "/..", "../", "./",
	};
	char text[PATH_MAX + 400], base[256] = "as it was";
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(fs_open_parent(bad[i], base, &e) == -ERR_STORAGE &&
		    strcmp(base, "as it was") == 0, "no name: '%s'", bad[i]);
	snprintf(text, sizeof(text), "%s/no/x", path);
	fails(fs_open_parent(text, base, &e), ERR_STORAGE, "no such parent");
	is_str(base, "as it was", "untouched");
	memset(text, 'n', 300);
	text[300] = '\0';
	fails(fs_open_parent(text, base, &e), ERR_STORAGE, "a name too long");
	memset(text, '/', sizeof(text));
	snprintf(text + sizeof(text) - 3, 3, "ab");
	fails(fs_open_parent(text, base, &e), ERR_STORAGE, "a path too long");
	snprintf(text, sizeof(text), "%s//f//", path);
	fd = fs_open_parent(text, base, &e);
	works(fd, "slashes do not count");
	is_str(base, "f", "the name");
	put(fd, base, "x");
	ok(there(top, "f"), "the parent");
	base_close(&fd);
	fd = fs_open_parent("name", base, &e);
	ok(fd >= 0 && strcmp(base, "name") == 0 && there(fd, "tests"),
	    "a bare name");
	base_close(&fd);
	fd = fs_open_parent("/name", base, &e);
	ok(fd >= 0 && strcmp(base, "name") == 0 && there(fd, "proc"),
	    "below the root");
	base_close(&fd);
	snprintf(text, sizeof(text), "%s/x/y", path);
	is_int(fault_each(FAULT_IO, EIO, false, run_make_dirs, text) > 3, 1,
	    "make_dirs: each open made to fail");
	is_int(fault_each(FAULT_IO, EIO, false, run_open_parent, text), 1,
	    "open_parent: the open made to fail");
}

static void
test_random_name(void)
{
	char a[33] = "", b[33] = "";

	works(fs_random_name(a, 16, &e), "a random name");
	works(fs_random_name(b, 16, &e), "another");
	ok(strlen(a) == 32 && strspn(a, "0123456789abcdef") == 32 &&
	    strcmp(a, b) != 0, "32 digits, not the same");
	fails(fs_random_name(a, 17, &e), ERR_BUG, "too long");
	works(fs_random_name(a, 0, &e), "of no length");
	is_str(a, "", "is empty");
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	int before = open_fds();

	snprintf(path, sizeof(path), "%s/test_fs.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(path) == NULL)
		return 1;
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top == -1)
		return 1;
	test_read();
	test_read_bound();
	test_beneath();
	test_remove_simple();
	test_remove_links();
	test_remove_large();
	test_remove_modes();
	test_remove_mounts();
	test_remove_faults();
	test_write();
	test_write_faults();
	test_read_faults();
	test_make_dirs();
	test_paths();
	test_random_name();
	works(fs_empty_dir(top, &e), "empty it for the last time");
	base_close(&top);
	is_int(rmdir(path), 0, "nothing is left");
	is_int(open_fds(), before, "nothing is left open");
	return tap_done();
}
