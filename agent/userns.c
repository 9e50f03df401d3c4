/*
 * userns.c: one uid and one gid, mapped to themselves. The capabilities that the
 * new namespace gives are made ambient, for the roles' exec; each role keeps what its table says.
 */
#include "lib/base.h"

#include "agent/userns.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/sys.h"

static bool
write_text(const char *file, const char *text)
{
	autoclose int fd = open(file, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && sys_write_all(fd, text, strlen(text)) == 0;
}

/* A failed unshare changes nothing, but half a mapping would: tried in a child first. */
static bool
map_ids(uid_t uid, gid_t gid)
{
	char line[64];

	if (unshare(CLONE_NEWUSER) < 0)
		return false;
	snprintf(line, sizeof(line), "%u %u 1\n", uid, uid);
	if (!write_text("/proc/self/setgroups", "deny") ||
	    !write_text("/proc/self/uid_map", line))
		return false;
	snprintf(line, sizeof(line), "%u %u 1\n", gid, gid);
	return write_text("/proc/self/gid_map", line);
}

static bool
works_in_child(uid_t uid, gid_t gid)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(map_ids(uid, gid) ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* For the roles, not for us: the files that the user names must be his to read and write without them. */
static void
make_ambient(void)
{
	static const int kept[] = { CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID };
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		data[0].permitted |= 1u << kept[i];
	data[0].inheritable = data[0].permitted;
	if (syscall(SYS_capset, &head, data) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept[i], 0, 0);
}

bool
userns_enter(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (!works_in_child(uid, gid) || !map_ids(uid, gid))
		return false;
	make_ambient();
	return true;
}
