/*
 * test_whiteout.c: whiteouts on a flat root, whatever the order of entries; as root and as another user.
 */
#include "lib/base.h"

#include "image/whiteout.h"
#include "tests/lib/root.h"

static void
test_whiteout_names(void)
{
	static const struct { const char *name; enum whiteout kind; } rows[] = {
		{ "a", WHITEOUT_NONE }, { ".wh", WHITEOUT_NONE }, { "x.wh.a", WHITEOUT_NONE },
		{ ".wh.a", WHITEOUT_NAME }, { ".wh..a", WHITEOUT_NAME }, { ".wh....", WHITEOUT_NAME },
		{ ".wh..wh", WHITEOUT_NAME }, { ".wh..wh..opq", WHITEOUT_OPAQUE },
		{ ".wh..wh.plnk", WHITEOUT_IGNORED }, { ".wh..wh.aufs", WHITEOUT_IGNORED },
		{ ".wh..wh.", WHITEOUT_IGNORED }, { ".wh..wh..opq2", WHITEOUT_IGNORED },
		{ ".wh.", WHITEOUT_BAD }, { ".wh..", WHITEOUT_BAD }, { ".wh...", WHITEOUT_BAD },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ok(whiteout_kind(rows[i].name) == rows[i].kind, "whiteout name '%s'", rows[i].name);
}

static void
test_written(void)
{
	struct written w;
	char name[32];
	bool all = true, none = true;

	works(written_init(&w, &e), "set");
	ok(!written_has(&w, 1, "a"), "empty set");
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		if (written_add(&w, i % 7, name, &e) < 0)
			abort();
		if (i % 2 == 0 && written_add(&w, i % 7, name, &e) < 0)
			abort();
	}
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		all = all && written_has(&w, i % 7, name);
		none = none && !written_has(&w, i % 7 + 1, name) && !written_has(&w, 8, name);
	}
	ok(all, "all that was added is there");
	ok(none, "the directory counts");
	is_int(w.n, 5000, "each once");
	ok(w.cap * sizeof(*w.slots) <= (size_t)5000 * 22, "memory an entry");
	written_fini(&w);
}

/* A lower layer: etc/{passwd,group,sub/{x,y}}, var/f, link -> etc. */
static void
lower_layer(void)
{
	struct archive a = ARCHIVE();

	fresh();
	archive_file(&a, "etc/passwd", "p");
	archive_file(&a, "etc/group", "g");
	archive_file(&a, "etc/sub/x", "x");
	archive_file(&a, "etc/sub/y", "y");
	archive_file(&a, "var/f", "f");
	archive_link(&a, "link", '2', "etc");
	archive_dir(&a, "etc", 0755);
	unpacks(&a, true, "a lower layer");
}

static void
test_whiteouts(void)
{
	struct archive a = ARCHIVE();

	lower_layer();
	archive_file(&a, "etc/.wh.passwd", "");
	archive_file(&a, "etc/.wh.missing", "content does not matter");
	archive_file(&a, "none/.wh.missing", "");
	archive_dir(&a, "var/.wh.f", 0755);
	archive_file(&a, "etc/.wh..wh.plnk", "");
	unpacks(&a, false, "whiteouts");
	ok(!exists("etc/passwd") && exists("etc/group") && !exists("var/f"), "what they name is gone");
	ok(!exists("etc/.wh.passwd") && !exists("etc/.wh..wh.plnk") && !exists("var/.wh.f"),
	    "nothing of their names appears");
	is_int(look("etc").st_mtim.tv_sec, 1600000000, "the directory keeps its time");

	lower_layer();
	archive_file(&a, ".wh.etc", "");
	archive_file(&a, ".wh.link", "");
	unpacks(&a, false, "a whole directory, and a link to it");
	ok(!exists("etc") && !exists("link") && exists("var/f"), "are gone");

	lower_layer();
	archive_file(&a, "link/.wh.passwd", "");
	unpacks(&a, false, "through a link");
	ok(!exists("etc/passwd") && exists("etc/group"), "inside the root");

	lower_layer();
	archive_file(&a, ".wh.etc", "");
	archive_file(&a, "etc/new", "n");
	unpacks(&a, false, "removed, then made again");
	ok(holds("etc/new", "n") && !exists("etc/passwd") && !exists("etc/sub"), "only the new is there");

	lower_layer();
	archive_file(&a, "etc/sub/new", "n");
	archive_file(&a, "etc/passwd", "new");
	archive_file(&a, ".wh.etc", "");
	unpacks(&a, false, "made, then removed");
	ok(holds("etc/sub/new", "n") && holds("etc/passwd", "new") && !exists("etc/group") &&
	    !exists("etc/sub/x") && !exists("etc/sub/y"), "the new stays all the same");

	lower_layer();
	archive_dir(&a, "etc/sub", 0700);
	archive_file(&a, "etc/.wh.sub", "");
	unpacks(&a, false, "an empty directory made, then removed");
	ok(exists("etc/sub") && !exists("etc/sub/x"), "stays, empty");

	lower_layer();
	archive_file(&a, "etc/.wh..wh..opq", "");
	archive_file(&a, "etc/new", "n");
	unpacks(&a, false, "opaque first");
	ok(holds("etc/new", "n") && !exists("etc/passwd") && !exists("etc/sub") && exists("var/f"),
	    "only the new is there");

	lower_layer();
	archive_dir(&a, "etc", 0711);
	archive_file(&a, "etc/sub/x", "new");
	archive_file(&a, "etc/.wh..wh..opq", "");
	unpacks(&a, false, "opaque last");
	ok(holds("etc/sub/x", "new") && !exists("etc/passwd") && !exists("etc/sub/y"), "the new stays");
	ok((look("etc").st_mode & 07777) == 0711 && look("etc").st_mtim.tv_sec == 1600000000,
	    "and so do mode and time");

	lower_layer();
	archive_file(&a, ".wh..wh..opq", "");
	archive_file(&a, "f", "");
	unpacks(&a, false, "the root opaque");
	ok(exists("f") && !exists("etc") && !exists("link"), "all is gone");

	lower_layer();
	archive_file(&a, "etc/.wh.passwd", "");
	unpacks(&a, true, "whiteouts in a first layer");
	ok(exists("etc/passwd"), "hide nothing");
	static const char *const bad[] = { ".wh.", ".wh..", ".wh...", "etc/.wh.", "etc/.wh.." };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		archive_file(&a, bad[i], "");
		refused(&a, ERR_LAYER, bad[i]);
	}
	archive_file(&a, ".wh.etc/inner", "");
	unpacks(&a, false, "the name of a directory on the way is no whiteout");
	ok(exists("etc/passwd") && exists(".wh.etc/inner"), "it is only a name");
}

/* Many names, so that listing and removing get in each other's way if they can; and deep ones. */
static void
test_big_whiteouts(void)
{
	struct archive a = ARCHIVE();
	struct tree_options o = options(true);
	autobuf deep = BUF(1 << 16);
	char name[64];
	unsigned left = 0;

	fresh();
	o.max_entries = 100000;
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "d/%u/%u", i % 10, i);
		archive_file(&a, name, "");
	}
	works(unpack_with(&a, o, NULL, &e), "3000 files");
	buf_free(&a.out);
	for (unsigned i = 0; i < 3000; i += 3) {
		snprintf(name, sizeof(name), "d/%u/%u", i % 10, i);
		archive_file(&a, name, "");
	}
	archive_file(&a, ".wh.d", "");
	o.first_layer = false;
	works(unpack_with(&a, o, NULL, &e), "a third of them again, and the rest removed");
	buf_free(&a.out);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "d/%u/%u", i % 10, i);
		left += exists(name) == (i % 3 == 0);
	}
	is_int(left, 3000, "exactly those are left");

	for (unsigned i = 0; i < 300; i++)
		if (buf_add_str(&deep, "d/", &e) < 0)
			abort();
	fresh();
	PAX(&a, "path", buf_str(&deep));
	archive_dir(&a, "x", 0755);
	unpacks(&a, true, "300 directories in each other");
	archive_file(&a, "f", "");
	archive_file(&a, ".wh.d", "");
	fails(unpack_with(&a, options(false), NULL, &e), ERR_LIMIT, "too deep to be sorted out");
	buf_free(&a.out);
	archive_file(&a, ".wh.d", "");
	unpacks(&a, false, "but removed as a whole");
	ok(!exists("d"), "gone");
}

static void
checks(void)
{
	test_whiteout_names();
	test_written();
	test_whiteouts();
	test_big_whiteouts();
}

int
main(void)
{
	return run_as_both(checks);
}
