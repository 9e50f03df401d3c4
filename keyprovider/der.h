/*
 * der.h: one element of DER after the other, from the front of a span. Tags of one byte, definite lengths in the
 * shortest form; what an element means is the caller's business.
 */
#ifndef KEYPROVIDER_DER_H
#define KEYPROVIDER_DER_H

#include "lib/buf.h"

enum {
	DER_INTEGER	= 0x02,
	DER_BIT_STRING	= 0x03,
	DER_OCTETS	= 0x04,
	DER_NULL	= 0x05,
	DER_OID		= 0x06,
	DER_SEQUENCE	= 0x30,
	DER_SET		= 0x31,
	DER_CONTEXT_0	= 0xa0,		/* [0], constructed */
};

struct der {
	uint8_t		tag;
	struct span	value;		/* the contents */
	struct span	whole;		/* with tag and length */
};

/* false, and nothing consumed, for anything else: also at the end. */
bool der_next(struct span *in, struct der *out);
/* The next element, if it has this tag: its contents. */
bool der_take(struct span *in, uint8_t tag, struct span *value);
/* The tag of the next element; 0 at the end. */
uint8_t der_peek(struct span in);

#endif
