/*
 * toml_doc.h: a TOML document from inside. toml_scan.c reads words, toml.c puts them
 * together, toml_doc.c keeps and shows them. Nobody else includes this.
 */
#ifndef LIB_TOML_DOC_H
#define LIB_TOML_DOC_H

#include "lib/toml.h"

/* How a table or an array came to be decides who may add to it. */
enum toml_made {
	MADE_VALUE,		/* by a value: { … } or [ … ]; closed behind it */
	MADE_HEADER,		/* [x], [[x]], the root */
	MADE_PASSING,		/* by [x.y], on the way to y: [x] may still come */
	MADE_DOTTED,		/* by x.y = …, on the way to y */
};

/* Bytes in the document's text: decoded keys and strings. */
struct toml_text {
	uint32_t	at, len;
};

struct toml_node {
	struct toml_text	 key;		/* members of tables */
	uint32_t		 parent, first, last, next;	/* 0: none, as the root is no child */
	uint32_t		 count;		/* children */
	uint32_t		 line;
	uint8_t			 kind, made, depth;
	union {
		struct toml_text string;
		int64_t		 integer;
		bool		 boolean;
	};
};

struct toml {
	struct toml_node	*nodes;
	uint32_t		 n, room;
	struct buf		 text;
};

/* Adds a child behind the others; key NULL in arrays. */
int toml_add(struct toml *, uint32_t parent, const struct toml_text *key, enum toml_kind,
    uint32_t line, uint32_t *out, struct err *) must_check;
/* The member of this name, 0 if there is none. */
uint32_t toml_find(const struct toml *, uint32_t table, struct span name);
struct span toml_text(const struct toml *, struct toml_text);

/*
 * The scanner.
 */
struct toml_scan {
	struct toml	*t;
	struct span	 in;		/* what is left */
	uint32_t	 line;
	uint32_t	 section;	/* the table of the last header */
	bool		 fresh;		/* in a container: behind its start or a comma */
	struct err	*e;
};

int toml_bad(const struct toml_scan *, const char *why);	/* -ERR_PARSE with the line */
bool toml_at(const struct toml_scan *, const char *);		/* is this text next? */
bool toml_take(struct toml_scan *, const char *);		/* takes it if so; no line ends in it */
void toml_skip_blanks(struct toml_scan *);
/* Blanks, a comment and the end of the line; *ended false if something else comes. The end of the text ends a line. */
int toml_skip_end(struct toml_scan *, bool *ended) must_check;
int toml_scan_key(struct toml_scan *, struct toml_text *) must_check;
int toml_scan_string(struct toml_scan *, struct toml_text *) must_check;	/* at its first quote */
/* An integer or a boolean goes into the node. */
int toml_scan_word(struct toml_scan *, struct toml_node *) must_check;

#endif
