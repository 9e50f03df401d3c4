/* teejob.c: see teejob.h. */
#include "lib/base.h"

#include "agent/teejob.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "evidence/eventlog.h"
#include "lib/fs.h"

int
teejob_make_dir(struct err *e)
{
	if (mkdir(EVENTLOG_DIR, 0700) < 0 && errno != EEXIST)
		return err_sys_as(e, ERR_STORAGE, "event log: %s", EVENTLOG_DIR);
	return 0;
}

int
teejob_start(struct monitor *m, bool measures, int *control, struct err *e)
{
	int rc = measures ? teejob_make_dir(e) : 0;

	return rc < 0 ? rc : monitor_start(m, ROLE_TEE, NULL, 0, control, NULL, e);
}

static int
send_ask(int control, const struct tee_ask *a, int fd, struct err *e)
{
	automsg ask;
	int rc;

	msg_init(&ask, M_TEE_GET, 0);
	rc = msg_put_str(&ask, a->platform != NULL ? a->platform : "", e);
	if (rc == 0)
		rc = msg_put_u8(&ask, a->allow_sample, e);
	if (rc == 0)
		rc = msg_put_u8(&ask, (uint8_t)a->form, e);
	if (rc == 0)
		rc = msg_put_bytes(&ask, a->data, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&ask, fd);
	return msg_send(control, &ask, -1, e);
}

static int
await(struct monitor *m, int control, char platform[32], struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_TEE_DONE, .max_len = KIB(1) }, { 0 },
	};
	struct msg_reader r;
	automsg answer;
	int rc = monitor_answer(m, control, "tee", rules, &answer, &r, e);

	if (rc < 0)
		return rc;
	msg_get_str(&r, platform, 32);
	return msg_get_end(&r) ? 0 : err_set(e, ERR_PROTO, "answer that cannot be read");
}

int
teejob_get(struct monitor *m, int control, const struct tee_ask *a, struct buf *out, char platform[32], struct err *e)
{
	autoclose int fd = memfd_create("evidence", MFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_sys(e, "memory for evidence");
	rc = send_ask(control, a, fd, e);
	if (rc == 0)
		rc = await(m, control, platform, e);
	if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
		rc = err_sys(e, "evidence");
	return rc < 0 ? rc : fs_read_fd(fd, "evidence", out, e);
}

int
teejob_measure(struct monitor *m, int control, const char *platform, const struct measure_event *event, struct err *e)
{
	const char *const texts[] = { event->domain, event->operation, event->content };
	autobuf text = BUF(EVENTLOG_TEXT);
	char measured[32];
	automsg ask;
	int rc = eventlog_text(event->domain, event->operation, event->content, &text, e);	/* does it fit? */

	msg_init(&ask, M_TEE_MEASURE, 0);
	if (rc == 0)
		rc = msg_put_str(&ask, platform != NULL ? platform : "", e);
	if (rc == 0)
		rc = msg_put_u32(&ask, event->pcr, e);
	if (rc == 0)
		rc = msg_put_u8(&ask, event->once, e);
	for (size_t i = 0; i < ARRAY_LEN(texts) && rc == 0; i++)
		rc = msg_put_str(&ask, texts[i], e);
	if (rc == 0)
		rc = msg_send(control, &ask, -1, e);
	return rc < 0 ? rc : await(m, control, measured, e);
}

int
teejob_secret(struct monitor *m, int control, const char *guid, int fd, struct err *e)
{
	char platform[32];
	automsg ask;
	int rc;

	msg_init(&ask, M_TEE_SECRET, 0);
	rc = msg_put_str(&ask, guid, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&ask, fd);
	rc = msg_send(control, &ask, -1, e);
	return rc < 0 ? rc : await(m, control, platform, e);
}

int
teejob_key(struct monitor *m, int control, const struct snp_key_question *q, int fd, struct err *e)
{
	char platform[32];
	automsg ask;
	int rc;

	msg_init(&ask, M_TEE_KEY, 0);
	rc = msg_put_u64(&ask, q->fields, e);
	if (rc == 0)
		rc = msg_put_u64(&ask, q->tcb, e);
	if (rc == 0)
		rc = msg_put_u32(&ask, q->svn, e);
	if (rc == 0)
		rc = msg_put_u32(&ask, q->vmpl, e);
	if (rc == 0)
		rc = msg_put_u8(&ask, q->migrates, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&ask, fd);
	rc = msg_send(control, &ask, -1, e);
	return rc < 0 ? rc : await(m, control, platform, e);
}
