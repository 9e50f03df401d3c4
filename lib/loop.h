/*
 * loop.h: one thread around one poll. Descriptors and timers with a callback
 * each; used by the processes that wait for more than one thing.
 */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include "lib/err.h"

struct loop;
typedef void (*loop_fd_fn)(void *arg, int fd, short revents);
typedef void (*loop_timer_fn)(void *arg);

int loop_new(struct loop **out, struct err *) must_check;
void loop_free(struct loop *);

/* Watches fd for events (POLLIN, POLLOUT; 0 leaves only errors). One watch a descriptor; setting again replaces. */
int loop_watch(struct loop *, int fd, short events, loop_fd_fn, void *arg, struct err *) must_check;
void loop_unwatch(struct loop *, int fd);	/* allowed inside callbacks, also for the descriptor being served */

/* One-shot timer; the same (fn, arg) pair set again moves it. ms < 0 removes it. Those that are due are served in their order. */
int loop_timer(struct loop *, int64_t ms, loop_timer_fn, void *arg, struct err *) must_check;

/* Runs until loop_stop or an error of poll. 0 or -err. */
int loop_run(struct loop *, struct err *) must_check;
void loop_stop(struct loop *);

#endif
