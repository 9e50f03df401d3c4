/*
 * cmd_selftest.c: selftest-sandbox: starts a role by the production path, as often as there are probes, lets it try one each,
 * and compares with what the role is meant to do.
 */
#include "lib/base.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/cli.h"
#include "agent/monitor.h"
#include "agent/selftest.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define PROBE_MS	10000

static const char *without;

static const struct option_def options[] = {
	{ "without", "WORD", "leave a word out of the role's list: the test must then fail", &without, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "ROLE is net, archive, key, pull, copy, rpc, gpg, tee, crypt or unpack. Each line is a deed that a process of this role\n"
    "tried from inside its sandbox: what is meant, what happened. The exit status is 0 if all agree.\n\n"
    "Examples:\n"
    "  attestation-agent selftest-sandbox unpack\n"
    "  aa-cli selftest-sandbox --without inet net\n";

struct place {
	char	path[64];
	int	dir;		/* path/inside */
};

static int
write_file(int dir, const char *name, struct err *e)
{
	return fs_write_atomic(dir, name, SPAN_LIT("x"), 0644, e);
}

/* A directory with a file in it and a file beside it. */
static int
make_place(struct place *p, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	autoclose int outer = -1;
	char name[33];
	int rc = fs_random_name(name, 8, e);

	if (rc < 0)
		return rc;
	if (tmp == NULL || strlen(tmp) > sizeof(p->path) - 32)
		tmp = "/tmp";
	snprintf(p->path, sizeof(p->path), "%s/cacao-%s", tmp, name);
	outer = fs_make_dirs(p->path, 0755, e);
	if (outer < 0)
		return outer;
	rc = write_file(outer, "outside", e);
	if (rc == 0 && mkdirat(outer, "inside", 0777) < 0)
		rc = err_sys(e, "%s", p->path);
	if (rc == 0) {
		p->dir = sys_openat(outer, "inside", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		/* Whatever the umask: what keeps a role out shall be its sandbox. */
		rc = p->dir < 0 || fchmod(p->dir, 0777) < 0 ? err_sys(e, "%s", p->path) :
		    write_file(p->dir, "probe", e);
	}
	return rc;
}

static void
remove_place(struct place *p)
{
	autoclose int parent = -1;
	char base[256];
	struct err e;

	base_close(&p->dir);
	parent = fs_open_parent(p->path, base, &e);
	if (parent < 0 || fs_remove_tree(parent, base, &e) < 0)
		log_warning("%s", e.msg);
}

/* One probe in a process of its own. *worked as it says; *how for the table. */
static int
try(struct monitor *m, enum role role, int word, size_t probe, const struct place *p,
    bool *worked, const char **how, struct err *e)
{
	autoclose int ours = -1, theirs = -1;
	int pair[2], status, rc;
	pid_t pid;

	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	ours = pair[0];
	theirs = pair[1];
	if (sys_write(ours, "", 1) != 1)
		return err_sys(e, "probe");
	rc = monitor_spawn(m, role, (int[]){ theirs, theirs, p->dir, p->dir }, 4, 1,
	    (int)probe, word, &pid, e);
	if (rc == 0)
		rc = monitor_wait(m, pid, PROBE_MS, &status, e);
	if (rc < 0)
		return rc;
	*worked = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	*how = *worked ? "worked" : WIFSIGNALED(status) ? "killed" :
	    WEXITSTATUS(status) == 1 ? "refused" : "no start";
	return 0;
}

static int
try_all(struct monitor *m, enum role role, int word, struct err *e)
{
	struct place p = { .dir = -1 };
	size_t wrong = 0;
	int abi, rc = make_place(&p, e);
	bool landlock = sandbox_has_landlock(&abi);

	printf("%-9s%-10s%-8s%s\n", "meant", "happened", "", "deed");
	for (size_t i = 0; i < selftest_count() && rc == 0; i++) {
		bool worked = false, meant = selftest_expected(i, role);
		const char *how = "", *verdict = "ok";

		rc = try(m, role, word, i, &p, &worked, &how, e);
		if (rc < 0)
			break;
		if (worked != meant && worked && selftest_by_landlock(i) && !landlock)
			verdict = "no Landlock in this kernel";
		else if (worked != meant)
			verdict = "WRONG";
		wrong += strcmp(verdict, "WRONG") == 0;
		printf("%-9s%-10s%-8s%s\n", meant ? "allow" : "refuse", how, verdict, selftest_name(i));
	}
	remove_place(&p);
	if (rc == 0 && wrong > 0)
		return err_set(e, ERR_SANDBOX, "%s: %zu deeds went otherwise than meant",
		    roles[role]->name, wrong);
	return rc;
}

static int
find_role(const char *name, struct err *e)
{
	for (int r = 0; r < ROLE_COUNT; r++)
		if (strcmp(roles[r]->name, name) == 0 && !roles[r]->monitor)
			return r;
	return err_set(e, ERR_USAGE, "there is no role '%s'", name);
}

static int
find_word(const struct role_ops *role, int *out, struct err *e)
{
	*out = -1;
	for (int w = 0; without != NULL && w < WORD_COUNT; w++)
		if (strcmp(sandbox_word_name((enum sandbox_word)w), without) == 0 && (role->words >> w & 1))
			*out = w;
	if (without != NULL && *out < 0)
		return err_set(e, ERR_USAGE, "'%s' is not a word of %s", without, role->name);
	return 0;
}

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	int role = find_role(operands[0], e), word, rc;
	struct monitor m;

	if (role < 0)
		return role;
	rc = find_word(roles[role], &word, e);
	if (rc < 0)
		return rc;
#if defined(__SANITIZE_ADDRESS__) || defined(CACAO_NO_SECCOMP)
	return err_set(e, ERR_UNSUPPORTED, "this build has no sandbox, for the sanitizers' sake");
#endif
	rc = monitor_open(&m, false, e);
	if (rc == 0) {
		printf("role: %s\nmode: %s\nwords:", roles[role]->name, m.root_mode ? "root" : "user");
		for (int w = 0; w < WORD_COUNT; w++)
			if (roles[role]->words >> w & 1 && w != word)
				printf(" %s", sandbox_word_name((enum sandbox_word)w));
		printf("\n");
		fflush(stdout);
		rc = try_all(&m, (enum role)role, word, e);
	}
	monitor_close(&m);
	return rc;
}

const struct cli_verb verb_selftest_sandbox = {
	.name = "selftest-sandbox",
	.operands = "ROLE",
	.summary = "show what a role's sandbox allows and refuses",
	.more = more,
	.options = options,
	.min = 1,
	.max = 1,
	.run = run,
};
