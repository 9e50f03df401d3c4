/*
 * config_inside.h: what the files config*.c share. Nobody else includes this.
 */
#ifndef AGENT_CONFIG_INSIDE_H
#define AGENT_CONFIG_INSIDE_H

#include "agent/config.h"

#define CONFIG_LINE	1023	/* KIND_TEXT, and each line of a list */
#define CONFIG_LINES	256	/* of a list: they are compared one by one */

/* config_kind.c: -ERR_CONFIG with "must be …" when the value does not fit; else the form in which it is kept is appended. */
int config_keep(const struct setting_def *, struct span value, struct buf *out, struct err *) must_check;
bool config_is_list(enum setting_kind);

/* config.c: keeps a value that fits; no rule of precedence or trust is asked. Frees the old one. */
int config_put(struct config *, enum setting, struct span value, enum config_origin, uint32_t line, struct err *) must_check;
/* A file that cannot be read is a fault of the configuration, whatever a parser calls it. Returns -code. */
int config_fault(struct err *);
bool config_find(struct span name, enum setting *out);
void config_warn_lines(struct config *, struct span lines);	/* sentences of another's warnings */

/* config_print.c: in double quotes, as JSON and TOML both have it. */
int config_quote(struct span, struct buf *out, struct err *) must_check;

#endif
