/* quote.c: header, body and the length of the signature: no more than it takes to know where a quote ends and what it binds. */
#include "lib/base.h"

#include "evidence/quote.h"

#include "evidence/bytes.h"

enum {
	HEADER		= 48,
	TEE_TYPE	= 4,
	TEE_TYPE_TDX	= 0x81,
	BODY_V4		= 584,		/* the size of version 4's only body */
	BODY_HEADER	= 6,		/* version 5: u16 type, u32 size */
	REPORT_DATA	= 520,		/* in every body */
	SIGNATURE_MIN	= 64 + 64,	/* signature and key */
};

/* Bodies of version 5 by type. */
static const uint32_t body_sizes[] = { [2] = 584, [3] = 648, [4] = 885 };

static int
cut_off(struct err *e)
{
	return err_set(e, ERR_EVIDENCE, "tdx: the quote is cut off");
}

/* Version 5 says what body it has. */
static int
take_body_header(struct span *in, uint32_t *size, struct err *e)
{
	struct span head;
	uint16_t type;

	if (!span_take(in, BODY_HEADER, &head))
		return cut_off(e);
	type = le16(head.p);
	*size = le32(head.p + 2);
	if (type >= ARRAY_LEN(body_sizes) || body_sizes[type] == 0 || body_sizes[type] != *size)
		return err_set(e, ERR_EVIDENCE, "tdx: a quote with body %u of %u bytes", type, *size);
	return 0;
}

int
quote_size(struct span blob, const uint8_t data[64], size_t *size, struct err *e)
{
	struct span in = blob, head, body, length, signature;
	uint32_t body_size = BODY_V4, n;
	uint16_t version;
	int rc = 0;

	if (!span_take(&in, HEADER, &head))
		return cut_off(e);
	version = le16(head.p);
	if ((version != 4 && version != 5) || le32(head.p + TEE_TYPE) != TEE_TYPE_TDX)
		return err_set(e, ERR_EVIDENCE, "tdx: not a quote of a TD (version %u, kind %u)", version,
		    le32(head.p + TEE_TYPE));
	if (version == 5)
		rc = take_body_header(&in, &body_size, e);
	if (rc < 0)
		return rc;
	if (!span_take(&in, body_size, &body) || !span_take(&in, 4, &length))
		return cut_off(e);
	n = le32(length.p);
	if (n < SIGNATURE_MIN || !span_take(&in, n, &signature))
		return cut_off(e);
	if (memcmp(body.p + REPORT_DATA, data, 64) != 0)
		return err_set(e, ERR_EVIDENCE, "tdx: the quote binds other data than was asked for");
	*size = blob.len - in.len;
	return 0;
}
