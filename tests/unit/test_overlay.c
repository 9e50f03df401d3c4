/*
 * test_overlay.c: layers merged by the kernel, as root in a mount name space of its own, on a tmpfs: mounting,
 * what cannot be mounted, and that merged layers show what a flat root of the same layers shows.
 */
#include "lib/base.h"

#include "agent/overlay.h"

#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <dirent.h>
#include <sched.h>

#include "agent/staging.h"
#include "tests/lib/root.h"

static int store = -1, stage = -1;
static char cwd[PATH_MAX];

static int
open_work(const char *name)
{
	return openat(work, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* An empty store, an empty stage with a rootfs. */
static void
fresh_places(void)
{
	struct err ignored;

	if (stage != -1)
		(void)!overlay_unmount(stage, &ignored);
	base_close(&store);
	base_close(&stage);
	if (fs_remove_tree(work, "store", &e) < 0 || fs_remove_tree(work, "stage", &e) < 0 ||
	    mkdirat(work, "store", 0700) == -1 || mkdirat(work, "stage", 0700) == -1 ||
	    mkdirat(work, "stage/rootfs", 0755) == -1 || (store = open_work("store")) == -1 ||
	    (stage = open_work("stage")) == -1)
		abort();
}

/* The absolute path of a layer; of the last 600 asked for. */
static const char *
in_store(const char *name)
{
	static char paths[600][200];
	static unsigned turn;

	turn = (turn + 1) % ARRAY_LEN(paths);
	snprintf(paths[turn], sizeof(paths[0]), "%s/store/%s", work_path, name);
	return paths[turn];
}

static void
put_layer(const char *name, struct archive *a, struct overlay_layer *layer)
{
	struct tree_options o = options(false);
	struct tree_stats stats = { 0 };
	autoclose int dir = -1;

	o.overlay = true;
	if (mkdirat(store, name, 0755) == -1)
		abort();
	dir = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	works(unpack_into(dir, buf_span(&a->out), o, &stats, &e), "layer %s", name);
	buf_free(&a->out);
	*layer = (struct overlay_layer){ .path = in_store(name), .root_entry = stats.root_entry };
}

static bool
there(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool
says(const char *path, const char *content)
{
	autobuf text = BUF(1 << 16);
	struct err ignored;

	/* Beneath the stage by its path: the merged root is another file system. */
	return fs_read_file(stage, path, &text, &ignored) == 0 && strcmp(buf_str(&text), content) == 0;
}

static bool
is_mounted(void)
{
	struct stat a, b;

	return fstatat(stage, "rootfs", &a, 0) == 0 && fstat(stage, &b) == 0 && a.st_dev != b.st_dev;
}

static bool
cwd_is_back(void)
{
	char now[PATH_MAX];

	return getcwd(now, sizeof(now)) != NULL && strcmp(now, cwd) == 0;
}

static bool
is_empty(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	unsigned n = 0;

	if (d == NULL)
		abort();
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n == 2;
}

static void
two_layers(struct overlay_layer layers[2])
{
	struct archive a = ARCHIVE();
	uint8_t block[512];

	fresh_places();
	archive_block(block, "./", '5', 0);
	archive_number(block + 100, 8, 01751);
	archive_number(block + 108, 8, 12);
	archive_number(block + 116, 8, 34);
	PAX(&a, "SCHILY.xattr.trusted.root", "r", "SCHILY.xattr.trusted.overlay.redirect", "/etc");
	archive_seal(&a, block);
	archive_dir(&a, "d", 0755);
	archive_file(&a, "d/below", "1");
	archive_file(&a, "d/both", "1");
	archive_file(&a, "gone", "1");
	put_layer("sha256,with:odd\\name", &a, &layers[0]);
	archive_dir(&a, "d", 0711);
	archive_file(&a, "d/both", "2");
	archive_file(&a, ".wh.gone", "");
	put_layer("top", &a, &layers[1]);
}

static void
test_mount(void)
{
	struct overlay_layer layers[2];
	struct stat st;
	char value;
	int fd;

	fresh();
	two_layers(layers);
	works(overlay_unmount(stage, &e), "unmount where nothing is mounted");
	works(overlay_mount(stage, layers, 2, &e), "two layers");
	ok(cwd_is_back(), "the working directory is as it was");
	ok(is_mounted() && says("rootfs/d/below", "1") && says("rootfs/d/both", "2") && !there(stage, "rootfs/gone"),
	    "are merged");
	ok(fstatat(stage, "rootfs", &st, 0) == 0 && st.st_mode == (S_IFDIR | 01751) && st.st_uid == 12 &&
	    st.st_gid == 34 && st.st_mtim.tv_sec == 1600000000, "the root is as the topmost layer says that has it");
	ok(lgetxattr(at("../stage/rootfs"), "trusted.root", &value, 1) == 1 && value == 'r', "its attributes, too");
	ok(lgetxattr(at("../stage/overlay/upper"), "trusted.overlay.redirect", &value, 0) == -1, "but overlayfs's own");
	ok(mkdirat(stage, "rootfs/new", 0755) == 0 && unlinkat(stage, "rootfs/d/below", 0) == 0 &&
	    mknodat(stage, "rootfs/null", S_IFCHR | 0666, makedev(1, 3)) == 0, "can be written");
	fd = openat(stage, "rootfs/null", O_RDONLY | O_CLOEXEC);
	ok(fd != -1, "devices in it work");
	close(fd);
	ok(!there(store, "top/new") && there(store, "sha256,with:odd\\name/d/below"), "the layers stay as they are");
	fails(overlay_mount(stage, layers, 2, &e), ERR_STORAGE, "a second mount");
	ok(is_mounted() && there(stage, "overlay/upper"), "leaves the first alone");

	ok(renameat(work, "stage", work, "bundle") == 0, "the stage is renamed while mounted");
	ok(says("rootfs/d/both", "2") && there(work, "bundle/rootfs/new"), "all is there still");
	ok(mkdirat(work, "bundle/rootfs/newer", 0755) == 0, "and can be written");
	fails(fs_remove_tree(work, "bundle", &e), ERR_STORAGE, "removing the bundle stops at the mount");
	ok(there(store, "sha256,with:odd\\name/d/below"), "the layers stay");
	ok(renameat(work, "bundle", work, "stage") == 0, "back");
	fd = openat(stage, "rootfs/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	works(overlay_unmount(stage, &e), "unmount while in use");
	ok(!is_mounted() && is_empty(stage, "rootfs"), "is unmounted");
	close(fd);
	works(overlay_unmount(stage, &e), "and again");
	ok(cwd_is_back(), "the working directory is as it was");
	ok(unlinkat(stage, "rootfs", AT_REMOVEDIR) == 0, "no rootfs");
	works(overlay_unmount(stage, &e), "is nothing to unmount");
	ok(symlinkat("/proc", stage, "rootfs") == 0, "a link");
	works(overlay_unmount(stage, &e), "is not followed");
}

static void
test_root_attributes(void)
{
	struct overlay_layer layers[2];
	struct archive a = ARCHIVE();
	struct stat st;

	fresh_places();
	archive_file(&a, "f", "1");
	put_layer("one", &a, &layers[0]);
	umask(077);
	works(overlay_mount(stage, layers, 1, &e), "one layer, without an entry for the root");
	umask(022);
	ok(says("rootfs/f", "1") && fstatat(stage, "rootfs", &st, 0) == 0 && st.st_mode == (S_IFDIR | 0755) &&
	    st.st_uid == 0, "whose mode then is 0755");
}

static void
test_refusals(void)
{
	struct overlay_layer layers[2], missing = { .path = in_store("missing") };

	two_layers(layers);
	fails(overlay_mount(stage, layers, 0, &e), ERR_UNSUPPORTED, "no layer");
	missing.root_entry = true;
	fails(overlay_mount(stage, &missing, 1, &e), ERR_STORAGE, "a layer that is not there");
	missing.root_entry = false;
	fails(overlay_mount(stage, &missing, 1, &e), ERR_STORAGE, "the same without a root entry");
	ok(!is_mounted() && !there(stage, "overlay") && cwd_is_back(), "leaves nothing behind");
	missing.path = in_store("top/d/both");
	fails(overlay_mount(stage, &missing, 1, &e), ERR_STORAGE, "a layer that is a file");
	ok(unlinkat(stage, "rootfs", AT_REMOVEDIR) == 0, "no rootfs");
	fails(overlay_mount(stage, layers, 2, &e), ERR_UNSUPPORTED, "nowhere to mount");
	ok(!there(stage, "overlay") && cwd_is_back(), "leaves nothing behind");
}

/* Each has its number in a file of its own and in a common one. */
static void
test_many(void)
{
	static struct overlay_layer layers[OVERLAY_LAYERS_MAX + 1];
	static char names[OVERLAY_LAYERS_MAX + 1][80];
	char path[100], number[16];
	bool all = true;

	fresh_places();
	for (size_t i = 0; i < ARRAY_LEN(layers); i++) {
		struct err ignored;
		autoclose int dir = -1;

		snprintf(names[i], sizeof(names[i]), "sha256-%064zx", i);
		snprintf(number, sizeof(number), "%zu", i);
		layers[i].path = in_store(names[i]);
		if (mkdirat(store, names[i], 0755) == -1 ||
		    (dir = openat(store, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
		    fs_write_atomic(dir, "common", span_str(number), 0644, &ignored) < 0 ||
		    fs_write_atomic(dir, number, span_str(number), 0644, &ignored) < 0)
			abort();
	}
	fails(overlay_mount(stage, layers, ARRAY_LEN(layers), &e), ERR_UNSUPPORTED, "501 layers");
	works(overlay_mount(stage, layers, OVERLAY_LAYERS_MAX, &e), "500 layers");
	ok(says("rootfs/common", "499"), "the last is on top");
	for (size_t i = 0; i < OVERLAY_LAYERS_MAX; i++) {
		snprintf(path, sizeof(path), "rootfs/%zu", i);
		snprintf(number, sizeof(number), "%zu", i);
		all = all && says(path, number);
	}
	ok(all, "all are there");
	fresh_places();
}

static void
test_twice(void)
{
	struct archive a = ARCHIVE();
	struct overlay_layer one[2], four[4];

	fresh_places();
	archive_dir(&a, "d", 0755);
	archive_file(&a, "d/f", "one");
	archive_file(&a, "d/mine", "one");
	archive_file(&a, ".wh.x", "");
	put_layer("one", &a, &one[0]);
	archive_dir(&a, "d", 0755);
	archive_file(&a, "d/f", "two");
	archive_file(&a, "d/.wh.mine", "");
	archive_file(&a, "x", "two");
	archive_file(&a, "y", "two");
	put_layer("two", &a, &one[1]);
	four[0] = four[2] = four[3] = one[0];
	four[1] = one[1];
	works(overlay_mount(stage, four, 4, &e), "a layer three times");
	ok(says("rootfs/d/f", "one") && says("rootfs/d/mine", "one") && says("rootfs/y", "two") &&
	    !there(stage, "rootfs/x"), "the topmost counts");
}

/* A file system of this type in the place of a directory of the folder. */
static int
probe_on(const char *type, const char *data, const char *where)
{
	char path[100];
	int rc;

	fresh_places();
	snprintf(path, sizeof(path), "%s/%s", work_path, where);
	if (mount(type, path, type, 0, NULL) == -1)
		return 1;
	base_close(&store);
	base_close(&stage);
	store = open_work("store");
	stage = open_work("stage");
	(void)mkdirat(stage, "rootfs", 0755);
	if (strcmp(data, "ro") == 0 && mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL) == -1)
		return 1;
	rc = overlay_probe(store, stage, &e);
	ok(is_empty(store, ".") && is_empty(stage, "rootfs") && !there(stage, "overlay") && !is_mounted() &&
	    cwd_is_back(), "nothing is left");
	base_close(&store);
	base_close(&stage);
	if (umount2(path, MNT_DETACH) == -1)
		abort();
	return rc;
}

static void
test_probe(void)
{
	struct overlay_layer layers[2];
	autoclose int merged = -1;

	fresh_places();
	works(overlay_probe(store, stage, &e), "a store and a stage on tmpfs");
	ok(is_empty(store, ".") && !there(stage, "overlay") && !is_mounted() && there(stage, "rootfs") && cwd_is_back(), "nothing is left");
	works(overlay_probe(stage, stage, &e), "both the same");
	fails(probe_on("ramfs", "rw", "store"), ERR_UNSUPPORTED, "a store without attributes");
	fails(probe_on("ramfs", "rw", "stage"), ERR_UNSUPPORTED, "a stage without attributes");
	fails(probe_on("tmpfs", "ro", "store"), ERR_STORAGE, "a store that is read-only");
	fails(probe_on("tmpfs", "ro", "stage"), ERR_STORAGE, "a stage that is read-only");
	two_layers(layers);
	works(overlay_mount(stage, layers, 2, &e), "merged layers");
	if (mkdirat(stage, "rootfs/rootfs", 0755) == -1)
		abort();
	merged = openat(stage, "rootfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(overlay_probe(store, merged, &e) < 0, "are no place to merge others: %s", e.msg);
	ok(says("rootfs/d/both", "2"), "which stay");
	fresh_places();
}

/* A maker that was killed while its root was mounted. */
static void
test_swept(void)
{
	struct overlay_layer layers[2];
	struct staging killed, next;
	char target[100], left[64];

	two_layers(layers);
	snprintf(target, sizeof(target), "%s/target", work_path);
	works(staging_open(target, NULL, STAGING_ROOTFS, &killed, &e), "a staging directory");
	works(overlay_mount(killed.dir, layers, 2, &e), "with a mounted root");
	snprintf(left, sizeof(left), ".cacao-staging/%.32s", killed.name);
	killed.name[0] = '\0';
	staging_close(&killed);
	ok(there(work, left), "left as it is");
	works(staging_open(target, NULL, STAGING_ROOTFS, &next, &e), "the next maker");
	ok(!there(work, left), "removes it, mount and all");
	ok(there(store, "top/d/both"), "but not the layers");
	staging_close(&next);
	ok(!there(work, ".cacao-staging"), "and nothing is left");
}

/*
 * Flat and merged are the same. Trees become text, a line for each name.
 */

static uint64_t chance;

static unsigned
below(unsigned n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)((chance >> 20) % n);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
describe(int dir, const char *name, const char *path, struct buf *out)
{
	char text[4096] = "", attribute[8] = "";
	struct stat st;
	ssize_t n = 0;

	/* The name of a whiteout in a directory that no lower layer has: listed, but not there. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return;
	if (fchdir(dir) == -1)
		abort();
	if (S_ISLNK(st.st_mode))
		n = readlinkat(dir, name, text, sizeof(text) - 1);
	else if (S_ISREG(st.st_mode)) {
		autoclose int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

		n = read(fd, text, sizeof(text) - 1);
	}
	if (n < 0 || (lgetxattr(name, "trusted.t", attribute, sizeof(attribute) - 1) == -1 && errno != ENODATA) ||
	    buf_addf(out, &e, "%s %o %u:%u %x %lld '%s' '%s'\n", path, st.st_mode, st.st_uid, st.st_gid,
	    (unsigned)st.st_rdev, st.st_mtim.tv_sec > 1700000000 ? 0LL : (long long)st.st_mtim.tv_sec, text,
	    attribute) < 0 || chdir(cwd) == -1)
		abort();
}

static void
describe_below(int parent, const char *name, const char *path, struct buf *out)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char names[512][256], below_path[600];
	struct dirent *entry;
	size_t n = 0;
	DIR *d;

	describe(parent, name, path, out);
	if (fd == -1)
		return;
	d = fdopendir(fd);
	while ((entry = readdir(d)) != NULL && n < ARRAY_LEN(names))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    strlen(entry->d_name) < sizeof(names[0]))
			snprintf(names[n++], sizeof(names[0]), "%s", entry->d_name);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		snprintf(below_path, sizeof(below_path), "%.300s/%.255s", path, names[i]);
		describe_below(fd, names[i], below_path, out);
	}
	closedir(d);
}

enum { STACK_MAX = 5 };

/* 0, or the first failure. */
static int
make_flat(struct archive *layers, size_t n)
{
	int rc = 0;

	fresh();
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = unpack_with(&layers[i], options(i == 0), NULL, &e);
	return rc;
}

/* 0, the first failure, or -ERR_UNSUPPORTED where the contract says: flat. */
static int
make_merged(struct archive *archives, size_t n)
{
	static const char *const names[STACK_MAX] = { "l0", "l1", "l2", "l3", "l4" };
	struct overlay_layer layers[STACK_MAX];
	struct tree_options o = options(false);

	o.overlay = true;
	fresh_places();
	for (size_t i = 0; i < n; i++) {
		struct tree_stats stats = { 0 };
		autoclose int dir = -1;
		int rc;

		if (mkdirat(store, names[i], 0755) == -1)
			abort();
		dir = openat(store, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if ((rc = unpack_into(dir, buf_span(&archives[i].out), o, &stats, &e)) < 0)
			return rc;
		if (i > 0 && stats.implied_dirs > 0)
			return -ERR_UNSUPPORTED;
		layers[i] = (struct overlay_layer){ .path = in_store(names[i]), .root_entry = stats.root_entry };
	}
	return overlay_mount(stage, layers, n, &e);
}

/* Were they compared? Prints only what differs. */
static bool
same_both_ways(struct archive *layers, size_t n, const char *what, unsigned number)
{
	autobuf flat = BUF(1 << 20), merged = BUF(1 << 20);
	int rc_flat = make_flat(layers, n), rc = make_merged(layers, n);

	if (rc == -ERR_UNSUPPORTED)
		return false;
	if (rc == 0 && rc_flat == 0) {
		describe_below(work, "root", "", &flat);
		describe_below(stage, "rootfs", "", &merged);
	}
	if (rc != rc_flat || !span_eq(buf_span(&flat), buf_span(&merged))) {
		ok(false, "%s %u: the same both ways", what, number);
		printf("# flat: %d, overlay: %d: %s\n", rc_flat, rc, e.msg);
		fprintf(stderr, "%s %u flat:\n%s\nmerged:\n%s\n", what, number, buf_str(&flat), buf_str(&merged));
	}
	return rc == 0 && rc_flat == 0;
}

static void
header(struct archive *a, const char *name, char type, const char *link, const char *content)
{
	uint8_t block[512];

	if (below(4) == 0)
		PAX(a, "SCHILY.xattr.trusted.t", below(2) == 0 ? "one" : "two");
	archive_block(block, name, type, strlen(content));
	memcpy(block + 157, link, strlen(link));
	archive_number(block + 100, 8, type == '5' ? 0700 | below(64) : below(01000));
	archive_number(block + 108, 8, below(3));
	archive_number(block + 116, 8, below(3));
	archive_number(block + 136, 12, 1500000000 + below(1000));
	archive_number(block + 329, 8, 1 + below(2));
	archive_number(block + 337, 8, below(3));
	archive_seal(a, block);
	archive_bytes(a, content, strlen(content));
	archive_pad(a);
}

/*
 * One entry below parent ("" or "a/b/") of one of few names, so that they meet. Mostly a to c are
 * directories: a directory that is replaced has no form for overlayfs where others are opaque.
 */
static void
random_entry(struct archive *a, const char *parent)
{
	static const char *const targets[] = { "a", "b", "../a", "/b/c", "e", "." };
	char name[100], content[16], target[32];
	unsigned what = below(12);
	bool directory = what < 3;
	char letter = "abcdef"[below(3) + (directory == (below(10) == 0) ? 3 : 0)];

	snprintf(name, sizeof(name), "%s%c", parent, letter);
	snprintf(content, sizeof(content), "%u", below(1000));
	switch (what) {
	case 0: case 1: case 2:
		header(a, name, '5', "", "");
		break;
	case 3: case 4: case 5:
		header(a, name, '0', "", content);
		break;
	case 6:
		header(a, name, '2', targets[below(ARRAY_LEN(targets))], "");
		break;
	case 7:
		snprintf(target, sizeof(target), "%s%c", parent, "def"[below(3)]);
		if (below(10) != 0)
			header(a, target, '0', "", content);
		header(a, name, '1', target, "");
		break;
	case 8:
		header(a, name, below(2) == 0 ? '6' : '3', "", "");
		break;
	case 9: case 10:
		snprintf(name, sizeof(name), "%s.wh.%c", parent, "abcdef"[below(6)]);
		header(a, name, '0', "", "");
		break;
	default:
		snprintf(name, sizeof(name), "%s.wh..wh..opq", parent);
		header(a, *parent == '\0' ? ".wh.a" : name, '0', "", "");
	}
}

/* Most have entries for their parents, as those that tools make. */
static void
random_layer(struct archive *a)
{
	static const char *const parents[] = { "", "", "a/", "a/", "b/", "c/", "a/b/", "b/c/", "a/b/c/" };
	unsigned n = 1 + below(10);

	if (below(4) == 0)
		header(a, "./", '5', "", "");
	while (n-- > 0) {
		const char *parent = parents[below(ARRAY_LEN(parents))];
		char path[16];

		for (size_t i = 1; i < strlen(parent) && below(50) != 0; i += 2) {
			snprintf(path, sizeof(path), "%.*s", (int)i, parent);
			header(a, path, '5', "", "");
		}
		random_entry(a, parent);
	}
}

static unsigned
effort(void)
{
	const char *text = getenv("CHECK_EFFORT");
	unsigned long n = text == NULL ? 1 : strtoul(text, NULL, 10);

	return (unsigned)MIN(MAX(n, 1), 100);
}

static void
test_random_stacks(void)
{
	unsigned stacks = 500 * effort(), compared = 0;
	int failed = tap_failed;

	for (unsigned seed = 1; seed <= stacks; seed++) {
		struct archive layers[STACK_MAX] = { ARCHIVE(), ARCHIVE(), ARCHIVE(), ARCHIVE(), ARCHIVE() };
		size_t n;

		chance = 0x9e3779b97f4a7c15 * seed;
		n = 1 + below(STACK_MAX);
		for (size_t i = 0; i < n; i++)
			random_layer(&layers[i]);
		compared += same_both_ways(layers, n, "stack", seed);
		for (size_t i = 0; i < n; i++)
			buf_free(&layers[i].out);
	}
	ok(tap_failed == failed, "%u random stacks of layers: merged as flat", stacks);
	ok(compared >= stacks / 4, "%u of them have the form for overlayfs", compared);
}

/* What most whiteouts of the vectors name. */
static void
base_layer(struct archive *a)
{
	archive_dir(a, "etc", 0751);
	archive_file(a, "etc/passwd", "p");
	archive_file(a, "etc/f", "lower");
	archive_file(a, "etc/old", "lower");
	archive_dir(a, "etc/sub", 0700);
	archive_file(a, "etc/sub/x", "lower");
	archive_dir(a, "o", 0755);
	archive_file(a, "o/x", "lower");
	archive_file(a, "o/f", "lower");
	archive_file(a, "a", "lower");
	archive_dir(a, "d", 0755);
	archive_file(a, "x", "lower");
	archive_dir(a, "dir", 0755);
	archive_file(a, "dir/f", "lower");
}

static void
test_vectors(void)
{
	DIR *d = opendir("tests/vectors/image/tar");
	unsigned n = 0, compared = 0;
	int failed = tap_failed;
	struct dirent *entry;

	if (d == NULL)
		abort();
	while ((entry = readdir(d)) != NULL) {
		struct archive layers[2] = { ARCHIVE(), ARCHIVE() };

		if (strstr(entry->d_name, ".tar") == NULL)
			continue;
		base_layer(&layers[0]);
		if (fs_read_file(dirfd(d), entry->d_name, &layers[1].out, &e) < 0)
			abort();
		compared += same_both_ways(layers, 2, entry->d_name, ++n);
		buf_free(&layers[0].out);
		buf_free(&layers[1].out);
	}
	closedir(d);
	ok(n >= 60 && tap_failed == failed, "%u vectors on a lower layer: merged as flat", n);
	ok(compared >= 20, "%u of them have the form for overlayfs", compared);
}

static void
test_bind(void)
{
	struct stat above, root;

	fresh_places();
	works(overlay_bind(stage, &e), "a plain root becomes a mount point");
	ok(fstatat(stage, "", &above, AT_EMPTY_PATH) == 0 && fstatat(stage, "rootfs", &root, 0) == 0 &&
	    above.st_dev == root.st_dev, "of itself");
	fails(fs_remove_tree(work, "stage", &e), ERR_STORAGE, "which removal does not enter");
	works(overlay_unmount(stage, &e), "it can be unmounted");
	works(fs_remove_tree(work, "stage", &e), "and then removed");
	fails(overlay_bind(stage, &e), ERR_STORAGE, "no root, no mount");
	ok(access("/var/tmp", F_OK) == 0, "we are where we were");
}

static void
checks(void)
{
	test_mount();
	test_root_attributes();
	test_refusals();
	test_many();
	test_twice();
	test_probe();
	test_swept();
	test_vectors();
	test_random_stacks();
	test_bind();
	fresh_places();
	base_close(&store);
	base_close(&stage);
}

/* The tmpfs is like that of a guest, and all that is mounted here goes with the name space. */
int
main(void)
{
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		abort();
	if (geteuid() != 0 || unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("tmpfs", "/var/tmp", "tmpfs", 0, NULL) == -1) {
		skip("needs the right to mount", "merged layers");
		return tap_done();
	}
	run_in_folder(checks);
	return tap_done();
}
