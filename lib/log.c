/*
 * log.c: one escaped line per record, written at once. Never more than
 * RECORD_MAX bytes, so that a pipe keeps records of several writers whole
 * (PIPE_BUF).
 */
#include "lib/base.h"
#include "lib/log.h"

#include "lib/sys.h"
#include "lib/utf8.h"

enum { RECORD_MAX = 1024 };

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static struct {
	int		 fd;
	const char	*name;
	enum log_level	 level;
	bool		 json;
} log_to = { 2, "cacao", LOG_INFO, false };

void
log_init(int fd, const char *name, enum log_level level, bool json)
{
	log_to.fd = fd;
	log_to.name = name;
	log_to.level = level;
	log_to.json = json;
}

bool
log_level_parse(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

enum log_level
log_current(void)
{
	return log_to.level;
}

/* Moves the cursor, starts a line, or changes the direction of reading. */
static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c ||
	    c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069);
}

/* Text under construction; safe is the last length with room for "…" behind. */
struct line {
	char	*text;
	size_t	 size, len, safe;
};

static const char ellipsis[] = "\xe2\x80\xa6";

/* Adds all of the piece or, for good, nothing. */
static bool
line_add(struct line *l, const char *piece, size_t n)
{
	if (n >= l->size - l->len)
		return false;
	memcpy(l->text + l->len, piece, n);
	l->len += n;
	if (l->len + sizeof(ellipsis) <= l->size)
		l->safe = l->len;
	return true;
}

/* Adds one unit of the text, which is at p; returns bytes used, 0 when full. */
static size_t
line_add_unit(struct line *l, const uint8_t *p, size_t len, bool json)
{
	char hex[8];
	uint32_t c;
	size_t n = utf8_decode((struct span){ p, len }, &c);

	if (n > 0 && !is_control(c)) {
		if (json && (c == '"' || c == '\\')) {
			const char quoted[2] = { '\\', (char)c };

			return line_add(l, quoted, 2) ? n : 0;
		}
		return line_add(l, (const char *)p, n) ? n : 0;
	}
	snprintf(hex, sizeof(hex), json ? "\\\\x%02x" : "\\x%02x", p[0]);
	return line_add(l, hex, strlen(hex)) ? 1 : 0;
}

static void
line_escape(struct line *l, const uint8_t *p, size_t len, bool json)
{
	while (len > 0) {
		size_t n = line_add_unit(l, p, len, json);

		if (n == 0) {
			l->len = l->safe;
			(void)line_add(l, ellipsis, sizeof(ellipsis) - 1);
			return;
		}
		p += n;
		len -= n;
	}
}

char *
log_escape(const void *text, size_t len, char *out, size_t size)
{
	struct line l = { .text = out, .size = size };

	line_escape(&l, text, len, false);
	out[l.len] = '\0';
	return out;
}

/* The record in its final form; room for what ends the line is kept free. */
static size_t
format_record(enum log_level level, const char *text, size_t len,
    char line[RECORD_MAX])
{
	const char *end = log_to.json ? "\"}\n" : "\n";
	char head[128];
	struct line l = { .text = line, .size = RECORD_MAX - strlen(end) };

	snprintf(head, sizeof(head), log_to.json ?
	    "{\"name\":\"%.32s\",\"level\":\"%s\",\"msg\":\"" : "%.32s: %s: ",
	    log_to.name, level_names[level]);
	(void)line_add(&l, head, strlen(head));
	line_escape(&l, (const uint8_t *)text, len, log_to.json);
	l.size = RECORD_MAX;
	(void)line_add(&l, end, strlen(end));
	return l.len;
}

void
log_msg(enum log_level level, const char *fmt, ...)
{
	char text[2 * RECORD_MAX];
	int saved = errno, n;
	va_list ap;

	if (level > log_to.level)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0) {
		char line[RECORD_MAX];
		size_t len = format_record(level, text,
		    MIN((size_t)n, sizeof(text) - 1), line);

		/* Nobody is left to tell that this failed. */
		(void)!sys_write_all(log_to.fd, line, len);
	}
	errno = saved;
}
