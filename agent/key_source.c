/*
 * key_source.c: see key_source.h. What the key role asks for is a name that it has checked and that is checked here
 * again: nothing leads out of the directory, and a new key never takes the place of an old one.
 */
#include "lib/base.h"

#include "agent/key_source.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/stat.h>

#include "keyprovider/kek.h"
#include "lib/crypto.h"
#include "lib/fs.h"
#include "lib/sys.h"
#include "lib/uri.h"

#define NEW_NAME	".new-"		/* no part of a key's name begins with a dot */

static int
check_options(const struct key_source_options *o, bool directory, struct err *e)
{
	struct kbs_uri kid;
	bool legacy;

	if (directory && o->kid != NULL)
		return err_set(e, ERR_USAGE, "--kid names the one key of a file; the keys of a directory have the names of "
		    "their files");
	if (!directory && o->make)
		return err_set(e, ERR_USAGE, "--make-keys wants --keys DIRECTORY");
	if (!directory && o->keys != NULL && o->kid == NULL)
		return err_set(e, ERR_USAGE, "--keys FILE wants --kid ID, the name of its key");
	if (o->kid == NULL)
		return 0;
	if (o->keys == NULL)
		return err_set(e, ERR_USAGE, "--kid wants --keys FILE");
	return kbs_uri_parse_kid(span_str(o->kid), &kid, &legacy, e) < 0 ? err_wrap(e, "--kid") : 0;
}

static int
open_keys(const char *path, int *fd, bool *directory, struct err *e)
{
	struct stat st;

	if (strlen(path) >= KEY_SOURCE_PATH)
		return err_set(e, ERR_LIMIT, "--keys %s: longer than %d bytes", path, KEY_SOURCE_PATH - 1);
	/* Not to wait for whoever writes to a FIFO. */
	*fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	if (*fd < 0)
		return err_sys_as(e, ERR_CONFIG, "--keys %s", path);
	if (fstat(*fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return err_set(e, ERR_CONFIG, "--keys %s: neither a file nor a directory", path);
	*directory = S_ISDIR(st.st_mode);
	return 0;
}

int
key_source_open(const struct key_source_options *opt, struct key_source *out, struct err *e)
{
	bool directory = false;
	autoclose int fd = -1;
	int rc = 0;

	if (opt->keys != NULL)
		rc = open_keys(opt->keys, &fd, &directory, e);
	if (rc == 0)
		rc = check_options(opt, directory, e);
	if (rc < 0)
		return rc;
	*out = (struct key_source){
		.opt = *opt, .fd = fd_steal(&fd), .ours = -1,
		.flags = (directory ? KEY_SOURCE_DIRECTORY : 0) | (opt->make ? KEY_SOURCE_MAKE : 0) |
		    (opt->sample ? KEY_SOURCE_SAMPLE : 0),
	};
	return 0;
}

void
key_source_close(struct key_source *s)
{
	base_close(&s->fd);
	base_close(&s->ours);
}

/* Of any file only a regular one: another could keep the key role waiting. */
static int
open_key(const struct key_source *s, const char *path, int *fd, struct err *e)
{
	struct stat st;

	*fd = fs_open_beneath(s->fd, path, O_RDONLY | O_NONBLOCK, 0);
	if (*fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(e, ERR_KEY_NOTFOUND, "no key %s in %s", path, s->opt.keys);
	if (*fd < 0)
		return err_sys_as(e, ERR_CONFIG, "key %s in %s", path, s->opt.keys);
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	base_close(fd);
	return err_set(e, ERR_CONFIG, "key %s in %s is not a regular file", path, s->opt.keys);
}

/* mkdir -p of all parts of path but the last, which *name becomes. */
static int
make_folders(const struct key_source *s, const char *path, int *dir, const char **name, struct err *e)
{
	autoclose int at = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	char part[256];

	for (const char *slash; at >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
		int next;

		if (!span_to_cstr((struct span){ (const uint8_t *)path, (size_t)(slash - path) }, part, sizeof(part)))
			return err_set(e, ERR_LIMIT, "part of a key's name");
		if (mkdirat(at, part, 0700) < 0 && errno != EEXIST)
			return err_sys_as(e, ERR_CONFIG, "make %s in %s", part, s->opt.keys);
		next = fs_open_beneath(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		base_close(&at);
		at = next;
	}
	if (at < 0)
		return err_sys_as(e, ERR_CONFIG, "folder of a new key in %s", s->opt.keys);
	*dir = fd_steal(&at);
	*name = path;
	return 0;
}

/* A new key under this name, unless somebody else was faster. The key is nowhere but in the file. */
static int
make_key(const struct key_source *s, const char *path, struct err *e)
{
	autobuf key = BUF_SECRET(KEK_SIZE);
	autoclose int dir = -1;
	char temporary[sizeof(NEW_NAME) + 32] = NEW_NAME;
	const char *name = path;
	int rc = buf_reserve(&key, KEK_SIZE, e);

	if (rc == 0)
		rc = crypto_random(key.data, KEK_SIZE, e);
	if (rc == 0)
		rc = make_folders(s, path, &dir, &name, e);
	if (rc == 0)
		rc = fs_random_name(temporary + strlen(NEW_NAME), 16, e);
	if (rc < 0)
		return rc;
	rc = fs_write_atomic(dir, temporary, (struct span){ key.data, KEK_SIZE }, 0600, e);
	if (rc < 0)
		return err_wrap(e, "new key %s in %s", path, s->opt.keys);
	if (sys_renameat2(dir, temporary, dir, name, RENAME_NOREPLACE) == 0)
		return fsync(dir) < 0 ? err_sys(e, "new key %s in %s", path, s->opt.keys) : 0;
	rc = errno == EEXIST ? 0 : err_sys(e, "new key %s in %s", path, s->opt.keys);
	(void)unlinkat(dir, temporary, 0);
	return rc;
}

static int
find_key(const struct key_source *s, const char *path, bool make, int *fd, struct err *e)
{
	char uri[LIMIT_URI];
	struct kbs_uri kid;
	int rc;

	if (!(s->flags & KEY_SOURCE_DIRECTORY))
		return err_set(e, ERR_CONFIG, "there is no directory of keys");
	snprintf(uri, sizeof(uri), "kbs:///%s", path);
	rc = kbs_uri_parse(span_str(uri), &kid, e);
	if (rc < 0)
		return rc;
	rc = open_key(s, kid.path, fd, e);
	if (rc != -ERR_KEY_NOTFOUND || !make || !s->opt.make)
		return rc;
	rc = make_key(s, kid.path, e);
	if (rc < 0)
		return rc;
	log_info("made a new key: %s/%s", s->opt.keys, kid.path);
	return open_key(s, kid.path, fd, e);
}

static int
serve_open(const struct key_source *s, const struct msg *ask, struct err *e)
{
	struct msg_reader r = msg_reader(ask);
	struct err failed = { 0 };
	autoclose int fd = -1;
	char path[512];
	automsg answer;
	bool make;

	msg_get_str(&r, path, sizeof(path));
	make = msg_get_u8(&r) != 0;
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "the key role asked for something odd");
	if (find_key(s, path, make, &fd, &failed) < 0)
		return role_answer(s->ours, M_OPEN_FAILED, ask->id, &failed, e);
	msg_init(&answer, M_OPENED, ask->id);
	msg_put_fd(&answer, fd);
	return msg_send(s->ours, &answer, -1, e);
}

static int
serve_connect(const struct key_source *s, const struct msg *ask, struct err *e)
{
	struct err failed = { 0 };

	if (s->connect == NULL)
		return err_set(e, ERR_PROTO, "there is no other key provider");
	if (s->connect(s->arg, s->ours, ask->id, &failed) < 0)
		return role_answer(s->ours, M_OPEN_FAILED, ask->id, &failed, e);
	return 0;
}

/* Whatever goes wrong here closes the socket, and the key role will say so. */
static void
on_ask(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_KEY_OPEN, .max_len = KIB(1) },
		{ .type = M_KEY_CONNECT },
		{ 0 },
	};
	struct key_source *s = arg;
	struct err e;
	automsg m;
	int rc = msg_recv(s->ours, rules, 0, &m, &e);

	if (rc == -ERR_TIMEOUT)
		return;
	if (rc > 0) {
		rc = m.type == M_KEY_OPEN ? serve_open(s, &m, &e) : serve_connect(s, &m, &e);
		if (rc == 0)
			return;
	}
	loop_unwatch(s->loop, s->ours);
	base_close(&s->ours);
}

static int
send_source(const struct key_source *s, int control, struct err *e)
{
	unsigned flags = s->flags | (s->connect != NULL ? (unsigned)KEY_SOURCE_PROVIDER : 0);
	automsg source, one;
	int rc;

	msg_init(&one, M_KEY_ONE, 0);
	msg_init(&source, M_KEY_SOURCE, 0);
	rc = msg_put_u8(&source, (uint8_t)flags, e);
	if (rc == 0)
		rc = msg_put_str(&source, s->opt.keys != NULL ? s->opt.keys : "", e);
	if (rc == 0)
		rc = msg_send(control, &source, -1, e);
	if (rc < 0 || s->fd < 0 || (s->flags & KEY_SOURCE_DIRECTORY))
		return rc;
	rc = msg_put_str(&one, s->opt.kid, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&one, s->fd);
	return msg_send(control, &one, -1, e);
}

int
key_source_start(struct key_source *s, struct monitor *m, int pull, int rpc, int *control, struct err *e)
{
	autoclose int theirs = -1;
	int pair[2], rc = msg_pair(pair, e);

	if (rc < 0)
		return rc;
	s->ours = pair[0];
	theirs = pair[1];
	s->loop = m->loop;
	rc = loop_watch(m->loop, s->ours, POLLIN, on_ask, s, e);
	if (rc == 0)
		rc = monitor_start(m, ROLE_KEY, (int[]){ pull, rpc, theirs }, 3, control, NULL, e);
	return rc < 0 ? rc : send_source(s, *control, e);
}
