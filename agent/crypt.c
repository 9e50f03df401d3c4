/*
 * crypt.c: the role between the network and the archive: blob digest, MAC, cipher. One
 * job, one layer key at most; the bytes are never parsed. What has arrived is passed
 * on at once, so the reader sees bytes whose digest is not known yet: it throws them away if
 * this process does not say well.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include "image/ocicrypt.h"
#include "lib/secret.h"
#include "lib/sys.h"

#define CHUNK	KIB(64)		/* design: larger ones gain nothing with pipes of 1 MiB */

struct job {
	bool			 encrypted, make, tell;
	struct digest		 digest;	/* of the blob that is read */
	uint64_t		 size;
	struct ocicrypt_public	 public;
	struct ocicrypt_private	*private;	/* secret memory; NULL: plain */
	int			 in;
	/* tell: of what came out */
	struct hash		*out_hash;
	uint64_t		 out_size;
	struct digest		 out_digest;
};

static int
prepare(maybe_unused struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	return crypto_init(e);
}

static int
receive_job(struct job *j, uint32_t *id, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CRYPT_JOB, .max_len = 512, .fds = 1 },
		{ .type = M_CRYPT_MAKE, .max_len = 512, .fds = 1 },
		{ 0 },
	};
	char text[sizeof(j->digest.text)];
	struct msg_reader r;
	struct span hmac = { NULL, 0 };
	uint8_t flags;
	automsg m;
	int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CANCELLED, "no job");
	*id = m.id;
	r = msg_reader(&m);
	j->make = m.type == M_CRYPT_MAKE;
	flags = j->make ? CRYPT_ENCRYPTED | CRYPT_TELL : msg_get_u8(&r);
	j->encrypted = (flags & CRYPT_ENCRYPTED) != 0;
	j->tell = (flags & CRYPT_TELL) != 0;
	msg_get_str(&r, text, sizeof(text));
	j->size = msg_get_u64(&r);
	if (!j->make)
		hmac = msg_get_bytes(&r, sizeof(j->public.hmac));
	if (!msg_get_end(&r) || (j->encrypted && !j->make && hmac.len != sizeof(j->public.hmac)))
		return err_set(e, ERR_PROTO, "job that cannot be read");
	if (hmac.len == sizeof(j->public.hmac))
		memcpy(j->public.hmac, hmac.p, hmac.len);
	j->in = fd_steal(&m.fds[0]);
	return digest_parse(span_str(text), &j->digest, e);
}

static int
receive_key(struct job *j, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_LAYER_KEY, .max_len = 128, .secret = true },
		{ 0 },
	};
	struct msg_reader r;
	struct span key, nonce;
	automsg m;
	int rc = msg_recv(CRYPT_FD_KEY, rules, -1, &m, e);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CRASH, "the layer's key did not arrive");
	r = msg_reader(&m);
	key = msg_get_bytes(&r, sizeof(j->private->key));
	nonce = msg_get_bytes(&r, sizeof(j->private->nonce));
	if (!msg_get_end(&r) || key.len != sizeof(j->private->key) ||
	    nonce.len != sizeof(j->private->nonce))
		return err_set(e, ERR_PROTO, "layer key that cannot be read");
	j->private = secret_alloc(sizeof(*j->private));
	if (j->private == NULL)
		return err_set(e, ERR_NOMEM, "layer key");
	memcpy(j->private->key, key.p, key.len);
	memcpy(j->private->nonce, nonce.p, nonce.len);
	return 0;
}

/* Digest, and on top of it the cipher if there is one. */
static int
build(struct job *j, struct stream st[3], struct stream **top, struct err *e)
{
	int rc;

	rc = stream_fd(&st[0], j->in, "blob", e);
	if (rc == 0)
		rc = stream_digest(&st[1], &st[0], j->digest.alg, j->digest.value,
		    j->size, "blob", e);
	*top = &st[1];
	if (rc < 0 || !j->encrypted)
		return rc;
	*top = &st[2];
	return j->make ? stream_encrypt(&st[2], &st[1], j->private, e) :
	    stream_decrypt(&st[2], &st[1], j->private, &j->public, e);
}

/*
 * Passes everything on. When the reader has given up the rest is still read and checked, because
 * "not what the manifest promises" tells more than "malformed archive".
 */
static int
pass_on(struct job *j, struct stream *top, struct err *e)
{
	static uint8_t chunk[CHUNK];
	bool reader = true;

	for (;;) {
		ssize_t n = stream_read(top, chunk, sizeof(chunk), e);

		if (n <= 0)
			return n < 0 ? (int)n : 0;
		if (j->tell && hash_update(j->out_hash, chunk, (size_t)n, e) < 0)
			return -(int)e->code;
		j->out_size += (uint64_t)n;
		if (reader && sys_write_all(CRYPT_FD_OUT, chunk, (size_t)n) < 0) {
			if (errno != EPIPE)
				return err_sys(e, "pass on");
			reader = false;
		}
	}
}

static int
work(struct job *j, struct err *e)
{
	struct stream st[3] = { { 0 } }, *top = NULL;
	uint8_t value[HASH_MAX];
	int rc;

	rc = j->encrypted ? receive_key(j, e) : 0;
	if (rc == 0 && j->tell)
		rc = hash_new(HASH_SHA256, &j->out_hash, e);
	if (rc == 0)
		rc = build(j, st, &top, e);
	if (rc == 0)
		rc = pass_on(j, top, e);
	if (rc == 0)
		rc = stream_finish(top, e);
	if (rc == 0 && j->make)
		stream_encrypt_hmac(top, j->public.hmac);
	if (rc == 0 && j->tell) {
		rc = hash_final(j->out_hash, value, e);
		if (rc == 0)
			digest_set(&j->out_digest, HASH_SHA256, value);
	}
	if (top != NULL)
		stream_close(top);
	hash_free(j->out_hash);
	return rc;
}

static int
report_output(const struct job *j, uint32_t id, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_CRYPT_DONE, id);
	rc = msg_put_u8(&m, 0, e);
	if (rc == 0)
		rc = msg_put_str(&m, j->out_digest.text, e);
	if (rc == 0)
		rc = msg_put_u64(&m, j->out_size, e);
	if (rc == 0)
		rc = msg_put_bytes(&m, (struct span){ j->public.hmac, sizeof(j->public.hmac) }, e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &m, -1, e);
}

static int
serve(struct err *e)
{
	struct job j = { .in = -1 };
	struct err failed = { 0 };
	uint32_t id = 0;
	int rc;

	rc = receive_job(&j, &id, e);
	if (rc < 0)
		return rc;
	rc = work(&j, &failed);
	secret_free(j.private, sizeof(*j.private));
	close(CRYPT_FD_OUT);
	if (rc < 0)
		return role_answer(FD_CONTROL, M_CRYPT_DONE, id, &failed, e);
	return j.tell ? report_output(&j, id, e) :
	    role_answer(FD_CONTROL, M_CRYPT_DONE, id, NULL, e);
}

const struct role_ops role_crypt = {
	.name = "crypt",
	.uid = UID_CRYPT,
	.words = WORD(STDIO) | WORD(FDPASS),
	.max_files = 16,
	.secrets = true,
	.prepare = prepare,
	.serve = serve,
};
