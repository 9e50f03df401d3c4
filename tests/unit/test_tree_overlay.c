/*
 * test_tree_overlay.c: one layer alone in the form for overlayfs: whiteouts and opaque directories in any
 * order of entries, what has no such form. As root with the attribute, as another user with a hook in its place.
 */
#include "lib/base.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "image/tree_overlay.h"
#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/root.h"

static ino_t marked[32];	/* what the hook was called for */
static size_t nmarked;
static const struct sys_ops *with = &sys_real;	/* while layers are unpacked */

static int
mark(void *arg, int dir)
{
	struct stat st;

	if (arg != marked || fstat(dir, &st) == -1 || !S_ISDIR(st.st_mode) || nmarked == ARRAY_LEN(marked))
		abort();
	marked[nmarked++] = st.st_ino;
	return 0;
}

static struct tree_options
overlay_options(void)
{
	struct tree_options o = options(false);

	o.overlay = true;
	if (geteuid() != 0) {
		o.opaque = mark;
		o.opaque_arg = marked;
	}
	nmarked = 0;
	return o;
}

/* A layer onto an empty directory; its stats. */
static struct tree_stats
layer(struct archive *a, const char *name)
{
	struct tree_stats stats = { 0 };

	fresh();
	sys = with;
	works(unpack_with(a, overlay_options(), &stats, &e), "%s", name);
	sys = &sys_real;
	buf_free(&a->out);
	return stats;
}

static void
has_no_form(struct archive *a, const char *name)
{
	fresh();
	fails(unpack_with(a, overlay_options(), NULL, &e), ERR_UNSUPPORTED, "has no form: %s", name);
	buf_free(&a->out);
}

static bool
hidden(const char *path)
{
	struct stat st = look(path);

	return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0) && (st.st_mode & 07777) == 0;
}

static bool
opaque(const char *path)
{
	struct stat st = look(path);
	char value;

	if (geteuid() == 0)
		return lgetxattr(at(path), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
	for (size_t i = 0; i < nmarked; i++)
		if (marked[i] == st.st_ino)
			return true;
	return false;
}

static void
test_whiteouts(void)
{
	struct archive a = ARCHIVE();
	struct tree_options first = overlay_options();
	uint8_t block[512];

	archive_dir(&a, "etc", 0750);
	archive_block(block, "etc/.wh.passwd", '0', 0);
	archive_number(block + 108, 8, 12);
	archive_number(block + 116, 8, 34);
	archive_seal(&a, block);
	archive_file(&a, "etc/.wh.passwd", "twice, with content");
	archive_dir(&a, "etc/.wh.dir", 0755);
	archive_link(&a, ".wh.link", '2', "etc");
	archive_link(&a, ".wh.hard", '1', "missing");
	archive_file(&a, "etc/.wh..wh.plnk", "");
	archive_file(&a, "etc/.wh..wh.aufs", "");
	layer(&a, "whiteouts, of any type");
	ok(hidden("etc/passwd") && hidden("etc/dir") && hidden("link") && hidden("hard"), "are devices 0:0");
	ok(!exists("etc/.wh.passwd") && !exists("etc/.wh..wh.plnk") && !exists("etc/.wh..wh.aufs"),
	    "nothing of their names appears");
	ok(geteuid() != 0 || (look("etc/passwd").st_uid == 12 && look("etc/passwd").st_gid == 34),
	    "with the header's owner");
	ok(look("etc").st_mtim.tv_sec == 1600000000 && (look("etc").st_mode & 07777) == 0750,
	    "the directory keeps time and mode");
	ok(!opaque("etc"), "and is not opaque");

	first.first_layer = true;
	fresh();
	archive_file(&a, ".wh.f", "");
	works(unpack_with(&a, first, NULL, &e), "a first layer");
	buf_free(&a.out);
	ok(hidden("f"), "may come to lie above others later");

	static const char *const bad[] = { ".wh.", ".wh..", ".wh...", "etc/.wh.", "etc/.wh.." };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		fresh();
		archive_file(&a, bad[i], "");
		fails(unpack_with(&a, overlay_options(), NULL, &e), ERR_LAYER, "refused: %s", bad[i]);
		buf_free(&a.out);
	}
	fresh();
	archive_block(block, "forged", '3', 0);
	archive_number(block + 329, 8, 0);
	archive_number(block + 337, 8, 0);
	archive_seal(&a, block);
	fails(unpack_with(&a, overlay_options(), NULL, &e), ERR_LAYER, "refused: a device 0:0 in the archive");
	buf_free(&a.out);
}

/* A name that the layer has wins over its whiteout, before it and behind it. */
static void
test_same_name(void)
{
	struct archive a = ARCHIVE();

	archive_dir(&a, "etc", 0755);
	archive_file(&a, "etc/.wh.a", "");
	archive_file(&a, "etc/a", "new");
	archive_file(&a, "etc/b", "new");
	archive_file(&a, "etc/.wh.b", "");
	archive_file(&a, "etc/.wh.l", "");
	archive_link(&a, "etc/l", '2', "nowhere");
	archive_link(&a, "etc/m", '2', "nowhere");
	archive_file(&a, "etc/.wh.m", "");
	archive_file(&a, "etc/.wh.h", "");
	archive_link(&a, "etc/h", '1', "etc/a");
	archive_file(&a, "etc/.wh.p", "");
	archive_entry(&a, "etc/p", '6', NULL, 0);
	layer(&a, "removed and made");
	ok(holds("etc/a", "new") && holds("etc/b", "new"), "files stay");
	ok(S_ISLNK(look("etc/l").st_mode) && S_ISLNK(look("etc/m").st_mode), "links stay");
	ok(look("etc/h").st_ino == look("etc/a").st_ino && S_ISFIFO(look("etc/p").st_mode), "and all the rest");
	ok(!opaque("etc"), "not opaque");

	archive_file(&a, ".wh.d", "");
	archive_dir(&a, "d", 0711);
	archive_file(&a, "d/f", "");
	archive_dir(&a, "e", 0711);
	archive_file(&a, "e/f", "");
	archive_file(&a, ".wh.e", "");
	archive_dir(&a, "plain", 0755);
	layer(&a, "directories, removed and made");
	ok(opaque("d") && opaque("e") && exists("d/f") && exists("e/f"), "become opaque");
	ok((look("d").st_mode & 07777) == 0711 && (look("e").st_mode & 07777) == 0711 &&
	    look("e").st_mtim.tv_sec == 1600000000, "keep mode and time");
	ok(!opaque("plain"), "others do not");

	archive_file(&a, "d", "");
	archive_dir(&a, "d", 0755);
	archive_link(&a, "e", '2', "d");
	archive_dir(&a, "e", 0755);
	layer(&a, "a directory in the place of a file or link of the layer");
	ok(opaque("d") && opaque("e"), "is opaque: the file would have hidden all");
}

static void
test_opaque(void)
{
	struct archive a = ARCHIVE();
	struct tree_stats stats;

	archive_dir(&a, "o", 0755);
	archive_file(&a, "o/.wh..wh..opq", "");
	archive_file(&a, "o/.wh.gone", "");
	archive_dir(&a, "o/sub", 0755);
	archive_file(&a, "o/sub/.wh.gone", "");
	archive_file(&a, "o/new", "");
	archive_dir(&a, "n", 0755);
	archive_file(&a, "n/.wh.gone", "");
	layer(&a, "opaque first");
	ok(opaque("o") && exists("o/new") && !opaque("o/sub") && !opaque("n"), "the directory is marked");
	ok(!exists("o/gone") && !exists("o/sub/gone"), "whiteouts below are left out");
	ok(hidden("n/gone"), "others are not");

	archive_dir(&a, "o", 0700);
	archive_file(&a, "o/.wh.gone", "");
	archive_dir(&a, "o/sub", 0755);
	archive_file(&a, "o/sub/.wh.gone", "");
	archive_file(&a, "o/sub/kept", "k");
	archive_file(&a, "o/new", "n");
	archive_file(&a, "o/.wh..wh..opq", "");
	archive_file(&a, "o/.wh..wh..opq", "");
	archive_dir(&a, "n", 0755);
	archive_file(&a, "n/.wh.gone", "");
	layer(&a, "opaque last, and twice");
	ok(opaque("o") && holds("o/new", "n") && holds("o/sub/kept", "k"), "the layer's own stays");
	ok(!exists("o/gone") && !exists("o/sub/gone"), "whiteouts below go");
	ok(hidden("n/gone"), "others stay");
	ok(look("o").st_mtim.tv_sec == 1600000000 && look("o/sub").st_mtim.tv_sec == 1600000000 &&
	    (look("o").st_mode & 07777) == 0700, "times and mode stay");

	archive_file(&a, ".wh.d", "");
	archive_file(&a, "d/f", "f");
	archive_file(&a, "d/.wh.gone", "");
	stats = layer(&a, "a path below a whiteout, without an entry of its own");
	ok(opaque("d") && holds("d/f", "f") && (look("d").st_mode & 07777) == 0755, "makes an opaque directory");
	ok(!exists("d/gone"), "without whiteouts");
	is_int(stats.implied_dirs, 0, "that is not an implied one");

	archive_file(&a, ".wh.d", "");
	archive_file(&a, ".wh.e", "");
	archive_dir(&a, "x", 0755);
	archive_link(&a, "x/l", '2', "../d/../e");
	archive_file(&a, "x/l/f", "f");
	layer(&a, "two whiteouts on one way");
	ok(opaque("d") && opaque("e") && holds("e/f", "f"), "both become opaque directories");
}

static void
test_implied(void)
{
	struct archive a = ARCHIVE();
	struct tree_stats stats;

	archive_dir(&a, "a", 0755);
	archive_file(&a, "a/f", "");
	stats = layer(&a, "all parents are there");
	ok(stats.implied_dirs == 0 && !stats.root_entry, "nothing is implied, not even the root");
	archive_dir(&a, "./", 0711);
	archive_file(&a, "a/b/f", "");
	archive_dir(&a, "a", 0700);
	archive_file(&a, "c/.wh.f", "");
	stats = layer(&a, "parents without an entry, or with a late one");
	is_int(stats.implied_dirs, 3, "are counted");
	ok(stats.root_entry, "the root has an entry");
	ok((look("a").st_mode & 07777) == 0700 && (look("c").st_mode & 07777) == 0755 && hidden("c/f"),
	    "and made");
	archive_link(&a, "l", '2', "usr/l");
	archive_file(&a, "l/f", "");
	stats = layer(&a, "a link of the layer that leads to a lower one");
	is_int(stats.implied_dirs, 2, "where it leads is counted");
}

static void
test_no_form(void)
{
	struct archive a = ARCHIVE();

	archive_link(&a, "h", '1', "lower/file");
	has_no_form(&a, "a hard link to a lower layer");
	ok(strstr(e.msg, "lower/file") != NULL, "named");
	archive_file(&a, "f", "");
	archive_link(&a, "h", '1', "f/x");
	has_no_form(&a, "a hard link through what is a directory below, perhaps");
	archive_file(&a, ".wh.gone", "");
	archive_link(&a, "h", '1', "gone");
	has_no_form(&a, "a hard link to what is removed");
	ok(!exists("h"), "which makes no second whiteout");
	archive_file(&a, ".wh.gone", "");
	archive_link(&a, "h", '1', "gone/f");
	has_no_form(&a, "a hard link below what is removed");
	archive_dir(&a, "d", 0755);
	archive_link(&a, "h", '1', "d");
	fresh();
	fails(unpack_with(&a, overlay_options(), NULL, &e), ERR_LAYER, "a hard link to a directory");
	buf_free(&a.out);
	archive_file(&a, "f", "f");
	archive_link(&a, "h", '1', "/f");
	layer(&a, "a hard link in the layer");
	ok(look("h").st_ino == look("f").st_ino, "is made");
	archive_file(&a, ".wh..wh..opq", "");
	has_no_form(&a, "an opaque root");
	archive_link(&a, "l", '2', ".");
	archive_file(&a, "l/.wh..wh..opq", "");
	has_no_form(&a, "an opaque root through a link");
	archive_file(&a, "o/.wh..wh..opq", "");
	archive_dir(&a, "d", 0755);
	archive_file(&a, "d", "");
	has_no_form(&a, "a directory replaced beside an opaque one");
	archive_dir(&a, "d", 0755);
	archive_file(&a, "d", "");
	layer(&a, "a directory replaced");
	ok(S_ISREG(look("d").st_mode), "by the file");
}

static void
test_devices(void)
{
	struct tree_options o = overlay_options();
	struct tree_stats stats = { 0 };
	struct archive a = ARCHIVE();

	o.devices = DEVICES_SKIP;
	archive_dir(&a, "dev", 0755);
	archive_link(&a, "dev/sda", '4', "");
	fresh();
	works(unpack_with(&a, o, &stats, &e), "a device that is skipped");
	buf_free(&a.out);
	ok(stats.skipped_devices == 1 && hidden("dev/sda"), "hides what lower layers have there");
}

static void
test_xattrs(void)
{
	struct archive a = ARCHIVE();
	char value[8];

	PAX(&a, "SCHILY.xattr.trusted.overlay.opaque", "y", "SCHILY.xattr.trusted.overlay.redirect", "/x",
	    "SCHILY.xattr.user.overlay.opaque", "y");
	archive_dir(&a, "d", 0755);
	archive_dir(&a, "d", 0700);
	archive_file(&a, "o/.wh..wh..opq", "");
	archive_dir(&a, "o", 0700);
	layer(&a, "attributes of overlayfs in the archive");
	ok(lgetxattr(at("d"), "trusted.overlay.opaque", value, sizeof(value)) == -1 &&
	    lgetxattr(at("d"), "trusted.overlay.redirect", value, sizeof(value)) == -1 &&
	    lgetxattr(at("d"), "user.overlay.opaque", value, sizeof(value)) == -1, "are not set");
	ok(opaque("o"), "ours survives a late entry of the directory");
}

static int
refuse_mark(maybe_unused void *arg, maybe_unused int dir)
{
	errno = EPERM;
	return -1;
}

static void
test_refused_mark(void)
{
	struct tree_options o = overlay_options();
	struct archive a = ARCHIVE();

	o.opaque = refuse_mark;
	archive_file(&a, "o/.wh..wh..opq", "");
	fresh();
	fails(unpack_with(&a, o, NULL, &e), ERR_STORAGE, "an opaque directory that cannot be marked");
	buf_free(&a.out);
	archive_file(&a, ".wh.d", "");
	archive_file(&a, "d/f", "");
	fresh();
	fails(unpack_with(&a, o, NULL, &e), ERR_STORAGE, "nor one in the place of a whiteout");
	buf_free(&a.out);
}

static int
no_openat2(maybe_unused int dir, maybe_unused const char *path, maybe_unused int flags, maybe_unused mode_t mode,
    maybe_unused uint64_t resolve)
{
	errno = ENOSYS;
	return -1;
}

static int
unpack_once(void *arg, struct err *err)
{
	const struct sys_ops *injecting = sys;

	sys = &sys_real;
	fresh();
	sys = injecting;
	return unpack_with(arg, overlay_options(), NULL, err);
}

static void
test_faults(void)
{
	struct archive a = ARCHIVE();

	archive_dir(&a, "d", 0755);
	archive_file(&a, "d/.wh.gone", "");
	archive_file(&a, "d/.wh..wh..opq", "");
	archive_file(&a, ".wh.e", "");
	archive_file(&a, "e/f", "content");
	archive_dir(&a, "e/g", 0755);
	archive_file(&a, "e/.wh.g", "");
	ok(fault_each(FAULT_ALLOC, 0, false, unpack_once, &a) >= 3, "every allocation fails in turn");
	ok(fault_each(FAULT_IO, EIO, true, unpack_once, &a) >= 5, "every call fails in turn");
	ok(holds("e/f", "content") && opaque("d") && opaque("e") && !exists("d/gone"), "all is there in the end");
	buf_free(&a.out);
}

static void
checks(void)
{
	test_whiteouts();
	test_same_name();
	test_opaque();
	test_implied();
	test_no_form();
	test_devices();
	test_xattrs();
	test_refused_mark();
	test_faults();
}

static void
checks_without_openat2(void)
{
	struct sys_ops old = sys_real;

	checks();
	old.openat2 = no_openat2;
	with = &old;
	test_same_name();
	test_opaque();
	test_implied();
	with = &sys_real;
}

int
main(void)
{
	return run_as_both(checks_without_openat2);
}
