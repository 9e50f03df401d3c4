/*
 * monitor.h: the process that starts the others. It opens its own image once, spawns roles by
 * re-executing it, gathers their log, reaps them, and kills them all at the end. It parses nothing
 * foreign but their fixed-size messages.
 */
#ifndef AGENT_MONITOR_H
#define AGENT_MONITOR_H

#include "agent/roles.h"
#include "lib/loop.h"

#define MONITOR_MAX_CHILDREN	(8 + 2 * LIMIT_LAYERS)

struct monitor {
	struct loop	*loop;
	int		 image;		/* this executable */
	int		 log_in, log_out;	/* the roles' log pipe */
	int		 signals;	/* signalfd: SIGCHLD, SIGINT, SIGTERM, SIGHUP */
	bool		 root_mode;
	struct child {
		pid_t		pid;	/* 0: gone */
		enum role	role;
	}		*children;
	size_t		 nchildren;
	char		 partial[1024];	/* of a log line */
	size_t		 npartial;
	bool		 interrupted;
	struct err	 crash;		/* what the first killed role died of */
};

/*
 * Opens the image, decides the mode, enters a user namespace in user mode where that is allowed. mounts: as root
 * it keeps the capability to mount.
 */
int monitor_open(struct monitor *, bool mounts, struct err *) must_check;
/* The same with the image open already, where there may be no /proc; it becomes the monitor's. -1: as monitor_open(). */
int monitor_open_image(struct monitor *, int image, bool mounts, struct err *) must_check;
/* Kills and reaps every role. */
void monitor_end_all(struct monitor *);
/* The same, passes on the last of the log, and closes. */
void monitor_close(struct monitor *);

/*
 * Starts a role. fds[0..n) become FD_CONTROL and following; -1 leaves a number closed. All stay the
 * caller's. stdout of the role: out (-1: nowhere).
 */
int monitor_spawn(struct monitor *, enum role, const int *fds, size_t n, int out,
    int probe, int without, pid_t *pid, struct err *) must_check;

/*
 * The same with a new control socket, ours in *control; own[] follows it from FD_CONTROL + 1 on. pid may be
 * NULL: it ends with the monitor.
 */
int monitor_start(struct monitor *, enum role, const int *own, size_t n, int *control, pid_t *pid,
    struct err *) must_check;
/* Ends it, whatever it does; *pid is 0 afterwards, and may be before. */
void monitor_end(struct monitor *, pid_t *pid);

/*
 * Serves log and signals until a message that fits the rules comes from fd: 1 and the message; 0 when the peer has
 * closed; -ERR_CANCELLED after SIGINT or SIGTERM.
 */
int monitor_await(struct monitor *, int fd, const struct msg_rule *, struct msg *, struct err *) must_check;

/* Serves log, signals and whatever else is watched, until a callback or a signal (m->interrupted) stops the loop. */
int monitor_turn(struct monitor *, struct err *) must_check;

/* After a 0 of monitor_await: what the first killed role died of, or CRASH with this text. Returns -code. */
int monitor_died(const struct monitor *, const char *text, struct err *) must_check;

/*
 * The one answer to a request: a message of that type, which begins with a verdict. 0 and *rest, the reader of what comes after it
 * in *answer; else what the role said, or how it died. name: the role's.
 */
int monitor_answer(struct monitor *, int fd, const char *name, const struct msg_rule *, struct msg *answer,
    struct msg_reader *rest, struct err *) must_check;

/* Waits for one role to end; its wait status. -ERR_TIMEOUT: it had to be killed. */
int monitor_wait(struct monitor *, pid_t, int timeout_ms, int *status, struct err *) must_check;

/* A file in memory that holds this text, to be read from its start: the descriptor. */
int monitor_text_fd(struct span text, struct err *) must_check;
/* Sends M_FILE: which, and a descriptor that stays the caller's. */
int monitor_send_file(int control, uint8_t which, int fd, struct err *) must_check;
/* The same for a text, by such a file. */
int monitor_send_text(int control, uint8_t which, const char *text, struct err *) must_check;
/* Sends M_KEY_LINK. */
int monitor_send_link(int key, uint32_t layer, int fd, struct err *) must_check;
/* Tells key which broker (NULL: none) and hands it the files of that module that are there. */
int monitor_set_up_key(int key, const char *kbc_params, bool allow_ctr, struct err *) must_check;

#endif
