/*
 * fuzz_tarball.c: the list of an archive's members: names are plain, what is found can be read and has the length that
 * was listed, or the archive is refused.
 */
#include "lib/base.h"

#include <sys/mman.h>

#include "image/tarball.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A name is found under itself, or is a link that leads nowhere. */
static void
check(const struct tarball *t, const struct member *m)
{
	autobuf content = BUF(1 << 20);
	struct err e;
	int rc;

	if (m->name[0] == '\0' || m->name[0] == '/' || memchr(m->name, '\0', sizeof(m->name)) == NULL ||
	    strstr(m->name, "//") != NULL || strncmp(m->name, "../", 3) == 0 || strstr(m->name, "/../") != NULL)
		abort();
	if (m->kind == MEMBER_FILE && tarball_find(t, m->name) != m)
		abort();
	rc = tarball_load(t, m->name, &content, &e);
	if (rc == 0 && m->kind == MEMBER_FILE && content.len != m->size)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct tarball *t;
	struct err e;

	if (fd < 0)
		fd = memfd_create("archive", MFD_CLOEXEC);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (tarball_open(fd, &t, &e) < 0)
		return 0;
	for (size_t i = 0; i < MIN(tarball_members(t)->n, (size_t)20); i++)
		check(t, &tarball_members(t)->list[i]);
	tarball_close(t);
	return 0;
}
