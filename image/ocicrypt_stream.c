/*
 * ocicrypt_stream.c: the two stages of layer encryption. Encrypt, then MAC: the
 * MAC covers the ciphertext only and is keyed with the cipher's key, as the
 * format wants it. What stream_decrypt() gives is not authentic before finish.
 */
#include "lib/base.h"
#include "image/ocicrypt.h"

#include "lib/sys.h"

struct cipher_state {
	struct hmac	*hmac;
	struct ctr	*ctr;
	uint8_t		 mac[32];	/* decrypt: expected; encrypt: made by finish */
};

static void
cipher_close(struct stream *s)
{
	struct cipher_state *st = s->state;

	hmac_free(st->hmac);
	ctr_free(st->ctr);
	sys_free(st);
}

static int
cipher_init(struct stream *s, const struct stream_ops *ops, struct stream *from,
    const struct ocicrypt_private *options, struct err *e)
{
	const struct span key = { options->key, sizeof(options->key) };
	const struct span nonce = { options->nonce, sizeof(options->nonce) };
	struct stream made = { .ops = ops, .from = from };
	struct cipher_state *st = sys_alloc(sizeof(*st));
	int rc;

	if (st == NULL)
		return err_set(e, ERR_NOMEM, "%s: out of memory", ops->name);
	made.state = st;
	if ((rc = hmac_new(key, &st->hmac, e)) < 0 || (rc = ctr_new(key, nonce, &st->ctr, e)) < 0) {
		cipher_close(&made);
		return rc;
	}
	*s = made;
	return 0;
}

static ssize_t
decrypt_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct cipher_state *st = s->state;
	ssize_t got = stream_read(s->from, p, n, e);
	int rc;

	if (got <= 0)
		return got;
	if ((rc = hmac_update(st->hmac, p, (size_t)got, e)) < 0 ||
	    (rc = ctr_update(st->ctr, p, p, (size_t)got, e)) < 0)
		return rc;
	return got;
}

/* The value made here is not shown: who learns it can forge without the key. */
static int
decrypt_finish(struct stream *s, struct err *e)
{
	struct cipher_state *st = s->state;
	uint8_t mac[32];
	int rc = hmac_final(st->hmac, mac, e);

	if (rc < 0)
		return rc;
	if (!crypto_equal((struct span){ mac, sizeof(mac) }, (struct span){ st->mac, sizeof(st->mac) }))
		return err_set(e, ERR_MAC, "the MAC of the encrypted layer does not fit");
	return 0;
}

static const struct stream_ops decrypt_ops = {
	.name	= "decrypt",
	.read	= decrypt_read,
	.finish	= decrypt_finish,
	.close	= cipher_close,
};

int
stream_decrypt(struct stream *s, struct stream *from, const struct ocicrypt_private *options,
    const struct ocicrypt_public *public, struct err *e)
{
	int rc = cipher_init(s, &decrypt_ops, from, options, e);

	if (rc == 0)
		memcpy(((struct cipher_state *)s->state)->mac, public->hmac, sizeof(public->hmac));
	return rc;
}

static ssize_t
encrypt_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct cipher_state *st = s->state;
	ssize_t got = stream_read(s->from, p, n, e);
	int rc;

	if (got <= 0)
		return got;
	if ((rc = ctr_update(st->ctr, p, p, (size_t)got, e)) < 0 ||
	    (rc = hmac_update(st->hmac, p, (size_t)got, e)) < 0)
		return rc;
	return got;
}

static int
encrypt_finish(struct stream *s, struct err *e)
{
	struct cipher_state *st = s->state;

	return hmac_final(st->hmac, st->mac, e);
}

static const struct stream_ops encrypt_ops = {
	.name	= "encrypt",
	.read	= encrypt_read,
	.finish	= encrypt_finish,
	.close	= cipher_close,
};

int
stream_encrypt(struct stream *s, struct stream *from, const struct ocicrypt_private *options,
    struct err *e)
{
	return cipher_init(s, &encrypt_ops, from, options, e);
}

void
stream_encrypt_hmac(const struct stream *s, uint8_t out[32])
{
	const struct cipher_state *st = s->state;

	memcpy(out, st->mac, sizeof(st->mac));
}
