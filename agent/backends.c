/* backends.c: see backends.h. */
#include "lib/base.h"

#include "agent/backends.h"

#include <poll.h>

#include "agent/teejob.h"
#include "lib/sys.h"

struct line {
	struct backends	*all;
	enum backend	 which;
	int		 theirs, ours;	/* the pair: rpc's end, and that of the role; both stay open here */
	int		 control;	/* -1: the role is not there */
	pid_t		 pid;
	struct deaths	 deaths;
};

struct backends {
	struct backends_options	 opt;
	const struct config	*config;
	struct line		 line[BACKEND_COUNT];	/* BACKEND_KEY and BACKEND_TEE are in use */
};

static void on_call(void *arg, int fd, short revents);
static void on_control(void *arg, int fd, short revents);

/* --- set-up of each */

static int
set_up_key(const struct config *c, int control, struct err *e)
{
	const char *kbc = config_get(c, SET_KBC);

	return monitor_set_up_key(control, kbc[0] != '\0' ? kbc : NULL, config_true(c, SET_IMAGE_CTR), e);
}

static uint8_t
callers_mode(const struct config *c)
{
	const char *mode = config_get(c, SET_EVIDENCE_CALLERS);

	return strcmp(mode, "raw") == 0 ? 2 : strcmp(mode, "labelled") == 0;
}

/* Where the log is must be there, or the role may not write there. */
static int
prepare_tee(const struct config *c, struct err *e)
{
	return config_true(c, SET_EVENTLOG) ? teejob_make_dir(e) : 0;
}

static int
set_up_tee(const struct config *c, int control, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_TEE_SETUP, 0);
	rc = msg_put_str(&m, config_get(c, SET_TEE), e);
	if (rc == 0)
		rc = msg_put_u8(&m, config_true(c, SET_SAMPLE), e);
	if (rc == 0)
		rc = msg_put_u8(&m, callers_mode(c), e);
	if (rc == 0)
		rc = msg_put_u8(&m, config_true(c, SET_EVENTLOG), e);
	if (rc == 0)
		rc = msg_put_u32(&m, (uint32_t)config_number(c, SET_EVENTLOG_PCR), e);
	return rc < 0 ? rc : msg_send(control, &m, -1, e);
}

static const struct {
	const char	*name;
	enum role	 role;
	int	(*set_up)(const struct config *, int control, struct err *);
	int	(*prepare)(const struct config *, struct err *);	/* before it starts; NULL: nothing */
	bool		 pull_fd;	/* FD_CONTROL + 1 belongs to somebody else */
} kinds[BACKEND_COUNT] = {
	[BACKEND_KEY] = { "key", ROLE_KEY, set_up_key, NULL, true },
	[BACKEND_TEE] = { "tee", ROLE_TEE, set_up_tee, prepare_tee, false },
};

static bool
is_role(const struct line *l)
{
	return kinds[l->which].name != NULL;
}

/* --- life and death */

/* What lies in the socket belonged to calls that rpc has given up, or will. */
static void
drain(int fd)
{
	uint8_t byte;

	while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) > 0)
		continue;
}

void
deaths_note(struct deaths *d)
{
	memmove(d->at, d->at + 1, sizeof(d->at) - sizeof(d->at[0]));
	d->at[BACKENDS_DEATHS - 1] = MAX(sys_now_ms(), 1);
	d->n++;
}

bool
deaths_too_many(const struct deaths *d)
{
	return d->at[0] != 0 && sys_now_ms() - d->at[0] < BACKENDS_WINDOW_MS;
}

static void
note_death(struct line *l)
{
	deaths_note(&l->deaths);
	if (deaths_too_many(&l->deaths))
		log_error("%s: died %d times within a minute; it is left alone for one", kinds[l->which].name, BACKENDS_DEATHS);
}

static void
wait_for_call(struct line *l)
{
	struct err e;

	if (loop_watch(l->all->opt.m->loop, l->ours, POLLIN, on_call, l, &e) < 0)
		log_error("%s: %s", kinds[l->which].name, e.msg);
}

static void
end_role(struct line *l)
{
	if (l->control < 0)
		return;
	loop_unwatch(l->all->opt.m->loop, l->control);
	monitor_end(l->all->opt.m, &l->pid);
	base_close(&l->control);
}

static void
lose(struct line *l)
{
	end_role(l);
	drain(l->ours);
	l->all->opt.lost(l->all->opt.arg, l->which);
	wait_for_call(l);
}

/* Roles say nothing on it of themselves: this is the end. */
static void
on_control(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	struct line *l = arg;

	note_death(l);
	lose(l);
}

static int
start(struct line *l, struct err *e)
{
	struct monitor *m = l->all->opt.m;
	int own[2] = { -1, l->ours }, rc = 0;

	if (kinds[l->which].prepare != NULL)
		rc = kinds[l->which].prepare(l->all->config, e);
	if (rc == 0)
		rc = monitor_start(m, kinds[l->which].role, kinds[l->which].pull_fd ? own : own + 1,
		    kinds[l->which].pull_fd ? 2 : 1, &l->control, &l->pid, e);
	if (rc == 0)
		rc = kinds[l->which].set_up(l->all->config, l->control, e);
	return rc < 0 ? rc : loop_watch(m->loop, l->control, POLLIN, on_control, l, e);
}

static void
on_call(void *arg, int fd, maybe_unused short revents)
{
	struct line *l = arg;
	struct err e = { 0 };

	loop_unwatch(l->all->opt.m->loop, fd);
	if (deaths_too_many(&l->deaths)) {
		lose(l);
		return;
	}
	if (start(l, &e) < 0) {
		log_error("%s: %s (%s)", kinds[l->which].name, e.msg, err_name(e.code));
		lose(l);
	}
}

/* --- the whole */

static int
make_pair(struct line *l, struct err *e)
{
	int pair[2], rc = msg_pair(pair, e);

	if (rc < 0)
		return rc;
	l->theirs = pair[0];
	l->ours = pair[1];
	return loop_watch(l->all->opt.m->loop, l->ours, POLLIN, on_call, l, e);
}

static void
close_line(struct line *l)
{
	end_role(l);
	if (l->ours >= 0)
		loop_unwatch(l->all->opt.m->loop, l->ours);
	base_close(&l->ours);
	base_close(&l->theirs);
}

int
backends_renew(struct backends *b, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < BACKEND_COUNT && rc == 0; i++) {
		close_line(&b->line[i]);
		if (is_role(&b->line[i]))
			rc = make_pair(&b->line[i], e);
	}
	return rc;
}

int
backends_new(const struct backends_options *opt, struct backends **out, struct err *e)
{
	struct backends *b = sys_alloc(sizeof(*b));

	if (b == NULL)
		return err_set(e, ERR_NOMEM, "backends");
	b->opt = *opt;
	for (size_t i = 0; i < BACKEND_COUNT; i++)
		b->line[i] = (struct line){ .all = b, .which = (enum backend)i, .theirs = -1, .ours = -1, .control = -1 };
	*out = b;
	return backends_renew(b, e);
}

void
backends_free(struct backends *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < BACKEND_COUNT; i++)
		close_line(&b->line[i]);
	sys_free(b);
}

int
backends_rpc_end(const struct backends *b, enum backend which)
{
	return b->line[which].theirs;
}

void
backends_settings(struct backends *b, const struct config *c)
{
	b->config = c;
	for (size_t i = 0; i < BACKEND_COUNT; i++)
		if (b->line[i].control >= 0)
			lose(&b->line[i]);
}

void
backends_kill(struct backends *b, enum backend which)
{
	struct line *l = &b->line[which];

	if (l->control < 0)
		return;
	log_error("%s: has not answered in time and is ended", kinds[which].name);
	note_death(l);
	lose(l);
}

int
backends_status(const struct backends *b, struct buf *out, struct err *e)
{
	int rc = 0;

	for (size_t i = 0, n = 0; i < BACKEND_COUNT && rc == 0; i++) {
		const struct line *l = &b->line[i];

		if (is_role(l))
			rc = buf_addf(out, e, "%s{\"name\":\"%s\",\"pid\":%d,\"deaths\":%u,\"down\":%s}", n++ > 0 ? "," : "",
			    kinds[i].name, l->control >= 0 ? (int)l->pid : 0, l->deaths.n, deaths_too_many(&l->deaths) ? "true" : "false");
	}
	return rc;
}
