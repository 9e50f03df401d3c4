/* source.c: small documents are collected here, layers are only started. */
#include "lib/base.h"

#include "agent/source.h"

#include <fcntl.h>

#include "agent/roles.h"
#include "image/layout.h"
#include "lib/fs.h"

#define PIPE_SIZE	(1 << 20)	/* measured: design of the pipeline */
#define ANSWER_MS	300000		/* net has its own, shorter limits for silence */
#define SIZE_UNKNOWN	UINT64_MAX
#define SLACK		KIB(64)		/* a blob too long is read so far, so that the digest stage says it */

const struct msg_rule source_net_rules[] = {
	{ .type = M_GET_HEAD, .max_len = 512 },
	{ .type = M_GET_PROGRESS, .max_len = 8 },
	{ .type = M_GET_DONE, .max_len = KIB(1) },
	{ 0 },
};

static int
make_pipe(int p[2], struct err *e)
{
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	/* More than the unprivileged limit is refused; the default size works, too. */
	(void)fcntl(p[1], F_SETPIPE_SZ, PIPE_SIZE);
	return 0;
}

static int
send_get(struct source *s, enum get_what what, const struct image_ref *ref, const char *wanted,
    uint64_t max, uint64_t size, int out, uint32_t *id, struct err *e)
{
	char name[LIMIT_REFERENCE + 1];
	automsg m;
	int rc;

	image_ref_format(ref, name, sizeof(name));
	*id = ++s->next_id;
	msg_init(&m, M_GET, *id);
	rc = msg_put_u8(&m, (uint8_t)what, e);
	if (rc == 0)
		rc = msg_put_str(&m, name, e);
	if (rc == 0)
		rc = msg_put_str(&m, wanted, e);
	if (rc == 0)
		rc = msg_put_u64(&m, max, e);
	if (rc == 0)
		rc = msg_put_u64(&m, size, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, out);
	return msg_send(PULL_FD_NET, &m, ANSWER_MS, e);
}

/* Waits for the exchange's last word; notes its head. */
static int
await_done(uint32_t id, struct document *out, struct err *e)
{
	for (;;) {
		struct msg_reader r;
		automsg m;
		int rc = msg_recv(PULL_FD_NET, source_net_rules, ANSWER_MS, &m, e);

		if (rc == 0)
			return err_set(e, ERR_CRASH, "the net process died");
		if (rc < 0)
			return rc;
		r = msg_reader(&m);
		if (m.id != id)
			return err_set(e, ERR_PROTO, "answer to another request");
		if (m.type == M_GET_DONE)
			return role_verdict(&r, e);
		if (m.type != M_GET_HEAD)
			continue;
		msg_get_str(&r, out->content_type, sizeof(out->content_type));
		msg_get_str(&r, out->content_digest, sizeof(out->content_digest));
		if (!msg_get_end(&r))
			return err_set(e, ERR_PROTO, "answer that cannot be read");
	}
}

static int
get_document(struct source *s, enum get_what what, const struct image_ref *ref, const char *wanted,
    struct document *out, struct err *e)
{
	struct err reading = { 0 };
	autoclose int from = -1;
	int p[2], rc, read_rc;
	uint32_t id;

	out->content_type[0] = out->content_digest[0] = '\0';
	rc = make_pipe(p, e);
	if (rc < 0)
		return rc;
	from = p[0];
	/* Of a blob the limit is the size that the manifest says. */
	rc = send_get(s, what, ref, wanted, out->body.max, what == GET_BLOB ? out->body.max : SIZE_UNKNOWN, p[1], &id, e);
	close(p[1]);
	if (rc < 0)
		return rc;
	read_rc = fs_read_fd(from, wanted, &out->body, &reading);
	base_close(&from);
	rc = await_done(id, out, e);
	if (read_rc < 0 && (rc == 0 || rc == -ERR_CANCELLED)) {
		*e = reading;
		rc = read_rc;
	}
	return rc;
}

/* A file of the layout, which the monitor opens: it may read what this process may not. */
static int
open_file(struct source *s, const char *digest, int *fd, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_OPENED, .fds = 1 },
		{ .type = M_OPEN_FAILED, .max_len = KIB(1) },
		{ 0 },
	};
	struct msg_reader r;
	automsg ask, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&ask, M_OPEN, ++s->next_id);
	rc = msg_put_str(&ask, digest, e);
	if (rc == 0)
		rc = msg_send(s->layout, &ask, ANSWER_MS, e);
	if (rc == 0)
		rc = msg_recv(s->layout, rules, ANSWER_MS, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the monitor is gone");
	if (rc < 0)
		return rc;
	if (answer.type == M_OPENED) {
		*fd = fd_steal(&answer.fds[0]);
		return 0;
	}
	r = msg_reader(&answer);
	rc = role_verdict(&r, e);
	return rc < 0 ? rc : err_set(e, ERR_PROTO, "answer that cannot be read");
}

static int
read_file(struct source *s, const char *digest, struct buf *out, struct err *e)
{
	autoclose int fd = -1;
	int rc = open_file(s, digest, &fd, e);

	return rc < 0 ? rc : fs_read_fd(fd, digest[0] != '\0' ? digest : "index.json", out, e);
}

/* The first document of a layout is the one index.json names; its digest is checked here, since nobody else knows it. */
static int
layout_manifest(struct source *s, const char *tag, struct document *out, struct err *e)
{
	autobuf index = BUF(LIMIT_MANIFEST);
	struct descriptor d;
	int rc;

	rc = read_file(s, "", &index, e);
	if (rc == 0)
		rc = layout_find(buf_span(&index), tag, &d, e);
	if (rc == 0)
		rc = read_file(s, d.digest.text, &out->body, e);
	if (rc < 0)
		return rc;
	snprintf(out->content_type, sizeof(out->content_type), "%s", d.media_type);
	snprintf(out->content_digest, sizeof(out->content_digest), "%s", d.digest.text);
	return 0;
}

int
source_manifest(struct source *s, const struct image_ref *ref, const char *wanted,
    struct document *out, struct err *e)
{
	struct err none;
	struct digest d;

	if (s->layout < 0)
		return get_document(s, GET_MANIFEST, ref, wanted, out, e);
	out->content_type[0] = out->content_digest[0] = '\0';
	if (digest_parse(span_str(wanted), &d, &none) == 0)
		return read_file(s, d.text, &out->body, e);
	return layout_manifest(s, wanted, out, e);
}

int
source_blob(struct source *s, const struct image_ref *ref, const struct digest *d,
    struct document *out, struct err *e)
{
	if (s->layout < 0)
		return get_document(s, GET_BLOB, ref, d->text, out, e);
	return read_file(s, d->text, &out->body, e);
}

int
source_referrers(struct source *s, const struct image_ref *ref, const struct digest *d,
    struct document *out, struct err *e)
{
	if (s->layout >= 0)
		return err_set(e, ERR_BUG, "referrers of an image in a directory");
	return get_document(s, GET_REFERRERS, ref, d->text, out, e);
}

int
source_url(struct source *s, const struct image_ref *ref, const char *url, struct buf *out, struct err *e)
{
	struct document doc = { .body = BUF(out->max) };
	int rc;

	if (s->layout >= 0)
		return err_set(e, ERR_BUG, "a URL for an image in a directory");
	rc = get_document(s, GET_URL, ref, url, &doc, e);
	if (rc == 0)
		rc = buf_add_span(out, buf_span(&doc.body), e);
	buf_free(&doc.body);
	return rc;
}

int
source_stream(struct source *s, const struct image_ref *ref, const struct digest *d,
    uint64_t size, int *fd, uint32_t *id, struct err *e)
{
	int p[2], rc;

	*id = 0;
	if (s->layout >= 0)
		return open_file(s, d->text, fd, e);
	rc = make_pipe(p, e);
	if (rc < 0)
		return rc;
	rc = send_get(s, GET_BLOB, ref, d->text, size + SLACK, size, p[1], id, e);
	close(p[1]);
	if (rc < 0)
		close(p[0]);
	else
		*fd = p[0];
	return rc;
}
