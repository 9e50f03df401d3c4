/* der.c: see der.h. */
#include "lib/base.h"
#include "keyprovider/der.h"

enum { LONG_TAG = 0x1f, LONG_LENGTH = 0x80, MAX_LENGTH_BYTES = 3 };

/* Indefinite lengths (0x80) are those of BER; more than three bytes are of no use here. */
static bool
take_length(struct span *in, size_t *out)
{
	size_t n = 0, count;
	uint8_t byte;

	if (!span_u8(in, &byte))
		return false;
	if (byte < LONG_LENGTH) {
		*out = byte;
		return true;
	}
	count = byte & 0x7fu;
	if (count == 0 || count > MAX_LENGTH_BYTES)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!span_u8(in, &byte) || (i == 0 && byte == 0))
			return false;
		n = n << 8 | byte;
	}
	*out = n;
	return n >= LONG_LENGTH;
}

bool
der_next(struct span *in, struct der *out)
{
	struct span rest = *in;
	struct der d;
	size_t len;

	if (!span_u8(&rest, &d.tag) || (d.tag & LONG_TAG) == LONG_TAG ||
	    !take_length(&rest, &len) || !span_take(&rest, len, &d.value))
		return false;
	d.whole = (struct span){ in->p, in->len - rest.len };
	*in = rest;
	*out = d;
	return true;
}

bool
der_take(struct span *in, uint8_t tag, struct span *value)
{
	struct span rest = *in;
	struct der d;

	if (!der_next(&rest, &d) || d.tag != tag)
		return false;
	*in = rest;
	*value = d.value;
	return true;
}

uint8_t
der_peek(struct span in)
{
	return in.len > 0 ? in.p[0] : 0;
}
