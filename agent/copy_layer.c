/* copy_layer.c: one layer: source → crypt → destination. No byte of it comes by here. */
#include "lib/base.h"

#include "agent/copier.h"

#include <poll.h>

#include "agent/destination.h"
#include "lib/sys.h"

#define ATTEMPTS	3	/* for a layer whose bytes were lost on the way to the destination */
#define GRACE_MS	3000	/* for the other part, after one has failed */

/* A layer at work. */
struct move {
	size_t			 number;
	const struct layer	*layer;
	enum copy_how		 how;
	int			 crypt;		/* its control socket */
	uint32_t		 get;		/* exchange of net; 0: none */
	bool			 got, crypted;
	struct err		 get_err, crypt_err;
	struct rewrite_layer	*out;
};

/* The next one counts as well: it never waits. */
static void
tell(const struct move *m, enum stage stage, uint64_t bytes)
{
	struct err ignored;
	automsg news;

	msg_init(&news, M_PROGRESS, 0);
	if (msg_put_u32(&news, (uint32_t)m->number, &ignored) == 0 &&
	    msg_put_u8(&news, (uint8_t)stage, &ignored) == 0 &&
	    msg_put_u64(&news, bytes, &ignored) == 0)
		(void)(msg_send(FD_CONTROL, &news, 0, &ignored) < 0);
}

static int
take_wrapped(struct msg *answer, struct move *m, struct err *e)
{
	struct msg_reader r = msg_reader(answer);
	struct ocicrypt_wrapped *w = &m->out->wrapped;
	int rc = 0;

	if (answer->type == M_COPY_FAILED) {
		rc = role_verdict(&r, e);
		return rc < 0 ? rc : err_set(e, ERR_PROTO, "answer that cannot be read");
	}
	for (int i = 0; i < SCHEME_COUNT && rc == 0; i++) {
		w->value[i] = (struct buf)BUF(LIMIT_ANNOTATION);
		rc = buf_add_span(&w->value[i], msg_get_bytes(&r, LIMIT_ANNOTATION), e);
	}
	if (rc == 0 && !msg_get_end(&r))
		rc = err_set(e, ERR_PROTO, "answer that cannot be read");
	if (rc == 0)
		m->crypt = fd_steal(&answer->fds[0]);
	return rc;
}

/* Has the monitor start a crypt process that writes to out, with the layer's key if it needs one. */
static int
start_crypt(struct move *m, int out, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_COPY_LAYER_FD, .max_len = LIMIT_ANNOTATION + 64, .fds = 1 },
		{ .type = M_COPY_FAILED, .max_len = KIB(1) },
		{ 0 },
	};
	automsg ask, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&ask, M_COPY_LAYER, (uint32_t)m->number);
	rc = msg_put_u32(&ask, (uint32_t)m->number, e);
	if (rc == 0)
		rc = msg_put_u8(&ask, (uint8_t)m->how, e);
	if (rc == 0)
		rc = msg_put_str(&ask, m->layer->desc.digest.text, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&ask, out);
	rc = msg_send(FD_CONTROL, &ask, -1, e);
	if (rc == 0)
		rc = msg_recv(FD_CONTROL, rules, -1, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the monitor is gone");
	return rc < 0 ? rc : take_wrapped(&answer, m, e);
}

static int
put_open_job(struct msg *job, const struct move *m, struct err *e)
{
	bool decrypt = m->how == COPY_DECRYPT;
	struct ocicrypt_public public;
	struct span hmac = { NULL, 0 };
	int rc = 0;

	if (decrypt) {
		rc = ocicrypt_layer_public(m->layer, &public, e);
		hmac = (struct span){ public.hmac, sizeof(public.hmac) };
	}
	if (rc == 0)
		rc = msg_put_u8(job, CRYPT_TELL | (decrypt ? CRYPT_ENCRYPTED : 0), e);
	if (rc == 0)
		rc = msg_put_str(job, m->layer->desc.digest.text, e);
	if (rc == 0)
		rc = msg_put_u64(job, m->layer->desc.size, e);
	return rc < 0 ? rc : msg_put_bytes(job, hmac, e);
}

static int
put_make_job(struct msg *job, const struct move *m, struct err *e)
{
	int rc = msg_put_str(job, m->layer->desc.digest.text, e);

	return rc < 0 ? rc : msg_put_u64(job, m->layer->desc.size, e);
}

static int
send_job(const struct move *m, int in, struct err *e)
{
	bool make = m->how == COPY_ENCRYPT;
	automsg job;
	int rc;

	msg_init(&job, make ? M_CRYPT_MAKE : M_CRYPT_JOB, 0);
	rc = make ? put_make_job(&job, m, e) : put_open_job(&job, m, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&job, in);
	return msg_send(m->crypt, &job, GRACE_MS, e);
}

/* What came out of crypt. */
static int
take_output(const struct move *m, struct msg_reader *r, struct err *e)
{
	struct rewrite_layer *out = m->out;
	char text[160];
	struct span hmac;

	msg_get_str(r, text, sizeof(text));
	out->size = msg_get_u64(r);
	hmac = msg_get_bytes(r, sizeof(out->public.hmac));
	if (!msg_get_end(r) || hmac.len != sizeof(out->public.hmac))
		return err_set(e, ERR_PROTO, "result that cannot be read");
	memcpy(out->public.hmac, hmac.p, hmac.len);
	return digest_parse(span_str(text), &out->digest, e);
}

static void
hear_crypt(struct move *m)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CRYPT_DONE, .max_len = KIB(1) }, { 0 },
	};
	struct err e = { 0 };
	struct msg_reader r;
	automsg word;
	int rc = msg_recv(m->crypt, rules, 0, &word, &e);

	if (rc == -ERR_TIMEOUT)
		return;
	m->crypted = true;
	r = msg_reader(&word);
	if (rc == 0)
		rc = err_set(&e, ERR_CRASH, "the crypt process died");
	else if (rc > 0)
		rc = role_verdict(&r, &e);
	if (rc == 0)
		rc = take_output(m, &r, &e);
	if (rc < 0)
		m->crypt_err = e;
}

static void
hear_source(struct move *m)
{
	struct err e = { 0 };
	struct msg_reader r;
	automsg word;
	int rc = msg_recv(COPY_FD_SOURCE, source_net_rules, 0, &word, &e);

	if (rc == -ERR_TIMEOUT || (rc > 0 && word.id != m->get))
		return;
	r = msg_reader(&word);
	if (rc == 0)
		rc = err_set(&e, ERR_CRASH, "the process that reads the image died");
	if (rc > 0 && word.type == M_GET_PROGRESS)
		tell(m, STAGE_FETCH, msg_get_u64(&r));
	if (rc > 0 && word.type != M_GET_DONE)
		return;
	if (rc > 0)
		rc = role_verdict(&r, &e);
	m->got = true;
	if (rc < 0)
		m->get_err = e;
}

/* Until both parts have given their verdict, or one has failed and the other is silent. */
static int
await_parts(struct move *m, struct err *e)
{
	while (!m->got || !m->crypted) {
		bool failed = m->get_err.code != ERR_NONE || m->crypt_err.code != ERR_NONE;
		struct pollfd p[] = {
			{ .fd = FD_CONTROL },
			{ .fd = m->crypted ? -1 : m->crypt, .events = POLLIN },
			{ .fd = m->got ? -1 : COPY_FD_SOURCE, .events = POLLIN },
		};
		int n = poll(p, ARRAY_LEN(p), failed ? GRACE_MS : -1);

		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (n == 0)
			return 0;
		if (p[0].revents & POLLHUP)
			return err_set(e, ERR_CANCELLED, "the monitor is gone");
		if (p[1].revents != 0)
			hear_crypt(m);
		if (p[2].revents != 0)
			hear_source(m);
	}
	return 0;
}

/* The source's fault explains that of crypt, but not when crypt had given up reading. */
static int
judge(const struct move *m, struct err *e)
{
	if (m->got && m->get_err.code != ERR_NONE && m->get_err.code != ERR_CANCELLED) {
		*e = m->get_err;
		return -(int)e->code;
	}
	if (m->crypt_err.code != ERR_NONE) {
		*e = m->crypt_err;
		return -(int)e->code;
	}
	if (m->got && m->crypted && m->get_err.code == ERR_NONE)
		return 0;
	return err_set(e, ERR_CRASH, "a part gave no verdict");
}

static int
run_move(struct copier *c, struct move *m, int *out, struct err *e)
{
	autoclose int in = -1;
	int rc = start_crypt(m, *out, e);

	base_close(out);	/* crypt has it: its end is that of the blob */
	if (rc == 0)
		rc = source_stream(&c->source, &c->ref, &m->layer->desc.digest, m->layer->desc.size, &in,
		    &m->get, e);
	if (rc == 0)
		rc = send_job(m, in, e);
	base_close(&in);
	if (rc < 0)
		return rc;
	m->got = m->get == 0;
	rc = await_parts(m, e);
	return rc < 0 ? rc : judge(m, e);
}

static const enum copy_how how_of[] = {
	[REWRITE_KEEP] = COPY_AS_IT_IS, [REWRITE_ENCRYPT] = COPY_ENCRYPT, [REWRITE_DECRYPT] = COPY_DECRYPT,
};

/* *lost: all went well but for the line to the destination. */
static int
move_layer(struct copier *c, struct move *m, bool *lost, struct err *e)
{
	const struct descriptor *d = &m->layer->desc;
	bool known = m->how == COPY_AS_IT_IS && d->digest.alg == HASH_SHA256;
	autoclose int to = -1;
	int rc;

	tell(m, STAGE_FETCH, 0);
	rc = destination_begin(STORE_BLOB, known ? d->digest.text : "", d->size, &to, e);
	if (rc == 1) {
		tell(m, STAGE_REUSED, d->size);
		return known ? 0 : err_set(e, ERR_PROTO, "a blob of unknown digest is there already");
	}
	if (rc == 0)
		rc = run_move(c, m, &to, e);
	if (rc < 0)
		return rc;
	rc = destination_end(&m->out->digest, m->out->size, e);
	*lost = rc == -ERR_NET;
	if (rc == 0)
		tell(m, STAGE_DONE, d->size);
	return rc;
}

/* Bytes that were lost on the way come from the source once more; an encrypted layer gets another key by that. */
int
copy_layer(struct copier *c, size_t number, const struct layer *layer, struct rewrite_layer *out, struct err *e)
{
	for (int attempt = 1;; attempt++) {
		struct move m = { .number = number, .layer = layer, .how = how_of[out->how], .crypt = -1, .out = out };
		struct err failed = { 0 };
		bool lost = false;
		int rc;

		out->digest = layer->desc.digest;
		out->size = layer->desc.size;
		rc = move_layer(c, &m, &lost, &failed);
		base_close(&m.crypt);
		/* The key of one that is decrypted is given out once. */
		if (rc == 0 || !lost || m.how == COPY_DECRYPT || attempt == ATTEMPTS) {
			if (rc < 0)
				*e = failed;
			return rc;
		}
		log_warning("%s; the layer is sent anew", failed.msg);
		ocicrypt_wrapped_fini(&out->wrapped);
	}
}
