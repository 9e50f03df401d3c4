/*
 * ahead.h: a stage that reads the stage below in a thread of its own, up to a
 * few buffers ahead; and a source that such a thread can be called back from.
 */
#ifndef IMAGE_AHEAD_H
#define IMAGE_AHEAD_H

#include "lib/stream.h"

/*
 * Reads fd, but fails with -ERR_CANCELLED as soon as wake (an eventfd) is
 * readable, also while nothing comes. Both stay the caller's.
 */
int stream_fd_until(struct stream *, int fd, int wake, const char *what, struct err *) must_check;

/*
 * Starts the thread. From now on all stages below belong to it, until this
 * stage gave its end or an error, or is closed; closing writes to wake and waits
 * for the thread. The bytes, the end and errors come in the order they came from below.
 */
int stream_ahead(struct stream *, struct stream *from, int wake, struct err *) must_check;

#endif
