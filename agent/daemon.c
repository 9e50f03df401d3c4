/*
 * daemon.c: the agent. One process that starts the others, knows the names that were started and their sockets, and answers two
 * calls itself: for a pull, which is a process of its own, and for how things stand. It reads no caller's bytes: rpc does.
 */
#include "lib/base.h"

#include "agent/daemon.h"

#include <json-c/json.h>
#include <poll.h>

#include "agent/backends.h"
#include "agent/configjob.h"
#include "agent/pulls.h"
#include "agent/ready.h"
#include "lib/sys.h"
#include "lib/version.h"

#define NAMES_MAX	8	/* started at a time; the first is our own socket, the second who became the agent */

struct name {
	struct daemon	*d;
	struct handed	 handed;
	int		 conn;		/* the starter waits there; -1: it is ours */
	bool		 used, complete, served;
	unsigned	 awaited;	/* sockets that rpc has not taken yet */
	struct err	 failed;
};

struct daemon {
	const struct face_start	*start;
	struct handover		*meeting;
	struct monitor		 m;
	struct config		 config;
	struct backends		*backends;
	struct pulls		*pulls;
	struct name		 names[NAMES_MAX];
	int			 rpc;		/* its control socket; -1 */
	pid_t			 rpc_pid;
	struct deaths		 rpc_deaths;
	int			 ready;		/* of our own start */
	bool			 rpc_gone;	/* to be started anew by the main loop */
	struct err		 failed;	/* why it all ends */
};

/* --- names */

static uint32_t
owner_of(const struct daemon *d, const struct name *n)
{
	return (uint32_t)(n - d->names) + 1;
}

/* The first is our own socket, whichever name we were started by. */
static bool
is_hub(const struct name *n)
{
	return n != &n->d->names[0] && n->handed.program == PROGRAM_HUB;
}

static void
tell_rpc_closed(struct daemon *d, const struct name *n)
{
	struct err e = { 0 };
	automsg m;
	int rc;

	msg_init(&m, M_RPC_CLOSE, 0);
	rc = msg_put_u32(&m, owner_of(d, n), &e);
	if (rc == 0 && d->rpc >= 0)
		rc = msg_send(d->rpc, &m, 0, &e);
	if (rc < 0)
		log_error("rpc: %s", e.msg);
}

static void
forget_name(struct name *n)
{
	if (n->conn >= 0)
		loop_unwatch(n->d->m.loop, n->conn);
	base_close(&n->conn);
	handed_close(&n->handed);
	*n = (struct name){ .d = n->d, .conn = -1 };
}

/* The starter has died, or was told to end. */
static void
end_name(struct name *n)
{
	if (n->served)
		log_info("%s (process %d) has ended", program_name(n->handed.program), (int)n->handed.pid);
	tell_rpc_closed(n->d, n);
	forget_name(n);
}

/* All of its sockets are served, or it failed. */
static void
conclude(struct name *n)
{
	struct daemon *d = n->d;
	struct err e = { 0 };

	n->served = n->failed.code == ERR_NONE;
	if (n->conn >= 0 && handover_answer(n->conn, n->served ? NULL : &n->failed, &e) < 0)
		log_error("%s: %s", program_name(n->handed.program), e.msg);
	/* Not before its socket is served: a slow broker must not hold up kata-agent's start. */
	if (n->served && is_hub(n) && config_get(&d->config, SET_KBC_CREDENTIALS)[0] != '\0')
		pulls_credentials(d->pulls);
	if (n->conn < 0 && n->served && n == &d->names[1] && ready_tell(&d->ready, &e) < 0)
		log_error("%s", e.msg);
	if (n->conn < 0 && !n->served) {
		d->failed = n->failed;
		loop_stop(d->m.loop);
	} else if (!n->served) {
		end_name(n);
	}
}

static int
send_listener(struct daemon *d, const struct name *n, const struct handed_listen *l, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_RPC_LISTEN, owner_of(d, n));
	rc = msg_put_u8(&m, (uint8_t)l->transport, e);
	if (rc == 0)
		rc = msg_put_u8(&m, (uint8_t)l->face, e);
	if (rc == 0)
		rc = msg_put_u32(&m, owner_of(d, n), e);
	msg_put_fd(&m, l->fd);
	return rc < 0 ? rc : msg_send(d->rpc, &m, -1, e);
}

static int
give_listeners(struct daemon *d, struct name *n, struct err *e)
{
	int rc = 0;

	n->awaited = (unsigned)n->handed.n;
	for (size_t i = 0; i < n->handed.n && rc == 0; i++)
		rc = send_listener(d, n, &n->handed.listen[i], e);
	return rc;
}

/* --- settings */

static int
note_source(const struct name *n, const char **path, struct err *e)
{
	if (n->handed.config[0] == '\0')
		return 0;
	if (*path != NULL && strcmp(*path, n->handed.config) != 0)
		return err_set(e, ERR_CONFIG, "%s: was started before with the settings of %s",
		    program_name(n->handed.program), *path);
	*path = n->handed.config;
	return 0;
}

static void
log_warnings(const struct config *c)
{
	struct span rest = buf_span(&c->warnings), line;

	while (span_split(&rest, '\n', &line))
		if (line.len > 0)
			log_warning("%.*s", (int)line.len, (const char *)line.p);
}

static int
tell_rpc_settings(struct daemon *d, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_RPC_SETUP, 0);
	rc = msg_put_str(&m, config_get(&d->config, SET_VSOCK_HOST_METHODS), e);
	if (rc == 0)
		rc = msg_put_u8(&m, log_current() >= LOG_INFO, e);
	return rc < 0 ? rc : msg_send(d->rpc, &m, -1, e);
}

static int
same_settings(const struct config *a, const struct config *b, bool *same, struct err *e)
{
	autobuf one = BUF(CONFIG_FORMATTED), other = BUF(CONFIG_FORMATTED);
	int rc = config_format(a, &one, e);

	if (rc == 0)
		rc = config_format(b, &other, e);
	*same = rc == 0 && span_eq(buf_span(&one), buf_span(&other));
	return rc;
}

static void
keep_path(const char **path, char copy[PATH_MAX])
{
	if (*path != NULL) {
		snprintf(copy, PATH_MAX, "%s", *path);
		*path = copy;
	}
}

/* Names may end while it is read: the paths are copies. */
static int
read_settings(struct daemon *d, struct config *out, struct err *e)
{
	struct config_source from = { .own = d->start->own_config, .cmdline = d->start->cmdline };
	char agent[PATH_MAX], hub[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; i < NAMES_MAX && rc == 0; i++) {
		const struct name *n = &d->names[i];

		if (n->used && n->complete && n->handed.program != PROGRAM_REST)
			rc = note_source(n, n->handed.program == PROGRAM_HUB ? &from.hub : &from.agent, e);
	}
	keep_path(&from.agent, agent);
	keep_path(&from.hub, hub);
	return rc < 0 ? rc : configjob_read(&d->m, &from, out, e);
}

static void
set_log_level(const struct daemon *d)
{
	enum log_level level;

	if (!d->start->log_named && log_level_parse(config_get(&d->config, SET_LOG_LEVEL), &level))
		log_init(2, program_name(d->start->program), level, false);
}

/* All files anew, with those of whoever has just been started. */
static int
load_settings(struct daemon *d, struct err *e)
{
	struct config fresh;
	bool same = false;
	int rc;

	config_init(&fresh);
	rc = read_settings(d, &fresh, e);
	if (rc == 0)
		rc = same_settings(&d->config, &fresh, &same, e);
	if (rc < 0 || same) {
		config_fini(&fresh);
		return rc;
	}
	config_fini(&d->config);
	d->config = fresh;
	set_log_level(d);
	log_warnings(&d->config);
	backends_settings(d->backends, &d->config);
	return d->rpc >= 0 ? tell_rpc_settings(d, e) : 0;
}

/* --- rpc: calls and answers */

static void
answer_failed(struct daemon *d, uint32_t call, const struct err *failed)
{
	struct err e = { 0 };

	if (d->rpc >= 0 && role_answer(d->rpc, M_CALL_DONE, call, failed, &e) < 0)
		log_error("rpc: %s", e.msg);
}

static int
send_answer(struct daemon *d, uint32_t call, struct span text, struct err *e)
{
	automsg m;
	int rc;

	if (d->rpc < 0)
		return 0;
	msg_init(&m, M_CALL_DONE, call);
	rc = msg_put_u8(&m, 0, e);
	if (rc == 0)
		rc = msg_put_bytes(&m, text, e);
	return rc < 0 ? rc : msg_send(d->rpc, &m, 0, e);
}

static void
on_pulled(void *arg, uint32_t call, const char *digest, const struct err *failed)
{
	struct daemon *d = arg;
	struct err e = { 0 };

	if (digest == NULL)
		answer_failed(d, call, failed);
	else if (send_answer(d, call, span_str(digest), &e) < 0)
		log_error("rpc: %s", e.msg);
}

static int
add_json_text(struct buf *out, const char *text, struct err *e)
{
	struct json_object *o = json_object_new_string(text);
	int rc = o == NULL ? err_set(e, ERR_NOMEM, "status") :
	    buf_add_str(out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE), e);

	json_object_put(o);
	return rc;
}

static int
add_names(const struct daemon *d, struct buf *out, struct err *e)
{
	int rc = 0;

	for (size_t i = 0, shown = 0; i < NAMES_MAX && rc == 0; i++) {
		const struct name *n = &d->names[i];

		if (!n->served || i == 0)
			continue;
		rc = buf_addf(out, e, "%s{\"name\":\"%s\",\"pid\":%d,\"sockets\":[", shown++ > 0 ? "," : "",
		    program_name(n->handed.program), (int)n->handed.pid);
		for (size_t k = 0; k < n->handed.n && rc == 0; k++) {
			rc = buf_add_str(out, k > 0 ? "," : "", e);
			if (rc == 0)
				rc = add_json_text(out, n->handed.listen[k].text, e);
		}
		if (rc == 0)
			rc = buf_add_str(out, "]}", e);
	}
	return rc;
}

static int
make_status(const struct daemon *d, struct buf *out, struct err *e)
{
	int rc = buf_addf(out, e, "{\"version\":\"%s\",\"pid\":%d,\"mode\":\"%s\",\"names\":[", version_text, (int)getpid(),
	    d->m.root_mode ? "root" : "user");

	if (rc == 0)
		rc = add_names(d, out, e);
	if (rc == 0)
		rc = buf_addf(out, e, "],\"roles\":[{\"name\":\"rpc\",\"pid\":%d},", (int)d->rpc_pid);
	if (rc == 0)
		rc = backends_status(d->backends, out, e);
	if (rc == 0)
		rc = buf_add_str(out, "],\"pulls\":[", e);
	if (rc == 0)
		rc = pulls_status(d->pulls, out, e);
	return rc < 0 ? rc : buf_add_str(out, "]}", e);
}

static void
answer_status(struct daemon *d, uint32_t call)
{
	autobuf text = BUF(KIB(60));
	struct err e = { 0 };
	int rc = make_status(d, &text, &e);

	if (rc == 0)
		rc = send_answer(d, call, buf_span(&text), &e);
	if (rc < 0)
		answer_failed(d, call, &e);
}

static int
take_call(struct daemon *d, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char image[LIMIT_REFERENCE + 32], bundle[PATH_MAX];

	switch (msg_get_u8(&r)) {
	case CALL_STATUS:
		if (!msg_get_end(&r))
			break;
		answer_status(d, m->id);
		return 0;
	case CALL_PULL:
		msg_get_str(&r, image, sizeof(image));
		msg_get_str(&r, bundle, sizeof(bundle));
		if (!msg_get_end(&r))
			break;
		pulls_ask(d->pulls, m->id, image, bundle);
		return 0;
	default:
		break;
	}
	return err_set(e, ERR_PROTO, "call that cannot be read");
}

static int
take_done(struct daemon *d, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	struct err failed = { 0 };
	struct name *n;
	int rc = role_verdict(&r, &failed);

	if (m->id > NAMES_MAX || (rc == 0 && !msg_get_end(&r)))
		return err_set(e, ERR_PROTO, "answer that cannot be read");
	if (m->id == 0) {	/* of settings, or of what was closed */
		*e = failed;
		return rc;
	}
	n = &d->names[m->id - 1];
	if (!n->used || n->awaited == 0)
		return 0;	/* it has ended meanwhile */
	if (rc < 0)
		n->failed = failed;
	if (--n->awaited == 0 && !n->served)
		conclude(n);
	return 0;
}

static int
from_rpc(struct daemon *d, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t number;

	if (m->type == M_CALL)
		return take_call(d, m, e);
	if (m->type == M_RPC_DONE)
		return take_done(d, m, e);
	number = msg_get_u8(&r);
	if (!msg_get_end(&r) || (m->type == M_RPC_STUCK && number >= BACKEND_COUNT))
		return err_set(e, ERR_PROTO, "message that cannot be read");
	if (m->type == M_RPC_STUCK)
		backends_kill(d->backends, (enum backend)number);
	else
		pulls_left(d->pulls, m->id, number != 0);
	return 0;
}

static void
on_rpc(void *arg, int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CALL, .max_len = PATH_MAX + KIB(1) },
		{ .type = M_CALL_LEFT, .max_len = 1 },
		{ .type = M_RPC_DONE, .max_len = KIB(1) },
		{ .type = M_RPC_STUCK, .max_len = 1 },
		{ 0 },
	};
	struct daemon *d = arg;
	struct err e = { 0 };
	automsg m;
	int rc = msg_recv(fd, rules, 0, &m, &e);

	if (rc == -ERR_TIMEOUT)
		return;
	if (rc > 0)
		rc = from_rpc(d, &m, &e);
	else if (rc == 0)
		rc = err_set(&e, ERR_CRASH, "it has died");
	if (rc == 0)
		return;
	log_error("rpc: %s: all connections are gone; it is started anew", e.msg);
	loop_unwatch(d->m.loop, fd);
	d->rpc_gone = true;
	loop_stop(d->m.loop);
}

static void
on_lost(void *arg, enum backend which)
{
	struct daemon *d = arg;
	struct err e = { 0 };
	automsg m;
	int rc;

	if (d->rpc < 0)
		return;
	msg_init(&m, M_RPC_LOST, 0);
	rc = msg_put_u8(&m, (uint8_t)which, &e);
	if (rc == 0)
		rc = msg_send(d->rpc, &m, 0, &e);
	if (rc < 0)
		log_error("rpc: %s", e.msg);
}

static int
start_rpc(struct daemon *d, struct err *e)
{
	int own[] = { backends_rpc_end(d->backends, BACKEND_KEY), backends_rpc_end(d->backends, BACKEND_TEE) };
	int rc = monitor_start(&d->m, ROLE_RPC, own, ARRAY_LEN(own), &d->rpc, &d->rpc_pid, e);

	if (rc == 0)
		rc = tell_rpc_settings(d, e);
	if (rc == 0)
		rc = loop_watch(d->m.loop, d->rpc, POLLIN, on_rpc, d, e);
	for (size_t i = 0; i < NAMES_MAX && rc == 0; i++) {
		d->names[i].awaited = 0;	/* the old one had not answered: the main loop begins again */
		if (d->names[i].served)
			rc = give_listeners(d, &d->names[i], e);
	}
	return rc;
}

/* Whoever was connected has lost his calls; who connects again is served. */
static int
restart_rpc(struct daemon *d, struct err *e)
{
	int rc;

	d->rpc_gone = false;
	monitor_end(&d->m, &d->rpc_pid);
	base_close(&d->rpc);
	pulls_left_all(d->pulls);
	deaths_note(&d->rpc_deaths);
	if (deaths_too_many(&d->rpc_deaths))	/* something is wrong that a new start does not mend */
		return err_set(e, ERR_CRASH, "rpc has died %d times within a minute", BACKENDS_DEATHS);
	rc = backends_renew(d->backends, e);
	return rc < 0 ? rc : start_rpc(d, e);
}

/* --- starters */

static void
on_starter(void *arg, int fd, maybe_unused short revents)
{
	struct name *n = arg;
	struct err e = { 0 };
	bool closed = false;
	int rc;

	if (n->complete) {	/* it has nothing more to say */
		end_name(n);
		return;
	}
	rc = handover_take(fd, &n->handed, &closed, &e);
	if (rc < 0)
		log_error("a starter: %s", e.msg);
	if (rc < 0 || closed) {
		forget_name(n);
	} else if (rc > 0) {
		n->complete = true;
		loop_stop(n->d->m.loop);
	}
}

static struct name *
free_name(struct daemon *d)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (!d->names[i].used)
			return &d->names[i];
	return NULL;
}

static void
on_knock(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	struct daemon *d = arg;
	struct name *n = free_name(d);
	struct err e = { 0 };
	pid_t pid = 0;
	int conn = handover_accept(d->meeting, &pid);

	if (conn < 0)
		return;
	if (n == NULL || loop_watch(d->m.loop, conn, POLLIN, on_starter, n, &e) < 0) {
		log_error("too many names have been started");
		close(conn);
		return;
	}
	*n = (struct name){ .d = d, .conn = conn, .used = true, .handed.pid = pid };
}

static int
watch_starters(struct daemon *d, struct err *e)
{
	int rc = loop_watch(d->m.loop, d->meeting->listener, POLLIN, on_knock, d, e);

	for (size_t i = 0; i < NAMES_MAX && rc == 0; i++)
		if (d->names[i].conn >= 0)
			rc = loop_watch(d->m.loop, d->names[i].conn, POLLIN, on_starter, &d->names[i], e);
	return rc;
}

static void
ignore_starters(struct daemon *d)
{
	loop_unwatch(d->m.loop, d->meeting->listener);
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (d->names[i].conn >= 0)
			loop_unwatch(d->m.loop, d->names[i].conn);
}

/* A socket that the hub's settings name, besides the one it was started with. */
static int
add_hub_socket(const struct daemon *d, struct handed *h, struct err *e)
{
	struct handed_listen *l = &h->listen[h->n];
	struct face_listen named = { .face = FACE_HUB };
	int rc;

	snprintf(named.text, sizeof(named.text), "unix://%s", config_get(&d->config, SET_HUB_SOCKET));
	if (d->config.v[SET_HUB_SOCKET].text == NULL || h->n == FACE_LISTEN || strcmp(named.text, h->listen[0].text) == 0)
		return 0;
	rc = address_parse(named.text, ADDRESS_PEERS, &named.address, e);
	if (rc == 0)
		rc = face_open(&named, e);
	if (rc < 0)
		return err_wrap(e, "%s", settings[SET_HUB_SOCKET].name);
	*l = (struct handed_listen){ .fd = rc, .transport = named.address.transport, .face = FACE_HUB,
	    .file = address_file(&named.address) };
	snprintf(l->text, sizeof(l->text), "%s", named.text);
	h->n++;
	return 0;
}

static void
begin_name(struct daemon *d, struct name *n)
{
	int rc = n->conn >= 0 ? load_settings(d, &n->failed) : 0;

	if (d->rpc_gone && rc == 0)
		return;		/* once more, when there is a new one */
	if (rc == 0 && is_hub(n))
		rc = add_hub_socket(d, &n->handed, &n->failed);
	if (rc == 0)
		rc = give_listeners(d, n, &n->failed);
	if (rc == 0 && n->handed.program == PROGRAM_REST)
		log_warning("api-server-rest: REST is not part of this version; nothing listens for it");
	if (rc < 0 || n->handed.n == 0)
		conclude(n);
}

/* Reading settings takes turns of the loop: what other starters do meanwhile waits for its own turn. */
static int
serve_name(struct daemon *d, struct name *n, struct err *e)
{
	ignore_starters(d);
	begin_name(d, n);
	return watch_starters(d, e);
}

/* --- the whole */

static struct name *
unserved(struct daemon *d)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct name *n = &d->names[i];

		if (n->used && n->complete && !n->served && n->awaited == 0 && n->failed.code == ERR_NONE)
			return n;
	}
	return NULL;
}

static int
serve(struct daemon *d, struct err *e)
{
	int rc = 0;

	while (rc == 0 && !d->m.interrupted && d->failed.code == ERR_NONE) {
		struct name *n = unserved(d);

		if (d->rpc_gone)
			rc = restart_rpc(d, e);
		else if (n != NULL)
			rc = serve_name(d, n, e);
		else
			rc = monitor_turn(&d->m, e);
		d->m.crash = (struct err){ 0 };
	}
	if (rc == 0 && d->failed.code != ERR_NONE) {
		*e = d->failed;
		rc = -(int)e->code;
	}
	return rc;
}

static int
start(struct daemon *d, struct err *e)
{
	const struct pulls_options pulls = { .m = &d->m, .config = &d->config, .done = on_pulled, .arg = d };
	const struct backends_options backends = { .m = &d->m, .lost = on_lost, .arg = d };
	int rc = monitor_open(&d->m, true, e);

	if (rc == 0)
		rc = backends_new(&backends, &d->backends, e);
	if (rc == 0) {
		backends_settings(d->backends, &d->config);
		rc = load_settings(d, e);
	}
	if (rc == 0)
		rc = pulls_new(&pulls, &d->pulls, e);
	if (rc == 0)
		rc = start_rpc(d, e);
	return rc < 0 ? rc : watch_starters(d, e);
}

/* The socket for aa-cli, where everything can be asked. */
static int
open_own(const struct face_start *f, struct name *n, struct err *e)
{
	struct face_start own = { .program = f->program, .n = 1, .listen = { { .face = FACE_OWN } } };
	int fds[FACE_LISTEN], rc;

	snprintf(own.listen[0].text, sizeof(own.listen[0].text), "unix://%s/" AGENT_SOCKET, f->run_dir);
	rc = address_parse(own.listen[0].text, ADDRESS_PEERS, &own.listen[0].address, e);
	if (rc == 0)
		rc = fds[0] = address_listen(&own.listen[0].address, e);
	if (rc >= 0)
		handover_own(&own, fds, &n->handed);
	return MIN(rc, 0);
}

int
daemon_run(const struct face_start *f, struct handover *meeting, const int fds[FACE_LISTEN], struct err *e)
{
	static struct daemon d;
	int rc;

	d = (struct daemon){ .start = f, .meeting = meeting, .rpc = -1, .ready = f->ready };
	config_init(&d.config);
	for (size_t i = 0; i < NAMES_MAX; i++)
		d.names[i] = (struct name){ .d = &d, .conn = -1 };
	d.names[0].used = d.names[1].used = d.names[0].complete = d.names[1].complete = true;
	handover_own(f, fds, &d.names[1].handed);
	rc = open_own(f, &d.names[0], e);
	if (rc == 0)
		rc = start(&d, e);
	if (rc == 0)
		rc = serve(&d, e);
	pulls_free(d.pulls);
	backends_free(d.backends);
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (rc == 0 && d.names[i].served && d.names[i].conn >= 0)
			handover_part(d.names[i].conn);
		forget_name(&d.names[i]);
	}
	base_close(&d.rpc);
	monitor_close(&d.m);
	config_fini(&d.config);
	return rc;
}
