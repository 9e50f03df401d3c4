/*
 * push.c: what copy asks of a destination, step by step. Small blobs whose digest is known, and the manifest, are
 * taken into memory, so that they can be sent again; others stream from a pipe into the registry.
 */
#include "lib/base.h"

#include "agent/push.h"

#include <fcntl.h>
#include <poll.h>

#include "agent/roles.h"
#include "agent/upload.h"
#include "lib/sys.h"

#define DOCUMENT_MAX	LIMIT_MANIFEST	/* what is taken into memory */
#define PIPE_SIZE	(1 << 20)

/* What is waited for, of the registry or of copy. */
enum phase {
	PHASE_IDLE,	/* for the next message */
	PHASE_FIND,	/* is the blob there? */
	PHASE_OPEN,	/* for a place to upload to */
	PHASE_FILL,	/* for the bytes, and for M_STORE_END */
	PHASE_CLOSE,	/* for the registry's last word about a blob or the manifest */
};

struct push {
	struct client		*client;
	struct push_events	 events;
	struct err		*err;
	int			 peer;
	struct err		 unusable;	/* every blob hears it */
	struct upload		 upload;
	enum phase		 phase;
	uint32_t		 id;		/* of the message to be answered */
	/* The blob of M_STORE */
	enum store_what		 what;
	bool			 has_digest;
	struct digest		 digest;
	uint64_t		 size;
	int			 in;		/* of a document: its bytes come here */
	struct buf		 bytes;		/* of a document; of a manifest until it is named */
	bool			 filled;	/* all bytes have come and, where they stream, were sent */
	bool			 told;		/* M_STORE_END has come */
	struct digest		 told_digest;
	uint64_t		 told_size;
	struct err		 failed;	/* while it was filled */
};

static struct loop *
loop_of(const struct push *p)
{
	return p->client->opt.http.loop;
}

/* copy may go when it likes. */
static void
check_sent(struct push *p, int rc)
{
	if (rc < 0)
		p->events.over(p->events.arg, rc == -ERR_CRASH ? 0 : rc);
}

static void
answer(struct push *p, const struct err *failed)
{
	p->phase = PHASE_IDLE;
	check_sent(p, role_answer(p->peer, M_STORE_DONE, p->id, failed, p->err));
}

static void
answer_there(struct push *p)
{
	automsg m;

	p->phase = PHASE_IDLE;
	msg_init(&m, M_STORE_THERE, p->id);
	check_sent(p, msg_send(p->peer, &m, -1, p->err));
}

static bool
is_document(const struct push *p)
{
	return p->what == STORE_MANIFEST || (p->has_digest && p->size <= DOCUMENT_MAX);
}

static void
close_in(struct push *p)
{
	if (p->in >= 0)
		loop_unwatch(loop_of(p), p->in);
	base_close(&p->in);
}

/* --- the bytes of a blob */

/* All bytes are here and copy has told what they are: the registry is given the last word. */
static void
conclude(struct push *p)
{
	uint64_t n = is_document(p) ? p->bytes.len : p->upload.sent;
	struct err e = p->failed;

	if (e.code == ERR_NONE && (n != p->told_size ||
	    (p->has_digest && strcmp(p->digest.text, p->told_digest.text) != 0)))
		err_set(&e, ERR_PROTO, "%s: %" PRIu64 " bytes have come instead of %" PRIu64,
		    p->told_digest.text, n, p->told_size);
	p->phase = PHASE_CLOSE;
	if (e.code != ERR_NONE)
		answer(p, &e);
	else if (p->what == STORE_MANIFEST || (p->has_digest && !is_document(p)))
		answer(p, NULL);	/* the one is named later, the other was when it was sent */
	else if (is_document(p))
		upload_bytes(&p->upload, buf_span(&p->bytes), &p->told_digest);
	else
		upload_close(&p->upload, &p->told_digest);
}

static void
filled(struct push *p, const struct err *failed)
{
	p->filled = true;
	if (failed != NULL)
		p->failed = *failed;
	if (p->told)
		conclude(p);
}

static void
on_bytes(void *arg, int fd, maybe_unused short revents)
{
	struct push *p = arg;
	struct err e = { 0 };
	uint8_t chunk[KIB(16)];
	ssize_t n = sys_read(fd, chunk, sizeof(chunk));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		err_sys(&e, "bytes to send");
	else if (n > 0 && buf_add(&p->bytes, chunk, (size_t)n, &e) == 0)
		return;
	close_in(p);
	filled(p, e.code != ERR_NONE ? &e : NULL);
}

static int
take_in(struct push *p, int fd, struct err *e)
{
	p->in = fd;
	if (fcntl(fd, F_SETFL, O_RDONLY | O_NONBLOCK) < 0)
		return err_sys(e, "pipe");
	return loop_watch(loop_of(p), fd, POLLIN, on_bytes, p, e);
}

/* Copy gets the one end of a pipe; from the other one the bytes are taken. */
static void
offer_pipe(struct push *p)
{
	struct err e = { 0 };
	autoclose int theirs = -1;
	automsg m;
	int pair[2], rc = 0;

	msg_init(&m, M_STORE_FD, p->id);
	if (pipe2(pair, O_CLOEXEC) < 0) {
		err_sys(&e, "pipe");
		answer(p, &e);
		return;
	}
	theirs = pair[1];
	(void)fcntl(theirs, F_SETPIPE_SZ, PIPE_SIZE);
	msg_put_fd(&m, theirs);
	p->phase = PHASE_FILL;
	if (is_document(p))
		rc = take_in(p, pair[0], &e);
	else
		upload_stream(&p->upload, pair[0], p->size, p->has_digest ? &p->digest : NULL);
	if (rc < 0) {
		close_in(p);
		answer(p, &e);
		return;
	}
	check_sent(p, msg_send(p->peer, &m, -1, p->err));
}

/* A step of the upload has ended. */
static void
on_step(void *arg, const struct err *failed)
{
	struct push *p = arg;

	if (p->phase == PHASE_FILL)
		filled(p, failed);
	else if (failed != NULL || p->phase == PHASE_CLOSE)
		answer(p, failed);
	else if (p->phase == PHASE_FIND && p->upload.there)
		answer_there(p);
	else if (p->phase == PHASE_FIND && !is_document(p)) {
		p->phase = PHASE_OPEN;
		upload_open(&p->upload);
	} else
		offer_pipe(p);
}

/* --- messages */

static int
take_store(struct push *p, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t what = msg_get_u8(&r);
	char text[sizeof(p->digest.text)];

	msg_get_str(&r, text, sizeof(text));
	p->size = msg_get_u64(&r);
	p->has_digest = text[0] != '\0';
	if (!msg_get_end(&r) || what >= STORE_WHAT_COUNT || p->phase != PHASE_IDLE ||
	    (p->has_digest && digest_parse(span_str(text), &p->digest, e) < 0))
		return err_set(e, ERR_PROTO, "a blob that cannot be");
	p->what = (enum store_what)what;
	p->filled = p->told = false;
	p->failed = (struct err){ 0 };
	buf_reset(&p->bytes);
	if (p->unusable.code != ERR_NONE) {
		answer(p, &p->unusable);
	} else if (p->what == STORE_MANIFEST) {
		offer_pipe(p);
	} else if (p->has_digest) {
		p->phase = PHASE_FIND;
		upload_find(&p->upload, &p->digest);
	} else {
		p->phase = PHASE_OPEN;
		upload_open(&p->upload);
	}
	return 0;
}

static int
take_end(struct push *p, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char text[sizeof(p->digest.text)];

	msg_get_str(&r, text, sizeof(text));
	p->told_size = msg_get_u64(&r);
	if (!msg_get_end(&r) || p->phase != PHASE_FILL || p->told ||
	    digest_parse(span_str(text), &p->told_digest, e) < 0)
		return err_set(e, ERR_PROTO, "an end of nothing");
	p->told = true;
	if (p->filled)
		conclude(p);
	return 0;
}

static int
take_commit(struct push *p, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char media_type[128], text[sizeof(p->digest.text)];
	uint64_t size;

	msg_get_str(&r, media_type, sizeof(media_type));
	msg_get_str(&r, text, sizeof(text));
	size = msg_get_u64(&r);
	if (!msg_get_end(&r) || p->phase != PHASE_IDLE || p->what != STORE_MANIFEST || !p->filled ||
	    size != p->bytes.len || strcmp(text, p->told_digest.text) != 0)
		return err_set(e, ERR_PROTO, "a name for no manifest");
	p->phase = PHASE_CLOSE;
	upload_manifest(&p->upload, buf_span(&p->bytes), &p->told_digest, media_type);
	return 0;
}

static int
take(struct push *p, const struct msg *m, struct err *e)
{
	p->id = m->id;
	switch (m->type) {
	case M_STORE:
		return take_store(p, m, e);
	case M_STORE_END:
		return take_end(p, m, e);
	default:
		return take_commit(p, m, e);
	}
}

static void
on_peer(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_STORE, .max_len = KIB(1) },
		{ .type = M_STORE_END, .max_len = KIB(1) },
		{ .type = M_STORE_COMMIT, .max_len = KIB(1) },
		{ 0 },
	};
	struct push *p = arg;
	automsg m;
	int rc = msg_recv(p->peer, rules, 0, &m, p->err);

	if (rc > 0)
		rc = take(p, &m, p->err);
	else if (rc == 0)
		p->events.over(p->events.arg, 0);
	if (rc < 0 && rc != -ERR_TIMEOUT)
		p->events.over(p->events.arg, rc);
}

int
push_new(struct client *c, int socket, const struct image_ref *ref, const struct err *unusable,
    const struct push_events *events, struct push **out, struct err *e)
{
	struct push *p = sys_alloc(sizeof(*p));
	int rc;

	if (p == NULL)
		return err_set(e, ERR_NOMEM, "push");
	*p = (struct push){ .client = c, .events = *events, .err = e, .peer = socket, .unusable = *unusable,
	    .in = -1, .bytes = BUF(DOCUMENT_MAX), .what = STORE_WHAT_COUNT };
	if (p->unusable.code == ERR_NONE)
		(void)(upload_init(&p->upload, c, ref, &p->unusable) < 0);
	p->upload.ended = on_step;
	p->upload.arg = p;
	rc = loop_watch(loop_of(p), socket, POLLIN, on_peer, p, e);
	if (rc < 0)
		push_free(p);
	else
		*out = p;
	return rc;
}

void
push_free(struct push *p)
{
	if (p == NULL)
		return;
	loop_unwatch(loop_of(p), p->peer);
	close_in(p);
	if (p->unusable.code == ERR_NONE)
		upload_fini(&p->upload);
	buf_free(&p->bytes);
	sys_free(p);
}
