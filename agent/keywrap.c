/* keywrap.c: see keywrap.h. Each recipient gets all of the key, or the layer is not encrypted for anybody. */
#include "lib/base.h"

#include "agent/keywrap.h"

#include "lib/codec.h"
#include "lib/fs.h"

void
keywrap_fini(struct keywrap *w)
{
	for (size_t i = 0; i < w->njwe; i++)
		pkey_fini(&w->jwe[i]);
	w->njwe = 0;
}

static void
remember(struct keywrap *w, const char *scheme, const char *name, const struct err *why)
{
	if (w->fault.code == ERR_NONE)
		err_set(&w->fault, why->code == ERR_NOMEM ? ERR_NOMEM : ERR_CONFIG, "--recipient %s:%s: %s", scheme, name,
		    why->msg);
}

void
keywrap_add_provider(struct keywrap *w, const char *params)
{
	struct err e;

	if (w->nparams == KEYWRAP_PROVIDERS) {
		err_set(&e, ERR_LIMIT, "more than %d of this kind", KEYWRAP_PROVIDERS);
		remember(w, "provider", params, &e);
		return;
	}
	snprintf(w->params[w->nparams++], LIMIT_URI, "%s", params);
}

void
keywrap_add_file(struct keywrap *w, enum ocicrypt_scheme scheme, int fd, const char *name)
{
	autobuf text = BUF(PUBKEY_MAX_FILE);
	struct err e;
	int rc = 0;

	if (scheme != SCHEME_JWE)
		rc = err_set(&e, ERR_UNSUPPORTED, "this scheme is read here, but not written");
	else if (w->njwe == JWE_RECIPIENTS)
		rc = err_set(&e, ERR_LIMIT, "more than %d of this kind", JWE_RECIPIENTS);
	if (rc == 0)
		rc = fs_read_fd(fd, "file", &text, &e);
	if (rc == 0)
		rc = pubkey_parse(buf_span(&text), &w->jwe[w->njwe], &e);
	if (rc < 0)
		remember(w, ocicrypt_scheme_name(scheme), name, &e);
	else
		w->njwe++;
}

/* As it stands in the annotation: base64, joined to what is there. */
static int
add_value(struct span wrapped, struct buf *out, struct err *e)
{
	int rc = out->len > 0 ? buf_add_str(out, ",", e) : 0;

	return rc < 0 ? rc : base64_encode(wrapped, out, e);
}

static int
wrap_providers(const struct keywrap *w, struct keyring *k, struct span plain, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < w->nparams; i++) {
		autobuf packet = BUF(LIMIT_PACKET);
		int rc = keyring_wrap(k, w->params[i], plain, &packet, e);

		if (rc == 0)
			rc = add_value(buf_span(&packet), out, e);
		if (rc < 0)
			return err_wrap(e, "key provider");
	}
	return 0;
}

static int
wrap_jwe(const struct keywrap *w, struct span plain, struct buf *out, struct err *e)
{
	autobuf text = BUF(LIMIT_PACKET);
	int rc;

	if (w->njwe == 0)
		return 0;
	rc = jwe_wrap(w->jwe, w->njwe, plain, &text, e);
	return rc < 0 ? err_wrap(e, "jwe") : add_value(buf_span(&text), out, e);
}

int
keywrap(const struct keywrap *w, struct keyring *k, const struct ocicrypt_private *private, const char *digest,
    struct ocicrypt_wrapped *out, struct err *e)
{
	cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped made = { 0 };
	autobuf plain = BUF_SECRET(KIB(8));
	int rc;

	if (w->fault.code != ERR_NONE) {
		*e = w->fault;
		return -(int)e->code;
	}
	if (w->nparams + w->njwe == 0)
		return err_set(e, ERR_USAGE, "no recipient");
	for (int i = 0; i < SCHEME_COUNT; i++)
		made.value[i] = (struct buf)BUF(LIMIT_ANNOTATION / 2);
	rc = ocicrypt_private_format(private, digest, &plain, e);
	if (rc == 0)
		rc = wrap_providers(w, k, buf_span(&plain), &made.value[SCHEME_PROVIDER], e);
	if (rc == 0)
		rc = wrap_jwe(w, buf_span(&plain), &made.value[SCHEME_JWE], e);
	if (rc < 0)
		return rc;
	for (int i = 0; i < SCHEME_COUNT; i++)
		buf_move(&out->value[i], &made.value[i]);
	return 0;
}
