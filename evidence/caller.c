/*
 * caller.c: a hash with a label. What handshakes bind is a hash of 48 or 32 bytes and zeros, or SHA-512 of JSON that begins with
 * a brace: neither can be SHA-512 of something that begins with the length of the label.
 */
#include "lib/base.h"

#include "evidence/caller.h"

#include "lib/crypto.h"

static_assert(EVIDENCE_DATA == 64, "SHA-512 fills report data");

static const char *const modes[CALLER_MODE_COUNT] = {
	[CALLER_OFF] = "off",
	[CALLER_LABELLED] = "labelled",
	[CALLER_RAW] = "raw",
};

static const char *const kinds[CALLER_KIND_COUNT] = {
	[CALLER_RPC] = "rpc",
	[CALLER_REST] = "rest",
	[CALLER_CLI] = "cli",
};

bool
caller_mode_parse(const char *text, enum caller_mode *out)
{
	for (int m = 0; m < CALLER_MODE_COUNT; m++) {
		if (strcmp(text, modes[m]) != 0)
			continue;
		*out = (enum caller_mode)m;
		return true;
	}
	return false;
}

const char *
caller_kind_name(enum caller_kind kind)
{
	return kinds[kind];
}

static int
add_framed(struct buf *out, struct span s, struct err *e)
{
	int rc = buf_add_be32(out, (uint32_t)s.len, e);

	return rc < 0 ? rc : buf_add_span(out, s, e);
}

static int
labelled(enum caller_kind kind, struct span data, uint8_t out[EVIDENCE_DATA], struct err *e)
{
	autobuf text = BUF(256);
	int rc = add_framed(&text, SPAN_LIT(CALLER_LABEL), e);

	if (rc == 0)
		rc = add_framed(&text, span_str(kinds[kind]), e);
	if (rc == 0)
		rc = add_framed(&text, data, e);
	return rc < 0 ? rc : hash_once(HASH_SHA512, buf_span(&text), out, e);
}

int
caller_data(enum caller_mode mode, enum caller_kind kind, struct span data, uint8_t out[EVIDENCE_DATA], size_t *len,
    struct err *e)
{
	int rc;

	if (mode == CALLER_OFF)
		return err_set(e, ERR_DENIED, "evidence for callers is off");
	if (data.len > EVIDENCE_DATA)
		return err_set(e, ERR_USAGE, "%zu bytes of report data; at most %d", data.len, EVIDENCE_DATA);
	if (mode == CALLER_RAW) {
		if (data.len > 0)
			memcpy(out, data.p, data.len);
		*len = data.len;
		return 0;
	}
	rc = labelled(kind, data, out, e);
	if (rc == 0)
		*len = EVIDENCE_DATA;
	return rc;
}
