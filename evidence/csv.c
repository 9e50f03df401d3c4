/*
 * csv.c: Hygon CSV: a report from /dev/csv-guest, extended where the firmware can, else by the hypercall of older kernels; with
 * HSK and CEK where a file has them.
 */
#include "lib/base.h"

#include "evidence/evidence.h"

#include <fcntl.h>

#include "evidence/bytes.h"
#include "evidence/csv_report.h"
#include "evidence/eventlog.h"
#include "evidence/uapi.h"
#include "lib/crypto.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define FIRST_OF_GUEST	3	/* register; those below are the firmware's */

static const char *const cert_dirs[] = { "/opt/csv/hsk_cek", "/opt/hygon/csv/hsk_cek" };

static bool
has_hypercall(const struct evidence_env *env)
{
	return env->hypercall != NULL && env->hypercall(env->arg, NULL) == 0;
}

static bool
probe(const struct evidence_env *env)
{
	autoclose int fd = env->open(env->arg, CSV_DEVICE, O_RDONLY);

	return fd >= 0 || has_hypercall(env);
}

/* Where there is no device but the hypercall, fd stays -1. */
static int
open_device(const struct evidence_env *env, int *fd, struct err *e)
{
	int why;

	*fd = env->open(env->arg, CSV_DEVICE, O_RDONLY);
	why = errno;
	if (*fd >= 0 || (why == ENOENT && has_hypercall(env)))
		return 0;
	errno = why;
	return err_sys_as(e, ERR_NO_TEE, "csv: %s", CSV_DEVICE);
}

/* -1 with errno, or what the firmware says: 0 when it has done it. */
static int64_t
call_registers(const struct evidence_env *env, int fd, uint16_t subcommand, uint8_t *bytes, size_t size)
{
	uint8_t call[CSV_RTMR_IOCTL] = { 0 };

	put_le(call + CSV_RTMR_BUF, uapi_address(bytes), 8);
	put_le(call + CSV_RTMR_LEN, size, 8);
	put_le(call + CSV_RTMR_SUBCMD, subcommand, 2);
	if (env->ioctl(env->arg, fd, CSV_CMD_RTMR, call) != 0)
		return -1;
	return le32(call + CSV_RTMR_FW_ERROR);
}

/* Firmware with registers makes extended reports, too. */
static bool
has_extended(const struct evidence_env *env, int fd)
{
	uint8_t status[CSV_RTMR_STATUS_SIZE] = { 0 };

	return call_registers(env, fd, CSV_RTMR_STATUS, status, sizeof(status)) == 0;
}

static int
fill_request(uint8_t *page, bool extended, const uint8_t data[EVIDENCE_DATA], const uint8_t mnonce[CSV_MNONCE],
    struct err *e)
{
	uint8_t hash[HASH_MAX];
	int rc;

	memcpy(page + CSV_USER_DATA, data, EVIDENCE_DATA);
	memcpy(page + CSV_REQ_MNONCE, mnonce, CSV_MNONCE);
	rc = hash_once(HASH_SM3, (struct span){ page, CSV_REQ_HASH }, hash, e);
	if (rc < 0)
		return rc;
	memcpy(page + CSV_REQ_HASH, hash, 32);
	if (extended) {
		memcpy(page + CSV_REQ_MAGIC, CSV_MAGIC, sizeof(CSV_MAGIC));
		put_le(page + CSV_REQ_FLAGS, 1, 4);
	}
	return 0;
}

static int
make_report(const struct evidence_env *env, int fd, uint8_t *page, struct err *e)
{
	uint8_t call[CSV_REPORT_IOCTL] = { 0 };
	int rc;

	put_le(call + CSV_REPORT_BUF, uapi_address(page), 8);
	put_le(call + CSV_REPORT_LEN, CSV_REPORT_SIZE, 4);
	rc = fd < 0 ? env->hypercall(env->arg, page) : env->ioctl(env->arg, fd, CSV_CMD_GET_REPORT, call);
	if (rc == 0)
		return 0;
	return err_sys_as(e, errno == ETIMEDOUT ? ERR_TIMEOUT : ERR_EVIDENCE, "csv: %s", fd < 0 ? "hypercall" : CSV_DEVICE);
}

/* The kernel wants a page of its own, and writes the report over the request. */
static int
ask(const struct evidence_env *env, int fd, const uint8_t data[EVIDENCE_DATA], struct buf *report, struct err *e)
{
	uint8_t mnonce[CSV_MNONCE], *page;
	autobuf memory = BUF((size_t)2 * CSV_REPORT_SIZE);
	int rc = crypto_random(mnonce, sizeof(mnonce), e);

	if (rc == 0)
		rc = buf_reserve(&memory, (size_t)2 * CSV_REPORT_SIZE, e);
	if (rc < 0)
		return rc;
	assert(memory.data != NULL);
	page = memory.data + (CSV_REPORT_SIZE - (uintptr_t)memory.data % CSV_REPORT_SIZE);
	rc = fill_request(page, fd >= 0 && has_extended(env, fd), data, mnonce, e);
	if (rc == 0)
		rc = make_report(env, fd, page, e);
	return rc < 0 ? rc : csv_report_open((struct span){ page, CSV_REPORT_SIZE }, data, mnonce, report, e);
}

/* A verifier can fetch them by the chip id; a file of the wrong size is as good as none only to a person, so it is told. */
static int
read_certs(const struct evidence_env *env, struct span report, struct buf *out, struct err *e)
{
	char chip[65], path[160];
	int rc = csv_chip_id(report, chip, e);

	for (size_t i = 0; i < ARRAY_LEN(cert_dirs) && rc == 0 && out->len == 0; i++) {
		autoclose int fd = -1;

		snprintf(path, sizeof(path), "%s/%s/hsk_cek.cert", cert_dirs[i], chip);
		fd = env->open(env->arg, path, O_RDONLY);
		if (fd < 0)
			continue;
		rc = fs_read_fd(fd, path, out, e);
		if (rc == 0 && out->len != CSV_HSK_CEK_SIZE)
			rc = err_set(e, ERR_EVIDENCE, "csv: %s: %zu bytes instead of %d", path, out->len, CSV_HSK_CEK_SIZE);
	}
	return rc;
}

static int
collect(const struct evidence_env *env, struct span data, struct evidence *out, struct err *e)
{
	uint8_t padded[EVIDENCE_DATA];
	autoclose int fd = -1;
	int rc = open_device(env, &fd, e);

	if (rc < 0)
		return rc;
	evidence_pad(data, padded);
	rc = ask(env, fd, padded, &out->report, e);
	if (rc == 0)
		rc = read_certs(env, buf_span(&out->report), &out->certs, e);
	return rc < 0 ? rc : eventlog_read(env, &out->event_log, e);
}

static int
json(const struct evidence *ev, struct buf *out, struct err *e)
{
	return csv_json(buf_span(&ev->report), buf_span(&ev->certs), buf_span(&ev->event_log), out, e);
}

static int
raw(const struct evidence *ev, struct buf *out, struct err *e)
{
	return csv_raw(buf_span(&ev->report), buf_span(&ev->certs), out, e);
}

/* ENOTTY: a guest without registers; ENODEV: firmware without. */
static int
ask_register(const struct evidence_env *env, uint16_t subcommand, unsigned index, uint8_t *bytes, size_t size, struct err *e)
{
	const char *what = subcommand == CSV_RTMR_EXTEND ? "extend" : "read";
	autoclose int fd = -1;
	int rc = open_device(env, &fd, e);
	int64_t said;

	if (rc < 0)
		return rc;
	if (fd < 0)
		return err_set(e, ERR_UNSUPPORTED, "csv: %s register %u: there is no %s", what, index, CSV_DEVICE);
	said = call_registers(env, fd, subcommand, bytes, size);
	if (said < 0)
		return err_sys_as(e, errno == ENOTTY || errno == ENODEV ? ERR_UNSUPPORTED : ERR_EVIDENCE,
		    "csv: %s register %u", what, index);
	if (said > 0)
		return err_set(e, ERR_EVIDENCE, "csv: %s register %u: firmware error %#" PRIx64, what, index, (uint64_t)said);
	return 0;
}

static int
extend(const struct evidence_env *env, unsigned pcr, struct span digest, struct err *e)
{
	const unsigned index = eventlog_register(pcr);
	uint8_t event[CSV_EXTEND_SIZE] = { 0 };

	if (digest.len != CSV_DIGEST)
		return err_set(e, ERR_BUG, "csv: register %u by %zu bytes", index, digest.len);
	if (index < FIRST_OF_GUEST)
		return err_set(e, ERR_UNSUPPORTED, "csv: register %u is the firmware's", index);
	event[CSV_EXTEND_INDEX] = (uint8_t)index;
	put_le(event + CSV_EXTEND_LEN, CSV_DIGEST, 2);
	memcpy(event + CSV_EXTEND_DIGEST, digest.p, CSV_DIGEST);
	return ask_register(env, CSV_RTMR_EXTEND, index, event, sizeof(event), e);
}

static int
read_register(const struct evidence_env *env, unsigned pcr, uint8_t value[64], struct err *e)
{
	const unsigned index = eventlog_register(pcr);
	uint8_t bytes[CSV_READ_VALUE + CSV_DIGEST] = { 0 };
	int rc;

	put_le(bytes + CSV_READ_BITMAP, 1U << index, 4);
	rc = ask_register(env, CSV_RTMR_READ, index, bytes, sizeof(bytes), e);
	if (rc == 0)
		memcpy(value, bytes + CSV_READ_VALUE, CSV_DIGEST);
	return rc;
}

const struct attester_ops attester_csv = {
	.name = "csv",
	.data_max = EVIDENCE_DATA,
	.shown_by = CSV_DEVICE " or its hypercall",
	.probe = probe,
	.collect = collect,
	.json = json,
	.raw = raw,
	.extend = extend,
	.read_register = read_register,
	.extend_alg = HASH_SM3,
};
