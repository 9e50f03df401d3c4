/* tdx_device.c: one table of what the generations know, tried from the newest to the oldest. */
#include "lib/base.h"

#include "evidence/tdx_device.h"

#include <fcntl.h>

#include "evidence/bytes.h"
#include "evidence/qgs.h"
#include "evidence/uapi.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define CONF		"/etc/tdx-attest.conf"
#define CONF_MAX	KIB(4)

enum report_call {
	REPORT_INLINE,		/* data and report are in the argument itself */
	REPORT_POINTERS,	/* the argument points to both */
	REPORT_OVER,		/* the report is written over the data */
};

static const struct generation {
	const char	*path;
	enum report_call report;
	unsigned long	 quote[2], extend[2];	/* numbers to try; 0: none */
	bool		 index_first;		/* of an extension */
} generations[] = {
	{ "/dev/tdx_guest", REPORT_INLINE, { TDX_GET_QUOTE, TDX_GET_QUOTE_V3 }, { TDX_EXTEND_RTMR, TDX_EXTEND_RTMR_V3 },
	    false },
	{ "/dev/tdx-guest", REPORT_POINTERS, { TDX_GET_QUOTE_OLD, 0 }, { 0, 0 }, false },
	{ "/dev/tdx-attest", REPORT_OVER, { TDX_GET_QUOTE_OLD, 0 }, { TDX_EXTEND_RTMR_OLD, 0 }, true },
};

static const struct generation *
open_device(const struct evidence_env *env, int *fd)
{
	for (size_t i = 0; i < ARRAY_LEN(generations); i++) {
		*fd = env->open(env->arg, generations[i].path, O_RDWR);
		if (*fd >= 0)
			return &generations[i];
	}
	return NULL;
}

bool
tdx_device_there(const struct evidence_env *env)
{
	autoclose int fd = -1;

	return open_device(env, &fd) != NULL;
}

/* --- TDREPORT */

static int
ask_inline(const struct evidence_env *env, int fd, const uint8_t data[EVIDENCE_DATA], uint8_t report[TDREPORT_SIZE])
{
	uint8_t both[EVIDENCE_DATA + TDREPORT_SIZE] = { 0 };

	memcpy(both, data, EVIDENCE_DATA);
	if (env->ioctl(env->arg, fd, TDX_GET_REPORT0, both) != 0)
		return -1;
	memcpy(report, both + EVIDENCE_DATA, TDREPORT_SIZE);
	return 0;
}

/* Two orders of fields go by one number. The wrong one has a length of zero in the right one's eyes, and is refused. */
static int
ask_pointers(const struct evidence_env *env, int fd, const uint8_t data[EVIDENCE_DATA], uint8_t report[TDREPORT_SIZE])
{
	uint8_t a[40] = { 0 }, b[40] = { 0 };

	put_le(a + TDX_REQ_A_DATA, uapi_address(data), 8);
	put_le(a + TDX_REQ_A_DATA_LEN, EVIDENCE_DATA, 4);
	put_le(a + TDX_REQ_A_REPORT, uapi_address(report), 8);
	put_le(a + TDX_REQ_A_REPORT_LEN, TDREPORT_SIZE, 4);
	if (env->ioctl(env->arg, fd, TDX_GET_REPORT_OLD, a) == 0)
		return 0;
	put_le(b + TDX_REQ_B_DATA, uapi_address(data), 8);
	put_le(b + TDX_REQ_B_REPORT, uapi_address(report), 8);
	put_le(b + TDX_REQ_B_DATA_LEN, EVIDENCE_DATA, 4);
	put_le(b + TDX_REQ_B_REPORT_LEN, TDREPORT_SIZE, 4);
	return env->ioctl(env->arg, fd, TDX_GET_REPORT_OLD, b);
}

static int
ask_over(const struct evidence_env *env, int fd, const uint8_t data[EVIDENCE_DATA], uint8_t report[TDREPORT_SIZE])
{
	memset(report, 0, TDREPORT_SIZE);
	memcpy(report, data, EVIDENCE_DATA);
	return env->ioctl(env->arg, fd, TDX_GET_REPORT_OLD, report);
}

static int
get_report(const struct evidence_env *env, int fd, const struct generation *g, const uint8_t data[EVIDENCE_DATA],
    uint8_t report[TDREPORT_SIZE], struct err *e)
{
	int rc = -1;

	switch (g->report) {
	case REPORT_INLINE:
		rc = ask_inline(env, fd, data, report);
		break;
	case REPORT_POINTERS:
		rc = ask_pointers(env, fd, data, report);
		break;
	case REPORT_OVER:
		rc = ask_over(env, fd, data, report);
		break;
	}
	if (rc != 0)
		return err_sys_as(e, ERR_EVIDENCE, "tdx: %s: TDREPORT", g->path);
	if (report[0] != TDREPORT_TYPE_TDX || memcmp(report + TDREPORT_DATA, data, EVIDENCE_DATA) != 0)
		return err_set(e, ERR_EVIDENCE, "tdx: %s: not a TDREPORT over the data asked for", g->path);
	return 0;
}

/* --- the quote, by vsock */

static int
io_failed(const char *what, struct err *e)
{
	return err_sys_as(e, errno == EAGAIN || errno == ETIMEDOUT ? ERR_TIMEOUT : ERR_EVIDENCE, "qgs: %s", what);
}

static int
read_exactly(int fd, uint8_t *to, size_t size, struct err *e)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = sys_read(fd, to + done, size - done);

		if (n < 0)
			return io_failed("read", e);
		if (n == 0)
			return err_set(e, ERR_EVIDENCE, "qgs: the host hung up");
		done += (size_t)n;
	}
	return 0;
}

static int
quote_by_vsock(const struct evidence_env *env, uint32_t port, const struct buf *request, struct buf *out, struct err *e)
{
	autoclose int fd = env->vsock(env->arg, port);
	autobuf message = BUF(LIMIT_REPORT);
	struct span length, quote = { NULL, 0 };
	uint8_t head[4];
	uint32_t size;
	int rc;

	if (fd < 0)
		return io_failed("connect to the host", e);
	if (sys_write_all(fd, request->data, request->len) < 0)
		return io_failed("write", e);
	rc = read_exactly(fd, head, sizeof(head), e);
	length = (struct span){ head, sizeof(head) };
	if (rc < 0 || !span_be32(&length, &size))
		return rc;
	rc = buf_reserve(&message, size, e);
	if (rc == 0)
		rc = read_exactly(fd, message.data, size, e);
	if (rc == 0)
		rc = qgs_response((struct span){ message.data, size }, &quote, e);
	return rc < 0 ? rc : buf_add_span(out, quote, e);
}

/* --- the quote, by ioctl */

/* A host may answer by the protocol, or with the quote alone. */
static int
take_answer(struct span answer, struct buf *out, struct err *e)
{
	struct span in = answer, quote = { NULL, 0 };
	uint32_t size;
	int rc;

	if (!span_be32(&in, &size) || size != in.len)
		return buf_add_span(out, answer, e);
	rc = qgs_response(in, &quote, e);
	return rc < 0 ? rc : buf_add_span(out, quote, e);
}

static int
take_buffer(const uint8_t *shared, struct buf *out, struct err *e)
{
	uint64_t status = le64(shared + TDX_BUF_STATUS);
	uint32_t size = le32(shared + TDX_BUF_OUT_LEN);

	if (status == TDX_STATUS_IN_FLIGHT)
		return err_set(e, ERR_TIMEOUT, "tdx: the host has not answered");
	if (status != 0)
		return err_set(e, ERR_EVIDENCE, "tdx: the host makes no quote: status %#" PRIx64, status);
	if (size == 0 || size > TDX_BUF_SIZE - TDX_BUF_DATA)
		return err_set(e, ERR_EVIDENCE, "tdx: an answer of %u bytes", size);
	return take_answer((struct span){ shared + TDX_BUF_DATA, size }, out, e);
}

static int
quote_by_ioctl(const struct evidence_env *env, int fd, const struct generation *g, const struct buf *request,
    struct buf *out, struct err *e)
{
	autobuf memory = BUF(TDX_BUF_SIZE);
	uint8_t call[16];
	int rc = buf_reserve(&memory, TDX_BUF_SIZE, e);

	if (rc < 0)
		return rc;
	assert(memory.data != NULL && request->len <= TDX_BUF_SIZE - TDX_BUF_DATA);
	put_le(memory.data + TDX_BUF_VERSION, 1, 8);
	put_le(memory.data + TDX_BUF_IN_LEN, request->len, 4);
	memcpy(memory.data + TDX_BUF_DATA, request->data, request->len);
	put_le(call, uapi_address(memory.data), 8);
	put_le(call + 8, TDX_BUF_SIZE, 8);
	rc = -1;
	errno = ENOTTY;
	for (size_t i = 0; i < ARRAY_LEN(g->quote) && g->quote[i] != 0 && rc != 0 && errno == ENOTTY; i++)
		rc = env->ioctl(env->arg, fd, g->quote[i], call);
	if (rc != 0)
		return err_sys_as(e, errno == ETIMEDOUT ? ERR_TIMEOUT : ERR_EVIDENCE,
		    "tdx: %s: quote (there is no configfs-tsm, and no port in " CONF ")", g->path);
	return take_buffer(memory.data, out, e);
}

static int
find_port(const struct evidence_env *env, uint32_t *port, bool *found, struct err *e)
{
	autoclose int fd = env->open(env->arg, CONF, O_RDONLY);
	autobuf text = BUF(CONF_MAX);
	int rc;

	*found = false;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys_as(e, ERR_CONFIG, "tdx: %s", CONF);
	rc = fs_read_fd(fd, CONF, &text, e);
	if (rc == 0)
		*found = qgs_port(buf_span(&text), port);
	return rc;
}

int
tdx_device_quote(const struct evidence_env *env, const uint8_t data[EVIDENCE_DATA], struct buf *out, struct err *e)
{
	uint8_t report[TDREPORT_SIZE] = { 0 };
	autobuf request = BUF(KIB(2));
	const struct generation *g;
	autoclose int fd = -1;
	uint32_t port = 0;
	bool by_vsock = false;
	int rc;

	g = open_device(env, &fd);
	if (g == NULL)
		return err_sys_as(e, ERR_NO_TEE, "tdx: " TDX_DEVICES);
	rc = get_report(env, fd, g, data, report, e);
	if (rc == 0)
		rc = qgs_request((struct span){ report, sizeof(report) }, &request, e);
	if (rc == 0)
		rc = find_port(env, &port, &by_vsock, e);
	if (rc < 0)
		return rc;
	return by_vsock ? quote_by_vsock(env, port, &request, out, e) : quote_by_ioctl(env, fd, g, &request, out, e);
}

/* --- registers */

static void
fill_event(const struct generation *g, unsigned rtmr, struct span digest, uint8_t event[TDX_OLD_EXTEND_SIZE])
{
	assert(digest.len == TDX_DIGEST);
	if (g->index_first) {
		put_le(event, rtmr, TDX_OLD_EXTEND_DIGEST);
		memcpy(event + TDX_OLD_EXTEND_DIGEST, digest.p, TDX_DIGEST);
	} else {
		memcpy(event, digest.p, TDX_DIGEST);
		event[TDX_EXTEND_INDEX] = (uint8_t)rtmr;
	}
}

static int
extend_by_ioctl(const struct evidence_env *env, unsigned rtmr, struct span digest, struct err *e)
{
	uint8_t event[TDX_OLD_EXTEND_SIZE] = { 0 };
	const struct generation *g;
	autoclose int fd = -1;
	int rc = -1;

	g = open_device(env, &fd);
	if (g == NULL || g->extend[0] == 0)
		return err_set(e, ERR_UNSUPPORTED, "tdx: this kernel extends no register");
	fill_event(g, rtmr, digest, event);
	errno = ENOTTY;
	for (size_t i = 0; i < ARRAY_LEN(g->extend) && g->extend[i] != 0 && rc != 0 && errno == ENOTTY; i++)
		rc = env->ioctl(env->arg, fd, g->extend[i], event);
	if (rc != 0)
		return err_sys_as(e, errno == ENOTTY ? ERR_UNSUPPORTED : ERR_EVIDENCE, "tdx: extend RTMR %u", rtmr);
	return 0;
}

int
tdx_device_extend(const struct evidence_env *env, unsigned rtmr, struct span digest, struct err *e)
{
	autoclose int fd = -1;
	char path[sizeof(TDX_MEASUREMENTS) + 32];
	ssize_t n;

	if (rtmr > 3 || digest.len != TDX_DIGEST)
		return err_set(e, ERR_BUG, "tdx: RTMR %u by %zu bytes", rtmr, digest.len);
	snprintf(path, sizeof(path), TDX_MEASUREMENTS "/rtmr%u:sha384", rtmr);
	fd = env->open(env->arg, path, O_WRONLY);
	if (fd < 0 && errno == ENOENT)
		return extend_by_ioctl(env, rtmr, digest, e);
	n = fd < 0 ? -1 : sys_write(fd, digest.p, digest.len);
	if (n < 0)
		return err_sys_as(e, ERR_EVIDENCE, "tdx: extend RTMR %u", rtmr);
	return (size_t)n == digest.len ? 0 : err_set(e, ERR_EVIDENCE, "tdx: extend RTMR %u: written in part", rtmr);
}

static int
register_of_report(const struct evidence_env *env, unsigned rtmr, uint8_t value[TDX_DIGEST], struct err *e)
{
	static const uint8_t data[EVIDENCE_DATA];
	uint8_t report[TDREPORT_SIZE] = { 0 };
	const struct generation *g;
	autoclose int fd = -1;
	int rc;

	g = open_device(env, &fd);
	if (g == NULL)
		return err_set(e, ERR_UNSUPPORTED, "tdx: nothing shows RTMR %u", rtmr);
	rc = get_report(env, fd, g, data, report, e);
	if (rc == 0)
		memcpy(value, report + TDREPORT_RTMR + (size_t)rtmr * TDX_DIGEST, TDX_DIGEST);
	return rc;
}

int
tdx_device_register(const struct evidence_env *env, unsigned rtmr, uint8_t value[TDX_DIGEST], struct err *e)
{
	autobuf bytes = BUF(TDX_DIGEST);
	char path[sizeof(TDX_MEASUREMENTS) + 32];
	autoclose int fd = -1;
	int rc;

	if (rtmr > 3)
		return err_set(e, ERR_BUG, "tdx: RTMR %u", rtmr);
	snprintf(path, sizeof(path), TDX_MEASUREMENTS "/rtmr%u:sha384", rtmr);
	fd = env->open(env->arg, path, O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		return register_of_report(env, rtmr, value, e);
	if (fd < 0)
		return err_sys_as(e, ERR_EVIDENCE, "tdx: %s", path);
	rc = fs_read_fd(fd, path, &bytes, e);
	if (rc == 0 && bytes.len != TDX_DIGEST)
		rc = err_set(e, ERR_EVIDENCE, "tdx: %s: %zu bytes", path, bytes.len);
	if (rc == 0)
		memcpy(value, bytes.data, TDX_DIGEST);
	return rc;
}
