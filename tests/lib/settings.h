/*
 * settings.h: for tests of settings: what a file comes to, as short texts.
 */
#ifndef TESTS_LIB_SETTINGS_H
#define TESTS_LIB_SETTINGS_H

#include "agent/config.h"
#include "lib/json.h"
#include "tests/lib/tap.h"

static inline bool
warned(const struct config *c, const char *word)
{
	return strstr(buf_str(&c->warnings), word) != NULL;
}

static inline size_t
lines_of(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->data[i] == '\n';
	return n;
}

/* The property that everything else hangs on: what the host says sets nothing that decides about protection. */
static inline bool
host_sets_no_trust(const struct config *c)
{
	for (int s = 0; s < SET_COUNT; s++)
		if (settings[s].trust && c->v[s].text != NULL &&
		    (c->v[s].origin == ORIGIN_INITDATA || (c->v[s].origin == ORIGIN_CMDLINE &&
		    !config_true(c, SET_CMDLINE_MEASURED))))
			return false;
	return true;
}

/* Written and read again it is the same. */
static inline bool
same_settings(const struct config *a, const struct config *b)
{
	for (int s = 0; s < SET_COUNT; s++) {
		const struct config_value *x = &a->v[s], *y = &b->v[s];

		if ((x->text == NULL) != (y->text == NULL) || (x->text != NULL && (strcmp(x->text, y->text) != 0 ||
		    x->origin != y->origin || x->line != y->line)))
			return false;
	}
	return span_eq(buf_span(&a->warnings), buf_span(&b->warnings));
}

/* For fuzzers: whatever was read can be passed on, and printed. */
static inline void
settings_hold(const struct config *c)
{
	autobuf bytes = BUF(2 * CONFIG_FORMATTED), text = BUF(MIB(4)), json = BUF(MIB(4));
	autojson doc = NULL;
	autoconfig again;
	struct err e;

	config_init(&again);
	if (config_format(c, &bytes, &e) < 0)
		return;		/* too much of it: refused */
	if (config_parse(buf_span(&bytes), &again, &e) < 0 || !same_settings(c, &again))
		abort();
	if (config_print(c, false, &text, &e) < 0 || config_print(c, true, &json, &e) < 0 ||
	    json_parse(buf_span(&json), &doc, &e) < 0)
		abort();
}

#endif
