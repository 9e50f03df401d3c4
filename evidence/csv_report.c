/*
 * csv_report.c: the nonce of the guest and a MAC with it show that nobody between firmware and guest has touched what
 * the signature does not cover: PEK and chip id.
 */
#include "lib/base.h"

#include "evidence/csv_report.h"

#include "evidence/bytes.h"
#include "lib/crypto.h"

enum {
	DATA = 64, MNONCE = 128, ANONCE = 188,		/* both versions; ANONCE of version 1 */
	PEK_SIZE = 2084, CHIP_ID_SIZE = 64, RANDOM_SIZE = 32, MAC_SIZE = 32,
	PEK_USAGE = 8, USAGE_PEK = 0x1002,		/* in a certificate */
	SM3_BLOCK = 64, SM3_SIZE = 32,
	HSK_SIZE = 832,
};

/* Where the tail begins: PEK, chip id, random bytes, MAC over these three. */
static const size_t tails[] = { [1] = 336, [2] = 1168 };
static_assert(336 + PEK_SIZE + CHIP_ID_SIZE + RANDOM_SIZE + MAC_SIZE == 2548, "version 1");
static_assert(1168 + PEK_SIZE + CHIP_ID_SIZE + RANDOM_SIZE + MAC_SIZE == 3380, "version 2");

/* In place; the mask is four bytes, and everything masked is aligned to that. */
static void
mask(uint8_t *p, size_t n, const uint8_t anonce[4])
{
	for (size_t i = 0; i < n; i++)
		p[i] ^= anonce[i % 4];
}

static int
hmac_sm3(const uint8_t key[CSV_MNONCE], struct span message, uint8_t out[HASH_MAX], struct err *e)
{
	uint8_t pad[SM3_BLOCK + SM3_SIZE];
	struct hash *h;
	int rc = hash_new(HASH_SM3, &h, e);

	if (rc < 0)
		return rc;
	memset(pad, 0x36, SM3_BLOCK);
	for (size_t i = 0; i < CSV_MNONCE; i++)
		pad[i] ^= key[i];
	rc = hash_update(h, pad, SM3_BLOCK, e);
	if (rc == 0)
		rc = hash_update(h, message.p, message.len, e);
	if (rc == 0)
		rc = hash_final(h, out, e);
	hash_free(h);
	for (size_t i = 0; i < SM3_BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	memcpy(pad + SM3_BLOCK, out, SM3_SIZE);
	return rc < 0 ? rc : hash_once(HASH_SM3, (struct span){ pad, sizeof(pad) }, out, e);
}

/* How far a report agrees with what was asked. */
enum verdict { OTHER_DATA, OTHER_NONCE, WRONG_MAC, OURS };

/* As a report of this version: a verdict, or -err. */
static int
judge(struct span page, int version, const uint8_t data[64], const uint8_t mnonce[CSV_MNONCE], struct err *e)
{
	static const uint8_t none[4];
	const uint8_t *anonce = version == 1 ? page.p + ANONCE : none;
	struct span tail = { page.p + tails[version], PEK_SIZE + CHIP_ID_SIZE + RANDOM_SIZE };
	uint8_t bound[64 + CSV_MNONCE], mac[HASH_MAX];
	int rc;

	static_assert(MNONCE == DATA + 64, "one behind the other");
	memcpy(bound, page.p + DATA, sizeof(bound));
	mask(bound, sizeof(bound), anonce);
	if (memcmp(bound, data, 64) != 0)
		return OTHER_DATA;
	if (memcmp(bound + 64, mnonce, CSV_MNONCE) != 0)
		return OTHER_NONCE;
	rc = hmac_sm3(mnonce, tail, mac, e);
	if (rc < 0)
		return rc;
	return crypto_equal((struct span){ mac, MAC_SIZE }, (struct span){ tail.p + tail.len, MAC_SIZE }) ? OURS : WRONG_MAC;
}

static int
refuse(enum verdict v, struct err *e)
{
	static const char *const why[] = {
		[OTHER_DATA] = "the report binds other data than was asked for",
		[OTHER_NONCE] = "the report answers another request: it has another nonce",
		[WRONG_MAC] = "PEK or chip id were changed on their way: wrong MAC",
	};

	assert(v < OURS);
	return err_set(e, ERR_EVIDENCE, "csv: %s", why[v]);
}

int
csv_report_open(struct span page, const uint8_t data[64], const uint8_t mnonce[CSV_MNONCE], struct buf *out,
    struct err *e)
{
	int version = 3, verdict = OTHER_DATA, best = OTHER_DATA, rc;
	uint8_t *tail;

	if (page.len != CSV_REPORT_SIZE)
		return err_set(e, ERR_EVIDENCE, "csv: a report of %zu bytes", page.len);
	while (version > 1 && verdict >= 0 && verdict != OURS) {
		verdict = judge(page, --version, data, mnonce, e);
		best = MAX(best, verdict);
	}
	if (verdict < 0)
		return verdict;
	if (verdict != OURS)
		return refuse((enum verdict)best, e);
	rc = buf_add_span(out, page, e);
	if (rc < 0)
		return rc;
	tail = out->data + out->len - CSV_REPORT_SIZE + tails[version];
	if (version == 1)
		mask(tail, PEK_SIZE + CHIP_ID_SIZE, page.p + ANONCE);
	memset(tail + PEK_SIZE + CHIP_ID_SIZE, 0, RANDOM_SIZE);
	return 0;
}

/* In version 1 this place is in the reserved part of the PEK. */
int
csv_report_version(struct span report)
{
	return le32(report.p + tails[2] + PEK_USAGE) == USAGE_PEK ? 2 : 1;
}

static const uint8_t *
tail_of(struct span report)
{
	return report.p + tails[csv_report_version(report)];
}

int
csv_chip_id(struct span report, char out[65], struct err *e)
{
	const uint8_t *id = tail_of(report) + PEK_SIZE;
	size_t n = 0;

	for (; n < CHIP_ID_SIZE && id[n] != '\0'; n++) {
		bool letter = (id[n] >= 'A' && id[n] <= 'Z') || (id[n] >= 'a' && id[n] <= 'z');

		if (!letter && !(id[n] >= '0' && id[n] <= '9'))
			return err_set(e, ERR_EVIDENCE, "csv: a chip id that is no text");
		out[n] = (char)id[n];
	}
	if (n == 0)
		return err_set(e, ERR_EVIDENCE, "csv: no chip id");
	out[n] = '\0';
	return 0;
}

/* --- JSON, members sorted by name */

static void
emit_point(struct emit *o, const char *name, const uint8_t *p)
{
	emit(o, "\"%s\":{\"g\":%u,", name, le32(p));
	emit_ints(o, "x", p + 4, 72, true);
	emit_ints(o, "y", p + 76, 72, false);
	emit(o, "}");
}

static void
emit_rs(struct emit *o, const uint8_t *p)
{
	emit(o, "\"signature\":{");
	emit_ints(o, "r", p, 72, true);
	emit_ints(o, "s", p + 72, 72, false);
	emit(o, "}");
}

static void
emit_signature(struct emit *o, const uint8_t *p)
{
	emit(o, "{");
	emit_ints(o, "_reserved", p + 152, 368, true);
	emit(o, "\"algo\":%u,", le32(p + 4));
	emit_rs(o, p + 8);
	emit(o, ",\"usage\":%u}", le32(p));
}

/* PEK, CEK: 2084 bytes. */
static void
emit_csv(struct emit *o, const char *name, const uint8_t *c)
{
	emit(o, "\"%s\":{\"body\":{\"data\":{\"firmware\":{\"major\":%u,\"minor\":%u},\"pubkey\":{\"algo\":%u,", name, c[4], c[5],
	    le32(c + 12));
	emit_point(o, "key", c + 16);
	emit(o, ",\"usage\":%u},\"reserved1\":%u,", le32(c + 8), le16(c + 6));
	emit_ints(o, "reserved2", c + 436, 608, true);
	emit_ints(o, "sid", c + 420, 16, true);
	emit(o, "\"uid_size\":%u,", le16(c + 164));
	emit_ints(o, "user_id", c + 166, 254, false);
	emit(o, "},\"ver\":%u},\"sigs\":[", le32(c));
	emit_signature(o, c + 1044);
	emit(o, ",");
	emit_signature(o, c + 1564);
	emit(o, "]}");
}

/* HSK: 832 bytes. */
static void
emit_ca(struct emit *o, const char *name, const uint8_t *c)
{
	emit(o, "\"%s\":{", name);
	emit_ints(o, "_reserved", c + 720, 112, true);
	emit(o, "\"body\":{\"preamble\":{\"data\":{");
	emit_ints(o, "kid", c + 4, 16, true);
	emit_ints(o, "reserved", c + 40, 24, true);
	emit_ints(o, "sid", c + 20, 16, true);
	emit(o, "\"usage\":%u},\"ver\":%u},", le32(c + 36), le32(c));
	emit_point(o, "pubkey", c + 64);
	emit(o, ",");
	emit_ints(o, "reserved", c + 468, 108, true);
	emit(o, "\"uid_size\":%u,", le16(c + 212));
	emit_ints(o, "user_id", c + 214, 254, false);
	emit(o, "},");
	emit_rs(o, c + 576);
	emit(o, "}");
}

int
csv_json(struct span report, struct span hsk_cek, struct span event_log, struct buf *out, struct err *e)
{
	static const uint8_t magics[][16] = { [1] = { 0 }, [2] = "ATTESTATION_EXT" };
	struct emit o = { .out = out, .err = e };
	int version = csv_report_version(report);
	const uint8_t *tail = tail_of(report);

	emit(&o, "{\"attestation_report\":{");
	emit_ints(&o, "data", report.p, report.len, true);
	emit(&o, "\"flags\":%d,", version == 2);
	emit_ints(&o, "magic", magics[version], 16, false);
	emit(&o, "},\"cc_eventlog\":");
	if (event_log.len > 0)
		emit_base64(&o, event_log);
	else
		emit(&o, "null");
	emit(&o, ",\"cert_chain\":{");
	if (hsk_cek.len == CSV_HSK_CEK_SIZE) {
		emit(&o, "\"hsk_cek\":{");
		emit_csv(&o, "cek", hsk_cek.p + HSK_SIZE);
		emit(&o, ",");
		emit_ca(&o, "hsk", hsk_cek.p);
		emit(&o, "},");
	}
	emit_csv(&o, "pek", tail);
	emit(&o, "},");
	emit_ints(&o, "serial_number", tail + PEK_SIZE, CHIP_ID_SIZE, false);
	emit(&o, "}");
	return o.rc;
}

int
csv_raw(struct span report, struct span hsk_cek, struct buf *out, struct err *e)
{
	uint8_t length[4];
	int rc;

	if (csv_report_version(report) != 1)
		return err_set(e, ERR_UNSUPPORTED, "csv: rats-tls does not know reports of version 2");
	if (hsk_cek.len != CSV_HSK_CEK_SIZE)
		return err_set(e, ERR_EVIDENCE, "csv: rats-tls wants HSK and CEK, and there is no file with them");
	rc = buf_add_span(out, report, e);
	if (rc < 0)
		return rc;
	mask(out->data + out->len - report.len + tails[1], PEK_SIZE + CHIP_ID_SIZE, report.p + ANONCE);
	put_le(length, hsk_cek.len, sizeof(length));
	rc = buf_add_span(out, hsk_cek, e);
	return rc < 0 ? rc : buf_add(out, length, sizeof(length), e);
}
