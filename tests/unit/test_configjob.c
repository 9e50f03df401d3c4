/*
 * test_configjob.c: the monitor's side: which files are opened, whose word they are, and that a role cannot speak for another
 * file. The rest takes processes: tests/e2e/config.sh.
 */
#include "lib/base.h"

#include "agent/configjob.c"
#include "tests/lib/settings.h"
#include "tests/lib/tap.h"

static struct err e;
static char dir[] = "/tmp/cacao-test.XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int
open_as(const char *path, bool may_miss)
{
	const struct file f = { .path = path, .may_miss = may_miss };
	autoclose int fd = -1;
	int rc = open_file(&f, &fd, &e);

	return rc < 0 ? rc : fd >= 0;
}

static void
opening(void)
{
	autoclose int file = open(in_dir("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ok(file >= 0 && mkfifo(in_dir("fifo"), 0600) == 0 && symlink("nowhere", in_dir("link")) == 0, "a place");
	is_int(open_as(in_dir("file"), false), 1, "a file");
	is_int(open_as(in_dir("none"), true), 0, "none, where there may be none");
	is_int(open_as(in_dir("link"), true), 0, "a link to none");
	is_int(open_as(in_dir("file/x"), true), 0, "none below a file");
	fails(open_as(in_dir("none"), false), ERR_CONFIG, "none, where it was named");
	fails(open_as(in_dir("fifo"), true), ERR_CONFIG, "what could keep us waiting");
	fails(open_as(dir, false), ERR_CONFIG, "a directory");
	fails(open_as("/dev/null", false), ERR_CONFIG, "a device");
}

static void
origins(void)
{
	is_int(origin_of("/etc/passwd"), ORIGIN_PEER, "a file of the image");
	is_int(origin_of(in_dir("none")), ORIGIN_INITDATA, "none");
	is_int(origin_of("/proc/self/status"), ORIGIN_INITDATA, "no file of an image");
	is_int(origin_of("/run"), ORIGIN_PEER, "the directory itself holds no file");
	unlink(in_dir("link"));
	ok(symlink("/proc/cmdline", in_dir("link")) == 0, "a link");
	is_int(origin_of(in_dir("link")), ORIGIN_INITDATA, "where it leads to counts");
	is_int(origin_of("/etc/../proc/cmdline"), ORIGIN_INITDATA, "and no way there");
}

/* What a role has written is taken as the settings of a file with this origin. */
static int
take_as(enum config_origin said, enum config_origin file, enum setting s, const char *value, struct config *out)
{
	const struct file f = { .path = "x", .origin = file };
	autoclose int fd = memfd_create("settings", MFD_CLOEXEC);
	autobuf bytes = BUF(CONFIG_FORMATTED);
	autoconfig c;

	config_init(&c);
	if (config_set(&c, s, span_str(value), ORIGIN_FILE, 0, &e) < 0)
		abort();
	c.v[s].origin = said;
	if (config_format(&c, &bytes, &e) < 0 || write(fd, bytes.data, bytes.len) != (ssize_t)bytes.len)
		abort();
	return take_settings(fd, &f, out, &e);
}

static void
taking(void)
{
	autoconfig c;

	config_init(&c);
	works(take_as(ORIGIN_PEER, ORIGIN_PEER, SET_IMAGE_POLICY, "/p", &c), "settings of this file");
	is_str(config_get(&c, SET_IMAGE_POLICY), "/p", "are taken over");
	fails(take_as(ORIGIN_FILE, ORIGIN_INITDATA, SET_IMAGE_MIXED, "true", &c), ERR_PROTO, "initdata's role speaks as our file");
	fails(take_as(ORIGIN_PEER, ORIGIN_CMDLINE, SET_IMAGE_MIXED, "true", &c), ERR_PROTO, "the command line's as a file");
	works(take_as(ORIGIN_INITDATA, ORIGIN_INITDATA, SET_IMAGE_MIXED, "true", &c), "it speaks as itself, of what it may not");
	works(take_as(ORIGIN_CMDLINE, ORIGIN_CMDLINE, SET_IMAGE_MIXED, "true", &c), "so does the command line");
	ok(!config_true(&c, SET_IMAGE_MIXED) && host_sets_no_trust(&c) && lines_of(&c.warnings) == 2, "which does not count");
	works(take_as(ORIGIN_FILE, ORIGIN_FILE, SET_CMDLINE_MEASURED, "true", &c), "our file says that this is measured");
	works(take_as(ORIGIN_CMDLINE, ORIGIN_CMDLINE, SET_IMAGE_MIXED, "true", &c), "the command line again");
	ok(config_true(&c, SET_IMAGE_MIXED), "counts");
}

static void
taking_rubbish(void)
{
	static const struct file f = { .path = "x", .origin = ORIGIN_PEER };
	autoclose int empty = memfd_create("settings", MFD_CLOEXEC), large = memfd_create("settings", MFD_CLOEXEC), pipes = -1;
	int ends[2];
	autoconfig c;

	config_init(&c);
	if (ftruncate(large, (off_t)CONFIG_FORMATTED + 1) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		abort();
	close(ends[1]);
	pipes = ends[0];
	fails(take_settings(empty, &f, &c, &e), ERR_PROTO, "nothing was written");
	fails(take_settings(large, &f, &c, &e), ERR_LIMIT, "too much was written");
	fails(take_settings(pipes, &f, &c, &e), ERR_SYS, "what cannot be read again");
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		abort();
	opening();
	origins();
	taking();
	taking_rubbish();
	unlink(in_dir("file"));
	unlink(in_dir("fifo"));
	unlink(in_dir("link"));
	rmdir(dir);
	return tap_done();
}
