/*
 * sys.h: the one seam to the world. Everything that can fail for reasons
 * outside of the program goes through this table, so that tests can make each
 * call fail, be short or be interrupted, and can own the clock. Production
 * code uses the sys_* wrappers below; nothing else touches `sys`.
 */
#ifndef LIB_SYS_H
#define LIB_SYS_H

#include <sys/socket.h>

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
	int	(*connect)(int, const struct sockaddr *, socklen_t);
	ssize_t	(*sendmsg)(int, const struct msghdr *, int);
	ssize_t	(*recvmsg)(int, struct msghdr *, int);
	/* fork + execveat(image, "", argv, empty environment); child keeps fds[0..n) as 3.. and 0..2 */
	pid_t	(*spawn)(int image, char *const argv[], const int *fds, size_t nfds, unsigned flags);
};

extern const struct sys_ops sys_real;
extern const struct sys_ops *sys;	/* = &sys_real; tests exchange it */

/* spawn flags */
enum {
	SYS_SPAWN_DIE_WITH_PARENT = 1,	/* PR_SET_PDEATHSIG = SIGKILL */
};

/* Thin wrappers; read and write repeat on EINTR. */
int64_t sys_now_ms(void);
int64_t sys_wall_s(void);
int sys_random(void *, size_t) must_check;
void *sys_alloc(size_t) must_check;		/* zeroed */
void *sys_realloc(void *, size_t) must_check;
void sys_free(void *);
int sys_openat(int dir, const char *, int flags, mode_t);
int sys_openat2(int dir, const char *, int flags, mode_t, uint64_t resolve);	/* EAGAIN retried (8 times) */
ssize_t sys_read(int, void *, size_t) must_check;
ssize_t sys_write(int, const void *, size_t) must_check;
int sys_write_all(int, const void *, size_t) must_check;	/* 0 or -1 with errno; blocking descriptors */
int sys_renameat2(int, const char *, int, const char *, unsigned flags) must_check;

#endif
