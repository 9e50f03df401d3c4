/* qgs.c: two messages of the protocol, and the one setting. */
#include "lib/base.h"

#include "evidence/qgs.h"

#include "evidence/bytes.h"

enum {
	HEADER = 16, MAJOR = 0, MINOR = 2, TYPE = 4, SIZE = 8, ERROR = 12,
	BODY = 8,			/* two sizes in requests and responses */
	GET_QUOTE_REQ = 0, GET_QUOTE_RESP = 1,
	PORT_MAX = 65535,
};

static struct span
trim(struct span s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = (struct span){ s.p + 1, s.len - 1 };
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t' || s.p[s.len - 1] == '\r'))
		s.len--;
	return s;
}

bool
qgs_port(struct span conf, uint32_t *port)
{
	struct span line, name;
	uint64_t value;

	while (span_split(&conf, '\n', &line)) {
		if (!span_split(&line, '=', &name) || !span_eq_str(trim(name), "port"))
			continue;
		if (!span_decimal(trim(line), PORT_MAX, &value))
			continue;
		*port = (uint32_t)value;
		return true;
	}
	return false;
}

int
qgs_request(struct span report, struct buf *out, struct err *e)
{
	uint8_t head[HEADER + BODY] = { 0 };
	size_t size = sizeof(head) + report.len;
	int rc;

	assert(report.len == TDREPORT_SIZE);
	put_le(head + MAJOR, 1, 2);
	put_le(head + MINOR, 1, 2);
	put_le(head + TYPE, GET_QUOTE_REQ, 4);
	put_le(head + SIZE, size, 4);
	put_le(head + HEADER, report.len, 4);
	rc = buf_add_be32(out, (uint32_t)size, e);
	if (rc == 0)
		rc = buf_add(out, head, sizeof(head), e);
	return rc < 0 ? rc : buf_add_span(out, report, e);
}

int
qgs_response(struct span message, struct span *quote, struct err *e)
{
	struct span in = message, head, sizes, id;

	if (!span_take(&in, HEADER, &head) || le32(head.p + SIZE) != message.len)
		return err_set(e, ERR_EVIDENCE, "qgs: an answer that is cut off");
	if (le16(head.p + MAJOR) != 1 || le32(head.p + TYPE) != GET_QUOTE_RESP)
		return err_set(e, ERR_EVIDENCE, "qgs: an answer of version %u and type %u", le16(head.p + MAJOR),
		    le32(head.p + TYPE));
	if (le32(head.p + ERROR) != 0)
		return err_set(e, ERR_EVIDENCE, "qgs: error %#x of the host's service", le32(head.p + ERROR));
	if (!span_take(&in, BODY, &sizes) || !span_take(&in, le32(sizes.p), &id) || !span_take(&in, le32(sizes.p + 4), quote) ||
	    in.len != 0)
		return err_set(e, ERR_EVIDENCE, "qgs: an answer that is malformed");
	return 0;
}
