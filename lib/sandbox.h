/*
 * sandbox.h: what a process may do from now on, as a list of words. Entered
 * once, late, after set-up: no new privileges, no capabilities but those named,
 * undumpable, no core, resource limits, seccomp (everything not listed fails
 * with ENOSYS, what no role ever needs kills), Landlock (only the paths given).
 */
#ifndef LIB_SANDBOX_H
#define LIB_SANDBOX_H

#include "lib/err.h"

enum sandbox_word {		/* each a list of system calls in sandbox.c */
	WORD_STDIO,		/* read, write, poll, memory, time, exit */
	WORD_FDPASS,		/* sendmsg, recvmsg and shutdown on sockets that are there, new pipes */
	WORD_THREAD,		/* one more thread and its futex */
	WORD_FILE_READ,		/* open for reading, stat, getdents */
	WORD_TREE_WRITE,	/* create, link, unlink, owner, mode, times, xattrs */
	WORD_INET,		/* socket(AF_INET, AF_INET6), connect, options */
	WORD_ACCEPT,		/* take connections of listening sockets that are there */
	WORD_EXEC,		/* start a program (which one: Landlock, sandbox_path.exec), wait for it, be it */
	WORD_TEE,		/* open and ask devices of the platform; make and remove entries of configfs; write the event log */
	WORD_VSOCK,		/* connect to the host by AF_VSOCK */
	WORD_COUNT
};
#define WORD(w)	(1u << WORD_##w)

enum sandbox_need { SANDBOX_REQUIRE, SANDBOX_TRY, SANDBOX_OFF };	/* OFF: development builds under sanitizers only */

struct sandbox_path {
	int		fd;	/* directory or file already open; -1 ends the list */
	bool		write;	/* everything below may be made, changed, removed */
	bool		exec;	/* may be run, or is read by what may be run */
	bool		device;	/* its ioctls, too */
	bool		only_rule;	/* the caller opened it for this list and closes it after */
};

struct sandbox {
	const char			*role;
	unsigned			 words;
	uint64_t			 keep_caps;	/* bit n: capability n stays (effective and permitted) */
	const struct sandbox_path	*paths;		/* NULL: no file at all may be opened */
	unsigned			 max_files;	/* RLIMIT_NOFILE; 0: leave */
	uint64_t			 max_memory;	/* RLIMIT_AS in bytes; 0: leave (sanitizers) */
	enum sandbox_need		 seccomp, landlock;
};

/* 0, or -ERR_SANDBOX and the caller must end. */
int sandbox_enter(const struct sandbox *, struct err *) must_check;

/* Only the capabilities: for a process that cannot be confined further. Bit n of keep: capability n stays. */
int sandbox_drop_capabilities(const char *role, uint64_t keep, struct err *) must_check;

const char *sandbox_word_name(enum sandbox_word);	/* NULL past the end */
bool sandbox_has_landlock(int *abi);

#endif
