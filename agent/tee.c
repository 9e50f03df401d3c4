/*
 * tee.c: the role that asks the platform for evidence, extends its registers and takes what was injected. It stays root without a
 * capability, since the nodes belong to root; it may open the places below and nothing else, and reaches nobody but the host, by vsock.
 */
#include "lib/base.h"

#include "agent/roles.h"
#include "agent/tee.h"
#include "agent/tee_calls.h"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "evidence/csv_hypercall.h"
#include "evidence/eventlog.h"
#include "evidence/measure.h"
#include "evidence/sev_secret.h"
#include "evidence/snp.h"
#include "evidence/tdx_device.h"
#include "lib/crypto.h"
#include "lib/sys.h"

#define HOST_S	30		/* for each answer of the host */

static const struct {
	const char	*path;
	bool		 write, device;
} places[] = {
	{ "/sys/kernel/config/tsm/report", true, false },
	{ "/dev/sev-guest", true, true },
	{ "/dev/csv-guest", true, true },
	{ "/dev/tdx_guest", true, true },
	{ "/dev/tdx-guest", true, true },
	{ "/dev/tdx-attest", true, true },
	{ "/etc/tdx-attest.conf", false, false },
	{ TDX_MEASUREMENTS, true, false },
	{ "/sys/firmware/acpi/tables", false, false },
	{ EVENTLOG_DIR, true, false },
	{ SEV_SECRETS, true, false },
	{ SEV_SECRETS_OLD, true, false },
	{ "/opt/csv/hsk_cek", false, false },
	{ "/opt/hygon/csv/hsk_cek", false, false },
};
static_assert(ARRAY_LEN(places) < ROLE_MAX_PATHS, "a rule for each, and the end");

/* --- the world */

static int
tee_open(maybe_unused void *arg, const char *path, int flags)
{
	return sys_openat(AT_FDCWD, path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* As a system call: C libraries differ in how wide they take the number. */
static int
tee_ioctl(maybe_unused void *arg, int fd, unsigned long request, void *argument)
{
	long rc;

	do
		rc = syscall(SYS_ioctl, fd, request, argument);
	while (rc < 0 && errno == EINTR);
	return (int)rc;
}

static int
tee_make_dir(maybe_unused void *arg, const char *path)
{
	return mkdirat(AT_FDCWD, path, 0700);
}

static int
tee_remove_dir(maybe_unused void *arg, const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

static int
tee_remove_file(maybe_unused void *arg, const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

static int
tee_vsock(maybe_unused void *arg, uint32_t port)
{
	const struct sockaddr_vm host = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port };
	const struct timeval wait = { .tv_sec = HOST_S };
	autoclose int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
	    sys_connect(fd, (const struct sockaddr *)&host, sizeof(host)) < 0)
		return -1;
	return fd_steal(&fd);
}

static void
tee_pause(maybe_unused void *arg, unsigned ms)
{
	(void)poll(NULL, 0, (int)ms);
}

static int
tee_hypercall(maybe_unused void *arg, uint8_t *page)
{
	return csv_hypercall(page);
}

const struct evidence_env tee_env = {
	.open = tee_open,
	.ioctl = tee_ioctl,
	.make_dir = tee_make_dir,
	.remove_dir = tee_remove_dir,
	.remove_file = tee_remove_file,
	.vsock = tee_vsock,
	.pause = tee_pause,
	.hypercall = tee_hypercall,
};

/* --- evidence */

int
tee_collect(const struct tee_request *q, int fd, const struct attester_ops **tee, struct err *e)
{
	struct evidence_env env = tee_env;
	autobuf out = BUF(LIMIT_EVIDENCE);
	autoclose int lock = -1;
	autoevidence ev;
	int rc;

	evidence_init(&ev);
	env.allow_sample = q->sample;
	rc = evidence_select(&env, q->platform[0] != '\0' ? q->platform : NULL, tee, e);
	if (rc == 0 && *tee == &attester_sample)
		log_warning("sample evidence proves nothing");
	if (rc == 0)
		rc = measure_settle(&env, *tee, &lock, e);
	if (rc == 0)
		rc = evidence_collect(&env, *tee, q->data, &ev, e);
	if (rc == 0)
		rc = evidence_format(&ev, q->form, &out, e);
	if (rc == 0 && sys_write_all(fd, out.data, out.len) < 0)
		rc = err_sys(e, "evidence");
	return rc;
}

static int
get(const struct msg *m, const struct attester_ops **tee, struct err *failed, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char platform[32];
	struct tee_request q = { .platform = platform };
	uint8_t form;

	msg_get_str(&r, platform, sizeof(platform));
	q.sample = msg_get_u8(&r) != 0;
	form = msg_get_u8(&r);
	q.data = msg_get_bytes(&r, EVIDENCE_DATA);
	if (!msg_get_end(&r) || form >= EVIDENCE_FORM_COUNT)
		return err_set(e, ERR_PROTO, "request that cannot be read");
	q.form = (enum evidence_form)form;
	return tee_collect(&q, m->fds[0], tee, failed) < 0;
}

/* --- registers */

static int
measure(const struct msg *m, const struct attester_ops **tee, struct err *failed, struct err *e)
{
	char platform[32], domain[EVENTLOG_TEXT], operation[EVENTLOG_TEXT], content[EVENTLOG_TEXT];
	struct measure_event event = { .domain = domain, .operation = operation, .content = content };
	struct msg_reader r = msg_reader(m);

	msg_get_str(&r, platform, sizeof(platform));
	event.pcr = msg_get_u32(&r);
	event.once = msg_get_u8(&r) != 0;
	msg_get_str(&r, domain, sizeof(domain));
	msg_get_str(&r, operation, sizeof(operation));
	msg_get_str(&r, content, sizeof(content));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "request that cannot be read");
	return evidence_select(&tee_env, platform[0] != '\0' ? platform : NULL, tee, failed) < 0 ||
	    measure_event(&tee_env, *tee, &event, failed) < 0;
}

/* --- injected secrets */

static int
pass_secret(const char *guid, int fd, struct err *e)
{
	autobuf secret = BUF_SECRET(LIMIT_KEYS_FILE);
	int rc = sev_secret_take(&tee_env, guid, &secret, e);

	if (rc == 0 && sys_write_all(fd, secret.data, secret.len) < 0)
		rc = err_sys(e, "injected secret");
	return rc;
}

static int
give_secret(const struct msg *m, struct err *failed, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char guid[40];

	msg_get_str(&r, guid, sizeof(guid));
	if (!msg_get_end(&r) || strchr(guid, '/') != NULL)
		return err_set(e, ERR_PROTO, "request that cannot be read");
	return pass_secret(guid, m->fds[0], failed) < 0;
}

/* --- derived keys */

static int
pass_key(const struct snp_key_question *q, int fd, struct err *e)
{
	autobuf key = BUF_SECRET(SNP_KEY_SIZE);
	int rc = snp_derive_key(&tee_env, q, &key, e);

	if (rc == 0 && sys_write_all(fd, key.data, key.len) < 0)
		rc = err_sys(e, "derived key");
	return rc;
}

static int
give_key(const struct msg *m, struct err *failed, struct err *e)
{
	struct snp_key_question q = { 0 };
	struct msg_reader r = msg_reader(m);

	q.fields = msg_get_u64(&r);
	q.tcb = msg_get_u64(&r);
	q.svn = msg_get_u32(&r);
	q.vmpl = msg_get_u32(&r);
	q.migrates = msg_get_u8(&r) != 0;
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "request that cannot be read");
	return pass_key(&q, m->fds[0], failed) < 0;
}

/* --- the role */

/* 1: *failed says why. */
static int
work(const struct msg *m, const struct attester_ops **tee, struct err *failed, struct err *e)
{
	switch (m->type) {
	case M_TEE_GET:
		return get(m, tee, failed, e);
	case M_TEE_MEASURE:
		return measure(m, tee, failed, e);
	case M_TEE_KEY:
		*tee = &attester_snp;
		return give_key(m, failed, e);
	default:
		return give_secret(m, failed, e);
	}
}

/* What was tried again and went well leaves an error behind, so it is the result that counts. */
static int
answer(const struct msg *m, struct err *e)
{
	const struct attester_ops *tee = NULL;
	struct err failed = { 0 };
	automsg done;
	int rc = work(m, &tee, &failed, e);

	if (rc < 0)
		return rc;
	if (rc == 1)
		return role_answer(FD_CONTROL, M_TEE_DONE, m->id, &failed, e);
	msg_init(&done, M_TEE_DONE, m->id);
	rc = msg_put_u8(&done, 0, e);
	if (rc == 0)
		rc = msg_put_str(&done, tee != NULL ? tee->name : "sev", e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &done, -1, e);
}

static int
from_monitor(struct tee_calls *calls, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_TEE_SETUP, .max_len = 64 },
		{ .type = M_TEE_GET, .max_len = 256, .fds = 1 },
		{ .type = M_TEE_MEASURE, .max_len = 64 + 3 * EVENTLOG_TEXT },
		{ .type = M_TEE_SECRET, .max_len = 64, .fds = 1 },
		{ .type = M_TEE_KEY, .max_len = 64, .fds = 1 },
		{ 0 },
	};
	automsg m;
	int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

	if (rc == 1 && (m.type == M_TEE_SETUP ? tee_calls_set_up(&m, calls, e) : answer(&m, e)) < 0)
		rc = -(int)e->code;
	return rc;
}

static int
serve(struct err *e)
{
	struct tee_calls calls = { .mode = CALLER_OFF };
	struct pollfd p[] = {
		{ .fd = FD_CONTROL, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	int rpc = fcntl(TEE_FD_RPC, F_GETFD) < 0 ? -1 : TEE_FD_RPC, rc = 1;

	while (rc > 0) {
		/* A call may be what this role was started for: it lies there before the monitor has said anything. */
		p[1].fd = calls.ready ? rpc : -1;
		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		/* The monitor first: what callers may have is in its set-up. */
		if (p[0].revents != 0)
			rc = from_monitor(&calls, e);
		else if (p[1].revents != 0)
			rc = tee_calls_serve(&calls, e);
	}
	return rc;
}

/* As long as we may: afterwards no address is told and no signal caught. Where that fails, there is no hypercall. */
static void
prepare_hypercall(void)
{
	struct err e = { 0 };

	if (access("/dev/csv-guest", F_OK) < 0 && csv_hypercall_cpu() && csv_hypercall_prepare(&e) < 0)
		log_warning("%s", e.msg);
}

/* What is not there needs no rule; it cannot come later, either. */
static int
prepare(struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		int fd = open(places[i].path, O_PATH | O_CLOEXEC);
		struct stat st;

		if (fd < 0)
			continue;
		/* What stands where a device should be is not opened to us by a rule. */
		if (places[i].device && (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))) {
			close(fd);
			continue;
		}
		paths[n++] = (struct sandbox_path){ .fd = fd, .write = places[i].write, .device = places[i].device,
		    .only_rule = true };
	}
	paths[n].fd = -1;
	prepare_hypercall();
	return crypto_init(e);
}

const struct role_ops role_tee = {
	.name = "tee",
	.words = WORD(STDIO) | WORD(FDPASS) | WORD(TEE) | WORD(VSOCK),
	.max_files = 32,
	.secrets = true,
	.prepare = prepare,
	.serve = serve,
};
