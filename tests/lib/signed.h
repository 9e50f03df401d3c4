/*
 * signed.h: a policy_env over the vectors of simple signing, without gpg: what gpg says of each message stands in a
 * table, its text lies beside it in payloads/. Cosign's signatures are made up: "good:KEY" fits where KEY is
 * one of the keys.
 */
#ifndef TESTS_LIB_SIGNED_H
#define TESTS_LIB_SIGNED_H

#include "lib/base.h"

#include <fcntl.h>

#include "image/policy.h"
#include "lib/fs.h"

#define SIGNED_VECTORS	"tests/vectors/image/simple-signing/"
#define SIGNED_DIGEST	"sha256:9e1292e3b2d1e90e1a87920c1871a113e5239098084115e18b4a9f118436e6e1"

struct signed_cosign {
	const char	*payload, *signature;
};

/* What there is beside an image, and what was asked for. */
struct signed_image {
	const char			*key_base;	/* keys of the policy are relative to it */
	const char			*names[140];	/* of simple signatures, in order */
	size_t				 n;
	const struct signed_cosign	*cosign;
	size_t				 ncosign;
	int				 fetch_fails;	/* -err: reading a signature */
	int				 one_fails;	/* -err: only the first one */
	struct gpg_verdict		*verdict;	/* instead of the table's */
	size_t				 keys, fetched, checked;	/* calls */
	struct policy_subject		 asked_for;	/* the last time */
	char				 notes[8192];	/* everything told, a line each */
};

/* Who made a message, and what gpg says when that key is among the policy's. */
static const struct {
	const char	*name, *maker;
	enum gpg_status	 status;
	uint32_t	 hash;
} signed_by[] = {
	{ "good-p256", "p256", GPG_GOOD, 8 },
	{ "good-subkey", "sub", GPG_GOOD, 10 },
	{ "other-key", "other", GPG_GOOD, 10 },
	{ "tampered", "rsa", GPG_BAD_SIGNATURE, 10 },
	{ "expired-key", "exp", GPG_KEY_EXPIRED, 10 },
	{ "expired-sig", "old", GPG_SIG_EXPIRED, 10 },
	{ "old-sig-unexpired", "old", GPG_GOOD, 10 },
	{ "sha1", "rsa", GPG_GOOD, 2 },
};

static int
signed_read(const char *base, const char *name, struct buf *out, struct err *e)
{
	char path[400];

	snprintf(path, sizeof(path), "%s%s", base, name);
	return fs_read_file(AT_FDCWD, path, out, e);
}

static int
signed_key(void *arg, const char *name, struct buf *out, struct err *e)
{
	struct signed_image *s = arg;

	s->keys++;
	return signed_read(s->key_base, name, out, e);
}

/* The "message" is the name of the vector. */
static int
signed_simple(void *arg, const struct policy_subject *subject, size_t n, struct policy_signature *out, struct err *e)
{
	struct signed_image *s = arg;

	s->fetched++;
	s->asked_for = *subject;
	snprintf(out->where, sizeof(out->where), "store/signature-%zu", n + 1);
	if (s->fetch_fails != 0 || (n == 0 && s->one_fails != 0))
		return err_set(e, s->fetch_fails != 0 ? -s->fetch_fails : -s->one_fails, "as told");
	if (n >= s->n)
		return 0;
	return buf_add_str(&out->payload, s->names[n], e) < 0 ? -(int)e->code : 1;
}

static int
signed_cosign_nth(void *arg, const struct policy_subject *subject, size_t n, struct policy_signature *out,
    struct err *e)
{
	struct signed_image *s = arg;

	s->fetched++;
	s->asked_for = *subject;
	snprintf(out->where, sizeof(out->where), "sig, layer %zu", n + 1);
	if (s->fetch_fails != 0)
		return err_set(e, -s->fetch_fails, "as told");
	if (n >= s->ncosign)
		return 0;
	if (buf_add_str(&out->payload, s->cosign[n].payload, e) < 0 ||
	    buf_add_str(&out->signature, s->cosign[n].signature, e) < 0)
		return -(int)e->code;
	return 1;
}

/* 1, 0 or -err */
static int
signed_has_key(const struct span rings[], size_t n, const char *maker, struct err *e)
{
	autobuf key = BUF(LIMIT_POLICY_KEY);
	char name[80];

	snprintf(name, sizeof(name), "keys/%s.gpg", maker);
	if (signed_read(SIGNED_VECTORS, name, &key, e) < 0)
		return -(int)e->code;
	for (size_t i = 0; i < n; i++)
		if (memmem(rings[i].p, rings[i].len, key.data, key.len) != NULL)
			return 1;
	return 0;
}

static int
signed_gpg(void *arg, const struct span rings[], size_t n, struct span message, struct gpg_verdict *out,
    struct buf *payload, struct err *e)
{
	struct signed_image *s = arg;
	const char *maker = "rsa";
	char name[80], path[120];
	int has;

	s->checked++;
	if (!span_to_cstr(message, name, sizeof(name)))
		return err_set(e, ERR_PARSE, "message");
	*out = (struct gpg_verdict){ .signatures = 1, .hash_algo = 10, .key_algo = 1, .key_bits = 2048,
	    .fingerprint = "14629A9598A29B0E2340C4473501C436E759B8C1" };
	for (size_t i = 0; i < ARRAY_LEN(signed_by); i++) {
		if (strcmp(signed_by[i].name, name) != 0)
			continue;
		maker = signed_by[i].maker;
		out->status = signed_by[i].status;
		out->hash_algo = signed_by[i].hash;
	}
	for (size_t i = 0; i < n; i++)
		out->keys += rings[i].len > 0 && rings[i].p[0] >= 0x80;
	has = signed_has_key(rings, n, maker, e);
	if (has < 0)
		return has;
	if (has > 0)
		memcpy(out->primary, out->fingerprint, sizeof(out->primary));
	else
		out->status = GPG_NO_KEY;
	if (s->verdict != NULL)
		*out = *s->verdict;
	snprintf(path, sizeof(path), "payloads/%s", name);
	return signed_read(SIGNED_VECTORS, path, payload, e);
}

static int
signed_cosign_check(void *arg, const struct span keys[], size_t n, maybe_unused struct span payload,
    struct span signature, struct err *e)
{
	struct signed_image *s = arg;

	s->checked++;
	for (size_t i = 0; i < n; i++)
		if (memmem(keys[i].p, keys[i].len, "broken", 6) != NULL)
			return err_set(e, ERR_CONFIG, "key %zu is none", i + 1);
	for (size_t i = 0; i < n; i++)
		if (signature.len > 5 && memcmp(signature.p, "good:", 5) == 0 &&
		    memmem(keys[i].p, keys[i].len, signature.p + 5, signature.len - 5) != NULL)
			return 0;
	return err_set(e, ERR_POLICY, "not by these keys");
}

static void
signed_tell(void *arg, const struct policy_note *note)
{
	static const char *const about[] = { "policy", "image", "scope", "signature", "requirement" };
	struct signed_image *s = arg;
	size_t len = strlen(s->notes);

	snprintf(s->notes + len, sizeof(s->notes) - len, "%s %zu %s: %s: %s\n", about[note->about], note->number,
	    note->good ? "yes" : "no", note->name, note->why);
}

static inline struct policy_env
signed_env(struct signed_image *s)
{
	return (struct policy_env){
		.key = signed_key,
		.simple_signature = signed_simple,
		.cosign_signature = signed_cosign_nth,
		.gpg = signed_gpg,
		.cosign = signed_cosign_check,
		.tell = signed_tell,
		.arg = s,
	};
}

#endif
