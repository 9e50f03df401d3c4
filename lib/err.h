/*
 * err.h: one way to report what failed. Codes come from err.def and nowhere
 * else. A struct err is a value on the caller's stack, so that reporting "out
 * of memory" needs no memory. Library code never logs and never exits; it
 * returns 0 or a negative code and fills the struct err that is always its
 * last parameter (never NULL, untouched on success).
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include "lib/base.h"

enum err_code {
	ERR_NONE,
#define ERR_DEF(name, exit_status, rpc, retry, hint) ERR_##name,
#include "lib/err.def"
#undef ERR_DEF
	ERR_COUNT
};

struct err {
	enum err_code	code;
	int		sys;		/* errno where one was the cause, else 0 */
	char		msg[480];	/* outermost first: "pull: layer 3: digest: …" */
};

/*
 * Sets code and message and returns -code, so that `return err_set(e, …)` is
 * the usual form. The text may hold foreign words: it goes through log_escape
 * (lib/log.h), which also cuts it. The arguments may point into the message.
 * ERR_NONE and codes unknown become BUG: a failure never returns 0.
 */
int err_set(struct err *, enum err_code, const char *fmt, ...) printf_like(3, 4);

/*
 * The same with ": " and the text of errno behind it. The code is SYS, but
 * ENOSPC and EDQUOT give NOSPACE, ENOMEM gives NOMEM, so that nobody maps by hand.
 */
int err_sys(struct err *, const char *fmt, ...) printf_like(2, 3);

/* err_sys with the code given (STORAGE, NET, …); ENOSPC and ENOMEM still win. */
int err_sys_as(struct err *, enum err_code, const char *fmt, ...) printf_like(3, 4);

/* Puts "context: " before the message; keeps the code; returns -code. */
int err_wrap(struct err *, const char *fmt, ...) printf_like(2, 3);

/* Facts of err.def. An unknown code is treated as BUG; ERR_NONE is "NONE", 0, "OK". */
const char *err_name(enum err_code);
enum err_code err_find(const char *name, size_t len);	/* ERR_NONE: there is none of this name */
int err_exit_status(enum err_code);
const char *err_rpc_status(enum err_code);
bool err_may_retry(enum err_code);
const char *err_hint(enum err_code);	/* "" for none */

#endif
