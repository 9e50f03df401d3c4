/*
 * test_log.c: what an attacker writes does not reach the terminal; one line a
 * record, never longer than 1 KiB.
 */
#include "lib/base.h"
#include "lib/log.h"

#include <fcntl.h>

#include <json-c/json.h>

#include "lib/sys.h"
#include "tests/lib/tap.h"

static int pipe_out;	/* where the log's lines arrive */

/* What was logged since the last call. */
static const char *
logged(void)
{
	static char text[65536];
	ssize_t n = read(pipe_out, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool
escapes_to(struct span s, const char *want)
{
	char out[4096];
	bool same = strcmp(log_escape(s.p, s.len, out, sizeof(out)), want) == 0;

	if (!same)
		printf("# got '%s'\n", out);
	return same;
}

#define escaped(lit, want) \
	ok(escapes_to(SPAN_LIT(lit), want), "%s", want)

static void
test_escape(void)
{
	escaped("", "");
	escaped("plain ~ \\ \" text", "plain ~ \\ \" text");
	escaped("a\nb\r\t\x1b]0;x\x07\x7f", "a\\x0ab\\x0d\\x09\\x1b]0;x\\x07\\x7f");
	escaped("nul\0nul", "nul\\x00nul");
	/* C1: CSI in two bytes; the same byte alone is no UTF-8. */
	escaped("\xc2\x9b" "31m \x9b", "\\xc2\\x9b31m \\x9b");
	escaped("\xc2\x80 \xc2\x9f", "\\xc2\\x80 \\xc2\\x9f");
	escaped("\xc2\xa0 \xc3\xa9", "\xc2\xa0 \xc3\xa9");
	/* Bidirectional controls, line and paragraph separators. */
	escaped("\xd8\x9c", "\\xd8\\x9c");
	escaped("\xe2\x80\x8e\xe2\x80\x8f", "\\xe2\\x80\\x8e\\xe2\\x80\\x8f");
	escaped("\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
	escaped("\xe2\x80\xaa\xe2\x80\xae", "\\xe2\\x80\\xaa\\xe2\\x80\\xae");
	escaped("\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9");
	escaped("\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xaa",
	    "\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xaa");
	/* Not UTF-8: overlong, surrogate, too large, cut short, stray. */
	escaped("\xc0\x8a", "\\xc0\\x8a");
	escaped("\xc1\xbf", "\\xc1\\xbf");
	escaped("\xe0\x80\x8a", "\\xe0\\x80\\x8a");
	escaped("\xf0\x80\x80\x8a", "\\xf0\\x80\\x80\\x8a");
	escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");
	escaped("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	escaped("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
	escaped("\xe2\x82", "\\xe2\\x82");
	escaped("\xe2\x28\xa1", "\\xe2(\\xa1");
	escaped("\xff\xfe\x80", "\\xff\\xfe\\x80");
	/* The edges that are good. */
	escaped("\xc3\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80",
	    "\xc3\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80");
	escaped("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
	    "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
}

static void
test_cut(void)
{
	char out[16];

	is_str(log_escape("123456789012345", 15, out, 16), "123456789012345",
	    "fits exactly");
	is_str(log_escape("1234567890123456", 16, out, 16),
	    "123456789012\xe2\x80\xa6", "one byte more");
	is_str(log_escape("12345678901\n\n", 13, out, 16),
	    "12345678901\xe2\x80\xa6", "an escape is kept whole or left out");
	is_str(log_escape("abcd", 4, out, 4), "\xe2\x80\xa6", "room for the "
	    "sign alone");
	is_str(log_escape("abcd", 4, out, 3), "", "not even for that");
	is_str(log_escape("ab", 2, out, 3), "ab", "small and fits");
	is_str(log_escape("abcd", 4, out, 1), "", "room for the NUL alone");
	is_str(log_escape("", 0, out, 1), "", "nothing in no room");
}

static void
test_long_name(void)
{
	size_t size = 1 << 20;
	char *name = malloc(size), out[200];

	assert(name != NULL);
	memset(name, '\n', size);
	log_escape(name, size, out, sizeof(out));
	ok(strlen(out) < sizeof(out) && strchr(out, '\n') == NULL,
	    "1 MiB of newlines");
	log_error("%.*s", (int)size, name);
	is_int(strlen(logged()) <= 1024, 1, "and in the log");
	free(name);
}

static void
test_levels(void)
{
	enum log_level level = LOG_DEBUG;

	ok(log_level_parse("error", &level) && level == LOG_ERROR, "error");
	ok(log_level_parse("warning", &level) && level == LOG_WARNING,
	    "warning");
	ok(log_level_parse("info", &level) && level == LOG_INFO, "info");
	ok(log_level_parse("debug", &level) && level == LOG_DEBUG, "debug");
	level = LOG_INFO;
	ok(!log_level_parse("Info", &level) && !log_level_parse("", &level) &&
	    !log_level_parse("trace", &level) && level == LOG_INFO,
	    "anything else is refused");
}

static void
test_text(int fd)
{
	log_init(fd, "pull", LOG_INFO, false);
	is_int(log_current(), LOG_INFO, "current level");
	errno = EPERM;
	log_error("a %d\n", 1);
	log_warning("b");
	log_info("c \"%s\"", "\\");
	log_debug("d");
	is_int(errno, EPERM, "errno is kept");
	is_str(logged(), "pull: error: a 1\\x0a\npull: warning: b\n"
	    "pull: info: c \"\\\"\n", "text lines, debug left out");
	log_init(fd, "pull", LOG_DEBUG, false);
	log_debug("d");
	is_str(logged(), "pull: debug: d\n", "debug when asked for");
	log_init(fd, "pull", LOG_ERROR, false);
	log_warning("w");
	log_error("%s", "");
	is_str(logged(), "", "nothing above the level, nothing for nothing");
}

static const char *
member(struct json_object *o, const char *name)
{
	struct json_object *m = NULL;

	json_object_object_get_ex(o, name, &m);
	return m != NULL ? json_object_get_string(m) : "";
}

static void
test_json(int fd)
{
	char text[3000];
	const char *line;
	struct json_object *o;

	log_init(fd, "net", LOG_DEBUG, true);
	log_info("say \"%s\" \\ %s", "hi\n", "\xff\xc3\xa9");
	line = logged();
	is_str(line, "{\"name\":\"net\",\"level\":\"info\",\"msg\":"
	    "\"say \\\"hi\\\\x0a\\\" \\\\ \\\\xff\xc3\xa9\"}\n", "a record");
	o = json_tokener_parse(line);
	is_str(member(o, "msg"), "say \"hi\\x0a\" \\ \\xff\xc3\xa9",
	    "as a reader of JSON sees it");
	json_object_put(o);
	for (size_t n = 950; n < 1000; n++) {
		memset(text, n % 3 == 0 ? '"' : n % 3 == 1 ? '\n' : 'a', n);
		text[n] = '\0';
		log_debug("%s%s", n % 2 ? "x" : "", text);
		line = logged();
		o = json_tokener_parse(line);
		ok(o != NULL && strlen(line) <= 1024 &&
		    line[strlen(line) - 1] == '\n',
		    "a record of %zu bytes is cut to valid JSON", n);
		json_object_put(o);
	}
}

static void
test_cut_records(int fd)
{
	char text[3000];
	const char *line;

	log_init(fd, "net", LOG_DEBUG, false);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_debug("%s", text);
	line = logged();
	is_int(strlen(line), 1023, "a long record");
	is_str(line + strlen(line) - 4, "\xe2\x80\xa6\n", "says it was cut");
}

static int writes;

static ssize_t
one_byte(int fd, const void *p, size_t size)
{
	writes++;
	return write(fd, p, MIN(size, (size_t)1));
}

static ssize_t
refused(int fd, const void *p, size_t size)
{
	(void)fd, (void)p, (void)size;
	errno = EAGAIN;
	return -1;
}

static void
test_writing(int fd)
{
	struct sys_ops table = sys_real;

	log_init(fd, "x", LOG_INFO, false);
	sys = &table;
	table.write = one_byte;
	log_info("hello");
	is_str(logged(), "x: info: hello\n", "short writes are continued");
	is_int(writes, 15, "byte for byte");
	table.write = refused;
	errno = 0;
	log_info("hello");
	is_int(errno, 0, "a record that cannot be written is lost in silence");
	sys = &sys_real;
}

int
main(void)
{
	int ends[2];

	/* Reading must not wait when nothing was written. */
	if (pipe2(ends, O_NONBLOCK) == -1)
		return 1;
	pipe_out = ends[0];
	log_init(ends[1], "x", LOG_INFO, false);
	test_escape();
	test_cut();
	test_levels();
	test_long_name();
	test_text(ends[1]);
	test_json(ends[1]);
	test_cut_records(ends[1]);
	test_writing(ends[1]);
	return tap_done();
}
