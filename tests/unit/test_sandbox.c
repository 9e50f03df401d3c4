/*
 * test_sandbox.c: a sandbox that cannot be shut is an error. What an open and a shut one allow is
 * probed on the shipped binary (tests/e2e/sandbox.sh).
 */
#include "lib/base.h"

#include "lib/sandbox.h"

#include <sys/wait.h>

#include "tests/lib/tap.h"

static struct err e;

/* In a process of its own: part of it stays, whatever the result. */
static int
enter(const struct sandbox *s)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct err mine = { 0 };

		_exit(-sandbox_enter(s, &mine) & 0x7f);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ERR_BUG;
	return -WEXITSTATUS(status);
}

int
main(void)
{
	static const struct sandbox_path closed[] = { { .fd = 9999 }, { .fd = -1 } };
	struct sandbox s = {
		.role = "test",
		.words = WORD(STDIO),
		.seccomp = SANDBOX_OFF,
		.landlock = SANDBOX_REQUIRE,
		.paths = closed,
	};
	int abi;

	fails(enter(&s), ERR_SANDBOX, "a path that is not open");
	s.landlock = SANDBOX_OFF;
	works(enter(&s), "nothing but limits");
	s.landlock = SANDBOX_REQUIRE;
	s.paths = NULL;
	if (sandbox_has_landlock(&abi))
		works(enter(&s), "Landlock is there");
	else
		fails(enter(&s), ERR_SANDBOX, "Landlock is missing, and required");
	ok(sandbox_word_name(WORD_STDIO) != NULL && sandbox_word_name(WORD_COUNT) == NULL,
	    "words have names");
	return tap_done();
}
