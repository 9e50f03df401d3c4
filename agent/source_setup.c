/* source_setup.c: a registry, a directory or a file. */
#include "lib/base.h"

#include "agent/source_setup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "image/layout.h"
#include "lib/fs.h"
#include "lib/sys.h"

#ifndef RESOLVE_NO_SYMLINKS
#define RESOLVE_NO_SYMLINKS	0x04	/* of <linux/openat2.h> */
#endif

static int
make_absolute(struct image_ref *r, struct err *e)
{
	char *absolute = realpath(r->dir, NULL);
	int rc = 0;

	if (absolute == NULL)
		return err_sys_as(e, ERR_IMAGE_NOTFOUND, "%s", r->dir);
	if (strchr(absolute, ':') != NULL)
		rc = err_set(e, ERR_USAGE, "%s: a colon in the path begins the image's name", absolute);
	else if (strlen(absolute) >= sizeof(r->dir))
		rc = err_set(e, ERR_LIMIT, "%s: too long", absolute);
	else
		snprintf(r->dir, sizeof(r->dir), "%s", absolute);
	free(absolute);
	return rc;
}

static int
open_path(struct source_setup *s, struct err *e)
{
	bool layout = s->ref.transport == TRANSPORT_OCI;
	/* Not to wait for whoever writes to a FIFO. */
	int flags = O_RDONLY | O_CLOEXEC | (layout ? O_DIRECTORY : O_NONBLOCK);
	struct stat st;

	s->fd = sys_openat2(AT_FDCWD, s->ref.dir, flags, 0, RESOLVE_NO_SYMLINKS);
	if (s->fd < 0)
		return err_sys_as(e, ERR_IMAGE_NOTFOUND, "%s", s->ref.dir);
	if (layout || (fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode)))
		return 0;
	base_close(&s->fd);
	return err_set(e, ERR_IMAGE, "%s: not a regular file", s->ref.dir);
}

int
source_open(const char *image, struct source_setup *out, struct err *e)
{
	struct source_setup s = { .fd = -1, .ours = -1, .theirs = -1 };
	int rc = image_ref_parse(span_str(image), &s.ref, e);

	if (rc == 0 && s.ref.transport != TRANSPORT_DOCKER)
		rc = make_absolute(&s.ref, e);
	if (rc < 0)
		return rc;
	image_ref_format(&s.ref, s.name, sizeof(s.name));
	if (s.ref.transport == TRANSPORT_DOCKER) {
		snprintf(s.name, sizeof(s.name), "%s", image);
	} else {
		rc = open_path(&s, e);
		if (rc < 0)
			return rc;
	}
	*out = s;
	return 0;
}

void
source_close(struct source_setup *s)
{
	base_close(&s->fd);
	base_close(&s->ours);
	base_close(&s->theirs);
}

/*
 * Files of a layout.
 */

/* By nothing but a digest: no path comes from pull, and no link leads out. */
static int
open_file(const struct source_setup *s, const char *digest, int *fd, struct err *e)
{
	char path[160] = "index.json";
	struct digest d;
	struct stat st;
	int rc = 0;

	if (digest[0] != '\0')
		rc = digest_parse(span_str(digest), &d, e);
	if (rc < 0)
		return rc;
	if (digest[0] != '\0')
		layout_blob_path(&d, path, sizeof(path));
	*fd = fs_open_beneath(s->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (*fd < 0 && errno == ENOENT)
		return err_set(e, ERR_IMAGE_NOTFOUND, "%s: the layout has no such file", path);
	if (*fd < 0)
		return err_sys_as(e, ERR_IMAGE, "%s", path);
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	base_close(fd);
	return err_set(e, ERR_IMAGE, "%s: not a regular file", path);
}

static int
serve_open(const struct source_setup *s, const struct msg *ask, struct err *e)
{
	struct msg_reader r = msg_reader(ask);
	autoclose int fd = -1;
	char digest[160];
	struct err failed = { 0 };
	automsg answer;

	msg_get_str(&r, digest, sizeof(digest));
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "pull asked for something odd");
	if (open_file(s, digest, &fd, &failed) < 0)
		return role_answer(s->ours, M_OPEN_FAILED, ask->id, &failed, e);
	msg_init(&answer, M_OPENED, ask->id);
	msg_put_fd(&answer, fd);
	return msg_send(s->ours, &answer, -1, e);
}

/* Whatever goes wrong here closes the socket, and pull will say so. */
static void
on_open(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_OPEN, .max_len = KIB(1) },
		{ 0 },
	};
	struct source_setup *s = arg;
	struct err ignored;
	automsg m;
	int rc = msg_recv(s->ours, rules, 0, &m, &ignored);

	if (rc > 0)
		rc = serve_open(s, &m, &ignored) < 0 ? 0 : 1;
	if (rc > 0 || rc == -ERR_TIMEOUT)
		return;
	loop_unwatch(s->loop, s->ours);
	base_close(&s->ours);
	base_close(&s->theirs);
}

static int
offer_files(struct source_setup *s, struct monitor *m, struct err *e)
{
	int pair[2], rc = msg_pair(pair, e);

	if (rc < 0)
		return rc;
	s->ours = pair[0];
	s->theirs = pair[1];
	s->loop = m->loop;
	return loop_watch(m->loop, s->ours, POLLIN, on_open, s, e);
}

static int
set_up_archive(const struct source_setup *s, int control, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_ARCHIVE_SETUP, 0);
	rc = msg_put_str(&m, s->name, e);
	return rc < 0 ? rc : msg_send(control, &m, -1, e);
}

/* Of a layout nobody asks it anything, but its options are checked. */
bool
source_has_net(const struct source_setup *s)
{
	return s->ref.transport == TRANSPORT_DOCKER || s->ref.transport == TRANSPORT_OCI;
}

int
source_start(struct source_setup *s, struct monitor *m, int pull, int *control, struct err *e)
{
	int rc = 0;

	if (s->ref.transport == TRANSPORT_OCI)
		rc = offer_files(s, m, e);
	if (rc < 0)
		return rc;
	if (source_has_net(s))
		return monitor_start(m, ROLE_NET, &pull, 1, control, NULL, e);
	rc = monitor_start(m, ROLE_ARCHIVE, (int[]){ pull, s->fd }, 2, control, NULL, e);
	return rc < 0 ? rc : set_up_archive(s, *control, e);
}
