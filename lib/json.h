/*
 * json.h: a strict JSON reader (RFC 8259) over borrowed bytes. No copy is made,
 * so keys inside a document stay where their owner put them; strings are
 * decoded on demand into the caller's buffer. Refused: duplicate members (after
 * decoding escapes), anything behind the document, comments, trailing commas,
 * single quotes, NaN, invalid UTF-8, lone surrogates, a byte order mark, more
 * than LIMIT_JSON_DEPTH levels. json-c is used for writing only: as a reader it
 * accepts most of the above, keeps the last of duplicates and cannot wipe.
 * Errors name the place (byte offset), never the content.
 */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include "lib/buf.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json;			/* a parsed document: token table over the text */

/* A value inside a document; borrowed from it. A value that is not there has doc == NULL. */
struct json_val {
	const struct json	*doc;
	uint32_t		 tok;
};

/*
 * text must outlive the document and must not change. -ERR_PARSE, -ERR_LIMIT
 * (depth, or more than 1 million tokens), -ERR_NOMEM.
 */
int json_parse(struct span text, struct json **out, struct err *) must_check;
void json_free(struct json *);
void json_freep(struct json **);
#define autojson cleanup(json_freep) struct json *

struct json_val json_root(const struct json *);
bool json_ok(struct json_val);				/* is it there? */
enum json_kind json_kind(struct json_val);		/* of a value that is there */
bool json_is(struct json_val, enum json_kind);		/* there and of this type */

/* Member by name; not there: json_ok() is false. obj may itself be absent or no object. */
struct json_val json_get(struct json_val obj, const char *name);
/* Number of members or elements; 0 for everything else. */
size_t json_count(struct json_val);

/* Iteration in text order: struct json_iter it = json_iter(v); while (json_next(&it)) … it.key, it.val */
struct json_iter {
	struct json_val	of, key, val;	/* key.doc == NULL in arrays */
	uint32_t	next, left;
};
struct json_iter json_iter(struct json_val);
bool json_next(struct json_iter *);

/* Typed getters. what names the value in the message ("layers[2].digest"). -ERR_PARSE when absent or of another type. */
int json_str(struct json_val, const char *what, struct buf *out, struct err *) must_check;	/* appended; U+0000 refused */
int json_cstr(struct json_val, const char *what, char *out, size_t size, struct err *) must_check;
int json_u64(struct json_val, const char *what, uint64_t max, uint64_t *out, struct err *) must_check;	/* an integer, no exponent */
int json_boolean(struct json_val, const char *what, bool *out, struct err *) must_check;
bool json_str_eq(struct json_val, const char *);	/* a string with exactly this value */
struct span json_raw(struct json_val);			/* the bytes of the value, quotes included */

/* -ERR_PARSE naming the member, if obj has one that is not in the NULL-ended list. */
int json_only(struct json_val obj, const char *what, const char *const names[], struct err *) must_check;

#endif
