/*
 * ahead.c: one producer, one consumer, a ring of buffers between them. Never
 * waits for a thread that nobody has told to stop.
 */
#include "lib/base.h"

#include "image/ahead.h"

#include <pthread.h>
#include <poll.h>

#include "lib/limits.h"
#include "lib/sys.h"

enum { SLOTS = 8, SLOT_BYTES = 256 << 10, STACK_BYTES = 256 << 10 };

struct slot {
	size_t	pos, len;
	uint8_t	data[SLOT_BYTES];
};

struct ahead {
	struct stream	*from;
	int		 wake;
	pthread_t	 thread;
	pthread_mutex_t	 lock;		/* guards what follows, up to err */
	pthread_cond_t	 changed;
	size_t		 filled, emptied;	/* slots, ever; the difference is at most SLOTS */
	bool		 stop;		/* the consumer is gone */
	bool		 done;		/* the producer is gone; rc and err say why */
	int		 rc;
	struct err	 err;
	struct slot	 slots[SLOTS];	/* [emptied, filled) belong to the consumer */
};

/* An empty slot, or NULL when the consumer is gone. */
static struct slot *
wait_for_room(struct ahead *a)
{
	struct slot *slot;

	pthread_mutex_lock(&a->lock);
	while (a->filled - a->emptied == SLOTS && !a->stop)
		pthread_cond_wait(&a->changed, &a->lock);
	slot = a->stop ? NULL : &a->slots[a->filled % SLOTS];
	pthread_mutex_unlock(&a->lock);
	return slot;
}

static void
pass_on(struct ahead *a, struct slot *slot, size_t n)
{
	slot->pos = 0;
	slot->len = n;
	pthread_mutex_lock(&a->lock);
	a->filled++;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

static void *
produce(void *arg)
{
	struct ahead *a = arg;
	struct slot *slot;
	ssize_t got = 0;
	struct err e = { .code = ERR_NONE };

	while ((slot = wait_for_room(a)) != NULL &&
	    (got = stream_read(a->from, slot->data, SLOT_BYTES, &e)) > 0)
		pass_on(a, slot, (size_t)got);
	pthread_mutex_lock(&a->lock);
	a->done = true;
	a->rc = (int)MIN(got, 0);
	a->err = e;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* The oldest filled slot; NULL when there will be none any more. */
static struct slot *
wait_for_data(struct ahead *a)
{
	struct slot *slot;

	pthread_mutex_lock(&a->lock);
	while (a->filled == a->emptied && !a->done)
		pthread_cond_wait(&a->changed, &a->lock);
	slot = a->filled == a->emptied ? NULL : &a->slots[a->emptied % SLOTS];
	pthread_mutex_unlock(&a->lock);
	return slot;
}

static void
give_back(struct ahead *a)
{
	pthread_mutex_lock(&a->lock);
	a->emptied++;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

static ssize_t
ahead_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct ahead *a = s->state;
	struct slot *slot = wait_for_data(a);

	if (slot == NULL) {
		if (a->rc < 0)
			*e = a->err;
		return a->rc;
	}
	n = MIN(n, slot->len - slot->pos);
	memcpy(p, slot->data + slot->pos, n);
	slot->pos += n;
	if (slot->pos == slot->len)
		give_back(a);
	return (ssize_t)n;
}

static void
ahead_close(struct stream *s)
{
	struct ahead *a = s->state;
	const uint64_t one = 1;

	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
	/* Fails only when it is full, and then it is readable. */
	if (sys_write(a->wake, &one, sizeof(one)) == -1)
		assert(errno == EAGAIN);
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	sys_free(a);
}

static const struct stream_ops ahead_ops = {
	.name	= "read-ahead",
	.read	= ahead_read,
	.close	= ahead_close,
};

static int
start(struct ahead *a)
{
	pthread_attr_t attr;
	int rc = pthread_attr_init(&attr);

	if (rc != 0)
		return rc;
	rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (rc == 0)
		rc = pthread_create(&a->thread, &attr, produce, a);
	pthread_attr_destroy(&attr);
	return rc;
}

int
stream_ahead(struct stream *s, struct stream *from, int wake, struct err *e)
{
	struct ahead *a = sys_alloc(sizeof(*a));

	if (a == NULL)
		return err_set(e, ERR_NOMEM, "read-ahead: out of memory");
	a->from = from;
	a->wake = wake;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	errno = start(a);
	if (errno != 0) {
		sys_free(a);
		return err_sys(e, "read-ahead: thread");
	}
	*s = (struct stream){ .ops = &ahead_ops, .from = from, .state = a };
	return 0;
}

/*
 * The source.
 */

struct source {
	int		 fd, wake;
	const char	*what;
};

static ssize_t
source_read(struct stream *s, void *p, size_t n, struct err *e)
{
	const struct source *src = s->state;
	struct pollfd fds[2] = {
		{ .fd = src->fd, .events = POLLIN }, { .fd = src->wake, .events = POLLIN },
	};
	ssize_t got;

	while (poll(fds, 2, -1) == -1)
		if (errno != EINTR)
			return err_sys(e, "%s: poll", src->what);
	if (fds[1].revents != 0)
		return err_set(e, ERR_CANCELLED, "%s: called back", src->what);
	got = sys_read(src->fd, p, n);
	return got < 0 ? err_sys(e, "%s: read", src->what) : got;
}

static void
source_close(struct stream *s)
{
	sys_free(s->state);
}

static const struct stream_ops source_ops = {
	.name	= "file",
	.read	= source_read,
	.close	= source_close,
};

int
stream_fd_until(struct stream *s, int fd, int wake, const char *what, struct err *e)
{
	struct source *src;

	/* poll would wait for it for ever. */
	if (fd < 0)
		return err_set(e, ERR_BUG, "%s: no descriptor", what);
	src = sys_alloc(sizeof(*src));
	if (src == NULL)
		return err_set(e, ERR_NOMEM, "%s: out of memory", what);
	*src = (struct source){ .fd = fd, .wake = wake, .what = what };
	*s = (struct stream){ .ops = &source_ops, .state = src };
	return 0;
}
