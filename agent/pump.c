/* pump.c: see pump.h. libcurl looks up names and connects; it is asked for nothing more. */
#include "lib/base.h"

#include "agent/pump.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "lib/limits.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "lib/sys.h"

#define CHUNK	KIB(16)

/* What one side has said and the other has not taken yet. */
struct way {
	int	from, to;
	size_t	start, end;	/* of what is in data */
	bool	closed;		/* from has said all, and so has been told to `to` once it has taken it */
	uint8_t	data[CHUNK];
};

struct pump {
	struct loop	*loop;
	CURL		*curl;		/* owns the connection */
	struct way	 out, in;
};

static void
pump_end(struct pump *p)
{
	loop_unwatch(p->loop, p->out.from);
	loop_unwatch(p->loop, p->in.from);
	base_close(&p->out.from);
	curl_easy_cleanup(p->curl);
	secret_wipe(p, sizeof(*p));
	sys_free(p);
}

/* Moves what can be moved; false when the connection is broken. */
static bool
carry(struct way *w)
{
	ssize_t n;

	if (w->start == w->end && !w->closed) {
		w->start = w->end = 0;
		n = sys_read(w->from, w->data, CHUNK);
		if (n < 0)
			return errno == EAGAIN;
		w->end = (size_t)n;
		w->closed = n == 0;
		if (w->closed && shutdown(w->to, SHUT_WR) < 0)
			return false;
	}
	if (w->start == w->end)
		return true;
	n = sys_write(w->to, w->data + w->start, w->end - w->start);
	if (n < 0)
		return errno == EAGAIN;
	w->start += (size_t)n;
	return true;
}

static void on_side(void *arg, int fd, short revents);

/* A side is waited on for what it can do next: be read where all of its own was taken, be written where something waits. */
static int
watch(struct pump *p, const struct way *reads, const struct way *writes, struct err *e)
{
	short events = 0;

	if (reads->start == reads->end && !reads->closed)
		events |= POLLIN;
	if (writes->start < writes->end)
		events |= POLLOUT;
	return loop_watch(p->loop, reads->from, events, on_side, p, e);
}

static void
settle(struct pump *p)
{
	struct err e;

	if (watch(p, &p->out, &p->in, &e) < 0 || watch(p, &p->in, &p->out, &e) < 0) {
		log_warning("pump: %s", e.msg);
		pump_end(p);
	}
}

static void
on_side(void *arg, maybe_unused int fd, short revents)
{
	struct pump *p = arg;

	if ((revents & (POLLERR | POLLNVAL)) != 0 || !carry(&p->out) || !carry(&p->in) ||
	    (p->out.closed && p->in.closed) ||
	    ((revents & (POLLIN | POLLOUT)) == 0 && (revents & POLLHUP) != 0))
		pump_end(p);
	else
		settle(p);
}

static int
connect_to(CURL *curl, const char *host_port, curl_socket_t *out, struct err *e)
{
	char url[300];
	CURLcode rc;

	snprintf(url, sizeof(url), "http://%s", host_port);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)PUMP_CONNECT_MS);
	rc = curl_easy_perform(curl);
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return err_set(e, ERR_TIMEOUT, "%s: no connection in time", host_port);
	if (rc == CURLE_OK)
		rc = curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, out);
	if (rc != CURLE_OK || *out == CURL_SOCKET_BAD)
		return err_set(e, ERR_NET, "%s: %s", host_port, curl_easy_strerror(rc));
	return 0;
}

int
pump_start(struct loop *loop, const char *host_port, int fd, struct err *e)
{
	struct pump *p = sys_alloc(sizeof(*p));
	curl_socket_t conn = CURL_SOCKET_BAD;
	int flags = fcntl(fd, F_GETFL), rc;

	if (p == NULL)
		return err_set(e, ERR_NOMEM, "pump");
	p->loop = loop;
	p->curl = curl_easy_init();
	if (p->curl == NULL)
		rc = err_set(e, ERR_NOMEM, "pump");
	else if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		rc = err_sys(e, "pump");
	else
		rc = connect_to(p->curl, host_port, &conn, e);
	if (rc < 0) {
		curl_easy_cleanup(p->curl);
		sys_free(p);
		return rc;
	}
	p->out.from = p->in.to = fd;
	p->out.to = p->in.from = conn;
	settle(p);
	return 0;
}
