/*
 * spec.c: the runtime configuration as a json-c tree, begun from the text of the
 * default. json-c keeps members in the order in which they came.
 */
#include "lib/base.h"

#include "image/spec.h"

#include <json-c/json.h>

#include "lib/sys.h"

#define JSON(...)	#__VA_ARGS__

struct spec {
	json_object	*root, *process, *user, *args, *env, *groups, *mounts, *annotations;
	bool		 has_args;
};

static const char standard[] = JSON(
{
	"ociVersion": "1.0.2",
	"process": {
		"terminal": false,
		"user": { "uid": 0, "gid": 0, "additionalGids": [] },
		"args": [ "sh" ],
		"env": [],
		"cwd": "/",
		"capabilities": {
			"bounding": [ "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE" ],
			"effective": [ "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE" ],
			"permitted": [ "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE" ]
		},
		"rlimits": [ { "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 } ],
		"noNewPrivileges": true
	},
	"root": { "path": "rootfs", "readonly": false },
	"mounts": [
		{ "destination": "/proc", "type": "proc", "source": "proc" },
		{ "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
		  "options": [ "nosuid", "strictatime", "mode=755", "size=65536k" ] },
		{ "destination": "/dev/pts", "type": "devpts", "source": "devpts",
		  "options": [ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
			       "gid=5" ] },
		{ "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
		  "options": [ "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" ] },
		{ "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
		  "options": [ "nosuid", "noexec", "nodev" ] },
		{ "destination": "/sys", "type": "sysfs", "source": "sysfs",
		  "options": [ "nosuid", "noexec", "nodev", "ro" ] },
		{ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
		  "options": [ "nosuid", "noexec", "nodev", "relatime", "ro" ] }
	],
	"annotations": {},
	"linux": {
		"resources": { "devices": [ { "allow": false, "access": "rwm" } ] },
		"namespaces": [
			{ "type": "pid" }, { "type": "network" }, { "type": "ipc" },
			{ "type": "uts" }, { "type": "mount" }
		],
		"maskedPaths": [
			"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
			"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
			"/proc/sched_debug", "/proc/scsi", "/sys/firmware"
		],
		"readonlyPaths": [
			"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"
		]
	}
}
);

static const char tmpfs[] = JSON(
{
	"destination": "", "type": "tmpfs", "source": "tmpfs",
	"options": [ "nosuid", "noexec", "nodev", "relatime", "rw" ]
}
);

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "no memory for the runtime configuration");
}

/* Both take the value, also when they fail. */
static int
put(json_object *object, const char *name, json_object *value, struct err *e)
{
	if (value != NULL && json_object_object_add(object, name, value) == 0)
		return 0;
	json_object_put(value);
	return no_memory(e);
}

static int
append(json_object *array, json_object *value, struct err *e)
{
	if (value != NULL && json_object_array_add(array, value) == 0)
		return 0;
	json_object_put(value);
	return no_memory(e);
}

static int
put_string(json_object *object, const char *name, const char *text, struct err *e)
{
	return put(object, name, json_object_new_string(text), e);
}

int
spec_new(struct spec **out, struct err *e)
{
	cleanup(spec_freep) struct spec *s = sys_alloc(sizeof(*s));

	if (s == NULL || (s->root = json_tokener_parse(standard)) == NULL)
		return no_memory(e);
	s->process = json_object_object_get(s->root, "process");
	s->user = json_object_object_get(s->process, "user");
	s->groups = json_object_object_get(s->user, "additionalGids");
	s->args = json_object_object_get(s->process, "args");
	s->env = json_object_object_get(s->process, "env");
	s->mounts = json_object_object_get(s->root, "mounts");
	s->annotations = json_object_object_get(s->root, "annotations");
	*out = s;
	s = NULL;
	return 0;
}

void
spec_free(struct spec *s)
{
	if (s == NULL)
		return;
	json_object_put(s->root);
	sys_free(s);
}

void
spec_freep(struct spec **s)
{
	spec_free(*s);
	*s = NULL;
}

int
spec_add_arg(struct spec *s, const char *text, struct err *e)
{
	if (!s->has_args) {
		json_object_array_del_idx(s->args, 0, json_object_array_length(s->args));
		s->has_args = true;
	}
	return append(s->args, json_object_new_string(text), e);
}

int
spec_add_env(struct spec *s, const char *text, struct err *e)
{
	return append(s->env, json_object_new_string(text), e);
}

bool
spec_has_env(const struct spec *s, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < json_object_array_length(s->env); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(s->env, i));

		if (strncmp(text, name, n) == 0 && text[n] == '=')
			return true;
	}
	return false;
}

int
spec_add_group(struct spec *s, uint32_t gid, struct err *e)
{
	return append(s->groups, json_object_new_int64(gid), e);
}

int
spec_set_user(struct spec *s, uint32_t uid, uint32_t gid, struct err *e)
{
	int rc = put(s->user, "uid", json_object_new_int64(uid), e);

	return rc < 0 ? rc : put(s->user, "gid", json_object_new_int64(gid), e);
}

int
spec_set_cwd(struct spec *s, const char *text, struct err *e)
{
	return put_string(s->process, "cwd", text, e);
}

int
spec_annotate(struct spec *s, const char *key, const char *value, struct err *e)
{
	return put_string(s->annotations, key, value, e);
}

int
spec_add_tmpfs(struct spec *s, const char *destination, struct err *e)
{
	json_object *mount = json_tokener_parse(tmpfs);

	if (mount == NULL || put_string(mount, "destination", destination, e) < 0) {
		json_object_put(mount);
		return no_memory(e);
	}
	return append(s->mounts, mount, e);
}

int
spec_write(const struct spec *s, struct buf *out, struct err *e)
{
	const char *text = json_object_to_json_string_ext(s->root,
	    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t before = out->len;
	int rc;

	if (text == NULL)
		return no_memory(e);
	rc = buf_add_str(out, text, e);
	if (rc == 0 && (rc = buf_add_u8(out, '\n', e)) < 0)
		out->len = before;
	return rc;
}
