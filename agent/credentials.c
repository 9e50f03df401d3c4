/* credentials.c: see credentials.h. */
#include "lib/base.h"

#include "agent/credentials.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/config.h"
#include "agent/keyjob.h"
#include "lib/fs.h"
#include "lib/sys.h"

/* The directory of a path below CREDENTIALS_DIR, made if it is not there; no link is followed. name: the last part. */
static int
open_dir(const char *path, char name[256], struct err *e)
{
	struct span rest = span_str(path), part;
	autoclose int dir = fs_make_dirs(CREDENTIALS_DIR, 0700, e);

	if (dir < 0)
		return dir;
	while (span_split(&rest, '/', &part)) {
		int next;

		if (part.len == 0)
			continue;
		if (!span_to_cstr(part, name, 256))
			return err_set(e, ERR_CONFIG, "%s: a name of more than 255 bytes", path);
		if (rest.len == 0)
			return fd_steal(&dir);
		if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
			return err_sys_as(e, ERR_STORAGE, "%s", path);
		next = sys_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
		if (next < 0)
			return err_sys_as(e, ERR_STORAGE, "%s", path);
		close(dir);
		dir = next;
	}
	return err_set(e, ERR_CONFIG, "%s: names no file", path);
}

static int
write_one(struct monitor *m, int key, const char *uri, const char *path, struct err *e)
{
	char name[256], made[33];
	autoclose int dir = open_dir(path + strlen(CREDENTIALS_DIR), name, e), fd = -1;
	int rc = dir < 0 ? dir : fs_random_name(made, 16, e);

	if (rc < 0)
		return rc;
	fd = sys_openat(dir, made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys_as(e, ERR_STORAGE, "%s", path);
	rc = keyjob_resource(m, key, uri, fd, e);
	if (rc == 0 && sys_renameat2(dir, made, dir, name, 0) < 0)
		rc = err_sys_as(e, ERR_STORAGE, "%s", path);
	if (rc < 0)
		(void)unlinkat(dir, made, 0);
	return rc;
}

int
credentials_write(struct monitor *m, int key, const char *list, struct err *e)
{
	char line[LIMIT_URI + LIMIT_PATH + 2];
	const char *at = "";
	int first = 0;

	while (config_next(list, &at, line, sizeof(line))) {
		char *path = strchr(line, ' ');
		struct err failed = { 0 };
		int rc;

		if (path == NULL || strncmp(path + 1, CREDENTIALS_DIR "/", strlen(CREDENTIALS_DIR "/")) != 0)
			return err_set(e, ERR_BUG, "credentials that nobody has checked");
		*path++ = '\0';
		rc = write_one(m, key, line, path, &failed);
		if (rc < 0) {
			log_error("%s: %s: %s (%s)", settings[SET_KBC_CREDENTIALS].name, line, failed.msg,
			    err_name(failed.code));
			if (first == 0)
				*e = failed;
			first = first == 0 ? rc : first;
		}
	}
	return first;
}
