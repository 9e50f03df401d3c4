/* outlet.c: see outlet.h. */
#include "lib/base.h"

#include "agent/outlet.h"

#include <fcntl.h>
#include <poll.h>

#include "lib/sys.h"

int
outlet_open(struct outlet *o, struct loop *loop, int fd, struct err *e)
{
	*o = (struct outlet){ .loop = loop, .fd = fd, .left = BUF(OUTLET_MAX) };
	return fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK) < 0 ? err_sys(e, "pipe") : 0;
}

void
outlet_close(struct outlet *o)
{
	if (o->waiting)
		loop_unwatch(o->loop, o->fd);
	o->waiting = false;
	base_close(&o->fd);
	buf_free(&o->left);
}

/* Writes what the pipe takes; the number of bytes, or -err. */
static ssize_t
push(const struct outlet *o, const uint8_t *p, size_t n, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = sys_write(o->fd, p + done, n - done);

		if (w < 0 && errno == EAGAIN)
			break;
		if (w < 0 && errno == EPIPE)
			return err_set(e, ERR_CANCELLED, "nobody reads on");
		if (w < 0)
			return err_sys(e, "pass on");
		done += (size_t)w;
	}
	return (ssize_t)done;
}

static void
on_room(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	struct outlet *o = arg;
	struct err e = { 0 };
	ssize_t n = push(o, o->left.data, o->left.len, &e);

	if (n < 0) {
		o->room(o->arg, &e);
		return;
	}
	memmove(o->left.data, o->left.data + n, o->left.len - (size_t)n);
	o->left.len -= (size_t)n;
	if (o->left.len > 0)
		return;
	o->waiting = false;
	loop_unwatch(o->loop, o->fd);
	o->room(o->arg, NULL);
}

static int
wait_for_room(struct outlet *o, struct err *e)
{
	int rc = loop_watch(o->loop, o->fd, POLLOUT, on_room, o, e);

	if (rc == 0)
		o->waiting = true;
	return rc;
}

int
outlet_write(struct outlet *o, struct span bytes, struct err *e)
{
	ssize_t n;
	int rc;

	if (o->waiting)
		return outlet_keep(o, bytes, e);
	n = push(o, bytes.p, bytes.len, e);
	if (n < 0)
		return (int)n;
	o->taken += bytes.len;
	if ((size_t)n == bytes.len)
		return 0;
	rc = buf_add(&o->left, bytes.p + n, bytes.len - (size_t)n, e);
	return rc < 0 ? rc : wait_for_room(o, e);
}

int
outlet_keep(struct outlet *o, struct span bytes, struct err *e)
{
	int rc = buf_add_span(&o->left, bytes, e);

	if (rc == 0)
		o->taken += bytes.len;
	return rc;
}

int
outlet_flush(struct outlet *o, struct err *e)
{
	return o->left.len > 0 ? wait_for_room(o, e) : 0;
}

void
outlet_forget(struct outlet *o)
{
	buf_reset(&o->left);
	o->taken = 0;
}
