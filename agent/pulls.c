/*
 * pulls.c: see pulls.h. Which pulls there are and who waits is flights.c's; here are the processes and the clock.
 */
#include "lib/base.h"

#include "agent/pulls.h"

#include <json-c/json.h>
#include <poll.h>
#include <signal.h>

#include "agent/flights.h"
#include "lib/log.h"
#include "lib/sys.h"

#define REGISTRY	"docker://"

struct process {
	struct pulls	*all;
	pid_t		 pid;		/* 0: none */
	int		 control;
};

struct pulls {
	struct pulls_options	 opt;
	struct flights		 flights;
	struct process		 process[FLIGHTS_MAX];	/* of the flight with the same number */
};

/* --- processes */

static int
send_settings(int control, const struct config *c, struct err *e)
{
	autobuf text = BUF(CONFIG_FORMATTED);
	autoclose int fd = -1;
	automsg m;
	int rc = config_format(c, &text, e);

	msg_init(&m, M_JOB_CONFIG, 0);
	if (rc == 0)
		rc = fd = monitor_text_fd(buf_span(&text), e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, fd);
	return msg_send(control, &m, -1, e);
}

/* A job process with its order: M_JOB_PULL, M_JOB_SWEEP (no image) or M_JOB_CREDENTIALS (neither). */
static int
start_job(struct pulls *s, uint16_t what, const char *image, const char *bundle, int *control, pid_t *pid, struct err *e)
{
	autoclose int ours = -1;
	automsg m;
	int rc = monitor_start(s->opt.m, ROLE_JOB, &s->opt.m->image, 1, &ours, pid, e);

	msg_init(&m, what, 0);
	if (rc < 0)
		return rc;
	rc = send_settings(ours, s->opt.config, e);
	if (rc == 0 && image != NULL)
		rc = msg_put_str(&m, image, e);
	if (rc == 0 && bundle != NULL)
		rc = msg_put_str(&m, bundle, e);
	if (rc == 0)
		rc = msg_send(ours, &m, -1, e);
	if (rc < 0)
		monitor_end(s->opt.m, pid);
	else
		*control = fd_steal(&ours);
	return rc;
}

/* Nobody waits for it; it ends when it has done its work. */
static void
sweep_after(struct pulls *s, const char *bundle)
{
	autoclose int control = -1;
	struct err e = { 0 };
	pid_t pid;

	if (start_job(s, M_JOB_SWEEP, NULL, bundle, &control, &pid, &e) < 0)
		log_warning("what a killed pull has left is still there: %s", e.msg);
}

void
pulls_credentials(struct pulls *s)
{
	autoclose int control = -1;
	struct err e = { 0 };
	pid_t pid;

	if (start_job(s, M_JOB_CREDENTIALS, NULL, NULL, &control, &pid, &e) < 0)
		log_error("%s: %s", settings[SET_KBC_CREDENTIALS].name, e.msg);
}

static void
end_process(struct process *p)
{
	if (p->control >= 0)
		loop_unwatch(p->all->opt.m->loop, p->control);
	base_close(&p->control);
	monitor_end(p->all->opt.m, &p->pid);
}

static void set_timer(struct pulls *);

/* 0 and the digest, or how it failed. */
static int
read_verdict(const struct msg *m, char digest[160], struct err *e)
{
	struct msg_reader r = msg_reader(m);
	int rc = role_verdict(&r, e);

	if (rc < 0)
		return rc;
	msg_get_str(&r, digest, 160);
	return msg_get_end(&r) && digest[0] != '\0' ? 0 : err_set(e, ERR_PROTO, "result that cannot be read");
}

static void
on_job(void *arg, int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = { { .type = M_JOB_DONE, .max_len = KIB(1) }, { 0 } };
	struct process *p = arg;
	struct pulls *s = p->all;
	size_t slot = (size_t)(p - s->process);
	const struct flight *f = &s->flights.flight[slot];
	struct err e = { 0 };
	char digest[160] = "";
	automsg m;
	int rc = msg_recv(fd, rules, 0, &m, &e);
	bool done = rc > 0;

	if (rc == -ERR_TIMEOUT)
		return;
	if (done)
		rc = read_verdict(&m, digest, &e);
	else if (rc == 0)
		rc = err_set(&e, ERR_CRASH, "the process of this pull died");
	end_process(p);
	if (!done) {
		log_msg(f->state == FLIGHT_ENDING ? LOG_INFO : LOG_ERROR, "pull of %s: %s", f->image, e.msg);
		sweep_after(s, f->bundle);
	}
	flights_over(&s->flights, slot, rc == 0 ? digest : NULL, &e, sys_now_ms());
	set_timer(s);
}

/* --- what flights wants done */

static int
on_start(void *arg, size_t slot, struct err *e)
{
	struct pulls *s = arg;
	struct process *p = &s->process[slot];
	const struct flight *f = &s->flights.flight[slot];
	int rc = start_job(s, M_JOB_PULL, f->image, f->bundle, &p->control, &p->pid, e);

	if (rc == 0)
		rc = loop_watch(s->opt.m->loop, p->control, POLLIN, on_job, p, e);
	if (rc < 0)
		end_process(p);
	return rc;
}

static void
on_end(void *arg, size_t slot, bool now)
{
	struct pulls *s = arg;

	if (s->process[slot].pid > 0)
		kill(s->process[slot].pid, now ? SIGKILL : SIGTERM);
}

static void
on_answer(void *arg, uint32_t call, const char *digest, const struct err *failed)
{
	struct pulls *s = arg;

	s->opt.done(s->opt.arg, call, digest, failed);
}

static bool
is_there(maybe_unused void *arg, const char *bundle)
{
	char rootfs[LIMIT_PATH + 16];

	snprintf(rootfs, sizeof(rootfs), "%s/rootfs", bundle);
	return access(rootfs, F_OK) == 0;
}

static const struct flights_ops flight_ops = { on_start, on_end, on_answer, is_there };

static void
on_timer(void *arg)
{
	struct pulls *s = arg;

	flights_tick(&s->flights, sys_now_ms());
	set_timer(s);
}

static void
set_timer(struct pulls *s)
{
	int64_t at = flights_next(&s->flights);
	struct err e = { 0 };

	if (loop_timer(s->opt.m->loop, at < 0 ? -1 : MAX(at - sys_now_ms(), 0), on_timer, s, &e) < 0)
		log_error("pulls: %s", e.msg);
}

/* --- */

int
pulls_new(const struct pulls_options *opt, struct pulls **out, struct err *e)
{
	struct pulls *s = sys_alloc(sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "pulls");
	s->opt = *opt;
	s->flights.ops = &flight_ops;
	s->flights.arg = s;
	for (size_t i = 0; i < FLIGHTS_MAX; i++) {
		s->process[i] = (struct process){ .all = s, .control = -1 };
		s->flights.flight[i].until = -1;
	}
	*out = s;
	return 0;
}

void
pulls_free(struct pulls *s)
{
	struct err e;

	if (s == NULL)
		return;
	for (size_t i = 0; i < FLIGHTS_MAX; i++)
		end_process(&s->process[i]);
	(void)(loop_timer(s->opt.m->loop, -1, on_timer, s, &e) < 0);
	sys_free(s);
}

/* Is path below dir, and not dir itself? Both are clean. */
static bool
is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len > 0 && dir[len - 1] == '/')
		len--;
	return strncmp(path, dir, len) == 0 && path[len] == '/' && path[len + 1] != '\0';
}

/* One writing for each path: without "//", "/./" and a slash at its end. */
static int
clean_path(const char *path, char out[LIMIT_PATH + 1], struct err *e)
{
	struct span rest = span_str(path), part;
	size_t len = 0;

	if (path[0] != '/' || rest.len > LIMIT_PATH)
		return err_set(e, ERR_STORAGE, "bundle: '%.100s' is not an absolute path", path);
	while (rest.len > 0) {
		if (!span_split(&rest, '/', &part) || part.len == 0 || span_eq_str(part, "."))
			continue;
		if (span_eq_str(part, ".."))
			return err_set(e, ERR_STORAGE, "bundle: '%.100s' has .. in it", path);
		out[len++] = '/';
		memcpy(out + len, part.p, part.len);
		len += part.len;
	}
	out[len] = '\0';
	return 0;
}

int
pulls_bundle(const char *bundles, const char *path, char out[LIMIT_PATH + 1], struct err *e)
{
	char clean[LIMIT_PATH + 1], dir[LIMIT_PATH + 1];
	const char *at = "";
	int rc = clean_path(path, clean, e);

	if (rc < 0)
		return rc;
	while (config_next(bundles, &at, dir, sizeof(dir))) {
		if (!is_below(clean, dir))
			continue;
		memcpy(out, clean, strlen(clean) + 1);
		return 0;
	}
	return err_set(e, ERR_STORAGE, "bundle: '%.100s' is not below a directory of the setting %s", path,
	    settings[SET_PULL_BUNDLES].name);
}

void
pulls_ask(struct pulls *s, uint32_t call, const char *image, const char *bundle)
{
	char name[sizeof(s->flights.flight[0].image)], path[LIMIT_PATH + 1];
	struct err e = { 0 };
	int rc = 0, len;

	/* What kata-agent sends is the name alone, whatever it looks like: "oci:x" is no file. */
	len = snprintf(name, sizeof(name), "%s%s", strncmp(image, REGISTRY, strlen(REGISTRY)) == 0 ? "" : REGISTRY, image);
	if (image[0] == '\0' || len >= (int)sizeof(name))
		rc = err_set(&e, ERR_PARSE, "image: not a name");
	if (rc == 0)
		rc = pulls_bundle(config_get(s->opt.config, SET_PULL_BUNDLES), bundle, path, &e);
	if (rc < 0) {
		s->opt.done(s->opt.arg, call, NULL, &e);
		return;
	}
	s->flights.linger_ms = (int64_t)config_number(s->opt.config, SET_PULL_LINGER) * 1000;
	flights_ask(&s->flights, call, name, path, sys_now_ms());
	set_timer(s);
}

void
pulls_left(struct pulls *s, uint32_t call, bool closed)
{
	flights_left(&s->flights, call, closed, sys_now_ms());
	set_timer(s);
}

void
pulls_left_all(struct pulls *s)
{
	flights_left_all(&s->flights, sys_now_ms());
	set_timer(s);
}

static struct json_object *
text(const char *s)
{
	char clean[KIB(8)];

	return json_object_new_string(log_escape(s, strlen(s), clean, sizeof(clean)));
}

static int
add_status(const struct pulls *s, size_t slot, struct buf *out, struct err *e)
{
	static const char *const states[FLIGHT_STATES] = { "", "running", "ending", "kept" };
	const struct flight *f = &s->flights.flight[slot];
	const bool lingers = f->state == FLIGHT_RUNNING && f->until >= 0;
	struct json_object *o = json_object_new_object();
	int rc;

	if (o == NULL)
		return err_set(e, ERR_NOMEM, "status");
	json_object_object_add(o, "image", text(f->image));
	json_object_object_add(o, "bundle", text(f->bundle));
	json_object_object_add(o, "state", text(lingers ? "lingering" : states[f->state]));
	json_object_object_add(o, "callers", json_object_new_int((int32_t)flight_callers(f)));
	json_object_object_add(o, "pid", json_object_new_int(s->process[slot].pid));
	rc = buf_add_str(out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), e);
	json_object_put(o);
	return rc;
}

int
pulls_status(const struct pulls *s, struct buf *out, struct err *e)
{
	bool any = false;
	int rc = 0;

	for (size_t i = 0; i < FLIGHTS_MAX && rc == 0; i++) {
		if (s->flights.flight[i].state == FLIGHT_FREE)
			continue;
		rc = buf_add_str(out, any ? "," : "", e);
		if (rc == 0)
			rc = add_status(s, i, out, e);
		any = true;
	}
	return rc;
}
