/*
 * tree_xattr.c: sets extended attributes. Drops those that would steer overlayfs
 * or the policy of the machine; never gives up file capabilities silently when root.
 */
#include "lib/base.h"

#include "image/tree_xattr.h"

#include <sys/xattr.h>

#include <fcntl.h>

#include "image/tree_dir.h"
#include "lib/sys.h"

#define CAPABILITY	"security.capability"

bool
tree_xattr_is_dropped(struct span name)
{
	static const char *const prefixes[] = {
		"trusted.overlay.", "user.overlay.", "system.",
		/* Not names with more behind them, but none such is known either. */
		"security.selinux", "security.ima", "security.evm",
	};

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (span_starts(name, prefixes[i]))
			return true;
	return false;
}

/*
 * There is no call by directory and name before Linux 6.13, and /proc may not be there: by way of
 * the current directory, which is put back.
 */
static int
set_at(int dir, const char *base, const char *name, struct span value)
{
	autoclose int before = sys_openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int rc, saved;

	if (before == -1 || fchdir(dir) == -1)
		return -1;
	rc = lsetxattr(base, name, value.p, value.len, 0);
	saved = errno;
	if (fchdir(before) == -1)
		return -1;
	errno = saved;
	return rc;
}

/* Errors that only say: not here, or not for you. File capabilities are never given up when root. */
static bool
is_refusal(const struct tree_xattr_target *t, const char *name)
{
	if (t->owners && strcmp(name, CAPABILITY) == 0)
		return false;
	return errno == ENOTSUP || errno == EPERM || errno == EACCES;
}

static int
set_one(const struct tree_xattr_target *t, const struct tar_xattr *x, uint64_t *skipped,
    struct err *e)
{
	char name[256];
	int rc;

	if (tree_xattr_is_dropped(x->name))
		return 0;
	/* The kernel has user attributes on files and directories only. */
	if (t->fd == -1 && span_starts(x->name, "user."))
		return 0;
	if (!span_to_cstr(x->name, name, sizeof(name)))
		return err_set(e, ERR_LAYER, "xattr with a bad name");
	rc = t->fd == -1 ? set_at(t->dir, t->base, name, x->value) :
	    fsetxattr(t->fd, name, x->value.p, x->value.len, 0);
	if (rc == 0)
		return 0;
	if (!is_refusal(t, name))
		return err_sys_as(e, ERR_STORAGE, "set xattr %s", name);
	++*skipped;
	return 0;
}

int
tree_xattr_set(const struct tree_xattr_target *t, const struct tar_entry *entry,
    uint64_t *skipped, struct err *e)
{
	int rc;

	for (size_t i = 0; i < entry->nxattrs; i++)
		if ((rc = set_one(t, &entry->xattrs[i], skipped, e)) < 0)
			return rc;
	return 0;
}

static int
clear_listed(int fd, const char *names, size_t len, struct err *e)
{
	while (len > 0) {
		size_t n = strnlen(names, len);
		struct span name = { (const uint8_t *)names, n };

		if (n == len)
			return err_set(e, ERR_BUG, "xattr list without an end");
		/* What may not be removed was not set by a layer. */
		if (!tree_xattr_is_dropped(name) && fremovexattr(fd, names) == -1 &&
		    errno != ENODATA && errno != EPERM && errno != ENOTSUP)
			return err_sys_as(e, ERR_STORAGE, "remove xattr %s", names);
		names += n + 1;
		len -= n + 1;
	}
	return 0;
}

int
tree_xattr_clear(int fd, struct err *e)
{
	ssize_t size = flistxattr(fd, NULL, 0), got;
	char *names;
	int rc;

	if (size == 0 || (size == -1 && errno == ENOTSUP))
		return 0;
	if (size == -1)
		return err_sys_as(e, ERR_STORAGE, "list xattrs");
	names = sys_alloc((size_t)size);
	if (names == NULL)
		return err_set(e, ERR_NOMEM, "xattrs: out of memory");
	got = flistxattr(fd, names, (size_t)size);
	rc = got == -1 ? err_sys_as(e, ERR_STORAGE, "list xattrs") :
	    clear_listed(fd, names, (size_t)got, e);
	sys_free(names);
	return rc;
}
