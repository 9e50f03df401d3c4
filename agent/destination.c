/* destination.c: see destination.h. */
#include "lib/base.h"

#include "agent/destination.h"

#include "lib/sys.h"

#define ANSWER_MS	300000	/* a registry checks what it got; net has its own, shorter limits for silence */

static int
ask(const struct msg *m, const struct msg_rule *rules, struct msg *answer, struct err *e)
{
	int rc = msg_send(COPY_FD_DESTINATION, m, ANSWER_MS, e);

	if (rc == 0)
		rc = msg_recv(COPY_FD_DESTINATION, rules, ANSWER_MS, answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the process that writes the image died");
	return rc < 0 ? rc : 0;
}

/* The answer that has only a verdict. */
static int
ask_verdict(const struct msg *m, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_STORE_DONE, .max_len = KIB(1) }, { 0 },
	};
	struct msg_reader r;
	automsg answer;
	int rc;

	msg_init(&answer, 0, 0);
	rc = ask(m, rules, &answer, e);
	if (rc < 0)
		return rc;
	r = msg_reader(&answer);
	rc = role_verdict(&r, e);
	return rc == 0 && !msg_get_end(&r) ? err_set(e, ERR_PROTO, "answer that cannot be read") : rc;
}

/* The answer to M_STORE. */
static int
take_begun(struct msg *answer, int *fd, struct err *e)
{
	struct msg_reader r = msg_reader(answer);
	int rc;

	if (answer->type == M_STORE_THERE)
		return 1;
	if (answer->type == M_STORE_FD) {
		*fd = fd_steal(&answer->fds[0]);
		return 0;
	}
	rc = role_verdict(&r, e);
	return rc < 0 ? rc : err_set(e, ERR_PROTO, "answer that cannot be read");
}

int
destination_begin(enum store_what what, const char *digest, uint64_t size, int *fd, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_STORE_FD, .fds = 1 },
		{ .type = M_STORE_THERE },
		{ .type = M_STORE_DONE, .max_len = KIB(1) },
		{ 0 },
	};
	automsg m, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&m, M_STORE, 0);
	rc = msg_put_u8(&m, (uint8_t)what, e);
	if (rc == 0)
		rc = msg_put_str(&m, digest, e);
	if (rc == 0)
		rc = msg_put_u64(&m, size, e);
	if (rc == 0)
		rc = ask(&m, rules, &answer, e);
	return rc < 0 ? rc : take_begun(&answer, fd, e);
}

int
destination_end(const struct digest *d, uint64_t size, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_STORE_END, 0);
	rc = msg_put_str(&m, d->text, e);
	if (rc == 0)
		rc = msg_put_u64(&m, size, e);
	return rc < 0 ? rc : ask_verdict(&m, e);
}

int
destination_add(enum store_what what, struct span data, struct digest *out, struct err *e)
{
	autoclose int fd = -1;
	struct digest d;
	bool whole;
	int rc = digest_of(HASH_SHA256, data, &d, e);

	if (rc == 0)
		rc = destination_begin(what, d.text, data.len, &fd, e);
	if (rc == 0) {
		/* Whoever does not take it all says why at the end. */
		whole = sys_write_all(fd, data.p, data.len) == 0;
		base_close(&fd);
		rc = destination_end(&d, data.len, e);
		if (rc == 0 && !whole)
			rc = err_set(e, ERR_STORAGE, "%s could not be written", d.text);
	}
	if (rc < 0)
		return rc;
	*out = d;
	return 0;
}

int
destination_commit(const char *media_type, const struct digest *manifest, uint64_t size, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_STORE_COMMIT, 0);
	rc = msg_put_str(&m, media_type, e);
	if (rc == 0)
		rc = msg_put_str(&m, manifest->text, e);
	if (rc == 0)
		rc = msg_put_u64(&m, size, e);
	return rc < 0 ? rc : ask_verdict(&m, e);
}
