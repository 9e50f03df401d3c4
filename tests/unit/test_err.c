/*
 * test_err.c: codes, messages, and the facts of err.def.
 */
#include "lib/base.h"
#include "lib/err.h"

#include "tests/lib/tap.h"

static void
test_set(void)
{
	struct err e = { 0 };

	is_int(err_set(&e, ERR_NET, "layer %d", 3), -ERR_NET, "set gives -code");
	is_str(e.msg, "layer 3", "message");
	is_int(e.code, ERR_NET, "code");
	is_int(e.sys, 0, "no errno");
	is_int(err_wrap(&e, "pull: %s", "x"), -ERR_NET, "wrap keeps the code");
	is_str(e.msg, "pull: x: layer 3", "wrap puts the context in front");
	err_set(&e, ERR_NET, "again: %s", e.msg);
	is_str(e.msg, "again: pull: x: layer 3",
	    "the arguments may point into the message");
	err_set(&e, ERR_NET, "%s", "");
	is_str(e.msg, "", "empty message");
}

static void
test_never_success(void)
{
	struct err e = { 0 };

	fails(err_set(&e, ERR_NONE, "x"), ERR_BUG, "NONE becomes BUG");
	is_int(e.code, ERR_BUG, "in the struct too");
	fails(err_set(&e, (enum err_code)4711, "x"), ERR_BUG,
	    "an unknown code becomes BUG");
	e = (struct err){ 0 };
	fails(err_wrap(&e, "x"), ERR_BUG, "nothing wrapped becomes BUG");
	errno = EIO;
	fails(err_sys_as(&e, ERR_NONE, "x"), ERR_BUG, "err_sys_as with NONE");
}

static void
test_sys(void)
{
	struct err e = { 0 };

	errno = ENOENT;
	fails(err_sys(&e, "open %s", "a"), ERR_SYS, "err_sys");
	is_int(e.sys, ENOENT, "errno is kept");
	ok(strncmp(e.msg, "open a: ", 8) == 0 && e.msg[8] != '\0',
	    "text of errno behind the message");
	fails(err_wrap(&e, "w"), ERR_SYS, "wrap of a system error");
	is_int(e.sys, ENOENT, "wrap keeps errno");
	errno = EIO;
	fails(err_sys_as(&e, ERR_STORAGE, "x"), ERR_STORAGE, "code given");
	errno = ENOSPC;
	fails(err_sys_as(&e, ERR_STORAGE, "x"), ERR_NOSPACE, "ENOSPC wins");
	errno = EDQUOT;
	fails(err_sys(&e, "x"), ERR_NOSPACE, "EDQUOT wins");
	errno = ENOMEM;
	fails(err_sys_as(&e, ERR_NET, "x"), ERR_NOMEM, "ENOMEM wins");
	fails(err_set(&e, ERR_NET, "x"), ERR_NET, "set after sys");
	is_int(e.sys, 0, "set forgets errno");
}

static void
test_escape(void)
{
	struct err e = { 0 };

	err_set(&e, ERR_PARSE, "a%sb", "\n\r\t\x1b[31m\x7f");
	is_str(e.msg, "a\\x0a\\x0d\\x09\\x1b[31m\\x7fb", "control characters");
	err_set(&e, ERR_PARSE, "%s", "\xff ok \xc3\xa9 \xe2\x80\xae");
	is_str(e.msg, "\\xff ok \xc3\xa9 \\xe2\\x80\\xae",
	    "bad UTF-8 and bidi escaped, good UTF-8 kept");
	err_wrap(&e, "%s", "a\nb");
	is_str(e.msg, "a\\x0ab: \\xff ok \xc3\xa9 \\xe2\\x80\\xae",
	    "wrapping escapes the context and escapes nothing twice");
}

/* The cut is exact to the byte, whatever character lies across it. */
static void
test_cut(void)
{
	static const char ellipsis[] = "\xe2\x80\xa6";
	char text[4096];
	struct err e = { 0 };
	size_t whole = sizeof(e.msg) - 1, cut = whole - 3;

	memset(text, 'a', sizeof(text));
	text[whole] = '\0';
	err_set(&e, ERR_PARSE, "%s", text);
	is_str(e.msg, text, "what fits is not cut");
	text[whole] = 'a';
	text[whole + 1] = '\0';
	err_set(&e, ERR_PARSE, "%s", text);
	ok(strlen(e.msg) == whole && strcmp(e.msg + cut, ellipsis) == 0,
	    "one byte more is cut and says so");
	for (size_t at = cut - 5; at < cut + 2; at++) {
		memset(text, 'a', sizeof(text));
		memcpy(text + at, "\xf0\x9f\x98\x80", 4);
		text[sizeof(text) - 1] = '\0';
		err_set(&e, ERR_PARSE, "%s", text);
		ok(strlen(e.msg) == (at < cut && at + 4 > cut ? at + 3 :
		    whole) && strcmp(e.msg + strlen(e.msg) - 3, ellipsis) == 0,
		    "no character is cut in two (at %zu)", at);
		memcpy(text + at, "a\naa", 4);
		err_set(&e, ERR_PARSE, "%s", text);
		ok(strlen(e.msg) == (at + 1 < cut && at + 5 > cut ? at + 4 :
		    whole), "no escape is cut in two (at %zu)", at);
	}
	for (int i = 0; i < 200; i++)
		err_wrap(&e, "context %d", i);
	ok(strncmp(e.msg, "context 199: context 198: ", 26) == 0,
	    "many contexts: the outermost stay");
	errno = EIO;
	memset(text, '\n', sizeof(text) - 1);
	err_sys(&e, "%s", text);
	ok(strlen(e.msg) <= whole && strcmp(e.msg + strlen(e.msg) - 3,
	    ellipsis) == 0, "a long context before the text of errno");
}

static void
test_facts(void)
{
	static const int groups[] = {
		1, 2, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 40, 41, 50,
	};

	for (int c = ERR_NONE + 1; c < ERR_COUNT; c++) {
		enum err_code code = (enum err_code)c;
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(groups); i++)
			known |= err_exit_status(code) == groups[i];
		ok(known && *err_name(code) != '\0' &&
		    *err_rpc_status(code) != '\0' && err_hint(code) != NULL,
		    "facts of %s", err_name(code));
	}
	is_int(err_exit_status(ERR_NONE), 0, "NONE is exit status 0");
	is_str(err_rpc_status(ERR_NONE), "OK", "NONE is OK");
	is_str(err_name(ERR_KEY_NOTFOUND), "KEY_NOTFOUND", "a name");
	is_int(err_exit_status(ERR_POLICY), 11, "an exit status");
	is_str(err_rpc_status(ERR_MAC), "DATA_LOSS", "an RPC status");
	ok(err_may_retry(ERR_NET) && !err_may_retry(ERR_POLICY), "retry");
	is_str(err_hint(ERR_SYS), "", "no hint");
	is_str(err_name((enum err_code)-1), "BUG", "negative code: BUG");
	is_int(err_exit_status(ERR_COUNT), 50, "code past the end: BUG");
}

int
main(void)
{
	test_set();
	test_never_success();
	test_sys();
	test_escape();
	test_cut();
	test_facts();
	return tap_done();
}
