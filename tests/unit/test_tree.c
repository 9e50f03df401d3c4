/*
 * test_tree.c: names and entries onto a directory, as root and as another user. Whiteouts: test_whiteout.c.
 */
#include "lib/base.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <linux/openat2.h>

#include "image/tree_dir.h"
#include "image/tree_xattr.h"
#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/root.h"

static void
test_paths(void)
{
	static const struct { const char *name, *parent, *base; } rows[] = {
		{ "a", "", "a" }, { "a/b", "a", "b" }, { "a/b/c", "a/b", "c" }, { "/a", "", "a" },
		{ "./a", "", "a" }, { "a/", "", "a" }, { "a//b/./c//", "a/b", "c" },
		{ "", "", "" }, { ".", "", "" }, { "/", "", "" }, { "./", "", "" }, { ".//", "", "" },
		{ "..", "", "" }, { "../a", "", "a" }, { "a/../b", "", "b" }, { "a/..", "", "" },
		{ "a/b/../../../../c/d", "c", "d" }, { "a/b/..", "", "a" }, { "...", "", "..." },
		{ "..a/b..", "..a", "b.." }, { ".a/.b", ".a", ".b" }, { "/../../x/..", "", "" },
	};
	static struct tree_path p;
	static char name[LIMIT_PATH + 2];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ok(tree_path_set(&p, rows[i].name) && strcmp(p.parent, rows[i].parent) == 0 &&
		    strcmp(p.base, rows[i].base) == 0, "path '%s'", rows[i].name);
	memset(name, 'n', LIMIT_PATH);
	name[LIMIT_PATH] = '\0';
	ok(tree_path_set(&p, name), "longest path");
	name[LIMIT_PATH] = 'n';
	ok(!tree_path_set(&p, name), "path too long");
}

static void
test_xattr_names(void)
{
	static const char *const dropped[] = { "trusted.overlay.opaque", "trusted.overlay.redirect",
	    "user.overlay.opaque", "system.nfs4_acl", "system.posix_acl_access", "security.selinux",
	    "security.ima", "security.evm" };
	static const char *const kept[] = { "user.a", "user.overlayfs", "security.capability",
	    "trusted.a", "trusted.overlay" };

	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		ok(tree_xattr_is_dropped(span_str(dropped[i])), "dropped: %s", dropped[i]);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		ok(!tree_xattr_is_dropped(span_str(kept[i])), "kept: %s", kept[i]);
}

static void
test_files(void)
{
	struct archive a = ARCHIVE();
	uint8_t block[512];
	struct stat st;

	fresh();
	archive_block(block, "dir", '5', 0);
	archive_number(block + 100, 8, 0750);
	archive_number(block + 136, 12, 1500000000);
	archive_seal(&a, block);
	archive_file(&a, "dir/f", "content");
	archive_link(&a, "dir/h", '1', "dir/f");
	archive_link(&a, "dir/s", '2', "../../etc/passwd");
	archive_entry(&a, "dir/p", '6', NULL, 0);
	archive_file(&a, "implied/one/two/f", "");
	archive_block(block, "mode", '0', 0);
	archive_number(block + 100, 8, 06711);
	archive_seal(&a, block);
	archive_block(block, "none", '0', 0);
	archive_number(block + 100, 8, 0);
	archive_seal(&a, block);
	PAX(&a, "mtime", "-5.5", "atime", "77.000000001", "SCHILY.xattr.user.a", "1");
	archive_file(&a, "times", "x");
	umask(077);
	unpacks(&a, true, "every type");
	umask(022);
	st = look("dir");
	ok(S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0750, "directory, mode");
	is_int(st.st_mtim.tv_sec, 1500000000, "directory time survives its children");
	st = look("dir/f");
	ok(S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0644 && st.st_nlink == 2, "file");
	is_int(st.st_mtim.tv_sec, 1600000000, "file time");
	ok(holds("dir/f", "content"), "file content");
	ok(look("dir/h").st_ino == st.st_ino, "hard link");
	ok(S_ISLNK(look("dir/s").st_mode) && look("dir/s").st_mtim.tv_sec == 1600000000, "symlink, time");
	ok(S_ISFIFO(look("dir/p").st_mode) && (look("dir/p").st_mode & 07777) == 0644, "fifo");
	ok((look("implied").st_mode & 07777) == 0755 && (look("implied/one/two").st_mode & 07777) == 0755,
	    "implied directories are 0755 whatever the umask");
	is_int(look("mode").st_mode & 07777, 06711, "set-user-ID");
	is_int(look("none").st_mode & 07777, 0, "no rights at all");
	st = look("times");
	ok(st.st_mtim.tv_sec == -6 && st.st_mtim.tv_nsec == 500000000, "negative time with a fraction");
	ok(st.st_atim.tv_sec == 77 && st.st_atim.tv_nsec == 1, "atime");
	is_int(st.st_mode & 07777, 0644, "mode of a file with xattrs");
}

static void
test_root_entry(void)
{
	struct archive a = ARCHIVE();
	uint8_t block[512];

	fresh();
	archive_block(block, "./", '5', 0);
	archive_number(block + 100, 8, 0711);
	archive_seal(&a, block);
	archive_file(&a, "f", "");
	archive_file(&a, "g/h", "");
	unpacks(&a, true, "an entry for the root");
	ok((look(".").st_mode & 07777) == 0711 && look(".").st_mtim.tv_sec == 1600000000,
	    "its mode, and its time after its children");
	fresh();
	archive_file(&a, "f", "");
	archive_dir(&a, "/", 0755);
	unpacks(&a, true, "the root behind its children");
	is_int(look(".").st_mtim.tv_sec, 1600000000, "its time");
	for (const char *type = "0123467"; *type != '\0'; type++) {
		archive_link(&a, "./", *type == '0' || *type == '7' ? '6' : *type, "f");
		refused(&a, ERR_LAYER, "the root as something else");
	}
	archive_link(&a, "..", '2', "/tmp");
	refused(&a, ERR_LAYER, "the root by .. as a link");
	archive_link(&a, "l", '1', "/");
	refused(&a, ERR_LAYER, "hard link to the root");
}

static void
test_replace(void)
{
	struct archive a = ARCHIVE();
	struct stat st;

	fresh();
	archive_file(&a, "f", "one");
	archive_link(&a, "h", '1', "f");
	archive_file(&a, "f", "two");
	unpacks(&a, true, "the last one wins");
	ok(holds("f", "two") && holds("h", "one"), "the other name keeps its content");
	archive_dir(&a, "f", 0755);
	archive_file(&a, "f/x/y", "");
	unpacks(&a, true, "a directory over a file");
	ok(exists("f/x/y"), "with something in it");
	archive_dir(&a, "f/", 0700);
	unpacks(&a, true, "a directory over a directory");
	ok(exists("f/x/y") && (look("f").st_mode & 07777) == 0700, "stays, with new attributes");
	archive_file(&a, "f", "three");
	unpacks(&a, true, "a file over a full directory");
	ok(holds("f", "three"), "is a file");
	archive_link(&a, "f", '2', "h");
	archive_file(&a, "f", "four");
	unpacks(&a, true, "a file over a link");
	ok(holds("f", "four") && holds("h", "one"), "is not written through it");
	archive_dir(&a, "real", 0755);
	archive_link(&a, "d", '2', "real");
	archive_dir(&a, "d", 0755);
	archive_file(&a, "d/x", "");
	unpacks(&a, true, "a directory over a link to a directory");
	ok(!exists("real/x") && S_ISDIR(look("d").st_mode), "replaces the link");
	archive_file(&a, "l", "");
	archive_link(&a, "l", '2', "h");
	archive_link(&a, "l", '2', "f");
	archive_entry(&a, "l", '6', NULL, 0);
	archive_link(&a, "l", '1', "h");
	unpacks(&a, true, "everything over everything");
	ok(look("l").st_ino == look("h").st_ino, "the last one wins");
	st = look("h");
	archive_link(&a, "l", '1', "h");
	archive_link(&a, "h", '1', "./h");
	unpacks(&a, true, "a link to what it is already");
	ok(look("h").st_ino == st.st_ino && holds("h", "one"), "nothing is lost");
}

static void
test_hardlinks(void)
{
	struct archive a = ARCHIVE();

	fresh();
	archive_file(&a, "etc/p", "p");
	archive_link(&a, "abs", '1', "/etc/p");
	archive_link(&a, "climb", '1', "../../../etc/p");
	archive_link(&a, "s", '2', "/etc/p");
	archive_link(&a, "to-symlink", '1', "s");
	archive_link(&a, "way", '2', "etc");
	archive_link(&a, "through", '1', "way/p");
	unpacks(&a, true, "hard links");
	ok(look("abs").st_ino == look("etc/p").st_ino, "absolute");
	ok(look("climb").st_ino == look("etc/p").st_ino, "climbing, clamped");
	ok(look("to-symlink").st_ino == look("s").st_ino && S_ISLNK(look("to-symlink").st_mode),
	    "to a symlink: the link itself");
	ok(look("through").st_ino == look("etc/p").st_ino, "through a linked directory");
	archive_link(&a, "x", '1', "missing");
	refused(&a, ERR_LAYER, "target is missing");
	archive_link(&a, "x", '1', "no/such/dir");
	refused(&a, ERR_LAYER, "target's directory is missing");
	archive_link(&a, "self", '1', "self");
	refused(&a, ERR_LAYER, "link to itself");
	archive_dir(&a, "d", 0755);
	archive_link(&a, "x", '1', "d");
	refused(&a, ERR_LAYER, "link to a directory");
	archive_link(&a, "d", '1', "d");
	refused(&a, ERR_LAYER, "directory linked to itself");
	archive_file(&a, "d/f", "");
	archive_link(&a, "d", '1', "d/f");
	refused(&a, ERR_LAYER, "target goes with what is replaced");
}

static void
test_escapes(void)
{
	struct archive a = ARCHIVE();
	char outside[100];

	snprintf(outside, sizeof(outside), "%s/outside", work_path);
	fresh();
	archive_link(&a, "abs", '2', outside);
	archive_file(&a, "abs/f1", "");
	archive_link(&a, "up", '2', "../outside");
	archive_file(&a, "up/f2", "");
	archive_link(&a, "far", '2', "../../../../../../../../../../../../../tmp");
	archive_file(&a, "far/f3", "");
	archive_link(&a, "chain1", '2', "chain2");
	archive_link(&a, "chain2", '2', "up");
	archive_file(&a, "chain1/f4", "");
	archive_link(&a, "dot", '2', ".");
	archive_file(&a, "dot/dot/f5", "");
	archive_file(&a, "../../f6", "");
	archive_file(&a, "/f7", "");
	archive_link(&a, "x/dead", '2', "/not/there");
	archive_dir(&a, "x/dead/inner", 0755);
	unpacks(&a, true, "names and links that lead out");
	ok(exists("outside/f2") && exists("outside/f4") && exists("f5") && exists("f6") && exists("f7") &&
	    exists("tmp/f3"), "stay inside");
	ok(exists("not/there/inner"), "a dead link on the way: its target is made, inside");
	ok(unlinkat(work, "outside", AT_REMOVEDIR) == 0, "nothing was made outside");

	archive_link(&a, "loop1", '2', "loop2");
	archive_link(&a, "loop2", '2', "loop1");
	archive_file(&a, "loop1/f", "");
	refused(&a, ERR_LAYER, "a loop of links");
	archive_file(&a, "file", "");
	archive_file(&a, "file/below", "");
	refused(&a, ERR_LAYER, "a file as parent");
	archive_link(&a, "magic", '2', "/proc/self/cwd");
	archive_file(&a, "magic/f", "");
	unpacks(&a, true, "a magic link");
	ok(exists("proc/self/cwd/f"), "is none in here");
	/* The parent is replaced while it is the current directory. */
	archive_link(&a, "l", '2', ".");
	archive_file(&a, "l/one", "");
	archive_link(&a, "l/l", '2', "tmp");
	archive_file(&a, "l/two", "");
	unpacks(&a, true, "a parent that is replaced through itself");
	ok(exists("one") && exists("tmp/two") && !exists("two"), "the new link counts");
}

/* Everything again without RESOLVE_IN_ROOT. */
static int
no_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	if ((resolve & RESOLVE_IN_ROOT) == 0)
		return sys_real.openat2(dir, path, flags, mode, resolve);
	errno = ENOSYS;
	return -1;
}

static void
test_walk(void)
{
	struct sys_ops without = sys_real;
	char target[] = "/a/../../a/./b//";
	struct archive a = ARCHIVE();

	without.openat2 = no_openat2;
	sys = &without;
	test_escapes();
	fresh();
	archive_dir(&a, "a", 0700);
	archive_file(&a, "a/b/c/f", "");
	archive_link(&a, "l", '2', target);
	archive_link(&a, "l/h", '1', "l/c/f");
	unpacks(&a, true, "the walk: a winding link");
	ok(exists("a/b/h"), "the walk: arrives");
	ok(look("a").st_mtim.tv_sec == 1600000000, "the walk: times stay when directories are made");
	sys = &sys_real;
}

static void
test_devices(void)
{
	struct tree_options o = options(true);
	struct archive a = ARCHIVE();
	struct tree_stats stats;
	uint8_t block[512];

	fresh();
	archive_file(&a, "null", "in the way");
	archive_block(block, "null", '3', 0);
	archive_number(block + 329, 8, 1);
	archive_number(block + 337, 8, 3);
	archive_number(block + 100, 8, 0666);
	archive_seal(&a, block);
	archive_block(block, "loop", '4', 0);
	archive_number(block + 329, 8, 7);
	archive_seal(&a, block);
	o.devices = DEVICES_REFUSE;
	fails(unpack_with(&a, o, NULL, &e), ERR_LAYER, "devices are refused");
	o.devices = DEVICES_SKIP;
	works(unpack_with(&a, o, &stats, &e), "devices are skipped");
	ok(stats.skipped_devices == 2 && !exists("null") && !exists("loop"), "and counted");
	if (geteuid() == 0) {
		o.devices = DEVICES_CREATE;
		works(unpack_with(&a, o, NULL, &e), "devices are made");
		ok(S_ISCHR(look("null").st_mode) && look("null").st_rdev == makedev(1, 3) &&
		    (look("null").st_mode & 07777) == 0666, "character device");
		ok(S_ISBLK(look("loop").st_mode) && look("loop").st_rdev == makedev(7, 0), "block device");
	} else {
		o.devices = DEVICES_CREATE;
		fails(unpack_with(&a, o, NULL, &e), ERR_STORAGE, "devices may not be made by all");
	}
	buf_free(&a.out);
	archive_entry(&a, "wh", '3', NULL, 0);
	refused(&a, ERR_LAYER, "character device 0:0");
	archive_entry(&a, "wh", '3', NULL, 0);
	o.devices = DEVICES_SKIP;
	fails(unpack_with(&a, o, NULL, &e), ERR_LAYER, "character device 0:0 is not skipped either");
	buf_free(&a.out);
	for (unsigned field = 329; field <= 337; field += 8) {
		archive_block(block, "d", '3', 0);
		archive_number(block + field, 8, field == 329 ? 4096 : 1048576);
		archive_seal(&a, block);
		refused(&a, ERR_LAYER, "device number out of range");
	}
	archive_entry(&a, "p", '6', NULL, 0);
	o.devices = DEVICES_REFUSE;
	works(unpack_with(&a, o, NULL, &e), "a fifo is no device");
	buf_free(&a.out);
}

static void
test_owners(void)
{
	struct tree_options o = options(true);
	struct archive a = ARCHIVE();
	uint8_t block[512];
	const char *names[] = { "f", "d", "s", "p" };

	if (geteuid() != 0) {
		skip("not root", "owners");
		return;
	}
	fresh();
	for (size_t i = 0; i < 4; i++) {
		archive_block(block, names[i], "0526"[i], 0);
		archive_number(block + 100, 8, 06755);
		archive_number(block + 108, 8, 100000);
		memcpy(block + 116, "\x80\0\0\0\x80\0\0\0", 8);
		block[157] = 'x';
		archive_seal(&a, block);
	}
	works(unpack_with(&a, o, NULL, &e), "owners");
	for (size_t i = 0; i < 4; i++)
		ok(look(names[i]).st_uid == 100000 && look(names[i]).st_gid == 2147483648U &&
		    (i == 2 || (look(names[i]).st_mode & 07777) == 06755),
		    "owner and set-user-ID of %s", names[i]);
	fresh();
	o.owners = false;
	works(unpack_with(&a, o, NULL, &e), "owners are not applied");
	for (size_t i = 0; i < 4; i++)
		ok(look(names[i]).st_uid == 0 && look(names[i]).st_gid == 0, "owner of %s", names[i]);
	buf_free(&a.out);
	/* A directory that gives its group away. */
	fresh();
	if (chown(at("."), 0, 777) == -1 || chmod(at("."), 02755) == -1)
		abort();
	archive_file(&a, "f", "");
	archive_dir(&a, "d", 0755);
	unpacks(&a, true, "below a set-group-ID directory");
	ok(look("f").st_gid == 0 && look("d").st_gid == 0 && (look("d").st_mode & 07777) == 0755,
	    "owners are the archive's");
}

static bool
has_xattr(const char *path, const char *name, const char *value, size_t n)
{
	char got[64];
	ssize_t len = lgetxattr(at(path), name, got, sizeof(got));

	return len == (ssize_t)n && memcmp(got, value, n) == 0;
}

static void
test_xattrs(void)
{
	static const char cap[] = "\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	struct archive a = ARCHIVE();
	struct tree_stats stats;
	autobuf text = BUF(1 << 16);
	uint8_t block[512];
	bool root = geteuid() == 0;

	fresh();
	if (lsetxattr(at("."), "user.probe", "", 0, 0) == -1) {
		skip("no user xattrs on this file system", "xattrs");
		return;
	}
	archive_record(&a, &text, "SCHILY.xattr.user.a", "v\0w", 3);
	archive_record(&a, &text, "SCHILY.xattr.security.capability", cap, 20);
	archive_record(&a, &text, "SCHILY.xattr.trusted.overlay.opaque", "y", 1);
	archive_record(&a, &text, "SCHILY.xattr.trusted.other", "t", 1);
	archive_record(&a, &text, "SCHILY.xattr.security.selinux", "s", 1);
	archive_record(&a, &text, "SCHILY.xattr.nonsense", "s", 1);
	archive_entry(&a, "x", 'x', text.data, text.len);
	archive_block(block, "f", '0', 0);
	archive_number(block + 100, 8, 0555);
	archive_number(block + 108, 8, 5);
	archive_seal(&a, block);
	PAX(&a, "SCHILY.xattr.user.a", "dir");
	archive_dir(&a, "d", 0500);
	PAX(&a, "SCHILY.xattr.user.a", "not here", "SCHILY.xattr.trusted.x", "1");
	archive_link(&a, "s", '2', "f");
	PAX(&a, "SCHILY.xattr.user.a", "not here", "SCHILY.xattr.trusted.x", "1");
	archive_entry(&a, "p", '6', NULL, 0);
	works(unpack_with(&a, options(true), &stats, &e), "xattrs");
	ok(has_xattr("f", "user.a", "v\0w", 3), "a value with a NUL");
	ok(has_xattr("f", "security.capability", cap, 20) == root, "capability, if root");
	ok(!has_xattr("f", "trusted.overlay.opaque", "y", 1), "overlayfs's are dropped");
	ok(has_xattr("f", "trusted.other", "t", 1) == root, "trusted, if root");
	ok(has_xattr("s", "trusted.x", "1", 1) == root && has_xattr("p", "trusted.x", "1", 1) == root,
	    "on a link and a fifo, if root");
	ok(has_xattr("d", "user.a", "dir", 3), "on a directory without rights");
	is_int(stats.skipped_xattrs, root ? 1 : 5, "what could not be set is counted");
	buf_free(&a.out);
	PAX(&a, "SCHILY.xattr.user.b", "new");
	archive_dir(&a, "d", 0700);
	archive_dir(&a, ".", 0755);
	works(unpack_with(&a, options(false), NULL, &e), "xattrs of a merged directory");
	ok(has_xattr("d", "user.b", "new", 3) && !has_xattr("d", "user.a", "dir", 3), "are replaced");
	ok(!has_xattr(".", "user.probe", "", 0), "those of the root too");
	buf_free(&a.out);
}

static void
test_sparse(void)
{
	struct archive a = ARCHIVE();
	char data[1024 + 600];
	struct stat st;
	autobuf text = BUF(1 << 20);

	fresh();
	memset(data, 0, 512);
	memcpy(data, "2\n4096\n512\n8192\n600\n", 21);
	memset(data + 512, 'A', 512);
	memset(data + 1024, 'B', 600);
	PAX(&a, "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "s",
	    "GNU.sparse.realsize", "100000");
	archive_entry(&a, "x", '0', data, 512 + 512 + 600);
	PAX(&a, "GNU.sparse.size", "1099511627776", "GNU.sparse.numblocks", "1",
	    "GNU.sparse.map", "1099511627776,0");
	archive_entry(&a, "bomb", '0', NULL, 0);
	unpacks(&a, true, "sparse files");
	st = look("s");
	is_int(st.st_size, 100000, "size");
	ok(st.st_blocks * 512 < 50000, "holes are holes");
	if (fs_read_file(AT_FDCWD, at("s"), &text, &e) < 0)
		abort();
	ok(text.data[4095] == 0 && text.data[4096] == 'A' && text.data[4607] == 'A' && text.data[4608] == 0 &&
	    text.data[8191] == 0 && text.data[8192] == 'B' && text.data[8791] == 'B' && text.data[8792] == 0,
	    "data where it belongs");
	ok(look("bomb").st_size == 1LL << 40 && look("bomb").st_blocks * 512 < 50000, "1 TiB of nothing");
}

static void
test_limits(void)
{
	struct tree_options o = options(true);
	struct archive a = ARCHIVE();
	struct tree_stats stats;
	char name[300];

	fresh();
	archive_file(&a, "f", "12345");
	archive_file(&a, "g", "67890");
	o.max_bytes = 10;
	works(unpack_with(&a, o, &stats, &e), "as many bytes as allowed");
	ok(stats.bytes == 10 && stats.entries == 2, "are counted");
	o.max_bytes = 9;
	fails(unpack_with(&a, o, NULL, &e), ERR_LIMIT, "one byte more than allowed");
	ok(strncmp(e.msg, "g: ", 3) == 0, "the message names the entry");
	o.max_bytes = 10;
	o.max_entries = 2;
	works(unpack_with(&a, o, NULL, &e), "as many entries as allowed");
	o.max_entries = 1;
	fails(unpack_with(&a, o, NULL, &e), ERR_LIMIT, "one entry more than allowed");
	buf_free(&a.out);
	memset(name, 'n', 256);
	name[256] = '\0';
	PAX(&a, "path", name);
	archive_file(&a, "x", "");
	refused(&a, ERR_LAYER, "component of 256 bytes");
	PAX(&a, "path", "bad\nname\x1b");
	archive_file(&a, "x", "");
	PAX(&a, "path", "bad\nname\x1b/f");
	archive_file(&a, "x", "");
	fails(unpack_with(&a, options(true), NULL, &e), ERR_LAYER, "an ugly name");
	ok(strchr(e.msg, '\n') == NULL && strchr(e.msg, '\x1b') == NULL, "is escaped in the message");
	buf_free(&a.out);
}

/* What only matters without CAP_DAC_OVERRIDE; right for root as well. */
static void
test_closed_directories(void)
{
	struct archive a = ARCHIVE();

	fresh();
	archive_dir(&a, "ro", 0555);
	archive_file(&a, "ro/f", "1");
	archive_dir(&a, "ro/in", 0500);
	archive_file(&a, "ro/in/f", "2");
	archive_dir(&a, "zero", 0);
	archive_file(&a, "zero/f", "3");
	archive_dir(&a, "zero/x", 0);
	archive_file(&a, "zero/x/f", "4");
	archive_link(&a, "zero/h", '1', "zero/x/f");
	archive_file(&a, "zero/new/f", "5");
	archive_dir(&a, "zero", 0111);
	archive_dir(&a, ".", 0);
	archive_file(&a, "f", "6");
	archive_file(&a, "ro/g", "7");
	unpacks(&a, true, "directories without rights");
	is_int(chmod(at(""), 0755), 0, "the root was closed too");
	ok(holds("f", "6") && holds("ro/g", "7"), "what was made below it");
	ok((look("ro").st_mode & 07777) == 0555 && look("ro").st_mtim.tv_sec == 1600000000,
	    "0555 and time");
	is_int(look("zero").st_mode & 07777, 0111, "0111 in the end");
	if (chmod(at("zero"), 0755) == -1)
		abort();
	is_int(look("zero/x").st_mode & 07777, 0, "0 in the end");
	if (chmod(at("zero/x"), 0755) == -1)
		abort();
	ok(holds("ro/f", "1") && holds("ro/in/f", "2") && holds("zero/f", "3") && holds("zero/x/f", "4"),
	    "what is in them");
	ok(look("zero/h").st_ino == look("zero/x/f").st_ino, "a link from there");
	if (chmod(at("zero/x"), 0) == -1 || chmod(at("zero"), 0) == -1)
		abort();
	archive_file(&a, "ro/f2", "");
	archive_file(&a, ".wh.zero", "");
	archive_file(&a, "ro/in/.wh.f", "");
	unpacks(&a, false, "whiteouts there");
	ok(!exists("zero") && !exists("ro/in/f") && exists("ro/in"), "do what they must");
	ok((look("ro").st_mode & 07777) == 0555 && (look("ro/in").st_mode & 07777) == 0500, "modes stay");
	if (chmod(at("ro"), 0755) == -1 || chmod(at("ro/in"), 0755) == -1)
		abort();
}

static int
unpack_once(void *arg, struct err *err)
{
	return unpack_with(arg, options(false), NULL, err);
}

static void
test_faults(void)
{
	struct archive a = ARCHIVE();
	size_t before;

	fresh();
	PAX(&a, "SCHILY.xattr.user.a", "1");
	archive_dir(&a, "d", 0755);
	archive_file(&a, "d/f", "content");
	archive_file(&a, "d/sub/f", "content");
	archive_link(&a, "d/h", '1', "d/f");
	archive_link(&a, "d/s", '2', "f");
	archive_file(&a, "d/.wh.gone", "");
	archive_file(&a, "d/.wh.sub", "");
	archive_end(&a);
	before = fault_live_bytes();
	ok(fault_each(FAULT_ALLOC, 0, false, unpack_once, &a) >= 4, "every allocation fails in turn");
	ok(fault_each(FAULT_IO, EIO, true, unpack_once, &a) >= 5, "every call fails in turn");
	ok(fault_each(FAULT_IO, ENOSPC, true, unpack_once, &a) >= 5, "the disk is full in turn");
	ok(fault_each(FAULT_SHORT, 0, true, unpack_once, &a) >= 0, "short writes");
	ok(holds("d/f", "content"), "all is there in the end");
	is_int(fault_live_bytes(), before, "no leak");
	buf_free(&a.out);
}

static ssize_t
full_write(maybe_unused int fd, maybe_unused const void *p, maybe_unused size_t n)
{
	errno = ENOSPC;
	return -1;
}

static void
test_full_disk(void)
{
	struct sys_ops full = sys_real;
	struct archive a = ARCHIVE();

	fresh();
	full.write = full_write;
	archive_file(&a, "f", "content");
	sys = &full;
	refused(&a, ERR_NOSPACE, "the disk is full");
	sys = &sys_real;
}

static void
checks(void)
{
	test_paths();
	test_xattr_names();
	test_files();
	test_root_entry();
	test_replace();
	test_hardlinks();
	test_escapes();
	test_walk();
	test_devices();
	test_owners();
	test_xattrs();
	test_sparse();
	test_limits();
	test_closed_directories();
	test_faults();
	test_full_disk();
}

int
main(void)
{
	return run_as_both(checks);
}
