/*
 * test_push.c: what goes to a registry, request by request. A server in a child process gives the answers of a
 * script, one a connection, and notes what it was asked; copy's side of the messages is played here.
 */
#include "lib/base.h"

#include "agent/push.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/roles.h"
#include "lib/sys.h"
#include "tests/lib/tap.h"

#define SHA(c)		"sha256:" c c c c c c c c c c c c c c c c
#define D1		SHA("0123")
#define D2		SHA("4567")
#define OK(head)	"HTTP/1.1 " head "\r\nContent-Length: 0\r\nConnection: close\r\n"
#define THERE		OK("200 OK") "\r\n"
#define NOT_THERE	OK("404 No") "\r\n"
#define OPENED		OK("202 Accepted") "Location: /v2/x/y/blobs/uploads/1?_state=a%2Fb\r\n\r\n"
#define SENT		OK("202 Accepted") "Location: /v2/x/y/blobs/uploads/1?_state=c\r\n\r\n"
#define MADE		OK("201 Created") "\r\n"
#define SOON		OK("500 Oops") "Retry-After: 0\r\n\r\n"
#define REFUSED		"HTTP/1.1 413 Big\r\nContent-Length: 59\r\nConnection: close\r\n\r\n" \
	"{\"errors\":[{\"code\":\"SIZE\\u001b\",\"message\":\"far too much\"}]}"
#define WANTS(what)	OK("401 No") "WWW-Authenticate: " what "\r\n\r\n"
#define ANSWERS		12

static struct err e;

/* --- the server */

static struct {
	char	 text[16384];
	size_t	 len;
	int64_t	 ahead;		/* of net's clock before ours */
} *asked;

static unsigned port;
static int listener;

static void printf_like(1, 2)
note(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(asked->text + asked->len, sizeof(asked->text) - asked->len, fmt, ap);
	va_end(ap);
	asked->len += (size_t)n;
}

static const char *
header(const char *head, const char *name, char *out, size_t size)
{
	const char *at = strcasestr(head, name);

	out[0] = '\0';
	if (at != NULL)
		snprintf(out, size, "%.*s", (int)strcspn(at + strlen(name), "\r"), at + strlen(name));
	return out;
}

/* Reads until n bytes or what is left; chunks are not taken apart, their end is looked for. */
static size_t
read_body(int fd, size_t n, bool chunked)
{
	char chunk[65536], tail[6] = "";
	size_t all = 0;

	while (chunked ? memcmp(tail + 1, "0\r\n\r\n", 5) != 0 : all < n) {
		ssize_t got = read(fd, chunk, chunked ? 1 : MIN(sizeof(chunk), n - all));

		if (got <= 0)
			break;
		memmove(tail, tail + 1, 5);
		tail[5] = chunk[0];
		all += (size_t)got;
	}
	return all;
}

/*
 * One connection, one answer. "+" before an answer: it comes after a second and a half, without reading the body;
 * "!": in the middle of it; "~": late.
 */
static void
serve_one(int fd, const char *answer)
{
	char head[16384] = "", auth[256], length[32], expect[32], encoding[32];
	size_t n = 0, body = 0;

	while (n < sizeof(head) - 1 && strstr(head, "\r\n\r\n") == NULL && read(fd, head + n, 1) == 1)
		head[++n] = '\0';
	if (n == 0)
		return;
	header(head, "\r\nContent-Length: ", length, sizeof(length));
	header(head, "\r\nTransfer-Encoding: ", encoding, sizeof(encoding));
	header(head, "\r\nExpect: ", expect, sizeof(expect));
	header(head, "\r\nAuthorization: ", auth, sizeof(auth));
	if (answer[0] == '!')
		body = read_body(fd, 1000, false);
	else if (answer[0] != '+') {
		if (expect[0] != '\0')
			(void)!write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		body = read_body(fd, (size_t)strtoul(length, NULL, 10), encoding[0] != '\0');
	}
	if (answer[0] == '~')
		sleep(5);
	if (answer[0] == '+')
		(void)poll(NULL, 0, 1500);
	note("%.*s|%s|%zu%s\n", (int)strcspn(head, "\r") - 9, head, auth, body, encoding[0] != '\0' ? "c" : "");
	answer += strspn(answer, "+!~");
	(void)!write(fd, answer, strlen(answer));
}

static pid_t
start_server(const char *const *answers)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	pid_t pid;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 9) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &size) < 0)
		abort();
	port = ntohs(a.sin_port);
	asked->len = 0;
	asked->text[0] = '\0';
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < ANSWERS && answers[i] != NULL; i++) {
		int fd = accept(listener, NULL, NULL);
		char text[2048], *at;

		if (fd < 0)
			break;
		/* "PORT" in an answer is that of this server. */
		snprintf(text, sizeof(text), "%s", answers[i]);
		at = strstr(text, "PORT");
		if (at != NULL)
			snprintf(at, sizeof(text) - (size_t)(at - text), "%u%s", port, strstr(answers[i], "PORT") + 4);
		serve_one(fd, text);
		shutdown(fd, SHUT_WR);
		read_body(fd, 1 << 20, false);
		close(fd);
	}
	_exit(0);
}

/* --- net, in a child process that serves one end of a socket pair */

static struct loop *loop;

static void
on_over(maybe_unused void *arg, maybe_unused int rc)
{
	loop_stop(loop);
}

static bool with_password;
static const char *registries_text;
static int64_t timeout_ms;
static long low_speed_s;

static int64_t
shifted_now_ms(void)
{
	return sys_real.now_ms() + __atomic_load_n(&asked->ahead, __ATOMIC_SEQ_CST);
}

static void
run_net(int socket)
{
	struct sys_ops ops = sys_real;
	struct client_options opt = { .timeout_ms = timeout_ms };
	struct err unusable = { 0 };
	struct client *client;
	struct registries *table = NULL;
	struct image_ref ref;
	struct push *push;
	char host[64], name[96], auth[256];

	ops.now_ms = shifted_now_ms;
	sys = &ops;
	snprintf(host, sizeof(host), "127.0.0.1:%u,localhost:%u", port, port);
	snprintf(name, sizeof(name), "docker://127.0.0.1:%u/x/y:tag", port);
	if (with_password) {
		snprintf(auth, sizeof(auth), "{\"auths\":{\"127.0.0.1:%u\":{\"auth\":\"dXNlcjp3b3Jk\"}}}", port);
		opt.authfiles[0] = span_str(auth);
	}
	if (registries_text != NULL && registries_parse(span_str(registries_text), &table, &e) < 0)
		abort();
	opt.registries = table;
	opt.plain_http = host;
	if (loop_new(&loop, &e) < 0)
		abort();
	opt.http.loop = loop;
	opt.http.low_speed_s = low_speed_s;
	if (client_new(&opt, &client, &e) < 0 || image_ref_parse(span_str(name), &ref, &e) < 0 ||
	    push_new(client, socket, &ref, &unusable, &(struct push_events){ on_over, NULL }, &push, &e) < 0 ||
	    loop_run(loop, &e) < 0)
		abort();
	push_free(push);
	client_free(client);
	loop_free(loop);
	registries_free(table);
	exit(0);
}

/* --- copy */

static int sock;
static pid_t server, net;

static void
begin(const char *const *answers)
{
	int pair[2];

	server = start_server(answers);
	works(msg_pair(pair, &e), "a socket");
	fflush(stdout);
	net = fork();
	if (net == 0) {
		close(pair[0]);
		close(listener);
		run_net(pair[1]);
	}
	close(pair[1]);
	sock = pair[0];
}

/* Ends all; what was asked is this. The server first notes what it still has of a connection that was given up. */
static void
end(const char *wanted, const char *name)
{
	int status = -1;

	close(sock);
	waitpid(net, &status, 0);
	is_int(status, 0, "%s: net ends well", name);
	shutdown(listener, SHUT_RDWR);
	close(listener);
	waitpid(server, NULL, 0);
	if (wanted != NULL)
		is_str(asked->text, wanted, "%s: what was asked", name);
}

/* The type of the answer; of M_STORE_DONE the code in *code. */
static int
answer(int *fd, int *code, struct err *said)
{
	static const struct msg_rule rules[] = {
		{ .type = M_STORE_FD, .fds = 1 },
		{ .type = M_STORE_THERE },
		{ .type = M_STORE_DONE, .max_len = KIB(1) },
		{ 0 },
	};
	struct msg_reader r;
	automsg m;

	*said = (struct err){ 0 };
	if (msg_recv(sock, rules, 20000, &m, &e) <= 0)
		return -1;
	if (m.type == M_STORE_FD)
		*fd = fd_steal(&m.fds[0]);
	if (m.type == M_STORE_DONE) {
		r = msg_reader(&m);
		*code = -role_verdict(&r, said);
	}
	return m.type;
}

static struct err said;

static int
store(enum store_what what, const char *digest, uint64_t size, int *fd, int *code)
{
	automsg m;

	msg_init(&m, M_STORE, 1);
	if (msg_put_u8(&m, (uint8_t)what, &e) < 0 || msg_put_str(&m, digest, &e) < 0 ||
	    msg_put_u64(&m, size, &e) < 0 || msg_send(sock, &m, -1, &e) < 0)
		return -1;
	return answer(fd, code, &said);
}

static int
tell(uint16_t type, const char *media_type, const char *digest, uint64_t size)
{
	int fd = -1, code = -1;
	automsg m;

	msg_init(&m, type, 2);
	if ((media_type != NULL && msg_put_str(&m, media_type, &e) < 0) || msg_put_str(&m, digest, &e) < 0 ||
	    msg_put_u64(&m, size, &e) < 0 || msg_send(sock, &m, -1, &e) < 0 ||
	    answer(&fd, &code, &said) != M_STORE_DONE)
		return -1;
	return code;
}

/* Writes so many bytes, or until nobody reads. */
static void
fill(int fd, size_t n)
{
	static const char bytes[4096];

	for (size_t w; n > 0; n -= w) {
		w = MIN(n, sizeof(bytes));
		if (write(fd, bytes, w) != (ssize_t)w)
			break;
	}
	close(fd);
}

/* A layer that streams; the code of its end. */
static int
layer(const char *digest, uint64_t size, size_t n, const char *last)
{
	int fd = -1, code = -1, type = store(STORE_BLOB, digest, size, &fd, &code);

	if (type == M_STORE_DONE)
		return code;
	if (!ok(type == M_STORE_FD, "a place for its bytes"))
		return -1;
	fill(fd, n);
	return tell(M_STORE_END, NULL, last, n);
}

/* A document; 0 also when it is there. */
static int
document(enum store_what what, const char *digest, size_t n)
{
	int fd = -1, code = -1, type = store(what, digest, n, &fd, &code);

	if (type == M_STORE_THERE)
		return 0;
	if (type == M_STORE_DONE)
		return code;
	fill(fd, n);
	return tell(M_STORE_END, NULL, digest, n);
}

#define LAYER	MIB(5)		/* more than a document may have */
#define UPLOADS	"POST /v2/x/y/blobs/uploads/||0\n"
#define HEAD1	"HEAD /v2/x/y/blobs/" D1 "||0\n"
#define PUT1	"PUT /v2/x/y/blobs/uploads/1?_state=a%2Fb&digest=sha256%3A" \
	"0123012301230123012301230123012301230123012301230123012301230123"
#define CLOSE1	"PUT /v2/x/y/blobs/uploads/1?_state=c&digest=sha256%3A" \
	"0123012301230123012301230123012301230123012301230123012301230123||0\n"
#define PATCH	"PATCH /v2/x/y/blobs/uploads/1?_state=a%2Fb"

static void
test_steps(void)
{
	int fd = -1, code = -1;

	begin((const char *const[ANSWERS]){ OPENED, SENT, MADE });
	is_int(layer("", LAYER, LAYER, D1), 0, "a layer whose digest is known at its end");
	end(UPLOADS PATCH "||5242880\n" CLOSE1, "known at the end");

	begin((const char *const[ANSWERS]){ OPENED, SENT, MADE });
	is_int(layer("", UINT64_MAX, 30, D1), 0, "a layer of unknown size");
	end(UPLOADS PATCH "||41c\n" CLOSE1, "unknown size");

	begin((const char *const[ANSWERS]){ NOT_THERE, OPENED, MADE });
	is_int(layer(D1, LAYER, LAYER, D1), 0, "a layer whose digest is known before");
	end(HEAD1 UPLOADS PUT1 "||5242880\n", "known before");

	begin((const char *const[ANSWERS]){ THERE });
	is_int(store(STORE_BLOB, D1, LAYER, &fd, &code), M_STORE_THERE, "a layer that is there");
	end(HEAD1, "there");

	begin((const char *const[ANSWERS]){ NOT_THERE, OPENED, MADE, MADE });
	is_int(document(STORE_BLOB, D1, 100), 0, "a document");
	is_int(document(STORE_MANIFEST, D2, 200), 0, "a manifest");
	is_int(tell(M_STORE_COMMIT, "a/manifest", D2, 200), 0, "and its name");
	end(HEAD1 UPLOADS PUT1 "||100\nPUT /v2/x/y/manifests/tag||200\n", "documents");

	begin((const char *const[ANSWERS]){ OPENED, SENT, MADE });
	is_int(layer("", 0, 0, D1), 0, "an empty layer");
	end(UPLOADS PATCH "||0\n" CLOSE1, "empty");
}

static void
test_faults(void)
{
	begin((const char *const[ANSWERS]){ SOON, NOT_THERE, SOON, NOT_THERE, OPENED, SOON, NOT_THERE, OPENED, MADE });
	is_int(document(STORE_BLOB, D1, 100), 0, "a document, each request failing once");
	end(HEAD1 HEAD1 UPLOADS HEAD1 UPLOADS PUT1 "||100\n" HEAD1 UPLOADS PUT1 "||100\n", "failing once");

	begin((const char *const[ANSWERS]){ SOON, OPENED, SENT, SOON, NOT_THERE, MADE, SOON, MADE });
	is_int(layer("", LAYER, LAYER, D1), 0, "a layer, all but its bytes failing once");
	is_int(document(STORE_MANIFEST, D2, 20), 0, "a manifest");
	is_int(tell(M_STORE_COMMIT, "a/manifest", D2, 20), 0, "named in the second attempt");
	end(UPLOADS UPLOADS PATCH "||5242880\n" CLOSE1 HEAD1 CLOSE1
	    "PUT /v2/x/y/manifests/tag||20\nPUT /v2/x/y/manifests/tag||20\n", "but its bytes");

	begin((const char *const[ANSWERS]){ OPENED, SENT, SOON, THERE });
	is_int(layer("", LAYER, LAYER, D1), 0, "an end whose answer was lost");
	end(UPLOADS PATCH "||5242880\n" CLOSE1 HEAD1, "answer lost");

	begin((const char *const[ANSWERS]){ OPENED, SENT, NOT_THERE, THERE });
	is_int(layer("", LAYER, LAYER, D1), 0, "an upload that was closed already");
	end(UPLOADS PATCH "||5242880\n" CLOSE1 HEAD1, "closed already");

	begin((const char *const[ANSWERS]){ OPENED, SENT, NOT_THERE, NOT_THERE, NOT_THERE });
	is_int(layer("", LAYER, LAYER, D1), ERR_IMAGE_NOTFOUND, "an upload that is no more");
	end(UPLOADS PATCH "||5242880\n" CLOSE1 HEAD1 CLOSE1, "no more");

	begin((const char *const[ANSWERS]){ OPENED, "+" SOON, OPENED, SENT, MADE });
	is_int(layer("", LAYER, LAYER, D1), 0, "a layer refused for a while before its first byte");
	end(UPLOADS PATCH "||0\n" UPLOADS PATCH "||5242880\n" CLOSE1, "before its first byte");

	begin((const char *const[ANSWERS]){ OPENED, "!" });
	is_int(layer("", LAYER, LAYER, D1), ERR_NET, "a line that breaks in the middle");
	ok(strstr(said.msg, "comes but once") != NULL, "says that it cannot be repeated: %s", said.msg);
	end(UPLOADS PATCH "||1000\n", "in the middle");

	begin((const char *const[ANSWERS]){ OPENED, "+" REFUSED });
	is_int(layer("", LAYER, LAYER, D1), ERR_REGISTRY, "a layer too large for the registry");
	ok(strstr(said.msg, "413") != NULL && strstr(said.msg, "SIZE\\x1b: far too much") != NULL,
	    "the registry's words: %s", said.msg);
	end(UPLOADS PATCH "||0\n", "too large");

	begin((const char *const[ANSWERS]){ OPENED, SENT });
	is_int(layer("", LAYER, LAYER - 1, D1), ERR_CANCELLED, "fewer bytes than were promised");
	end(UPLOADS PATCH "||5242879\n", "fewer bytes");
}

static void
test_lies(void)
{
	begin((const char *const[ANSWERS]){ OK("202 Accepted") "\r\n" });
	is_int(layer("", LAYER, LAYER, D1), ERR_REGISTRY, "no Location");
	end(UPLOADS, "no Location");

	begin((const char *const[ANSWERS]){ OK("202 Accepted") "Location: file:///etc/passwd\r\n\r\n" });
	is_int(layer("", LAYER, LAYER, D1), ERR_REGISTRY, "a Location that is no place to upload to");
	end(UPLOADS, "no place");

	begin((const char *const[ANSWERS]){ OK("202 Accepted") "Location: /a#b\r\n\r\n" });
	is_int(layer("", LAYER, LAYER, D1), ERR_REGISTRY, "a Location with a fragment");
	end(UPLOADS, "fragment");

	begin((const char *const[ANSWERS]){ OPENED, SENT, OK("201 Created") "Docker-Content-Digest: " D2 "\r\n\r\n" });
	is_int(layer("", 10, 10, D1), ERR_DIGEST, "another digest than that of the layer");
	end(UPLOADS PATCH "||10\n" CLOSE1, "another digest");

	begin((const char *const[ANSWERS]){ OK("201 Created") "Docker-Content-Digest: " D1 "\r\n\r\n" });
	is_int(document(STORE_MANIFEST, D2, 20), 0, "a manifest");
	is_int(tell(M_STORE_COMMIT, "a/manifest", D2, 20), ERR_DIGEST, "another digest than the manifest's");
	end("PUT /v2/x/y/manifests/tag||20\n", "another manifest");

	begin((const char *const[ANSWERS]){ OK("303 See") "Location: /v2/x/y/elsewhere\r\n\r\n" });
	is_int(layer("", 10, 10, D1), ERR_REGISTRY, "a redirect that changes the request");
	end(UPLOADS, "changes the request");
}

#define BASIC	"Basic dXNlcjp3b3Jk"

static void
test_credentials(void)
{
	with_password = true;
	begin((const char *const[ANSWERS]){ WANTS("Basic realm=x"), OPENED, SENT, MADE });
	is_int(layer("", LAYER, LAYER, D1), 0, "a password");
	end(UPLOADS "POST /v2/x/y/blobs/uploads/|" BASIC "|0\n" PATCH "|" BASIC "|5242880\n"
	    "PUT /v2/x/y/blobs/uploads/1?_state=c&digest=sha256%3A"
	    "0123012301230123012301230123012301230123012301230123012301230123|" BASIC "|0\n", "password");

	begin((const char *const[ANSWERS]){ WANTS("Bearer realm=\"http://127.0.0.1:PORT/t\""),
	    "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"token\":\"tt\"}",
	    OPENED, SENT, MADE });
	is_int(layer("", 10, 10, D1), 0, "a token");
	end(UPLOADS "GET /t?scope=repository%3Ax%2Fy%3Apull%2Cpush|" BASIC "|0\n"
	    "POST /v2/x/y/blobs/uploads/|Bearer tt|0\n" PATCH "|Bearer tt|10\n"
	    "PUT /v2/x/y/blobs/uploads/1?_state=c&digest=sha256%3A"
	    "0123012301230123012301230123012301230123012301230123012301230123|Bearer tt|0\n", "token");

	begin((const char *const[ANSWERS]){ WANTS("Basic realm=x"),
	    OK("202 Accepted") "Location: http://localhost:PORT/up?a=b\r\n\r\n",
	    OK("202 Accepted") "Location: http://127.0.0.1:PORT/up?a=c\r\n\r\n", MADE });
	is_int(layer("", 10, 10, D1), 0, "an upload to another host");
	end(UPLOADS "POST /v2/x/y/blobs/uploads/|" BASIC "|0\nPATCH /up?a=b||10\n"
	    "PUT /up?a=c&digest=sha256%3A0123012301230123012301230123012301230123012301230123012301230123||0\n",
	    "another host gets no credentials, nor who it sends back with");

	begin((const char *const[ANSWERS]){ WANTS("Basic realm=x"),
	    OK("307 There") "Location: http://localhost:PORT/v2/x/y/blobs/uploads/\r\n\r\n", OPENED, SENT, MADE });
	is_int(layer("", 10, 10, D1), 0, "a redirect to another host");
	end(UPLOADS "POST /v2/x/y/blobs/uploads/|" BASIC "|0\n" UPLOADS PATCH "||10\n" CLOSE1, "nothing goes with it");

	begin((const char *const[ANSWERS]){ WANTS("Basic realm=x"), WANTS("Basic realm=x") });
	is_int(layer("", 10, 10, D1), ERR_AUTH, "a wrong password");
	end(UPLOADS "POST /v2/x/y/blobs/uploads/|" BASIC "|0\n", "is shown once");
	with_password = false;
}

static void
test_settings(void)
{
	int fd = -1, code = -1;

	registries_text = "[[registry]]\nprefix = \"127.0.0.1\"\nblocked = true\n";
	begin((const char *const[ANSWERS]){ NULL });
	is_int(store(STORE_BLOB, D1, 10, &fd, &code), M_STORE_DONE, "a registry that is blocked");
	is_int(code, ERR_CONFIG, "says so");
	end("", "blocked");
	registries_text = NULL;

	timeout_ms = 60000;
	begin((const char *const[ANSWERS]){ OPENED, SENT, MADE });
	is_int(store(STORE_BLOB, "", LAYER, &fd, &code), M_STORE_FD, "a layer that never comes");
	__atomic_store_n(&asked->ahead, timeout_ms, __ATOMIC_SEQ_CST);	/* seen with the next message */
	is_int(tell(M_STORE_END, NULL, D1, LAYER), ERR_TIMEOUT, "ends with the time for all: %s", said.msg);
	close(fd);
	end(UPLOADS, "never comes");
	asked->ahead = 0;
	timeout_ms = 0;

	low_speed_s = 3;
	begin((const char *const[ANSWERS]){ OPENED, SENT, "~" MADE });
	is_int(layer("", LAYER, LAYER, D1), 0, "a registry that takes its time in the end");
	end(UPLOADS PATCH "||5242880\n" CLOSE1, "takes its time");
	low_speed_s = 0;
}

/* What copy may not say ends it all. */
static void
test_protocol(void)
{
	int fd = -1, code = -1;

	begin((const char *const[ANSWERS]){ NULL });
	is_int(tell(M_STORE_END, NULL, D1, 5), -1, "the end of nothing");
	end("", "of nothing");
	begin((const char *const[ANSWERS]){ NULL });
	is_int(tell(M_STORE_COMMIT, "a/b", D1, 5), -1, "a name for nothing");
	end("", "for nothing");
	begin((const char *const[ANSWERS]){ NULL });
	is_int(store(STORE_WHAT_COUNT, D1, 5, &fd, &code), -1, "nothing known");
	end("", "nothing known");
	begin((const char *const[ANSWERS]){ NULL });
	is_int(document(STORE_MANIFEST, D2, 20), 0, "a manifest");
	is_int(tell(M_STORE_COMMIT, "a/b", D1, 20), -1, "the name of another one");
	end("", "another one");
	begin((const char *const[ANSWERS]){ NULL });
	is_int(store(STORE_MANIFEST, D2, 20, &fd, &code), M_STORE_FD, "a manifest");
	fill(fd, 19);
	is_int(tell(M_STORE_END, NULL, D2, 20), ERR_PROTO, "that is shorter than it was said to be");
	end("", "shorter");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	asked = mmap(NULL, sizeof(*asked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_steps();
	test_faults();
	test_lies();
	test_credentials();
	test_settings();
	test_protocol();
	curl_global_cleanup();
	return tap_done();
}
