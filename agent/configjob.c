/*
 * configjob.c: see configjob.h. Which file is the host's word is decided here, by where it lies; what a role says about that is
 * not believed.
 */
#include "lib/base.h"

#include "agent/configjob.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/fs.h"

#define CMDLINE	"/proc/cmdline"

struct file {
	const char		*path;
	enum config_what	 what;
	enum config_origin	 origin;
	unsigned		 flags;
	bool			 may_miss;
};

/* *fd stays -1 where there is none, and there may be none. Nothing that could keep us waiting. */
static int
open_file(const struct file *f, int *fd, struct err *e)
{
	autoclose int got = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (got < 0 && f->may_miss && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (got < 0 || fstat(got, &st) < 0)
		return err_sys_as(e, ERR_CONFIG, "%s", f->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFIG, "%s is not a regular file", f->path);
	*fd = fd_steal(&got);
	return 0;
}

static int
ask(int control, const struct file *f, int in, int out, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_CONFIG_READ, 0);
	rc = msg_put_u8(&m, (uint8_t)f->what, e);
	if (rc == 0)
		rc = msg_put_u8(&m, (uint8_t)f->origin, e);
	if (rc == 0)
		rc = msg_put_u8(&m, (uint8_t)f->flags, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, in);
	msg_put_fd(&m, out);
	return msg_send(control, &m, -1, e);
}

static int
await(struct monitor *m, int control, bool *image, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CONFIG_DONE, .max_len = KIB(1) }, { 0 },
	};
	struct msg_reader r;
	automsg answer;
	uint8_t has_image;
	int rc = monitor_answer(m, control, "config", rules, &answer, &r, e);

	if (rc < 0)
		return rc;
	has_image = msg_get_u8(&r);
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "answer that cannot be read");
	*image = has_image != 0;
	return 0;
}

/* Values of another origin than the file's are a role gone bad: its file would speak for another one. */
static int
take_settings(int fd, const struct file *f, struct config *out, struct err *e)
{
	autobuf bytes = BUF(CONFIG_FORMATTED);
	autoconfig c;
	int rc;

	config_init(&c);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "settings");
	rc = fs_read_fd(fd, "settings", &bytes, e);
	if (rc == 0)
		rc = config_parse(buf_span(&bytes), &c, e);
	for (int s = 0; s < SET_COUNT && rc == 0; s++)
		if (c.v[s].text != NULL && c.v[s].origin != f->origin)
			rc = err_set(e, ERR_PROTO, "settings of another file");
	return rc < 0 ? rc : config_merge(out, &c, e);
}

static int
convert(struct monitor *m, const struct file *f, int in, struct config *c, bool *image, struct err *e)
{
	autoclose int control = -1, out = memfd_create("settings", MFD_CLOEXEC);
	pid_t pid = 0;
	int rc;

	if (out < 0)
		return err_sys(e, "memory for settings");
	rc = monitor_start(m, ROLE_CONFIG, NULL, 0, &control, &pid, e);
	if (rc == 0)
		rc = ask(control, f, in, out, e);
	if (rc == 0)
		rc = await(m, control, image, e);
	monitor_end(m, &pid);
	return rc < 0 ? rc : take_settings(out, f, c, e);
}

static int
read_file(struct monitor *m, const struct file *f, struct config *c, bool *image, struct err *e)
{
	autoclose int fd = -1;
	int rc = open_file(f, &fd, e);

	if (rc < 0 || fd < 0)
		return rc;
	rc = convert(m, f, fd, c, image, e);
	return rc < 0 && e->code == ERR_CONFIG ? err_wrap(e, "%s", f->path) : rc;
}

/*
 * What is below /run was put there after the start, with what the host gave (initdata); the machine's image has no files there.
 * A path that leads nowhere is told of when it is opened.
 */
static enum config_origin
origin_of(const char *path)
{
	char real[PATH_MAX];

	if (realpath(path, real) == NULL)
		return ORIGIN_INITDATA;
	return strncmp(real, "/run/", 5) == 0 || strncmp(real, "/proc/", 6) == 0 ? ORIGIN_INITDATA : ORIGIN_PEER;
}

static int
read_peer(struct monitor *m, const char *path, enum config_what what, struct config *c, bool *image, struct err *e)
{
	const struct file f = { .path = path, .what = what, .origin = path != NULL ? origin_of(path) : ORIGIN_DEFAULT };

	return path != NULL ? read_file(m, &f, c, image, e) : 0;
}

static int
read_cmdline(struct monitor *m, const char *path, bool images, struct config *c, struct err *e)
{
	struct file f = {
		.path = path != NULL ? path : CMDLINE,
		.what = CONFIG_CMDLINE,
		.origin = ORIGIN_CMDLINE,
		.flags = (images ? CONFIG_IMAGES : 0) | (config_true(c, SET_CMDLINE_MEASURED) ? CONFIG_TRUSTED : 0),
		.may_miss = path == NULL,
	};
	bool ignored;
	int rc = read_file(m, &f, c, &ignored, e);

	if (rc < 0 || config_get(c, SET_KATA_CONFIG)[0] == '\0')
		return rc;
	f = (struct file){ .path = config_get(c, SET_KATA_CONFIG), .what = CONFIG_KATA, .origin = ORIGIN_CMDLINE };
	return read_file(m, &f, c, &ignored, e);
}

int
configjob_read(struct monitor *m, const struct config_source *from, struct config *out, struct err *e)
{
	const struct file own = {
		.path = from->own != NULL ? from->own : CONFIG_FILE,
		.what = CONFIG_OWN,
		.origin = ORIGIN_FILE,
		.may_miss = from->own == NULL,
	};
	bool image = false, ignored;
	autoconfig c;
	int rc;

	config_init(&c);
	rc = read_file(m, &own, &c, &ignored, e);
	if (rc == 0)
		rc = read_peer(m, from->agent, CONFIG_AGENT, &c, &ignored, e);
	if (rc == 0)
		rc = read_peer(m, from->hub, CONFIG_HUB, &c, &image, e);
	if (rc == 0)
		rc = read_cmdline(m, from->cmdline, !image, &c, e);
	if (rc == 0)
		config_move(out, &c);
	return rc;
}
