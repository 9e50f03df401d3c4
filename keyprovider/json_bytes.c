/* json_bytes.c: see json_bytes.h. */
#include "lib/base.h"
#include "keyprovider/json_bytes.h"

#include "lib/codec.h"

static int
read_numbers(struct json_val v, const char *what, struct buf *out, struct err *e)
{
	struct json_iter it = json_iter(v);
	int rc = 0;

	while (rc == 0 && json_next(&it)) {
		uint64_t byte;

		rc = json_u64(it.val, what, UINT8_MAX, &byte, e);
		if (rc == 0)
			rc = buf_add_u8(out, (uint8_t)byte, e);
	}
	return rc;
}

int
json_bytes(struct json_val v, const char *what, struct buf *out, struct err *e)
{
	struct span raw;
	autobuf text = { 0 };
	int rc;

	if (json_is(v, JSON_ARRAY))
		return read_numbers(v, what, out, e);
	if (!json_is(v, JSON_STRING))
		return err_set(e, ERR_PARSE, "%s is missing, or neither base64 nor an array of bytes", what);
	raw = json_raw(v);
	text = (struct buf){ .max = raw.len, .secret = out->secret };
	rc = json_str(v, what, &text, e);
	if (rc < 0)
		return rc;
	return base64_decode(buf_span(&text), out, e) < 0 ? err_wrap(e, "%s", what) : 0;
}

int
json_bytes_format(struct span bytes, struct buf *out, struct err *e)
{
	int rc = buf_add_str(out, "[", e);

	for (size_t i = 0; i < bytes.len && rc == 0; i++)
		rc = buf_addf(out, e, "%s%u", i > 0 ? "," : "", bytes.p[i]);
	return rc < 0 ? rc : buf_add_str(out, "]", e);
}
