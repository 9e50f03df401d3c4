/*
 * root.h: archives from memory onto a root in a folder of the test's own, and looks at what is there then.
 */
#ifndef TESTS_LIB_ROOT_H
#define TESTS_LIB_ROOT_H

#include "lib/base.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>

#include "image/tree.h"
#include "lib/fs.h"
#include "tests/lib/archive.h"
#include "tests/lib/tap.h"

static struct err e;
static int work = -1;		/* a directory of our own; the root is "root" in it */
static char work_path[64];

static inline struct tree_options
options(bool first)
{
	return (struct tree_options){
		.first_layer = first, .owners = geteuid() == 0, .devices = DEVICES_CREATE,
		.max_bytes = 1 << 20, .max_entries = 1000,
	};
}

/* An empty root and an empty folder "outside" beside it. */
static inline void
fresh(void)
{
	if (fs_remove_tree(work, "root", &e) < 0 || fs_remove_tree(work, "outside", &e) < 0 ||
	    mkdirat(work, "root", 0755) == -1 || mkdirat(work, "outside", 0755) == -1)
		abort();
}

static inline int
unpack_into(int root, struct span archive, struct tree_options o, struct tree_stats *stats, struct err *err)
{
	struct tar_reader *r = NULL;
	struct tree *t = NULL;
	const struct tar_entry *entry;
	struct stream s;
	int rc;

	o.root = root;
	if ((rc = stream_span(&s, archive, err)) < 0)
		return rc;
	if ((rc = tar_open(&s, &r, err)) == 0 && (rc = tree_open(&o, &t, err)) == 0) {
		while ((rc = tar_next(r, &entry, err)) == 1)
			if ((rc = tree_apply(t, r, entry, err)) < 0)
				break;
		if (rc == 0)
			rc = tree_finish(t, err);
		if (stats != NULL)
			*stats = *tree_stats(t);
	}
	tree_close(t);
	tar_close(r);
	stream_close(&s);
	return rc;
}

static inline int
unpack_with(struct archive *a, struct tree_options o, struct tree_stats *stats, struct err *err)
{
	autoclose int root = openat(work, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return unpack_into(root, buf_span(&a->out), o, stats, err);
}

static inline void
unpacks(struct archive *a, bool first, const char *name)
{
	works(unpack_with(a, options(first), NULL, &e), "%s", name);
	buf_free(&a->out);
}

static inline void
refused(struct archive *a, enum err_code code, const char *name)
{
	fails(unpack_with(a, options(true), NULL, &e), code, "refused: %s", name);
	buf_free(&a->out);
}

/* The path inside the root. */
static inline const char *
at(const char *path)
{
	static char full[4][4200];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(full[turn], sizeof(full[0]), "%s/root/%s", work_path, path);
	return full[turn];
}

static inline struct stat
look(const char *path)
{
	struct stat st = { 0 };

	(void)lstat(at(path), &st);
	return st;
}

static inline bool
exists(const char *path)
{
	struct stat st;

	return lstat(at(path), &st) == 0;
}

static inline bool
holds(const char *path, const char *content)
{
	autobuf text = BUF(1 << 20);

	return fs_read_file(AT_FDCWD, at(path), &text, &e) == 0 &&
	    strcmp(buf_str(&text), content) == 0;
}

/* Runs the checks in a folder of our own, then once more as another user, if we are root. */
static inline int
run_in_folder(void (*checks)(void))
{
	char template[] = "/var/tmp/cacao-tree-XXXXXX";

	if (mkdtemp(template) == NULL ||
	    (work = open(template, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		abort();
	memcpy(work_path, template, sizeof(template));
	checks();
	ok(fs_empty_dir(work, &e) == 0 && rmdir(work_path) == 0, "nothing is left behind");
	close(work);
	return tap_failed;
}

static inline int
run_as_both(void (*checks)(void))
{
	int status = 0;
	pid_t pid;

	run_in_folder(checks);
	fflush(stdout);
	if (geteuid() != 0) {
		skip("not root", "the same as another user");
		return tap_done();
	}
	pid = fork();
	if (pid == 0) {
		/* Its checks are not counted here: they go where they do not disturb. */
		if (dup2(STDERR_FILENO, STDOUT_FILENO) == -1 || setgid(65534) == -1 ||
		    setuid(65534) == -1)
			_exit(2);
		tap_failed = 0;
		_exit(run_in_folder(checks) == 0 ? 0 : 1);
	}
	ok(waitpid(pid, &status, 0) == pid && status == 0, "the same as another user");
	return tap_done();
}

#endif
