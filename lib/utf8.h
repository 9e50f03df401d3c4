/*
 * utf8.h: characters in texts of others, as RFC 3629 has them: no surrogates, nothing
 * overlong, nothing above U+10FFFF.
 */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include "lib/buf.h"

/* Bytes of the character at the front and its value; 0 if there is none, and *out is untouched. */
size_t utf8_decode(struct span, uint32_t *out);
/* The bytes of a character that is one; returns how many. */
uint8_t utf8_encode(uint32_t, uint8_t out[4]);

#endif
