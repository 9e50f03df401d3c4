/*
 * sandbox.c: words to system calls, and the order in which doors are shut:
 * privileges, dumps and limits, then files (Landlock), capabilities, and last
 * the system calls themselves. What a word lists was measured on the shipped
 * static binary; glibc builds need a few calls more, which stand with them.
 */
#include "lib/base.h"

#include "lib/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lib/landlock.h"

#define END	(-1000000)	/* no system call, no pseudo number of libseccomp */

/* Fails with ENOSYS unless a word allows it; these end the process at once. */
static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(unshare), SCMP_SYS(setns),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(keyctl),
	SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(setuid),
	SCMP_SYS(setresuid), SCMP_SYS(setgid), SCMP_SYS(setresgid), END
};

/* Nobody needs a word to end. */
static const int always[] = {
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), END
};

static const int word_stdio[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(lseek), SCMP_SYS(fstat),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(mlock), SCMP_SYS(futex), SCMP_SYS(clock_gettime),
	SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(geteuid),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall), END
};

static const int word_fdpass[] = {
	SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(shutdown),
	SCMP_SYS(pipe2), END
};

/* glibc: clone3 is refused, so that it falls back to clone. */
static const int word_thread[] = {
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address),
	SCMP_SYS(eventfd2), END
};

static const int word_file_read[] = {
	SCMP_SYS(stat), SCMP_SYS(newfstatat), SCMP_SYS(openat2), END
};

static const int word_tree_write[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(newfstatat),
	SCMP_SYS(getdents64), SCMP_SYS(readlinkat), SCMP_SYS(mkdirat),
	SCMP_SYS(mknodat), SCMP_SYS(symlinkat), SCMP_SYS(linkat),
	SCMP_SYS(unlinkat), SCMP_SYS(fchown), SCMP_SYS(fchownat),
	SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(utimensat),
	SCMP_SYS(fsetxattr), SCMP_SYS(lsetxattr), SCMP_SYS(flistxattr),
	SCMP_SYS(fremovexattr), SCMP_SYS(fchdir), SCMP_SYS(ftruncate), END
};

static const int word_inet[] = {
	SCMP_SYS(connect), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(uname), END
};

static const int word_tee[] = {
	SCMP_SYS(openat), SCMP_SYS(mkdirat), SCMP_SYS(unlinkat),
	SCMP_SYS(flock), SCMP_SYS(fchmod), SCMP_SYS(fsync), SCMP_SYS(renameat2), END
};

static const int word_vsock[] = {
	SCMP_SYS(connect), SCMP_SYS(setsockopt), END
};

static const int word_accept[] = {
	SCMP_SYS(accept4), SCMP_SYS(getsockopt), END
};

/* What starting a program takes, and what the program takes that is started: measured on gpg, static and dynamic. */
static const int word_exec[] = {
	SCMP_SYS(execve), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(clone), SCMP_SYS(wait4),
	SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(pipe), SCMP_SYS(close_range),
	SCMP_SYS(rt_sigaction), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(prlimit64), SCMP_SYS(getrlimit), SCMP_SYS(arch_prctl),
	SCMP_SYS(set_tid_address), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(pread64), SCMP_SYS(umask),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(unlink), SCMP_SYS(rename), SCMP_SYS(mkdir), SCMP_SYS(chmod), SCMP_SYS(uname),
	SCMP_SYS(sysinfo), SCMP_SYS(getcwd), SCMP_SYS(times), SCMP_SYS(getrusage), SCMP_SYS(clock_getres), END
};

static const struct {
	const char	*name;
	const int	*calls;
} words[WORD_COUNT] = {
	[WORD_STDIO]		= { "stdio", word_stdio },
	[WORD_FDPASS]		= { "fdpass", word_fdpass },
	[WORD_THREAD]		= { "thread", word_thread },
	[WORD_FILE_READ]	= { "file_read", word_file_read },
	[WORD_TREE_WRITE]	= { "tree_write", word_tree_write },
	[WORD_INET]		= { "inet", word_inet },
	[WORD_EXEC]		= { "exec", word_exec },
	[WORD_ACCEPT]		= { "accept", word_accept },
	[WORD_TEE]		= { "tee", word_tee },
	[WORD_VSOCK]		= { "vsock", word_vsock },
};

const char *
sandbox_word_name(enum sandbox_word w)
{
	return w < WORD_COUNT ? words[w].name : NULL;
}

static int
allow_list(scmp_filter_ctx f, const int *calls)
{
	int rc = 0;

	for (; *calls != END && rc == 0; calls++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, *calls, 0);
	return rc;
}

/*
 * Of devices of TDX, SNP and CSV by their letters, as far as they read: of what terminals have, whose letter is the same, only
 * questions are among these. One extends a register of TDX and does not say that it reads.
 */
static int
allow_tee_ioctls(scmp_filter_ctx f)
{
	static const char letters[] = { 'T', 'S', 'D' };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(letters) && rc == 0; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0x8000ff00, 0x80000000 | (scmp_datum_t)letters[i] << 8));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, 0x40315403));
	return rc;
}

/* Rules that look at arguments. */
static int
allow_arguments(scmp_filter_ctx f, unsigned set)
{
	static const int fcntls[] = {
		F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_SETPIPE_SZ, F_GETPIPE_SZ
	};
	int rc = 0;

	if (set & WORD(STDIO)) {
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		if (rc == 0)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		for (size_t i = 0; i < ARRAY_LEN(fcntls) && rc == 0; i++)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			    SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)fcntls[i], 0));
	}
	/* A loader maps code; nobody gets memory that is both written and run. */
	if ((set & WORD(EXEC)) && rc == 0) {
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC));
		if (rc == 0)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC));
	}
	if ((set & WORD(THREAD)) && rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if ((set & (WORD(FILE_READ) | WORD(TREE_WRITE))) == WORD(FILE_READ) && rc == 0) {
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
		if (rc == 0)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			    SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	}
	if ((set & WORD(TEE)) && rc == 0)
		rc = allow_tee_ioctls(f);
	if ((set & WORD(VSOCK)) && rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_EQ, AF_VSOCK, 0));
	if ((set & WORD(INET)) && rc == 0) {
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_EQ, AF_INET, 0));
		if (rc == 0)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			    SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0));
		if (rc == 0)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			    SCMP_A1(SCMP_CMP_EQ, FIONBIO, 0));
	}
	return rc;
}

static bool
is_listed(const int *calls, int call)
{
	for (; *calls != END; calls++)
		if (*calls == call)
			return true;
	return false;
}

/* A program that was not written for this filter may try a socket and shall see that there is none. */
static int
build_filter(scmp_filter_ctx f, unsigned set)
{
	int rc = 0;

	for (const int *d = deadly; *d != END && rc == 0; d++)
		if (!(set & WORD(EXEC)) || !is_listed(word_exec, *d))
			rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, *d, 0);
	if (!(set & (WORD(INET) | WORD(EXEC) | WORD(VSOCK))) && rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 0);
	if (rc == 0)
		rc = allow_list(f, always);
	for (size_t w = 0; w < WORD_COUNT && rc == 0; w++)
		if (set & (1u << w))
			rc = allow_list(f, words[w].calls);
	return rc < 0 ? rc : allow_arguments(f, set);
}

static int
enter_seccomp(const struct sandbox *s, struct err *e)
{
	scmp_filter_ctx f;
	int rc;

	if (s->seccomp == SANDBOX_OFF)
		return 0;
	f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (f == NULL)
		return err_set(e, ERR_SANDBOX, "%s: seccomp: no memory", s->role);
	rc = build_filter(f, s->words);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	if (rc < 0 && s->seccomp == SANDBOX_REQUIRE) {
		errno = -rc;
		return err_sys_as(e, ERR_SANDBOX, "%s: seccomp", s->role);
	}
	return 0;
}

bool
sandbox_has_landlock(int *abi)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	*abi = v > 0 ? (int)v : 0;
	return v > 0;
}

static int
landlock_allow(int ruleset, const struct sandbox_path *p, uint64_t handled)
{
	struct landlock_path_beneath_attr rule = { .parent_fd = p->fd };
	uint64_t file_only = (LANDLOCK_FS_FILE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_FS_IOCTL_DEV) & handled;

	rule.allowed_access = handled & (LANDLOCK_FS_READ | (p->write ? LANDLOCK_FS_WRITE : 0) |
	    (p->exec ? LANDLOCK_ACCESS_FS_EXECUTE : 0) | (p->device ? LANDLOCK_FS_IOCTL_DEV : 0));
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
	    &rule, 0) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	rule.allowed_access &= file_only;	/* not a directory */
	return (int)syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static int
enter_landlock(const struct sandbox *s, struct err *e)
{
	struct landlock_attr attr = { 0 };
	autoclose int ruleset = -1;
	int abi;

	if (s->landlock == SANDBOX_OFF)
		return 0;
	if (!sandbox_has_landlock(&abi)) {
		if (s->landlock == SANDBOX_REQUIRE)
			return err_set(e, ERR_SANDBOX, "%s: the kernel has no Landlock", s->role);
		return 0;
	}
	attr.handled_access_fs = landlock_fs_of_abi(abi);
	if (abi >= 4 && !(s->words & WORD(INET)))
		attr.handled_access_net = LANDLOCK_NET_ALL;
	if (abi >= 6)
		attr.scoped = LANDLOCK_SCOPE_ALL;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return err_sys_as(e, ERR_SANDBOX, "%s: Landlock rules", s->role);
	for (const struct sandbox_path *p = s->paths; p != NULL && p->fd >= 0; p++)
		if (landlock_allow(ruleset, p, attr.handled_access_fs) < 0)
			return err_sys_as(e, ERR_SANDBOX, "%s: Landlock path", s->role);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys_as(e, ERR_SANDBOX, "%s: Landlock", s->role);
	return 0;
}

int
sandbox_drop_capabilities(const char *role, uint64_t keep, struct err *e)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct now[2], want[2] = { { 0 }, { 0 } };

	if (syscall(SYS_capget, &head, now) < 0)
		return err_sys_as(e, ERR_SANDBOX, "%s: capget", role);
	/* The bounding set can only be cut with CAP_SETPCAP; without it nothing can be gained anyway. */
	for (int c = 0; c <= CAP_LAST_CAP; c++)
		if (!(keep >> c & 1))
			(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		uint32_t part = (uint32_t)(keep >> (32 * i)) & now[i].permitted;

		want[i].effective = want[i].permitted = part;
	}
	if (syscall(SYS_capset, &head, want) < 0)
		return err_sys_as(e, ERR_SANDBOX, "%s: capset", role);
	return 0;
}

static int
set_limit(int resource, uint64_t value, const char *role, struct err *e)
{
	struct rlimit l = { value, value };

	if (syscall(SYS_prlimit64, 0, resource, &l, NULL) < 0)
		return err_sys_as(e, ERR_SANDBOX, "%s: limit %d", role, resource);
	return 0;
}

int
sandbox_enter(const struct sandbox *s, struct err *e)
{
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys_as(e, ERR_SANDBOX, "%s: prctl", s->role);
	rc = set_limit(RLIMIT_CORE, 0, s->role, e);
	if (rc == 0 && s->max_files > 0)
		rc = set_limit(RLIMIT_NOFILE, s->max_files, s->role, e);
	if (rc == 0 && s->max_memory > 0)
		rc = set_limit(RLIMIT_AS, s->max_memory, s->role, e);
	if (rc == 0)
		rc = enter_landlock(s, e);
	if (rc == 0)
		rc = sandbox_drop_capabilities(s->role, s->keep_caps, e);
	return rc < 0 ? rc : enter_seccomp(s, e);
}
