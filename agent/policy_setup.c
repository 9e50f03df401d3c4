/*
 * policy_setup.c: what pull asks for is opened here only if everybody may read it, so that a pull role gone bad learns
 * nothing that was not public on this machine or at the broker.
 */
#include "lib/base.h"

#include "agent/policy_setup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/keyjob.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define SIGSTORE_FILES	64
#define TMP_FS_MAX	2

/* The types of resources that hold nothing secret, and are all that a policy can need. */
static const char *const public_types[] = {
	"security-policy", "sigstore-config", "gpg-public-config", "gpg-public-key", "cosign-public-key", NULL,
};

/* What old guests have at fixed places, and where a broker has it (guest-components' names). */
static const struct {
	const char	*path, *uri;
} seeds[] = {
	{ "/run/image-security/cosign/cosign.pub", "kbs:///default/cosign-public-key/test" },
	{ "/run/image-security/simple_signing/pubkey.gpg", "kbs:///default/gpg-public-config/test" },
};

static int
open_resource(struct policy_setup *s, const char *uri, struct err *e)
{
	autoclose int fd = -1;
	int rc = keyjob_check_type(uri, public_types, e);

	if (rc < 0)
		return rc;
	if (s->key < 0 || !s->has_broker)
		return err_set(e, ERR_CONFIG, "%s: no key broker is configured, or none that may decide what is accepted", uri);
	fd = memfd_create("resource", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s", uri);
	rc = keyjob_resource(s->m, s->key, uri, fd, e);
	if (rc < 0)
		return err_wrap(e, "%s", uri);
	return lseek(fd, 0, SEEK_SET) < 0 ? err_sys(e, "%s", uri) : fd_steal(&fd);
}

static bool
is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int
check_file(const struct policy_setup *s, int fd, const char *path, struct err *e)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || sys_fstatfs(fd, &fs) < 0)
		return err_sys_as(e, ERR_CONFIG, "%s", path);
	if (!S_ISREG(st.st_mode) || fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
		return err_set(e, ERR_CONFIG, "%s: no regular file", path);
	if (st.st_size > (off_t)LIMIT_POLICY_KEY)
		return err_set(e, ERR_CONFIG, "%s: more than %zu bytes", path, LIMIT_POLICY_KEY);
	/* As a user we have no rights to lend. */
	if (s->m->root_mode && (st.st_mode & S_IROTH) == 0)
		return err_set(e, ERR_CONFIG, "%s: what a policy names must be readable for everybody (chmod o+r)", path);
	return 0;
}

static int
open_path(const struct policy_setup *s, const char *path, struct err *e)
{
	autoclose int fd = -1;
	int rc;

	if (path[0] != '/' || strstr(path, "/../") != NULL || is_below(path, "/proc") || is_below(path, "/sys") ||
	    is_below(path, "/dev"))
		return err_set(e, ERR_CONFIG, "%s: not a path that a policy may name", path);
	fd = sys_openat2(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0,
	    RESOLVE_NO_MAGICLINKS);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOTFOUND, "%s: there is no such file", path);
	if (fd < 0)
		return err_sys_as(e, ERR_CONFIG, "%s", path);
	rc = check_file(s, fd, path, e);
	return rc < 0 ? rc : fd_steal(&fd);
}

/* A file, or what the broker has instead of a file that old guests expect. */
static int
open_name(struct policy_setup *s, const char *name, struct err *e)
{
	int fd;

	if (keyjob_is_resource(name))
		return open_resource(s, name, e);
	fd = open_path(s, name, e);
	for (size_t i = 0; fd == -ERR_NOTFOUND && s->has_broker && i < ARRAY_LEN(seeds); i++)
		if (strcmp(name, seeds[i].path) == 0)
			return open_resource(s, seeds[i].uri, e);
	return fd;
}

/* --- where signatures are kept */

static int
is_yaml(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > strlen(".yaml") && strcmp(d->d_name + n - strlen(".yaml"), ".yaml") == 0;
}

static int
send_at(int dir, const char *name, int pull, struct err *e)
{
	autoclose int fd = sys_openat(dir, name, O_RDONLY | O_CLOEXEC, 0);

	return fd < 0 ? err_sys_as(e, ERR_CONFIG, "%s", name) : monitor_send_file(pull, PULL_FILE_SIGSTORE, fd, e);
}

/* All files of the directory, in the order of their names. */
static int
send_directory(int dir, const char *path, int pull, struct err *e)
{
	struct dirent **list;
	int n = scandir(path, &list, is_yaml, alphasort), rc = 0;

	if (n < 0)
		return err_sys_as(e, ERR_CONFIG, "%s", path);
	if (n > SIGSTORE_FILES)
		rc = err_set(e, ERR_CONFIG, "%s: more than %d files", path, SIGSTORE_FILES);
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = send_at(dir, list[i]->d_name, pull, e);
		free(list[i]);
	}
	free(list);
	return rc < 0 ? err_wrap(e, "sigstore configuration") : 0;
}

static int
send_sigstore(struct policy_setup *s, int pull, struct err *e)
{
	const char *path = s->opt.sigstore != NULL ? s->opt.sigstore : SIGSTORE_DEFAULT;
	autoclose int fd = -1, resource = -1;

	if (s->opt.sigstore == NULL && s->opt.sigstore_text != NULL)
		return monitor_send_text(pull, PULL_FILE_SIGSTORE, s->opt.sigstore_text, e);
	if (keyjob_is_resource(path)) {
		resource = open_resource(s, path, e);
		return resource < 0 ? resource : monitor_send_file(pull, PULL_FILE_SIGSTORE, resource, e);
	}
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd >= 0)
		return send_directory(fd, path, pull, e);
	if (errno == ENOTDIR)
		return send_at(AT_FDCWD, path, pull, e);
	if (errno == ENOENT && s->opt.sigstore == NULL)
		return 0;
	return err_sys_as(e, ERR_CONFIG, "sigstore configuration %s", path);
}

/* What cannot be obtained is a refusal: there is no pull without a policy. */
static int
send_policy(struct policy_setup *s, const char *policy, const char *text, int pull, struct err *e)
{
	const char *name = policy != NULL ? policy : POLICY_DEFAULT;
	autoclose int fd = -1;

	if (policy == NULL && text != NULL)
		return monitor_send_text(pull, PULL_FILE_POLICY, text, e);
	if (keyjob_is_resource(name)) {
		fd = open_resource(s, name, e);
		return fd < 0 ? err_wrap(e, "policy") : monitor_send_file(pull, PULL_FILE_POLICY, fd, e);
	}
	fd = sys_openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
	if (fd >= 0)
		return monitor_send_file(pull, PULL_FILE_POLICY, fd, e);
	if (policy == NULL && errno == ENOENT)
		return 0;
	return err_sys_as(e, ERR_POLICY_INVALID, "policy %s", name);
}

int
policy_setup_send(struct policy_setup *s, const char *policy, const char *text, int pull, struct err *e)
{
	int rc = send_policy(s, policy, text, pull, e);

	return rc < 0 ? rc : send_sigstore(s, pull, e);
}

/* --- gpg */

static void
remove_home(struct policy_setup *s)
{
	struct err e;

	monitor_end(s->m, &s->pid);
	if (s->home[0] != '\0' && fs_remove_tree(s->tmp, s->home, &e) < 0)
		log_warning("%s", e.msg);
	s->home[0] = '\0';
}

static const char *const tmp_paths[TMP_FS_MAX] = { "/run", "/tmp" };

/* A new directory where one can be made: gpg writes down the keys of the ring there. */
static int
make_home(struct policy_setup *s, char path[PATH_MAX], struct err *e)
{
	char name[33];
	int rc = fs_random_name(name, 16, e);

	if (rc < 0)
		return rc;
	snprintf(s->home, sizeof(s->home), "cacao-gpg-%s", name);
	for (size_t i = 0; i < ARRAY_LEN(tmp_paths); i++) {
		autoclose int tmp = sys_openat(AT_FDCWD, tmp_paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

		if (tmp < 0 || mkdirat(tmp, s->home, 0700) < 0)
			continue;
		base_close(&s->tmp);
		s->tmp = fd_steal(&tmp);
		snprintf(path, PATH_MAX, "%s/%s", tmp_paths[i], s->home);
		return 0;
	}
	s->home[0] = '\0';
	return err_sys_as(e, ERR_STORAGE, "gpg needs a directory of its own in /run or /tmp");
}

static int
send_gpg_setup(int control, const char *program, const char *home, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_GPG_SETUP, 0);
	rc = msg_put_str(&m, program, e);
	if (rc == 0)
		rc = msg_put_str(&m, home, e);
	return rc < 0 ? rc : msg_send(control, &m, -1, e);
}

/* One gpg at a time; *out: what it is asked on. */
static int
start_gpg(struct policy_setup *s, int *out, struct err *e)
{
	const char *program = s->opt.gpg != NULL ? s->opt.gpg : GPG_DEFAULT;
	autoclose int ours = -1, theirs = -1, home = -1, image = -1, control = -1;
	char path[PATH_MAX];
	int pair[2], rc;

	remove_home(s);
	image = sys_openat(AT_FDCWD, program, O_RDONLY | O_CLOEXEC, 0);
	if (program[0] != '/' || image < 0)
		return err_sys_as(e, ERR_CONFIG, "GPG signatures need the program gpg (--gpg FILE): %s", program);
	rc = make_home(s, path, e);
	if (rc < 0)
		return rc;
	home = sys_openat(s->tmp, s->home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (home < 0 || (s->m->root_mode && fchown(home, UID_GPG, UID_GPG) < 0))
		return err_sys_as(e, ERR_STORAGE, "%s", path);
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	ours = pair[0];
	theirs = pair[1];
	rc = monitor_start(s->m, ROLE_GPG, (int[]){ theirs, home, image }, 3, &control, &s->pid, e);
	if (rc == 0)
		rc = send_gpg_setup(control, program, path, e);
	if (rc == 0)
		*out = fd_steal(&ours);
	return rc;
}

void
policy_setup_begin(struct policy_setup *s, struct monitor *m, int key, bool has_broker)
{
	s->m = m;
	s->key = key;
	s->has_broker = has_broker;
}

void
policy_setup_close(struct policy_setup *s)
{
	if (s->m != NULL)
		remove_home(s);
	base_close(&s->tmp);
}

/* --- pull's questions */

static int
answer(int pull, const struct msg *m, uint16_t type, int fd, struct err *failed, struct err *e)
{
	automsg out;

	if (fd < 0)
		return role_answer(pull, M_OPEN_FAILED, m->id, failed, e);
	msg_init(&out, type, m->id);
	msg_put_fd(&out, fd);
	return msg_send(pull, &out, -1, e);
}

int
policy_setup_serve(struct policy_setup *s, int pull, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	struct err failed = { 0 };
	autoclose int fd = -1;
	char name[PATH_MAX];
	int rc;

	if (m->type == M_GPG_START) {
		rc = start_gpg(s, &fd, &failed);
	} else {
		msg_get_str(&r, name, sizeof(name));
		if (!msg_get_end(&r))
			return err_set(e, ERR_PROTO, "name of a file");
		rc = fd = open_name(s, name, &failed);
	}
	if (rc == -ERR_CANCELLED) {	/* nobody waits for the answer any more */
		*e = failed;
		return rc;
	}
	return answer(pull, m, m->type == M_GPG_START ? M_GPG_FD : M_OPENED, rc < 0 ? -1 : fd, &failed, e);
}
