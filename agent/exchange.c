/*
 * exchange.c: the steps of a GET: ask; at a 401 answer the challenge once; follow
 * redirects by hand, so that credentials stay at home and https stays https. Every
 * step is a new easy handle's transfer; state is only what the next step needs.
 */
#include "lib/base.h"

#include "agent/exchange.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>

#include "lib/codec.h"
#include "lib/log.h"
#include "lib/sys.h"

#define CONNECT_TIMEOUT_S	20L
#define LOW_SPEED_BYTES		1024L	/* a second, … */
#define LOW_SPEED_TIME_S	60L	/* … for so long: given up */
#define PROGRESS_EVERY_MS	100

struct http {
	struct http_options	 opt;
	CURLM			*multi;
	struct exchange		*list;
};

enum step { STEP_ASK, STEP_TOKEN };

struct exchange {
	struct exchange			*next;
	struct http			*http;
	struct exchange_request		 req;
	const struct exchange_events	*events;
	enum step			 step;
	bool				 plain;		/* plain http allowed for this registry */
	bool				 answered;	/* one challenge was answered */
	bool				 head_sent;
	bool				 at_home;	/* this request goes to the registry itself */
	unsigned			 redirects;
	CURL				*easy;
	struct curl_slist		*headers;
	struct http_head		 head;
	struct buf			 url;
	struct buf			 auth;		/* secret: value of Authorization, "" for none */
	struct buf			 small;		/* error body or token answer */
	struct buf			 left;		/* body bytes the pipe had no room for */
	uint64_t			 written;
	int64_t				 reported;
	bool				 paused;
	bool				 enough;	/* of small: the rest is not waited for */
	struct err			 err;		/* found in a callback */
	char				 detail[CURL_ERROR_SIZE];
};

static int begin(struct exchange *, struct err *);
static void transfer_ended(struct exchange *, CURLcode);

static bool
in_list(const char *list, const char *host)
{
	struct span rest = span_str(list), one;

	while (span_split(&rest, ',', &one))
		if (span_eq_str(one, host))
			return true;
	return false;
}

static void
pass_socket(void *arg, int fd, short revents)
{
	struct http *h = arg;
	int mask = 0, running;

	if (revents & (POLLIN | POLLHUP))
		mask |= CURL_CSELECT_IN;
	if (revents & POLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (revents & (POLLERR | POLLNVAL))
		mask |= CURL_CSELECT_ERR;
	curl_multi_socket_action(h->multi, fd, mask, &running);
}

/* Transfers that have ended. */
static void collect(struct http *);

static void
on_socket(void *arg, int fd, short revents)
{
	pass_socket(arg, fd, revents);
	collect(arg);
}

static void
on_timer(void *arg)
{
	struct http *h = arg;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(h);
}

static int
curl_wants_socket(maybe_unused CURL *easy, curl_socket_t fd, int what, void *arg, maybe_unused void *p)
{
	struct http *h = arg;
	struct err e;
	short events = 0;

	if (what == CURL_POLL_REMOVE) {
		loop_unwatch(h->opt.loop, fd);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= POLLIN;
	if (what & CURL_POLL_OUT)
		events |= POLLOUT;
	return loop_watch(h->opt.loop, fd, events, on_socket, h, &e) < 0 ? -1 : 0;
}

static int
curl_wants_timer(maybe_unused CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;
	struct err e;

	return loop_timer(h->opt.loop, ms, on_timer, h, &e) < 0 ? -1 : 0;
}

int
http_new(const struct http_options *opt, struct http **out, struct err *e)
{
	struct http *h = sys_alloc(sizeof(*h));

	if (h == NULL)
		return err_set(e, ERR_NOMEM, "http");
	h->opt = *opt;
	h->multi = curl_multi_init();
	if (h->multi == NULL) {
		sys_free(h);
		return err_set(e, ERR_NOMEM, "http");
	}
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, curl_wants_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, curl_wants_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	*out = h;
	return 0;
}

/* What a transfer left behind, before the next one or the end. */
static void
drop_transfer(struct exchange *x)
{
	if (x->easy != NULL) {
		curl_multi_remove_handle(x->http->multi, x->easy);
		curl_easy_cleanup(x->easy);
	}
	curl_slist_free_all(x->headers);
	x->easy = NULL;
	x->headers = NULL;
	http_head_fini(&x->head);
}

static void
close_out(struct exchange *x)
{
	if (x->paused)
		loop_unwatch(x->http->opt.loop, x->req.fd);
	x->paused = false;
	base_close(&x->req.fd);
}

static void
exchange_free(struct exchange *x)
{
	drop_transfer(x);
	close_out(x);
	buf_free(&x->url);
	buf_free(&x->auth);
	buf_free(&x->small);
	buf_free(&x->left);
	sys_free(x);
}

void
http_free(struct http *h)
{
	struct exchange *x, *next;

	if (h == NULL)
		return;
	for (x = h->list; x != NULL; x = next) {
		next = x->next;
		exchange_free(x);
	}
	curl_multi_cleanup(h->multi);
	sys_free(h);
}

/* The last word about an exchange. */
static void
finish(struct exchange *x, const struct err *failed)
{
	for (struct exchange **p = &x->http->list; *p != NULL; p = &(*p)->next) {
		if (*p == x) {
			*p = x->next;
			break;
		}
	}
	close_out(x);	/* the reader sees the end before the verdict */
	x->events->done(x->events->arg, x->req.id, failed);
	exchange_free(x);
}

static bool
is_good(const struct exchange *x)
{
	return x->step == STEP_ASK && x->head.status == 200;
}

static size_t
on_header(char *data, size_t one, size_t n, void *arg)
{
	struct exchange *x = arg;

	(void)one;
	if (x->head_sent) {	/* trailers say nothing to us, but they must end, too */
		x->head.bytes += n;
		if (x->head.bytes <= LIMIT_HEADER_BYTES)
			return n;
		err_set(&x->err, ERR_LIMIT, "the answer's trailers are larger than %zu bytes",
		    LIMIT_HEADER_BYTES);
		return 0;
	}
	if (http_head_line(&x->head, (struct span){ (uint8_t *)data, n }, &x->err) < 0)
		return 0;
	return n;
}

static void
report(struct exchange *x)
{
	int64_t now = sys_now_ms();

	if (now - x->reported < PROGRESS_EVERY_MS)
		return;
	x->reported = now;
	x->events->progress(x->events->arg, x->req.id, x->written);
}

/* Writes what the pipe takes; the number of bytes, or -err. */
static ssize_t
push(struct exchange *x, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = sys_write(x->req.fd, p + done, n - done);

		if (w < 0 && errno == EAGAIN)
			break;
		if (w < 0 && errno == EPIPE)
			return err_set(&x->err, ERR_CANCELLED, "nobody reads on");
		if (w < 0)
			return err_sys(&x->err, "pass on");
		done += (size_t)w;
	}
	x->written += done;
	report(x);
	return (ssize_t)done;
}

static void
on_room(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	struct exchange *x = arg;
	struct http *h = x->http;
	ssize_t n = push(x, x->left.data, x->left.len);
	CURLcode code;

	if (n < 0) {
		struct err e = x->err;

		finish(x, &e);
		return;
	}
	memmove(x->left.data, x->left.data + n, x->left.len - (size_t)n);
	x->left.len -= (size_t)n;
	if (x->left.len > 0)
		return;
	x->paused = false;
	loop_unwatch(h->opt.loop, x->req.fd);
	if (x->easy == NULL) {
		finish(x, NULL);	/* only the rest was waited for */
		return;
	}
	/* This may call on_body; where that fails, libcurl tells nobody but us. */
	code = curl_easy_pause(x->easy, CURLPAUSE_CONT);
	if (code != CURLE_OK)
		transfer_ended(x, code);
	collect(h);
}

static size_t
pass_body(struct exchange *x, const uint8_t *p, size_t n)
{
	ssize_t done;

	if (!x->head_sent) {
		x->head_sent = true;
		x->events->head(x->events->arg, x->req.id, &x->head);
	}
	if (x->left.len > 0)
		return CURL_WRITEFUNC_PAUSE;
	if (x->written + n > x->req.max) {
		err_set(&x->err, ERR_LIMIT, "%s: more than %" PRIu64 " bytes",
		    buf_str(&x->url), x->req.max);
		return 0;
	}
	done = push(x, p, n);
	if (done < 0)
		return 0;
	if ((size_t)done == n)
		return n;
	if (buf_add(&x->left, p + done, n - (size_t)done, &x->err) < 0 ||
	    loop_watch(x->http->opt.loop, x->req.fd, POLLOUT, on_room, x, &x->err) < 0)
		return 0;
	x->paused = true;
	return n;
}

/* An error's text or a token. What goes past the limit of an error's text ends the transfer. */
static size_t
keep_small(struct exchange *x, const char *data, size_t n)
{
	if (x->step == STEP_TOKEN && n > LIMIT_TOKEN - x->small.len) {
		err_set(&x->err, ERR_LIMIT, "more than %zu bytes", LIMIT_TOKEN);
		return 0;
	}
	if (x->step != STEP_TOKEN && n > LIMIT_ERROR_BODY - x->small.len) {
		x->enough = true;
		return 0;
	}
	return buf_add(&x->small, data, n, &x->err) < 0 ? 0 : n;
}

static size_t
on_body(char *data, size_t one, size_t n, void *arg)
{
	struct exchange *x = arg;

	(void)one;
	if (is_good(x))
		return pass_body(x, (uint8_t *)data, n);
	return keep_small(x, data, n);
}

static int
add_header(struct exchange *x, const char *name, const char *value, struct err *e)
{
	autobuf line = BUF_SECRET(LIMIT_TOKEN + 64);
	struct curl_slist *more;
	int rc = buf_addf(&line, e, "%s: ", name);

	/* Not by format: a formatted secret would pass ordinary memory. */
	if (rc == 0)
		rc = buf_add_str(&line, value, e);
	if (rc < 0)
		return rc;
	more = curl_slist_append(x->headers, buf_str(&line));
	if (more == NULL)
		return err_set(e, ERR_NOMEM, "http header");
	x->headers = more;
	return 0;
}

static void
set_common_options(struct exchange *x)
{
	struct curl_blob ca = { (void *)(uintptr_t)x->http->opt.ca.p, x->http->opt.ca.len, CURL_BLOB_NOCOPY };
	CURL *c = x->easy;

	curl_easy_setopt(c, CURLOPT_URL, buf_str(&x->url));
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, x->plain ? "http,https" : "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_TIME_S);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L * 1024);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_PRIVATE, x);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->detail);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "cacao");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->headers);
}

/* Starts the transfer for x->url. */
static int
begin(struct exchange *x, struct err *e)
{
	int rc = 0;

	drop_transfer(x);
	http_head_init(&x->head);
	buf_reset(&x->small);
	x->enough = false;
	x->detail[0] = '\0';
	x->err = (struct err){ 0 };
	if (x->step == STEP_ASK && !x->req.blob)
		rc = add_header(x, "Accept", REGISTRY_ACCEPT, e);
	if (rc == 0 && x->auth.len > 0 && x->at_home)
		rc = add_header(x, "Authorization", buf_str(&x->auth), e);
	if (rc < 0)
		return rc;
	x->easy = curl_easy_init();
	if (x->easy == NULL)
		return err_set(e, ERR_NOMEM, "http");
	set_common_options(x);
	if (curl_multi_add_handle(x->http->multi, x->easy) != CURLM_OK)
		return err_set(e, ERR_BUG, "http: cannot start");
	return 0;
}

/* Basic credentials of this reference as the value of Authorization; empty when there are none. */
static int
basic_auth(struct exchange *x, struct err *e)
{
	autobuf userpass = BUF_SECRET(KIB(8));
	struct err none;
	int rc;

	buf_reset(&x->auth);
	if (x->http->opt.authfile.len == 0)
		return 0;
	rc = auth_lookup(x->http->opt.authfile, &x->req.ref, &userpass, &none);
	if (rc == -ERR_NOTFOUND)
		return 0;
	if (rc < 0) {
		*e = none;
		return rc;
	}
	rc = buf_add_str(&x->auth, "Basic ", e);
	return rc < 0 ? rc : base64_encode(buf_span(&userpass), &x->auth, e);
}

/* A 401: the challenge is answered once, by credentials or by a token got with them. */
static int
answer_challenge(struct exchange *x, struct err *e)
{
	struct challenge c;
	bool found = false;
	int rc = 0;

	if (!x->answered && x->at_home)	/* nobody else's challenge is answered */
		rc = challenge_pick(buf_span(&x->head.challenges), &c, &found, e);
	if (rc < 0)
		return rc;
	if (!found)
		return registry_error(x->head.status, buf_span(&x->small), buf_str(&x->url), e);
	x->answered = true;
	rc = basic_auth(x, e);
	if (rc < 0)
		return rc;
	if (c.scheme == CHALLENGE_BASIC) {
		if (x->auth.len == 0)
			return err_set(e, ERR_AUTH, "%s: the registry wants credentials, and there "
			    "are none for it", x->req.ref.domain);
		return begin(x, e);
	}
	buf_reset(&x->url);
	rc = challenge_token_url(&c, &x->req.ref, x->plain, &x->url, e);
	if (rc < 0)
		return rc;
	x->step = STEP_TOKEN;
	return begin(x, e);
}

static int
request_url(struct exchange *x, struct err *e)
{
	struct digest d;
	int rc;

	buf_reset(&x->url);
	x->at_home = true;
	if (!x->req.blob)
		return registry_manifest_url(&x->req.ref, x->req.wanted, x->plain, &x->url, e);
	rc = digest_parse(span_str(x->req.wanted), &d, e);
	return rc < 0 ? rc : registry_blob_url(&x->req.ref, &d, x->plain, &x->url, e);
}

static int
take_token(struct exchange *x, struct err *e)
{
	autobuf token = BUF_SECRET(LIMIT_TOKEN / 8);
	int rc;

	if (x->head.status != 200)
		return registry_error(x->head.status, buf_span(&x->small), buf_str(&x->url), e);
	rc = challenge_token_parse(buf_span(&x->small), &token, e);
	if (rc < 0)
		return rc;
	buf_reset(&x->auth);
	rc = buf_add_str(&x->auth, "Bearer ", e);
	if (rc == 0)
		rc = buf_add_span(&x->auth, buf_span(&token), e);
	if (rc == 0)
		rc = request_url(x, e);
	if (rc < 0)
		return rc;
	x->step = STEP_ASK;
	return begin(x, e);
}

/* The absolute form of Location, and whether it stays at the registry. */
static int
resolve_location(struct exchange *x, struct buf *out, bool *at_home, struct err *e)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
	CURLU *from = curl_url(), *to = curl_url();
	char *text = NULL, *user = NULL;
	int rc = 0;

	*at_home = true;
	if (from == NULL || to == NULL ||
	    curl_url_set(from, CURLUPART_URL, buf_str(&x->url), 0) != CURLUE_OK ||
	    curl_url_set(to, CURLUPART_URL, buf_str(&x->url), 0) != CURLUE_OK ||
	    curl_url_set(to, CURLUPART_URL, x->head.location, 0) != CURLUE_OK ||
	    curl_url_get(to, CURLUPART_URL, &text, 0) != CURLUE_OK)
		rc = err_set(e, ERR_REGISTRY, "redirect that is no URL");
	else if (curl_url_get(to, CURLUPART_USER, &user, 0) == CURLUE_OK)
		rc = err_set(e, ERR_REGISTRY, "redirect with credentials in it");
	for (size_t i = 0; i < ARRAY_LEN(parts) && rc == 0; i++) {
		char *a = NULL, *b = NULL;

		curl_url_get(from, parts[i], &a, CURLU_DEFAULT_PORT);
		curl_url_get(to, parts[i], &b, CURLU_DEFAULT_PORT);
		*at_home &= a != NULL && b != NULL && strcasecmp(a, b) == 0;
		curl_free(a);
		curl_free(b);
	}
	if (rc == 0)
		rc = buf_add_str(out, text, e);
	curl_free(text);
	curl_free(user);
	curl_url_cleanup(from);
	curl_url_cleanup(to);
	return rc;
}

static int
follow(struct exchange *x, struct err *e)
{
	autobuf to = BUF(LIMIT_URL);
	bool at_home;
	int rc;

	if (x->head.location[0] == '\0')
		return err_set(e, ERR_REGISTRY, "redirect that leads nowhere");
	if (++x->redirects > LIMIT_REDIRECTS)
		return err_set(e, ERR_REGISTRY, "more than %d redirects", LIMIT_REDIRECTS);
	rc = resolve_location(x, &to, &at_home, e);
	if (rc < 0)
		return rc;
	if (span_starts(buf_span(&x->url), "https:") && !span_starts(buf_span(&to), "https:"))
		return err_set(e, ERR_REGISTRY, "redirect from https to something else is refused");
	if (!span_starts(buf_span(&to), "https:") && !span_starts(buf_span(&to), "http:"))
		return err_set(e, ERR_REGISTRY, "redirect to something that is not http");
	x->at_home &= at_home;
	buf_move(&x->url, &to);
	return begin(x, e);
}

/* Length of "https://host:port" in an URL. */
static int
place_len(const char *url)
{
	const char *host = strstr(url, "://");

	host = host == NULL ? url : host + 3;
	return (int)(host - url) + (int)strcspn(host, "/?#");
}

static int
curl_failed(struct exchange *x, CURLcode code, struct err *e)
{
	const char *place = buf_str(&x->url);
	const char *why = x->detail[0] != '\0' ? x->detail : curl_easy_strerror(code);
	int len = place_len(place);

	if (x->err.code != ERR_NONE) {
		*e = x->err;
		return -(int)e->code;
	}
	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set(e, ERR_NET, "%.*s: the name cannot be resolved", len, place);
	case CURLE_COULDNT_CONNECT:
		return err_set(e, ERR_NET, "%.*s: cannot connect", len, place);
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(e, ERR_TIMEOUT, "%.*s: no answer in time", len, place);
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return err_set(e, ERR_NET, "%.*s: the connection ended early%s", len, place,
		    x->plain && x->head.status == 0 ? "; perhaps https is spoken there" : "");
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return err_set(e, ERR_TLS, "%.*s: %s", len, place, why);
	case CURLE_OUT_OF_MEMORY:	/* libcurl's word for a line beyond its own limit, too */
		return err_set(e, ERR_LIMIT, "%.*s: a header too long, or no memory", len, place);
	default:
		return err_set(e, ERR_NET, "%.*s: %s", len, place, why);
	}
}

/* A transfer has ended: what next? 0: another one was begun; 1: the exchange is over; -err. */
static int
next_step(struct exchange *x, CURLcode code, struct err *e)
{
	unsigned status = x->head.status;

	if (x->step == STEP_TOKEN) {
		int rc = code != CURLE_OK ? curl_failed(x, code, e) : take_token(x, e);

		return rc < 0 ? err_wrap(e, "token") : 0;
	}
	if (code != CURLE_OK && !x->enough)
		return curl_failed(x, code, e);
	if (status == 401)
		return answer_challenge(x, e);
	if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308)
		return follow(x, e);
	if (status != 200)
		return registry_error(status, buf_span(&x->small), buf_str(&x->url), e);
	if (!x->head_sent)
		x->events->head(x->events->arg, x->req.id, &x->head);
	return 1;
}

static void
transfer_ended(struct exchange *x, CURLcode code)
{
	struct err e = { 0 };
	int rc = next_step(x, code, &e);

	if (rc < 0) {
		finish(x, &e);
	} else if (rc == 1) {
		drop_transfer(x);
		if (!x->paused)
			finish(x, NULL);
	}
}

static void
collect(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
		struct exchange *x = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
		transfer_ended(x, m->data.result);
	}
}

void
exchange_start(struct http *h, const struct exchange_request *req,
    const struct exchange_events *events)
{
	struct exchange *x = sys_alloc(sizeof(*x));
	struct err e = { 0 };
	int fd = req->fd, rc;

	if (x == NULL) {
		err_set(&e, ERR_NOMEM, "http");
		base_close(&fd);
		events->done(events->arg, req->id, &e);
		return;
	}
	x->http = h;
	x->req = *req;
	x->events = events;
	x->url = (struct buf)BUF(LIMIT_URL);
	x->auth = (struct buf)BUF_SECRET(LIMIT_TOKEN / 4);
	x->small = (struct buf)BUF(LIMIT_TOKEN);
	x->left = (struct buf)BUF(MIB(1));
	x->plain = in_list(h->opt.plain_http, req->ref.domain);
	x->next = h->list;
	h->list = x;
	http_head_init(&x->head);
	if (fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK) < 0)
		rc = err_sys(&e, "pipe");
	else
		rc = request_url(x, &e);
	if (rc == 0)
		rc = begin(x, &e);
	if (rc < 0)
		finish(x, &e);
}
