/*
 * sys.h: the one seam to the world. Everything that can fail for reasons
 * outside of the program goes through this table, so that tests can make each
 * call fail, be short or be interrupted, and can own the clock. Production
 * code uses the sys_* wrappers below; nothing else touches `sys`.
 */
#ifndef LIB_SYS_H
#define LIB_SYS_H

#include <sys/socket.h>
#include <sys/statfs.h>

#include "lib/base.h"

struct sys_ops {
	int64_t	(*now_ms)(void);			/* monotonic */
	int64_t	(*wall_s)(void);			/* seconds since 1970; not to be trusted in a guest */
	int	(*random)(void *, size_t);		/* 0 or -1 */
	void	*(*realloc)(void *, size_t);		/* size 0 frees and returns NULL */
	int	(*openat)(int dir, const char *, int flags, mode_t);
	int	(*openat2)(int dir, const char *, int flags, mode_t, uint64_t resolve);
	ssize_t	(*read)(int, void *, size_t);
	ssize_t	(*write)(int, const void *, size_t);
	int	(*renameat2)(int, const char *, int, const char *, unsigned flags);
	int	(*fstatfs)(int, struct statfs *);
	int	(*connect)(int, const struct sockaddr *, socklen_t);
	ssize_t	(*sendmsg)(int, const struct msghdr *, int);
	ssize_t	(*recvmsg)(int, struct msghdr *, int);
	pid_t	(*spawn)(int image, char *const argv[], const int *fds, size_t nfds, unsigned flags);
};

extern const struct sys_ops sys_real;
extern const struct sys_ops *sys;	/* = &sys_real; tests exchange it */

/* spawn flags */
enum {
	SYS_SPAWN_DIE_WITH_PARENT = 1,	/* PR_SET_PDEATHSIG = SIGKILL */
};

/* Entries in a spawn's list of descriptors; more is EINVAL. */
#define SYS_SPAWN_FDS	16

/* Thin wrappers; read, write, fstatfs, sendmsg and recvmsg repeat on EINTR. */
int64_t sys_now_ms(void);
int64_t sys_wall_s(void);
int sys_random(void *, size_t) must_check;
void *sys_alloc(size_t) must_check;		/* zeroed */
void *sys_realloc(void *, size_t) must_check;	/* never frees: size 0 counts as 1 */
void sys_free(void *);				/* NULL is fine */
int sys_openat(int dir, const char *, int flags, mode_t);
int sys_openat2(int dir, const char *, int flags, mode_t, uint64_t resolve);	/* EAGAIN retried (8 times) */
ssize_t sys_read(int, void *, size_t) must_check;
ssize_t sys_write(int, const void *, size_t) must_check;
int sys_write_all(int, const void *, size_t) must_check;	/* 0 or -1 with errno; blocking descriptors */
int sys_renameat2(int, const char *, int, const char *, unsigned flags) must_check;
int sys_fstatfs(int, struct statfs *) must_check;
int sys_connect(int, const struct sockaddr *, socklen_t) must_check;
ssize_t sys_sendmsg(int, const struct msghdr *, int) must_check;
ssize_t sys_recvmsg(int, struct msghdr *, int) must_check;

/*
 * Starts the program that `image` has open, with an empty environment, no
 * signal blocked or ignored, and exactly these descriptors: fds[0..nfds) as
 * 0, 1, 2, 3, … An entry of -1 leaves its number closed, except that 0 to 2
 * are never closed (the next file opened would be taken for standard output):
 * there, and where nfds < 3, stands a pipe's read end without a writer, which
 * reads as the end of a file and answers EBADF to a write, without a signal.
 * Entries may repeat. Needs no /proc. The pid, or -1 with errno; what fails
 * after the fork ends the child with status 127.
 */
pid_t sys_spawn(int image, char *const argv[], const int *fds, size_t nfds, unsigned flags) must_check;

#endif
