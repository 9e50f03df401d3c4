/* sev_module.c: two system calls instead of mount and modprobe, which an initrd need not have. */
#include "lib/base.h"

#include "agent/sev_module.h"

#include <fcntl.h>
#include <linux/module.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "evidence/sev_secret.h"
#include "lib/sys.h"

#define SECURITYFS	"/sys/kernel/security"
#define MODULE		"kernel/drivers/virt/coco/efi_secret/efi_secret.ko"

static bool
is_shown(void)
{
	return access(SEV_SECRETS, F_OK) == 0 || access(SEV_SECRETS_OLD, F_OK) == 0;
}

static int
mount_securityfs(struct err *e)
{
	struct stat here, above;

	if (stat(SECURITYFS, &here) < 0 || stat(SECURITYFS "/..", &above) < 0)
		return err_sys_as(e, ERR_NO_TEE, "sev: %s", SECURITYFS);
	if (here.st_dev != above.st_dev)
		return 0;
	return mount("securityfs", SECURITYFS, "securityfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 ? 0 :
	    err_sys_as(e, ERR_NO_TEE, "sev: mount %s", SECURITYFS);
}

/* As depmod would find it, packed or not. -1: there is none. */
static int
open_module(int *flags)
{
	static const char *const endings[] = { "", ".zst", ".xz", ".gz" };
	struct utsname kernel;
	char path[sizeof(kernel.release) + sizeof(MODULE) + 32];
	int fd = -1;

	if (uname(&kernel) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(endings) && fd < 0; i++) {
		snprintf(path, sizeof(path), "/lib/modules/%s/" MODULE "%s", kernel.release, endings[i]);
		fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
		*flags = i > 0 ? MODULE_INIT_COMPRESSED_FILE : 0;
	}
	return fd;
}

int
sev_module_load(struct err *e)
{
	autoclose int fd = -1;
	int flags = 0, rc;

	if (geteuid() != 0 || is_shown())
		return 0;
	rc = mount_securityfs(e);
	if (rc < 0 || is_shown())
		return rc;
	fd = open_module(&flags);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", flags) == 0 || errno == EEXIST)
		return 0;
	return err_sys_as(e, ERR_NO_TEE, "sev: load the module efi_secret");
}
