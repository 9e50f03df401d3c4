/* source_setup.c: a registry, a directory or a file. */
#include "lib/base.h"

#include "agent/source_setup.h"

#include <fcntl.h>
#include <sys/stat.h>

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
	struct source_setup s = { .fd = -1 };
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

int
source_layout(const struct source_setup *s)
{
	return s->ref.transport == TRANSPORT_OCI ? s->fd : -1;
}

int
source_start(struct source_setup *s, struct monitor *m, int pull, int *control, struct err *e)
{
	int rc;

	if (s->ref.transport == TRANSPORT_DOCKER || s->ref.transport == TRANSPORT_OCI)
		return monitor_start(m, ROLE_NET, &pull, 1, control, NULL, e);
	rc = monitor_start(m, ROLE_ARCHIVE, (int[]){ pull, s->fd }, 2, control, NULL, e);
	return rc < 0 ? rc : set_up_archive(s, *control, e);
}
