/* keyask.c: see keyask.h. One question at a time, on a socket that carries nothing else. */
#include "lib/base.h"

#include "agent/keyask.h"

#include "keyprovider/kek.h"
#include "lib/fs.h"

#define ANSWER_MS	60000	/* a connection may take the monitor a while */

static int
await(int ask, const struct msg *question, const struct msg_rule *rules, struct msg *answer, struct err *e)
{
	struct msg_reader r;
	int rc = msg_send(ask, question, ANSWER_MS, e);

	if (rc == 0)
		rc = msg_recv(ask, rules, ANSWER_MS, answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the monitor is gone");
	if (rc < 0 || answer->type != M_OPEN_FAILED)
		return rc;
	r = msg_reader(answer);
	rc = role_verdict(&r, e);
	return rc < 0 ? rc : err_set(e, ERR_PROTO, "answer that cannot be read");
}

int
keyask_key(int ask, const char *path, bool make, struct buf *kek, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_OPENED, .fds = 1 },
		{ .type = M_OPEN_FAILED, .max_len = KIB(1) },
		{ 0 },
	};
	autobuf text = BUF_SECRET(KEK_FILE_MAX);
	automsg question, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&question, M_KEY_OPEN, 0);
	rc = msg_put_str(&question, path, e);
	if (rc == 0)
		rc = msg_put_u8(&question, make, e);
	if (rc == 0)
		rc = await(ask, &question, rules, &answer, e);
	if (rc < 0)
		return rc;
	rc = fs_read_fd(answer.fds[0], path, &text, e);
	if (rc == 0 && kek_parse(buf_span(&text), kek, e) < 0)
		rc = err_wrap(e, "key file %s", path);
	return rc;
}

int
keyask_connect(int ask, enum provider_transport *transport, char authority[KEYASK_AUTHORITY], int *fd, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_KEY_PROVIDER, .max_len = KIB(1), .fds = 1 },
		{ .type = M_OPEN_FAILED, .max_len = KIB(1) },
		{ 0 },
	};
	automsg question, answer;
	struct msg_reader r;
	uint8_t kind;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&question, M_KEY_CONNECT, 0);
	rc = await(ask, &question, rules, &answer, e);
	if (rc < 0)
		return rc;
	r = msg_reader(&answer);
	kind = msg_get_u8(&r);
	msg_get_str(&r, authority, KEYASK_AUTHORITY);
	if (!msg_get_end(&r) || kind >= PROVIDER_TRANSPORT_COUNT)
		return err_set(e, ERR_PROTO, "connection that cannot be read");
	*transport = (enum provider_transport)kind;
	*fd = fd_steal(&answer.fds[0]);
	return 0;
}
