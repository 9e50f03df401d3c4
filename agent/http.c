/*
 * http.c: sockets and timers of libcurl on our loop, and the options of a request. Every transfer is
 * an easy handle of its own; connections are kept by the multi handle and used again.
 */
#include "lib/base.h"

#include "agent/http.h"

#include <poll.h>

#include "agent/tls.h"
#include "lib/log.h"
#include "lib/sys.h"

#define CONNECT_TIMEOUT_S	20L
#define LOW_SPEED_BYTES		1024L	/* a second */
#define LOW_SPEED_TIME_S	60L
#define GO_AHEAD_MS		10000L	/* then the server is taken for one that gives none */
#define HOST_CONNECTIONS	16L	/* pull asks for fewer at a time */

struct http {
	struct http_options	 opt;
	CURLM			*multi;
	char			 complaint[TLS_COMPLAINT];	/* of the last certificate refused for its time */
};

/* Transfers that have ended. */
static void collect(struct http *);

static void
on_socket(void *arg, int fd, short revents)
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
	collect(h);
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
	curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS);
	/*
	 * One blob at a time on a connection: libcurl cannot pause one stream of HTTP/2 without holding up
	 * the others, and a blob waits for its reader, who may wait for another blob.
	 */
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	*out = h;
	return 0;
}

void
http_free(struct http *h)
{
	struct err ignored;

	if (h == NULL)
		return;
	curl_multi_cleanup(h->multi);
	(void)(loop_timer(h->opt.loop, -1, on_timer, h, &ignored) < 0);
	sys_free(h);
}

void
transfer_init(struct transfer *t, struct http *h)
{
	*t = (struct transfer){ .http = h, .url = BUF(LIMIT_URL) };
	http_head_init(&t->head);
}

static void
drop_request(struct transfer *t)
{
	if (t->easy != NULL) {
		curl_multi_remove_handle(t->http->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->headers);
	t->easy = NULL;
	t->headers = NULL;
}

void
transfer_drop(struct transfer *t)
{
	drop_request(t);
	http_head_fini(&t->head);
	buf_free(&t->url);
}

static size_t
on_header(char *data, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;

	(void)one;
	if (t->in_body) {	/* trailers say nothing to us, but they must end, too */
		t->head.bytes += n;
		if (t->head.bytes <= LIMIT_HEADER_BYTES)
			return n;
		err_set(&t->err, ERR_LIMIT, "the answer's trailers are larger than %zu bytes",
		    LIMIT_HEADER_BYTES);
		return 0;
	}
	if (http_head_line(&t->head, (struct span){ (uint8_t *)data, n }, &t->err) < 0)
		return 0;
	/* The empty line; answers before the answer have one, too. */
	t->head_done = (data[0] == '\r' || data[0] == '\n') && t->head.status >= 200;
	return n;
}

/*
 * Not by CURL_WRITEFUNC_PAUSE: libcurl would copy the rest of its buffer, into new memory each time. Both
 * directions, since it reads once more when only one is paused.
 */
static bool
pause_transfer(struct transfer *t)
{
	if (!t->paused && curl_easy_pause(t->easy, CURLPAUSE_ALL) != CURLE_OK) {
		err_set(&t->err, ERR_BUG, "http: cannot pause");
		return false;
	}
	t->paused = true;
	return true;
}

static size_t
on_body(char *data, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;
	ssize_t taken;

	(void)one;
	t->in_body = true;
	taken = t->body(t->arg, (uint8_t *)data, n);
	if (taken == TRANSFER_PAUSE)
		return pause_transfer(t) ? n : 0;
	t->enough = taken == TRANSFER_ENOUGH;
	return taken < 0 ? 0 : n;
}

static size_t
on_source(char *out, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;
	ssize_t given = t->source(t->arg, (uint8_t *)out, one * n);

	if (given == TRANSFER_PAUSE) {
		t->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	return given < 0 ? CURL_READFUNC_ABORT : (size_t)given;
}

static CURLcode
on_tls(maybe_unused CURL *easy, void *ctx, void *arg)
{
	struct http *h = arg;

	tls_prepare(ctx, h->complaint);
	return CURLE_OK;
}

static int
add_header(struct transfer *t, const char *name, const char *value, struct err *e)
{
	autobuf line = BUF_SECRET(LIMIT_TOKEN + 64);
	struct curl_slist *more;
	int rc = buf_addf(&line, e, "%s: ", name);

	/* Not by format: a formatted secret would pass ordinary memory. */
	if (rc == 0)
		rc = buf_add_str(&line, value, e);
	if (rc < 0)
		return rc;
	more = curl_slist_append(t->headers, buf_str(&line));
	if (more == NULL)
		return err_set(e, ERR_NOMEM, "http header");
	t->headers = more;
	return 0;
}

static void
set_tls(const struct transfer *t)
{
	struct http *h = t->http;
	struct curl_blob ca = { (void *)(uintptr_t)h->opt.ca.p, h->opt.ca.len, CURL_BLOB_NOCOPY };
	CURL *c = t->easy;

	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
	curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_tls);
	curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, h);
	curl_easy_setopt(c, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_PROXY_CAINFO, NULL);
	curl_easy_setopt(c, CURLOPT_PROXY_CAPATH, NULL);
	curl_easy_setopt(c, CURLOPT_PROXY_CAINFO_BLOB, &ca);
}

/* libcurl reads the environment unless it is told, so it is told that there is none. */
static void
set_proxy(const struct transfer *t)
{
	const struct http_options *o = &t->http->opt;
	const char *proxy = span_starts(buf_span(&t->url), "https:") ? o->https_proxy : o->http_proxy;

	curl_easy_setopt(t->easy, CURLOPT_PROXY, proxy != NULL ? proxy : "");
	curl_easy_setopt(t->easy, CURLOPT_NOPROXY, o->no_proxy != NULL ? o->no_proxy : "");
	curl_easy_setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void
set_options(struct transfer *t)
{
	long low_speed_s = t->http->opt.low_speed_s;
	CURL *c = t->easy;

	curl_easy_setopt(c, CURLOPT_URL, buf_str(&t->url));
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, t->plain ? "http,https" : "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, low_speed_s > 0 ? low_speed_s : LOW_SPEED_TIME_S);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L * 1024);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->detail);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "cacao");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
	set_tls(t);
	set_proxy(t);
}

static int
add_headers(struct transfer *t, const struct transfer_request *r, struct err *e)
{
	char range[48];
	int rc = 0;

	if (r->accept != NULL)
		rc = add_header(t, "Accept", r->accept, e);
	if (rc == 0 && r->content_type != NULL)
		rc = add_header(t, "Content-Type", r->content_type, e);
	if (rc == 0 && r->authorization != NULL && r->authorization->len > 0)
		rc = add_header(t, "Authorization", buf_str(r->authorization), e);
	if (rc == 0 && r->from > 0) {
		snprintf(range, sizeof(range), "bytes=%" PRIu64 "-", r->from);
		rc = add_header(t, "Range", range, e);
	}
	return rc;
}

static int
set_form(const struct transfer *t, const struct buf *form, struct err *e)
{
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)form->len);
	if (curl_easy_setopt(t->easy, CURLOPT_COPYPOSTFIELDS, buf_str(form)) != CURLE_OK)
		return err_set(e, ERR_NOMEM, "http");
	return 0;
}

/*
 * HTTP/1.1 alone lets a server refuse a long body before its first byte (Expect: 100-continue), and a body that
 * comes through a pipe cannot be sent twice: it waits for the server's word longer than curl's second.
 */
static void
set_method(struct transfer *t, const struct transfer_request *r)
{
	long low_speed_s = t->http->opt.low_speed_s;
	CURL *c = t->easy;

	if (r->patient)
		curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 4 * (low_speed_s > 0 ? low_speed_s : LOW_SPEED_TIME_S));
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (r->content_type == NULL) {
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	} else if (r->streamed) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, on_source);
		curl_easy_setopt(c, CURLOPT_READDATA, t);
		curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
		curl_easy_setopt(c, CURLOPT_EXPECT_100_TIMEOUT_MS, GO_AHEAD_MS);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, r->size == UINT64_MAX ? -1 : (curl_off_t)r->size);
	} else {
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
	}
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
}

int
transfer_start(struct transfer *t, const struct transfer_request *r, struct err *e)
{
	int rc;

	drop_request(t);
	http_head_fini(&t->head);
	http_head_init(&t->head);
	buf_reset(&t->url);
	t->plain = r->plain;
	t->head_done = t->in_body = t->enough = t->paused = false;
	t->err = (struct err){ 0 };
	t->detail[0] = '\0';
	rc = buf_add_str(&t->url, r->url, e);
	if (rc == 0)
		rc = add_headers(t, r, e);
	if (rc < 0)
		return rc;
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		return err_set(e, ERR_NOMEM, "http");
	set_options(t);
	curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, r->fresh ? 1L : 0L);
	if (r->method != NULL)
		set_method(t, r);
	else if (r->form != NULL && set_form(t, r->form, e) < 0)
		return -(int)e->code;
	if (curl_multi_add_handle(t->http->multi, t->easy) != CURLM_OK)
		return err_set(e, ERR_BUG, "http: cannot start");
	return 0;
}

/* Length of "https://host:port" in an URL. */
static int
place_len(const char *url)
{
	const char *host = strstr(url, "://");

	host = host == NULL ? url : host + 3;
	return (int)(host - url) + (int)strcspn(host, "/?#");
}

/* A connection that is there no more, or a proxy that made none. */
static int
ended_early(struct transfer *t, struct err *e)
{
	const char *place = buf_str(&t->url);
	long proxy = 0;

	curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
	if (proxy >= 300)
		return err_set(e, proxy == 407 ? ERR_AUTH : ERR_NET, "%.*s: the proxy refuses: HTTP status %ld",
		    place_len(place), place, proxy);
	return err_set(e, ERR_NET, "%.*s: the connection ended early%s", place_len(place), place,
	    t->plain && t->head.status == 0 ? "; perhaps https is spoken there" : "");
}

/* No HTTP: a connection that was used before may hold what an answer said too much; a new one would not. */
static int
no_http(struct transfer *t, const char *why, struct err *e)
{
	const char *place = buf_str(&t->url);
	long made = 0;

	curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &made);
	return err_set(e, made == 0 ? ERR_NET : ERR_REGISTRY, "%.*s: %s", place_len(place), place, why);
}

/* What libcurl reports, in our words. NET and TIMEOUT may pass, others will not. */
static int
explain(struct transfer *t, CURLcode code, struct err *e)
{
	const char *place = buf_str(&t->url);
	const char *why = t->detail[0] != '\0' ? t->detail : curl_easy_strerror(code);
	int len = place_len(place);

	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set(e, ERR_NET, "%.*s: the name cannot be resolved", len, place);
	case CURLE_COULDNT_RESOLVE_PROXY:
		return err_set(e, ERR_NET, "%.*s: the proxy's name cannot be resolved", len, place);
	case CURLE_COULDNT_CONNECT:
		return err_set(e, ERR_NET, "%.*s: cannot connect", len, place);
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(e, ERR_TIMEOUT, "%.*s: no answer in time", len, place);
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_UPLOAD_FAILED:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return ended_early(t, e);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return no_http(t, why, e);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		if (t->http->complaint[0] != '\0')
			why = t->http->complaint;
		return err_set(e, ERR_TLS, "%.*s: %s", len, place, why);
	case CURLE_OUT_OF_MEMORY:	/* libcurl's word for a line beyond its own limit, too */
		return err_set(e, ERR_LIMIT, "%.*s: a header too long, or no memory", len, place);
	default:
		return err_set(e, ERR_REGISTRY, "%.*s: %s", len, place, why);
	}
}

static void
end(struct transfer *t, CURLcode code)
{
	struct err e = { 0 };

	/* libcurl takes a head without end for a whole answer when the connection ends in it. */
	if (code == CURLE_OK && !t->head_done)
		code = CURLE_GOT_NOTHING;
	if (code != CURLE_OK && !t->enough) {
		if (t->err.code != ERR_NONE)
			e = t->err;
		else
			explain(t, code, &e);
	}
	t->http->complaint[0] = '\0';
	drop_request(t);
	t->ended(t->arg, e.code != ERR_NONE ? &e : NULL);
}

static void
collect(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
		struct transfer *t = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		end(t, m->data.result);
	}
}

void
transfer_resume(struct transfer *t)
{
	struct http *h = t->http;
	CURLcode code;

	if (t->easy == NULL || !t->paused)
		return;
	t->paused = false;
	/* This may call on_body; where that fails, libcurl tells nobody but us. */
	code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
	if (code != CURLE_OK)
		end(t, code);
	collect(h);
}
