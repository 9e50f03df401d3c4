/*
 * err.c: messages that grow outwards, and the facts of err.def. Allocates
 * nothing, so that it works when nothing else does.
 */
#include "lib/base.h"
#include "lib/err.h"

#include "lib/log.h"

struct fact {
	const char	*name;
	int		 exit_status;
	const char	*rpc;
	bool		 retry;
	const char	*hint;
};

static const struct fact facts[ERR_COUNT] = {
	[ERR_NONE] = { "NONE", 0, "OK", false, "" },
#define ERR_DEF(name, exit_status, rpc, retry, hint) \
	[ERR_##name] = { #name, exit_status, #rpc, retry, hint },
#include "lib/err.def"
#undef ERR_DEF
};

static const struct fact *
fact(enum err_code code)
{
	return &facts[(unsigned)code < ERR_COUNT ? code : ERR_BUG];
}

/* A failure without a code must not become a success on its way up. */
static int
fail(struct err *e, enum err_code code, int sys)
{
	if (code == ERR_NONE || (unsigned)code >= ERR_COUNT)
		code = ERR_BUG;
	e->code = code;
	e->sys = sys;
	return -(int)code;
}

/*
 * The formatted text in front of `behind`, escaped, into msg. raw holds more
 * than msg, so what vsnprintf cuts off would have been cut off anyway, and the
 * arguments may point into msg.
 */
static void printf_like(2, 0)
compose(struct err *e, const char *fmt, va_list ap, const char *behind)
{
	char raw[2 * sizeof(e->msg)], all[4 * sizeof(e->msg)];
	int n = vsnprintf(raw, sizeof(raw), fmt, ap);

	if (n < 0)
		raw[0] = '\0';
	n = snprintf(all, sizeof(all), "%s%s%s", raw, *behind ? ": " : "",
	    behind);
	log_escape(all, MIN((size_t)n, sizeof(all) - 1), e->msg,
	    sizeof(e->msg));
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	compose(e, fmt, ap, "");
	va_end(ap);
	return fail(e, code, 0);
}

/* Causes that matter more than where they occurred. */
static enum err_code
code_of(int sys, enum err_code otherwise)
{
	switch (sys) {
	case ENOSPC:
	case EDQUOT:
		return ERR_NOSPACE;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return otherwise;
	}
}

static int printf_like(4, 0)
set_sys(struct err *e, enum err_code code, int sys, const char *fmt, va_list ap)
{
	compose(e, fmt, ap, strerror(sys));
	return fail(e, code_of(sys, code), sys);
}

int
err_sys(struct err *e, const char *fmt, ...)
{
	int sys = errno, rc;
	va_list ap;

	va_start(ap, fmt);
	rc = set_sys(e, ERR_SYS, sys, fmt, ap);
	va_end(ap);
	return rc;
}

int
err_sys_as(struct err *e, enum err_code code, const char *fmt, ...)
{
	int sys = errno, rc;
	va_list ap;

	va_start(ap, fmt);
	rc = set_sys(e, code, sys, fmt, ap);
	va_end(ap);
	return rc;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	compose(e, fmt, ap, e->msg);
	va_end(ap);
	return fail(e, e->code, e->sys);
}

const char *
err_name(enum err_code code)
{
	return fact(code)->name;
}

enum err_code
err_find(const char *name, size_t len)
{
	for (int code = ERR_NONE + 1; code < ERR_COUNT; code++)
		if (strlen(facts[code].name) == len && memcmp(facts[code].name, name, len) == 0)
			return (enum err_code)code;
	return ERR_NONE;
}

int
err_exit_status(enum err_code code)
{
	return fact(code)->exit_status;
}

const char *
err_rpc_status(enum err_code code)
{
	return fact(code)->rpc;
}

bool
err_may_retry(enum err_code code)
{
	return fact(code)->retry;
}

const char *
err_hint(enum err_code code)
{
	return fact(code)->hint;
}
