/*
 * mutate.h: every truncation, every single-bit flip and many byte values of a valid input, against a parser.
 * The parser must return 0 or a negative error; crashes are found by the sanitizers.
 */
#ifndef TESTS_LIB_MUTATE_H
#define TESTS_LIB_MUTATE_H

#include "lib/buf.h"

/* parse gets a heap copy of exactly the mutant's length. Returns the number of mutants tried; bit flips cover the first `flip` bytes. */
static inline size_t
mutate(struct span valid, size_t flip, void (*parse)(struct span, void *), void *arg)
{
	size_t tried = 0;

	for (size_t n = 0; n <= valid.len; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		assert(copy != NULL);
		memcpy(copy, valid.p, n);
		parse((struct span){ copy, n }, arg);
		free(copy);
		tried++;
	}
	for (size_t at = 0; at < valid.len && at < flip; at++) {
		for (unsigned k = 0; k < 12; k++) {
			static const uint8_t odd[] = { 0x00, 0xff, 0x22, 0x80 };
			uint8_t *copy = malloc(valid.len);

			assert(copy != NULL);
			memcpy(copy, valid.p, valid.len);
			copy[at] = k < 8 ? (uint8_t)(copy[at] ^ (1u << k)) : odd[k - 8];
			parse((struct span){ copy, valid.len }, arg);
			free(copy);
			tried++;
		}
	}
	return tried;
}

#endif
