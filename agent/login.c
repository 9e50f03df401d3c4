/* login.c: see login.h. */
#include "lib/base.h"

#include "agent/login.h"

#include "lib/codec.h"
#include "lib/log.h"

#define FOR_EVER_S	TOKEN_MAX_S	/* of what does not end by itself */

void
login_init(struct login *l, struct keyring *keys)
{
	*l = (struct login){
		.keys = keys,
		.actions = "pull",
		.authorization = BUF_SECRET(LIMIT_TOKEN / 4),
		.token_url = BUF(LIMIT_URL),
		.form = BUF_SECRET(KIB(64)),
		.source = BUF(LIMIT_URL),
	};
}

void
login_fini(struct login *l)
{
	buf_free(&l->authorization);
	buf_free(&l->token_url);
	buf_free(&l->form);
	buf_free(&l->source);
}

static int
show(struct login *l, const char *scheme, struct span value, struct err *e)
{
	int rc;

	buf_reset(&l->authorization);
	rc = buf_add_str(&l->authorization, scheme, e);
	return rc < 0 ? rc : buf_add_span(&l->authorization, value, e);
}

int
login_begin(struct login *l, const struct image_ref *ref, bool plain, struct err *e)
{
	const struct buf *known = tokens_find(&l->keys->tokens, ref, NULL);

	l->ref = ref;
	l->plain = plain;
	l->answers = 0;
	buf_reset(&l->token_url);
	return show(l, "", known != NULL ? buf_span(known) : (struct span){ 0 }, e);
}

/* -ERR_NOTFOUND when no file has anything for this registry. */
static int
find_credentials(const struct login *l, enum auth_kind *kind, struct buf *secret, struct err *e)
{
	int rc = err_set(e, ERR_NOTFOUND, "%s: there are no credentials for it", l->ref->domain);

	for (size_t i = 0; i < l->keys->nfiles && rc == -ERR_NOTFOUND; i++)
		rc = auth_lookup(l->keys->files[i], l->ref, kind, secret, e);
	return rc;
}

static int
show_password(struct login *l, struct span userpass, struct err *e)
{
	autobuf text = BUF_SECRET(KIB(32));
	int rc = base64_encode(userpass, &text, e);

	return rc < 0 ? rc : show(l, "Basic ", buf_span(&text), e);
}

static int
keep(struct login *l, const char *source, uint64_t seconds, struct err *e)
{
	return tokens_keep(&l->keys->tokens, l->ref, source, &l->authorization, seconds, e);
}

static int
answer_basic(struct login *l, enum login_step *step, struct err *e)
{
	autobuf secret = BUF_SECRET(KIB(16));
	enum auth_kind kind;
	int rc = find_credentials(l, &kind, &secret, e);

	if (rc == -ERR_NOTFOUND)
		return err_set(e, ERR_AUTH, "%s: the registry wants credentials, and there "
		    "are none for it", l->ref->domain);
	if (rc == 0 && kind != AUTH_PASSWORD)
		return err_set(e, ERR_AUTH, "%s: the registry wants a password, and there is "
		    "only a token", l->ref->domain);
	if (rc == 0)
		rc = show_password(l, buf_span(&secret), e);
	if (rc == 0)
		rc = keep(l, "", FOR_EVER_S, e);
	if (rc == 0)
		*step = LOGIN_SHOW;
	return rc;
}

/* Large registries have their token servers elsewhere. */
static void
tell_realm(const struct login *l, const char *realm)
{
	const char *host = strstr(realm, "://");
	int n;

	host = host != NULL ? host + 3 : realm;
	n = (int)strcspn(host, "/?");
	if (strncmp(host, l->ref->domain, (size_t)n) != 0 || l->ref->domain[n] != '\0')
		log_info("%s: tokens come from %.*s", l->ref->domain, n, host);
}

/* How the token is asked for: with an identity token by POST, else by GET with a password or nothing. */
static int
ask_for_token(struct login *l, const struct challenge *c, enum auth_kind kind, struct span secret,
    struct err *e)
{
	int rc;

	buf_reset(&l->authorization);
	buf_reset(&l->form);
	buf_reset(&l->token_url);
	if (secret.len > 0 && kind == AUTH_IDENTITY)
		return challenge_token_form(c, l->ref, l->plain, secret, &l->token_url, &l->form, e);
	rc = buf_add_span(&l->token_url, buf_span(&l->source), e);
	return rc < 0 || secret.len == 0 ? rc : show_password(l, secret, e);
}

/* Another exchange may have bought it meanwhile. */
static int
use_known(struct login *l, bool *used, struct err *e)
{
	const struct buf *known = tokens_find(&l->keys->tokens, l->ref, buf_str(&l->source));

	*used = known != NULL;
	return known != NULL ? show(l, "", buf_span(known), e) : 0;
}

static int
answer_bearer(struct login *l, const struct challenge *c, enum login_step *step, struct err *e)
{
	autobuf secret = BUF_SECRET(KIB(16)), source = BUF(LIMIT_URL);
	enum auth_kind kind = AUTH_PASSWORD;
	bool known;
	int rc = find_credentials(l, &kind, &secret, e);

	if (rc < 0 && rc != -ERR_NOTFOUND)
		return rc;
	if (rc == 0 && kind == AUTH_BEARER) {
		if (l->answers > 0)
			return 0;
		*step = LOGIN_SHOW;
		rc = show(l, "Bearer ", buf_span(&secret), e);
		return rc < 0 ? rc : keep(l, "", FOR_EVER_S, e);
	}
	rc = challenge_token_url(c, l->ref, l->plain, &source, e);
	/* A second challenge is answered only where the first token was good for too little. */
	if (rc < 0 || (l->answers > 0 && (strcmp(c->error, "insufficient_scope") != 0 ||
	    span_eq(buf_span(&source), buf_span(&l->source)))))
		return rc;
	buf_move(&l->source, &source);
	rc = use_known(l, &known, e);
	if (rc < 0 || known) {
		*step = LOGIN_SHOW;
		return rc;
	}
	tell_realm(l, c->realm);
	*step = LOGIN_BUY;
	return ask_for_token(l, c, kind, buf_span(&secret), e);
}

int
login_answer(struct login *l, struct span challenges, enum login_step *step, struct err *e)
{
	struct challenge c;
	bool found;
	int rc = challenge_pick(challenges, &c, &found, e);

	*step = LOGIN_REFUSED;
	if (rc < 0)
		return rc;
	if (l->authorization.len > 0)
		tokens_forget(&l->keys->tokens, &l->authorization);
	if (!found || l->answers > 1)
		return 0;
	if (c.scope[0] == '\0')
		snprintf(c.scope, sizeof(c.scope), "repository:%s:%s", l->ref->path, l->actions);
	if (c.scheme == CHALLENGE_BEARER)
		rc = answer_bearer(l, &c, step, e);
	else if (l->answers == 0)
		rc = answer_basic(l, step, e);
	l->answers++;
	return rc;
}

int
login_take_token(struct login *l, struct span body, struct err *e)
{
	autobuf token = BUF_SECRET(LIMIT_TOKEN / 8);
	uint64_t seconds;
	int rc = challenge_token_parse(body, &token, &seconds, e);

	if (rc == 0)
		rc = show(l, "Bearer ", buf_span(&token), e);
	return rc < 0 ? rc : keep(l, buf_str(&l->source), seconds, e);
}
