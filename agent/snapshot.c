/* snapshot.c: see snapshot.h. */
#include "lib/base.h"

#include "agent/snapshot.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "agent/overlay.h"
#include "agent/storage.h"
#include "lib/sys.h"

#define PIPE_SIZE	(1 << 20)	/* measured: design of the pipeline */

struct snapshot_layer {
	char			 name[STORE_NAME];
	uint64_t		 size;		/* of the blob */
	bool			 encrypted;
	bool			 there;
	unsigned		 flags;		/* in the store */
	struct store_entry	 entry;		/* in the making */
	pid_t			 crypt, unpack;	/* 0: not at work */
	int			 opaque;	/* where unpack tells of directories; -1: nowhere */
	struct err		 err;		/* of an opaque directory */
	struct loop		*loop;
};

int
snapshot_mode_parse(const char *text, enum snapshot_mode *out, struct err *e)
{
	static const char *const names[] = { "auto", "overlay", "flat" };

	*out = SNAPSHOT_AUTO;
	for (size_t i = 0; text != NULL && i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum snapshot_mode)i;
			return 0;
		}
	}
	return text == NULL ? 0 : err_set(e, ERR_USAGE, "--snapshot is auto, overlay or flat");
}

/* Is overlay to be had? 0, or why not. */
static int
try_overlay(struct snapshot *s, struct err *e)
{
	int rc;

	if (!s->opt.monitor->root_mode)
		return err_set(e, ERR_STORAGE, "overlay: only root can mount it");
	rc = store_open(s->opt.store, &s->store, e);
	if (rc == 0)
		rc = storage_check_list(s->store.dir, s->opt.store, s->opt.trusted, e);
	if (rc == 0)
		rc = overlay_probe(s->store.dir, s->opt.staging->dir, e);
	return rc;
}

int
snapshot_open(const struct snapshot_options *opt, struct snapshot *out, struct err *e)
{
	struct snapshot s = {
		.opt = *opt, .pull = -1, .key = -1, .store = { .dir = -1, .layers = -1 },
	};
	struct err why = { 0 };

	if (opt->mode != SNAPSHOT_FLAT)
		s.overlay = try_overlay(&s, &why) == 0;
	if (!s.overlay)
		store_close(&s.store);
	if (!s.overlay && opt->mode == SNAPSHOT_OVERLAY) {
		*e = why;
		return -(int)e->code;
	}
	if (!s.overlay && opt->mode == SNAPSHOT_AUTO)
		log_info("layers are unpacked to one root: %s", why.msg);
	*out = s;
	return 0;
}

/* Whoever works on a layer: after this nobody writes to it. */
static void
end_work(struct snapshot *s, struct snapshot_layer *l)
{
	monitor_end(s->opt.monitor, &l->crypt);
	monitor_end(s->opt.monitor, &l->unpack);
}

static void
close_layer(struct snapshot *s, struct snapshot_layer *l)
{
	end_work(s, l);
	if (l->opaque >= 0)
		loop_unwatch(s->opt.monitor->loop, l->opaque);
	base_close(&l->opaque);
	store_end(&l->entry);
}

static void
close_layers(struct snapshot *s)
{
	for (size_t i = 0; i < s->n; i++)
		close_layer(s, &s->layers[i]);
	sys_free(s->layers);
	s->layers = NULL;
	s->n = 0;
}

void
snapshot_close(struct snapshot *s)
{
	struct err e;

	close_layers(s);
	if (s->mounted && overlay_unmount(s->opt.staging->dir, &e) < 0)
		log_warning("%s", e.msg);
	s->mounted = false;
	store_close(&s->store);
}

int
snapshot_bind(struct snapshot *s, struct err *e)
{
	int rc = s->mounted ? 0 : overlay_bind(s->opt.staging->dir, e);

	if (rc == 0)
		s->mounted = true;
	return rc;
}

void
snapshot_commit(struct snapshot *s)
{
	s->mounted = false;
}

/* unpack may not set the attribute that hides lower directories itself: it takes a capability over the machine. */
static void
take_opaque(struct snapshot_layer *l, const struct msg *m)
{
	struct stat st, root;

	if (l->err.code != ERR_NONE)
		return;
	if (fstat(m->fds[0], &st) < 0 || fstat(l->entry.staging.rootfs, &root) < 0 ||
	    !S_ISDIR(st.st_mode) || st.st_dev != root.st_dev)
		err_set(&l->err, ERR_PROTO, "opaque directory");
	else if (fsetxattr(m->fds[0], OVERLAY_OPAQUE, "y", 1, 0) < 0)
		err_sys_as(&l->err, ERR_STORAGE, "opaque directory");
}

/* Reads what unpack has told until now. */
static void
on_opaque(void *arg, int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = { { .type = M_OPAQUE, .fds = 1 }, { 0 } };
	struct snapshot_layer *l = arg;
	int rc;

	do {
		struct err e = { 0 };
		automsg m;

		rc = msg_recv(fd, rules, 0, &m, &e);
		if (rc == 1)
			take_opaque(l, &m);
		else if (rc < 0 && rc != -ERR_TIMEOUT && l->err.code == ERR_NONE)
			l->err = e;
	} while (rc == 1);
	if (rc != -ERR_TIMEOUT)
		loop_unwatch(l->loop, fd);
}

static int
read_plan(struct snapshot *s, struct msg_reader *r, struct err *e)
{
	uint32_t n = msg_get_u32(r);
	bool flat = msg_get_u8(r) != 0;

	close_layers(s);
	if (n > LIMIT_LAYERS)
		return err_set(e, ERR_PROTO, "plan of %u layers", n);
	s->layers = sys_alloc((n + 1) * sizeof(*s->layers));
	if (s->layers == NULL)
		return err_set(e, ERR_NOMEM, "%u layers", n);
	s->n = n;
	if (flat || n == 0)	/* nothing to mount */
		s->overlay = false;
	for (size_t i = 0; i < n; i++) {
		struct snapshot_layer *l = &s->layers[i];

		l->opaque = -1;
		l->loop = s->opt.monitor->loop;
		msg_get_str(r, l->name, sizeof(l->name));
		l->size = msg_get_u64(r);
		l->encrypted = msg_get_u8(r) != 0;
		if (strspn(l->name, "0123456789abcdef") != STORE_NAME - 1)
			r->bad = true;
	}
	return msg_get_end(r) ? 0 : err_set(e, ERR_PROTO, "plan that cannot be read");
}

static void
note_found(const struct snapshot *s, struct snapshot_layer *l)
{
	int flags = store_find(&s->store, l->name);

	l->there = flags >= 0;
	l->flags = l->there ? (unsigned)flags : 0;
}

/* What the store has. A layer that is right only as the lowest, higher up: then all go to one root. */
static void
look_up(struct snapshot *s)
{
	for (size_t i = 0; i < s->n && s->overlay; i++) {
		struct snapshot_layer *l = &s->layers[i];

		note_found(s, l);
		if (l->there && (l->flags & STORE_BASE) && i > 0)
			s->overlay = false;
	}
	for (size_t i = 0; i < s->n && !s->overlay; i++)
		s->layers[i].there = false;
}

int
snapshot_dir(const struct snapshot *s)
{
	return s->overlay ? s->store.dir : s->opt.staging->dir;
}

/* What is unpacked is hardly less than what is fetched: a layer that cannot fit is not begun. */
static int
check_room(const struct snapshot *s, struct err *e)
{
	uint64_t need = 0;

	for (size_t i = 0; i < s->n; i++)
		if (!s->layers[i].there && __builtin_add_overflow(need, s->layers[i].size, &need))
			return err_set(e, ERR_LIMIT, "the layers' sizes make no sense");
	return storage_room(snapshot_dir(s), "the layers", need, e);
}

static int
serve_plan(struct snapshot *s, const struct msg *ask, struct err *e)
{
	struct msg_reader r = msg_reader(ask);
	uint8_t there[LIMIT_LAYERS];
	automsg m;
	int rc;

	rc = read_plan(s, &r, e);
	if (rc < 0)
		return rc;
	look_up(s);
	rc = check_room(s, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < s->n; i++)
		there[i] = s->layers[i].there;
	msg_init(&m, M_PLAN_DONE, ask->id);
	rc = msg_put_u8(&m, s->overlay, e);
	if (rc == 0)
		rc = msg_put_u32(&m, s->opt.at_once, e);
	if (rc == 0)
		rc = msg_put_bytes(&m, (struct span){ there, s->n }, e);
	return rc < 0 ? rc : msg_send(s->pull, &m, -1, e);
}

static struct snapshot_layer *
get_layer(struct snapshot *s, struct msg_reader *r)
{
	uint32_t i = msg_get_u32(r);

	if (i >= s->n)
		r->bad = true;
	return i < s->n ? &s->layers[i] : NULL;
}

/* The key process gives the layer's key to crypt by a socket of their own. */
static int
link_key(struct snapshot *s, const struct snapshot_layer *l, int *crypt, struct err *e)
{
	autoclose int to_key = -1;
	int pair[2], rc;

	if (!l->encrypted)
		return 0;
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	to_key = pair[0];
	*crypt = pair[1];
	return monitor_send_link(s->key, (uint32_t)(l - s->layers), to_key, e);
}

static int
link_opaque(struct snapshot *s, struct snapshot_layer *l, int *unpack, struct err *e)
{
	int pair[2], rc;

	if (!s->overlay)
		return 0;
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	l->opaque = pair[0];
	*unpack = pair[1];
	return loop_watch(s->opt.monitor->loop, l->opaque, POLLIN, on_opaque, l, e);
}

/* crypt and unpack for one layer; their control sockets go to pull. */
static int
start_pair(struct snapshot *s, struct snapshot_layer *l, struct err *e)
{
	autoclose int to_crypt = -1, to_unpack = -1, in = -1, out = -1, key = -1, opaque = -1;
	int root = s->overlay ? l->entry.staging.rootfs : s->opt.staging->rootfs;
	automsg answer;
	int pair[2], rc;

	msg_init(&answer, M_LAYER_FDS, (uint32_t)(l - s->layers));
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	in = pair[0];
	out = pair[1];
	(void)fcntl(out, F_SETPIPE_SZ, PIPE_SIZE);
	rc = link_key(s, l, &key, e);
	if (rc == 0)
		rc = link_opaque(s, l, &opaque, e);
	if (rc == 0)
		rc = monitor_start(s->opt.monitor, ROLE_CRYPT, (int[]){ out, key }, 2, &to_crypt, &l->crypt, e);
	if (rc == 0)
		rc = monitor_start(s->opt.monitor, ROLE_UNPACK, (int[]){ in, root, opaque }, 3, &to_unpack,
		    &l->unpack, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&answer, to_crypt);
	msg_put_fd(&answer, to_unpack);
	return msg_send(s->pull, &answer, -1, e);
}

static int
answer_wait(struct snapshot *s, bool there, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_LAYER_WAIT, 0);
	rc = msg_put_u8(&m, there, e);
	return rc < 0 ? rc : msg_send(s->pull, &m, -1, e);
}

static int
serve_layer(struct snapshot *s, const struct msg *ask, struct err *e)
{
	struct msg_reader r = msg_reader(ask);
	struct snapshot_layer *l = get_layer(s, &r);
	int rc;

	if (!msg_get_end(&r) || l->there || l->unpack != 0)
		return err_set(e, ERR_PROTO, "layer");
	if (!s->overlay)
		return start_pair(s, l, e);
	rc = store_begin(&s->store, l->name, &l->entry, e);
	if (rc < 0)
		return rc;
	if (rc == 1)
		return start_pair(s, l, e);
	note_found(s, l);
	return answer_wait(s, l->there, e);
}

/* Layers of the same name are one. */
static void
note_kept(struct snapshot *s, const struct snapshot_layer *kept)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->layers[i].name, kept->name) != 0)
			continue;
		s->layers[i].there = true;
		s->layers[i].flags = kept->flags;
	}
}

static int
keep_layer(struct snapshot *s, struct snapshot_layer *l, struct err *e)
{
	int rc;

	on_opaque(l, l->opaque, 0);
	if (l->err.code != ERR_NONE) {
		*e = l->err;
		return -(int)e->code;
	}
	rc = store_finish(&l->entry, l->flags, e);
	if (rc == 0)
		note_kept(s, l);
	return rc;
}

static int
serve_end(struct snapshot *s, const struct msg *ask, struct err *e)
{
	struct msg_reader r = msg_reader(ask);
	struct snapshot_layer *l = get_layer(s, &r);
	uint8_t flags = msg_get_u8(&r);
	automsg m;
	int rc = 0;

	if (!msg_get_end(&r) || l->unpack == 0 || flags >= STORE_FLAGS)
		return err_set(e, ERR_PROTO, "end of a layer");
	l->flags = flags;
	end_work(s, l);
	if (s->overlay)
		rc = keep_layer(s, l, e);
	l->there = true;
	close_layer(s, l);
	msg_init(&m, M_LAYER_KEPT, ask->id);
	return rc < 0 ? rc : msg_send(s->pull, &m, -1, e);
}

static int
mount_layers(struct snapshot *s, struct err *e)
{
	char (*paths)[PATH_MAX] = sys_alloc((s->n + 1) * PATH_MAX);
	struct overlay_layer *list = sys_alloc((s->n + 1) * sizeof(*list));
	int rc = 0;

	if (paths == NULL || list == NULL)
		rc = err_set(e, ERR_NOMEM, "%zu layers", s->n);
	for (size_t i = 0; i < s->n && rc == 0; i++) {
		rc = store_path(&s->store, s->layers[i].name, s->layers[i].flags, paths[i], e);
		list[i] = (struct overlay_layer){
			.path = paths[i], .root_entry = (s->layers[i].flags & STORE_ROOT) != 0,
		};
	}
	if (rc == 0)
		rc = overlay_mount(s->opt.staging->dir, list, s->n, e);
	s->mounted = rc == 0;
	sys_free(list);
	sys_free(paths);
	return rc;
}

static int
serve_rootfs(struct snapshot *s, struct err *e)
{
	autoclose int root = -1;
	automsg m;
	int rc = 0;

	for (size_t i = 0; i < s->n; i++)
		if (!s->layers[i].there)
			return err_set(e, ERR_PROTO, "layers are missing");
	if (s->overlay)
		rc = mount_layers(s, e);
	if (rc < 0)
		return rc;
	root = sys_openat(s->opt.staging->dir, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (root < 0)
		return err_sys_as(e, ERR_STORAGE, "rootfs");
	msg_init(&m, M_ROOTFS_FD, 0);
	msg_put_fd(&m, root);
	return msg_send(s->pull, &m, -1, e);
}

int
snapshot_serve(struct snapshot *s, const struct msg *m, struct err *e)
{
	switch (m->type) {
	case M_PLAN:
		return serve_plan(s, m, e);
	case M_LAYER:
		return serve_layer(s, m, e);
	case M_LAYER_END:
		return serve_end(s, m, e);
	default:
		return serve_rootfs(s, e);
	}
}

void
snapshot_expect(const struct snapshot *s, struct progress *p)
{
	for (size_t i = 0; i < s->n; i++)
		progress_expect(p, (uint32_t)i, s->layers[i].size);
}
