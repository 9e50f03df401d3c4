/*
 * role.c: how every role begins: own uid, set-up, sandbox, then its purpose. Nothing
 * foreign is read before the sandbox is shut.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>

#include "agent/selftest.h"
#include "lib/secret.h"

#define PREFIX	"cacao: "
#define ROLE_MEMORY	(512ULL << 20)	/* of address space: ten times what any role takes */

const struct role_ops *const roles[ROLE_COUNT] = {
	[ROLE_NET]	= &role_net,
	[ROLE_KEY]	= &role_key,
	[ROLE_PULL]	= &role_pull,
	[ROLE_CRYPT]	= &role_crypt,
	[ROLE_UNPACK]	= &role_unpack,
	[ROLE_ARCHIVE]	= &role_archive,
	[ROLE_COPY]	= &role_copy,
	[ROLE_GPG]	= &role_gpg,
	[ROLE_RPC]	= &role_rpc,
	[ROLE_TEE]	= &role_tee,
	[ROLE_CONFIG]	= &role_config,
	[ROLE_JOB]	= &role_job,
};

bool
role_is(const char *argv0)
{
	return strncmp(argv0, PREFIX, strlen(PREFIX)) == 0;
}

void
role_args(const struct role_ops *ops, const struct role_start *s,
    char text[ROLE_ARGS][32], char *argv[ROLE_ARGS])
{
	snprintf(text[0], 32, PREFIX "%s", ops->name);
	snprintf(text[1], 32, "%d", (int)s->log);
	snprintf(text[2], 32, "%s", s->root_mode ? "root" : "user");
	snprintf(text[3], 32, "%d", s->probe);
	snprintf(text[4], 32, "%d", s->without);
	for (int i = 0; i < ROLE_ARGS - 1; i++)
		argv[i] = text[i];
	argv[ROLE_ARGS - 1] = NULL;
}

static const struct role_ops *
find(const char *argv0)
{
	for (int r = 0; r < ROLE_COUNT; r++)
		if (strcmp(argv0 + strlen(PREFIX), roles[r]->name) == 0)
			return roles[r];
	return NULL;
}

/* A small number of our own monitor: -1 to 99. */
static int
small_number(const char *s)
{
	uint64_t v;

	if (strcmp(s, "-1") == 0 || !span_decimal(span_str(s), 99, &v))
		return -1;
	return (int)v;
}

/* The signals of a terminal are the monitor's business. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP };

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

static int
become(const struct role_ops *ops, struct err *e)
{
	if (ops->uid == 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(ops->uid, ops->uid, ops->uid) < 0 ||
	    setresuid(ops->uid, ops->uid, ops->uid) < 0)
		return err_sys_as(e, ERR_SANDBOX, "%s: become uid %u", ops->name, ops->uid);
	/* A change of uid clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_sys_as(e, ERR_SANDBOX, "%s: prctl", ops->name);
	return 0;
}

static int
confine(const struct role_ops *ops, const struct role_start *start, struct err *e)
{
	struct sandbox_path paths[ROLE_MAX_PATHS] = { { .fd = -1 } };
	struct sandbox s = {
		.role = ops->name,
		.words = ops->words,
		.keep_caps = ops->keep_caps,
		.paths = paths,
		.max_files = ops->max_files,
		.max_memory = ROLE_MEMORY,
		.seccomp = SANDBOX_REQUIRE,
		.landlock = SANDBOX_TRY,
	};
	int rc;

#if defined(__SANITIZE_ADDRESS__) || defined(CACAO_NO_SECCOMP)
	s.seccomp = SANDBOX_OFF;	/* the sanitizers' own calls; never in what is shipped */
	s.landlock = SANDBOX_OFF;
	s.max_memory = 0;	/* their shadow is larger */
#endif
	if (ops->prepare != NULL) {
		rc = ops->prepare(paths, e);
		if (rc < 0)
			return rc;
	}
	if (start->without >= 0)
		s.words &= ~(1u << start->without);
	rc = sandbox_enter(&s, e);
	for (struct sandbox_path *p = paths; p->fd >= 0; p++)
		if (p->only_rule)
			close(p->fd);
	return rc;
}

static int
run(const struct role_ops *ops, const struct role_start *start, struct err *e)
{
	int rc;

	if (ops->secrets) {
		bool arena;

		if (!secret_lock_process(&arena) && !arena)
			log_warning("memory cannot be locked (RLIMIT_MEMLOCK): keys might reach a swap device");
	}
	if (ops->monitor)
		return ops->serve(e);
	rc = start->root_mode ? become(ops, e) : 0;
	if (rc == 0)
		rc = confine(ops, start, e);
	if (rc < 0)
		return rc;
	if (start->probe >= 0)
		return selftest_probe(start->probe);
	return ops->serve(e);
}

int
role_main(int argc, char *argv[])
{
	const struct role_ops *ops = find(argv[0]);
	struct role_start start;
	struct err e = { 0 };
	int rc;

	if (ops == NULL || argc != ROLE_ARGS - 1)
		return err_exit_status(ERR_BUG);
	start = (struct role_start){
		.log = (enum log_level)MAX(small_number(argv[1]), 0),
		.root_mode = strcmp(argv[2], "root") == 0,
		.probe = small_number(argv[3]),
		.without = small_number(argv[4]),
	};
	log_init(2, ops->name, start.log, false);
	if (!ops->monitor)
		ignore_signals();
	rc = run(ops, &start, &e);
	/* Whose peers are gone has nobody to tell, and nothing new to say. */
	if (rc < 0)
		log_msg(rc == -ERR_CRASH || rc == -ERR_CANCELLED ? LOG_DEBUG : LOG_ERROR, "%s (%s)", e.msg, err_name(e.code));
	return rc < 0 ? err_exit_status(e.code) : rc;
}

int
role_answer(int fd, uint16_t type, uint32_t id, const struct err *failed, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, type, id);
	rc = msg_put_u8(&m, failed != NULL, e);
	if (rc == 0 && failed != NULL)
		rc = msg_put_err(&m, failed, e);
	return rc < 0 ? rc : msg_send(fd, &m, -1, e);
}

int
role_verdict(struct msg_reader *r, struct err *e)
{
	struct err theirs = { 0 };
	uint8_t failed = msg_get_u8(r);

	if (!r->bad && failed == 0)
		return 0;
	if (!r->bad && failed == 1)
		msg_get_err(r, &theirs);
	if (r->bad || theirs.code == ERR_NONE)
		return err_set(e, ERR_PROTO, "answer that cannot be read");
	*e = theirs;
	return -(int)e->code;
}
