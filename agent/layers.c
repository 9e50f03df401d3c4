/*
 * layers.c: a slot is a layer at work: net's exchange, crypt and unpack. One poll waits for
 * all of them. In a flat root layers are applied in order, the next one's bytes come meanwhile.
 */
#include "lib/base.h"

#include "agent/layers.h"

#include <poll.h>

#include "agent/roles.h"
#include "agent/store.h"
#include "image/ocicrypt.h"
#include "lib/codec.h"
#include "lib/sys.h"

#define GRACE_MS	3000	/* for the other parts of a layer, after one has failed */
#define AGAIN_MS	50	/* until asking anew for a layer that another pull makes */
#define FLAT_AT_ONCE	2	/* the one that is applied and the one whose bytes come */
#define MAX_AT_ONCE	16
#define MEMORY		MIB(128)	/* of all layers at work; one that takes more works alone */
#define MEMORY_LAYER	MIB(8)		/* of a pair, without zstd's window */

/* The parts of one layer's work, in the order in which a fault of one explains those of the next. */
enum { PART_NET, PART_CRYPT, PART_UNPACK, PARTS };

struct part {
	int		fd;	/* -1 of net: its words come by the common socket */
	bool		done;
	struct err	err;
};

struct slot {
	const struct layer_plan	*plan;		/* NULL: free */
	uint32_t		 get;		/* exchange of net; 0: none */
	int			 crypt, unpack;	/* control sockets */
	bool			 told;		/* unpack has its job */
	unsigned		 flags;		/* enum of agent/store.h, from unpack */
	int64_t			 deadline;	/* of a layer with a fault; -1: none */
	uint64_t		 bytes;
	enum stage		 stage;
	struct part		 parts[PARTS];
};

enum progress { WAITING, AT_WORK, FINISHED };

struct layers {
	const struct layers_request *req;
	struct slot		 slots[MAX_AT_ONCE];
	size_t			 at_once, ndone;
	bool			 overlay;
	bool			 flatten;	/* found out on the way: overlay would tell lies */
	int64_t			 ask_again;	/* when a layer was elsewhere; -1: none was */
	uint8_t			 state[LIMIT_LAYERS];		/* enum progress */
	uint16_t		 same_as[LIMIT_LAYERS];		/* the first layer of the same name */
	char			 names[LIMIT_LAYERS][65];	/* in the store */
};

static const char *const part_names[PARTS] = { "net", "crypt", "unpack" };

static const struct msg_rule crypt_rules[] = {
	{ .type = M_CRYPT_DONE, .max_len = KIB(1) }, { 0 },
};
static const struct msg_rule unpack_rules[] = {
	{ .type = M_UNPACK_DONE, .max_len = KIB(1) }, { 0 },
};

int
layers_store_name(const struct layers_request *req, const struct layer_plan *plan, char out[65],
    struct err *e)
{
	autobuf text = BUF(KIB(2));
	char key[2 * sizeof(plan->fingerprint) + 1] = "plain";
	uint8_t value[HASH_MAX];
	int rc;

	if (plan->layer->encrypted)
		hex_encode(plan->fingerprint, sizeof(plan->fingerprint), key);
	rc = buf_addf(&text, e, "cacao layer 1\n%s\n%s\n%s\ndevices %d owners %d\n",
	    plan->layer->desc.digest.text, plan->diff_id->text, key, req->devices, req->owners);
	if (rc == 0)
		rc = hash_once(HASH_SHA256, buf_span(&text), value, e);
	if (rc == 0)
		hex_encode(value, 32, out);
	return rc;
}

/* Sends to the monitor and takes its one answer, of which rules tell the kinds. */
static int
ask_monitor(const struct msg *ask, const struct msg_rule *rules, struct msg *answer, struct err *e)
{
	int rc = msg_send(FD_CONTROL, ask, -1, e);

	if (rc == 0)
		rc = msg_recv(FD_CONTROL, rules, -1, answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the monitor is gone");
	return rc < 0 ? rc : 0;
}

static int
put_plan(const struct layers *l, struct msg *m, struct err *e)
{
	int rc = msg_put_u32(m, (uint32_t)l->req->n, e);

	if (rc == 0)
		rc = msg_put_u8(m, l->req->flat, e);
	for (size_t i = 0; i < l->req->n && rc == 0; i++) {
		const struct layer *layer = l->req->plans[i].layer;

		rc = msg_put_str(m, l->names[i], e);
		if (rc == 0)
			rc = msg_put_u64(m, layer->desc.size, e);
		if (rc == 0)
			rc = msg_put_u8(m, layer->encrypted, e);
	}
	return rc;
}

static void tell(const struct layer_plan *, enum stage, uint64_t bytes);

/* How the monitor wants it, and which layers it has. */
static int
agree(struct layers *l, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_PLAN_DONE, .max_len = KIB(1) }, { 0 },
	};
	struct msg_reader r;
	struct span there;
	automsg ask, answer;
	uint32_t at_once;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&ask, M_PLAN, 0);
	rc = put_plan(l, &ask, e);
	if (rc == 0)
		rc = ask_monitor(&ask, rules, &answer, e);
	if (rc < 0)
		return rc;
	r = msg_reader(&answer);
	l->overlay = msg_get_u8(&r) != 0;
	at_once = msg_get_u32(&r);
	there = msg_get_bytes(&r, LIMIT_LAYERS);
	if (!msg_get_end(&r) || there.len != l->req->n || at_once == 0 || (l->req->flat && l->overlay))
		return err_set(e, ERR_PROTO, "plan");
	l->at_once = l->overlay ? MIN(at_once, MAX_AT_ONCE) : MIN(at_once, FLAT_AT_ONCE);
	l->ndone = 0;
	l->ask_again = -1;
	for (size_t i = 0; i < there.len; i++) {
		l->state[i] = there.p[i] ? FINISHED : WAITING;
		l->ndone += there.p[i] != 0;
		if (there.p[i])
			tell(&l->req->plans[i], STAGE_REUSED, 0);
	}
	return 0;
}

/* The next one counts as well: it never waits. */
static void
tell(const struct layer_plan *plan, enum stage stage, uint64_t bytes)
{
	struct err ignored;
	automsg m;

	msg_init(&m, M_PROGRESS, 0);
	if (msg_put_u32(&m, (uint32_t)plan->number, &ignored) == 0 &&
	    msg_put_u8(&m, (uint8_t)stage, &ignored) == 0 &&
	    msg_put_u64(&m, bytes, &ignored) == 0)
		(void)(msg_send(FD_CONTROL, &m, 0, &ignored) < 0);
}

static int
send_crypt_job(int crypt, const struct layer *l, int in, struct err *e)
{
	struct ocicrypt_public public;
	struct span hmac = { NULL, 0 };
	automsg m;
	int rc = 0;

	msg_init(&m, M_CRYPT_JOB, 0);
	if (l->encrypted) {
		rc = ocicrypt_layer_public(l, &public, e);
		hmac = (struct span){ public.hmac, sizeof(public.hmac) };
	}
	if (rc == 0)
		rc = msg_put_u8(&m, l->encrypted ? CRYPT_ENCRYPTED : 0, e);
	if (rc == 0)
		rc = msg_put_str(&m, l->desc.digest.text, e);
	if (rc == 0)
		rc = msg_put_u64(&m, l->desc.size, e);
	if (rc == 0)
		rc = msg_put_bytes(&m, hmac, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, in);
	return msg_send(crypt, &m, GRACE_MS, e);
}

static int
send_unpack_job(const struct layers *l, const struct slot *s, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_UNPACK_JOB, 0);
	rc = msg_put_u8(&m, (uint8_t)s->plan->layer->compression, e);
	if (rc == 0)
		rc = msg_put_str(&m, s->plan->diff_id->text, e);
	if (rc == 0)
		rc = msg_put_u8(&m, l->overlay || s->plan->number == 0, e);
	if (rc == 0)
		rc = msg_put_u8(&m, l->overlay, e);
	if (rc == 0)
		rc = msg_put_u8(&m, l->req->owners, e);
	if (rc == 0)
		rc = msg_put_u8(&m, (uint8_t)l->req->devices, e);
	if (rc == 0)
		rc = msg_put_u8(&m, l->req->window_log, e);
	return rc < 0 ? rc : msg_send(s->unpack, &m, GRACE_MS, e);
}

/* In a flat root a layer is applied when all below it are. */
static int
tell_unpack(const struct layers *l, struct slot *s, struct err *e)
{
	int rc;

	if (s->told || (!l->overlay && s->plan->number != l->ndone))
		return 0;
	rc = send_unpack_job(l, s, e);
	s->told = rc == 0;
	return rc;
}

static int
start_slot(struct layers *l, struct slot *s, const struct layer_plan *plan, const struct msg *pair,
    struct err *e)
{
	autoclose int blob = -1;
	int rc;

	*s = (struct slot){ .plan = plan, .deadline = -1, .stage = STAGE_FETCH };
	s->crypt = pair->fds[0];
	s->unpack = pair->fds[1];
	s->parts[PART_NET].fd = -1;
	s->parts[PART_CRYPT].fd = s->crypt;
	s->parts[PART_UNPACK].fd = s->unpack;
	rc = source_stream(l->req->source, l->req->ref, &plan->layer->desc.digest,
	    plan->layer->desc.size, &blob, &s->get, e);
	if (rc == 0)
		rc = send_crypt_job(s->crypt, plan->layer, blob, e);
	if (rc == 0)
		rc = tell_unpack(l, s, e);
	s->parts[PART_NET].done = s->get == 0;
	tell(plan, STAGE_FETCH, 0);
	return rc;
}

static void
close_slot(struct slot *s)
{
	if (s->plan == NULL)
		return;
	base_close(&s->crypt);
	base_close(&s->unpack);
	s->plan = NULL;
}

/* Layers of the same name are one: the others wait for the first of them. */
static void
finish_layer(struct layers *l, size_t number, enum stage how)
{
	for (size_t i = number; i < l->req->n; i++) {
		const struct layer_plan *plan = &l->req->plans[i];

		if (i != number && (!l->overlay || l->same_as[i] != number))
			continue;
		l->ndone += l->state[i] != FINISHED;
		l->state[i] = FINISHED;
		tell(plan, i == number ? how : STAGE_REUSED, plan->layer->desc.size);
	}
}

/* Asks the monitor for a pair. It may be that another pull is at this very layer, or has just made it. */
static int
start_layer(struct layers *l, struct slot *s, size_t i, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_LAYER_FDS, .fds = 2 },
		{ .type = M_LAYER_WAIT, .max_len = 1 },
		{ 0 },
	};
	struct msg_reader r;
	automsg ask, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&ask, M_LAYER, (uint32_t)i);
	rc = msg_put_u32(&ask, (uint32_t)i, e);
	if (rc == 0)
		rc = ask_monitor(&ask, rules, &answer, e);
	if (rc < 0)
		return rc;
	if (answer.type == M_LAYER_FDS) {
		l->state[i] = AT_WORK;
		rc = start_slot(l, s, &l->req->plans[i], &answer, e);
		answer.fds[0] = answer.fds[1] = -1;	/* the slot's now */
		return rc;
	}
	r = msg_reader(&answer);
	if (msg_get_u8(&r) != 0) {
		finish_layer(l, i, STAGE_REUSED);
		return 0;
	}
	tell(&l->req->plans[i], STAGE_ELSEWHERE, 0);
	l->ask_again = sys_now_ms() + AGAIN_MS;
	return 0;
}

static struct slot *
free_slot(struct layers *l)
{
	for (size_t i = 0; i < l->at_once; i++)
		if (l->slots[i].plan == NULL)
			return &l->slots[i];
	return NULL;
}

static size_t
memory_of(const struct layers *l, const struct layer_plan *plan)
{
	bool window = plan->layer->compression == COMPRESSION_ZSTD;

	return MEMORY_LAYER + (window ? (size_t)1 << l->req->window_log : 0);
}

static bool
has_memory(const struct layers *l, const struct layer_plan *plan)
{
	size_t used = 0;

	for (size_t i = 0; i < l->at_once; i++)
		if (l->slots[i].plan != NULL)
			used += memory_of(l, l->slots[i].plan);
	return used == 0 || used + memory_of(l, plan) <= MEMORY;
}

/* Fills the slots, from the bottom up. */
static int
start_more(struct layers *l, size_t *failed, struct err *e)
{
	bool elsewhere = l->ask_again >= 0 && sys_now_ms() < l->ask_again;
	struct slot *s;

	if (elsewhere)
		return 0;
	l->ask_again = -1;
	for (size_t i = 0; i < l->req->n && (s = free_slot(l)) != NULL; i++) {
		bool twin = l->overlay && l->same_as[i] != i;
		int rc;

		if (l->state[i] != WAITING || twin)
			continue;
		if (!has_memory(l, &l->req->plans[i]))
			break;
		rc = start_layer(l, s, i, e);
		if (rc < 0) {
			*failed = i;
			return rc;
		}
	}
	return 0;
}

/* What unpack says of a good layer. */
static void
note_result(struct slot *s, struct msg_reader *r)
{
	size_t number = s->plan->number + 1;
	char diff_id[160];

	msg_get_str(r, diff_id, sizeof(diff_id));
	(void)msg_get_u64(r);
	(void)msg_get_u64(r);
	if (msg_get_u64(r) > 0)
		log_warning("layer %zu: device nodes skipped", number);
	if (msg_get_u64(r) > 0)
		log_warning("layer %zu: extended attributes that this file system cannot hold are missing",
		    number);
	if (msg_get_u64(r) > 0)
		s->flags |= STORE_BASE;
	if (msg_get_u8(r))
		s->flags |= STORE_ROOT;
	if (msg_get_u8(r))
		log_warning("layer %zu: compressed otherwise than its media type says", number);
}

/* The verdict of a part. */
static void
end_part(struct part *part, const char *name, int rc, struct msg_reader *r, const struct err *e)
{
	part->done = true;
	part->err = *e;
	if (rc == 0)
		err_set(&part->err, ERR_CRASH, "the %s process died", name);
	else if (rc > 0)
		(void)(role_verdict(r, &part->err) < 0);
}

/* A word of crypt or unpack, which is its last. */
static void
hear(struct slot *s, int which)
{
	struct part *part = &s->parts[which];
	struct msg_reader r;
	struct err e = { 0 };
	automsg m;
	int rc = msg_recv(part->fd, which == PART_CRYPT ? crypt_rules : unpack_rules, 0, &m, &e);

	if (rc == -ERR_TIMEOUT)
		return;
	r = msg_reader(&m);
	end_part(part, part_names[which], rc, &r, &e);
	if (rc > 0 && which == PART_UNPACK && part->err.code == ERR_NONE)
		note_result(s, &r);
}

static void
hear_exchange(struct slot *s, struct msg *m)
{
	struct msg_reader r = msg_reader(m);
	struct err none = { 0 };

	if (m->type == M_GET_PROGRESS) {
		s->bytes = msg_get_u64(&r);
	} else if (m->type == M_GET_DONE) {
		end_part(&s->parts[PART_NET], part_names[PART_NET], 1, &r, &none);
		s->bytes = s->plan->layer->desc.size;
		s->stage = STAGE_UNPACK;
	}
	if (m->type != M_GET_HEAD)
		tell(s->plan, s->stage, s->bytes);
}

/* A word of net about one of its exchanges; its end is that of all. */
static void
hear_net(struct layers *l)
{
	struct err e = { 0 };
	automsg m;
	int rc = msg_recv(PULL_FD_NET, source_net_rules, 0, &m, &e);

	if (rc == -ERR_TIMEOUT)
		return;
	for (size_t i = 0; i < l->at_once; i++) {
		struct slot *s = &l->slots[i];

		if (s->plan == NULL || s->parts[PART_NET].done)
			continue;
		if (rc <= 0)
			end_part(&s->parts[PART_NET], part_names[PART_NET], rc, NULL, &e);
		else if (s->get == m.id)
			hear_exchange(s, &m);
	}
}

/*
 * Is there anything to wait for? A malformed archive may only be damaged bytes: then the digest's verdict
 * is worth the rest of the download. Any other fault ends the layer soon.
 */
static bool
is_settled(const struct slot *s)
{
	bool all = true;

	for (int i = 0; i < PARTS; i++)
		all &= s->parts[i].done;
	return all || (s->deadline >= 0 && sys_now_ms() >= s->deadline);
}

static void
set_deadline(struct slot *s)
{
	enum err_code unpack = s->parts[PART_UNPACK].err.code;
	bool soon = s->parts[PART_NET].err.code != ERR_NONE || s->parts[PART_CRYPT].err.code != ERR_NONE ||
	    (unpack != ERR_NONE && unpack != ERR_LAYER && unpack != ERR_DIGEST);

	if (soon && s->deadline < 0)
		s->deadline = sys_now_ms() + GRACE_MS;
}

/* The verdict of a layer: the first part whose fault is its own, not that its reader gave up. */
static int
judge(const struct slot *s, struct err *e)
{
	const struct err *other = NULL;

	for (int i = 0; i < PARTS; i++) {
		const struct part *part = &s->parts[i];

		if (part->err.code == ERR_NONE && part->done)
			continue;
		if (part->done && part->err.code != ERR_CANCELLED) {
			*e = part->err;
			return -(int)e->code;
		}
		other = &part->err;
	}
	if (other == NULL)
		return 0;
	return err_set(e, ERR_CRASH, "a part gave no verdict: %s", other->msg);
}

/* Every check has passed: the monitor gives the layer its name. */
static int
keep(struct layers *l, struct slot *s, struct err *e)
{
	static const struct msg_rule rules[] = { { .type = M_LAYER_KEPT }, { 0 } };
	size_t number = s->plan->number;
	automsg ask, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&ask, M_LAYER_END, (uint32_t)number);
	rc = msg_put_u32(&ask, (uint32_t)number, e);
	if (rc == 0)
		rc = msg_put_u8(&ask, (uint8_t)s->flags, e);
	if (rc == 0)
		rc = ask_monitor(&ask, rules, &answer, e);
	if (rc < 0)
		return rc;
	if (l->overlay && (s->flags & STORE_BASE) && number > 0) {
		log_info("layer %zu leaves the attributes of its directories to the layers below", number + 1);
		l->flatten = true;
	}
	finish_layer(l, number, STAGE_DONE);
	return 0;
}

/* Ends the layers that have their verdict: 1 when there was one, so that slots are free again. */
static int
settle(struct layers *l, size_t *failed, struct err *e)
{
	int some = 0;

	for (size_t i = 0; i < l->at_once; i++) {
		struct slot *s = &l->slots[i];
		int rc;

		if (s->plan == NULL)
			continue;
		set_deadline(s);
		*failed = s->plan->number;
		if (l->overlay && s->parts[PART_UNPACK].err.code == ERR_UNSUPPORTED) {
			/* If it was for another reason, it will be again. */
			log_info("layer %zu: %s", s->plan->number + 1, s->parts[PART_UNPACK].err.msg);
			l->flatten = true;
			return 0;
		}
		rc = tell_unpack(l, s, e);
		if (rc == 0 && !is_settled(s))
			continue;
		if (rc == 0)
			rc = judge(s, e);
		if (rc == 0)
			rc = keep(l, s, e);
		close_slot(s);
		if (rc < 0)
			return rc;
		some = 1;
	}
	return some;
}

/* Until the nearest deadline: milliseconds for poll, -1 for none. */
static int
patience(const struct layers *l)
{
	int64_t at = l->ask_again;

	for (size_t i = 0; i < l->at_once; i++)
		if (l->slots[i].plan != NULL && l->slots[i].deadline >= 0)
			at = at < 0 ? l->slots[i].deadline : MIN(at, l->slots[i].deadline);
	return at < 0 ? -1 : (int)MAX(at - sys_now_ms(), 0);
}

static int
hear_all(struct layers *l, struct err *e)
{
	struct pollfd fds[2 + 2 * MAX_AT_ONCE] = {
		{ .fd = FD_CONTROL }, { .fd = PULL_FD_NET, .events = POLLIN },
	};
	nfds_t n = 2 + 2 * l->at_once;
	bool net = false;

	for (size_t i = 0; i < l->at_once; i++) {
		net |= l->slots[i].plan != NULL && !l->slots[i].parts[PART_NET].done;
		for (int p = PART_CRYPT; p <= PART_UNPACK; p++) {
			const struct slot *s = &l->slots[i];
			bool open = s->plan != NULL && !s->parts[p].done;

			fds[2 + 2 * i + (p == PART_UNPACK)] =
			    (struct pollfd){ .fd = open ? s->parts[p].fd : -1, .events = POLLIN };
		}
	}
	if (!net)
		fds[1].fd = -1;		/* it may be dead, which matters to nobody now */
	if (poll(fds, n, patience(l)) < 0 && errno != EINTR)
		return err_sys(e, "poll");
	if (fds[0].revents != 0)
		return err_set(e, ERR_CANCELLED, "the monitor is gone");
	if (net && fds[1].revents != 0)
		hear_net(l);
	for (nfds_t i = 2; i < n; i++)
		if (fds[i].fd >= 0 && fds[i].revents != 0)
			hear(&l->slots[(i - 2) / 2], i % 2 == 0 ? PART_CRYPT : PART_UNPACK);
	return 0;
}

/* Layers side by side cannot make this image. */
static bool
is_lost(const struct layers *l)
{
	return l->flatten && l->overlay;
}

static int
work(struct layers *l, size_t *failed, struct err *e)
{
	while (l->ndone < l->req->n && !is_lost(l)) {
		int rc = start_more(l, failed, e);

		if (rc == 0)
			rc = settle(l, failed, e);
		if (rc < 0)
			return rc;
		*failed = l->req->n;
		if (rc > 0 || l->ndone == l->req->n || is_lost(l))
			continue;
		rc = hear_all(l, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
name_all(struct layers *l, size_t *failed, struct err *e)
{
	for (size_t i = 0; i < l->req->n; i++) {
		size_t first = 0;
		int rc = layers_store_name(l->req, &l->req->plans[i], l->names[i], e);

		if (rc < 0) {
			*failed = i;
			return rc;
		}
		while (strcmp(l->names[first], l->names[i]) != 0)
			first++;
		l->same_as[i] = (uint16_t)first;
	}
	return 0;
}

static int
run(struct layers *l, size_t *failed, struct err *e)
{
	int rc = name_all(l, failed, e);

	if (rc == 0)
		rc = agree(l, e);
	if (rc == 0)
		rc = work(l, failed, e);
	for (size_t i = 0; i < MAX_AT_ONCE; i++)
		close_slot(&l->slots[i]);
	return rc < 0 ? rc : is_lost(l);
}

int
layers_pull(const struct layers_request *req, size_t *failed, struct err *e)
{
	struct layers *l = sys_alloc(sizeof(*l));
	int rc;

	if (l == NULL)
		return err_set(e, ERR_NOMEM, "layers");
	assert(req->n <= LIMIT_LAYERS);
	l->req = req;
	*failed = req->n;
	rc = run(l, failed, e);
	sys_free(l);
	return rc;
}
