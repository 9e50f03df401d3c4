/* test_store.c: a layer has its name when it is whole, one maker at a time, and nothing is left of the others. */
#include "lib/base.h"

#include "agent/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/fs.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

#define A	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
/* Shares its place in the lock file with A. */
#define A2	"aaaaaaaaaaaaaaacaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct err e;
static char top[] = "/tmp/cacao-store.XXXXXX";
static char place[64];

static bool
there(const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", place, name);
	return lstat(path, &st) == 0;
}

static void
open_store(struct store *s)
{
	if (store_open(place, s, &e) < 0) {
		printf("# %s\n", e.msg);
		abort();
	}
}

static void
test_life(void)
{
	struct store_entry entry = { 0 }, other = { 0 };
	struct store s;

	open_store(&s);
	is_int(store_find(&s, A), -1, "an empty store has nothing");
	is_int(store_begin(&s, A, &entry, &e), 1, "begin");
	close(openat(entry.staging.rootfs, "file", O_WRONLY | O_CREAT, 0600));
	is_int(store_find(&s, A), -1, "not there while it is made");
	is_int(store_begin(&s, A, &other, &e), 0, "nobody else makes it");
	is_int(store_begin(&s, A2, &other, &e), 0, "nor what shares its lock");
	is_int(store_begin(&s, B, &other, &e), 1, "but another layer");
	works(store_finish(&entry, STORE_ROOT, &e), "finish");
	store_end(&entry);
	is_int(store_find(&s, A), STORE_ROOT, "now it is there, with its flags");
	ok(there("layers/" A "-2/file"), "with what is in it");
	is_int(store_begin(&s, A, &entry, &e), 0, "it is not made again");
	store_end(&other);
	ok(!there("layers/" B "-0") && !there(".cacao-staging"), "nothing is left of the one that was given up");
	is_int(store_begin(&s, B, &other, &e), 1, "which can be begun again");
	works(store_finish(&other, STORE_BASE | STORE_ROOT, &e), "finish");
	store_end(&other);
	store_end(&other);
	is_int(store_find(&s, B), STORE_BASE | STORE_ROOT, "all flags");
	store_close(&s);
}

/* Whoever is killed holds no lock and leaves nothing for long. */
static void
test_killed(void)
{
	struct store_entry entry = { 0 };
	struct store s;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		open_store(&s);
		if (store_begin(&s, A, &entry, &e) == 1)
			raise(SIGKILL);
		_exit(1);
	}
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "a maker is killed");
	open_store(&s);
	is_int(store_begin(&s, A, &entry, &e), 1, "the next one begins at once");
	works(store_finish(&entry, 0, &e), "and finishes");
	store_end(&entry);
	ok(!there(".cacao-staging"), "what the other left is gone");
	store_close(&s);
}

static void
test_closed_to_others(void)
{
	struct store s;

	ok(mkdir(place, 0750) == 0, "make a folder");
	fails(store_open(place, &s, &e), ERR_STORAGE, "a store that the group may enter");
	ok(chmod(place, 0700) == 0, "close it");
	if (geteuid() != 0) {
		skip("only root can", "give a folder away");
		return;
	}
	ok(chown(place, 1, 1) == 0, "give it away");
	fails(store_open(place, &s, &e), ERR_STORAGE, "a store of somebody else");
	ok(chown(place, 0, 0) == 0, "take it back");
}

static void
test_links(void)
{
	struct store s;
	char target[256];

	open_store(&s);
	snprintf(target, sizeof(target), "%s/layers/" A "-0", place);
	ok(symlink("/", target) == 0, "a link under a layer's name");
	is_int(store_find(&s, A), -1, "is no layer");
	store_close(&s);
}

static int
make_one(void *arg, struct err *why)
{
	struct store_entry entry = { 0 };
	struct store s;
	int rc = store_open(place, &s, why);

	(void)arg;
	if (rc < 0)
		return rc;
	rc = store_begin(&s, A, &entry, why);
	if (rc == 1)
		rc = store_finish(&entry, 0, why);
	store_end(&entry);
	store_close(&s);
	return rc;
}

static void
say_boot(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ok(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "a boot");
}

static void
make_layer(const char *name)
{
	struct store_entry entry = { 0 };
	struct store s;

	open_store(&s);
	is_int(store_begin(&s, name, &entry, &e), 1, "a layer");
	works(store_finish(&entry, 0, &e), "is made");
	store_end(&entry);
	store_close(&s);
}

static void
test_boots(void)
{
	char boot[96];

	snprintf(boot, sizeof(boot), "%s/boot_id", top);
	say_boot(boot, "one\n");
	works(store_of_this_boot(place, boot, &e), "the first boot");
	make_layer(B);
	works(store_of_this_boot(place, boot, &e), "the same boot");
	ok(there("layers/" B "-0"), "leaves what is there");
	say_boot(boot, "two\n");
	works(store_of_this_boot(place, boot, &e), "another boot");
	ok(!there("layers/" B "-0"), "finds it empty");
	make_layer(B);
	ok(there("layers/" B "-0"), "and fills it again");
	(void)unlink(boot);
	say_boot(boot, "");
	fails(store_of_this_boot(place, boot, &e), ERR_STORAGE, "a boot that says nothing");
	ok(there("layers/" B "-0"), "touches nothing");
	(void)unlink(boot);
}

static void
test_faults(void)
{
	struct store s;
	int n = fault_each(FAULT_IO, EIO, true, make_one, NULL);

	ok(n > 5, "%d failing calls", n);
	ok(!there(".cacao-staging"), "and nothing is left");
	open_store(&s);
	is_int(store_find(&s, A), 0, "but the layer of the run without fault");
	store_close(&s);
}

static void
run(void (*test)(void))
{
	int dir;

	snprintf(place, sizeof(place), "%s/store", top);
	test();
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs_remove_tree(dir, "store", &e) < 0)
		printf("# %s\n", e.msg);
	close(dir);
}

int
main(void)
{
	if (mkdtemp(top) == NULL)
		abort();
	run(test_life);
	run(test_killed);
	run(test_closed_to_others);
	run(test_links);
	run(test_boots);
	run(test_faults);
	rmdir(top);
	return tap_done();
}
