/*
 * upload.c: the requests of an upload. Credentials go to the registry's own host alone, redirects are followed by
 * hand, and a body that comes through a pipe is sent once: what was lost of it on the way is for others
 * to make again.
 */
#include "lib/base.h"

#include "agent/upload.h"

#include <fcntl.h>
#include <poll.h>

#include "agent/redirect.h"
#include "image/registry.h"
#include "lib/log.h"
#include "lib/sys.h"

#define OCTETS	"application/octet-stream"

/* What a job begins with, and what when something has failed: perhaps it was done nevertheless. */
static const struct {
	enum upload_request	first, again;
} jobs[JOB_COUNT] = {
	[JOB_FIND] = { UPLOAD_CHECK, UPLOAD_CHECK },
	[JOB_OPEN] = { UPLOAD_BEGIN, UPLOAD_BEGIN },
	[JOB_STREAM] = { UPLOAD_SEND, UPLOAD_BEGIN },
	[JOB_BYTES] = { UPLOAD_BEGIN, UPLOAD_CHECK },
	[JOB_CLOSE] = { UPLOAD_CLOSE, UPLOAD_CHECK },
	[JOB_MANIFEST] = { UPLOAD_NAME, UPLOAD_NAME },
};

static void begin_request(struct upload *, enum upload_request);
static void on_retry(void *);
static void on_deadline(void *);

static struct loop *
loop_of(const struct upload *u)
{
	return u->client->opt.http.loop;
}

static void
clear_timers(struct upload *u)
{
	struct err ignored;

	(void)(loop_timer(loop_of(u), -1, on_retry, u, &ignored) < 0);
	(void)(loop_timer(loop_of(u), -1, on_deadline, u, &ignored) < 0);
}

static void
close_source(struct upload *u)
{
	if (u->watched)
		loop_unwatch(loop_of(u), u->fd);
	u->watched = false;
	base_close(&u->fd);
}

/* The last word about a job. */
static void
finish(struct upload *u, const struct err *failed)
{
	clear_timers(u);
	transfer_drop(&u->transfer);
	close_source(u);
	u->ended(u->arg, failed);
}

/* --- what is sent */

static void
on_readable(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	struct upload *u = arg;

	loop_unwatch(loop_of(u), u->fd);
	u->watched = false;
	transfer_resume(&u->transfer);
}

static ssize_t
await_bytes(struct upload *u, struct err *e)
{
	if (loop_watch(loop_of(u), u->fd, POLLIN, on_readable, u, e) < 0)
		return TRANSFER_FAILED;
	u->watched = true;
	return TRANSFER_PAUSE;
}

static ssize_t
read_pipe(struct upload *u, uint8_t *out, size_t n, struct err *e)
{
	ssize_t got = sys_read(u->fd, out, n);

	if (got < 0 && errno == EAGAIN)
		return await_bytes(u, e);
	if (got < 0) {
		err_sys(e, "bytes to send");
		return TRANSFER_FAILED;
	}
	if (got == 0 && u->size != UPLOAD_SIZE_UNKNOWN) {
		err_set(e, ERR_CANCELLED, "the bytes to send end early");
		return TRANSFER_FAILED;
	}
	return got;
}

static ssize_t
give(void *arg, uint8_t *out, size_t n)
{
	struct upload *u = arg;
	size_t most = (size_t)MIN(u->size - u->sent, n);
	ssize_t given = (ssize_t)most;

	if (most > 0 && u->fd >= 0)
		given = read_pipe(u, out, most, &u->transfer.err);
	else if (most > 0)
		memcpy(out, u->bytes.p + u->sent, most);
	if (given > 0)
		u->sent += (uint64_t)given;
	return given;
}

static bool
is_pipe_begun(const struct upload *u)
{
	return u->job == JOB_STREAM && u->sent > 0;
}

/* --- requests */

/* An error's text or a token. What goes past the limit of an error's text ends the transfer. */
static ssize_t
on_body(void *arg, const uint8_t *p, size_t n)
{
	struct upload *u = arg;
	struct err *e = &u->transfer.err;
	bool token = u->request == UPLOAD_TOKEN;

	if (token && n > LIMIT_TOKEN - u->small.len) {
		err_set(e, ERR_LIMIT, "more than %zu bytes", LIMIT_TOKEN);
		return TRANSFER_FAILED;
	}
	if (!token && n > LIMIT_ERROR_BODY - u->small.len)
		return TRANSFER_ENOUGH;
	return buf_add(&u->small, p, n, e) < 0 ? TRANSFER_FAILED : (ssize_t)n;
}

static const char *
method_of(const struct upload *u)
{
	switch (u->request) {
	case UPLOAD_CHECK:
		return "HEAD";
	case UPLOAD_BEGIN:
		return "POST";
	case UPLOAD_SEND:
		return u->has_digest ? "PUT" : "PATCH";
	case UPLOAD_CLOSE:
	case UPLOAD_NAME:
		return "PUT";
	case UPLOAD_TOKEN:
	case UPLOAD_REQUESTS:
	default:
		return NULL;
	}
}

static const char *
type_of(const struct upload *u)
{
	if (u->request == UPLOAD_CHECK || u->request == UPLOAD_TOKEN)
		return NULL;
	return u->request == UPLOAD_NAME ? u->media_type : OCTETS;
}

/* Asks for u->url, or for a token where one is to be bought. */
static int
ask(struct upload *u, enum upload_request request, struct err *e)
{
	bool token = request == UPLOAD_TOKEN, streamed = request == UPLOAD_SEND || request == UPLOAD_NAME;
	struct transfer_request r;

	u->request = request;
	r = (struct transfer_request){
		.url = buf_str(token ? &u->login.token_url : &u->url),
		.plain = u->plain,
		.authorization = token || u->at_home ? &u->login.authorization : NULL,
		.form = token && u->login.form.len > 0 ? &u->login.form : NULL,
		.method = method_of(u),
		.content_type = type_of(u),
		.streamed = streamed,
		.size = u->size,
		.patient = request == UPLOAD_SEND || request == UPLOAD_CLOSE,	/* it may check all of a large blob */
		.fresh = u->retry.attempts > 0,
	};
	if (streamed && !is_pipe_begun(u))
		u->sent = 0;
	buf_reset(&u->small);
	return transfer_start(&u->transfer, &r, e);
}

static int
request_url(struct upload *u, enum upload_request request, struct err *e)
{
	const struct image_ref *ref = &u->place.ref;

	switch (request) {
	case UPLOAD_CHECK:
		return registry_blob_url(ref, &u->digest, u->plain, &u->url, e);
	case UPLOAD_BEGIN:
		return registry_upload_url(ref, u->plain, &u->url, e);
	case UPLOAD_SEND:
		if (!u->has_digest)
			return buf_add_span(&u->url, buf_span(&u->location), e);
		return registry_close_url(buf_str(&u->location), &u->digest, &u->url, e);
	case UPLOAD_CLOSE:
		return registry_close_url(buf_str(&u->location), &u->digest, &u->url, e);
	case UPLOAD_NAME:
		return registry_manifest_url(ref, ref->tag, u->plain, &u->url, e);
	case UPLOAD_TOKEN:
	case UPLOAD_REQUESTS:
	default:
		return err_set(e, ERR_BUG, "no such request");
	}
}

static int
start_request(struct upload *u, enum upload_request request, struct err *e)
{
	int rc;

	u->redirects = 0;
	u->at_home = request == UPLOAD_SEND || request == UPLOAD_CLOSE ? u->location_home : true;
	buf_reset(&u->url);
	rc = request_url(u, request, e);
	if (rc == 0)
		rc = login_begin(&u->login, &u->place.ref, u->plain, e);
	return rc < 0 ? rc : ask(u, request, e);
}

/* --- failures */

/* Later, from the job's second beginning: true if so. */
static bool
try_again(struct upload *u, const struct err *why)
{
	bool broken = why->code == ERR_NET || why->code == ERR_TIMEOUT;
	uint64_t asked;
	bool said = !broken && http_head_wait(&u->transfer.head, &asked);
	int64_t ms = retry_after(&u->retry, 0, broken, said ? &asked : NULL);
	struct err ignored;

	if (ms < 0 || loop_timer(loop_of(u), ms, on_retry, u, &ignored) < 0)
		return false;
	u->last = *why;
	log_warning("%s; attempt %u in %" PRId64 ".%" PRId64 " s", why->msg, u->retry.attempts + 1,
	    ms / 1000, ms % 1000 / 100);
	return true;
}

static void
fail(struct upload *u, const struct err *why)
{
	struct err e = *why;

	if (!u->final && is_pipe_begun(u))
		err_set(&e, e.code, "%.360s; some of the layer was sent already, and it comes but once", why->msg);
	else if (!u->final && try_again(u, why))
		return;
	if (u->retry.attempts > 1)
		err_wrap(&e, "after %u attempts", u->retry.attempts);
	finish(u, &e);
}

/* The registry's own words; some faults pass. */
static int
refused(struct upload *u, struct err *e)
{
	unsigned status = u->transfer.head.status;
	const struct buf *url = u->request == UPLOAD_TOKEN ? &u->login.token_url : &u->url;

	u->final = !retry_status(status);
	return registry_error(status, buf_span(&u->small), buf_str(url), e);
}

static void
on_retry(void *arg)
{
	struct upload *u = arg;

	begin_request(u, jobs[u->job].again);
}

static void
on_deadline(void *arg)
{
	struct upload *u = arg;
	struct err e;

	client_too_late(u->client, u->place.ref.domain, &u->last, &e);
	finish(u, &e);
}

/* --- answers: 0: another request was begun; 1: the job is done; -err */

static int
answer_challenge(struct upload *u, struct err *e)
{
	enum login_step step = LOGIN_REFUSED;
	int rc = 0;

	if (u->at_home && !is_pipe_begun(u))
		rc = login_answer(&u->login, buf_span(&u->transfer.head.challenges), &step, e);
	if (rc < 0)
		return rc;
	if (step == LOGIN_REFUSED)
		return refused(u, e);
	u->behind_token = u->request;
	return ask(u, step == LOGIN_BUY ? UPLOAD_TOKEN : u->request, e);
}

static int
take_token(struct upload *u, struct err *e)
{
	int rc;

	if (u->transfer.head.status != 200)
		return refused(u, e);
	rc = login_take_token(&u->login, buf_span(&u->small), e);
	return rc < 0 ? rc : ask(u, u->behind_token, e);
}

/* A Location in its absolute form. */
static int
resolve(struct upload *u, struct buf *to, bool *home, struct err *e)
{
	bool same_place;
	int rc = redirect_resolve(buf_str(&u->url), u->transfer.head.location, to, &same_place, e);

	if (rc == 0)
		*home = u->at_home && same_place;	/* who has left does not come home */
	return rc;
}

/* Only redirects that leave the method as it is are of use to any but HEAD. */
static int
follow(struct upload *u, struct err *e)
{
	autobuf to = BUF(LIMIT_URL);
	unsigned status = u->transfer.head.status;
	int rc;

	if (u->request != UPLOAD_CHECK && status != 307 && status != 308)
		return err_set(e, ERR_REGISTRY, "%s: a redirect that would make another request of this one "
		    "(HTTP status %u)", u->place.ref.domain, status);
	if (++u->redirects > LIMIT_REDIRECTS)
		return err_set(e, ERR_REGISTRY, "more than %d redirects", LIMIT_REDIRECTS);
	rc = is_pipe_begun(u) ? refused(u, e) : resolve(u, &to, &u->at_home, e);
	if (rc < 0)
		return rc;
	buf_move(&u->url, &to);
	return ask(u, u->request, e);
}

static int
take_location(struct upload *u, struct err *e)
{
	autobuf to = BUF(LIMIT_URL);
	bool home = false;
	int rc = resolve(u, &to, &home, e);

	if (rc == 0 && strchr(buf_str(&to), '#') != NULL)
		rc = err_set(e, ERR_REGISTRY, "a place with a fragment");
	if (rc < 0)
		return err_wrap(e, "%s: where to upload", u->place.ref.domain);
	u->location_home = home;
	buf_move(&u->location, &to);
	return 0;
}

/* A registry that says what it has kept must have kept that. */
static int
check_digest(const struct upload *u, struct err *e)
{
	const char *kept = u->transfer.head.content_digest;

	if (kept[0] == '\0' || strcmp(kept, u->digest.text) == 0)
		return 1;
	return err_set(e, ERR_DIGEST, "%s: the registry has kept %s instead of %s", u->place.ref.domain, kept,
	    u->digest.text);
}

static int
sent(struct upload *u, struct err *e)
{
	if (u->size != UPLOAD_SIZE_UNKNOWN && u->sent != u->size)
		return err_set(e, ERR_REGISTRY, "%s: the registry was content with %" PRIu64 " of %" PRIu64 " bytes",
		    u->place.ref.domain, u->sent, u->size);
	if (u->has_digest)
		return check_digest(u, e);
	if (u->transfer.head.location[0] == '\0')
		return 1;
	return take_location(u, e) < 0 ? -(int)e->code : 1;
}

static int
begun(struct upload *u, struct err *e)
{
	int rc = take_location(u, e);

	if (rc < 0)
		return rc;
	return u->job == JOB_OPEN ? 1 : start_request(u, UPLOAD_SEND, e);
}

/* Not there, or not to be said: the upload itself will tell. */
static int
not_there(struct upload *u, struct err *e)
{
	if (u->job == JOB_FIND)
		return 1;
	return start_request(u, u->job == JOB_CLOSE ? UPLOAD_CLOSE : UPLOAD_BEGIN, e);
}

/* An upload that is no more may have been closed by a request whose answer was lost. */
static int
gone(struct upload *u, struct err *e)
{
	if (u->request != UPLOAD_CLOSE || u->looked)
		return refused(u, e);
	u->looked = true;
	return start_request(u, UPLOAD_CHECK, e);
}

static int
done(struct upload *u, struct err *e)
{
	switch (u->request) {
	case UPLOAD_CHECK:
		u->there = true;
		return 1;
	case UPLOAD_BEGIN:
		return begun(u, e);
	case UPLOAD_SEND:
		return sent(u, e);
	case UPLOAD_CLOSE:
	case UPLOAD_NAME:
		return check_digest(u, e);
	case UPLOAD_TOKEN:
	case UPLOAD_REQUESTS:
	default:
		return err_set(e, ERR_BUG, "no such request");
	}
}

static int
next_step(struct upload *u, struct err *e)
{
	unsigned status = u->transfer.head.status;

	if (u->request == UPLOAD_TOKEN)
		return take_token(u, e) < 0 ? err_wrap(e, "token") : 0;
	if (status >= 200 && status < 300)
		return done(u, e);
	switch (status) {
	case 401:
		return answer_challenge(u, e);
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return follow(u, e);
	case 404:
		return u->request == UPLOAD_CHECK ? not_there(u, e) : gone(u, e);
	default:
		return u->request == UPLOAD_CHECK && !retry_status(status) ? not_there(u, e) : refused(u, e);
	}
}

static void
on_ended(void *arg, const struct err *failed)
{
	struct upload *u = arg;
	struct err e = { 0 };
	int rc;

	u->final = true;
	if (failed == NULL) {
		rc = next_step(u, &e);
	} else {
		e = *failed;
		u->final = e.code != ERR_NET && e.code != ERR_TIMEOUT;
		rc = u->request == UPLOAD_TOKEN ? err_wrap(&e, "token") : -(int)e.code;
	}
	if (rc == 1)
		finish(u, NULL);
	else if (rc < 0)
		fail(u, &e);
}

/* --- jobs */

static void
begin_request(struct upload *u, enum upload_request request)
{
	struct err e = { 0 };

	u->final = true;
	if (start_request(u, request, &e) < 0)
		fail(u, &e);
}

/* false: it has ended already. */
static bool
prepare_job(struct upload *u, enum upload_job job)
{
	const struct client *c = u->client;
	struct err e;

	u->job = job;
	u->retry = (struct retry){ 0 };
	u->last = (struct err){ 0 };
	u->sent = 0;
	u->there = u->looked = false;
	if (c->deadline < 0 ||
	    loop_timer(loop_of(u), MAX(c->deadline - sys_now_ms(), 0), on_deadline, u, &e) == 0)
		return true;
	finish(u, &e);
	return false;
}

static void
begin_job(struct upload *u, enum upload_job job)
{
	if (prepare_job(u, job))
		begin_request(u, jobs[job].first);
}

static void
set_digest(struct upload *u, const struct digest *d)
{
	u->has_digest = d != NULL;
	if (d != NULL)
		u->digest = *d;
}

void
upload_find(struct upload *u, const struct digest *d)
{
	set_digest(u, d);
	begin_job(u, JOB_FIND);
}

void
upload_open(struct upload *u)
{
	begin_job(u, JOB_OPEN);
}

static void
on_first_byte(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	struct upload *u = arg;

	loop_unwatch(loop_of(u), u->fd);
	u->watched = false;
	begin_request(u, jobs[JOB_STREAM].first);
}

/* Who makes the bytes may take his time for the first one; a registry that waits for it would lose patience. */
void
upload_stream(struct upload *u, int fd, uint64_t size, const struct digest *d)
{
	struct err e;
	int rc = 0;

	set_digest(u, d);
	u->fd = fd;
	u->size = size;
	if (!prepare_job(u, JOB_STREAM))
		return;
	if (fcntl(fd, F_SETFL, O_RDONLY | O_NONBLOCK) < 0)
		rc = err_sys(&e, "pipe");
	if (rc == 0)
		rc = loop_watch(loop_of(u), fd, POLLIN, on_first_byte, u, &e);
	u->watched = rc == 0;
	if (rc < 0)
		finish(u, &e);
}

void
upload_close(struct upload *u, const struct digest *d)
{
	set_digest(u, d);
	begin_job(u, JOB_CLOSE);
}

static void
set_bytes(struct upload *u, struct span bytes, const struct digest *d)
{
	set_digest(u, d);
	u->bytes = bytes;
	u->size = bytes.len;
}

void
upload_bytes(struct upload *u, struct span bytes, const struct digest *d)
{
	set_bytes(u, bytes, d);
	begin_job(u, JOB_BYTES);
}

void
upload_manifest(struct upload *u, struct span bytes, const struct digest *d, const char *media_type)
{
	set_bytes(u, bytes, d);
	snprintf(u->media_type, sizeof(u->media_type), "%s", media_type);
	begin_job(u, JOB_MANIFEST);
}

/* Mirrors are places to fetch from: the last place is the registry itself. */
int
upload_init(struct upload *u, struct client *c, const struct image_ref *ref, struct err *e)
{
	struct registry_place places[REGISTRY_MAX_PLACES];
	size_t n = 0;
	int rc = registries_places(c->opt.registries, ref, places, &n, e);

	if (rc < 0)
		return rc;
	*u = (struct upload){
		.client = c,
		.ref = *ref,
		.place = places[n - 1],
		.fd = -1,
		.url = BUF(LIMIT_URL),
		.location = BUF(LIMIT_URL),
		.small = BUF(LIMIT_TOKEN),
	};
	u->plain = client_is_plain(c, &u->place);
	login_init(&u->login, &c->keys);
	u->login.actions = "pull,push";
	transfer_init(&u->transfer, c->http);
	u->transfer.body = on_body;
	u->transfer.source = give;
	u->transfer.ended = on_ended;
	u->transfer.arg = u;
	return 0;
}

void
upload_fini(struct upload *u)
{
	clear_timers(u);
	transfer_drop(&u->transfer);
	close_source(u);
	login_fini(&u->login);
	buf_free(&u->url);
	buf_free(&u->location);
	buf_free(&u->small);
}
