/*
 * login.h: what is shown to a registry that wants to know who asks: credentials of the auth files, or a
 * token bought with them. Decides only; the exchange does the asking. A credential that is
 * refused ends it: nothing goes on as anybody else.
 */
#ifndef AGENT_LOGIN_H
#define AGENT_LOGIN_H

#include "agent/token.h"
#include "image/auth.h"
#include "image/challenge.h"

#define LOGIN_FILES	4

/* Shared by all exchanges. The first file that has an entry decides. */
struct keyring {
	struct span	files[LOGIN_FILES];	/* auth files, secret */
	size_t		nfiles;
	struct tokens	tokens;
};

struct login {
	struct keyring		*keys;
	const struct image_ref	*ref;
	bool			 plain;		/* the registry is spoken to without TLS */
	const char		*actions;	/* wanted where the registry does not say: "pull", "pull,push" */
	unsigned		 answers;	/* challenges answered since login_begin */
	struct buf		 authorization;	/* secret: to be shown next; "" for nothing */
	struct buf		 token_url;	/* where a token is bought; "" for none */
	struct buf		 form;		/* secret: what is posted there; "" for GET */
	struct buf		 source;	/* the token's name in the cache */
};
void login_init(struct login *, struct keyring *);
void login_fini(struct login *);

/* Before a request: what has opened this repository before, if it is still good. */
int login_begin(struct login *, const struct image_ref *, bool plain, struct err *) must_check;

/* After a 401, with its WWW-Authenticate lines. */
enum login_step {
	LOGIN_REFUSED,		/* there is nothing else to show */
	LOGIN_SHOW,		/* the same request again, with the authorization */
	LOGIN_BUY,		/* a token first, at token_url, with the authorization */
};
int login_answer(struct login *, struct span challenges, enum login_step *, struct err *) must_check;
/* The token server's answer: the authorization is the token after it. */
int login_take_token(struct login *, struct span body, struct err *) must_check;

#endif
