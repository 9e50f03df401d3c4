/* kek.c: see kek.h. */
#include "lib/base.h"
#include "keyprovider/kek.h"

#include "lib/codec.h"

static struct span
without_line_end(struct span s)
{
	if (s.len > 0 && s.p[s.len - 1] == '\n')
		s.len--;
	if (s.len > 0 && s.p[s.len - 1] == '\r')
		s.len--;
	return s;
}

int
kek_parse(struct span text, struct buf *kek, struct err *e)
{
	autobuf key = BUF_SECRET(KEK_FILE_MAX);
	struct span line = without_line_end(text);
	struct err unread;
	int rc;

	if (!kek->secret)
		return err_set(e, ERR_BUG, "a key must go to secret memory");
	if (text.len == KEK_SIZE)
		return buf_add_span(kek, text, e);
	rc = buf_reserve(&key, KEK_SIZE, e);
	if (rc < 0)
		return rc;
	if (hex_decode(line, key.data, KEK_SIZE))
		key.len = KEK_SIZE;
	else if (line.len <= KEK_FILE_MAX / 2 && base64_decode(line, &key, &unread) == -ERR_NOMEM)
		return err_set(e, ERR_NOMEM, "key file");
	if (key.len != KEK_SIZE)
		return err_set(e, ERR_CONFIG, "holds no key: it takes %d bytes, or their base64 or hex", KEK_SIZE);
	return buf_add_span(kek, buf_span(&key), e);
}
