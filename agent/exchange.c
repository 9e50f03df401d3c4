/*
 * exchange.c: the steps of a GET. An attempt asks, answers a 401, buys a token, follows redirects by hand, so that
 * credentials stay at home and https stays https. What was lost on the way is asked for again from
 * where it broke off; what will not be had at one place is looked for at the next one.
 */
#include "lib/base.h"

#include "agent/exchange.h"

#include "agent/outlet.h"
#include "agent/redirect.h"
#include "agent/retry.h"
#include "lib/log.h"
#include "lib/sys.h"

#define PROGRESS_EVERY_MS	100

enum step { STEP_ASK, STEP_TOKEN };

/* What an error says about the next attempt. */
enum fault {
	FAULT_FINAL,	/* it would end the same way */
	FAULT_BUSY,	/* later */
	FAULT_BROKEN,	/* only the connection was lost: at once, the first time */
};

struct exchange {
	struct exchange			*next;
	struct client			*client;
	struct exchange_request		 req;
	const struct exchange_events	*events;
	struct registry_place		 places[REGISTRY_MAX_PLACES];	/* in the order to be tried */
	size_t				 nplaces, at;
	struct retry			 retry;		/* at this place */
	struct err			 last;		/* why the last attempt failed */
	struct err			 before;	/* what the places before this one said */
	/* This attempt */
	enum step			 step;
	bool				 plain;		/* plain http allowed for this place */
	bool				 at_home;	/* this request goes to the registry itself */
	enum fault			 fault;		/* of the error that ends this attempt */
	unsigned			 redirects;
	struct login			 login;
	struct transfer			 transfer;
	struct buf			 url;
	struct buf			 small;		/* error body or token answer */
	/* The body */
	struct outlet			 out;
	bool				 head_seen;	/* of this answer, if it is a good one */
	bool				 head_told;
	bool				 no_range;	/* ranges do not work there */
	bool				 fell_short;	/* a whole answer had less than there should be */
	bool				 over;		/* only the reader is waited for */
	uint64_t			 skip;		/* bytes of this answer that were passed on before */
	int64_t				 reported;
};

static void attempt(struct exchange *);

static void on_deadline(void *);
static void on_retry(void *);

static void
exchange_free(struct exchange *x)
{
	struct loop *loop = x->client->opt.http.loop;
	struct err ignored;

	(void)(loop_timer(loop, -1, on_deadline, x, &ignored) < 0);
	(void)(loop_timer(loop, -1, on_retry, x, &ignored) < 0);
	transfer_drop(&x->transfer);
	outlet_close(&x->out);
	login_fini(&x->login);
	buf_free(&x->url);
	buf_free(&x->small);
	sys_free(x);
}

void
exchange_end_all(struct client *c)
{
	struct exchange *x, *next;

	for (x = c->list; x != NULL; x = next) {
		next = x->next;
		exchange_free(x);
	}
	c->list = NULL;
}

/* The last word about an exchange. */
static void
finish(struct exchange *x, const struct err *failed)
{
	for (struct exchange **p = &x->client->list; *p != NULL; p = &(*p)->next) {
		if (*p == x) {
			*p = x->next;
			break;
		}
	}
	outlet_close(&x->out);	/* the reader sees the end before the verdict */
	x->events->done(x->events->arg, x->req.id, failed);
	exchange_free(x);
}

static bool
is_size_known(const struct exchange *x)
{
	return x->req.size != EXCHANGE_SIZE_UNKNOWN;
}

/* Documents are passed on when they are whole; nobody could tell two halves of two documents apart. */
static bool
is_kept(const struct exchange *x)
{
	return x->req.what != GET_BLOB;
}

/* --- the body */

static void
report(struct exchange *x)
{
	int64_t now = sys_now_ms();

	/* Of what is kept, nobody hears before its head: the reader of a document waits for nothing else. */
	if (is_kept(x) || now - x->reported < PROGRESS_EVERY_MS)
		return;
	x->reported = now;
	x->events->progress(x->events->arg, x->req.id, x->out.taken - x->out.left.len);
}

static bool
is_good(const struct exchange *x)
{
	unsigned status = x->transfer.head.status;

	return x->step == STEP_ASK && (status == 200 || (status == 206 && x->out.taken > 0));
}

/* Is this answer the part that was asked for, exactly? */
static bool
fits(const struct exchange *x)
{
	const struct http_head *h = &x->transfer.head;

	return h->has_range && h->range_first == x->out.taken &&
	    (h->range_total == 0 || !is_size_known(x) || h->range_total == x->req.size);
}

/* The good answer's head: what of its body is new? */
static int
take_head(struct exchange *x, struct err *e)
{
	if (x->head_seen)
		return 0;
	x->head_seen = true;
	x->skip = 0;
	if (x->transfer.head.status == 200) {
		x->skip = x->out.taken;
	} else if (!fits(x)) {
		x->no_range = true;
		x->fault = FAULT_BUSY;
		return err_set(e, ERR_REGISTRY, "%s: another range than the one asked for",
		    x->places[x->at].ref.domain);
	}
	if (!x->head_told && !is_kept(x)) {
		x->head_told = true;
		x->events->head(x->events->arg, x->req.id, &x->transfer.head);
	}
	return 0;
}

static ssize_t
pass_body(struct exchange *x, struct span bytes)
{
	struct err *e = &x->transfer.err;
	struct span known;
	size_t n = bytes.len;

	if (take_head(x, e) < 0)
		return TRANSFER_FAILED;
	if (span_take(&bytes, (size_t)MIN(x->skip, n), &known))
		x->skip -= known.len;
	if (bytes.len > x->req.max - x->out.taken) {
		err_set(e, ERR_LIMIT, "%s: more than %" PRIu64 " bytes", buf_str(&x->url), x->req.max);
		return TRANSFER_FAILED;
	}
	if ((is_kept(x) ? outlet_keep(&x->out, bytes, e) : outlet_write(&x->out, bytes, e)) < 0)
		return TRANSFER_FAILED;
	report(x);
	return x->out.waiting ? TRANSFER_PAUSE : (ssize_t)n;
}

/* An error's text or a token. What goes past the limit of an error's text ends the transfer. */
static ssize_t
keep_small(struct exchange *x, struct span bytes)
{
	struct err *e = &x->transfer.err;

	if (x->step == STEP_TOKEN && bytes.len > LIMIT_TOKEN - x->small.len) {
		err_set(e, ERR_LIMIT, "more than %zu bytes", LIMIT_TOKEN);
		return TRANSFER_FAILED;
	}
	if (x->step != STEP_TOKEN && bytes.len > LIMIT_ERROR_BODY - x->small.len)
		return TRANSFER_ENOUGH;
	return buf_add_span(&x->small, bytes, e) < 0 ? TRANSFER_FAILED : (ssize_t)bytes.len;
}

static ssize_t
on_body(void *arg, const uint8_t *p, size_t n)
{
	struct exchange *x = arg;
	struct span bytes = { p, n };

	return is_good(x) ? pass_body(x, bytes) : keep_small(x, bytes);
}

static void
on_room(void *arg, const struct err *failed)
{
	struct exchange *x = arg;

	if (failed != NULL) {
		struct err e = *failed;

		finish(x, &e);
		return;
	}
	report(x);
	if (x->over)
		finish(x, NULL);
	else
		transfer_resume(&x->transfer);
}

/* --- the requests of an attempt */

static int
request_url(struct exchange *x, struct err *e)
{
	const struct image_ref *ref = &x->places[x->at].ref;
	struct digest d;
	int rc;

	buf_reset(&x->url);
	if (x->req.what == GET_URL)
		return buf_add_str(&x->url, x->req.wanted, e);
	if (x->req.what == GET_MANIFEST)
		return registry_manifest_url(ref, x->req.wanted, x->plain, &x->url, e);
	rc = digest_parse(span_str(x->req.wanted), &d, e);
	if (rc < 0)
		return rc;
	return x->req.what == GET_BLOB ? registry_blob_url(ref, &d, x->plain, &x->url, e) :
	    registry_referrers_url(ref, &d, x->plain, &x->url, e);
}

/* Asks for x->url, or for a token where one is to be bought. */
static int
ask(struct exchange *x, enum step step, struct err *e)
{
	bool asking = step == STEP_ASK;
	struct transfer_request r = {
		.url = buf_str(asking ? &x->url : &x->login.token_url),
		.plain = x->plain,
		.accept = asking && (x->req.what == GET_MANIFEST || x->req.what == GET_REFERRERS) ?
		    REGISTRY_ACCEPT : NULL,
		.authorization = !asking || x->at_home ? &x->login.authorization : NULL,
		.form = !asking && x->login.form.len > 0 ? &x->login.form : NULL,
		.from = asking && !x->no_range ? x->out.taken : 0,
		.fresh = x->retry.attempts > 0,	/* who knows what is left on the old one */
	};

	x->step = step;
	x->head_seen = false;
	buf_reset(&x->small);
	return transfer_start(&x->transfer, &r, e);
}

/* The registry's own words; some faults pass. */
static int
refused(struct exchange *x, const struct buf *url, struct err *e)
{
	unsigned status = x->transfer.head.status;

	x->fault = retry_status(status) ? FAULT_BUSY : FAULT_FINAL;
	return registry_error(status, buf_span(&x->small), buf_str(url), e);
}

static int
answer_challenge(struct exchange *x, struct err *e)
{
	enum login_step step = LOGIN_REFUSED;
	int rc = 0;

	if (x->at_home)		/* nobody else's challenge is answered */
		rc = login_answer(&x->login, buf_span(&x->transfer.head.challenges), &step, e);
	if (rc < 0)
		return rc;
	if (step == LOGIN_REFUSED)
		return refused(x, &x->url, e);
	return ask(x, step == LOGIN_BUY ? STEP_TOKEN : STEP_ASK, e);
}

static int
take_token(struct exchange *x, struct err *e)
{
	int rc;

	if (x->transfer.head.status != 200)
		return refused(x, &x->login.token_url, e);
	rc = login_take_token(&x->login, buf_span(&x->small), e);
	return rc < 0 ? rc : ask(x, STEP_ASK, e);
}

static int
follow(struct exchange *x, struct err *e)
{
	autobuf to = BUF(LIMIT_URL);
	bool same_place;
	int rc;

	if (++x->redirects > LIMIT_REDIRECTS)
		return err_set(e, ERR_REGISTRY, "more than %d redirects", LIMIT_REDIRECTS);
	rc = redirect_resolve(buf_str(&x->url), x->transfer.head.location, &to, &same_place, e);
	if (rc < 0)
		return rc;
	x->at_home &= same_place;	/* who has left does not come home */
	buf_move(&x->url, &to);
	return ask(x, STEP_ASK, e);
}

/* A whole answer that is less than the manifest promises: again once, since a line may be cut so that nobody sees it. */
static int
too_short(struct exchange *x, struct err *e)
{
	x->fault = x->fell_short ? FAULT_FINAL : FAULT_BROKEN;
	x->fell_short = true;
	return err_set(e, ERR_DIGEST, "%s: %" PRIu64 " of %" PRIu64 " bytes are all it has",
	    buf_str(&x->url), x->out.taken, x->req.size);
}

/* A good answer has ended well: 1 when that was all. */
static int
body_ended(struct exchange *x, struct err *e)
{
	int rc = take_head(x, e);	/* an empty body had none taken yet */

	if (rc < 0)
		return rc;
	if (x->skip > 0 || (is_size_known(x) && x->out.taken < x->req.size))
		return too_short(x, e);
	if (!is_kept(x))
		return 1;
	x->events->head(x->events->arg, x->req.id, &x->transfer.head);
	rc = outlet_flush(&x->out, e);
	return rc < 0 ? rc : 1;
}

/* 416: there is nothing from there on. Without a range it will be seen what there is. */
static int
range_refused(struct exchange *x, struct err *e)
{
	int rc = refused(x, &x->url, e);

	x->no_range = true;
	x->fault = FAULT_BUSY;
	return rc;
}

/* An answer has come: what next? 0: another request was begun; 1: all is here; -err. */
static int
next_step(struct exchange *x, struct err *e)
{
	unsigned status = x->transfer.head.status;

	if (x->step == STEP_TOKEN) {
		int rc = take_token(x, e);

		return rc < 0 ? err_wrap(e, "token") : 0;
	}
	if (is_good(x))
		return body_ended(x, e);
	switch (status) {
	case 401:
		return answer_challenge(x, e);
	case 416:
		return x->out.taken > 0 && !x->no_range ? range_refused(x, e) : refused(x, &x->url, e);
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return follow(x, e);
	default:
		return refused(x, &x->url, e);
	}
}

/* --- attempts */

/* Without this the first place would be asked for every blob of an image that it does not have. */
static void
remember_place(struct exchange *x)
{
	struct client *c = x->client;

	if (x->req.what != GET_MANIFEST)
		return;
	snprintf(c->found, sizeof(c->found), "%s/%s", x->req.ref.domain, x->req.ref.path);
	c->found_at = x->at;
}

static void
succeed(struct exchange *x)
{
	transfer_drop(&x->transfer);
	remember_place(x);
	x->over = true;
	if (!x->out.waiting)
		finish(x, NULL);
}

/* Errors that are ours, or the user's: no other place would help. */
static bool
is_ours(const struct err *e)
{
	return e->code == ERR_CANCELLED || e->code == ERR_NOMEM || e->code == ERR_CONFIG ||
	    e->code == ERR_BUG || e->code == ERR_SYS;
}

/* Later at the same place: true if so. */
static bool
try_again(struct exchange *x, const struct err *why)
{
	uint64_t asked;
	bool broken = x->fault == FAULT_BROKEN;
	bool said = !broken && http_head_wait(&x->transfer.head, &asked);
	int64_t ms = retry_after(&x->retry, x->out.taken, broken, said ? &asked : NULL);
	struct err ignored;

	if (ms < 0 || loop_timer(x->client->opt.http.loop, ms, on_retry, x, &ignored) < 0)
		return false;
	x->last = *why;
	log_warning("%s; attempt %u in %" PRId64 ".%" PRId64 " s", why->msg, x->retry.attempts + 1,
	    ms / 1000, ms % 1000 / 100);
	return true;
}

static bool
try_elsewhere(struct exchange *x, const struct err *why)
{
	struct err all;

	if (x->at + 1 >= x->nplaces || is_ours(why))
		return false;
	log_warning("%s; trying %s", why->msg, x->places[x->at + 1].ref.domain);
	if (x->before.code == ERR_NONE)
		all = *why;
	else
		err_set(&all, why->code, "%.220s; %.220s", x->before.msg, why->msg);
	x->before = all;
	x->at++;
	x->retry = (struct retry){ 0 };
	x->no_range = x->fell_short = false;
	attempt(x);
	return true;
}

/* An attempt has failed. */
static void
fail(struct exchange *x, const struct err *why)
{
	struct err e = *why;

	if (is_kept(x) && !x->out.waiting)
		outlet_forget(&x->out);
	if (x->fault != FAULT_FINAL && try_again(x, why))
		return;
	if (x->retry.attempts > 1)
		err_wrap(&e, "after %u attempts", x->retry.attempts);
	if (try_elsewhere(x, &e))
		return;
	if (x->before.code != ERR_NONE)
		err_set(&e, e.code, "%.220s; %s", x->before.msg, e.msg);
	finish(x, &e);
}

/* All bytes are here, though the answer has promised more: the digest will say what they are worth. */
static bool
is_complete(const struct exchange *x)
{
	return is_good(x) && x->head_seen && is_size_known(x) && x->out.taken == x->req.size;
}

/* A transfer that did not end well. */
static int
lost(struct exchange *x, const struct err *failed, struct err *e)
{
	*e = *failed;
	if (e->code == ERR_NET || e->code == ERR_TIMEOUT)
		x->fault = FAULT_BROKEN;
	return x->step == STEP_TOKEN ? err_wrap(e, "token") : -(int)e->code;
}

static void
on_ended(void *arg, const struct err *failed)
{
	struct exchange *x = arg;
	struct err e = { 0 };
	int rc;

	if (failed == NULL)
		rc = next_step(x, &e);
	else
		rc = is_complete(x) ? 1 : lost(x, failed, &e);
	if (rc == 1)
		succeed(x);
	else if (rc < 0)
		fail(x, &e);
}

static void
on_retry(void *arg)
{
	attempt(arg);
}

static void
on_deadline(void *arg)
{
	struct exchange *x = arg;
	struct err e;

	client_too_late(x->client, x->places[x->at].ref.domain, &x->last, &e);
	finish(x, &e);
}

/* Begins at the registry itself each time: where it sent us before may have been for one use. */
static void
attempt(struct exchange *x)
{
	const struct registry_place *place = &x->places[x->at];
	struct err e = { 0 };
	int rc;

	x->plain = client_is_plain(x->client, place);
	x->at_home = x->req.what != GET_URL;
	x->fault = FAULT_FINAL;
	x->redirects = 0;
	rc = request_url(x, &e);
	if (rc == 0)
		rc = login_begin(&x->login, &place->ref, x->plain, &e);
	if (rc == 0)
		rc = ask(x, STEP_ASK, &e);
	if (rc < 0)
		fail(x, &e);
}

/* The place that had the manifest first, then the others in their order. */
static void
prefer_found(struct exchange *x)
{
	const struct client *c = x->client;
	char name[sizeof(c->found)];
	struct registry_place place;

	snprintf(name, sizeof(name), "%s/%s", x->req.ref.domain, x->req.ref.path);
	if (x->req.what == GET_MANIFEST || strcmp(name, c->found) != 0 || c->found_at >= x->nplaces)
		return;
	place = x->places[c->found_at];
	memmove(x->places + 1, x->places, c->found_at * sizeof(place));
	x->places[0] = place;
}

/* Of a URL there is one place, its host; only that it may be spoken to without TLS is asked of it. */
static int
place_of_url(struct exchange *x, struct err *e)
{
	static const char scheme[] = "http://";
	struct registry_place *place = &x->places[0];
	const char *url = x->req.wanted;
	struct span host;

	x->nplaces = 1;
	*place = (struct registry_place){ .ref = x->req.ref };
	if (strncmp(url, "https://", strlen("https://")) == 0)
		return 0;
	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return err_set(e, ERR_CONFIG, "%.200s: neither https nor http", url);
	url += strlen(scheme);
	host = (struct span){ (const uint8_t *)url, strcspn(url, "/") };
	if (!span_to_cstr(host, place->ref.domain, sizeof(place->ref.domain)) || !client_is_plain(x->client, place))
		return err_set(e, ERR_CONFIG, "%.200s: plain http is for the host only that --tls-verify=false names",
		    x->req.wanted);
	return 0;
}

static int
set_up(struct exchange *x, int fd, struct err *e)
{
	struct client *c = x->client;
	int rc = outlet_open(&x->out, c->opt.http.loop, fd, e);

	x->out.room = on_room;
	x->out.arg = x;
	if (rc == 0 && x->req.what == GET_URL)
		rc = place_of_url(x, e);
	else if (rc == 0)
		rc = registries_places(c->opt.registries, &x->req.ref, x->places, &x->nplaces, e);
	if (rc < 0)
		return rc;
	prefer_found(x);
	if (c->deadline < 0)
		return 0;
	return loop_timer(c->opt.http.loop, MAX(c->deadline - sys_now_ms(), 0), on_deadline, x, e);
}

void
exchange_start(struct client *c, const struct exchange_request *req,
    const struct exchange_events *events)
{
	struct exchange *x = sys_alloc(sizeof(*x));
	struct err e = { 0 };
	int fd = req->fd;

	if (x == NULL) {
		err_set(&e, ERR_NOMEM, "http");
		base_close(&fd);
		events->done(events->arg, req->id, &e);
		return;
	}
	x->client = c;
	x->req = *req;
	x->events = events;
	x->url = (struct buf)BUF(LIMIT_URL);
	x->small = (struct buf)BUF(LIMIT_TOKEN);
	login_init(&x->login, &c->keys);
	transfer_init(&x->transfer, c->http);
	x->transfer.body = on_body;
	x->transfer.ended = on_ended;
	x->transfer.arg = x;
	x->next = c->list;
	c->list = x;
	if (set_up(x, fd, &e) < 0)
		finish(x, &e);
	else
		attempt(x);
}
