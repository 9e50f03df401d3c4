/*
 * bundle.c: image configuration → runtime configuration (image-spec
 * conversion.md). The image's files are opened inside its own root only.
 */
#include "lib/base.h"

#include "image/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "image/spec.h"
#include "lib/fs.h"

#define LIMIT_ACCOUNTS	MIB(1)		/* of /etc/passwd and /etc/group */
#define ANNOTATION	"org.opencontainers.image."
#define DEFAULT_PATH	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

typedef int add_fn(struct spec *, const char *, struct err *);

static bool
is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool
is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

/*
 * A file of the image; none is the same as an empty one. It is looked at before it is opened:
 * opening a device acts.
 */
static int
read_accounts(int rootfs, const char *name, struct buf *out, struct err *e)
{
	autoclose int path = fs_open_in_root(rootfs, name, O_PATH, 0), fd = -1;

	if (path < 0 && is_absent(errno))
		return 0;
	if (path < 0)
		return err_sys_as(e, ERR_IMAGE, "/%s", name);
	if (!is_regular(path))
		return err_set(e, ERR_IMAGE, "/%s is not a regular file", name);
	fd = fs_open_in_root(rootfs, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return err_sys_as(e, ERR_IMAGE, "/%s", name);
	return fs_read_fd(fd, name, out, e);
}

/* An absent or null member has no elements. */
static bool
is_none(struct json_val v)
{
	return !json_ok(v) || json_is(v, JSON_NULL);
}

static int
check_type(struct json_val v, enum json_kind kind, const char *what, struct err *e)
{
	if (is_none(v) || json_is(v, kind))
		return 0;
	return err_set(e, ERR_IMAGE, "config.%s is of the wrong type", what);
}

/* Every string of the array config.name, through add. */
static int
add_strings(struct json_val config, const char *name, add_fn *add, struct spec *s, struct err *e)
{
	struct json_val list = json_get(config, name);
	struct json_iter it = json_iter(list);
	autobuf text = BUF(LIMIT_CONFIG);
	int rc = check_type(list, JSON_ARRAY, name, e);

	while (rc == 0 && json_next(&it)) {
		buf_reset(&text);
		rc = json_str(it.val, name, &text, e);
		if (rc == 0)
			rc = add(s, buf_str(&text), e);
	}
	return rc;
}

/* The text of a member, "" if there is none. */
static int
get_text(struct json_val object, const char *name, struct buf *out, struct err *e)
{
	struct json_val v = json_get(object, name);

	return is_none(v) ? 0 : json_str(v, name, out, e);
}

static int
add_env(struct json_val config, const struct bundle_user *user, struct spec *s, struct err *e)
{
	char home[sizeof(user->home) + 5];
	int rc = add_strings(config, "Env", spec_add_env, s, e);

	if (rc == 0 && !spec_has_env(s, "PATH"))
		rc = spec_add_env(s, DEFAULT_PATH, e);
	if (rc < 0 || user->home[0] == '\0' || spec_has_env(s, "HOME"))
		return rc;
	snprintf(home, sizeof(home), "HOME=%s", user->home);
	return spec_add_env(s, home, e);
}

static int
set_user(struct json_val config, int rootfs, struct bundle_user *user, struct spec *s,
    struct err *e)
{
	autobuf passwd = BUF(LIMIT_ACCOUNTS), group = BUF(LIMIT_ACCOUNTS), text = BUF(LIMIT_CONFIG);
	int rc = get_text(config, "User", &text, e);

	if (rc == 0)
		rc = read_accounts(rootfs, "etc/passwd", &passwd, e);
	if (rc == 0)
		rc = read_accounts(rootfs, "etc/group", &group, e);
	if (rc == 0)
		rc = bundle_user_parse(buf_span(&text), buf_span(&passwd), buf_span(&group), user,
		    e);
	if (rc == 0)
		rc = spec_set_user(s, user->uid, user->gid, e);
	for (size_t i = 0; rc == 0 && i < user->ngroups; i++)
		rc = spec_add_group(s, user->groups[i], e);
	return rc;
}

static int
set_cwd(struct json_val config, struct spec *s, struct err *e)
{
	autobuf dir = BUF(LIMIT_CONFIG), cwd = BUF(LIMIT_CONFIG);
	int rc = get_text(config, "WorkingDir", &dir, e);

	if (rc == 0)
		rc = buf_addf(&cwd, e, "%s%s", buf_str(&dir)[0] == '/' ? "" : "/", buf_str(&dir));
	return rc < 0 ? rc : spec_set_cwd(s, buf_str(&cwd), e);
}

/* The names in an object used as a set. */
static int
add_volumes(struct json_val config, struct spec *s, struct err *e)
{
	struct json_val volumes = json_get(config, "Volumes");
	struct json_iter it = json_iter(volumes);
	autobuf path = BUF(LIMIT_PATH);
	int rc = check_type(volumes, JSON_OBJECT, "Volumes", e);

	while (rc == 0 && json_next(&it)) {
		buf_reset(&path);
		rc = json_str(it.key, "a volume", &path, e);
		if (rc == 0 && buf_str(&path)[0] != '/')
			rc = err_set(e, ERR_IMAGE, "the volume \"%.200s\" is not an absolute path",
			    buf_str(&path));
		if (rc == 0)
			rc = spec_add_tmpfs(s, buf_str(&path), e);
	}
	return rc;
}

static int
annotate_ports(struct json_val config, struct spec *s, struct err *e)
{
	struct json_val ports = json_get(config, "ExposedPorts");
	struct json_iter it = json_iter(ports);
	autobuf text = BUF(LIMIT_CONFIG);
	int rc = check_type(ports, JSON_OBJECT, "ExposedPorts", e);

	while (rc == 0 && json_next(&it)) {
		if (text.len > 0)
			rc = buf_add_u8(&text, ',', e);
		if (rc == 0)
			rc = json_str(it.key, "a port", &text, e);
	}
	if (rc < 0 || text.len == 0)
		return rc;
	return spec_annotate(s, ANNOTATION "exposedPorts", buf_str(&text), e);
}

static int
annotate_labels(struct json_val config, struct spec *s, struct err *e)
{
	struct json_val labels = json_get(config, "Labels");
	struct json_iter it = json_iter(labels);
	autobuf key = BUF(LIMIT_CONFIG), value = BUF(LIMIT_CONFIG);
	int rc = check_type(labels, JSON_OBJECT, "Labels", e);

	while (rc == 0 && json_next(&it)) {
		buf_reset(&key);
		buf_reset(&value);
		rc = json_str(it.key, "a label", &key, e);
		if (rc == 0)
			rc = json_str(it.val, "a label", &value, e);
		if (rc == 0 && key.len == 0)
			rc = err_set(e, ERR_IMAGE, "a label has no name");
		if (rc == 0)
			rc = spec_annotate(s, buf_str(&key), buf_str(&value), e);
	}
	return rc;
}

/* One member under its annotation; "os.features" is a list and stays JSON. */
static int
annotate_member(struct json_val from, const char *name, const char *key, struct spec *s,
    struct err *e)
{
	struct json_val v = json_get(from, name);
	autobuf text = BUF(LIMIT_CONFIG);
	int rc;

	if (is_none(v))
		return 0;
	rc = json_is(v, JSON_ARRAY) && strcmp(name, "os.features") == 0 ?
	    buf_add_span(&text, json_raw(v), e) : json_str(v, name, &text, e);
	return rc < 0 || text.len == 0 ? rc : spec_annotate(s, key, buf_str(&text), e);
}

/* What the image says of itself first, then its labels, which win. */
static int
annotate(struct json_val root, struct json_val config, struct spec *s, struct err *e)
{
	static const char *const names[] = {
		"os", "os.version", "os.features", "architecture", "variant", "author", "created",
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(names); i++) {
		char key[64];

		snprintf(key, sizeof(key), ANNOTATION "%s", names[i]);
		rc = annotate_member(root, names[i], key, s, e);
	}
	if (rc == 0)
		rc = annotate_member(config, "StopSignal", ANNOTATION "stopSignal", s, e);
	if (rc == 0)
		rc = annotate_ports(config, s, e);
	return rc < 0 ? rc : annotate_labels(config, s, e);
}

static int
convert(const struct image_config *c, int rootfs, struct spec *s, struct err *e)
{
	struct bundle_user user = { 0 };
	int rc = set_user(c->config, rootfs, &user, s, e);

	if (rc == 0)
		rc = add_strings(c->config, "Entrypoint", spec_add_arg, s, e);
	if (rc == 0)
		rc = add_strings(c->config, "Cmd", spec_add_arg, s, e);
	if (rc == 0)
		rc = add_env(c->config, &user, s, e);
	if (rc == 0)
		rc = set_cwd(c->config, s, e);
	if (rc == 0)
		rc = add_volumes(c->config, s, e);
	return rc < 0 ? rc : annotate(json_root(c->doc), c->config, s, e);
}

int
bundle_config(const struct image_config *c, int rootfs, struct buf *out, struct err *e)
{
	cleanup(spec_freep) struct spec *s = NULL;
	int rc = spec_new(&s, e);

	if (rc == 0)
		rc = convert(c, rootfs, s, e);
	if (rc < 0) {
		if (e->code == ERR_PARSE)
			e->code = ERR_IMAGE;
		return err_wrap(e, "image configuration");
	}
	return spec_write(s, out, e);
}
