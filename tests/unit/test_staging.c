/* test_staging.c: nothing under a final name before its time, nothing left behind, neighbours left alone. */
#include "lib/base.h"

#include "agent/staging.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/fs.h"
#include "tests/lib/tap.h"

static struct err e;
static char top[] = "/tmp/cacao-staging.XXXXXX";

static const char *
path(const char *name)
{
	static char turn[4][300];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(turn[at], sizeof(turn[at]), "%s/%s", top, name);
	return turn[at];
}

static bool
there(const char *name)
{
	struct stat st;

	return lstat(path(name), &st) == 0;
}

static void
touch(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT, 0644);

	ok(fd >= 0, "make %s", name);
	close(fd);
}

static void
test_commit(void)
{
	struct staging s;

	works(staging_open(path("a"), NULL, STAGING_ROOTFS, &s, &e), "open");
	touch(s.rootfs, "file");
	ok(!there("a") && there(".cacao-staging"), "it has no name yet");
	works(staging_commit(&s, NULL, &e), "commit");
	staging_close(&s);
	ok(there("a/rootfs/file") && !there(".cacao-staging"), "now it has, and nothing else is there");
	works(staging_open(path("b"), NULL, STAGING_ROOTFS, &s, &e), "open another");
	touch(s.rootfs, "file");
	works(staging_commit(&s, "rootfs", &e), "commit a part");
	staging_close(&s);
	ok(there("b/file") && !there(".cacao-staging"), "only that part");
	works(staging_open(path("c"), NULL, STAGING_ROOTFS, &s, &e), "open a third");
	touch(s.rootfs, "file");
	staging_close(&s);
	ok(!there("c") && !there(".cacao-staging"), "without commit nothing stays");
}

static void
test_targets(void)
{
	struct staging s;

	ok(mkdir(path("empty"), 0755) == 0 && mkdir(path("full"), 0755) == 0 &&
	    mkdir(path("full/x"), 0755) == 0 && symlink("empty", path("link")) == 0, "targets");
	works(staging_open(path("empty"), NULL, STAGING_ROOTFS, &s, &e), "an empty directory");
	ok(!staging_target_exists(&s), "is as good as none");
	works(staging_commit(&s, NULL, &e), "and is replaced");
	staging_close(&s);
	ok(there("empty/rootfs"), "by ours");
	fails(staging_open(path("full"), NULL, 0, &s, &e), ERR_STORAGE, "a full one");
	fails(staging_open(path("link"), NULL, 0, &s, &e), ERR_STORAGE, "a symbolic link");
	fails(staging_open(path("nowhere/x"), NULL, 0, &s, &e), ERR_STORAGE, "no such parent");
	ok(!there(".cacao-staging"), "and nothing is left");
	works(staging_open(path("full"), NULL, STAGING_MERGE, &s, &e), "a full one, to merge into");
	ok(staging_target_exists(&s), "which is told");
	fails(staging_commit(&s, NULL, &e), ERR_STORAGE, "but never replaced");
	staging_close(&s);
	ok(there("full/x"), "what it had is there");
	works(staging_open(path("late"), NULL, 0, &s, &e), "a target that is made meanwhile");
	ok(mkdir(path("late"), 0755) == 0 && mkdir(path("late/x"), 0755) == 0, "by somebody else");
	fails(staging_commit(&s, NULL, &e), ERR_STORAGE, "is not replaced");
	staging_close(&s);
	ok(there("late/x") && !there(".cacao-staging"), "either");
}

static void
test_sweep(void)
{
	struct staging mine, s;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (staging_open(path("killed"), NULL, STAGING_ROOTFS, &s, &e) == 0)
			raise(SIGKILL);
		_exit(1);
	}
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "a maker is killed");
	ok(there(".cacao-staging"), "and leaves its work");
	works(staging_open(path("mine"), NULL, STAGING_ROOTFS, &mine, &e), "the next one");
	works(staging_open(path("other"), NULL, STAGING_ROOTFS, &s, &e), "and one beside it");
	touch(mine.rootfs, "file");
	staging_close(&s);
	works(staging_commit(&mine, NULL, &e), "does not lose what is in use");
	staging_close(&mine);
	ok(there("mine/rootfs/file") && !there(".cacao-staging"), "and the remains are gone");
}

static void
test_places(void)
{
	struct staging s;

	works(staging_open(path("d"), path("work/deep"), 0, &s, &e), "a work directory, made if need be");
	ok(there("work/deep/.cacao-staging"), "is used");
	works(staging_commit(&s, NULL, &e), "and left");
	staging_close(&s);
	ok(there("d") && !there("work/deep/.cacao-staging"), "empty");
	ok(mkdir(path(".cacao-staging"), 0700) == 0 && chmod(path(".cacao-staging"), 0755) == 0, "an area open to all");
	fails(staging_open(path("e"), NULL, 0, &s, &e), ERR_STORAGE, "is not ours");
	ok(rmdir(path(".cacao-staging")) == 0, "away with it");
	fails(staging_open(path("e"), "/proc", 0, &s, &e), ERR_STORAGE, "a place where nothing can be made");
}

/* A target that a caller names: nobody may lead it elsewhere. */
static void
test_links(void)
{
	struct staging s;

	ok(mkdir(path("real"), 0755) == 0 && symlink("real", path("alias")) == 0, "a link");
	fails(staging_open(path("alias/x"), NULL, STAGING_NO_LINKS, &s, &e), ERR_STORAGE, "on the way");
	ok(strstr(e.msg, "link") != NULL, "%s", e.msg);
	fails(staging_open(path("alias"), NULL, STAGING_NO_LINKS, &s, &e), ERR_STORAGE, "at its end");
	fails(staging_open("x", NULL, STAGING_NO_LINKS, &s, &e), ERR_STORAGE, "a path that is not absolute");
	fails(staging_open(path("real/x/"), NULL, STAGING_NO_LINKS, &s, &e), ERR_STORAGE, "a path written in another way");
	works(staging_open(path("alias/x"), NULL, 0, &s, &e), "whoever runs the program may have links");
	staging_close(&s);
	works(staging_open(path("real/x"), NULL, STAGING_NO_LINKS, &s, &e), "no link");
	works(staging_commit(&s, NULL, &e), "commit");
	staging_close(&s);
	ok(there("real/x") && !there("real/.cacao-staging"), "it is there");
	ok(rmdir(path("real/x")) == 0 && unlink(path("alias")) == 0 && rmdir(path("real")) == 0, "away with it");
}

/* What a killed maker left goes without a new one, that of a living one stays. */
static void
test_sweep_alone(void)
{
	struct staging s;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (staging_open(path("killed"), NULL, STAGING_ROOTFS, &s, &e) == 0)
			raise(SIGKILL);
		_exit(1);
	}
	ok(waitpid(pid, &status, 0) == pid && there(".cacao-staging"), "a killed maker's work");
	ok(staging_sweep(path("killed"), NULL) && !there(".cacao-staging"), "is removed");
	works(staging_open(path("alive"), NULL, STAGING_ROOTFS, &s, &e), "a living one's");
	ok(!staging_sweep(path("killed"), NULL), "is held by somebody");
	staging_sweep("elsewhere", top);
	ok(faccessat(s.area, s.name, F_OK, 0) == 0, "is not");
	staging_close(&s);
	ok(staging_sweep(path("none/killed"), NULL), "nothing is held where nothing is");
	staging_sweep(path("killed"), path("none"));
	ok(!there("none"), "where nothing is, nothing is made");
}

int
main(void)
{
	autoclose int parent = -1;
	char base[256];

	umask(022);
	if (mkdtemp(top) == NULL)
		return 1;
	test_commit();
	test_targets();
	test_sweep();
	test_places();
	test_links();
	test_sweep_alone();
	parent = fs_open_parent(top, base, &e);
	ok(parent >= 0 && fs_remove_tree(parent, base, &e) == 0, "clean up");
	return tap_done();
}
