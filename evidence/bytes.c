/* bytes.c: see bytes.h. */
#include "lib/base.h"

#include "evidence/bytes.h"

#include "lib/codec.h"

void
emit(struct emit *o, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int n;

	if (o->rc < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < sizeof(text));
	o->rc = buf_add(o->out, text, (size_t)n, o->err);
}

void
emit_ints(struct emit *o, const char *name, const uint8_t *p, size_t n, bool comma)
{
	char text[4 * 48 + 1];	/* of 48 numbers: reports have thousands */

	emit(o, "\"%s\":[", name);
	for (size_t i = 0; i < n;) {
		size_t len = 0;

		for (size_t stop = MIN(n, i + 48); i < stop; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", i > 0 ? "," : "", p[i]);
		emit(o, "%s", text);
	}
	emit(o, "]%s", comma ? "," : "");
}

void
emit_base64(struct emit *o, struct span bytes)
{
	emit(o, "\"");
	if (o->rc == 0)
		o->rc = base64_encode(bytes, o->out, o->err);
	emit(o, "\"");
}
