/*
 * toml.h: a strict reader of TOML 1.0, for configuration files. All of the language but
 * floating-point numbers and dates, which are refused by name. Refused as the language
 * wants it: names given twice, tables defined twice or opened again, bare carriage returns
 * and control characters, invalid UTF-8, a byte order mark. Strings are decoded while
 * parsing, so the document does not need the text. Errors name the line, never a value.
 */
#ifndef LIB_TOML_H
#define LIB_TOML_H

#include "lib/buf.h"

enum toml_kind { TOML_STRING, TOML_INTEGER, TOML_BOOLEAN, TOML_ARRAY, TOML_TABLE };

struct toml;			/* a parsed document */

/* A value inside a document; borrowed from it. A value that is not there has doc == NULL. */
struct toml_val {
	const struct toml	*doc;
	uint32_t		 node;
};

/*
 * -ERR_PARSE, -ERR_UNSUPPORTED (a floating-point number or a date), -ERR_LIMIT (text longer
 * than LIMIT_TOML, more than LIMIT_TOML_DEPTH levels or LIMIT_TOML_VALUES values), -ERR_NOMEM.
 */
int toml_parse(struct span text, struct toml **out, struct err *) must_check;
void toml_free(struct toml *);
void toml_freep(struct toml **);
#define autotoml cleanup(toml_freep) struct toml *

struct toml_val toml_root(const struct toml *);		/* a table */
bool toml_ok(struct toml_val);				/* is it there? */
enum toml_kind toml_kind(struct toml_val);		/* of a value that is there */
bool toml_is(struct toml_val, enum toml_kind);		/* there and of this type */
uint32_t toml_line(struct toml_val);			/* where it was defined; 0: not there */

/* By name; not there: toml_ok() is false. table may itself be absent or no table. */
struct toml_val toml_get(struct toml_val table, const char *name);
/* Number of members or elements; 0 for everything else. */
size_t toml_count(struct toml_val);

/* In the order of the text: struct toml_iter it = toml_iter(v); while (toml_next(&it)) … it.key, it.val */
struct toml_iter {
	struct toml_val	val;
	struct span	key;		/* empty in arrays */
	uint32_t	next;
};
struct toml_iter toml_iter(struct toml_val);
bool toml_next(struct toml_iter *);

/*
 * Typed getters. what names the value in the message ("registry[1].location").
 * -ERR_PARSE when absent or of another type.
 */
int toml_str(struct toml_val, const char *what, struct span *out, struct err *) must_check;	/* borrowed; U+0000 refused */
int toml_cstr(struct toml_val, const char *what, char *out, size_t size, struct err *) must_check;
int toml_int(struct toml_val, const char *what, int64_t min, int64_t max, int64_t *out, struct err *) must_check;
int toml_boolean(struct toml_val, const char *what, bool *out, struct err *) must_check;

/* -ERR_PARSE naming the key, if the table has one that is not in the NULL-ended list. */
int toml_only(struct toml_val table, const char *what, const char *const names[], struct err *) must_check;

#endif
