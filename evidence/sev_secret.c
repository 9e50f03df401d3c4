/* sev_secret.c: read once, then removed, which makes the kernel wipe its memory; only then given to the caller. */
#include "lib/base.h"

#include "evidence/sev_secret.h"

#include <fcntl.h>

#include "lib/fs.h"

#define PATH_ROOM	(sizeof(SEV_SECRETS_OLD) + 64)

/* Where this kernel has it; path is the last place that was tried. */
static int
open_secret(const struct evidence_env *env, const char *guid, char path[PATH_ROOM])
{
	static const char *const dirs[] = { SEV_SECRETS_OLD, SEV_SECRETS };
	int fd = -1;

	for (size_t i = 0; i < ARRAY_LEN(dirs) && fd < 0; i++) {
		snprintf(path, PATH_ROOM, "%s/%s", dirs[i], guid);
		fd = env->open(env->arg, path, O_RDONLY);
		if (fd < 0 && errno != ENOENT)
			break;
	}
	return fd;
}

bool
sev_secret_there(const struct evidence_env *env, const char *guid)
{
	char path[PATH_ROOM];
	autoclose int fd = open_secret(env, guid, path);

	return fd >= 0;
}

int
sev_secret_take(const struct evidence_env *env, const char *guid, struct buf *secret, struct err *e)
{
	char path[PATH_ROOM];
	autoclose int fd = -1;
	int rc;

	assert(secret->secret && secret->len == 0);
	fd = open_secret(env, guid, path);
	if (fd < 0)
		return err_sys_as(e, errno == ENOENT ? ERR_NO_TEE : ERR_EVIDENCE,
		    "injected secret %s (the kernel shows them with its module efi_secret)", path);
	rc = fs_read_fd(fd, path, secret, e);
	/* Also what could not be read: it would stay for whoever comes next. */
	if (env->remove_file(env->arg, path) < 0 && rc == 0)
		rc = err_sys_as(e, ERR_EVIDENCE, "injected secret %s: remove", path);
	if (rc == 0 && secret->len == 0)
		rc = err_set(e, ERR_EVIDENCE, "injected secret %s is empty", path);
	if (rc < 0)
		buf_reset(secret);
	return rc;
}
