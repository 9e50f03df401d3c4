/*
 * json_bytes.h: bytes in JSON as the tools around key providers write them: base64 in a string (Go), or an array of
 * numbers (Rust). Sources: annotation packets v0; ocicrypt's key provider protocol.
 */
#ifndef KEYPROVIDER_JSON_BYTES_H
#define KEYPROVIDER_JSON_BYTES_H

#include "lib/json.h"

/* Either form; appended. -ERR_PARSE, never quoting the value. What passes is in secret memory if out is. */
int json_bytes(struct json_val, const char *what, struct buf *out, struct err *) must_check;

/* The array: the one form that both understand. */
int json_bytes_format(struct span, struct buf *out, struct err *) must_check;

#endif
