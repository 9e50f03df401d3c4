/*
 * snp.c: AMD SEV-SNP: report and certificates from configfs-tsm, else from
 * /dev/sev-guest. The host may refuse the certificates, never the report.
 * Keys that the firmware derives.
 */
#include "lib/base.h"

#include "evidence/snp.h"

#include <fcntl.h>

#include "evidence/bytes.h"
#include "evidence/snp_report.h"
#include "evidence/tsm.h"
#include "evidence/uapi.h"
#include "lib/crypto.h"
#include "lib/sys.h"

#define PROVIDER	"sev_guest"
#define CERTS_TRIES	3		/* the host may add a certificate between two calls */
#define VMPL		0		/* what verifiers demand */

/* Memory of one call. */
struct call {
	uint8_t		 ioctl[SNP_IOCTL];
	uint8_t		 request[SNP_EXT_REQ];
	uint8_t		 response[SNP_RESP];
	struct buf	 certs;
};

static bool
probe(const struct evidence_env *env)
{
	int fd = env->open(env->arg, SNP_DEVICE, O_RDWR);

	if (fd >= 0) {
		base_close(&fd);
		return true;
	}
	return tsm_provided_by(env, PROVIDER);
}

/* exitinfo2 is written by the kernel only when it is not zero: it must be zero before. */
static void
address(uint8_t ioctl[SNP_IOCTL], const uint8_t *request, const uint8_t *response)
{
	memset(ioctl, 0, SNP_IOCTL);
	ioctl[SNP_MSG_VERSION] = 1;
	put_le(ioctl + SNP_REQUEST, uapi_address(request), 8);
	put_le(ioctl + SNP_RESPONSE, uapi_address(response), 8);
}

static void
prepare(struct call *c, const uint8_t data[EVIDENCE_DATA])
{
	memset(c->request, 0, sizeof(c->request));
	memset(c->response, 0, sizeof(c->response));
	address(c->ioctl, c->request, c->response);
	memcpy(c->request + SNP_USER_DATA, data, EVIDENCE_DATA);
	put_le(c->request + SNP_VMPL, VMPL, 4);
}

/* failed: the errno of the call, or 0. */
static int
check_call(const uint8_t ioctl[SNP_IOCTL], int failed, struct err *e)
{
	uint32_t fw = le32(ioctl + SNP_FW_ERROR), vmm = le32(ioctl + SNP_VMM_ERROR);

	if (failed == 0 && fw == 0 && vmm == 0)
		return 0;
	errno = failed != 0 ? failed : EIO;
	return err_sys_as(e, failed == ETIMEDOUT || vmm == SNP_VMM_BUSY ? ERR_TIMEOUT : ERR_EVIDENCE,
	    "snp: %s (firmware error %u, host error %u)", SNP_DEVICE, fw, vmm);
}

/* One extended report. 1: the host wants room for *need bytes of certificates. */
static int
ask_extended(const struct evidence_env *env, int fd, struct call *c, const uint8_t data[EVIDENCE_DATA], uint32_t *need,
    struct err *e)
{
	int failed;

	prepare(c, data);
	/* No room, but an address: a host that has certificates then tells their size. */
	put_le(c->request + SNP_CERTS, c->certs.len > 0 ? uapi_address(c->certs.data) : UINT64_MAX, 8);
	put_le(c->request + SNP_CERTS_LEN, c->certs.len, 4);
	failed = env->ioctl(env->arg, fd, SNP_GET_EXT_REPORT, c->ioctl) < 0 ? errno : 0;
	/* Kernels differ in whether this is a failure of the call, too. */
	if (le32(c->ioctl + SNP_VMM_ERROR) == SNP_VMM_INVALID_LEN && (failed == 0 || failed == EIO)) {
		*need = le32(c->request + SNP_CERTS_LEN);
		return 1;
	}
	return check_call(c->ioctl, failed, e);
}

/* Pages, as the kernel demands them. */
static int
make_room(struct call *c, uint32_t need, struct err *e)
{
	size_t room = ((size_t)need + 4095) & ~(size_t)4095;

	if (need == 0 || room > LIMIT_CERTS)
		return err_set(e, ERR_EVIDENCE, "snp: the host wants room for %u bytes of certificates", need);
	buf_reset(&c->certs);
	if (buf_reserve(&c->certs, room, e) < 0)
		return -(int)e->code;
	c->certs.len = room;
	return 0;
}

/* The report out of the response; what the firmware says is not believed. */
static int
take_report(const struct call *c, const uint8_t data[EVIDENCE_DATA], struct buf *report, struct err *e)
{
	uint32_t status = le32(c->response + SNP_STATUS), size = le32(c->response + SNP_SIZE);
	struct span bytes = { c->response + SNP_REPORT_AT, SNP_REPORT_SIZE };
	int rc;

	if (status != 0)
		return err_set(e, ERR_EVIDENCE, "snp: the firmware refuses a report: status %#x", status);
	if (size != SNP_REPORT_SIZE)
		return err_set(e, ERR_EVIDENCE, "snp: a report of %u bytes instead of %d", size, SNP_REPORT_SIZE);
	rc = snp_report_check(bytes, data, e);
	return rc < 0 ? rc : buf_add_span(report, bytes, e);
}

static int
ask_device(const struct evidence_env *env, int fd, struct call *c, const uint8_t data[EVIDENCE_DATA],
    struct evidence *out, struct err *e)
{
	uint32_t need = 0;
	int rc = 1;

	for (int i = 0; i < CERTS_TRIES && rc == 1; i++) {
		if (need > 0 && make_room(c, need, e) < 0)
			return -(int)e->code;
		rc = ask_extended(env, fd, c, data, &need, e);
		if (rc == 1 && need == 0)
			return err_set(e, ERR_EVIDENCE, "snp: the host wants no room for its certificates, and more than that");
	}
	if (rc == 1)
		return err_set(e, ERR_EVIDENCE, "snp: the host wants room for more and more certificates");
	if (rc == 0)
		rc = take_report(c, data, &out->report, e);
	if (rc == 0)
		buf_move(&out->certs, &c->certs);
	return rc;
}

static int
collect_device(const struct evidence_env *env, const uint8_t data[EVIDENCE_DATA], struct evidence *out, struct err *e)
{
	autoclose int fd = env->open(env->arg, SNP_DEVICE, O_RDWR);
	struct call c = { .certs = BUF(LIMIT_CERTS) };
	int rc;

	if (fd < 0)
		return err_sys_as(e, ERR_NO_TEE, "snp: %s", SNP_DEVICE);
	rc = ask_device(env, fd, &c, data, out, e);
	buf_free(&c.certs);
	return rc;
}

static int
collect(const struct evidence_env *env, struct span data, struct evidence *out, struct err *e)
{
	uint8_t padded[EVIDENCE_DATA];
	int rc;

	evidence_pad(data, padded);
	if (!tsm_provided_by(env, PROVIDER))
		return collect_device(env, padded, out, e);
	rc = tsm_report(env, PROVIDER, true, padded, &out->report, &out->certs, e);
	return rc < 0 ? rc : snp_report_check(buf_span(&out->report), padded, e);
}

static int
json(const struct evidence *ev, struct buf *out, struct err *e)
{
	int rc = buf_add_str(out, "{\"attestation_report\":", e);

	if (rc == 0)
		rc = snp_report_json(buf_span(&ev->report), out, e);
	if (rc == 0)
		rc = buf_add_str(out, ",\"cert_chain\":", e);
	if (rc == 0)
		rc = snp_certs_json(buf_span(&ev->certs), out, e);
	return rc < 0 ? rc : buf_add_str(out, "}", e);
}

/* --- keys */

static int
check_question(const struct snp_key_question *q, struct err *e)
{
	if ((q->fields & ~SNP_KEY_ALL) != 0 || q->vmpl > SNP_KEY_VMPL_MAX)
		return err_set(e, ERR_USAGE, "snp: a key by fields %#" PRIx64 " at level %u", q->fields, q->vmpl);
	if ((q->tcb != 0 && (q->fields & SNP_KEY_TCB) == 0) || (q->svn != 0 && (q->fields & SNP_KEY_GUEST_SVN) == 0))
		return err_set(e, ERR_USAGE, "snp: a key by a number that is not mixed in");
	return 0;
}

/* A key of zeros is what a kernel that wrote nothing would leave. */
static int
take_key(const uint8_t response[SNP_KEY_RESP], struct buf *key, struct err *e)
{
	static const uint8_t none[SNP_KEY_SIZE];
	const struct span bytes = { response + SNP_KEY_AT, SNP_KEY_SIZE };
	uint32_t status = le32(response + SNP_STATUS);

	if (status != 0)
		return err_set(e, ERR_EVIDENCE, "snp: the firmware refuses a key: status %#x", status);
	if (crypto_equal(bytes, (struct span){ none, sizeof(none) }))
		return err_set(e, ERR_EVIDENCE, "snp: the firmware gave no key");
	return buf_add_span(key, bytes, e);
}

int
snp_derive_key(const struct evidence_env *env, const struct snp_key_question *q, struct buf *key, struct err *e)
{
	uint8_t ioctl[SNP_IOCTL], request[SNP_KEY_REQ] = { 0 };
	autobuf response = BUF_SECRET(SNP_KEY_RESP);
	autoclose int fd = -1;
	int failed, rc;

	assert(key->secret);
	rc = check_question(q, e);
	if (rc == 0)
		rc = buf_reserve(&response, SNP_KEY_RESP, e);
	if (rc < 0)
		return rc;
	fd = env->open(env->arg, SNP_DEVICE, O_RDWR);
	if (fd < 0)
		return err_sys_as(e, ERR_NO_TEE, "snp: %s", SNP_DEVICE);
	put_le(request + SNP_KEY_ROOT, q->migrates, 4);
	put_le(request + SNP_KEY_FIELDS, q->fields, 8);
	put_le(request + SNP_KEY_VMPL, q->vmpl, 4);
	put_le(request + SNP_KEY_SVN, q->svn, 4);
	put_le(request + SNP_KEY_TCB_AT, q->tcb, 8);
	address(ioctl, request, response.data);
	failed = env->ioctl(env->arg, fd, SNP_GET_DERIVED_KEY, ioctl) < 0 ? errno : 0;
	rc = check_call(ioctl, failed, e);
	return rc < 0 ? rc : take_key(response.data, key, e);
}

const struct attester_ops attester_snp = {
	.name = "snp",
	.data_max = EVIDENCE_DATA,
	.shown_by = SNP_DEVICE ", " TSM_SHOWN_BY PROVIDER,
	.probe = probe,
	.collect = collect,
	.json = json,
};
