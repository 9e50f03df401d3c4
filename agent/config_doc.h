/*
 * config_doc.h: a document of guest components, TOML or JSON, as one kind of tree: they read either by the same names. Scalars are
 * given as text, since they take "false" for false and "17" for 17.
 */
#ifndef AGENT_CONFIG_DOC_H
#define AGENT_CONFIG_DOC_H

#include "lib/json.h"
#include "lib/toml.h"

struct doc {
	struct toml	*toml;
	struct json	*json;
};

enum doc_kind { DOC_NOTHING, DOC_SCALAR, DOC_LIST, DOC_TABLE };	/* nothing: not there, or null */

struct doc_val {
	struct toml_val	t;
	struct json_val	j;
};

/* JSON if the first character is "{". text must outlive the document. */
int doc_open(struct span text, struct doc *out, struct err *) must_check;
void doc_close(struct doc *);
#define autodoc cleanup(doc_close) struct doc

struct doc_val doc_root(const struct doc *);
enum doc_kind doc_kind(struct doc_val);
uint32_t doc_line(struct doc_val);		/* 0: not known */
struct doc_val doc_get(struct doc_val table, const char *name);
/* Appended. -ERR_CONFIG: not a scalar. */
int doc_text(struct doc_val, struct buf *out, struct err *) must_check;

struct doc_iter {
	struct toml_iter	t;
	struct json_iter	j;
	bool			is_json;
	char			key[64];	/* "" in lists; a longer one is cut, and ends in "…" */
	struct doc_val		val;
};
struct doc_iter doc_iter(struct doc_val);
bool doc_next(struct doc_iter *);

#endif
