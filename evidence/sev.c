/* sev.c: SEV and SEV-ES: guests that cannot ask for a report. They are known by what was injected, and that is what is told. */
#include "lib/base.h"

#include "evidence/evidence.h"

#include <fcntl.h>

#include "evidence/sev_secret.h"

static bool
has_dir(const struct evidence_env *env, const char *path)
{
	autoclose int fd = env->open(env->arg, path, O_RDONLY | O_DIRECTORY);

	return fd >= 0;
}

static bool
probe(const struct evidence_env *env)
{
	return has_dir(env, SEV_SECRETS) || has_dir(env, SEV_SECRETS_OLD);
}

static const char *
tell(const struct evidence_env *env, const char *guid)
{
	return sev_secret_there(env, guid) ? "is there" : "is not there";
}

static int
collect(const struct evidence_env *env, maybe_unused struct span data, maybe_unused struct evidence *out, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "sev: guests of SEV and SEV-ES cannot ask for a report; their proof is what was injected "
	    "at launch: a bundle of keys %s, a connection %s", tell(env, SEV_SECRET_KEYS), tell(env, SEV_SECRET_CONNECTION));
}

static int
json(maybe_unused const struct evidence *ev, maybe_unused struct buf *out, struct err *e)
{
	return err_set(e, ERR_BUG, "sev: no report");
}

const struct attester_ops attester_sev = {
	.name = "sev",
	.data_max = EVIDENCE_DATA,
	.shown_by = SEV_SECRETS ", " SEV_SECRETS_OLD,
	.probe = probe,
	.collect = collect,
	.json = json,
};
