/*
 * test_policy_setup.c: what the monitor opens for the pull role, and what it does not: paths, kinds of files, modes, and kinds of
 * resources. Includes the source, to reach its rules without a pull around them.
 */
#include "lib/base.h"

#include "agent/policy_setup.c"

#include "tests/lib/tap.h"

static struct err e;
static struct monitor monitor;
static struct policy_setup setup = { .m = &monitor, .key = -1, .tmp = -1 };
static char dir[] = "/tmp/cacao-policy-XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
make(const char *name, size_t size, mode_t mode)
{
	autoclose int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || fchmod(fd, mode) < 0)
		abort();
}

static int
try_path(const char *path)
{
	autoclose int fd = open_name(&setup, path, &e);

	return fd < 0 ? fd : 0;
}

static void
test_paths(void)
{
	static const char *const bad[] = {
		"", "key", "./key", "../key", "/proc/self/environ", "/proc", "/sys/kernel/notes", "/dev/null", "/dev", "/tmp/../etc/passwd",
		"/etc", "file:///etc/passwd", "kbs://host/a/b/c",
	};
	const char *const names[] = { "open", "closed", "large", "link", "fifo", "folder" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(try_path(bad[i]), ERR_CONFIG, "\"%s\"", bad[i]);
	fails(try_path("/nowhere/at/all"), ERR_NOTFOUND, "a file that is not there");
	make("open", 10, 0644);
	make("closed", 10, 0640);
	make("full", LIMIT_POLICY_KEY, 0644);
	make("large", LIMIT_POLICY_KEY + 1, 0644);
	if (symlink("open", in_dir("link")) < 0 || mkfifo(in_dir("fifo"), 0644) < 0 || mkdir(in_dir("folder"), 0755) < 0 ||
	    symlink("/proc/self", in_dir("self")) < 0 || symlink(".", in_dir("here")) < 0)
		abort();
	for (int root = 0; root < 2; root++) {
		monitor.root_mode = root == 1;
		works(try_path(in_dir("open")), "a file that everybody may read");
		works(try_path(in_dir("here/open")), "by a link that is not the last part");
		works(try_path(in_dir("full")), "as large as may be");
		for (size_t i = 2; i < ARRAY_LEN(names); i++)
			fails(try_path(in_dir(names[i])), ERR_CONFIG, "%s", names[i]);
		fails(try_path(in_dir("self/environ")), ERR_CONFIG, "by a link into /proc");
	}
	fails(try_path(in_dir("closed")), ERR_CONFIG, "as root: a file that not everybody may read");
	ok(strstr(e.msg, "chmod o+r") != NULL, "%s", e.msg);
	monitor.root_mode = false;
	works(try_path(in_dir("closed")), "as a user: it is the caller's own");
}

static void
test_resources(void)
{
	static const char *const good[] = {
		"kbs:///default/security-policy/test", "kbs:///default/sigstore-config/test", "kbs:///x/gpg-public-config/y",
		"kbs:///default/gpg-public-key/test", "kbs:///default/cosign-public-key/test",
	};
	static const char *const bad[] = {
		"kbs:///default/key/one", "kbs:///default/credential/test", "kbs:///cosign-public-key/default/test",
		"kbs:///default/cosign-public-key", "kbs:///default/cosign-public-key2/test", "kbs:///",
		"kbs+other:///default/cosign-public-key/test", "kbs:///default/cosign-public-key/../key",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		works(keyjob_check_type(good[i], public_types, &e), "%s", good[i]);
		fails(try_path(good[i]), ERR_CONFIG, "%s without a broker", good[i]);
		ok(strstr(e.msg, "no key broker") != NULL, "%s", e.msg);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(keyjob_check_type(bad[i], public_types, &e) < 0, "%s: %s", bad[i], e.msg);
}

static void
test_home(void)
{
	char path[PATH_MAX];
	struct stat st;

	works(make_home(&setup, path, &e), "a home for gpg");
	ok(stat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0700, "%s is its own", path);
	remove_home(&setup);
	ok(stat(path, &st) < 0 && setup.home[0] == '\0', "and is removed");
	setup.opt.gpg = "gpg";
	fails(start_gpg(&setup, &(int){ 0 }, &e), ERR_CONFIG, "a program without a path");
	setup.opt.gpg = "/nowhere/gpg";
	fails(start_gpg(&setup, &(int){ 0 }, &e), ERR_CONFIG, "a program that is not there");
	ok(strstr(e.msg, "--gpg FILE") != NULL, "%s", e.msg);
	policy_setup_close(&setup);
}

int
main(void)
{
	autoclose int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (mkdtemp(dir) == NULL)
		abort();
	test_paths();
	test_resources();
	test_home();
	ok(fs_remove_tree(tmp, dir + strlen("/tmp/"), &e) == 0, "nothing is left");
	return tap_done();
}
