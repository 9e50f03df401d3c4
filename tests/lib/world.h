/*
 * world.h: a kernel for the attesters, in memory: files, configfs-tsm with one entry at a time, devices. What is opened
 * is a memfd with the bytes it would give; what is written is applied when it is closed, which is seen at the next call.
 */
#ifndef TESTS_LIB_WORLD_H
#define TESTS_LIB_WORLD_H

#include "lib/base.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>

#include "evidence/evidence.h"
#include "evidence/tsm.h"
#include "lib/sys.h"
#include "tests/lib/tap.h"

struct world_file {
	const char	*path;
	const void	*bytes;
	size_t		 len;
};

struct world {
	/* configfs-tsm; provider NULL: there is none */
	const char	*provider;
	const char	*floor;		/* of privlevel; NULL: no such attribute */
	struct span	 aux;
	bool		 has_aux;
	/* What outblob gives for this inblob. */
	size_t		(*report)(struct world *, const uint8_t *in, uint8_t *out);
	/* faults */
	int		 outblob_errno;		/* of reading it */
	unsigned	 outblob_failures;	/* so often */
	int		 open_errno;		/* of outblob */
	bool		 ignores_inblob;
	unsigned	 extra_generation;
	/* devices: path and what answers its ioctls */
	const char	*device;
	int		 device_errno;		/* of opening it */
	int		(*answer)(struct world *, unsigned long request, void *argument);
	const struct world_file	*files;		/* ended by path NULL */
	int		(*vsock)(struct world *, uint32_t port);
	/* what happened */
	unsigned	 made, removed, pauses, generation, calls;
	uint8_t		 inblob[128];
	size_t		 inblob_len;
	char		 level[8];
	char		 written_to[128];	/* of a file: the last */
	uint8_t		 written[128];
	size_t		 written_len;
	ino_t		 device_inode;
	/* what is open for writing */
	int		 pending;
	char		 pending_name[128];
	int		 bad_fd;
};

static struct world *world_now;	/* for world_read */

static inline int
world_bytes(const void *bytes, size_t len)
{
	int fd = memfd_create("world", MFD_CLOEXEC);

	if (fd < 0 || (len > 0 && pwrite(fd, bytes, len, 0) != (ssize_t)len))
		abort();
	return fd;
}

static inline void
world_apply(struct world *w)
{
	uint8_t bytes[128];
	ssize_t n;

	if (w->pending < 0)
		return;
	n = pread(w->pending, bytes, sizeof(bytes), 0);
	close(w->pending);
	w->pending = -1;
	if (strcmp(w->pending_name, "inblob") == 0 && !w->ignores_inblob) {
		memcpy(w->inblob, bytes, (size_t)n);
		w->inblob_len = (size_t)n;
		w->generation += 1 + w->extra_generation;
	} else if (strcmp(w->pending_name, "privlevel") == 0) {
		memset(w->level, 0, sizeof(w->level));
		memcpy(w->level, bytes, MIN((size_t)n, sizeof(w->level) - 1));
		w->generation++;
	} else if (w->pending_name[0] == '/') {
		snprintf(w->written_to, sizeof(w->written_to), "%s", w->pending_name);
		memcpy(w->written, bytes, (size_t)n);
		w->written_len = (size_t)n;
	}
}

static inline int
world_writer(struct world *w, const char *name)
{
	int fd = world_bytes(NULL, 0);

	w->pending = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	snprintf(w->pending_name, sizeof(w->pending_name), "%s", name);
	return fd;
}

static inline int
world_error(int value)
{
	errno = value;
	return -1;
}

static inline int
world_outblob(struct world *w)
{
	static uint8_t out[1 << 16];

	if (w->open_errno != 0)
		return world_error(w->open_errno);
	if (w->inblob_len != EVIDENCE_DATA)
		return world_error(EINVAL);
	if (w->outblob_failures > 0) {
		w->outblob_failures--;
		return w->bad_fd = world_bytes("", 0);
	}
	return world_bytes(out, w->report(w, w->inblob, out));
}

static inline int
world_attribute(struct world *w, const char *name, int flags)
{
	char text[64];

	if ((flags & O_ACCMODE) == O_WRONLY)
		return strcmp(name, "inblob") == 0 || (w->floor != NULL && strcmp(name, "privlevel") == 0) ?
		    world_writer(w, name) : world_error(EACCES);
	if (strcmp(name, "provider") == 0)
		snprintf(text, sizeof(text), "%s\n", w->provider);
	else if (strcmp(name, "generation") == 0)
		snprintf(text, sizeof(text), "%u\n", w->generation);
	else if (strcmp(name, "privlevel_floor") == 0 && w->floor != NULL)
		snprintf(text, sizeof(text), "%s\n", w->floor);
	else if (strcmp(name, "auxblob") == 0 && w->has_aux)
		return world_bytes(w->aux.p, w->aux.len);
	else if (strcmp(name, "outblob") == 0)
		return world_outblob(w);
	else
		return world_error(ENOENT);
	return world_bytes(text, strlen(text));
}

static inline int
world_open(void *arg, const char *path, int flags)
{
	const char *name = strrchr(path, '/') + 1;
	struct world *w = arg;
	struct stat st;
	int fd;

	world_apply(w);
	if (strncmp(path, TSM_DIR "/", strlen(TSM_DIR "/")) == 0)
		return w->made > w->removed ? world_attribute(w, name, flags) : world_error(ENOENT);
	if (w->device != NULL && strcmp(path, w->device) == 0) {
		if (w->device_errno != 0)
			return world_error(w->device_errno);
		fd = world_bytes("", 0);
		if (fstat(fd, &st) < 0)
			abort();
		w->device_inode = st.st_ino;
		return fd;
	}
	for (const struct world_file *f = w->files; f != NULL && f->path != NULL; f++)
		if (strcmp(path, f->path) == 0)
			return (flags & O_ACCMODE) == O_WRONLY ? world_writer(w, path) : world_bytes(f->bytes, f->len);
	return world_error(ENOENT);
}

static inline int
world_ioctl(void *arg, int fd, unsigned long request, void *argument)
{
	struct world *w = arg;
	struct stat st;

	w->calls++;
	if (w->answer == NULL || fstat(fd, &st) < 0 || st.st_ino != w->device_inode)
		return world_error(ENOTTY);
	return w->answer(w, request, argument);
}

static inline int
world_make_dir(void *arg, maybe_unused const char *path)
{
	struct world *w = arg;

	if (w->provider == NULL)
		return world_error(ENOENT);
	w->made++;
	w->generation = 0;
	w->inblob_len = 0;
	return 0;
}

static inline int
world_remove_dir(void *arg, maybe_unused const char *path)
{
	struct world *w = arg;

	world_apply(w);
	w->removed++;
	return 0;
}

static inline int
world_remove_file(maybe_unused void *arg, maybe_unused const char *path)
{
	return world_error(ENOENT);
}

static inline int
world_vsock(void *arg, uint32_t port)
{
	struct world *w = arg;

	return w->vsock != NULL ? w->vsock(w, port) : world_error(ENODEV);
}

static inline void
world_pause(void *arg, maybe_unused unsigned ms)
{
	((struct world *)arg)->pauses++;
}

/* Reading the outblob that is to fail. */
static inline ssize_t
world_read(int fd, void *out, size_t size)
{
	if (world_now != NULL && fd == world_now->bad_fd && world_now->bad_fd >= 0) {
		world_now->bad_fd = -1;
		return world_error(world_now->outblob_errno);
	}
	return read(fd, out, size);
}

static inline struct evidence_env
world_env(struct world *w)
{
	static struct sys_ops ops;

	ops = sys_real;
	ops.read = world_read;
	sys = &ops;
	world_now = w;
	w->pending = w->bad_fd = -1;
	return (struct evidence_env){
		.open = world_open, .ioctl = world_ioctl, .make_dir = world_make_dir, .remove_dir = world_remove_dir,
		.remove_file = world_remove_file, .vsock = world_vsock, .pause = world_pause, .arg = w,
	};
}

#define VECTORS "tests/vectors/evidence/"

static inline struct span
vector(const char *name, struct buf *into)
{
	struct err e = { 0 };
	char path[256];
	autoclose int fd = -1;

	snprintf(path, sizeof(path), VECTORS "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	*into = (struct buf)BUF(MIB(4));
	for (;;) {
		uint8_t chunk[4096];
		ssize_t n = fd < 0 ? -1 : read(fd, chunk, sizeof(chunk));

		if (n < 0 || (n > 0 && buf_add(into, chunk, (size_t)n, &e) < 0))
			abort();
		if (n == 0)
			return buf_span(into);
	}
}

#endif
