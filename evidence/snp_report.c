/*
 * snp_report.c: the verifier rebuilds the report's bytes from the JSON before it checks the signature, so each field
 * must be exact; what the JSON has no field for is reserved and zero.
 */
#include "lib/base.h"

#include "evidence/snp_report.h"

#include "evidence/bytes.h"

enum {
	AT_VERSION = 0, AT_GUEST_SVN = 4, AT_POLICY = 8, AT_FAMILY_ID = 0x10, AT_IMAGE_ID = 0x20, AT_VMPL = 0x30,
	AT_SIG_ALGO = 0x34, AT_CURRENT_TCB = 0x38, AT_PLAT_INFO = 0x40, AT_KEY_INFO = 0x48, AT_REPORT_DATA = 0x50,
	AT_MEASUREMENT = 0x90, AT_HOST_DATA = 0xc0, AT_ID_KEY = 0xe0, AT_AUTHOR_KEY = 0x110, AT_REPORT_ID = 0x140,
	AT_REPORT_ID_MA = 0x160, AT_REPORTED_TCB = 0x180, AT_CPUID = 0x188, AT_CHIP_ID = 0x1a0,
	AT_COMMITTED_TCB = 0x1e0, AT_CURRENT = 0x1e8, AT_COMMITTED = 0x1ec, AT_LAUNCH_TCB = 0x1f0,
	AT_LAUNCH_MIT = 0x1f8, AT_CURRENT_MIT = 0x200, AT_SIG_R = 0x2a0, AT_SIG_S = 0x2e8,
	CHIP_ID = 64, CHIP_ID_TURIN = 8, SIG_PART = 72,
	FAMILY_TURIN = 0x1a,
};
static_assert(AT_SIG_S + SIG_PART + 368 == SNP_REPORT_SIZE, "layout of the report");

int
snp_report_check(struct span report, const uint8_t data[64], struct err *e)
{
	uint32_t version;

	if (report.len != SNP_REPORT_SIZE)
		return err_set(e, ERR_EVIDENCE, "snp: a report of %zu bytes instead of %d", report.len, SNP_REPORT_SIZE);
	version = le32(report.p);
	if (version < 2 || version > 5)
		return err_set(e, ERR_EVIDENCE, "snp: a report of version %u", version);
	if (memcmp(report.p + AT_REPORT_DATA, data, 64) != 0)
		return err_set(e, ERR_EVIDENCE, "snp: the report binds other data than was asked for");
	return 0;
}

/* Version 2 tells no CPU: the chip's id is shorter there. A masked id is all zero and tells nothing. */
static bool
is_turin(const uint8_t *r)
{
	static const uint8_t zero[CHIP_ID];

	if (le32(r) >= 3)
		return r[AT_CPUID] >= FAMILY_TURIN;
	return memcmp(r + AT_CHIP_ID + CHIP_ID_TURIN, zero, CHIP_ID - CHIP_ID_TURIN) == 0 &&
	    memcmp(r + AT_CHIP_ID, zero, CHIP_ID_TURIN) != 0;
}

static void
emit_tcb(struct emit *o, const char *name, const uint8_t *t, bool turin)
{
	if (turin)
		emit(o, "\"%s\":{\"fmc\":%u,\"bootloader\":%u,\"tee\":%u,\"snp\":%u,\"microcode\":%u},", name, t[0], t[1], t[2],
		    t[3], t[7]);
	else
		emit(o, "\"%s\":{\"fmc\":null,\"bootloader\":%u,\"tee\":%u,\"snp\":%u,\"microcode\":%u},", name, t[0], t[1], t[6],
		    t[7]);
}

static void
emit_version(struct emit *o, const char *name, const uint8_t *v)
{
	emit(o, "\"%s\":{\"major\":%u,\"minor\":%u,\"build\":%u},", name, v[2], v[1], v[0]);
}

/* Version 3 added the CPU. */
static void
emit_cpuid(struct emit *o, const uint8_t *r)
{
	const uint8_t *c = r + AT_CPUID;

	if (le32(r) >= 3)
		emit(o, "\"cpuid_fam_id\":%u,\"cpuid_mod_id\":%u,\"cpuid_step\":%u,", c[0], c[1], c[2]);
	else
		emit(o, "\"cpuid_fam_id\":null,\"cpuid_mod_id\":null,\"cpuid_step\":null,");
}

/* Version 5 added the mitigations; before, verifiers take them as absent. */
static void
emit_mitigations(struct emit *o, const uint8_t *r)
{
	if (le32(r) >= 5)
		emit(o, "\"launch_mit_vector\":%" PRIu64 ",\"current_mit_vector\":%" PRIu64 ",", le64(r + AT_LAUNCH_MIT),
		    le64(r + AT_CURRENT_MIT));
}

int
snp_report_json(struct span report, struct buf *out, struct err *e)
{
	struct emit o = { .out = out, .err = e };
	const uint8_t *r = report.p;
	bool turin = is_turin(r);

	emit(&o, "{\"version\":%u,\"guest_svn\":%u,\"policy\":%" PRIu64 ",", le32(r + AT_VERSION), le32(r + AT_GUEST_SVN),
	    le64(r + AT_POLICY));
	emit_ints(&o, "family_id", r + AT_FAMILY_ID, 16, true);
	emit_ints(&o, "image_id", r + AT_IMAGE_ID, 16, true);
	emit(&o, "\"vmpl\":%u,\"sig_algo\":%u,", le32(r + AT_VMPL), le32(r + AT_SIG_ALGO));
	emit_tcb(&o, "current_tcb", r + AT_CURRENT_TCB, turin);
	emit(&o, "\"plat_info\":%" PRIu64 ",\"key_info\":%u,", le64(r + AT_PLAT_INFO), le32(r + AT_KEY_INFO));
	emit_ints(&o, "report_data", r + AT_REPORT_DATA, 64, true);
	emit_ints(&o, "measurement", r + AT_MEASUREMENT, 48, true);
	emit_ints(&o, "host_data", r + AT_HOST_DATA, 32, true);
	emit_ints(&o, "id_key_digest", r + AT_ID_KEY, 48, true);
	emit_ints(&o, "author_key_digest", r + AT_AUTHOR_KEY, 48, true);
	emit_ints(&o, "report_id", r + AT_REPORT_ID, 32, true);
	emit_ints(&o, "report_id_ma", r + AT_REPORT_ID_MA, 32, true);
	emit_tcb(&o, "reported_tcb", r + AT_REPORTED_TCB, turin);
	emit_cpuid(&o, r);
	emit_ints(&o, "chip_id", r + AT_CHIP_ID, CHIP_ID, true);
	emit_tcb(&o, "committed_tcb", r + AT_COMMITTED_TCB, turin);
	emit_version(&o, "current", r + AT_CURRENT);
	emit_version(&o, "committed", r + AT_COMMITTED);
	emit_tcb(&o, "launch_tcb", r + AT_LAUNCH_TCB, turin);
	emit_mitigations(&o, r);
	emit(&o, "\"signature\":{");
	emit_ints(&o, "r", r + AT_SIG_R, SIG_PART, true);
	emit_ints(&o, "s", r + AT_SIG_S, SIG_PART, false);
	emit(&o, "}}");
	return o.rc;
}

/* --- certificates: entries of guid, u32 offset, u32 length, and one of zeros at the end */

#define ENTRY		24
#define CERTS_MAX	32

struct cert {
	const uint8_t	*guid;
	struct span	 data;
};

/* In the order verifiers want; others come behind them. */
static const struct {
	const char	*name;
	uint8_t		 guid[16];
} kinds[] = {
	{ "VCEK", { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd } },
	{ "VLEK", { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 } },
	{ "ASK", { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 } },
	{ "ARK", { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae } },
	{ "CRL", { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea } },
};

static size_t
kind_of(const struct cert *c)
{
	size_t k;

	for (k = 0; k < ARRAY_LEN(kinds); k++)
		if (memcmp(c->guid, kinds[k].guid, 16) == 0)
			break;
	return k;
}

/* A table that is all room and no entry ends where it ends. */
static int
read_table(struct span table, struct cert certs[CERTS_MAX], size_t *n, struct err *e)
{
	static const uint8_t zero[ENTRY];
	struct span in = table, entry;

	*n = 0;
	while (span_take(&in, ENTRY, &entry) && memcmp(entry.p, zero, ENTRY) != 0) {
		uint32_t at = le32(entry.p + 16), length = le32(entry.p + 20);

		if (*n == CERTS_MAX)
			return err_set(e, ERR_EVIDENCE, "snp: more than %d certificates", CERTS_MAX);
		if (at > table.len || length > table.len - at)
			return err_set(e, ERR_EVIDENCE, "snp: certificate %zu lies outside of its table", *n);
		certs[(*n)++] = (struct cert){ entry.p, { table.p + at, length } };
	}
	return 0;
}

static void
emit_kind(struct emit *o, const struct cert *c)
{
	size_t k = kind_of(c);

	if (k < ARRAY_LEN(kinds)) {
		emit(o, "\"cert_type\":\"%s\",", kinds[k].name);
		return;
	}
	emit(o, "\"cert_type\":{\"OTHER\":\"");
	for (size_t i = 0; i < 16; i++)
		emit(o, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", c->guid[i]);
	emit(o, "\"},");
}

int
snp_certs_json(struct span table, struct buf *out, struct err *e)
{
	struct emit o = { .out = out, .err = e };
	struct cert certs[CERTS_MAX];
	size_t n, done = 0;
	int rc = read_table(table, certs, &n, e);

	if (rc < 0)
		return rc;
	if (n == 0) {
		emit(&o, "null");
		return o.rc;
	}
	emit(&o, "[");
	for (size_t k = 0; k <= ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < n; i++) {
			if (kind_of(&certs[i]) != k)
				continue;
			emit(&o, "%s{", done++ > 0 ? "," : "");
			emit_kind(&o, &certs[i]);
			emit_ints(&o, "data", certs[i].data.p, certs[i].data.len, false);
			emit(&o, "}");
		}
	}
	emit(&o, "]");
	return o.rc;
}
