/*
 * json_doc.h: a parsed document from inside, for json.c, which makes the table
 * of tokens, and json_doc.c, which reads it. Nobody else includes this.
 */
#ifndef LIB_JSON_DOC_H
#define LIB_JSON_DOC_H

#include "lib/json.h"

struct token {
	uint32_t	start, end;	/* of the text, quotes included */
	uint32_t	next;		/* first token behind this value */
	uint32_t	count;		/* containers: entries; names: their object */
	uint8_t		type;		/* enum json_kind */
};

struct json {
	struct span	 text;
	struct token	*tokens;
	uint32_t	 ntokens, room;
	uint32_t	*index;		/* of names; 0: free, as token 0 is no name */
	uint32_t	 nnames, slots;	/* slots: a power of two */
	uint64_t	 point, spread;	/* random, see hash_add() in json_doc.c */
};

/* Four hexadecimal digits that are known to be such. */
uint32_t json_hex4(const uint8_t *);

/*
 * Enters a name token, whose count is its object, into the table of names.
 * -ERR_PARSE when the object has it already.
 */
int json_index_add(struct json *, uint32_t name, struct err *) must_check;

#endif
