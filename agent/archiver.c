/*
 * archiver.c: the role that stands in for net when the image is in a file: the same messages, no network.
 * It gets the archive as an open file and can open no other.
 *
 * All that was asked for is served at once, a chunk to whichever pipe has room: a layer that nobody reads yet must
 * not hold up the one that its reader waits for. Each has a libarchive reader with a place of its own.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include <fcntl.h>
#include <poll.h>

#include "image/archived.h"
#include "lib/crypto.h"
#include "lib/loop.h"
#include "lib/sys.h"

#define AT_ONCE			16	/* more wait in the socket */
#define CHUNK			(64 << 10)
#define PROGRESS_EVERY_MS	100

struct archiver;

struct exchange {
	struct archiver		*owner;
	uint32_t		 id;
	int			 fd;		/* where the bytes go */
	struct tarball_reader	*from;		/* NULL: the bytes were made */
	struct span		 left;		/* not yet written */
	uint64_t		 written;
	int64_t			 reported;
	uint8_t			 chunk[CHUNK];
};

struct archiver {
	struct loop	*loop;
	struct image_ref ref;
	struct archived	*image;
	struct err	 unusable;		/* why the archive is; every request hears it */
	struct exchange	*exchanges[AT_ONCE];	/* NULL: free */
	struct err	*err;			/* of serve */
	int		 rc;
};

static void on_pull(void *, int, short);

static void
stop(struct archiver *a, int rc)
{
	a->rc = rc == -ERR_CRASH ? 0 : rc;	/* pull may go when it likes */
	loop_stop(a->loop);
}

static struct exchange **
free_slot(struct archiver *a)
{
	for (size_t i = 0; i < AT_ONCE; i++)
		if (a->exchanges[i] == NULL)
			return &a->exchanges[i];
	return NULL;
}

static void
exchange_free(struct exchange *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < AT_ONCE; i++)
		if (x->owner->exchanges[i] == x)
			x->owner->exchanges[i] = NULL;
	loop_unwatch(x->owner->loop, x->fd);
	base_close(&x->fd);
	tarball_read_close(x->from);
	sys_free(x);
}

static void
answer(struct archiver *a, uint32_t id, const struct err *failed)
{
	int rc = role_answer(ARCHIVE_FD_PULL, M_GET_DONE, id, failed, a->err);

	if (rc < 0)
		stop(a, rc);
}

/* There is room for another one now. */
static void
finish(struct exchange *x, const struct err *failed)
{
	struct archiver *a = x->owner;
	uint32_t id = x->id;
	int rc;

	exchange_free(x);
	answer(a, id, failed);
	rc = loop_watch(a->loop, ARCHIVE_FD_PULL, POLLIN, on_pull, a, a->err);
	if (rc < 0)
		stop(a, rc);
}

/* Never waits: pull may be reading the body and nothing else, and the next one counts as well. */
static void
report(struct exchange *x)
{
	int64_t now = sys_now_ms();
	struct err ignored;
	automsg m;

	if (now - x->reported < PROGRESS_EVERY_MS)
		return;
	x->reported = now;
	msg_init(&m, M_GET_PROGRESS, x->id);
	if (msg_put_u64(&m, x->written, &ignored) == 0)
		(void)(msg_send(ARCHIVE_FD_PULL, &m, 0, &ignored) < 0);
}

/* 1 if there is something to write, 0 at the end. */
static int
refill(struct exchange *x, struct err *e)
{
	ssize_t n;

	if (x->left.len > 0)
		return 1;
	if (x->from == NULL)
		return 0;
	n = tarball_read(x->from, x->chunk, sizeof(x->chunk), e);
	if (n <= 0)
		return (int)n;
	x->left = (struct span){ x->chunk, (size_t)n };
	return 1;
}

static int
push(struct exchange *x, struct err *e)
{
	ssize_t n = sys_write(x->fd, x->left.p, x->left.len);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 && errno == EPIPE)
		return err_set(e, ERR_CANCELLED, "nobody reads on");
	if (n < 0)
		return err_sys(e, "pass on");
	x->left.p += n;
	x->left.len -= (size_t)n;
	x->written += (uint64_t)n;
	report(x);
	return 0;
}

static void
on_room(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	struct exchange *x = arg;
	struct err e = { 0 };
	int rc = refill(x, &e);

	if (rc == 0) {
		finish(x, NULL);
		return;
	}
	if (rc > 0)
		rc = push(x, &e);
	if (rc < 0)
		finish(x, &e);
}

/*
 * Requests.
 */

static int
find_part(const struct archiver *a, bool blob, const char *wanted, struct archived_part *out, struct err *e)
{
	struct digest d;
	int rc;

	if (a->unusable.code != ERR_NONE) {
		*e = a->unusable;
		return -(int)e->code;
	}
	if (!blob && strcmp(wanted, image_ref_wanted(&a->ref)) == 0)
		return archived_manifest(a->image, out, e);
	rc = digest_parse(span_str(wanted), &d, e);
	return rc < 0 ? rc : archived_blob(a->image, &d, out, e);
}

/* A blob is as long as it is promised, and the archive tells its length beforehand. */
static int
check_size(const struct archived_part *part, bool blob, uint64_t max, struct err *e)
{
	uint64_t size = part->member != NULL ? part->member->size : part->bytes.len;

	if (size <= max)
		return 0;
	return err_set(e, blob ? ERR_DIGEST : ERR_LIMIT, "%" PRIu64 " bytes in the archive, not the %" PRIu64
	    " at most that were asked for", size, max);
}

static int
send_head(uint32_t id, const struct archived_part *part, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_GET_HEAD, id);
	rc = msg_put_str(&m, part->content_type, e);
	if (rc == 0)
		rc = msg_put_str(&m, part->digest, e);
	return rc < 0 ? rc : msg_send(ARCHIVE_FD_PULL, &m, -1, e);
}

static int
start(struct archiver *a, struct exchange *x, const struct archived_part *part, struct err *e)
{
	int flags = fcntl(x->fd, F_GETFL), rc = 0;

	x->left = part->bytes;
	if (flags < 0 || fcntl(x->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "pass on");
	if (part->member != NULL)
		rc = tarball_read_open(archived_tarball(a->image), part->member, &x->from, e);
	if (rc == 0)
		rc = send_head(x->id, part, e);
	return rc < 0 ? rc : loop_watch(a->loop, x->fd, POLLOUT, on_room, x, e);
}

/* An exchange in a free slot, which there is; it owns the descriptor. */
static struct exchange *
exchange_new(struct archiver *a, struct msg *m, struct err *e)
{
	struct exchange *x = sys_alloc(sizeof(*x));

	if (x == NULL) {
		err_set(e, ERR_NOMEM, "archive: out of memory");
		return NULL;
	}
	x->owner = a;
	x->id = m->id;
	x->fd = fd_steal(&m->fds[0]);
	*free_slot(a) = x;
	return x;
}

/* What fails here is told to pull; only a request that cannot be read is the end. */
static int
take_get(struct archiver *a, struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	bool blob = msg_get_u8(&r) != 0;
	char name[LIMIT_REFERENCE + 1], wanted[sizeof(a->ref.digest.text)];
	struct archived_part part;
	struct err failed = { 0 };
	struct exchange *x;
	uint64_t max;
	int rc;

	msg_get_str(&r, name, sizeof(name));	/* of the image: there is but one */
	msg_get_str(&r, wanted, sizeof(wanted));
	max = msg_get_u64(&r);
	(void)msg_get_u64(&r);		/* the size: the archive has what it has */
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "request that cannot be read");
	rc = find_part(a, blob, wanted, &part, &failed);
	if (rc == 0)
		rc = check_size(&part, blob, max, &failed);
	x = rc == 0 ? exchange_new(a, m, &failed) : NULL;
	if (x == NULL)
		answer(a, m->id, &failed);
	else if (start(a, x, &part, &failed) < 0)
		finish(x, &failed);
	if (free_slot(a) == NULL)
		loop_unwatch(a->loop, ARCHIVE_FD_PULL);
	return 0;
}

static void
on_pull(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_GET, .max_len = KIB(4), .fds = 1 },
		{ 0 },
	};
	struct archiver *a = arg;
	automsg m;
	int rc = msg_recv(ARCHIVE_FD_PULL, rules, 0, &m, a->err);

	if (rc > 0)
		rc = take_get(a, &m, a->err);
	else if (rc == 0)
		stop(a, 0);
	if (rc < 0 && rc != -ERR_TIMEOUT)
		stop(a, rc);
}

/* The monitor says nothing after the set-up; its end is ours. */
static void
on_control(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	stop(arg, 0);
}

static int
set_up(struct archiver *a, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_ARCHIVE_SETUP, .max_len = KIB(8) },
		{ 0 },
	};
	char image[sizeof(a->ref.dir) + LIMIT_REFERENCE];
	struct msg_reader r;
	automsg m;
	int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CRASH, "no set-up");
	r = msg_reader(&m);
	msg_get_str(&r, image, sizeof(image));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "set-up");
	rc = image_ref_parse(span_str(image), &a->ref, e);
	if (rc < 0)
		return rc;
	(void)(archived_open(ARCHIVE_FD_FILE, &a->ref, &a->image, &a->unusable) < 0);
	return 0;
}

static int
serve_with(struct archiver *a, struct err *e)
{
	int rc = set_up(a, e);

	if (rc == 0)
		rc = loop_watch(a->loop, ARCHIVE_FD_PULL, POLLIN, on_pull, a, e);
	if (rc == 0)
		rc = loop_watch(a->loop, FD_CONTROL, POLLIN, on_control, a, e);
	return rc < 0 ? rc : loop_run(a->loop, e);
}

static int
serve(struct err *e)
{
	struct archiver a = { .err = e };
	int rc = loop_new(&a.loop, e);

	if (rc == 0)
		rc = serve_with(&a, e);
	for (size_t i = 0; i < AT_ONCE; i++)
		exchange_free(a.exchanges[i]);
	archived_close(a.image);
	loop_free(a.loop);
	return rc < 0 ? rc : a.rc;
}

static int
prepare(struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	paths[0].fd = -1;
	return crypto_init(e);
}

const struct role_ops role_archive = {
	.name = "archive",
	.uid = UID_ARCHIVE,
	.words = WORD(STDIO) | WORD(FDPASS),
	.max_files = 32,
	.prepare = prepare,
	.serve = serve,
};
