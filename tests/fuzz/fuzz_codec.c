/*
 * fuzz_codec.c: any bytes come back from every encoding; any text that decodes
 * is the one text of what it decodes to.
 */
#include "lib/base.h"
#include "lib/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

typedef int codec(struct span, struct buf *, struct err *);

static const size_t limit = 1 << 24;

static void
check_base64(struct span s, codec *encode, codec *decode)
{
	autobuf text = BUF(limit), bytes = BUF(limit), again = BUF(limit);
	struct err e;

	if (encode(s, &text, &e) < 0 ||
	    decode(buf_span(&text), &bytes, &e) < 0 ||
	    !span_eq(buf_span(&bytes), s))
		abort();
	buf_reset(&bytes);
	if (decode(s, &bytes, &e) == 0 &&
	    (encode(buf_span(&bytes), &again, &e) < 0 ||
	    !span_eq(buf_span(&again), s)))
		abort();
}

static void
check_hex(struct span s)
{
	autobuf text = BUF(limit), bytes = BUF(limit);
	struct err e;
	size_t half = s.len / 2;

	if (buf_reserve(&text, 2 * s.len + 1, &e) < 0 ||
	    buf_reserve(&bytes, s.len + 1, &e) < 0)
		abort();
	hex_encode(s.p, s.len, (char *)text.data);
	if (!hex_decode((struct span){ text.data, 2 * s.len }, bytes.data,
	    s.len) || (s.len > 0 && memcmp(bytes.data, s.p, s.len) != 0))
		abort();
	if (hex_decode(s, bytes.data, half)) {
		hex_encode(bytes.data, half, (char *)text.data);
		if (!span_eq((struct span){ text.data, s.len }, s))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = { data, size };

	if (size > limit / 4)
		return 0;
	check_base64(s, base64_encode, base64_decode);
	check_base64(s, base64url_encode, base64url_decode);
	check_hex(s);
	return 0;
}
