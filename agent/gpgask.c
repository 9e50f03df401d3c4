/* gpgask.c: see gpgask.h. The monitor starts gpg's process; what is to be verified goes to it through pipes. */
#include "lib/base.h"

#include "agent/gpgask.h"

#include <fcntl.h>

#include "agent/gpgme.h"
#include "agent/roles.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define VERDICT_MS	60000	/* gpg has its own, shorter limit of CPU time */

/* A descriptor from the monitor. */
static int
ask_monitor(const struct msg *question, uint16_t answer_type, int *fd, struct err *e)
{
	const struct msg_rule rules[] = {
		{ .type = answer_type, .fds = 1 },
		{ .type = M_OPEN_FAILED, .max_len = KIB(1) },
		{ 0 },
	};
	struct msg_reader r;
	automsg answer;
	int rc;

	msg_init(&answer, 0, 0);
	rc = msg_send(FD_CONTROL, question, -1, e);
	if (rc == 0)
		rc = msg_recv(FD_CONTROL, rules, -1, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the monitor is gone");
	if (rc < 0)
		return rc;
	if (answer.type == answer_type) {
		*fd = fd_steal(&answer.fds[0]);
		return 0;
	}
	r = msg_reader(&answer);
	rc = role_verdict(&r, e);
	return rc < 0 ? rc : err_set(e, ERR_PROTO, "answer that cannot be read");
}

int
policyask_file(const char *name, struct buf *out, struct err *e)
{
	autoclose int fd = -1;
	automsg m;
	int rc;

	msg_init(&m, M_POLICY_OPEN, 0);
	if (strlen(name) >= PATH_MAX)
		return err_set(e, ERR_CONFIG, "a name of %zu bytes", strlen(name));
	rc = msg_put_str(&m, name, e);
	if (rc == 0)
		rc = ask_monitor(&m, M_OPENED, &fd, e);
	return rc < 0 ? rc : fs_read_fd(fd, name, out, e);
}

static int
send_input(int gpg, bool last, struct span bytes, struct err *e)
{
	autoclose int from = -1, to = -1;
	int p[2], rc;
	automsg m;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	from = p[0];
	to = p[1];
	msg_init(&m, M_GPG_INPUT, 0);
	rc = msg_put_u8(&m, last, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, from);
	rc = msg_send(gpg, &m, VERDICT_MS, e);
	base_close(&from);
	if (rc == 0 && sys_write_all(to, bytes.p, bytes.len) < 0)
		rc = err_set(e, ERR_CRASH, "the gpg process died");
	return rc;
}

static int
take_verdict(const struct msg *m, struct gpg_verdict *out, struct buf *payload, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	struct gpg_verdict v = { 0 };
	struct span plain;
	uint8_t status;
	int rc = role_verdict(&r, e);

	if (rc < 0)
		return rc;
	v.keys = msg_get_u32(&r);
	v.signatures = msg_get_u32(&r);
	status = msg_get_u8(&r);
	v.wrong_key_usage = msg_get_u8(&r) != 0;
	v.hash_algo = msg_get_u32(&r);
	v.key_algo = msg_get_u32(&r);
	v.key_bits = msg_get_u32(&r);
	msg_get_str(&r, v.fingerprint, sizeof(v.fingerprint));
	msg_get_str(&r, v.primary, sizeof(v.primary));
	plain = msg_get_bytes(&r, GPGME_MAX_PAYLOAD);
	if (!msg_get_end(&r) || status >= GPG_STATUS_COUNT)
		return err_set(e, ERR_PROTO, "verdict that cannot be read");
	v.status = (enum gpg_status)status;
	rc = buf_add_span(payload, plain, e);
	if (rc == 0)
		*out = v;
	return rc;
}

int
gpgask_verify(const struct span rings[], size_t n, struct span message, struct gpg_verdict *out, struct buf *payload,
    struct err *e)
{
	static const struct msg_rule rules[] = { { .type = M_GPG_VERDICT, .max_len = LIMIT_MSG }, { 0 } };
	autoclose int gpg = -1;
	automsg start, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&start, M_GPG_START, 0);
	rc = ask_monitor(&start, M_GPG_FD, &gpg, e);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = send_input(gpg, false, rings[i], e);
	if (rc == 0)
		rc = send_input(gpg, true, message, e);
	if (rc == 0)
		rc = msg_recv(gpg, rules, VERDICT_MS, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the gpg process died");
	return rc < 0 ? rc : take_verdict(&answer, out, payload, e);
}
