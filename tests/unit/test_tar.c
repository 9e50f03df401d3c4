/*
 * test_tar.c: header blocks, pax records, and the reader over all of them. Sparse files: test_sparse.c.
 */
#include "lib/base.h"

#include "image/tar.h"
#include "image/tar_header.h"
#include "tests/lib/fault.h"
#include "tests/lib/listing.h"
#include "tests/lib/mutate.h"

/* The first entry, for a look at its attributes. */
static const struct tar_entry *
first(struct archive *a, struct stream *s, struct tar_reader **r, const char *name)
{
	const struct tar_entry *t = NULL;

	works(stream_span(s, buf_span(&a->out), &e), "%s: stream", name);
	works(tar_open(s, r, &e), "%s: open", name);
	is_int(tar_next(*r, &t, &e), 1, "%s: entry", name);
	return t;
}

static void
done(struct archive *a, struct stream *s, struct tar_reader *r)
{
	tar_close(r);
	stream_close(s);
	buf_free(&a->out);
}

static bool
number(const char *text, size_t len, int64_t *out)
{
	return tar_number((struct span){ (const uint8_t *)text, len }, out);
}

static void
test_numbers(void)
{
	int64_t n = 0;

	ok(number("0000644\0", 8, &n) && n == 0644, "octal with NUL");
	ok(number("   644 \0", 8, &n) && n == 0644, "octal with spaces");
	ok(number("77777777", 8, &n) && n == 077777777, "octal, full width");
	ok(number("\0\0\0\0\0\0\0\0", 8, &n) && n == 0, "empty is 0");
	ok(number("        ", 8, &n) && n == 0, "blank is 0");
	ok(!number("0000648\0", 8, &n), "8 is no octal digit");
	ok(!number("12\0" "3456\0", 8, &n), "digits behind the NUL");
	ok(!number("-1\0\0\0\0\0\0", 8, &n), "sign");
	ok(!number("0x10\0\0\0\0", 8, &n), "hexadecimal");
	ok(!number("\0" "123456\0", 8, &n), "NUL in front");
	ok(number("777777777777777777777", 21, &n) && n == INT64_MAX, "octal, 63 bits");
	ok(!number("1777777777777777777777", 22, &n), "octal, 64 bits");
	ok(number("\x80\0\0\0\0\0\0\x05", 8, &n) && n == 5, "base 256");
	ok(number("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12, &n) && n == INT64_MAX,
	    "base 256, 63 bits");
	ok(!number("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12, &n), "base 256, 64 bits");
	ok(!number("\x80\x01\0\0\0\0\0\0\0\0\0\0", 12, &n), "base 256, 80 bits");
	ok(!number("\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, &n), "base 256, all bits");
	ok(number("\xff\xff\xff\xff\xff\xff\xff\xfb", 8, &n) && n == -5, "base 256, negative");
	ok(number("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12, &n) && n == INT64_MIN,
	    "base 256, smallest");
	ok(!number("\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 12, &n),
	    "base 256, below the smallest");
}

static void
test_times(void)
{
	static const struct { const char *text; bool good; int64_t s; long ns; } rows[] = {
		{ "0", true, 0, 0 }, { "1", true, 1, 0 }, { "007", true, 7, 0 },
		{ "1.5", true, 1, 500000000 }, { "1.", true, 1, 0 },
		{ "1.123456789", true, 1, 123456789 }, { "1.1234567899", true, 1, 123456789 },
		{ "1.000000001", true, 1, 1 }, { "-1", true, -1, 0 },
		{ "-1.5", true, -3 + 1, 500000000 }, { "-0.25", true, -1, 750000000 },
		{ "", false, 0, 0 }, { "-", false, 0, 0 }, { ".5", false, 0, 0 },
		{ "1.5x", false, 0, 0 }, { "1.1234567899x", false, 0, 0 }, { "x", false, 0, 0 },
		{ "+1", false, 0, 0 }, { "1 ", false, 0, 0 }, { "--1", false, 0, 0 },
		{ "9223372036854775807", false, 0, 0 }, { "99999999999999999999999", false, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct timespec t = { 42, 42 };
		bool good = pax_time(span_str(rows[i].text), &t);

		ok(good == rows[i].good && (!good ||
		    (t.tv_sec == rows[i].s && t.tv_nsec == rows[i].ns)),
		    "pax time '%s'", rows[i].text);
	}
}

static void
test_headers(void)
{
	struct archive a = ARCHIVE();
	uint8_t block[512];
	struct tar_header h;

	archive_block(block, "f", '0', 0);
	archive_seal(&a, block);
	works(tar_header_parse(buf_span(&a.out), &h, &e), "plain header");
	ok(h.format == TAR_USTAR && h.mode == 0644 && h.mtime == 1600000000, "fields");
	fails(tar_header_parse((struct span){ a.out.data, 511 }, &h, &e), ERR_BUG, "short block");
	block[0] ^= 1;
	fails(tar_header_parse((struct span){ block, 512 }, &h, &e), ERR_LAYER, "wrong checksum");
	buf_free(&a.out);

	/* The sum of signed bytes, as some old tars had it. */
	archive_block(block, "\xff\xfe", '0', 0);
	archive_seal(&a, block);
	memcpy(block, a.out.data, 512);
	archive_number(block + 148, 7, strtoul((char *)block + 148, NULL, 8) - 512);
	works(tar_header_parse((struct span){ block, 512 }, &h, &e), "signed checksum");
	buf_free(&a.out);

	archive_block(block, "f", '0', 0);
	memcpy(block + 345, "some/prefix", 11);
	archive_seal(&a, block);
	reads(&a, "f some/prefix/f\n", "prefix");
	archive_block(block, "f", '0', 0);
	memset(block + 345, 'p', 155);
	memset(block, 'n', 100);
	archive_seal(&a, block);
	works(tar_header_parse(buf_span(&a.out), &h, &e), "both names full");
	is_int(strlen(h.name), 256, "255 bytes and a slash");
	buf_free(&a.out);
	archive_block(block, "f", '0', 0);
	archive_gnu(block);
	memcpy(block + 345, "some/prefix", 11);
	refused_block(block, "prefix in a GNU header");
	archive_block(block, "f", '0', 0);
	memset(block + 345, 'p', 131);
	memcpy(block + 508, "tar", 4);
	refused_block(block, "prefix longer than star's");
	archive_block(block, "f", '0', 0);
	memcpy(block + 124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	refused_block(block, "negative size");
	archive_block(block, "f", '0', 0);
	memcpy(block + 124, "1x", 3);
	refused_block(block, "size is no number");
	archive_block(block, "f", '0', 0);
	memcpy(block + 100, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	refused_block(block, "negative mode");
	archive_block(block, "c", '3', 0);
	memset(block + 257, 0, 8);
	refused_block(block, "device in a v7 header");
	archive_block(block, "c", '3', 0);
	memcpy(block + 329, "9", 1);
	refused_block(block, "device number 9 in octal");
	archive_block(block, "c", '3', 0);
	memcpy(block + 329, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	refused_block(block, "negative device number");
	archive_block(block, "f", '0', 0);
	memcpy(block + 108, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	refused_block(block, "negative uid");
	archive_block(block, "f", '0', 0);
	memcpy(block + 116, "\x80\0\0\0\xff\xff\xff\xff", 8);
	refused_block(block, "gid 2^32 - 1, which chown takes for none");
}

static void
test_types(void)
{
	struct archive a = ARCHIVE();
	uint8_t block[512];

	archive_file(&a, "f", "x");
	archive_entry(&a, "old", '\0', "y", 1);
	archive_entry(&a, "olddir/", '\0', NULL, 0);
	archive_entry(&a, "contiguous", '7', "z", 1);
	archive_dir(&a, "d/", 0755);
	archive_dir(&a, "e", 0755);
	archive_link(&a, "h", '1', "f");
	archive_link(&a, "s", '2', "../f");
	archive_entry(&a, "c", '3', NULL, 0);
	archive_entry(&a, "b", '4', NULL, 0);
	archive_entry(&a, "p", '6', NULL, 0);
	archive_end(&a);
	reads(&a, "f f 1 \"x\"\nf old 1 \"y\"\nd olddir/\nf contiguous 1 \"z\"\nd d/\nd e\n"
	    "h h -> f\nl s -> ../f\nc c\nb b\np p\n", "every type");

	for (const char *type = "8DMNVXAZ\x01\x7f"; *type != '\0'; type++) {
		archive_entry(&a, "x", *type, NULL, 0);
		refused(&a, ERR_LAYER, "unknown type");
	}
	for (const char *type = "23456"; *type != '\0'; type++) {
		archive_block(block, "x", *type, 1);
		memcpy(block + 157, "t", 1);
		archive_seal(&a, block);
		archive_bytes(&a, "x", 1);
		archive_pad(&a);
		refused(&a, ERR_LAYER, "size on what is no file");
	}
	archive_block(block, "h", '1', 99);
	memcpy(block + 157, "f", 1);
	archive_seal(&a, block);
	archive_file(&a, "next", "n");
	reads(&a, "h h -> f\nf next 1 \"n\"\n", "hard link with a size has no data");
	PAX(&a, "comment", "x");
	archive_file(&a, "f", "");
	archive_seal(&a, block);
	refused(&a, ERR_LAYER, "hard link with a size in a pax archive");
	archive_file(&a, "x/", "");
	refused(&a, ERR_LAYER, "file with a slash");
	archive_entry(&a, "x/", '\0', "d", 1);
	refused(&a, ERR_LAYER, "old directory with data");
	archive_link(&a, "s", '2', "");
	refused(&a, ERR_LAYER, "symlink without target");
	archive_link(&a, "s", '1', "");
	refused(&a, ERR_LAYER, "hard link without target");
	archive_file(&a, "", "");
	refused(&a, ERR_LAYER, "no name");
}

static void
test_long_names(void)
{
	struct archive a = ARCHIVE();
	char name[4200];
	autobuf want = BUF(1 << 16);

	archive_entry(&a, "././@LongLink", 'L', "a/long/name", 12);
	archive_entry(&a, "././@LongLink", 'K', "target", 6);
	archive_link(&a, "short", '2', "x");
	reads(&a, "l a/long/name -> target\n", "GNU L and K");
	archive_entry(&a, "L", 'L', "", 0);
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "empty GNU name");
	archive_entry(&a, "L", 'L', "a\0b", 4);
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "NUL inside a GNU name");
	archive_entry(&a, "L", 'L', "a\0", 3);
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "two NULs behind a GNU name");
	archive_entry(&a, "L", 'L', "a", 1);
	archive_entry(&a, "L", 'L', "b", 1);
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "two GNU names");
	archive_entry(&a, "L", 'L', "a", 1);
	archive_end(&a);
	refused(&a, ERR_LAYER, "GNU name without entry");
	archive_entry(&a, "L", 'L', "a", 1);
	PAX(&a, "mtime", "1");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "GNU name, then pax");
	PAX(&a, "mtime", "1");
	archive_entry(&a, "K", 'K', "a", 1);
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "pax, then GNU name");

	memset(name, 'n', sizeof(name));
	archive_entry(&a, "L", 'L', name, LIMIT_PATH);
	archive_file(&a, "f", "");
	if (buf_addf(&want, &e, "f %.4095s\n", name) < 0)
		abort();
	reads(&a, buf_str(&want), "longest GNU name");
	archive_entry(&a, "L", 'L', name, LIMIT_PATH + 2);
	archive_file(&a, "f", "");
	refused(&a, ERR_LIMIT, "GNU name too long");
	archive_entry(&a, "L", 'L', name, LIMIT_PATH + 1);
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "GNU name too long by one");
	name[LIMIT_PATH + 1] = '\0';
	PAX(&a, "path", name);
	archive_file(&a, "f", "");
	refused(&a, ERR_LIMIT, "pax name too long");
}

/* The body of an "x" header as it stands. */
static void
pax_text(const char *text, size_t n, enum err_code code, const char *name)
{
	struct archive a = ARCHIVE();

	archive_entry(&a, "x", 'x', text, n);
	archive_file(&a, "f", "");
	archive_end(&a);
	refused(&a, code, name);
}
#define PAX_BAD(text, name)	pax_text(text, sizeof(text) - 1, ERR_LAYER, name)

static void
test_pax(void)
{
	struct archive a = ARCHIVE();

	PAX(&a, "path", "a/b", "linkpath", "t", "comment", "c", "uname", "");
	archive_link(&a, "x", '2', "y");
	reads(&a, "l a/b -> t\n", "path and linkpath");
	PAX(&a, "size", "3");
	archive_entry(&a, "f", '0', "abc", 3);
	reads(&a, "f f 3 \"abc\"\n", "size as in the header");
	{
		uint8_t block[512];

		PAX(&a, "size", "1024");
		archive_block(block, "f", '0', 0);
		archive_seal(&a, block);
		archive_file(&a, "hidden", "");		/* 512 bytes of f's data */
		archive_file(&a, "hidden", "");
		archive_file(&a, "g", "");
		autobuf got = BUF(1 << 16);
		works(list(buf_span(&a.out), &got, &e), "size larger than the header's");
		ok(strncmp(buf_str(&got), "f f 1024", 8) == 0 &&
		    memmem(got.data, got.len, "\"\nf g\n", 6) != NULL &&
		    memmem(got.data, got.len, "\nf hidden", 9) == NULL, "no hidden entry appears");
		buf_free(&a.out);
	}
	PAX(&a, "size", "1");
	archive_dir(&a, "d", 0755);
	refused(&a, ERR_LAYER, "pax size on a directory");
	PAX(&a, "size", "9223372036854775808");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "pax size of 64 bits");
	PAX(&a, "size", "1099511627777");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "pax size past the limit");
	PAX(&a, "size", "-1");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "negative pax size");
	PAX(&a, "uid", "4294967295");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "pax uid 2^32 - 1");
	PAX(&a, "mtime", "yesterday");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "pax mtime");
	PAX(&a, "atime", "1.x");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "pax atime");
	PAX(&a, "mtime", "1");
	PAX(&a, "mtime", "1");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "two pax headers");
	PAX(&a, "mtime", "1");
	refused(&a, ERR_LAYER, "pax header without entry");
	static const char *const keys[] = { "path", "linkpath", "size", "uid", "gid", "mtime",
	    "atime", "GNU.sparse.name", "GNU.sparse.map", "SCHILY.xattr.user.a" };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		PAX(&a, keys[i], "1", keys[i], "1");
		archive_file(&a, "f", "");
		refused(&a, ERR_LAYER, keys[i]);
	}
	for (size_t i = 0; i < 8; i++) {
		PAX(&a, keys[i], "");
		archive_file(&a, "f", "");
		refused(&a, ERR_LAYER, "empty pax value");
	}
	PAX_BAD("6 a=b", "no newline");
	PAX_BAD("6 a=bx", "something else than a newline");
	PAX_BAD("7 a=b\n", "length past the end");
	PAX_BAD("5 a=b\n", "length too short");
	PAX_BAD("0 a=b\n", "length 0");
	PAX_BAD("2 \n", "length of itself only");
	PAX_BAD("a=b\n", "no length");
	PAX_BAD("06 a=b\n", "length with a zero in front");
	PAX_BAD("-6 a=b\n", "negative length");
	PAX_BAD("99999999999999999999 a=b\n", "huge length");
	PAX_BAD("6 abc\n", "no equals sign");
	PAX_BAD("5 =b\n", "no key");
	PAX_BAD("7 a\0=b\n", "NUL in a key");
	PAX_BAD("11 path=a\0b\n", "NUL in a path");
	PAX_BAD("6 a=b\n\0\0\0", "NULs behind the records");
	PAX_BAD("12 path=a/b", "cut inside a record");
	PAX_BAD("8 size=\n", "empty size");
}

static void
test_pax_attributes(void)
{
	struct archive a = ARCHIVE();
	autobuf text = BUF(1 << 20);
	const struct tar_entry *t;
	struct tar_reader *r;
	struct stream s;
	uint8_t block[512];

	archive_record(&a, &text, "SCHILY.xattr.user.test", "v\0w", 3);
	archive_record(&a, &text, "SCHILY.xattr.user.empty", "", 0);
	archive_record(&a, &text, "LIBARCHIVE.xattr.user.other", "eA", 2);
	archive_record(&a, &text, "mtime", "-5.25", 5);
	archive_record(&a, &text, "atime", "7", 1);
	archive_record(&a, &text, "uid", "4294967294", 10);
	archive_record(&a, &text, "gid", "70000", 5);
	archive_entry(&a, "x", 'x', text.data, text.len);
	archive_block(block, "f", '0', 0);
	memcpy(block + 108, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);	/* replaced */
	archive_seal(&a, block);
	archive_file(&a, "g", "");
	t = first(&a, &s, &r, "attributes");
	ok(t->mtime.tv_sec == -6 && t->mtime.tv_nsec == 750000000, "mtime");
	ok(t->atime.tv_sec == 7 && t->atime.tv_nsec == 0, "atime");
	ok(t->uid == 4294967294U && t->gid == 70000, "owner");
	is_int(t->nxattrs, 2, "two xattrs, libarchive's form is ignored");
	ok(span_eq_str(t->xattrs[0].name, "user.test") && t->xattrs[0].value.len == 3 &&
	    memcmp(t->xattrs[0].value.p, "v\0w", 3) == 0, "a value with a NUL");
	ok(span_eq_str(t->xattrs[1].name, "user.empty") && t->xattrs[1].value.len == 0, "an empty value");
	is_int(tar_next(r, &t, &e), 1, "next");
	ok(t->nxattrs == 0 && t->mtime.tv_sec == 1600000000 && t->atime.tv_sec == 1600000000 &&
	    t->uid == 0, "nothing is left over");
	is_int(tar_entries(r), 2, "two entries");
	is_int(tar_next(r, &t, &e), 0, "the end");
	is_int(tar_next(r, &t, &e), 0, "and again");
	done(&a, &s, r);
}

static void
test_pax_limits(void)
{
	struct archive a = ARCHIVE();
	uint8_t block[512];
	static char big[LIMIT_XATTRS + 2], key[300];

	memset(big, 'v', sizeof(big) - 1);
	archive_block(block, "x", 'x', LIMIT_PAX + 1);
	archive_seal(&a, block);
	refused(&a, ERR_LIMIT, "pax header of more than 1 MiB");
	archive_block(block, "x", 'g', LIMIT_PAX + 1);
	archive_seal(&a, block);
	refused(&a, ERR_LIMIT, "global header of more than 1 MiB");
	archive_block(block, "x", 'L', LIMIT_PAX + 1);
	archive_seal(&a, block);
	refused(&a, ERR_LIMIT, "GNU name of more than 1 MiB");
	PAX(&a, "SCHILY.xattr.user.a", big);
	archive_file(&a, "f", "");
	refused(&a, ERR_LIMIT, "xattr of more than 64 KiB");
	big[LIMIT_XATTRS / 2] = '\0';
	PAX(&a, "SCHILY.xattr.user.a", big, "SCHILY.xattr.user.b", big);
	archive_file(&a, "f", "");
	refused(&a, ERR_LIMIT, "xattrs of more than 64 KiB together");
	big[LIMIT_XATTRS / 2 - 10] = '\0';
	PAX(&a, "SCHILY.xattr.user.a", big, "SCHILY.xattr.user.b", big);
	archive_file(&a, "f", "");
	reads(&a, "f f\n", "xattrs of a little less");
	PAX(&a, "SCHILY.xattr.", "v");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "xattr without a name");
	snprintf(key, sizeof(key), "SCHILY.xattr.%0256d", 1);
	PAX(&a, key, "v");
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "xattr with a name of 256 bytes");
	autobuf text = BUF(1 << 20);
	for (int i = 0; i <= 512; i++) {
		snprintf(key, sizeof(key), "SCHILY.xattr.user.%d", i);
		archive_record(&a, &text, key, "", 0);
	}
	archive_entry(&a, "x", 'x', text.data, text.len);
	archive_file(&a, "f", "");
	refused(&a, ERR_LIMIT, "513 xattrs");
}

static void
test_global(void)
{
	static const char *const bad[] = { "path", "linkpath", "size", "uid", "gid",
	    "GNU.sparse.major", "GNU.sparse.offset", "SCHILY.xattr.user.a" };
	struct archive a = ARCHIVE();

	archive_pax(&a, 'g', (const char *const[]){ "comment", "0123", "mtime", "1", NULL });
	archive_file(&a, "f", "");
	reads(&a, "f f\n", "global header is skipped");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		archive_pax(&a, 'g', (const char *const[]){ bad[i], "1", NULL });
		archive_file(&a, "f", "");
		refused(&a, ERR_LAYER, bad[i]);
	}
	PAX(&a, "path", "x");
	archive_pax(&a, 'g', (const char *const[]){ "comment", "0123", NULL });
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "global header inside an entry");
	archive_entry(&a, "g", 'g', "6 a=bx", 6);
	archive_file(&a, "f", "");
	refused(&a, ERR_LAYER, "malformed global header");
}

static void
test_end(void)
{
	static const uint8_t zeros[512];
	struct archive a = ARCHIVE();

	reads(&a, "", "nothing at all");
	archive_end(&a);
	reads(&a, "", "only an end mark");
	archive_file(&a, "f", "x");
	reads(&a, "f f 1 \"x\"\n", "no end mark");
	archive_file(&a, "f", "x");
	archive_bytes(&a, zeros, 512);
	reads(&a, "f f 1 \"x\"\n", "half an end mark");
	archive_file(&a, "f", "x");
	archive_bytes(&a, zeros, 512);
	archive_file(&a, "g", "");
	refused(&a, ERR_LAYER, "a block of zeros between entries");
	archive_file(&a, "f", "x");
	archive_bytes(&a, zeros, 512);
	archive_bytes(&a, zeros, 100);
	refused(&a, ERR_LAYER, "one and a piece of a block of zeros");
	archive_file(&a, "f", "x");
	archive_end(&a);
	archive_file(&a, "g", "");
	archive_bytes(&a, "junk", 4);
	reads(&a, "f f 1 \"x\"\n", "what is behind the end mark is not read");
	archive_file(&a, "f", "x");
	a.out.len -= 100;
	refused(&a, ERR_LAYER, "cut inside the padding");
	archive_file(&a, "f", "x");
	a.out.len -= 512;
	refused(&a, ERR_LAYER, "cut in front of the data");
	archive_file(&a, "f", "x");
	archive_bytes(&a, "x", 1);
	refused(&a, ERR_LAYER, "cut inside a header");
	archive_bytes(&a, "070701", 6);
	memset(a.out.data, 'x', 6);
	archive_pad(&a);
	refused(&a, ERR_LAYER, "something that is no archive");
}

/* Data longer than the reader's buffer, skipped and read. */
static void
test_big(void)
{
	enum { BIG = 700000 };
	struct archive a = ARCHIVE();
	const struct tar_entry *t;
	const uint8_t *p;
	struct tar_reader *r;
	struct stream s;
	uint8_t *big = malloc(BIG);
	uint64_t sum = 0;
	ssize_t n;

	assert(big != NULL);
	memset(big, 1, BIG);
	archive_entry(&a, "skipped", '0', big, BIG);
	archive_entry(&a, "read", '0', big, BIG);
	archive_file(&a, "last", "x");
	t = first(&a, &s, &r, "big");
	is_int(tar_next(r, &t, &e), 1, "skips unread data");
	is_str(t->path, "read", "the right entry");
	while ((n = tar_data(r, &p, &e)) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum += p[i];
	is_int(sum, BIG, "all bytes, and none of the padding");
	is_int(tar_next(r, &t, &e), 1, "next");
	is_str(t->path, "last", "the right entry");
	done(&a, &s, r);
	free(big);
}

static void
build_everything(struct archive *a)
{
	uint8_t block[512];
	char text[512] = "1\n0\n3\n";

	PAX(a, "path", "pax/path", "mtime", "1.5", "SCHILY.xattr.user.a", "1",
	    "SCHILY.xattr.user.b", "2");
	archive_file(a, "f", "abc");
	archive_entry(a, "L", 'L', "long", 5);
	archive_entry(a, "K", 'K', "target", 7);
	archive_link(a, "s", '2', "t");
	archive_gnu_sparse(block, 3, 100, (uint64_t[]){ 0, 3 }, 1);
	archive_seal(a, block);
	archive_bytes(a, "abc", 3);
	archive_pad(a);
	PAX(a, "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "9");
	memcpy(text + 6, "\0", 1);
	archive_block(block, "t", '0', 515);
	archive_seal(a, block);
	archive_bytes(a, text, 512);
	archive_bytes(a, "abc", 3);
	archive_pad(a);
	PAX(a, "GNU.sparse.size", "9", "GNU.sparse.numblocks", "1", "GNU.sparse.map", "0,3");
	archive_file(a, "u", "abc");
	archive_end(a);
}

static void
try_mutant(struct span bytes, maybe_unused void *arg)
{
	autobuf got = BUF(1 << 20);
	struct err err;

	if (list(bytes, &got, &err) > 0)
		abort();
}

static int
list_everything(void *arg, struct err *err)
{
	struct archive *a = arg;
	autobuf got = BUF(1 << 20);

	return list(buf_span(&a->out), &got, err);
}

static void
test_robust(void)
{
	struct archive a = ARCHIVE();
	size_t before = fault_live_bytes();

	build_everything(&a);
	works(list_everything(&a, &e), "an archive of everything");
	ok(mutate(buf_span(&a.out), 2048, try_mutant, NULL) > 20000, "mutants");
	ok(fault_each(FAULT_ALLOC, 0, false, list_everything, &a) > 5, "every allocation fails in turn");
	buf_free(&a.out);
	is_int(fault_live_bytes(), before, "no leak");
}

int
main(void)
{
	test_numbers();
	test_times();
	test_headers();
	test_types();
	test_long_names();
	test_pax();
	test_pax_attributes();
	test_pax_limits();
	test_global();
	test_end();
	test_big();
	test_robust();
	return tap_done();
}
